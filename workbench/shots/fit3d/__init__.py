"""The 3D fit of one shot: guesses, hypotheses, their weights, and the head that calibrates."""
