"""Events on the ball's track: kick, bounce, deflection, save, post, net, rest.

The unit is one clip's track in pixels. Events are the cuts between pieces of smooth motion
(`track`) at which the velocity changes; the kind follows from how it changes and from the place
relative to the goal's outline. Speeds are in balls per second, normalised by the local size of the
ball, so that neither the picture's scale nor the distance from the camera matters. Without depth, a
ball that stops in the goalkeeper's arms counts as "net" and a deflection in front of the goal as
"save"; the 3D verdict tells them apart.
"""

from typing import NamedTuple

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.ball.track import BallTrack, Piece, handovers_s, track_pieces
from workbench.shots.goal.corners import inside_goal, order_corners
from workbench.shots.verdict import EventKind, ShotEvent

# What counts as an event; speeds are in ball diameters per second (one is about 0.22 m/s). Chosen
# on simulated shots (seeds of 20 000 and above) and on rendered ones of a seed that no report uses.
_LOOK_S = 0.1  # before and after a cut, over which speeds are averaged
_LEAST_CHANGE = 5.0  # of velocity; smaller changes are noise …
_LEAST_SHARE = 0.4  # … or perspective: changes below this share of the speed
_APART_S = 0.1  # cuts closer together are one event
_KICK_SPEED = 7.5  # least speed after a kick
_KICK_GAIN = 1.6  # times the speed before
_KICK_LOOK_S = 0.13  # that a kick's speed must last, because a foot may hide the ball for a moment
_KICK_SHARE = 0.1  # of the greatest gain in speed; the first such cut is the kick
_REST_SPEED = 0.7
_REST_S = 0.2  # that a rest lasts at least
_BOUNCE_SIDEWAYS = 0.55  # most change sideways, as a share of the change upwards
_NET_KEEPS = 0.5  # most speed after the net, as a share of that before
_POST_REACH = 1.1  # balls between the ball's middle and a post or the bar
_GOAL_MARGIN = 0.25  # of the goal's size, added around it
_MOMENT_S = 1e-6  # offset to stay on one side of a cut


def find_events(
    track: BallTrack, *, fps: float, goal_corners_px: Floats | None = None
) -> tuple[ShotEvent, ...]:
    """Find the events of a track, in order of time.

    The goal's corners are (4, 2) in any order; without them there is no net, post or save, only
    deflections.
    """
    kept, pieces = track_pieces(track, fps=fps)
    if len(pieces) == 0:
        return ()
    path = _Path(pieces, kept.frames / fps, kept.whole_sizes_px())
    goal = None if goal_corners_px is None else order_corners(goal_corners_px)
    kick_s = _kick_s(path)
    named: list[tuple[EventKind, float]] = []
    for touch in (_touch(path, cut) for cut in range(len(path.cuts_s))):
        if touch.time_s == kick_s:
            # Other cuts just before a kick come from the foot that hides the ball.
            named = [(k, t) for k, t in named if t < kick_s - _APART_S]
            named.append(("kick", _contact_s(path, kept.xy, touch.time_s)))
        elif _is_real(touch) and not (named and touch.time_s - named[-1][1] < _APART_S):
            named.append((_name(path, touch, goal), touch.time_s))
    rest_s = _rest_s(path)
    if rest_s is not None:
        named = [(kind, time_s) for kind, time_s in named if time_s <= rest_s]
        named.append(("rest", rest_s))
    return tuple(ShotEvent(kind, time_s * fps, time_s) for kind, time_s in named)


def find_kick(track: BallTrack, *, fps: float) -> float | None:
    """Find the frame of the kick, perhaps between two."""
    events = find_events(track, fps=fps)
    return next((event.frame for event in events if event.kind == "kick"), None)


class _Path:
    """The smoothed path: pieces that hand over to each other."""

    def __init__(self, pieces: list[Piece], rows_s: Floats, sizes_px: Floats) -> None:
        self.pieces, self.rows_s, self._sizes_px = pieces, rows_s, sizes_px
        self.cuts_s = handovers_s(pieces, rows_s)

    def at(self, time_s: float) -> Floats:
        """Position (2,) in pixels; constant beyond the ends of the track."""
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


