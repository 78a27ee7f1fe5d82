"""The kick on the ball's track: when the ball was struck.

The unit is one clip's track in pixels. A kick is the first cut between pieces of smooth motion
(`track`) at which the ball gets much faster. Speeds are in balls per second, normalised by the
local size of the ball, so that neither the picture's scale nor the distance from the camera
matters. What happens to the ball later takes depth to tell: the 3D fit names it.
"""

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.ball.track import BallTrack, Piece, handovers_s, track_pieces

# Speeds are in ball diameters per second (one is about 0.22 m/s). Chosen on simulated shots (seeds
# of 20 000 and above) and on rendered ones of a seed that no report uses.
_KICK_SPEED = 7.5  # least speed after a kick
_KICK_GAIN = 1.6  # times the speed before
_KICK_LOOK_S = 0.13  # that a kick's speed must last, because a foot may hide the ball for a moment
_KICK_SHARE = 0.1  # of the greatest gain in speed; the first such cut is the kick
_REST_SPEED = 0.7
_REST_S = 0.2  # that a rest lasts at least
_MOMENT_S = 1e-6  # offset to stay on one side of a cut


def find_kick(track: BallTrack, *, fps: float) -> float | None:
    """Find the frame of the kick, perhaps between two; None where there is none."""
    kept, pieces = track_pieces(track, fps=fps)
    if not pieces:
        return None
    path = _Path(pieces, kept.frames / fps, kept.whole_sizes_px())
    cut_s, rest_s = _kick_s(path), _rest_s(path)
    if cut_s is None:
        return None
    contact_s = _contact_s(path, kept.xy, cut_s)
    if rest_s is not None and contact_s > rest_s:  # the last rows of a ball at rest are noise
        return None
    return contact_s * fps


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


def _kick_s(path: _Path) -> float | None:
    gains = _gains(path)
    if not gains:
        return None
    most = max(gain for gain, _ in gains)
    return min(cut_s for gain, cut_s in gains if gain >= _KICK_SHARE * most)


def _gains(path: _Path) -> list[tuple[float, float]]:
    """By how much each cut that may be a kick speeds the ball up, and when."""
    gains: list[tuple[float, float]] = []
    for cut_s in path.cuts_s.tolist():
        after = _speed(path.velocity(cut_s + _MOMENT_S, cut_s + _KICK_LOOK_S))
        before = _speed(path.velocity(cut_s - _KICK_LOOK_S, cut_s - _MOMENT_S))
        if after >= max(_KICK_SPEED, _KICK_GAIN * before):
            gains.append((after - before, cut_s))
    return gains


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


def _speed(vector: Floats) -> float:
    return float(np.hypot(vector[0], vector[1]))
