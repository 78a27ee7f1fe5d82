"""What several finders take for the ball in a frame, joined, with scores that mean the same.

The unit is a window of frames with the candidates of each finder, by its name. Which of the joined
candidates is labelled is for `ballchoice`; all of them are kept beside the labels, because which
ball was kicked shows only later. Knows nothing about images.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain

from workbench.detect.ballchoice import Candidate, Link, choose, without_statics
from workbench.detect.detections import BALL, Detection, FrameDetections

COCO, BALLNET, MOTION, BLOBS = "coco", "ballnet", "motion", "blobs"  # finders

# How often a finder's candidate is the ball, by its own score. Fitted on real frames
# (`benchmarks/real_frames.py`). The motion teacher's is lowered: as fitted it costs precision and
# gains nothing. Its blobs are all that moves and may be a ball: set by hand, not fitted.
RELIABILITY = {
    COCO: Link(-0.7, 1.1),
    BALLNET: Link(-2.0, 0.9),  # of the weights for use beside a detector
    MOTION: Link(-3.0, 0.75),
    BLOBS: Link(-3.0, 0.75),
}
# The ball network's without a detector: near what was fitted on real frames of clips it did not
# learn from (-1.1, .9), and the better of a few tried there.
ALONE = Link(-1.0, 0.7)
LINK = Link(bias=1.5, slope=1.4, chain=0.0)  # what a chosen candidate's score means, on the same

_LONGEST = 2.2  # sides of a ball, blurred by its motion
_OFTEN = 0.3  # share of a window's frames with something of the network's at one place
_SAME = 0.7  # of the larger one's size: candidates whose middles are nearer are one thing
_LEAST_SCORE, _MOST_KEPT = 0.02, 24  # score, and number in a frame, of those kept

Finds = Mapping[str, Sequence[Sequence[Candidate]]]


def choose_ball(finds: Finds, width_px: int) -> list[Candidate | None]:
    """The ball of each frame of a window, given the candidates of each finder by its name."""
    return choose(join_finds(finds), width_px, LINK)


def join_finds(finds: Finds, *, alone: bool = False) -> list[list[Candidate]]:
    """The candidates of all finders in each frame of a window, their scores probabilities.

    The ball network takes much that stands still for a ball. A ball at rest is the detector's to
    see, unless the network is `alone`.
    """
    finds, trust = dict(finds), dict(RELIABILITY)
    if alone:
        trust[BALLNET] = ALONE
    elif BALLNET in finds:
        finds[BALLNET] = without_statics(finds[BALLNET], _OFTEN, may_wait=False)
    trusted = (
        [[_trusted(one, trust[name]) for one in found if _is_round(one)] for found in own]
        for name, own in finds.items()
    )
    frames = zip(*trusted, strict=True)
    return [merged([*chain.from_iterable(found)]) for found in frames]


def merged(found: Sequence[Candidate]) -> list[Candidate]:
    """Candidates of one frame, those of several finders that lie on each other made one.

    The surest gives the box; that several see it makes it surer.
    """
    kept: list[Candidate] = []
    for one in sorted(found, key=lambda one: -one.score):
        for place, other in enumerate(kept):
            if math.dist(one.middle, other.middle) < _SAME * max(one.size, other.size):
                both = 1 - (1 - one.score) * (1 - other.score)
                kept[place] = replace(other, score=both)
                break
        else:
            kept.append(one)
    return kept


def as_candidates(found: FrameDetections) -> list[Candidate]:
    """The balls among detections."""
    return [Candidate(one.xywh, one.score or 0.0) for one in found if one.class_name == BALL]


def as_detections(frames: Iterable[Sequence[Candidate]], found_by: str) -> list[FrameDetections]:
    """The likeliest candidates of each frame, as they are kept."""
    kept = []
    for found in frames:
        likely = sorted(found, key=lambda one: -one.score)[:_MOST_KEPT]
        kept.append(
            tuple(
                Detection(BALL, one.xywh, score=one.score, found_by=found_by)
                for one in likely
                if one.score >= _LEAST_SCORE
            )
        )
    return kept


def _is_round(one: Candidate) -> bool:
    return max(one.xywh[2:]) <= _LONGEST * min(one.xywh[2:])


def _trusted(one: Candidate, trust: Link) -> Candidate:
    return replace(one, score=trust.score(one.score, on_chain=False))
