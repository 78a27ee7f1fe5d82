"""How good verdicts are: on simulated shots, along the whole chain, and against people."""
