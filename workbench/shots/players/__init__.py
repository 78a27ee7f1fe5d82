"""The people of one clip: who has the ball, who shoots, in which pose, with which foot."""
