"""Paired comparison of a teacher and a student on the same frames.

The unit is one class. Counts are taken per image once (right, wrong, missed, at each one's own
thresholds); intervals resample sessions or clips, the same draws for both. Knows nothing about
networks: two lists of COCO results are enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.detect.dataset.coco_file import Kind
from workbench.detect.scores.evaluation import CocoScore, evaluate_coco, paired_differences
from workbench.detect.scores.matching import (
    Counts,
    count_by_image,
    match_images,
    precision_parts,
    recall_parts,
)
from workbench.stats import Clusters, Interval, pooled_difference, pooled_share, show

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
        rows = {}
        for one in self.classes:
            for measure in ("AP", "AP50", "precision", "recall"):
                share: Share = getattr(one, measure.lower())
                rows[one.name, measure] = {
                    "objects": one.objects,
                    "teacher": show(share.teacher),
                    "student": show(share.student),
                    "student − teacher": show(share.difference, signed=True),
                }
        table = pd.DataFrame.from_dict(rows, orient="index")
        return table.rename_axis(["class", "measure"])


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
    judged = first.intervals(), second.intervals(), paired_differences(first, second)
    counts = [_counts(truth, *found, kind) for found in (teacher, student)]
    rows = []
    for place, name in enumerate(first.names):
        if not first.count(name):
            continue
        own = [count[:, place] for count in counts]
        ap, ap50 = (Share(*(one[f"{stat}/{name}"] for one in judged)) for stat in ("AP", "AP50"))
        precision, recall = (
            _share([parts_of(count) for count in own], first.clusters)
            for parts_of in (precision_parts, recall_parts)
        )
        best = _recall_at(second, name, precision.teacher)
        rows.append(ClassComparison(name, first.count(name), ap, ap50, precision, recall, best))
    return Comparison(tuple(rows), against, first.clusters, len(first.images))


def _counts(
    truth: Mapping[str, Any], results: Results, min_score: float | Mapping[str, float], kind: Kind
) -> Counts:
    """Counts (images, classes, 3) in the order of a `CocoScore`."""
    matches = match_images(truth, results, kind, min_score=min_score)
    matches.sort(key=lambda one: int(one.image["id"]))
    return count_by_image(matches, sorted(truth["categories"], key=lambda row: int(row["id"])))


def _share(parts: list[tuple[Counts, Counts]], clusters: Clusters) -> Share:
    teacher, student = (pooled_share(*own, clusters) for own in parts)
    if teacher is None or student is None:
        return Share(teacher, student, None)
    return Share(teacher, student, pooled_difference(parts[0], parts[1], clusters))


def _recall_at(score: CocoScore, name: str, precision: Interval | None) -> float | None:
    """The best recall where precision is at least the other's; read off the same images."""
    if precision is None:
        return None
    curve = score.curve(name)
    good = curve.recall[curve.precision >= precision.value]
    return float(good.max()) if good.size else 0.0
