"""Video in and out, the clip list, and the built-in footage."""
