"""The ball through one window of frames: candidates, a chain, a second look with what was learned.

Fed frame by frame, twice: `observe` each frame, `learn`, `observe_again` each frame, `choose`. Only
candidates are kept between frames, no pictures. There may be doubt how small the ball is: each
assumption makes its own chain, and the one that explains itself best wins. Knows nothing of files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from workbench.detect.ballpath import LEAST_LIKENESS, MOST_TURN_COST, Spot, best_path
from workbench.detect.motion.balls import USUAL_PX, as_spot, find_balls
from workbench.detect.motion.change import Blob, Change, Image
from workbench.detect.motion.secondlook import (
    BallLook,
    Colours,
    colours_of,
    count_colours,
    look_again,
)

_SMALL_PX = 3.0  # side of a far ball; specks as small as that are mostly noise
_REACH = 0.12  # of the picture's width: how far a ball can move from one frame to the next
_LEAST_LOOK = 0.55  # likeness that earns something once colours count
_LEAST_GAIN = 0.24  # mean gain of a chain of blobs that is a ball
_FULL_GAIN = 0.3  # mean gain that leaves no doubt
_LONGEST_BRIDGE = 12  # frames between two blobs of the first chain that are filled in
_EXPECTED_BONUS = 0.1  # of likeness where the first chain leads
_TURN_AGAIN = 0.15  # most that a turn costs in the second chain: its spots can be trusted more

_Candidate = tuple[Blob, Colours]


@dataclass(frozen=True)
class SeenBall:
    """The ball in one frame."""

    blob: Blob
    score: float


@dataclass
class _Idea:
    """One assumption about the ball's size, and what follows from it."""

    ball_px: float
    look: BallLook | None = None
    expected: dict[int, Spot] = field(default_factory=dict)  # the first chain, gaps bridged
    seen_again: list[list[_Candidate]] = field(default_factory=list)  # by frame


class BallFinder:
    """Finds the one ball of a window.

    Args:
        width: Of the frames, in pixels.
        small_ball: Consider that the ball may be as small as three pixels.
    """

    def __init__(self, width: int, small_ball: bool = False) -> None:
        self._reach_px = _REACH * width
        self._ideas = [_Idea(px) for px in ([USUAL_PX, _SMALL_PX] if small_ball else [USUAL_PX])]
        self._seen: list[list[_Candidate]] = []  # by frame
        self._changed = count_colours([])

    def observe(self, image: Image, change: Change, people: Sequence[Blob]) -> None:
        """Take the next frame; `people` in it are not the ball."""
        self._seen.append(_with_colours(image, find_balls(change, people)))
        self._changed += count_colours([colours_of(image[change.weak])])

    def learn(self) -> bool:
        """Learn the ball's colours; false if nothing seen so far moves like a ball."""
        for idea in self._ideas:
            spots = self._first_spots(idea)
            chosen = best_path(spots, self._reach_px)
            if chosen:
                samples = [self._seen[frame][index][1] for frame, index in chosen.items()]
                idea.look = BallLook.learn(samples, self._changed)
                idea.expected = _bridge({f: spots[f][index] for f, index in chosen.items()})
        return any(idea.look for idea in self._ideas)

    def observe_again(self, image: Image, change: Change) -> None:
        """Take the next frame once more, from the first on."""
        for idea in self._ideas:
            if idea.look is not None:
                again = _with_colours(image, look_again(image, change, idea.look))
                idea.seen_again.append(again)

    def choose(self) -> dict[int, SeenBall]:
        """The ball in each frame where it is seen, frames counted from the window's first."""
        best: dict[int, SeenBall] = {}
        best_worth = 0.0
        for idea in self._ideas:
            if idea.look is not None and idea.seen_again:
                pairs = zip(self._seen, idea.seen_again, strict=True)
                seen = [first + again for first, again in pairs]
                spots = [self._spots_again(idea, idea.look, at, row) for at, row in enumerate(seen)]
                floor, least, turn = _LEAST_LOOK, _LEAST_GAIN, _TURN_AGAIN
            else:
                seen, spots = self._seen, self._first_spots(idea)
                floor, least, turn = LEAST_LIKENESS, 0.0, MOST_TURN_COST
            chosen = best_path(spots, self._reach_px, floor, turn)
            gains = [spots[frame][index].likeness - floor for frame, index in chosen.items()]
            # Long and surely a ball: a short chain of the ball beats a long one of feet and hands.
            worth = float(np.sum(gains) * np.mean(gains)) if gains else 0.0
            if worth > best_worth and np.mean(gains) >= least:
                sure = min(1.0, float(np.mean(gains)) / _FULL_GAIN)
                best_worth = worth
                best = {
                    frame: SeenBall(seen[frame][index][0], sure * spots[frame][index].likeness)
                    for frame, index in chosen.items()
                }
        return best

    def _first_spots(self, idea: _Idea) -> list[list[Spot]]:
        return [[as_spot(blob, idea.ball_px) for blob, _ in row] for row in self._seen]

    def _spots_again(
        self, idea: _Idea, look: BallLook, frame: int, row: Sequence[_Candidate]
    ) -> list[Spot]:
        expected, spots = idea.expected.get(frame), []
        for blob, own in row:
            spot = as_spot(blob, look=look.of(own))
            if expected is not None and _is_near(spot, expected):
                spot = replace(spot, likeness=min(1.0, spot.likeness + _EXPECTED_BONUS))
            spots.append(spot)
        return spots


def _with_colours(image: Image, found: Sequence[Blob]) -> list[_Candidate]:
    return [(blob, colours_of(image[blob.window][blob.mask])) for blob in found]


def _bridge(chain: dict[int, Spot]) -> dict[int, Spot]:
    """A chain with short gaps filled in: long ones too, where the ball lay still."""
    whole = dict(chain)
    for (before, a), (after, b) in pairwise(sorted(chain.items())):
        if after - before > _LONGEST_BRIDGE and not _is_near(a, b):
            continue
        for frame in range(before + 1, after):
            share = (frame - before) / (after - before)
            x, y = a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)
            whole[frame] = Spot(x, y, max(a.size, b.size), 0.0)
    return whole


def _is_near(spot: Spot, other: Spot) -> bool:
    return math.hypot(spot.x - other.x, spot.y - other.y) <= max(3.0, other.size)
