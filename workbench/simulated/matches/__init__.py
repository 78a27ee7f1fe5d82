"""Football matches played by rule and filmed: every touch of the ball known to the frame."""
