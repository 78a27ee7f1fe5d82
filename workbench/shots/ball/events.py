"""What happened to the ball: kick, bounce, deflection, save, post, net, rest, from its track.

The unit is one clip's track in pixels. Events are the cuts between pieces of smooth motion
(`pieces`) at which the velocity really changes; their kind follows from how it changes and from
where in the goal's picture. Speeds are measured in balls per second, of the size that the ball has
just then, so that neither the picture's scale nor the way from the camera matters. Without depth, a
ball that stops in the goalkeeper's arms is told as "net" and a deflection in front of the goal as
"save": the 3D verdict decides those.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.shots.ball.pieces import Piece, handovers_s
from workbench.shots.ball.track import check_track, sizes_px, track_pieces
from workbench.shots.goal.corners import inside_goal, order_corners
from workbench.shots.verdict import EventKind, ShotEvent

_MOMENT_S = 1e-6  # to stay on one side of a cut

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EventRules:
    """What counts as an event; speeds in ball diameters per second (one is about 0.22 m/s).

    Chosen on simulated shots (seeds of 20 000 and above) and on rendered ones of a seed that no
    report uses.
    """

    look_s: float = 0.1  # before and after a cut, over which speeds are averaged
    least_change: float = 5.0  # of velocity; smaller ones are the track's noise …
    least_share: float = 0.4  # … or perspective, which bends a path by less than this of its speed
    apart_s: float = 0.1  # cuts closer together are one event
    kick_speed: float = 7.5  # least speed after a kick
    kick_gain: float = 1.6  # times the speed before
    kick_look_s: float = 0.13  # over which a kick's speed must last: feet hide balls for a moment
    kick_share: float = 0.1  # of the greatest gain in speed; the first such cut is the kick
    rest_speed: float = 0.7
    rest_s: float = 0.2  # that a rest lasts at least
    bounce_sideways: float = 0.55  # most change sideways, as a share of the change upwards
    net_keeps: float = 0.5  # most speed after the net, as a share of that before
    post_reach: float = 1.1  # balls between the ball's middle and a post or the bar
    goal_margin: float = 0.25  # of the goal's size, added around it


def find_events(
    track: pd.DataFrame,
    *,
    fps: float,
    goal_corners_px: NDArray[np.float64] | None = None,
    rules: EventRules | None = None,
) -> tuple[ShotEvent, ...]:
    """Find the events of a track, in order of time.

    Args:
        track: Ball track, see `track.TRACK_COLUMNS`.
        fps: Frames per second.
        goal_corners_px: Corners of the goal (4, 2) in any order; without them there is no net, post
            or save, only deflections.
        rules: What counts as an event.
    """
    rules = rules or EventRules()
    kept, pieces = track_pieces(check_track(track), fps=fps)
    if len(pieces) == 0:
        return ()
    path = _Path(pieces, kept["frame"].to_numpy(float) / fps, sizes_px(kept))
    goal = None if goal_corners_px is None else order_corners(goal_corners_px)
    xy = kept[["x", "y"]].to_numpy(float)
    touches = [_touch(path, place, rules) for place in range(len(path.cuts_s))]
    kick_s = _kick_s(path, rules)
    named: list[tuple[EventKind, float]] = []
    for touch in touches:
        if touch.time_s == kick_s:
            # What else is cut around a kick is the foot in front of the ball.
            named = [(k, t) for k, t in named if t < kick_s - rules.apart_s]
            named.append(("kick", _contact_s(path, xy, touch.time_s)))
        elif _is_real(touch, rules) and not (named and touch.time_s - named[-1][1] < rules.apart_s):
            named.append((_name(path, touch, goal, rules), touch.time_s))
    rest_s = _rest_s(path, rules)
    if rest_s is not None:
        named = [(kind, time_s) for kind, time_s in named if time_s <= rest_s]
        named.append(("rest", rest_s))
    return tuple(ShotEvent(kind, time_s * fps, time_s) for kind, time_s in named)


class _Path:
    """The smoothed path: pieces that hand over to each other."""

    def __init__(self, pieces: list[Piece], rows_s: Floats, sizes_px: Floats) -> None:
        self.pieces, self.rows_s, self._sizes_px = pieces, rows_s, sizes_px
        self.cuts_s = handovers_s(pieces, rows_s)

    def at(self, time_s: float) -> Floats:
        """Position (2,) in pixels; the track's ends beyond them."""
        time_s = float(np.clip(time_s, self.rows_s[0], self.rows_s[-1]))
        return self.pieces[np.searchsorted(self.cuts_s, time_s, side="right")].at(time_s)

    def size_px(self, time_s: float) -> float:
        """The ball's size at that time."""
        return float(np.interp(time_s, self.rows_s, self._sizes_px))

    def velocity(self, start_s: float, stop_s: float) -> Floats:
        """Mean velocity (2,) in balls per second."""
        start_s, stop_s = max(start_s, self.rows_s[0]), min(stop_s, self.rows_s[-1])
        way = self.at(stop_s) - self.at(start_s)
        size_px = self.size_px((start_s + stop_s) / 2)
        return np.asarray(way / size_px / max(stop_s - start_s, 1e-3))


