"""The ball of one clip: its track, the pieces of smooth motion in it, what happened to it."""
