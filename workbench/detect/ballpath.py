"""The one chain of small blobs through a window that is most likely the ball.

Dynamic programming over candidates: every blob on the chain earns its likeness to a ball; jumps,
turns and changes of size cost. The velocity that a turn is measured against is that of the best
chain up to there, which makes the result a very good chain rather than provably the best. What
stays in its place while the chain flies elsewhere is not the ball (`without_bystanders`). Knows
nothing about images.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

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
_STILL = 0.1  # sizes per frame; what moves less is nearly at rest
_IN_FLIGHT = 0.4  # sizes per frame; heads and hands are slower for their size, or not for long
_STAYS = 0.3  # of the frames of flight in which a bystander is seen at its place
_AS_LIKELY = 0.8  # least likeness of what is seen at a bystander's place, as a share of its own …
_AS_LARGE = 0.6  # … and most difference in size, in doublings
_LEAST_FLIGHT = 4  # frames of flight without which nothing is said about bystanders


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
    still_gain: float = 1.0,
    still: float = _STILL,
) -> dict[int, int]:
    """Choose at most one spot per frame.

    Args:
        frames: Candidates of each frame.
        reach_px: How far a ball can move from one frame to the next.
        least_likeness: Spots below it are not looked at; the others earn what they have above it.
        most_turn_cost: Of a turn however sharp. High where a wrong spot does harm, low where spots
            are trusted and the ball is to be followed through kick and save.
        least_travel: How far the chain must come, in units of the ball's size.
        still_gain: Share of its gain that a spot earns where the chain does not move. 1 counts a
            ball at rest in full; less, where specks that stay could pass for it.
        still: Speed from which a spot earns its gain in full, in sizes per frame.

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
    size = np.array([spot.size for _, _, spot in nodes])
    own_gain = np.array([spot.likeness - least_likeness for _, _, spot in nodes])
    gain = still_gain * own_gain  # of the best chain up to there
    previous = np.full(len(nodes), -1)
    velocity = np.zeros((len(nodes), 2))  # of the best chain that ends there, px per frame
    for now in np.unique(when):
        first, start, stop = np.searchsorted(when, [now - MAX_GAP, now, now + 1])
        if first == start:
            continue
        earlier, own = slice(first, start), slice(start, stop)
        gap = (now - when[earlier])[:, None]
        step = (place[None, own] - place[earlier, None]) / gap[..., None]  # (earlier, own, 2)
        speed = np.hypot(*np.moveaxis(step, 2, 0))
        off = np.hypot(*np.moveaxis(step - velocity[earlier, None], 2, 0)) / reach_px
        cost = (
            _JUMP_COST * (speed / reach_px) ** 2
            + np.minimum(_TURN_COST * off, most_turn_cost)
            + _RESIZE_COST * np.abs(np.log2(size[None, own] / size[earlier, None]))
            + np.minimum(_GAP_COST * (gap - 1), _MOST_GAP_COST)
        )
        moves = np.minimum(1, speed / (still * size[None, own]))
        earned = (still_gain + (1 - still_gain) * moves) * own_gain[None, own]
        reached = np.where(speed <= reach_px, gain[earlier, None] - cost + earned, -np.inf)
        best = reached.argmax(axis=0)
        for node, origin in zip(range(start, stop), best, strict=True):
            if reached[origin, node - start] > gain[node]:
                gain[node] = reached[origin, node - start]
                previous[node] = first + origin
                velocity[node] = step[origin, node - start]
    for node in np.argsort(-gain, kind="stable")[:_MOST_TRIES]:
        chain = _trace(previous, int(node))
        if len(chain) >= _MIN_LENGTH and travels([nodes[n][2] for n in chain], least_travel):
            return {nodes[link][0]: nodes[link][1] for link in chain}
    return {}


