"""The one chain of small blobs through a window that is most likely the ball.

Dynamic programming over candidates: every blob on the chain earns its likeness to a ball; jumps,
turns and changes of size cost. The velocity that a turn is measured against is that of the best
chain up to there, which makes the result a very good chain rather than provably the best. Knows
nothing about images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_GAP = 30  # frames that the ball may be unseen: behind somebody, in front of a white post
LEAST_LIKENESS = 0.38  # below, a blob costs more than it earns and is not looked at
_JUMP_COST = 0.3  # of a jump as far as the ball can move in one frame
_TURN_COST = 4.0  # of landing that far away from where the last step led …
_MOST_TURN_COST = 0.2  # … up to this: kicks, bounces and saves happen
_RESIZE_COST = 0.2  # of doubling or halving the size
_GAP_COST = 0.05  # of each frame without a blob …
_MOST_GAP_COST = 0.4  # … up to this
_MOST_TRIES = 200  # chains that are looked at, best first, until one moves
_MIN_LENGTH = 5  # blobs; a shorter chain proves nothing
_MIN_TRAVEL = 2.0  # of the chain, in units of the ball's size


@dataclass(frozen=True)
class Spot:
    """A candidate: where it is, how large, how much it looks like a ball (0–1)."""

    x: float
    y: float
    size: float
    likeness: float


def best_path(frames: Sequence[Sequence[Spot]], reach_px: float) -> dict[int, int]:
    """Choose at most one spot per frame.

    Args:
        frames: Candidates of each frame.
        reach_px: How far a ball can move from one frame to the next.

    Returns:
        Frame to index of the chosen spot; empty if nothing moves like a ball.

    Example:
        >>> best_path([[Spot(10.0 * t, 5.0, 4.0, 0.9)] for t in range(6)], reach_px=30)
        {0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}
    """
    gains: list[list[float]] = []
    previous: list[list[tuple[int, int] | None]] = []
    velocity: list[
        list[tuple[float, float]]
    ] = []  # of the best chain that ends there, px per frame
    for now, spots in enumerate(frames):
        gains.append([])
        previous.append([])
        velocity.append([])
        for spot in spots:
            best, origin = 0.0, None
            earlier = range(max(0, now - MAX_GAP), now) if spot.likeness > LEAST_LIKENESS else ()
            for before in earlier:
                for index, other in enumerate(frames[before]):
                    if other.likeness <= LEAST_LIKENESS:
                        continue
                    cost = _step_cost(other, spot, now - before, reach_px, velocity[before][index])
                    gain = gains[before][index] - cost
                    if gain > best:
                        best, origin = gain, (before, index)
            gains[now].append(best + spot.likeness - LEAST_LIKENESS)
            previous[now].append(origin)
            velocity[now].append(_velocity(frames, origin, now, spot))
    ends = [(gain, now, i) for now, row in enumerate(gains) for i, gain in enumerate(row)]
    for gain, frame, index in sorted(ends, reverse=True)[:_MOST_TRIES]:
        chain = _trace(previous, frame, index)
        if gain > 0 and _moves(frames, chain):
            return chain
    return {}


def _trace(
    previous: Sequence[Sequence[tuple[int, int] | None]], frame: int, index: int
) -> dict[int, int]:
    chain: dict[int, int] = {}
    step: tuple[int, int] | None = (frame, index)
    while step is not None:
        chain[step[0]] = step[1]
        step = previous[step[0]][step[1]]
    return dict(sorted(chain.items()))


def _step_cost(a: Spot, b: Spot, gap: int, reach_px: float, velocity: tuple[float, float]) -> float:
    distance = math.hypot(b.x - a.x, b.y - a.y) / gap
    if distance > reach_px:
        return math.inf
    off = math.hypot(b.x - a.x - gap * velocity[0], b.y - a.y - gap * velocity[1]) / gap
    return (
        _JUMP_COST * (distance / reach_px) ** 2
        + min(_TURN_COST * off / reach_px, _MOST_TURN_COST)
        + _RESIZE_COST * abs(math.log2(b.size / a.size))
        + min(_GAP_COST * (gap - 1), _MOST_GAP_COST)
    )


def _velocity(
    frames: Sequence[Sequence[Spot]], origin: tuple[int, int] | None, now: int, spot: Spot
) -> tuple[float, float]:
    if origin is None:
        return 0.0, 0.0
    before, index = origin
    other, gap = frames[before][index], now - before
    return (spot.x - other.x) / gap, (spot.y - other.y) / gap


def _moves(frames: Sequence[Sequence[Spot]], chosen: dict[int, int]) -> bool:
    if len(chosen) < _MIN_LENGTH:
        return False
    spots = [frames[frame][index] for frame, index in chosen.items()]
    xs, ys = [spot.x for spot in spots], [spot.y for spot in spots]
    travel = math.hypot(max(xs) - min(xs), max(ys) - min(ys))
    return travel >= _MIN_TRAVEL * sorted(spot.size for spot in spots)[len(spots) // 2]
