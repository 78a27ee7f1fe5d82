"""Simulated tracks of shots, with physics beyond what the fit assumes."""
