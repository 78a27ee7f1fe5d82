"""The 3D fit of one shot: guesses, explanations, their weights, and the head that calibrates."""
