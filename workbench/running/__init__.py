"""Running a notebook truthfully: what to run and why, in a process of its own, on the record."""
