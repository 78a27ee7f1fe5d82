"""What every network shares in training: run folders, device and precision, splits."""
