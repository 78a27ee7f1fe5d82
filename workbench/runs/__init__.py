"""Stages and their runs: parameters, keys, execution, reports, the index."""
