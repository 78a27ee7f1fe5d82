"""Verdicts against the truth: simulated shots, the whole chain, people; and the head's training."""
