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


@dataclass(frozen=True)
class FlatRules:
    """Thresholds, with the meaning they have in the reference.

    Those of the second block were chosen on simulated shots (seeds of 20 000 and above) and never
    on the shots that results are reported for.
    """

    speed_percentile: float = 92.0  # of speeds along the shot: the peak without a few teleports
    speed_cap_kmh: float = 140.0  # faster than any shot: a tracking error
    longest_gap_s: float = 0.2  # gaps up to here are filled by a straight line

    spike_share: float = 0.6  # of the peak speed, reached first at the kick
    spike_ratio: float = 2.0  # times the median speed of what went before
    before_kick_s: float = 0.1  # over which that median is taken
    arrive_margin: float = 0.15  # of the goal's size, added around it
    arrive_within_s: float = 3.0  # after the kick
    settle_s: float = 1.3  # after arriving, over which the outcome is read
    rest_share: float = 0.19  # of the peak speed; slower than this inside the goal: the net
    inside_share: float = 0.8  # of that time spent inside the goal's outline
    rebound_share: float = 0.6  # of the goal's height, moved back towards the kick
    vanished_is_goal: bool = False  # whether a ball not seen again after arriving is in the net

    goal_share: float = 0.77  # of shots called goals that are goals, on 1000 seeds of its own
    miss_share: float = 0.28  # of shots called misses that are goals, on the same seeds


@dataclass(frozen=True)
class _Path:
    """The ball without outliers, short gaps filled: one entry per frame in which it is known."""

    frames: Floats  # (N,)
    xy: Floats  # (N, 2) pixels
    width_px: float  # of the ball, median

    def steps(self) -> tuple[Floats, Floats]:
        """Frames (N − 1,) at which steps end, and speeds in pixels per frame."""
        gap = np.diff(self.frames)
        return self.frames[1:], np.hypot(*np.diff(self.xy, axis=0).T) / gap


def judge_flat(
    track: BallTrack,
    goal_corners_px: NDArray[np.float64] | None,
    *,
    fps: float,
    kick_frame: float | None = None,
    rules: FlatRules | None = None,
) -> ShotVerdict:
    """Judge a shot by the 2D rules.

    The verdict's probability is one of two shares, that of goals among shots called goals and among
    shots called misses: the rules know no more. It abstains only where there is no ball, goal or
    kick. Speed comes without an interval. Corners are those of the goal's inner edge (4, 2) in any
    order; a kick that is not known is found from the spike in speed.
    """
    rules = rules or FlatRules()
    path = _clean(track, fps, rules)
    if goal_corners_px is None or path is None:
        what = "goal is not in view" if goal_corners_px is None else "ball is hardly seen"
        return ShotVerdict.abstaining("2d", f"The {what}.")
    kick = kick_frame if kick_frame is not None else _find_kick(path, fps, rules)
    if kick is None:
        return ShotVerdict.abstaining("2d", "No kick: the ball's speed never rises.")
    is_goal, reason = _what_became(path, order_corners(goal_corners_px), kick, fps, rules)
    return ShotVerdict(
        method="2d",
        goal_probability=rules.goal_share if is_goal else rules.miss_share,
        is_goal=is_goal,
        abstained=False,
        reason=reason,
        speed_kmh=_speed_kmh(path, kick, fps, rules),
        speed_interval_kmh=None,
        crossing_m=None,
        events=(ShotEvent("kick", kick, kick / fps),),
    )


def _clean(track: BallTrack, fps: float, rules: FlatRules) -> _Path | None:
    kept = track.without_outliers
    if len(kept) < 4:
        return None
    known = kept.frames_with_short_gaps(1 + rules.longest_gap_s * fps).astype(np.float64)
    filled = np.column_stack([np.interp(known, kept.frames, xs) for xs in kept.xy.T])
    return _Path(known, filled, float(np.nanmedian(kept.box_wh[:, 0])))


def _find_kick(path: _Path, fps: float, rules: FlatRules) -> float | None:
    """Frame before the first step that is fast in absolute terms and against the steps before."""
    frames, speeds = path.steps()
    peak = float(np.percentile(speeds, rules.speed_percentile))
    if peak <= 0:
        return None
    for step, speed in enumerate(speeds):
        recent = (frames < frames[step]) & (frames >= frames[step] - rules.before_kick_s * fps)
        usual = float(np.median(speeds[recent])) if recent.any() else 0.0
        if speed >= max(rules.spike_share * peak, rules.spike_ratio * usual):
            return float(path.frames[step])
    return None


def _what_became(
    path: _Path, corners: Floats, kick: float, fps: float, rules: FlatRules
) -> tuple[bool, str]:
    inside = inside_goal(path.xy, corners, rules.arrive_margin)
    at_kick = int(np.argmin(np.abs(path.frames - kick)))
    if inside[at_kick]:
        return False, "The ball is in the goal's picture at the kick: it cannot arrive there."
    on_time = (path.frames > kick) & (path.frames <= kick + rules.arrive_within_s * fps)
    arrivals = np.flatnonzero(inside & on_time)
    if len(arrivals) == 0:
        return False, "The ball does not come to the goal."
    arrival = arrivals[0]
    frames, speeds = path.steps()
    flying = speeds[(frames > kick) & (frames <= path.frames[arrival])]
    peak = float(np.percentile(flying, rules.speed_percentile))
    until = path.frames[arrival] + rules.settle_s * fps
    later = (path.frames > path.frames[arrival]) & (path.frames <= until)
    if later.sum() < 2:
        outcome = "vanishes there" if rules.vanished_is_goal else "is not seen to stay"
        return rules.vanished_is_goal, f"The ball arrives at the goal and {outcome}."
    came = path.xy[arrival] - path.xy[at_kick]
    came = came / max(float(np.hypot(*came)), 1e-9)
    height = float(np.hypot(*(corners[1] - corners[0])) + np.hypot(*(corners[2] - corners[3]))) / 2
    forward = (path.xy[later] - path.xy[arrival]) @ came
    back = float(np.maximum.accumulate(forward)[-1] - forward[-1])
    if back > rules.rebound_share * height:
        return False, "The ball rebounds from the goal."
    if inside[later].mean() < rules.inside_share:
        return False, "The ball passes over or beside the goal."
    last = float(np.median(speeds[np.isin(frames, path.frames[later])][-max(2, int(0.2 * fps)) :]))
    if last > rules.rest_share * peak:
        return False, "The ball does not slow down in the goal."
    return True, "The ball comes to rest in the goal's picture."


def _speed_kmh(path: _Path, kick: float, fps: float, rules: FlatRules) -> float | None:
    """The reference's formula: pixels per second over the ball's width in pixels."""
    frames, speeds = path.steps()
    flying = speeds[(frames > kick) & (frames <= kick + rules.arrive_within_s * fps)]
    if len(flying) == 0 or not path.width_px > 0:
        return None
    peak_px = float(np.percentile(flying, rules.speed_percentile))
    return min(peak_px * fps * (2 * BALL_RADIUS_M / path.width_px) * 3.6, rules.speed_cap_kmh)
