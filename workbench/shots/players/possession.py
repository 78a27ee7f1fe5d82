"""Possession of the ball frame by frame, and the shooter, from distances to the ball.

Distances are in ball diameters from the rim of the ball to a person's mask (to the box without a
mask). Of two people who overlap in the picture, the one whose feet are nearer to the ball's height
has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.ball.track import BallTrack
from workbench.shots.players.people import Mask, People

TAKE_BALLS = 0.6  # a ball this near is taken by the nearest player …
KEEP_BALLS = 1.5  # … and kept until it is farther away than this

_REACH_BALLS = 3.0  # between the shooter and the ball at contact, at most
_BEFORE_CONTACT_S = 0.17  # in which the shooter is nearest to the ball
_FAR_BALLS = 6.0  # beyond, the distance to the box is used


@dataclass(frozen=True)
class Possession:
    """Who has the ball in one frame."""

    frame: int
    player: str | None  # None: nobody's ball
    nearest: str | None  # None: nobody is seen
    gap_balls: float  # to the nearest; NaN where nobody is seen


@dataclass(frozen=True)
class Shooter:
    """Who struck the ball, and when."""

    player: str
    contact_frame: float  # may lie between two frames
    reason: str


def find_possession(track: BallTrack, people: People) -> tuple[Possession, ...]:
    """Say who has the ball in each frame in which it is seen; outliers of the track left out.

    With hysteresis: a ball nearer than `TAKE_BALLS` becomes the nearest player's and stays so until
    it is farther than `KEEP_BALLS` or nearer to another one.
    """
    kept = track.without_outliers
    size_px = kept.size_px if len(kept) else 1.0
    owner: str | None = None
    found: list[Possession] = []
    for frame, place in zip(kept.frames.tolist(), kept.xy, strict=True):
        gaps = _gaps(people, frame, place, size_px)
        nearest = _nearest(people, frame, float(place[1]), gaps)
        if owner is not None and gaps.get(owner, np.inf) > KEEP_BALLS:
            owner = None
        if nearest is not None and gaps[nearest] <= TAKE_BALLS:
            owner = nearest if owner is None or gaps[nearest] < gaps[owner] else owner
        gap = gaps[nearest] if nearest is not None else float("nan")
        found.append(Possession(frame, owner, nearest, gap))
    return tuple(found)


def find_shooter(
    possession: Sequence[Possession], kick_frame: float, *, fps: float, however_far: bool = False
) -> Shooter | None:
    """Find who shot: nearest to the ball as its flight began, else the last to touch it before.

    None where nobody is near the ball; where a person has told the kick, it is whoever is nearest,
    `however_far`.
    """
    reach = np.inf if however_far else _REACH_BALLS
    gaps: dict[str, list[float]] = {}
    for row in possession:
        near = row.gap_balls <= reach
        if row.nearest and near and -_BEFORE_CONTACT_S * fps <= row.frame - kick_frame <= 1:
            gaps.setdefault(row.nearest, []).append(row.gap_balls)
    if gaps:
        # Nearest over all these frames, not in one: somebody may run past the ball.
        best = max(sorted(gaps), key=lambda name: _nearness(gaps[name]))
        return Shooter(best, kick_frame, f"{best} is nearest to the ball at the kick.")
    touches = [row for row in possession if row.player is not None and row.frame < kick_frame + 2]
    if not touches:
        return None
    last = touches[-1]
    assert last.player is not None
    return Shooter(last.player, kick_frame, f"{last.player} is the last to touch the ball.")


def _nearness(gaps_balls: list[float]) -> tuple[float, float]:
    """How near over some frames: within reach, the longer the better; else, the nearest once."""
    near = sum(max(_REACH_BALLS - gap, 0.0) for gap in gaps_balls)
    return near, -min(gaps_balls)


def _gaps(people: People, frame: int, ball: Floats, size_px: float) -> dict[str, float]:
    """Distance in balls from the ball's rim to everybody in a frame, 0 where they touch."""
    gaps = {}
    for player, label in people.in_frame(frame).items():
        box = np.array(label.xyxy, float)
        outside = np.maximum(np.maximum(box[:2] - ball, ball - box[2:]), 0)
        distance = float(np.hypot(*outside))
        if distance < _FAR_BALLS * size_px:
            mask = label.pixels()
            if mask is not None and mask.any():
                distance = _to_mask(mask, box, ball)
        gaps[player] = max(0.0, distance / size_px - 0.5)
    return gaps


def _to_mask(mask: Mask, box: Floats, ball: Floats) -> float:
    x0, y0 = np.maximum(np.floor(box[:2]), 0).astype(int)
    x1, y1 = np.ceil(box[2:]).astype(int)
    rows, columns = mask[y0:y1, x0:x1].nonzero()
    off = np.hypot(columns + x0 + 0.5 - ball[0], rows + y0 + 0.5 - ball[1])
    return float(off.min(initial=np.inf))


def _nearest(people: People, frame: int, ball_y: float, gaps: dict[str, float]) -> str | None:
    """Who is nearest; of several who touch the ball, whose feet are nearest its height."""
    seen = people.in_frame(frame)
    feet = {player: abs(float(label.xyxy[3]) - ball_y) for player, label in seen.items()}
    return min(feet, key=lambda name: (max(gaps[name], TAKE_BALLS), feet[name]), default=None)
