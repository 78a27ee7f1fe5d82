"""The clip rater: clips one after another in a notebook cell, stars on the number keys."""

from annotation_tools.rater.links import ReviewTable, ToolLinks, review_table, tool_links
from annotation_tools.rater.widget import ClipRater

__all__ = ["ClipRater", "ReviewTable", "ToolLinks", "review_table", "tool_links"]
