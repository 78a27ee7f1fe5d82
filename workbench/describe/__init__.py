"""Words about clips, and whether they are true."""
