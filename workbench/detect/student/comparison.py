"""Paired comparison of a teacher and a student on the same frames, and what it says of the student.

The unit is one class. Counts are taken per image once (right, wrong, missed, at each one's own
thresholds); intervals resample sessions or clips, the same draws for both. Knows nothing about
networks: two lists of COCO results are enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.detect.detections import PERSON, plural
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

LEAST = 0.2  # recall and precision that even the lower ends of their intervals must reach


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

    def measures(self) -> dict[str, Share]:
        """Return what a class is judged by, by name."""
        return {"ap": self.ap, "precision": self.precision, "recall": self.recall}


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
) -> Comparison:
    """Judge the boxes of both on the same images.

    Args:
        truth: COCO content of the split, with the truth or with labels.
        teacher: Its results and the least score it is used at, one or per class.
        student: The same, thresholds as chosen on validation.
        against: What the annotations of `truth` are.

    Raises:
        DatasetError: If results are not of these images.
    """
    first, second = (evaluate_coco(truth, results) for results, _ in (teacher, student))
    judged = first.intervals(), second.intervals(), paired_differences(first, second)
    counts = [_counts(truth, *found) for found in (teacher, student)]
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
    truth: Mapping[str, Any], results: Results, min_score: float | Mapping[str, float]
) -> Counts:
    """Counts (images, classes, 3) in the order of a `CocoScore`."""
    matches = match_images(truth, results, min_score=min_score)
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


def gains(before: CocoScore, after: CocoScore) -> pd.DataFrame:
    """AP at IoU .5 per class of two students on the same pictures, and the paired difference."""
    first, second = before.intervals(), after.intervals()
    differences = paired_differences(before, after)
    rows = {
        name: {
            "objects": before.count(name),
            "before": show(first[f"AP50/{name}"]),
            "after": show(second[f"AP50/{name}"]),
            "after − before": show(differences[f"AP50/{name}"], signed=True),
        }
        for name in before.names
        if before.count(name)
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")


@dataclass(frozen=True)
class Judgement:
    """Whether a student is fit to be used without being asked for by name, and why."""

    passed: bool
    why: str  # a clause with the numbers, no final period


def judged_class(comparison: Comparison) -> ClassComparison:
    """Return people where the test split has them, else the class with most objects."""
    return max(comparison.classes, key=lambda row: (row.name == PERSON, row.objects))


def judge_student(comparison: Comparison) -> Judgement:
    """Say whether a student is better than nothing, by its own numbers on the test split.

    It passes if the 95 % intervals of its recall and its precision at IoU 0.5 both lie above
    `LEAST`, for people where there are any. That is far from good; it keeps a student that learned
    nothing from being used silently.
    """
    if not comparison.classes:
        return Judgement(False, "the test split shows nothing to find")
    one = judged_class(comparison)
    recall, precision = one.recall.student, one.precision.student
    if recall is None or precision is None:
        return Judgement(False, f"it finds no {one.name} at all in {comparison.images} test frames")
    numbers = f"{one.name} recall {show(recall)}, precision {show(precision)}"
    if min(recall.low, precision.low) > LEAST:
        return Judgement(True, f"{numbers}: both surely above {LEAST:g}")
    return Judgement(False, f"{numbers}: not both surely above {LEAST:g}")


def answer(comparison: Comparison, judgement: Judgement) -> str:
    """Say whether a student sees what its teacher labelled; begins with yes, no or can't tell.

    Yes takes a student that passed and finds at least half of what its teacher finds.
    """
    if not comparison.classes:
        return f"Can't tell: {judgement.why}."
    one = judged_class(comparison)
    student, teacher = one.recall.student, one.recall.teacher
    good = student is not None and (teacher is None or student.value >= teacher.value / 2)
    word = "Yes" if judgement.passed and good else "No"
    finds = f"{show(student, percent=True)} of {plural(one.name)}"
    others = "; ".join(
        f"{plural(row.name)} {show(row.recall.student, percent=True)} "
        f"against {show(row.recall.teacher, percent=True)}"
        for row in comparison.classes
        if row is not one and row.objects
    )
    return (
        f"{word}: the student finds {finds} where its teacher finds {show(teacher, percent=True)}, "
        f"in {comparison.images} frames of unseen sessions judged against {comparison.against}"
        + (f"; {others}." if others else ".")
    )
