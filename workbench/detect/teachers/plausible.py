"""Which finds of a ball in single frames can be the ball: those that move as a ball does.

The unit is a spot per frame. A find is kept if it lies with two others near in time on a smooth
piece of flight or roll. Finds may support each other, so that a clip without any accepted ball can
be rescued. At a kick or a bounce each side is smooth by itself. Knows nothing about images or
models.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from workbench.detect.ballpath import Spot

_NEAR = 5  # frames, to either side, in which a find looks for company
_MOST_RESIZE = 3.0  # times between neighbours: boxes by words are rough
_LEAST_TRAVEL = 2.0  # ball sizes, where nobody else has seen the ball move

Key = tuple[int, int]  # frame, place among its candidates
_ACCEPTED = -1  # place of a spot that is no candidate but known


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
    spots: dict[Key, Spot] = {(frame, _ACCEPTED): spot for frame, spot in accepted.items()}
    for frame, own in candidates.items():
        for place, spot in enumerate(own):
            if frame not in accepted and _can_be_reached(frame, spot, accepted, reach_px):
                spots[frame, place] = spot
    _drop_unsupported(spots, reach_px, bend_px)
    company = {key: sum(1 for _ in _triples(key, spots, reach_px, bend_px)) for key in spots}
    path = {frame: (frame, _ACCEPTED) for frame in accepted}
    for key in spots:
        rival = path.get(key[0])
        if rival is None or company[key] > company[rival]:  # none beside an accepted one
            path[key[0]] = key
    chosen = _drop_interlopers(path, spots, company, reach_px, bend_px)
    if not accepted and not _travels([spots[key] for key in chosen]):
        return {}  # nothing moves: a mark on the pitch
    return dict(chosen)


def _can_be_reached(frame: int, spot: Spot, accepted: Mapping[int, Spot], reach_px: float) -> bool:
    before = max((other for other in accepted if other < frame), default=None)
    after = min((other for other in accepted if other > frame), default=None)
    return all(
        math.hypot(spot.x - accepted[other].x, spot.y - accepted[other].y)
        <= reach_px * abs(frame - other)
        for other in (before, after)
        if other is not None
    )


def _drop_unsupported(spots: dict[Key, Spot], reach_px: float, bend_px: float) -> None:
    """Drop candidates without company, then those whose company went, until all have some."""
    changed = True
    while changed:
        alone = [
            key
            for key in spots
            if key[1] != _ACCEPTED and next(_triples(key, spots, reach_px, bend_px), None) is None
        ]
        for key in alone:
            del spots[key]
        changed = bool(alone)


def _drop_interlopers(
    path: Mapping[int, Key],
    spots: Mapping[Key, Spot],
    company: Mapping[Key, int],
    reach_px: float,
    bend_px: float,
) -> list[Key]:
    """Drop candidates that fit no neighbours on the path, those with least company first.

    A mark on the pitch is smooth by itself, but not between sightings of a ball that moves.
    """
    keys = [path[frame] for frame in sorted(path)]
    while True:
        fitting: set[Key] = set()
        for triple in zip(keys, keys[1:], keys[2:], strict=False):
            near = triple[2][0] - triple[0][0] <= 2 * _NEAR
            if near and _is_smooth(triple, spots, reach_px, bend_px):
                fitting.update(triple)
        strangers = [key for key in keys if key[1] != _ACCEPTED and key not in fitting]
        if not strangers:
            return [key for key in keys if key[1] != _ACCEPTED]
        keys.remove(min(strangers, key=lambda key: company[key]))


def _triples(
    key: Key, spots: Mapping[Key, Spot], reach_px: float, bend_px: float
) -> Iterator[tuple[Key, Key]]:
    """Pairs of other spots near in time with which a spot makes a smooth piece of path."""
    frame = key[0]
    near = [other for other in spots if 0 < abs(other[0] - frame) <= _NEAR]
    for pair in combinations(near, 2):
        first, second, third = sorted((key, *pair))
        if first[0] < second[0] < third[0] and _is_smooth(
            (first, second, third), spots, reach_px, bend_px
        ):
            yield pair


def _is_smooth(
    triple: tuple[Key, Key, Key], spots: Mapping[Key, Spot], reach_px: float, bend_px: float
) -> bool:
    """Whether three spots, in order of time, lie on one piece of flight or roll."""
    (t0, _), (t1, _), (t2, _) = triple
    p0, p1, p2 = (spots[key] for key in triple)
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


def _travels(spots: Sequence[Spot]) -> bool:
    if not spots:
        return False
    xs, ys = [spot.x for spot in spots], [spot.y for spot in spots]
    travel = math.hypot(max(xs) - min(xs), max(ys) - min(ys))
    return travel >= _LEAST_TRAVEL * sorted(spot.size for spot in spots)[len(spots) // 2]
