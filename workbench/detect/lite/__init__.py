"""A small RF-DETR that learns on a CPU: its network, what it learns from, and shipped weights."""
