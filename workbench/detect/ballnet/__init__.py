"""A small network that sees the ball: its data, its training, its shipped weights, its teacher."""
