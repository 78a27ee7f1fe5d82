"""Paired comparison of a teacher and a student on the same frames.

The unit is one class. Counts are taken per image once (right, wrong, missed, at each one's own
thresholds); intervals resample sessions or clips, the same draws for both. Knows nothing about
networks: two lists of COCO results are enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.detect.dataset.coco_file import Kind
from workbench.detect.scores.evaluation import CocoScore, evaluate_coco, paired_differences
from workbench.detect.scores.matching import match_images
from workbench.stats import Clusters, Interval, pooled_difference, pooled_share, show

Counts = npt.NDArray[np.int64]  # (images, 3): right, wrong, missed
Results = list[dict[str, Any]]


@dataclass(frozen=True)
class Share:
    """Precision or recall of one class: teacher, student, and how far they differ."""

    teacher: Interval | None  # None: it labelled nothing, or there was nothing to find
    student: Interval | None
    difference: Interval | None  # student − teacher, paired


@dataclass(frozen=True)
class ClassComparison:
    """One class, both detectors."""

    name: str
    objects: int
    ap: Share  # AP@50:95, at no threshold
    ap50: Share
    precision: Share  # at IoU 0.5, each at its own threshold
    recall: Share
    recall_at_precision: float | None  # the student's best, where its precision is the teacher's


@dataclass(frozen=True, eq=False)
class Comparison:
    """All classes on one split."""

    classes: tuple[ClassComparison, ...]
    against: str  # the truth, or the teacher's labels
    clusters: Clusters  # of the images
    images: int

    def verdict(self, name: str) -> str:
        """Say in a sentence whether the student finds more objects of a class than its teacher."""
        one = next((row for row in self.classes if row.name == name), None)
        if one is None or one.recall.difference is None:
            return f"There is no {name} to find: nothing can be said."
        lead = one.recall.difference
        beats = "beats" if lead.low > 0 else "does not beat"
        text = f"The student {beats} its teacher's {name} recall: {show(lead, signed=True)}"
        if one.recall_at_precision is None:
            return f"{text}. The teacher labelled no {name} here."
        return f"{text}; at the teacher's precision it finds {one.recall_at_precision:.2f}."

    def to_frame(self) -> pd.DataFrame:
        """Return one row per class and measure."""
        rows: list[dict[str, Any]] = []
        for one in self.classes:
            shares = (("AP", one.ap), ("AP50", one.ap50), ("precision", one.precision))
            for measure, share in (*shares, ("recall", one.recall)):
                rows.append(
                    {
                        "class": one.name,
                        "measure": measure,
                        "objects": one.objects,
                        "teacher": show(share.teacher),
                        "student": show(share.student),
                        "student − teacher": show(share.difference, signed=True),
                    }
                )
        return pd.DataFrame(rows).set_index(["class", "measure"])


def compare(
    truth: Mapping[str, Any],
    teacher: tuple[Results, float | Mapping[str, float]],
    student: tuple[Results, float | Mapping[str, float]],
    *,
    against: str,
    kind: Kind = "bbox",
) -> Comparison:
    """Judge both on the same images.

    Args:
        truth: COCO content of the split, with the truth or with labels.
        teacher: Its results and the least score it is used at, one or per class.
        student: The same, thresholds as chosen on validation.
        against: What the annotations of `truth` are.
        kind: Whether boxes or masks count.

    Raises:
        DatasetError: If results are not of these images.
    """
    first, second = (evaluate_coco(truth, results, kind) for results, _ in (teacher, student))
    differences = paired_differences(first, second)
    intervals = first.intervals(), second.intervals()
    counts = [_counts(truth, *found, kind) for found in (teacher, student)]
    rows = []
    for name in first.names:
        if not first.count(name):
            continue

        def average(stat: str, name: str = name) -> Share:
            key = f"{stat}/{name}"
            return Share(intervals[0][key], intervals[1][key], differences[key])

        ours = [count[name] for count in counts]
        precision, recall = (_share(ours, first.clusters, against) for against in (1, 2))
        at_precision = _recall_at(second, name, precision.teacher)
        rows.append(
            ClassComparison(
                name,
                first.count(name),
                average("AP"),
                average("AP50"),
                precision,
                recall,
                at_precision,
            )
        )
    return Comparison(tuple(rows), against, first.clusters, len(first.images))


def _counts(
    truth: Mapping[str, Any], results: Results, min_score: float | Mapping[str, float], kind: Kind
) -> dict[str, Counts]:
    names = {row["id"]: row["name"] for row in truth["categories"]}
    matches = match_images(truth, results, kind, min_score=min_score)
    counts = {name: np.zeros((len(matches), 3), np.int64) for name in names.values()}
    for place, image in enumerate(sorted(matches, key=lambda one: int(one.image["id"]))):
        for match in image.right:
            counts[names[match.object["category_id"]]][place, 0] += 1
        for wrong in image.false_positives():
            counts[names[wrong["category_id"]]][place, 1] += 1
        for missed in image.false_negatives():
            counts[names[missed["category_id"]]][place, 2] += 1
    return counts


def _share(counts: list[Counts], clusters: Clusters, against: int) -> Share:
    """Precision (against wrong ones, 1) or recall (against missed ones, 2)."""
    first, second = ((count[:, 0], count[:, 0] + count[:, against]) for count in counts)
    teacher, student = pooled_share(*first, clusters), pooled_share(*second, clusters)
    if teacher is None or student is None:
        return Share(teacher, student, None)
    return Share(teacher, student, pooled_difference(first, second, clusters))


def _recall_at(score: CocoScore, name: str, precision: Interval | None) -> float | None:
    """The best recall where precision is at least the other's; read off the same images."""
    if precision is None:
        return None
    curve = score.curve(name)
    good = curve.recall[curve.precision >= precision.value]
    return float(good.max()) if good.size else 0.0
