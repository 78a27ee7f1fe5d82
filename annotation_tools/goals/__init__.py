"""The goal labeller: say for clip after clip whether it shows a goal, and in which frame.

The unit is one verdict of one annotator on one clip, kept in the label database the moment it is
given. Others' verdicts and the model's are shown only in review mode.
"""

from annotation_tools.goals.app import make_goals

__all__ = ["make_goals"]
