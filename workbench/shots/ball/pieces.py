"""Pieces of smooth motion of a track, cut where something struck the ball.

The unit is a track without outliers. Each piece is a parabola in time along x and along y, a good
approximation of a flight in the picture; pieces are chosen by optimal partitioning (Jackson et al.
2005, "An algorithm for optimal partitioning of data on an interval"), so that smoothing never
reaches across a kick. Knows nothing about what happened at the cuts: `events` names it.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from workbench.footage.pinhole import Floats

LONGEST_S = 2.0  # of one piece

_TERMS = 3  # of a parabola
_CUT_COST = 22.0  # of a new piece, in squared deviations
_HANDOVER_STEPS = 21
_LOOSE = 1e-6  # ridge, so that pieces of one or two rows have an answer


@dataclass(frozen=True)
class Piece:
    """Smooth motion between two cuts; times in seconds from `origin_s`."""

    start: int  # first row
    stop: int  # one past the last row
    origin_s: float
    terms: Floats  # (3, 2) pixels, pixels per second, half of pixels per second squared

    def at(self, time_s: Floats | float) -> Floats:
        """Positions (…, 2) in pixels."""
        return np.asarray(_powers(np.asarray(time_s, float) - self.origin_s) @ self.terms)

    def velocity(self, time_s: Floats | float) -> Floats:
        """Velocities (…, 2) in pixels per second."""
        since = np.asarray(time_s, float) - self.origin_s
        rates = np.stack([np.zeros_like(since), np.ones_like(since), 2 * since], axis=-1)
        return np.asarray(rates @ self.terms)


def cut_into_pieces(times_s: Floats, xy: Floats, noise_px: float) -> list[Piece]:
    """Cut a track where its motion changes.

    Args:
        times_s: Of the rows (N,), increasing.
        xy: Positions (N, 2) in pixels, without outliers.
        noise_px: Standard deviation of a position along one axis, deviations of a flight from a
            parabola included.
    """
    count = len(times_s)
    cost = np.full(count + 1, np.inf)
    cost[0] = -_CUT_COST
    best_start = np.zeros(count + 1, int)
    for stop in range(1, count + 1):
        low = int(np.searchsorted(times_s, times_s[stop - 1] - LONGEST_S))
        starts = np.arange(low, stop)
        misfit = _misfits(times_s[low:stop], xy[low:stop]) / noise_px**2
        total = cost[starts] + _CUT_COST + misfit
        choice = int(np.argmin(total))
        cost[stop], best_start[stop] = total[choice], starts[choice]
    pieces = []
    stop = count
    while stop > 0:
        start = int(best_start[stop])
        pieces.append(_fit(times_s, xy, start, stop))
        stop = start
    return pieces[::-1]


def estimate_noise_px(times_s: Floats, xy: Floats) -> float:
    """Standard deviation of a position along one axis, from how neighbours disagree.

    Each row is compared with the line between its neighbours; the median leaves kicks out.
    """
    if len(times_s) < 3:
        return 0.0
    left = (times_s[2:] - times_s[1:-1]) / (times_s[2:] - times_s[:-2])
    weights = np.stack([left, -np.ones_like(left), 1 - left])
    bend = weights[0, :, None] * xy[:-2] - xy[1:-1] + weights[2, :, None] * xy[2:]
    scaled = np.abs(bend) / np.sqrt((weights**2).sum(axis=0))[:, None]
    return float(1.4826 * np.median(scaled))


def handovers_s(pieces: list[Piece], times_s: Floats) -> Floats:
    """When each piece hands over to the next (P − 1,), increasing.

    Args:
        pieces: Of one track, in order.
        times_s: The times they were cut from (N,).
    """
    return np.array([_handover_s(a, b, times_s) for a, b in itertools.pairwise(pieces)], float)


def _handover_s(before: Piece, after: Piece, times_s: Floats) -> float:
    """Where, between their rows, two pieces come closest."""
    candidates = np.linspace(times_s[before.stop - 1], times_s[after.start], _HANDOVER_STEPS)
    apart = np.hypot(*(before.at(candidates) - after.at(candidates)).T)
    return float(candidates[int(np.argmin(apart))])


def _misfits(times_s: Floats, xy: Floats) -> Floats:
    """Squared residuals (N,) of parabolas through rows i … N − 1, for every i."""
    # From the last row on: large pixel numbers would cancel badly.
    powers, xy = _powers(times_s - times_s[-1]), xy - xy[-1]
    normal = _from_the_end(powers[:, :, None] * powers[:, None, :])
    normal = normal + _LOOSE * np.eye(_TERMS)
    right = _from_the_end(powers[:, :, None] * xy[:, None, :])
    squares = _from_the_end((xy**2).sum(axis=1))
    terms = np.linalg.solve(normal, right)
    return np.asarray(np.maximum(squares - (terms * right).sum(axis=(1, 2)), 0.0))


def _from_the_end(values: Floats) -> Floats:
    return np.asarray(np.cumsum(values[::-1], axis=0)[::-1])


def _fit(times_s: Floats, xy: Floats, start: int, stop: int) -> Piece:
    origin = float(times_s[start:stop].mean())
    powers = _powers(times_s[start:stop] - origin)
    normal = powers.T @ powers + _LOOSE * np.eye(_TERMS)
    terms = np.asarray(np.linalg.solve(normal, powers.T @ xy[start:stop]), np.float64)
    return Piece(start, stop, origin, terms)


def _powers(since_s: Floats) -> Floats:
    return np.stack([np.ones_like(since_s), since_s, since_s**2], axis=-1)
