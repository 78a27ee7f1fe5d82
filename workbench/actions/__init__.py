"""Which action a clip shows: clip datasets, networks, predictions, the test report."""
