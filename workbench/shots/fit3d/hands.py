"""Who is where the ball's free path ends: people's boxes as evidence for and against a touch.

The unit is one path of one shot with people's boxes frame by frame. A ball that stays where
somebody's body is may be held; one that comes to rest with nobody near is in the net. Distances are
in metres in the picture's plane at the person's depth, which their feet tell. Says nothing about
goals.
"""

import math
from dataclasses import dataclass

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.fit import Observations
from workbench.shots.goal.camera import LOG_FOCAL, on_height, project
from workbench.shots.leastsquares import Ints

_SAME_S = 0.06  # a box belongs to a ball seen within this time
_DEPTHS_M = (-2.5, 7.0)  # of people who can be in the way of a shot
_BESIDE_M = 5.0  # of the posts
_BEFORE_S, _AFTER_S, _LATER_S, _UNTIL_S = 0.08, 0.12, 0.2, 1.0  # about the end of the free path
_TOUCHES_M = 0.25  # outside of a box: hands that a box has cut off
_FAR_M = 2.0
_UNSEEN_S, _REACH_MPS = 0.8, 5.0  # who was seen so long ago may be anywhere that they can run to
_TRUSTED = 0.2  # weight of an observation; below, it is an outlier
# Shares of the training shots that end like this, if somebody touches the ball and if nobody does.
_STAYS = 0.95, 0.37  # within a box: a held ball, and one in the net behind somebody
_MEETS = 0.78, 0.28  # within a box at the end of the free path: a ball turned away, and another
_HELD_AT, _SEEN_AT = (0.75, 0.33), (0.45, 0.50)  # mean and spread of the height above the feet, m
_MOST_BY_HEIGHT = 1.0  # log odds


@dataclass(frozen=True)
class Hands:
    """How near somebody is to the ball; None where no frame tells."""

    meets: float | None = None  # 1 within a box at the end of the free path, towards 0 away from it
    stays: float | None = None  # share of what is seen of the ball later that is within a box
    height_m: float = 0.0  # then, above the feet


def find_hands(observations: Observations, ball: Floats, trusted: Floats) -> Hands:
    """Return who is near the end of a path; nothing where nobody was looked for.

    Args:
        observations: Of the ball, and the boxes.
        ball: Parameters (30,) of the fit.
        trusted: Weights (N,) of the observations, near 0 for outliers.
    """
    if observations.boxes is None or not len(observations.boxes):
        return Hands()
    since = observations.times_s - ball[col.EVENT_S]
    looked = (since > -_BEFORE_S) & (since < _UNTIL_S) & (trusted > _TRUSTED)
    places, gap_m, height_m = _nearest(observations, ball, np.flatnonzero(looked))
    at_end, later = since[places] < _AFTER_S, since[places] > _LATER_S
    close = later & (gap_m < _FAR_M)
    return Hands(
        float(np.exp(-np.median(gap_m[at_end]) / _TOUCHES_M)) if at_end.any() else None,
        float((gap_m[later] < _TOUCHES_M).mean()) if later.any() else None,
        float(np.median(height_m[close])) if close.any() else 0.0,
    )


def touch_odds(hands: Hands, *, held: bool) -> float:
    """Return how much likelier this is if somebody touches the ball than if nobody does.

    The log of a likelihood ratio, of somebody who holds the ball or only turns it away; 0 where
    nothing is known.
    """
    close, shares = (hands.stays, _STAYS) if held else (hands.meets, _MEETS)
    if close is None:
        return 0.0
    if_touched, if_not = (share * close + (1 - share) * (1 - close) for share in shares)
    odds = math.log(if_touched / if_not)
    if held and close > 0.5:  # arms are higher than a ball in the net seen behind somebody's feet
        (high_m, spread_m), (low_m, wide_m) = _HELD_AT, _SEEN_AT
        off, seen = (hands.height_m - high_m) / spread_m, (hands.height_m - low_m) / wide_m
        higher = 0.5 * (seen * seen - off * off) + math.log(wide_m / spread_m)
        odds += min(_MOST_BY_HEIGHT, max(-_MOST_BY_HEIGHT, higher))
    return odds


def _nearest(observations: Observations, ball: Floats, looked: Ints) -> tuple[Ints, Floats, Floats]:
    """For these observations of the ball, the nearest of the people who can be in the way.

    Returns:
        Numbers (K,) of the observations in whose frames boxes are known; distances (K,) from the
        nearest box, at most `_FAR_M`; heights (K,) of the ball above that person's feet.
    """
    assert observations.boxes is not None
    times_s, x0, y0, x1, y1 = observations.boxes.T
    camera, center = ball[None, col.BALL_SIZE :], observations.center_px
    spots = on_height(camera, np.stack([(x0 + x1) / 2, y1], axis=1), 0.0, center)
    _, _, away_m = project(camera, spots, center)
    m_per_px = np.maximum(away_m[0] / np.exp(camera[0, LOG_FOCAL]), 1e-4)
    east, depth = spots[0, 0], spots[1, 0]
    beside = np.abs(east) - observations.goal_size_m[0] / 2
    in_the_way = (depth > _DEPTHS_M[0]) & (depth < _DEPTHS_M[1]) & (beside < _BESIDE_M)
    found = []
    most = max((in_the_way & (times_s == at)).sum() for at in np.unique(times_s))
    for number in looked:
        now = np.abs(times_s - observations.times_s[number]) < _SAME_S
        if not now.any():
            continue
        u, v = observations.uv[number]
        across = np.maximum(np.maximum(x0 - u, u - x1), 0.0)
        along = np.maximum(np.maximum(y0 - v, v - y1), 0.0)
        gaps_m = np.where(in_the_way, np.hypot(across, along) * m_per_px, np.inf)
        ago_s = np.abs(times_s - observations.times_s[number])
        may_be = (ago_s < _UNSEEN_S) & (gaps_m - _REACH_MPS * ago_s < _TOUCHES_M)
        gaps_m[~now] = np.inf
        nearest = int(np.argmin(gaps_m))
        found_now = (in_the_way & (ago_s == ago_s.min())).sum()
        if gaps_m[nearest] > _TOUCHES_M and found_now < most and may_be.any():
            continue  # somebody is out of the detector's sight, not of the ball's reach
        height_m = (y1[nearest] - v) * m_per_px[nearest]
        found.append((number, min(gaps_m[nearest], _FAR_M), height_m))
    rows = np.array(found, np.float64).reshape(-1, 3)
    return rows[:, 0].astype(np.int64), rows[:, 1], rows[:, 2]
