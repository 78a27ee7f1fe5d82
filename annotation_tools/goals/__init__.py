"""The goal labeller: say for clip after clip whether it shows a goal, and in which frame.

The unit is one verdict of one annotator on one clip, kept in the label database the moment it is
given; a clip may have events with labels beside it. Others' verdicts and the model's are shown only
in review mode, where an adjudicator gives the last word.
"""

from annotation_tools.goals.app import Round, make_goals

__all__ = ["Round", "make_goals"]
