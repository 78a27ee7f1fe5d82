"""The clip rater: clips one after another in a notebook cell, stars on the number keys."""

from annotation_tools.rater.links import ToolLinks, tool_links
from annotation_tools.rater.widget import ClipRater

__all__ = ["ClipRater", "ToolLinks", "tool_links"]
