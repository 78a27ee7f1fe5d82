"""The goals that people clicked, as views for the clips that they serve.

The unit is one clip. Its own click comes first, else the newest of its session whose picture can be
registered to the clip's (`carried`). Corners are in the view of the clip's reference frame. Clicks
win over what an analysis finds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.footage.clips import Clip
from workbench.footage.pinhole import Floats
from workbench.labels.shotclicks import GoalClick
from workbench.shots.goal.carried import carry_corners
from workbench.shots.goal.corners import GoalView

CLICKED = "clicks"  # the method of such a view


@dataclass(frozen=True)
class ClickedGoal:
    """The goal of a clip as a person clicked it, there or in another clip of the session."""

    view: GoalView  # without corners where the click does not tell where it is in this clip
    goal_wh_m: tuple[float, float] | None  # None where it was not said


def clicked_goals(
    clips: Sequence[Clip], footage_dir: Path, clicks: Mapping[str, GoalClick]
) -> dict[str, ClickedGoal]:
    """Return the clicked goal of each clip whose session has a click, by clip id.

    Args:
        clips: All clips of the footage.
        footage_dir: Their files are relative to it.
        clicks: By clip id.
    """
    found = {clip.clip_id: clicked_goal(clip, clips, footage_dir, clicks) for clip in clips}
    return {name: goal for name, goal in found.items() if goal is not None}


def clicked_goal(
    clip: Clip, clips: Sequence[Clip], footage_dir: Path, clicks: Mapping[str, GoalClick]
) -> ClickedGoal | None:
    """Return the clicked goal of one of the clips; None where nobody has clicked in its session."""
    if clip.clip_id in clicks:
        return _own(clip, footage_dir, clicks[clip.clip_id])
    others = sorted(
        (one for one in clips if one.session == clip.session and one.clip_id in clicks),
        key=lambda one: (clicks[one.clip_id].created_at, one.clip_id),
        reverse=True,
    )
    return _of_session(clip, footage_dir, others, clicks) if others else None


def _own(clip: Clip, footage_dir: Path, click: GoalClick) -> ClickedGoal:
    said = f"Clicked{_by(click)} in frame {click.frame}"
    wanted = clip.reference_frame
    if clip.camera == "fixed" or click.frame == wanted:
        return _seen(click, np.array(click.corners_px, float), f"{said}.")
    video = footage_dir / clip.file
    corners = carry_corners(click.corners_px, video, click.frame, video, wanted)
    if corners is None:
        why = f"{said}, whose picture differs from frame {wanted}: click it there."
        return ClickedGoal(GoalView(None, "none", why), click.goal_wh_m)
    return _seen(click, corners, f"{said}, carried to frame {wanted}.")


def _of_session(
    clip: Clip, footage_dir: Path, others: list[Clip], clicks: Mapping[str, GoalClick]
) -> ClickedGoal:
    for other in others:
        click = clicks[other.clip_id]
        corners = carry_corners(
            click.corners_px,
            footage_dir / other.file,
            click.frame,
            footage_dir / clip.file,
            clip.reference_frame,
        )
        if corners is not None:
            return _seen(click, corners, f"Clicked{_by(click)} in {other.clip_id}, carried here.")
    why = f"Clicked in {others[0].clip_id}, which shows another view: click it in this clip."
    return ClickedGoal(GoalView(None, "none", why), None)


def _seen(click: GoalClick, corners: Floats, reason: str) -> ClickedGoal:
    return ClickedGoal(GoalView(corners, CLICKED, reason), click.goal_wh_m)


def _by(click: GoalClick) -> str:
    return f" by {click.annotator}" if click.annotator else ""
