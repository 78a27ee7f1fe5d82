"""Workbench: from raw sports footage to trusted answers.

Data flows one way, and every arrow is a file format that others read too:
footage → clips → labels → datasets → models → events → reports. A module may import what stands to
its left, never what stands to its right. Heavy packages (torch, OpenCV) are imported by the modules
that need them, never here, so that the command line answers at once.
"""

__version__ = "0.1.0"
