"""Precision and recall of labels per class, where the truth is known.

Counted once per clip (true positives, false positives, misses); everything else is a view on these
counts.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pycocotools import mask as rle

from workbench.detect.detections import CLASSES, Detection, is_accepted, plural
from workbench.detect.scores.matching import greedy_pairs
from workbench.detect.store import ClipDetections
from workbench.stats import Clusters, Interval, choose_clusters, pooled_share, show

TRUSTED_PRECISION = 0.8  # labels of every class that a student may learn from
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelScore:
    """Labels against the truth."""

    clusters: Clusters  # of the clips
    counts: Counts  # (clips, classes, 3): true positives, false positives, misses
    iou: float

    def precision(self, name: str) -> Interval | None:
        """Share of labels that are right; n is the number of labels; None if there is none."""
        return self._share(name, against=1)

    def recall(self, name: str) -> Interval | None:
        """Share of objects that are labelled; n is the number of objects; None if there is none."""
        return self._share(name, against=2)

    def answer(self) -> str:
        """Say whether labels can be trusted, in a sentence that begins with the verdict."""
        found = {name: (self.precision(name), self.recall(name)) for name in CLASSES}
        judged = {name: pair for name, pair in found.items() if pair[0] is not None}
        if not judged:
            return "Nothing to see: the teacher labelled nothing."
        precisions = [precision for precision, _ in judged.values() if precision is not None]
        surely = all(one.low >= TRUSTED_PRECISION for one in precisions)
        hardly = any(one.high < TRUSTED_PRECISION for one in precisions)
        word = "Yes" if surely else "No" if hardly else "Can't tell"
        right = [f"{show(pair[0], percent=True)} of {name} labels" for name, pair in judged.items()]
        seen = [f"{show(pair[1], percent=True)} of {plural(name)}" for name, pair in judged.items()]
        return f"{word}: {', '.join(right)} are right; the teacher finds {', '.join(seen)}."

    def to_frame(self) -> pd.DataFrame:
        """One row per class."""
        rows: list[dict[str, Any]] = []
        for name in CLASSES:
            precision, recall = self.precision(name), self.recall(name)
            rows.append(
                {
                    "class": name,
                    "objects": recall.n if recall else 0,
                    "labels": precision.n if precision else 0,
                    "precision": show(precision),
                    "recall": show(recall),
                }
            )
        return pd.DataFrame(rows).set_index("class")

    def _share(self, name: str, against: int) -> Interval | None:
        place = CLASSES.index(name)
        hits, others = self.counts[:, place, 0], self.counts[:, place, against]
        return pooled_share(hits, hits + others, self.clusters)


def score_labels(
    labels: Sequence[ClipDetections], truth: Sequence[ClipDetections], iou: float = 0.5
) -> LabelScore:
    """Match labels to the truth, frame by frame, best score first, by the IoU of boxes.

    Args:
        labels: What a teacher said.
        truth: What is there; clips without labels are left out.
        iou: Least overlap of a match.
    """
    clip_to_truth = {clip.clip_id: clip for clip in truth}
    judged = [clip for clip in labels if clip.clip_id in clip_to_truth]
    counts = np.zeros((len(judged), len(CLASSES), 3), np.int64)
    for row, clip in enumerate(judged):
        true_clip = clip_to_truth[clip.clip_id]
        for frame in range(min(len(clip.frames), len(true_clip.frames))):
            for place, name in enumerate(CLASSES):
                said, there = clip.of_class(frame, name), true_clip.of_class(frame, name)
                hits = _matches(said, there, iou)
                counts[row, place] += [hits, len(said) - hits, len(there) - hits]
    clusters = choose_clusters([one.session for one in judged], [one.clip_id for one in judged])
    return LabelScore(clusters, counts, iou)


def frames_without(labels: Sequence[ClipDetections], name: str = "ball") -> dict[str, Any]:
    """Which clips and frames have no label of a class, as saved in `noball_clips.json`.

    Returns:
        `clips_without` (ids of clips with none at all) and, per clip, the number of frames, how
        many have one, and the frames that have none as half-open ranges.
    """
    clips = {}
    for clip in labels:
        has = [bool(clip.of_class(frame, name)) for frame in range(len(clip.frames))]
        clips[clip.clip_id] = {
            "frames": len(has),
            f"with_{name}": sum(has),
            "without": _ranges([frame for frame, found in enumerate(has) if not found]),
        }
    without = [clip_id for clip_id, row in clips.items() if row[f"with_{name}"] == 0]
    return {"class": name, "clips_without": sorted(without), "clips": clips}


def found_by(labels: Sequence[ClipDetections], min_score: float = 0.3) -> pd.DataFrame:
    """In how many frames each teacher found each class.

    A frame counts once per class: for the teacher whose accepted label comes first, and rescuers
    come after the primary teacher.

    Args:
        labels: Of any number of clips.
        min_score: Labels below do not count as found; labels without a score do.

    Returns:
        One row per class; a column per teacher in the order they were asked, `nobody`, and
        `frames`, the sum of the others.
    """
    names = dict.fromkeys(
        name
        for clip in labels
        for name in (*clip.found_by.split("+"), *(x.found_by for f in clip.frames for x in f))
    )
    counts: Counter[tuple[str, str]] = Counter()
    for clip in labels:
        for frame in range(len(clip.frames)):
            for name in CLASSES:
                own = clip.of_class(frame, name)
                finders = (x.found_by for x in own if is_accepted(x, min_score))
                counts[name, next(finders, "nobody")] += 1
    columns = [*names, "nobody"]
    rows = [[counts[name, finder] for finder in columns] for name in CLASSES]
    table = pd.DataFrame(rows, index=list(CLASSES), columns=columns)
    return table.assign(frames=table.sum(axis=1)).rename_axis("class")


def _matches(said: list[Detection], there: list[Detection], least: float) -> int:
    if not said or not there:
        return 0
    # Truth has no score; a teacher's label without one comes last.
    said = sorted(said, key=lambda one: -one.rank)
    overlap = rle.iou(
        np.array([one.xywh for one in said], float),
        np.array([one.xywh for one in there], float),
        [0] * len(there),
    )
    return len(greedy_pairs(np.asarray(overlap), least))


def _ranges(frames: list[int]) -> list[list[int]]:
    ranges: list[list[int]] = []
    for frame in frames:
        if ranges and ranges[-1][1] == frame:
            ranges[-1][1] = frame + 1
        else:
            ranges.append([frame, frame + 1])
    return ranges
