"""The ball's path through one window of frames, found in two passes.

The caller shows each frame twice: `observe` each, `learn`, `observe_again` each, `choose`. Between
frames only candidates are kept, no pictures. The size of the ball is not known beforehand: each
assumed size gives its own chain of candidates, and the chain with the highest summed and mean gain
wins. An unlikely chain is kept with a low score, which says how much it looks and moves like a
ball. Knows nothing about files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise

import numpy as np

from workbench.detect.ballpath import (
    LEAST_LIKENESS,
    MOST_TURN_COST,
    Spot,
    best_path,
    speeds,
    without_bystanders,
)
from workbench.detect.motion.balls import (
    USUAL_PX,
    Colours,
    Look,
    as_spot,
    colours_of,
    count_colours,
    find_balls,
    learn_look,
    look_again,
    to_half_height,
)
from workbench.detect.motion.change import Blob, Change, substance

_SMALL_PX = 3.0  # side of a far ball; specks as small as that are mostly noise
_REACH = 0.12  # of the picture's width: how far a ball can move from one frame to the next
_LEAST_LOOK = 0.55  # likeness above which a spot has a gain once colours count
_STILL_AGAIN = 0.3  # share of its gain that a spot at rest earns in the second chain
_FULL_GAIN = 0.3  # mean gain of a chain whose scores are not reduced …
_FULL_SPEED = 0.6  # … if its fastest tenth moves so many sizes per frame
_MOVING = 0.3  # sizes per frame from which a blob is surely no part of the background
_LEAST_MOVING = 5  # if there are so many such blobs, colours are learned from them alone
_MOST_TRIES = 3  # searches for a chain without bystanders
_MOST_CANDIDATES = 40  # of one frame, the most ball-like; only a moving camera makes more
_SMEARED_PX = 7  # side up to which the blur of lens and codec is a large part of a blob
_GHOST_COST = 0.5  # share of its likeness that a blob loses that is in the background alone
_LONGEST_BRIDGE = 12  # frames between two blobs of the first chain that are filled in
_EXPECTED_BONUS = 0.1  # added to the likeness of a spot on the first chain
_TURN_AGAIN = 0.15  # most that a turn costs in the second chain, whose spots are more reliable


@dataclass(frozen=True)
class _Candidate:
    """A blob that may be the ball."""

    blob: Blob
    colours: Colours
    outline: Blob  # what is said to be the ball, if it is
    credit: float  # factor of its likeness: 1 if its edges are the frame's own, less for ghosts

    def as_spot(self, ball_px: float = USUAL_PX, look: float | None = None) -> Spot:
        """The candidate for `best_path`, its likeness reduced if it may be a ghost."""
        spot = as_spot(self.blob, ball_px, look)
        return replace(spot, likeness=self.credit * spot.likeness)


@dataclass
class _Idea:
    """One assumption about the ball's size, and what was found under it."""

    ball_px: float  # its side
    still_gain: float  # share of its gain that a blob earns that does not move
    still: float  # sizes per frame up to which a blob does not move
    look: Look | None = None
    expected: dict[int, Spot] = field(default_factory=dict)  # the first chain, gaps bridged
    seen_again: list[list[_Candidate]] = field(default_factory=list)  # by frame


