"""Where per-item work runs: in this process, on processes of this machine, or on a Ray cluster."""
