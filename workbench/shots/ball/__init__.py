"""The ball of one clip: its track, the pieces of smooth motion in it, and when it was kicked."""
