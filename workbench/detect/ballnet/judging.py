"""The network on whole clips that nothing was learned from: calibration, and figures for the card.

The unit is a rendered clip of a validation session with the candidates and the true balls of each
frame. A candidate is right if its middle lies within a ball's size (at least three pixels) of a
true one's: what is so near is the ball, however well its box fits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.detect.ballnet.boxes import Boxes, iou
from workbench.detect.ballnet.calibration import Calibration, fit
from workbench.detect.ballnet.chosen import Link, chain, choose, without_statics
from workbench.detect.ballnet.crops import Scene
from workbench.detect.ballnet.finder import BallFinder, Candidate
from workbench.detect.ballnet.learner import LEAST_IOU
from workbench.detect.ballnet.material import is_valid, rendered
from workbench.footage.frames import iter_frames

_PRECISION = 0.8  # at which recall is told
_LEAST_SIDE = 3.0  # pixels


@dataclass(frozen=True)
class Seen:
    """What the network sees in a clip, and what is there."""

    group: str  # shots or actions
    width: int
    candidates: list[list[Candidate]]  # by frame
    balls: Sequence[Boxes]


def look_at_valid(finder: BallFinder, footage: Path, sessions: int) -> Iterator[Seen]:
    """Yield the clips of all validation sessions."""
    for number in filter(is_valid, range(sessions)):
        for group, folder, clips in rendered(footage, number):
            for clip in clips:
                assert clip.truth is not None
                frames = (frame.image for frame in iter_frames(folder / clip.file))
                balls = Scene.load(folder / clip.truth).balls
                yield Seen(group, clip.width, list(finder.look(frames)), balls)


def is_right(one: Candidate, balls: Boxes) -> bool:
    """Whether a candidate lies on a true ball."""
    if not len(balls):
        return False
    away = (balls[:, :2] + balls[:, 2:]) / 2 - np.array(one.middle)
    near = np.maximum(_LEAST_SIDE, (balls[:, 2:] - balls[:, :2]).max(axis=1))
    return bool((np.hypot(*away.T) <= near).any())


def calibrate(seen: Sequence[Seen]) -> Calibration:
    """The curve from logit and size to the share of right candidates, over all frames."""
    pairs = [
        (one, is_right(one, balls))
        for clip in seen
        for found, balls in zip(clip.candidates, clip.balls, strict=True)
        for one in found
    ]
    logits, sides = [one.logit for one, _ in pairs], [one.size for one, _ in pairs]
    return fit(logits, sides, [right for _, right in pairs])


def rescored(seen: Seen, calibration: Calibration) -> Seen:
    """The same with calibrated scores."""
    again = [
        sorted(
            (replace(one, score=calibration.score(one.logit, one.size)) for one in found),
            key=lambda one: -one.score,
        )
        for found in seen.candidates
    ]
    return replace(seen, candidates=again)


def fit_link(seen: Sequence[Seen]) -> Link:
    """How much more often what lies on a chain is right, given its score; from shots alone."""
    from sklearn.linear_model import LogisticRegression

    rows, right = [], []
    for clip in seen:
        if clip.group != "shots":
            continue
        moving = without_statics(clip.candidates)
        chained = chain(moving, clip.width)
        for frame, (found, balls) in enumerate(zip(moving, clip.balls, strict=True)):
            if found:
                on_chain = frame in chained
                one = found[chained[frame]] if on_chain else found[0]
                share = min(max(one.score, 1e-4), 1 - 1e-4)
                rows.append((np.log(share / (1 - share)), float(on_chain)))
                right.append(is_right(one, balls))
    if len(set(right)) < 2:
        return Link()
    curve = LogisticRegression(C=100.0).fit(np.array(rows), np.array(right))
    slope, chained_by = curve.coef_[0].tolist()
    return Link(round(float(curve.intercept_[0]), 5), round(slope, 5), round(chained_by, 5))


def figures(seen: Sequence[Seen], link: Link) -> dict[str, dict[str, float]]:
    """By group: balls, recall at precision .8 (IoU .5), best F1 (IoU .5).

    On shots one ball per frame is chosen; on actions every candidate counts.
    """
    told = {}
    for group in sorted({clip.group for clip in seen}):
        scores, hits, balls = [], [], 0
        for clip in (one for one in seen if one.group == group):
            frames: Sequence[Sequence[Candidate]] = clip.candidates
            if group == "shots":
                chosen = choose(clip.candidates, clip.width, link)
                frames = [[one] if one else [] for one in chosen]
            for found, true in zip(frames, clip.balls, strict=True):
                balls += len(true)
                for one in found:
                    x, y, width, height = one.xywh
                    overlap = iou(np.array([x, y, x + width, y + height], np.float32), true)
                    scores.append(one.score)
                    hits.append(bool(overlap.max(initial=0.0) >= LEAST_IOU))
        told[group] = _at(np.array(scores), np.array(hits, bool), balls)
    return told


def _at(scores: NDArray[np.float64], hits: NDArray[np.bool_], balls: int) -> dict[str, float]:
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    precision, recall = right / np.arange(1, len(right) + 1), right / max(1, balls)
    enough = np.flatnonzero(precision >= _PRECISION)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(f1.argmax()) if len(f1) else 0
    return {
        "balls": balls,
        "recall at precision .8": round(float(recall[enough[-1]]) if len(enough) else 0.0, 3),
        "best f1": round(float(f1[best]) if len(f1) else 0.0, 3),
        "score of best f1": round(float(scores[order][best]) if len(f1) else 0.0, 3),
    }
