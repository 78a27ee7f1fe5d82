"""Teachers with trained weights, chains of teachers, and the register of all by name."""
