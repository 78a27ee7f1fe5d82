"""Which candidate is the ball in play, frame by frame, and how sure that is.

The unit is a window of frames with the candidates of each. What stays at one place of the picture
for nearly all of the window is a logo, a spot or a spare ball (a ball at rest leaves when it is
kicked) and loses its score. Chains through the rest (`ballpath`) follow what moves like a ball; a
frame without a chain gets its surest candidate. Being on a chain makes a candidate likelier.
Knows nothing about images.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workbench.detect.ballpath import Spot, best_path
from workbench.detect.detections import Box

STAYS = 0.85  # share of a window's frames from which what is seen at one place does not play
_LEAST_FRAMES = 45  # of a window, without which nothing is said about what stays
_END_FRAMES = 8  # of a window: what is not seen in all of them comes or goes
_NEAR = 0.35  # of a candidate's size: how far away the same thing is seen in another frame
_ALIKE = 0.25  # least score of what is seen there, as a share of its own
_REACH = 0.12  # of the picture's width: how far a ball moves in one frame at most
_FLOOR, _SPAN = 0.4, 0.6  # likeness of a spot without and with full score, for the path search
_TURN = 0.2
_LEAST_TRAVEL = 2.0  # sizes
_LEAST_ON_CHAIN = 0.05  # score


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may be a ball in one frame."""

    xywh: Box
    score: float  # 0–1: the share of such candidates that are a ball
    logit: float = 0.0  # of the network that found it

    @property
    def xyxy(self) -> Box:
        """Left, top, right, bottom in pixels."""
        x, y, width, height = self.xywh
        return x, y, x + width, y + height

    @property
    def middle(self) -> tuple[float, float]:
        """Where its middle is, in pixels."""
        x, y, width, height = self.xywh
        return x + width / 2, y + height / 2

    @property
    def size(self) -> float:
        """Side of the square of its area."""
        return float(np.sqrt(self.xywh[2] * self.xywh[3]))


@dataclass(frozen=True)
class Link:
    """What a score means, on a chain or not: σ(bias + slope · logit of score + chain · on it)."""

    bias: float = 0.0
    slope: float = 1.0
    chain: float = 1.0

    def score(self, score: float, on_chain: bool) -> float:
        """The share of such candidates that are the ball."""
        share = min(max(score, 1e-4), 1 - 1e-4)
        x = self.bias + self.slope * math.log(share / (1 - share)) + self.chain * on_chain
        return 1 / (1 + math.exp(-x))


def without_statics(
    frames: Sequence[Sequence[Candidate]], stays: float = STAYS, may_wait: bool = True
) -> list[list[Candidate]]:
    """Leave out what is seen at one place of the picture in nearly all frames of a window.

    What is gone at the window's end, or not there yet at its start, is kept if it `may_wait`: a
    ball before its kick. A window of fewer than 45 frames is too short to tell and stays as it is.
    """
    if len(frames) < _LEAST_FRAMES:
        return [list(found) for found in frames]
    seen = presence(frames)
    is_there = seen[:, :_END_FRAMES].any(axis=1) & seen[:, -_END_FRAMES:].any(axis=1)
    static = iter(((seen.mean(axis=1) >= stays) & (is_there | (not may_wait))).tolist())
    return [[one for one in found if not next(static)] for found in frames]


def presence(frames: Sequence[Sequence[Candidate]]) -> NDArray[np.bool_]:
    """For each candidate in order, the frames that have one like it at its place (N, frames)."""
    nodes = [one for found in frames for one in found]
    seen = np.zeros((len(nodes), len(frames)), bool)
    if not nodes:
        return seen
    place = np.array([one.middle for one in nodes])
    score = np.array([one.score for one in nodes])
    near = np.maximum(2.0, _NEAR * np.array([one.size for one in nodes]))
    start = 0
    for frame, found in enumerate(frames):
        own = slice(start, start + len(found))
        start += len(found)
        distance = np.abs(place[:, None] - place[None, own]).max(axis=2)
        alike = score[None, own] >= _ALIKE * score[:, None]
        seen[:, frame] = ((distance <= near[:, None]) & alike).any(axis=1)
    return seen


def choose(
    frames: Sequence[Sequence[Candidate]], width_px: int, link: Link | None = None
) -> list[Candidate | None]:
    """The ball of each frame, its score that of a chosen one; None where there is no candidate.

    Args:
        frames: Candidates of each frame of a window.
        width_px: Of the picture.
        link: How much being on a chain says.
    """
    link = link or Link()
    moving = without_statics(frames)
    chained = chain(moving, width_px)
    chosen: list[Candidate | None] = []
    for frame, found in enumerate(moving):
        if frame in chained:
            one = found[chained[frame]]
        elif found:
            one = max(found, key=lambda candidate: candidate.score)
        else:
            chosen.append(None)
            continue
        chosen.append(replace(one, score=link.score(one.score, frame in chained)))
    return chosen


def chain(frames: Sequence[Sequence[Candidate]], width_px: int) -> dict[int, int]:
    """Frame to place of the candidate, on chains one after the other that move like a ball."""
    places = [
        [place for place, one in enumerate(found) if one.score >= _LEAST_ON_CHAIN]
        for found in frames
    ]
    spots = [
        [_spot(found[place]) for place in kept] for found, kept in zip(frames, places, strict=True)
    ]
    return {frame: places[frame][index] for frame, index in _chains(spots, 0, width_px).items()}


def _chains(spots: Sequence[Sequence[Spot]], start: int, width_px: int) -> Mapping[int, int]:
    """The best chain, and those before and after it."""
    best = best_path(spots, _REACH * width_px, most_turn_cost=_TURN, least_travel=_LEAST_TRAVEL)
    if not best:
        return {}
    first, last = min(best), max(best)
    before = _chains(spots[:first], start, width_px)
    after = _chains(spots[last + 1 :], start + last + 1, width_px)
    return {**before, **{start + frame: index for frame, index in best.items()}, **after}


def _spot(one: Candidate) -> Spot:
    x, y = one.middle
    return Spot(x, y, max(1.0, one.size), _FLOOR + _SPAN * one.score)