def speeds(frames: Sequence[Sequence[Spot]], chain: Mapping[int, int]) -> dict[int, float]:
    """How fast a chain moves in each of its frames, in its median size per frame."""
    when = np.array(sorted(chain))
    spots = [frames[frame][chain[frame]] for frame in when]
    if len(when) < 2:
        return dict.fromkeys(when.tolist(), 0.0)
    place = np.array([(spot.x, spot.y) for spot in spots])
    before, after = np.arange(len(when)) - 1, np.arange(len(when)) + 1
    before, after = np.maximum(before, 0), np.minimum(after, len(when) - 1)
    speed = np.hypot(*(place[after] - place[before]).T) / (when[after] - when[before])
    speed /= np.median([spot.size for spot in spots])
    return dict(zip(when.tolist(), speed.tolist(), strict=True))


def without_bystanders(
    frames: Sequence[Sequence[Spot]], chain: Mapping[int, int]
) -> list[list[Spot]]:
    """Take the likeness from all spots where something stays while the chain flies elsewhere.

    A ball at rest leaves its place when it flies; a shoe, a corner of the net or the ghost of what
    the background holds does not. What comes by there must be as ball-like and as large: the foot
    that swings through where the ball lay says nothing. Without a flight nothing is taken.
    """
    speed = speeds(frames, chain)
    flight = [frame for frame, value in speed.items() if value > _IN_FLIGHT]
    nodes = [spot for spots in frames for spot in spots]
    if len(flight) < _LEAST_FLIGHT or not nodes:
        return [list(spots) for spots in frames]
    place = np.array([(spot.x, spot.y) for spot in nodes])
    size = np.array([spot.size for spot in nodes])
    likeness = np.array([spot.likeness for spot in nodes])
    near = np.maximum(2.0, size / 2)
    balls = [frames[frame][chain[frame]] for frame in flight]
    away = place[:, None] - np.array([(ball.x, ball.y) for ball in balls])
    elsewhere = np.hypot(*np.moveaxis(away, 2, 0)) >= (2 * near + size)[:, None]  # (N, flight)
    asked = elsewhere.sum(axis=1)
    when = np.array([frame for frame, spots in enumerate(frames) for _ in spots])
    flown = np.flatnonzero(np.isin(when, flight))
    node, other = _pairs(place, flown, near)
    alike = likeness[other] >= _AS_LIKELY * likeness[node]
    alike &= np.abs(np.log2(size[other] / size[node])) <= _AS_LARGE
    moment = np.searchsorted(flight, when[other])
    there = np.zeros_like(elsewhere)
    there[node[alike], moment[alike]] = True
    seen = (there & elsewhere).sum(axis=1)
    stays = (asked >= _LEAST_FLIGHT) & (seen > _STAYS * asked)
    verdicts = iter(stays.tolist())
    return [
        [replace(spot, likeness=0.0) if next(verdicts) else spot for spot in spots]
        for spots in frames
    ]


def _pairs(
    place: NDArray[np.float64], others: NDArray[np.int64], near: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every node with each of the others that lies as near to it: two lists of places."""
    # A little more than near, and then exactly: the tree compares squares.
    around = cKDTree(place[others]).query_ball_point(place, near * (1 + 1e-9))
    node = np.repeat(np.arange(len(place)), [len(found) for found in around])
    other = others[np.fromiter((one for found in around for one in found), np.int64, len(node))]
    close = np.hypot(*(place[node] - place[other]).T) <= near[node]
    return node[close], other[close]


def _trace(previous: NDArray[np.int64], node: int) -> list[int]:
    """Nodes of the chain that ends at `node`, first to last."""
    chain = [node]
    while previous[chain[-1]] >= 0:
        chain.append(int(previous[chain[-1]]))
    return chain[::-1]


def travels(chain: Sequence[Spot], least_travel: float) -> bool:
    """Whether a chain comes as far as that, in units of its median size."""
    if not chain:
        return False
    xs, ys = [spot.x for spot in chain], [spot.y for spot in chain]
    travel = math.hypot(max(xs) - min(xs), max(ys) - min(ys))
    return travel >= least_travel * sorted(spot.size for spot in chain)[len(chain) // 2]
