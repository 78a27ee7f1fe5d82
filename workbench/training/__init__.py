"""What every network shares in training: one loop, run folders, device and precision, weights."""
