"""The goal of one clip: its corners in the picture, and the camera that sees them so."""
