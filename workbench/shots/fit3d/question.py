"""The checked input of a verdict, and the observations of the fit in a picture of standard size.

The unit of data is one question, "was this a goal?", with everything that was seen. Pixels are
brought to a picture 1920 wide, so that the answer does not depend on the size of the picture, and
times to seconds since the first observation, so that it does not depend on when the clip starts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.footage.pinhole import Floats
from workbench.shots.ball.track import BallTrack
from workbench.shots.fit3d.fit import Observations
from workbench.shots.verdict import EventKind, ShotError, ShotEvent

_LONG_SIDE_PX = 1920.0
_LEAST_BODY_PX = 4.0
_CORNERS_REMEDY = "give (4, 2) pixels"
_PEOPLE_REMEDY = "give (n, 4): foot x, foot y, head x, head y"


@dataclass(frozen=True)
class Clock:
    """Conversion between seconds since the first observation and frames of the clip."""

    first_frame: float
    fps: float

    def frame(self, time_s: float) -> float:
        """The frame, perhaps between two, at `time_s`."""
        return self.first_frame + time_s * self.fps

    def seconds(self, frame: float) -> float:
        """When a frame is."""
        return (frame - self.first_frame) / self.fps

    def event(self, kind: EventKind, time_s: float) -> ShotEvent:
        """An event at `time_s`."""
        frame = self.frame(time_s)
        return ShotEvent(kind, frame, frame / self.fps)


@dataclass(frozen=True)
class Question:
    """A shot to be judged."""

    track: BallTrack  # pixels of the clip
    clicked_px: Floats  # (4, 2) corners in pixels of the clip, any order
    people: Floats | None  # (n, 4) standard size
    goal_size_m: tuple[float, float]
    image_wh: tuple[int, int]  # of the clip
    fps: float
    kick_frame: float | None

    @property
    def scale(self) -> float:
        """Pixels of the standard picture per pixel of the clip."""
        return _LONG_SIDE_PX / max(self.image_wh)

    @property
    def standard_wh(self) -> tuple[int, int]:
        """Size of the standard picture."""
        width, height = self.image_wh
        return round(self.scale * width), round(self.scale * height)

    @property
    def clock(self) -> Clock:
        """Its seconds and frames."""
        return Clock(float(self.track.frames[0]), self.fps)

    @property
    def kick_s(self) -> float | None:
        """When the foot meets the ball, if somebody knows."""
        return None if self.kick_frame is None else self.clock.seconds(self.kick_frame)

    def observations(self) -> Observations:
        """What was seen of the ball, in the standard picture."""
        frames = self.track.frames
        diameter = self.scale * self.track.diameter_px
        known = np.isfinite(diameter) & (diameter > 0.5)
        return Observations(
            times_s=(frames - frames[0]) / self.fps,
            uv=self.scale * self.track.xy,
            log_diameter=np.log(np.where(known, diameter, 1.0)),
            has_diameter=known.astype(np.float64),
            center_px=self.scale * np.array(self.image_wh, dtype=np.float64) / 2.0,
            goal_size_m=self.goal_size_m,
        )


def ask(
    track: BallTrack | pd.DataFrame,
    goal_corners_px: ArrayLike,
    *,
    goal_size_m: tuple[float, float],
    fps: float,
    image_wh: tuple[int, int],
    people: ArrayLike | None = None,
    kick_frame: float | None = None,
) -> Question:
    """Check the arguments of `judge_shot`.

    Raises:
        ShotError: If an argument is not what it must be.
    """
    corners = _as_numbers(goal_corners_px, "goal_corners_px", _CORNERS_REMEDY)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise ShotError("goal_corners_px is not four finite points", _CORNERS_REMEDY)
    if not (np.isfinite(fps) and fps > 0):
        raise ShotError(f"fps is {fps}", "give the frames per second of the clip")
    if len(image_wh) != 2 or not all(np.isfinite(side) and side > 0 for side in image_wh):
        raise ShotError(f"image_wh is {image_wh}", "give width and height of the picture in pixels")
    if len(goal_size_m) != 2 or not all(0.3 < side < 30 for side in goal_size_m):
        raise ShotError(f"goal_size_m is {goal_size_m}", "give inner width and height in metres")
    if kick_frame is not None and not np.isfinite(kick_frame):
        raise ShotError(f"kick_frame is {kick_frame}", "give a frame number, or None if not known")
    crowd = _check_people(people)
    scale = _LONG_SIDE_PX / max(image_wh)
    return Question(
        track=track if isinstance(track, BallTrack) else BallTrack.from_table(track),
        clicked_px=corners,
        people=None if crowd is None else scale * crowd,
        goal_size_m=(float(goal_size_m[0]), float(goal_size_m[1])),
        image_wh=image_wh,
        fps=float(fps),
        kick_frame=None if kick_frame is None else float(kick_frame),
    )


def _check_people(people: ArrayLike | None) -> Floats | None:
    if people is None:
        return None
    crowd = _as_numbers(people, "people", _PEOPLE_REMEDY)
    if crowd.size == 0:
        return None
    if crowd.ndim != 2 or crowd.shape[1] != 4:
        raise ShotError(f"people has shape {crowd.shape}", _PEOPLE_REMEDY)
    upright = crowd[:, 1] - crowd[:, 3] > _LEAST_BODY_PX
    usable = crowd[np.isfinite(crowd).all(axis=1) & upright]
    return usable if len(usable) else None


def _as_numbers(values: ArrayLike, name: str, remedy: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShotError(f"{name} does not hold numbers", remedy) from None
