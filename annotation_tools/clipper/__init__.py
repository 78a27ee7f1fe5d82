"""The clipper: cut clips out of long videos in the browser, and export them.

The unit is one cut: an interval of frames with a name and a sport, kept in the label database the
moment it is made. Exporting turns the cuts into clip files and rows of `clips.json`.
"""

from annotation_tools.clipper.app import make_clipper

__all__ = ["make_clipper"]
