"""Clip datasets, the R(2+1)D classifier, its training and its test report."""