class BallFinder:
    """Finds the one ball of a window.

    Args:
        width: Of the frames, in pixels.
        small_ball: Consider that the ball may be as small as three pixels.
    """

    def __init__(self, width: int, small_ball: bool = True) -> None:
        self._reach_px = _REACH * width
        self._ideas = [_Idea(USUAL_PX, still_gain=1.0, still=0.1)]
        if small_ball:  # most specks that do not move are noise
            self._ideas.append(_Idea(_SMALL_PX, still_gain=0.0, still=0.4))
        self._seen: list[list[_Candidate]] = []  # by frame
        self._changed = count_colours([])

    def observe(self, change: Change, people: Sequence[Blob]) -> None:
        """Take the next frame; `people` in it are not the ball."""
        found = find_balls(change, people)
        found.sort(key=lambda blob: -as_spot(blob, _SMALL_PX).likeness)
        self._seen.append([_candidate(change, blob, blob) for blob in found[:_MOST_CANDIDATES]])
        self._changed += count_colours([colours_of(change.image[change.weak])])

    def learn(self) -> bool:
        """Learn the ball's colours; false if nothing seen so far moves like a ball."""
        for idea in self._ideas:
            spots, chosen = self._first_chain(idea)
            if chosen:
                speed = speeds(spots, chosen)
                moving = [frame for frame in chosen if speed[frame] > _MOVING]
                teaching = moving if len(moving) >= _LEAST_MOVING else list(chosen)
                samples = [self._seen[frame][chosen[frame]].colours for frame in teaching]
                idea.look = learn_look(samples, self._changed)
                idea.expected = _bridge({f: spots[f][index] for f, index in chosen.items()})
        return any(idea.look is not None for idea in self._ideas)

    def observe_again(self, change: Change) -> None:
        """Take the next frame once more, from the first on."""
        for idea in self._ideas:
            if idea.look is not None:
                found = look_again(change, idea.look)
                found.sort(key=lambda blob: -blob.score)
                again = [(blob, _tight(blob, change)) for blob in found[:_MOST_CANDIDATES]]
                idea.seen_again.append([_candidate(change, *blobs) for blobs in again])

    def choose(self) -> dict[int, Blob]:
        """The ball in each frame where it is seen, frames counted from the window's first."""
        best: dict[int, Blob] = {}
        best_worth = 0.0
        for idea in self._ideas:
            if idea.look is not None and idea.seen_again:
                pairs = zip(self._seen, idea.seen_again, strict=True)
                seen = [first + again for first, again in pairs]
                spots = [self._spots_again(idea, idea.look, at, row) for at, row in enumerate(seen)]
                floor = _LEAST_LOOK
                spots, chosen = self._chain(spots, floor, _TURN_AGAIN, _STILL_AGAIN, idea.still)
            else:
                seen, floor = self._seen, LEAST_LIKENESS
                spots, chosen = self._first_chain(idea)
            gains = [spots[frame][index].likeness - floor for frame, index in chosen.items()]
            # Sum times mean: a short chain of the ball beats a long one of feet and hands.
            worth = float(np.sum(gains) * np.mean(gains)) if gains else 0.0
            if worth > best_worth:
                speed = float(np.quantile(list(speeds(spots, chosen).values()), 0.9))
                sure = min(1.0, float(np.mean(gains)) / _FULL_GAIN) * min(1.0, speed / _FULL_SPEED)
                best_worth = worth
                best = {
                    frame: replace(
                        seen[frame][index].outline, score=sure * spots[frame][index].likeness
                    )
                    for frame, index in chosen.items()
                }
        return best

    def candidates(self) -> list[list[Blob]]:
        """All that may be the ball in each frame, on a chain or not, its score its likeness."""
        found: list[list[Blob]] = []
        for frame, row in enumerate(self._seen):
            own = [
                replace(one.outline, score=one.as_spot(idea.ball_px).likeness)
                for idea in self._ideas
                for one in row
            ]
            for idea in self._ideas:
                if idea.look is not None and idea.seen_again:
                    again = idea.seen_again[frame]
                    spots = self._spots_again(idea, idea.look, frame, again)
                    pairs = zip(again, spots, strict=True)
                    own += [replace(one.outline, score=spot.likeness) for one, spot in pairs]
            found.append([blob for blob in own if blob.score > 0])
        return found

    def _first_chain(self, idea: _Idea) -> tuple[list[list[Spot]], dict[int, int]]:
        spots = [[one.as_spot(idea.ball_px) for one in row] for row in self._seen]
        return self._chain(spots, LEAST_LIKENESS, MOST_TURN_COST, idea.still_gain, idea.still)

    def _chain(
        self, spots: list[list[Spot]], floor: float, turn: float, still_gain: float, still: float
    ) -> tuple[list[list[Spot]], dict[int, int]]:
        """The best chain without bystanders, and the spots as they then count."""
        best = partial(
            best_path,
            reach_px=self._reach_px,
            least_likeness=floor,
            most_turn_cost=turn,
            still_gain=still_gain,
            still=still,
        )
        chosen = best(spots)
        for _ in range(_MOST_TRIES - 1):
            fewer = without_bystanders(spots, chosen)
            if fewer == spots or not (again := best(fewer)):
                break
            spots, chosen = fewer, again
        return spots, chosen

    def _spots_again(
        self, idea: _Idea, look: Look, frame: int, row: Sequence[_Candidate]
    ) -> list[Spot]:
        expected, spots = idea.expected.get(frame), []
        for one in row:
            spot = one.as_spot(look=float(look[one.colours].mean()))
            if expected is not None and _is_near(spot, expected):
                spot = replace(spot, likeness=min(1.0, spot.likeness + _EXPECTED_BONUS))
            spots.append(spot)
        return spots


def _candidate(change: Change, blob: Blob, outline: Blob) -> _Candidate:
    credit = 1 - _GHOST_COST * (1 - substance(blob, change))
    colours = colours_of(change.image[blob.window][blob.mask])
    return _Candidate(blob, colours, outline, credit)


def _tight(blob: Blob, change: Change) -> Blob:
    return to_half_height(blob, change) if max(blob.mask.shape) <= _SMEARED_PX else blob


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
