"""The coach's page: choose or bring a clip of a shot, see what was measured, and hear the coach.

Analyses wait in a queue, one per core; the video is there before the first word. What is shown of
a coach has been checked against the facts.
"""

from annotation_tools.coach.app import make_coach_page

__all__ = ["make_coach_page"]
