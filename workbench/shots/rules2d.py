"""The 2D rules: a verdict from where the ball is in the picture, without depth.

The rules of the reference project, kept as the baseline: a spike in speed is the kick; a ball that
enters the goal's outline after the kick has arrived; then it comes to rest (a goal), rebounds or
passes over. Speed is pixels per frame divided by the ball's width. Without depth, a ball held in
front of the goal and a ball in the net look alike, and a ball that flies away from the camera
hardly moves.

Lengths are measured in balls and goals, times in seconds, so that size, position and frame rate of
the picture do not matter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.ball.track import BallTrack
from workbench.shots.goal.corners import inside_goal, order_corners
from workbench.shots.verdict import ShotEvent, ShotVerdict

# Thresholds, with the meaning they have in the reference.
SPEED_PERCENTILE = 92.0  # of speeds along the shot: the peak without a few teleports
SPEED_CAP_KMH = 140.0  # faster than any shot: a tracking error
_LONGEST_GAP_S = 0.2  # gaps up to here are filled by a straight line

# Chosen on simulated shots (seeds of 20 000 and above), never on those that results are reported
# for.
_SPIKE_SHARE = 0.6  # of the peak speed, reached first at the kick
_SPIKE_RATIO = 2.0  # times the median speed of what went before
_BEFORE_KICK_S = 0.1  # over which that median is taken
_ARRIVE_MARGIN = 0.15  # of the goal's size, added around it
_ARRIVE_WITHIN_S = 3.0  # after the kick
_SETTLE_S = 1.3  # after arriving, over which the outcome is read
_REST_SHARE = 0.19  # of the peak speed; slower than this inside the goal: the net
_INSIDE_SHARE = 0.8  # of that time spent inside the goal's outline
_REBOUND_SHARE = 0.6  # of the goal's height, moved back towards the kick

_GOAL_SHARE = 0.77  # of shots called goals that are goals, on 1000 seeds of its own
_MISS_SHARE = 0.28  # of shots called misses that are goals, on the same seeds


@dataclass(frozen=True)
class _Path:
    """The ball without outliers, short gaps filled: one entry per frame in which it is known."""

    frames: Floats  # (N,)
    xy: Floats  # (N, 2) pixels
    width_px: float  # of the ball, median
    fps: float
    percentile: float  # see `SPEED_PERCENTILE`

    def steps(self) -> tuple[Floats, Floats]:
        """Frames (N − 1,) at which steps end, and speeds in pixels per frame."""
        gap = np.diff(self.frames)
        return self.frames[1:], np.hypot(*np.diff(self.xy, axis=0).T) / gap

    def peak(self, speeds: Floats) -> float:
        """The peak of some speeds."""
        return float(np.percentile(speeds, self.percentile))


def judge_flat(
    track: BallTrack,
    goal_corners_px: NDArray[np.float64],
    *,
    fps: float,
    kick_frame: float | None = None,
    speed_percentile: float = SPEED_PERCENTILE,
) -> ShotVerdict:
    """Judge a shot by the 2D rules.

    The verdict's probability is one of two shares, that of goals among shots called goals and among
    shots called misses: the rules know no more. It abstains only where there is no ball or no
    kick. Speed comes without an interval. Corners are those of the goal's inner edge (4, 2) in any
    order; a kick that is not known is found from the spike in speed.
    """
    path = _clean(track, fps, speed_percentile)
    if path is None:
        return ShotVerdict.abstaining("2d", "The ball is hardly seen.")
    kick = kick_frame if kick_frame is not None else _find_kick(path)
    if kick is None:
        return ShotVerdict.abstaining("2d", "No kick: the ball's speed never rises.")
    is_goal, reason = _what_became(path, order_corners(goal_corners_px), kick)
    return ShotVerdict(
        method="2d",
        goal_probability=_GOAL_SHARE if is_goal else _MISS_SHARE,
        is_goal=is_goal,
        abstained=False,
        reason=reason,
        speed_kmh=_speed_kmh(path, kick),
        speed_interval_kmh=None,
        crossing_m=None,
        events=(ShotEvent("kick", kick, kick / fps),),
    )


def _clean(track: BallTrack, fps: float, percentile: float) -> _Path | None:
    kept = track.without_outliers
    if len(kept) < 4:
        return None
    known = kept.frames_with_short_gaps(1 + _LONGEST_GAP_S * fps).astype(np.float64)
    filled = np.column_stack([np.interp(known, kept.frames, xs) for xs in kept.xy.T])
    return _Path(known, filled, float(np.nanmedian(kept.box_wh[:, 0])), fps, percentile)


def _find_kick(path: _Path) -> float | None:
    """Frame before the first step that is fast in absolute terms and against the steps before."""
    frames, speeds = path.steps()
    peak = path.peak(speeds)
    if peak <= 0:
        return None
    for step, speed in enumerate(speeds):
        recent = (frames < frames[step]) & (frames >= frames[step] - _BEFORE_KICK_S * path.fps)
        usual = float(np.median(speeds[recent])) if recent.any() else 0.0
        if speed >= max(_SPIKE_SHARE * peak, _SPIKE_RATIO * usual):
            return float(path.frames[step])
    return None


def _what_became(path: _Path, corners: Floats, kick: float) -> tuple[bool, str]:
    inside = inside_goal(path.xy, corners, _ARRIVE_MARGIN)
    at_kick = int(np.argmin(np.abs(path.frames - kick)))
    if inside[at_kick]:
        return False, "The ball is in the goal's picture at the kick: it cannot arrive there."
    on_time = (path.frames > kick) & (path.frames <= kick + _ARRIVE_WITHIN_S * path.fps)
    arrivals = np.flatnonzero(inside & on_time)
    if len(arrivals) == 0:
        return False, "The ball does not come to the goal."
    arrival = arrivals[0]
    frames, speeds = path.steps()
    flying = speeds[(frames > kick) & (frames <= path.frames[arrival])]
    peak = path.peak(flying)
    until = path.frames[arrival] + _SETTLE_S * path.fps
    later = (path.frames > path.frames[arrival]) & (path.frames <= until)
    if later.sum() < 2:
        return False, "The ball arrives at the goal and is not seen to stay."
    came = path.xy[arrival] - path.xy[at_kick]
    came = came / max(float(np.hypot(*came)), 1e-9)
    height = float(np.hypot(*(corners[1] - corners[0])) + np.hypot(*(corners[2] - corners[3]))) / 2
    forward = (path.xy[later] - path.xy[arrival]) @ came
    back = float(np.maximum.accumulate(forward)[-1] - forward[-1])
    if back > _REBOUND_SHARE * height:
        return False, "The ball rebounds from the goal."
    if inside[later].mean() < _INSIDE_SHARE:
        return False, "The ball passes over or beside the goal."
    settled = speeds[np.isin(frames, path.frames[later])]
    last = float(np.median(settled[-max(2, int(0.2 * path.fps)) :]))
    if last > _REST_SHARE * peak:
        return False, "The ball does not slow down in the goal."
    return True, "The ball comes to rest in the goal's picture."


def _speed_kmh(path: _Path, kick: float) -> float | None:
    """The reference's formula: pixels per second over the ball's width in pixels."""
    frames, speeds = path.steps()
    flying = speeds[(frames > kick) & (frames <= kick + _ARRIVE_WITHIN_S * path.fps)]
    if len(flying) == 0 or not path.width_px > 0:
        return None
    ball_px = path.peak(flying) * path.fps
    return min(ball_px * (2 * BALL_RADIUS_M / path.width_px) * 3.6, SPEED_CAP_KMH)
