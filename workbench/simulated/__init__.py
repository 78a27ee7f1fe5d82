"""Rendered footage and simulated shots, with exact truth."""