def _touch(path: _Path, cut: int) -> _Touch:
    time_s = float(path.cuts_s[cut])
    bend = path.pieces[cut + 1].velocity(time_s) - path.pieces[cut].velocity(time_s)
    return _Touch(
        time_s,
        path.velocity(time_s - _LOOK_S, time_s - _MOMENT_S),
        path.velocity(time_s + _MOMENT_S, time_s + _LOOK_S),
        bend / path.size_px(time_s),
    )


def _is_real(touch: _Touch) -> bool:
    """Whether velocity changes both at the cut and over the time around it.

    The change at the cut alone is unreliable for pieces of two or three rows; the change around it
    alone also contains gravity and perspective.
    """
    faster = max(_speed(touch.before), _speed(touch.after))
    least = max(_LEAST_CHANGE, _LEAST_SHARE * faster)
    return min(_speed(touch.after - touch.before), _speed(touch.bend)) >= least


def _kick_s(path: _Path) -> float | None:
    gains: list[tuple[float, float]] = []
    for cut_s in path.cuts_s.tolist():
        after = _speed(path.velocity(cut_s + _MOMENT_S, cut_s + _KICK_LOOK_S))
        before = _speed(path.velocity(cut_s - _KICK_LOOK_S, cut_s - _MOMENT_S))
        if after >= max(_KICK_SPEED, _KICK_GAIN * before):
            gains.append((after - before, cut_s))
    if not gains:
        return None
    most = max(gain for gain, _ in gains)
    return min(cut_s for gain, cut_s in gains if gain >= _KICK_SHARE * most)


def _contact_s(path: _Path, xy: Floats, cut_s: float) -> float:
    """When the ball left its place, from the first rows of its flight.

    A ball that flies away from the camera is fastest in the picture at first, which a parabola does
    not follow: it would date the kick too early. So the first speed is extrapolated from the next
    two, and with it the time back to the ball's place before the kick.
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


def _name(path: _Path, touch: _Touch, goal: Floats | None) -> EventKind:
    place = path.at(touch.time_s)
    change = touch.after - touch.before
    # Down is +y in a picture.
    upwards = touch.before[1] > 0 and change[1] < 0
    if upwards and abs(change[0]) <= _BOUNCE_SIDEWAYS * abs(change[1]):
        return "bounce"
    if goal is None or not inside_goal(place[None], goal, _GOAL_MARGIN)[0]:
        return "deflection"
    slower = _speed(touch.after) <= _NET_KEEPS * _speed(touch.before)
    later = np.stack([path.at(touch.time_s + wait_s) for wait_s in (0.1, 0.2, 0.3)])
    if slower and inside_goal(later, goal, _GOAL_MARGIN).all():
        return "net"
    reach_px = _POST_REACH * path.size_px(touch.time_s)
    return "post" if _to_frame(place, goal) <= reach_px else "save"


def _rest_s(path: _Path) -> float | None:
    """When the ball came to rest for the remaining track, or None."""
    end_s = float(path.rows_s[-1])
    start_s = end_s
    for row_s in path.rows_s[::-1]:
        moved = _speed(path.at(end_s) - path.at(row_s)) / path.size_px(row_s)
        if moved > max(0.5, 0.5 * _REST_SPEED * (end_s - row_s)):
            break
        start_s = float(row_s)
    moved_before = start_s > path.rows_s[0]
    return start_s if moved_before and end_s - start_s >= _REST_S else None


def _to_frame(place: Floats, goal: Floats) -> float:
    """Pixels from a point to the nearest of both posts and the bar."""
    starts, along = goal[:-1], np.diff(goal, axis=0)
    lengths2 = np.maximum((along**2).sum(axis=1), 1e-9)
    share = np.clip(((place - starts) * along).sum(axis=1) / lengths2, 0, 1)
    return float(np.hypot(*(place - starts - share[:, None] * along).T).min())


def _speed(vector: Floats) -> float:
    return float(np.hypot(vector[0], vector[1]))