class _Touch(NamedTuple):
    """A cut and the velocities (2,) around it in balls per second."""

    time_s: float
    before: Floats
    after: Floats
    bend: Floats  # change of velocity at the cut itself


def _touch(path: _Path, cut: int, rules: EventRules) -> _Touch:
    time_s = float(path.cuts_s[cut])
    bend = path.pieces[cut + 1].velocity(time_s) - path.pieces[cut].velocity(time_s)
    return _Touch(
        time_s,
        path.velocity(time_s - rules.look_s, time_s - _MOMENT_S),
        path.velocity(time_s + _MOMENT_S, time_s + rules.look_s),
        bend / path.size_px(time_s),
    )


def _is_real(touch: _Touch, rules: EventRules) -> bool:
    """Whether velocity changes both at the cut and over the time around it.

    At the cut alone, a piece of two or three rows may point anywhere; around it alone, gravity and
    perspective change it too.
    """
    faster = max(_speed(touch.before), _speed(touch.after))
    least = max(rules.least_change, rules.least_share * faster)
    return min(_speed(touch.after - touch.before), _speed(touch.bend)) >= least


def _kick_s(path: _Path, rules: EventRules) -> float | None:
    gains: list[tuple[float, float]] = []
    for cut_s in path.cuts_s.tolist():
        after = _speed(path.velocity(cut_s + _MOMENT_S, cut_s + rules.kick_look_s))
        before = _speed(path.velocity(cut_s - rules.kick_look_s, cut_s - _MOMENT_S))
        if after >= max(rules.kick_speed, rules.kick_gain * before):
            gains.append((after - before, cut_s))
    if not gains:
        return None
    most = max(gain for gain, _ in gains)
    return min(cut_s for gain, cut_s in gains if gain >= rules.kick_share * most)


def _contact_s(path: _Path, xy: Floats, cut_s: float) -> float:
    """When the ball left its place, from the first rows of its flight.

    A ball that flies away from the camera is fastest in the picture at first; a parabola lags
    behind that and would date the kick too early. So the first speed is carried on from the next
    two, and the way back to the ball's place before the kick is gone at that speed.
    """
    first = int(np.searchsorted(path.rows_s, cut_s, side="right"))
    times, places = path.rows_s[first : first + 3], xy[first : first + 3]
    if first == 0 or len(times) < 3:
        return cut_s
    steps = np.hypot(*np.diff(places, axis=0).T) / np.diff(times)
    growth = float(np.clip(steps[0] / max(float(steps[1]), 1e-9), 1.0, 1.5))
    way = _speed(places[0] - path.at(float(path.rows_s[first - 1])))
    since_s = way / max(float(steps[0]) * growth, 1e-9)
    return float(np.clip(times[0] - since_s, path.rows_s[first - 1], times[0]))


def _name(path: _Path, touch: _Touch, goal: Floats | None, rules: EventRules) -> EventKind:
    place = path.at(touch.time_s)
    change = touch.after - touch.before
    # Down is +y in a picture.
    upwards = touch.before[1] > 0 and change[1] < 0
    if upwards and abs(change[0]) <= rules.bounce_sideways * abs(change[1]):
        return "bounce"
    if goal is None or not inside_goal(place[None], goal, rules.goal_margin)[0]:
        return "deflection"
    slower = _speed(touch.after) <= rules.net_keeps * _speed(touch.before)
    later = np.stack([path.at(touch.time_s + wait_s) for wait_s in (0.1, 0.2, 0.3)])
    if slower and inside_goal(later, goal, rules.goal_margin).all():
        return "net"
    reach_px = rules.post_reach * path.size_px(touch.time_s)
    return "post" if _to_frame(place, goal) <= reach_px else "save"


def _rest_s(path: _Path, rules: EventRules) -> float | None:
    """When the ball came to rest for the remaining track, or None."""
    end_s = float(path.rows_s[-1])
    start_s = end_s
    for row_s in path.rows_s[::-1]:
        moved = _speed(path.at(end_s) - path.at(row_s)) / path.size_px(row_s)
        if moved > max(0.5, 0.5 * rules.rest_speed * (end_s - row_s)):
            break
        start_s = float(row_s)
    moved_before = start_s > path.rows_s[0]
    return start_s if moved_before and end_s - start_s >= rules.rest_s else None


def _to_frame(place: Floats, goal: Floats) -> float:
    """Pixels from a point to the nearest of both posts and the bar."""
    distances = []
    for start, end in pairwise(goal):
        along = end - start
        share = float(np.clip((place - start) @ along / max(float(along @ along), 1e-9), 0, 1))
        distances.append(_speed(place - start - share * along))
    return min(distances)


def _speed(vector: Floats) -> float:
    return float(np.hypot(vector[0], vector[1]))
