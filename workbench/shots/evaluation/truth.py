"""The truth of a shot, as it comes with built-in footage.

The unit is one clip. Read for judging the chain, and for the goal's size, which on real footage
somebody measures with a tape. Knows nothing about what the chain found.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.detect.store import ClipDetections, load_truth
from workbench.footage.clips import Clip
from workbench.footage.pinhole import goal_corners, to_pixels
from workbench.saving import reading
from workbench.shots.verdict import ShotError


@dataclass(frozen=True, eq=False)
class TrueShot:
    """What really happened in a clip."""

    is_goal: bool
    foot: str
    contact_frame: float
    speed_kmh: float
    goal_wh_m: tuple[float, float]
    corners_px: NDArray[np.float64]  # (4, 2) at the contact
    labels: ClipDetections
    shooter_track_id: int
    technique: dict[str, float]  # measure to degrees or °/s at the contact; empty where not known


def load_true_shot(clip: Clip, footage_dir: Path) -> TrueShot | None:
    """Read the truth of a shot; None where there is none, or where nobody shoots.

    Raises:
        ShotError: If the truth is no label file, or holds a shot that cannot be read.
    """
    if clip.truth is None:
        return None
    with reading(footage_dir / clip.truth, "the truth of a shot", error=ShotError) as content:
        told, images = content["clip"].get("shot"), content["images"]
        if told is None:
            return None
        # Frame i is exposed in the middle of its time, and pixel i is measured at its middle.
        contact_frame = float(told["contact_s"]) * float(clip.fps) - 0.5
        place = min(max(0, round(contact_frame)), len(images) - 1)
        width, height = told["goal_wh_m"]
        goal_wh_m = float(width), float(height)
        camera = np.asarray(images[place]["camera"], float)
        return TrueShot(
            is_goal=bool(told["is_goal"]),
            foot=str(told["foot"]),
            contact_frame=contact_frame,
            speed_kmh=float(told["speed_kmh"]),
            goal_wh_m=goal_wh_m,
            corners_px=to_pixels(camera, goal_corners(goal_wh_m)) + 0.5,
            labels=load_truth([clip], footage_dir)[0],
            shooter_track_id=int(told["shooter_track_id"]),
            technique={name: float(value) for name, value in told.get("technique", {}).items()},
        )


def goal_sizes(
    clips: Iterable[Clip], footage_dir: Path, measured_wh_m: tuple[float, float]
) -> dict[str, tuple[float, float]]:
    """Return the goal's width and height for each clip id: its own if known, else as measured."""
    sizes = {}
    for clip in clips:
        truth = load_true_shot(clip, footage_dir)
        sizes[clip.clip_id] = measured_wh_m if truth is None else truth.goal_wh_m
    return sizes
