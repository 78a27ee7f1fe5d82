"""The checked input of a verdict, and the observations of the fit in a picture of standard size.

The unit of data is one question, "was this a goal?", with everything that was seen. Pixels are
brought to a picture 1920 wide, so that the answer does not depend on the size of the picture, and
times to seconds since the first observation, so that it does not depend on when the clip starts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.footage.pinhole import FULL_GOAL_M, Floats
from workbench.labels.values import SHOT_M
from workbench.shots.ball.track import BallTrack
from workbench.shots.fit3d.fit import Observations, independent_share
from workbench.shots.verdict import ShotError

_LONG_SIDE_PX = 1920.0
_LEAST_BODY_PX = 4.0
_CORNERS_REMEDY = "give (4, 2) pixels"
_PEOPLE_REMEDY = "give (n, 4): foot x, foot y, head x, head y, or a table of boxes"
_BOX_COLUMNS = ["frame", "x0", "y0", "x1", "y1"]
_STANDING_RATIO = 2.2  # a standing person's box is so many times as high as wide
_STANDING_EACH = 3  # boxes of one player: their errors are alike, more add nothing
_SIZE_PX = 16.0  # of a ball whose size is unsure by reading it, to two pixels, as by how balls look
_EDGE_PX = 2.0  # boxes that touch the picture's edge are cut off


@dataclass(frozen=True)
class Question:
    """A shot to be judged."""

    track: BallTrack  # pixels of the clip
    clicked_px: Floats  # (4, 2) corners in pixels of the clip, any order
    people: Floats  # (n, 4) who stands upright: foot x, y, head x, y; standard size
    boxes: Floats | None  # (m, 5) frame, x0, y0, x1, y1 of everybody; standard size
    goal_size_m: tuple[float, float]
    image_wh: tuple[int, int]  # of the clip
    fps: float
    kick_frame: float | None
    distance_m: float | None = None  # of the ball from the goal line before the kick, if told

    @property
    def scale(self) -> float:
        """Pixels of the standard picture per pixel of the clip."""
        return _LONG_SIDE_PX / max(self.image_wh)

    def observations(self) -> Observations:
        """What was seen of the ball, in the standard picture."""
        frames, kick = self.track.frames, self.kick_frame
        diameter = self.scale * self.track.diameter_px
        known = np.isfinite(diameter) & (diameter > 0.5)
        boxes = self.boxes  # with seconds instead of frames
        if boxes is not None:
            boxes = (boxes - [frames[0], 0, 0, 0, 0]) / [self.fps, 1, 1, 1, 1]
        return Observations(
            times_s=(frames - frames[0]) / self.fps,
            uv=self.scale * self.track.xy,
            log_diameter=np.log(np.where(known, diameter, 1.0)),
            has_diameter=known
            / np.hypot(1.0, self.scale * _SIZE_PX / np.where(known, diameter, 1)),
            center_px=self.scale * np.array(self.image_wh, dtype=np.float64) / 2.0,
            goal_size_m=self.goal_size_m,
            fps=self.fps,
            first_frame=float(frames[0]),
            kick_s=None if kick is None else (kick - float(frames[0])) / self.fps,
            worth=independent_share((frames - frames[0]) / self.fps),
            boxes=boxes,
            distance_m=self.distance_m,
        )


def ask(
    track: BallTrack | pd.DataFrame,
    goal_corners_px: ArrayLike,
    *,
    goal_size_m: tuple[float, float] = FULL_GOAL_M,
    fps: float,
    image_wh: tuple[int, int],
    people: ArrayLike | pd.DataFrame | None = None,
    kick_frame: float | None = None,
    distance_m: float | None = None,
) -> Question:
    """Return the question of `judge_shot`, checked.

    Args:
        track: The ball's track, wrong finds included, or a table with `ball.track.TRACK_COLUMNS`.
        goal_corners_px: Corners (4, 2) of the inner edge of the goal's frame, in any order.
        goal_size_m: Inner width and height of the goal.
        fps: Frames per second.
        image_wh: Width and height of the picture; its middle is taken for the principal point.
        people: People who stand upright (n, 4) as foot x, foot y, head x, head y; they pin the
            camera's height and tilt. Or everybody's boxes, a table with `frame`, `x0`, `y0`, `x1`,
            `y1` in pixels, perhaps `player`, and `whole` where it is known which ones are not cut
            off: who is where the ball ends is evidence too.
        kick_frame: When the foot meets the ball, if known to about two frames.
        distance_m: How far from the goal line the ball lay, if somebody knows it (a penalty: 11).
            With a long lens the goal alone hardly tells how far off the camera is; this does.

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
    if distance_m is not None and not SHOT_M[0] <= distance_m <= SHOT_M[1]:
        raise ShotError(f"distance_m is {distance_m}", "give metres from the goal line, .5 to 90")
    boxes, scale = None, _LONG_SIDE_PX / max(image_wh)
    if isinstance(people, pd.DataFrame):
        missing = [column for column in _BOX_COLUMNS if column not in people]
        if missing:
            raise ShotError(f"people has no column {missing[0]!r}", _PEOPLE_REMEDY)
        boxes = _as_numbers(people[_BOX_COLUMNS], "people", _PEOPLE_REMEDY)
        boxes = boxes[np.isfinite(boxes).all(axis=1)] * [1, scale, scale, scale, scale]
        people = _standing(people, image_wh)
    return Question(
        track=track if isinstance(track, BallTrack) else BallTrack.from_table(track),
        clicked_px=corners,
        people=scale * _check_people(people),
        boxes=boxes,
        goal_size_m=(float(goal_size_m[0]), float(goal_size_m[1])),
        image_wh=image_wh,
        fps=float(fps),
        kick_frame=None if kick_frame is None else float(kick_frame),
        distance_m=distance_m,
    )


def _standing(table: pd.DataFrame, image_wh: tuple[int, int]) -> Floats:
    """Feet and heads (n, 4) of people who stand upright, by their boxes.

    Boxes cut by the picture's edge and boxes wider than a standing person are left out; of each
    player a few boxes count, spread over the clip.
    """
    width, height = table["x1"] - table["x0"], table["y1"] - table["y0"]
    whole = (table["y0"] > _EDGE_PX) & (table["y1"] < image_wh[1] - _EDGE_PX)
    upright = table[table.get("whole", whole).astype(bool) & (height > _STANDING_RATIO * width)]
    rows = [np.empty((0, 4))]
    for _, boxes in upright.groupby(upright.get("player", np.zeros(len(upright))), sort=True):
        chosen = np.linspace(0, len(boxes) - 1, min(_STANDING_EACH, len(boxes))).round().astype(int)
        x0, y0, x1, y1 = boxes[_BOX_COLUMNS[1:]].to_numpy(float)[chosen].T
        rows.append(np.stack([(x0 + x1) / 2, y1, (x0 + x1) / 2, y0], axis=1))
    return np.concatenate(rows)


def _check_people(people: ArrayLike | None) -> Floats:
    crowd = _as_numbers([] if people is None else people, "people", _PEOPLE_REMEDY)
    if crowd.size == 0:
        return np.empty((0, 4))
    if crowd.ndim != 2 or crowd.shape[1] != 4:
        raise ShotError(f"people has shape {crowd.shape}", _PEOPLE_REMEDY)
    upright = crowd[:, 1] - crowd[:, 3] > _LEAST_BODY_PX
    return crowd[np.isfinite(crowd).all(axis=1) & upright]


def _as_numbers(values: ArrayLike, name: str, remedy: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShotError(f"{name} does not hold numbers", remedy) from None
