"""Evaluation of verdicts: on simulated shots, along the whole chain, and against people."""
