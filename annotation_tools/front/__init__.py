"""The front page: every tool at one address, what waits for a person, and the reports.

The unit is one project. The tools are mounted below the page, so that one token opens all of them.
"""

from annotation_tools.front.app import Place, make_front

__all__ = ["Place", "make_front"]
