"""The one chain of small blobs through a window that is most likely the ball.

Dynamic programming over candidates: every blob on the chain earns its likeness to a ball; jumps,
turns and changes of size cost. The velocity that a turn is measured against is that of the best
chain up to there, which makes the result a very good chain rather than provably the best. Knows
nothing about images.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_GAP = 30  # frames that the ball may be unseen: behind somebody, in front of a white post
LEAST_LIKENESS = 0.4  # below, a blob costs more than it earns and is not looked at
_JUMP_COST = 0.3  # of a jump as far as the ball can move in one frame
_TURN_COST = 4.0  # of landing that far away from where the last step led …
MOST_TURN_COST = 0.4  # … up to this: kicks, bounces and saves happen
_RESIZE_COST = 0.2  # of doubling or halving the size
_GAP_COST = 0.05  # of each frame without a blob …
_MOST_GAP_COST = 0.4  # … up to this
_MOST_TRIES = 200  # chains that are looked at, best first, until one moves
_MIN_LENGTH = 5  # blobs; a shorter chain proves nothing
MIN_TRAVEL = 4.0  # of the chain, in units of the ball's size


@dataclass(frozen=True)
class Spot:
    """A candidate: where it is, how large, how much it looks like a ball (0–1)."""

    x: float
    y: float
    size: float
    likeness: float


def best_path(
    frames: Sequence[Sequence[Spot]],
    reach_px: float,
    least_likeness: float = LEAST_LIKENESS,
    most_turn_cost: float = MOST_TURN_COST,
    least_travel: float = MIN_TRAVEL,
) -> dict[int, int]:
    """Choose at most one spot per frame.

    Args:
        frames: Candidates of each frame.
        reach_px: How far a ball can move from one frame to the next.
        least_likeness: Spots below it are not looked at; the others earn what they have above it.
        most_turn_cost: Of a turn however sharp. High where a wrong spot does harm, low where spots
            are trusted and the ball is to be followed through kick and save.
        least_travel: How far the chain must come, in units of the ball's size.

    Returns:
        Frame to index of the chosen spot; empty if nothing moves like a ball.

    Example:
        >>> best_path([[Spot(10.0 * t, 5.0, 4.0, 0.9)] for t in range(6)], reach_px=30)
        {0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 0}
    """
    nodes = [
        (now, index, spot)
        for now, spots in enumerate(frames)
        for index, spot in enumerate(spots)
        if spot.likeness > least_likeness
    ]
    if not nodes:
        return {}
    when = np.array([now for now, _, _ in nodes])
    place = np.array([(spot.x, spot.y) for _, _, spot in nodes])
    size = np.log2([spot.size for _, _, spot in nodes])
    gain = np.array([spot.likeness - least_likeness for _, _, spot in nodes])
    previous = np.full(len(nodes), -1)
    velocity = np.zeros((len(nodes), 2))  # of the best chain that ends there, px per frame
    for now in np.unique(when):
        first, start, stop = np.searchsorted(when, [now - MAX_GAP, now, now + 1])
        if first == start:
            continue
        earlier, own = slice(first, start), slice(start, stop)
        gap = (now - when[earlier])[:, None]
        step = (place[None, own] - place[earlier, None]) / gap[..., None]  # (earlier, own, 2)
        distance = np.hypot(*np.moveaxis(step, 2, 0)) / reach_px
        off = np.hypot(*np.moveaxis(step - velocity[earlier, None], 2, 0)) / reach_px
        cost = (
            _JUMP_COST * distance**2
            + np.minimum(_TURN_COST * off, most_turn_cost)
            + _RESIZE_COST * np.abs(size[None, own] - size[earlier, None])
            + np.minimum(_GAP_COST * (gap - 1), _MOST_GAP_COST)
        )
        reached = np.where(distance <= 1, gain[earlier, None] - cost, -np.inf)
        best = reached.argmax(axis=0)
        for node, origin in zip(range(start, stop), best, strict=True):
            if reached[origin, node - start] > 0:
                gain[node] += reached[origin, node - start]
                previous[node] = first + origin
                velocity[node] = step[origin, node - start]
    for node in np.argsort(-gain, kind="stable")[:_MOST_TRIES]:
        chain = _trace(previous, int(node))
        if _moves([nodes[link][2] for link in chain], least_travel):
            return {nodes[link][0]: nodes[link][1] for link in chain}
    return {}


def _trace(previous: NDArray[np.int64], node: int) -> list[int]:
    """Nodes of the chain that ends at `node`, first to last."""
    chain = [node]
    while previous[chain[-1]] >= 0:
        chain.append(int(previous[chain[-1]]))
    return chain[::-1]


def _moves(chain: Sequence[Spot], least_travel: float) -> bool:
    if len(chain) < _MIN_LENGTH:
        return False
    xs, ys = [spot.x for spot in chain], [spot.y for spot in chain]
    travel = math.hypot(max(xs) - min(xs), max(ys) - min(ys))
    return travel >= least_travel * sorted(spot.size for spot in chain)[len(chain) // 2]
