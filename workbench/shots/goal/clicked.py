"""The goals that people clicked, as views for the clips that they serve.

The unit is one clip. Its own click comes first; else one of its session serves it, where both
cameras stood still and the pictures are of one size. Clicks win over what an analysis finds.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from workbench.footage.clips import Clip
from workbench.labels.shotclicks import GoalClick
from workbench.shots.goal.corners import GoalView

CLICKED = "clicks"  # the method of such a view


def clicked_goals(clips: Iterable[Clip], clicks: Mapping[str, GoalClick]) -> dict[str, GoalView]:
    """Return the goal of each clip that a click serves, by clip id.

    Where several clips of a session have clicks, the newest serves the others.

    Args:
        clips: All clips of the footage.
        clicks: By clip id.
    """
    clips = list(clips)
    served = {}
    for clip in clips:
        own = clicks.get(clip.clip_id)
        if own is not None:
            served[clip.clip_id] = _view(own, f"Clicked{_by(own)} in frame {own.frame}.")
        elif found := _of_session(clip, clips, clicks):
            whose, click = found
            reason = f"Clicked{_by(click)} in {whose}: same session, both cameras stand still."
            served[clip.clip_id] = _view(click, reason)
    return served


def clicked_sizes(
    clips: Iterable[Clip], clicks: Mapping[str, GoalClick]
) -> dict[str, tuple[float, float]]:
    """Return width and height in metres of the clicked goals whose size was said, by clip id."""
    clips = list(clips)
    sizes = {}
    for clip in clips:
        own = clicks.get(clip.clip_id)
        found = (clip.clip_id, own) if own is not None else _of_session(clip, clips, clicks)
        if found and found[1].goal_wh_m is not None:
            sizes[clip.clip_id] = found[1].goal_wh_m
    return sizes


def _of_session(
    clip: Clip, clips: list[Clip], clicks: Mapping[str, GoalClick]
) -> tuple[str, GoalClick] | None:
    others = [
        (clicks[other.clip_id].created_at, other.clip_id)
        for other in clips
        if other.clip_id in clicks
        and other.session == clip.session
        and (other.width, other.height) == (clip.width, clip.height)
        and other.fixed_camera
        and clip.fixed_camera
    ]
    if not others:
        return None
    _, whose = max(others)
    return whose, clicks[whose]


def _view(click: GoalClick, reason: str) -> GoalView:
    return GoalView(np.array(click.corners_px, float), CLICKED, reason, click.frame)


def _by(click: GoalClick) -> str:
    return f" by {click.annotator}" if click.annotator else ""
