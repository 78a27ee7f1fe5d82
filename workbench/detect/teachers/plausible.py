"""Which finds of a ball in single frames can be the ball: those that move as a ball does.

The unit is a spot per frame. A find is kept if it lies with two others near in time on a smooth
piece of flight or roll. Finds may support each other, so that a clip without any accepted ball can
be rescued. At a kick or a bounce each side is smooth by itself. Knows nothing about images or
models.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from typing import NamedTuple

from workbench.detect.ballpath import Spot, travels

_NEAR = 5  # frames, to either side, in which a find looks for company
_MOST_RESIZE = 3.0  # times between neighbours: boxes by words are rough
_LEAST_TRAVEL = 2.0  # ball sizes, where nobody else has seen the ball move
_KNOWN = -1  # place of a spot that is no candidate: the ball is known to be there


class _Find(NamedTuple):
    frame: int
    place: int  # among the candidates of its frame
    spot: Spot


IsSmooth = Callable[[_Find, _Find, _Find], bool]


def plausible_spots(
    candidates: Mapping[int, Sequence[Spot]],
    accepted: Mapping[int, Spot],
    reach_px: float,
    bend_px: float,
) -> dict[int, int]:
    """Choose at most one candidate per frame, none that cannot be the ball.

    Args:
        candidates: Finds by frame.
        accepted: Where the ball is known to be, by frame.
        reach_px: How far a ball can move from one frame to the next.
        bend_px: By how much its step may change from one frame to the next.

    Returns:
        Frame to the place of the chosen candidate.

    Example:
        >>> finds = {t: [Spot(10.0 * t, 5.0, 4.0, 0.9)] for t in range(4)}
        >>> plausible_spots(finds | {9: [Spot(300.0, 90.0, 4.0, 0.9)]}, {}, 77, 6)
        {0: 0, 1: 0, 2: 0, 3: 0}
    """
    is_smooth = partial(_is_smooth, reach_px, bend_px)
    known = [_Find(frame, _KNOWN, accepted[frame]) for frame in sorted(accepted)]
    finds = [
        find
        for frame, own in candidates.items()
        if frame not in accepted
        for find in (_Find(frame, place, spot) for place, spot in enumerate(own))
        if all(_reaches(reach_px, find, other) for other in _neighbours(frame, known))
    ]
    company = _company([*known, *finds], is_smooth)
    path: dict[int, _Find] = {}
    for find in sorted(company, key=lambda find: -company[find]):
        path.setdefault(find.frame, find)
    chosen = _without_interlopers([path[frame] for frame in sorted(path)], company, is_smooth)
    if not accepted and not travels([find.spot for find in chosen], _LEAST_TRAVEL):
        return {}  # nothing moves: a mark on the pitch
    return {find.frame: find.place for find in chosen}


def _neighbours(frame: int, known: Sequence[_Find]) -> list[_Find]:
    """The last known find before a frame and the first after it."""
    before = [find for find in known if find.frame < frame]
    after = [find for find in known if find.frame > frame]
    return before[-1:] + after[:1]


def _reaches(reach_px: float, one: _Find, other: _Find) -> bool:
    distance = math.hypot(one.spot.x - other.spot.x, one.spot.y - other.spot.y)
    return distance <= reach_px * abs(one.frame - other.frame)


def _is_smooth(reach_px: float, bend_px: float, *finds: _Find) -> bool:
    """Whether three finds, in order of time, lie on one piece of flight or roll."""
    (t0, _, p0), (t1, _, p1), (t2, _, p2) = finds
    sizes = (p0.size, p1.size, p2.size)
    if max(sizes) > _MOST_RESIZE * min(sizes):
        return False
    v0 = (p1.x - p0.x) / (t1 - t0), (p1.y - p0.y) / (t1 - t0)
    v1 = (p2.x - p1.x) / (t2 - t1), (p2.y - p1.y) / (t2 - t1)
    if max(math.hypot(*v0), math.hypot(*v1)) > reach_px:
        return False
    # Places are known to half a ball; over a short step that is much of a velocity.
    blur = 0.5 * max(sizes) * (1 / (t1 - t0) + 1 / (t2 - t1))
    return math.dist(v0, v1) <= bend_px * (t2 - t0) / 2 + blur


def _company(finds: Sequence[_Find], is_smooth: IsSmooth) -> dict[_Find, int]:
    """With how many pairs of others near in time each find makes a smooth piece of path.

    Candidates without company are dropped, then those whose company went, until all have some.
    """
    while True:
        pairs = Counter[_Find]()
        for find in finds:
            before = [other for other in finds if 0 < find.frame - other.frame <= _NEAR]
            after = [other for other in finds if 0 < other.frame - find.frame <= _NEAR]
            for first, last in product(before, after):
                if is_smooth(first, find, last):
                    is_near = last.frame - first.frame <= _NEAR
                    pairs.update((first, find, last) if is_near else (find,))
        kept = [find for find in finds if find.place == _KNOWN or pairs[find]]
        if len(kept) == len(finds):
            return {find: pairs[find] for find in finds}
        finds = kept


def _without_interlopers(
    path: list[_Find], company: Mapping[_Find, int], is_smooth: IsSmooth
) -> list[_Find]:
    """The candidates of a path without those that fit no neighbours on it, least company first.

    A mark on the pitch is smooth by itself, but not between sightings of a ball that moves.
    """
    while True:
        fitting: set[_Find] = set()
        for triple in zip(path, path[1:], path[2:], strict=False):
            if triple[2].frame - triple[0].frame <= 2 * _NEAR and is_smooth(*triple):
                fitting.update(triple)
        strangers = [find for find in path if find.place != _KNOWN and find not in fitting]
        if not strangers:
            return [find for find in path if find.place != _KNOWN]
        path.remove(min(strangers, key=lambda find: company[find]))
