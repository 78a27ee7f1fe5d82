"""Matches of detections and objects, and what is counted of them: confusion, precision, recall.

The unit is one image at one threshold per class and one IoU. Matching is COCO's: surest detection
first, each to the free object of its class that it overlaps most. Averages over thresholds are
`evaluation`'s.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.detect.dataset.coco_file import Kind
from workbench.detect.detections import CLASSES, least_score, plural
from workbench.detect.scores.inputs import load_ground_truth, load_predictions
from workbench.detect.segmentation import iou_of
from workbench.detect.store import ClipDetections
from workbench.stats import Clusters, Floats, Interval, choose_clusters, pooled_share, show

LEAST_IOU = 0.5  # of a detection and an object that match
TRUSTED_PRECISION = 0.8  # labels of every class that a student may learn from

Annotation = dict[str, Any]
Counts = npt.NDArray[np.int64]  # (items, 3): true positives, false positives, misses


class Match(NamedTuple):
    """A detection and the object it lies on."""

    detection: Annotation
    object: Annotation


@dataclass(frozen=True)
class ImageMatches:
    """All detections and objects of one image, each in one list only."""

    image: Mapping[str, Any]
    right: tuple[Match, ...]
    confused: tuple[Match, ...]  # an object that only a detection of another class lies on
    wrong: tuple[Annotation, ...]  # detections on nothing, or on what another has found
    missed: tuple[Annotation, ...]  # objects that no detection lies on

    def false_positives(self) -> list[Annotation]:
        """Detections that are not right, as COCO counts them."""
        return [*(match.detection for match in self.confused), *self.wrong]

    def false_negatives(self) -> list[Annotation]:
        """Objects not found, as COCO counts them."""
        return [*(match.object for match in self.confused), *self.missed]


def match_images(
    ground_truth: Path | Mapping[str, Any],
    predictions: Path | Sequence[Mapping[str, Any]],
    kind: Kind = "bbox",
    *,
    min_score: float | Mapping[str, float] = 0.0,
) -> list[ImageMatches]:
    """Match detections to objects at IoU 0.5, image by image, in the order of the ground truth.

    Args:
        ground_truth: A COCO file or its content.
        predictions: COCO results, or a file of them.
        kind: Whether the IoU is that of boxes or of masks.
        min_score: Detections below are left out; per class name if a mapping (absent: 0).

    Raises:
        DatasetError: If a file is not what it should be.
    """
    truth = load_ground_truth(ground_truth, kind)
    found = load_predictions(predictions, truth, kind)
    names = {category["id"]: category["name"] for category in truth["categories"]}
    image_to_objects, image_to_found = defaultdict(list), defaultdict(list)
    for one in truth["annotations"]:
        image_to_objects[one["image_id"]].append(one)
    for one in found:
        if one["score"] >= least_score(min_score, names[one["category_id"]]):
            image_to_found[one["image_id"]].append(one)
    return [
        _match_image(image, image_to_found[image["id"]], image_to_objects[image["id"]], kind)
        for image in truth["images"]
    ]


def confusion(
    matches: Sequence[ImageMatches], categories: Sequence[Mapping[str, Any]]
) -> npt.NDArray[np.int64]:
    """Count what objects were called: (true, called), the last row and column for nothing.

    Args:
        matches: Of `match_images`.
        categories: COCO categories, in the order of rows and columns.
    """
    place = {category["id"]: number for number, category in enumerate(categories)}
    nothing = len(place)
    counts = np.zeros((nothing + 1, nothing + 1), np.int64)
    for image in matches:
        for match in (*image.right, *image.confused):
            counts[place[match.object["category_id"]], place[match.detection["category_id"]]] += 1
        for detection in image.wrong:
            counts[nothing, place[detection["category_id"]]] += 1
        for missed in image.missed:
            counts[place[missed["category_id"]], nothing] += 1
    return counts


def count_by_image(
    matches: Sequence[ImageMatches], categories: Sequence[Mapping[str, Any]]
) -> Counts:
    """Count true positives, false positives and misses (images, classes, 3), as COCO does."""
    tables = np.stack([confusion([image], categories) for image in matches])
    right = np.diagonal(tables, axis1=1, axis2=2)
    counts = np.stack([right, tables.sum(axis=1) - right, tables.sum(axis=2) - right], axis=2)
    return counts[:, :-1]  # the last stands for nothing


def precision_parts(counts: Counts) -> tuple[Counts, Counts]:
    """Return right detections and all of them, whose pooled share is precision."""
    return counts[:, 0], counts[:, 0] + counts[:, 1]


def recall_parts(counts: Counts) -> tuple[Counts, Counts]:
    """Return objects found and all of them, whose pooled share is recall."""
    return counts[:, 0], counts[:, 0] + counts[:, 2]


@dataclass(frozen=True)
class LabelScore:
    """Labels against the truth."""

    clusters: Clusters  # of the clips
    counts: Counts  # (clips, classes, 3)
    iou: float

    def precision(self, name: str) -> Interval | None:
        """Share of labels that are right; n is the number of labels; None if there is none."""
        return pooled_share(*precision_parts(self._of_class(name)), self.clusters)

    def recall(self, name: str) -> Interval | None:
        """Share of objects that are labelled; n is the number of objects; None if there is none."""
        return pooled_share(*recall_parts(self._of_class(name)), self.clusters)

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
        rows = {}
        for name in CLASSES:
            precision, recall = self.precision(name), self.recall(name)
            rows[name] = {
                "objects": recall.n if recall else 0,
                "labels": precision.n if precision else 0,
                "precision": show(precision),
                "recall": show(recall),
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("class")

    def _of_class(self, name: str) -> Counts:
        return self.counts[:, CLASSES.index(name)]


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
                # Truth has no score; a teacher's label without one comes last.
                said.sort(key=lambda one: -one.rank)
                boxes, true_boxes = ([list(one.xywh) for one in side] for side in (said, there))
                hits = len(greedy_pairs(iou_of(boxes, true_boxes), iou))
                counts[row, place] += [hits, len(said) - hits, len(there) - hits]
    clusters = choose_clusters([one.session for one in judged], [one.clip_id for one in judged])
    return LabelScore(clusters, counts, iou)


def greedy_pairs(overlaps: Floats, least: float) -> list[tuple[int, int]]:
    """Pair rows with columns, first rows first, each with the free column it overlaps most.

    Args:
        overlaps: (rows, columns), rows by falling score.
        least: Smallest overlap of a pair.

    Example:
        >>> greedy_pairs(np.array([[0.6, 0.9], [0.2, 0.8]]), 0.5)
        [(0, 1)]
    """
    pairs, free = [], np.ones(overlaps.shape[1], bool)
    for row, overlap in enumerate(overlaps):
        best = int(np.argmax(np.where(free, overlap, -1))) if free.size else -1
        if best >= 0 and free[best] and overlap[best] >= least:
            free[best] = False
            pairs.append((row, best))
    return pairs


def _match_image(
    image: Mapping[str, Any],
    found: list[Annotation],
    objects: list[Annotation],
    kind: Kind,
) -> ImageMatches:
    found = sorted(found, key=lambda one: -one["score"])
    is_crowd = np.array([bool(one["iscrowd"]) for one in objects], bool)
    shape = "bbox" if kind == "bbox" else "segmentation"
    shapes, true_shapes = ([one[shape] for one in side] for side in (found, objects))
    overlaps = iou_of(shapes, true_shapes, is_crowd.astype(int).tolist())
    called, true = (
        np.array([one["category_id"] for one in side], object) for side in (found, objects)
    )
    is_same = np.asarray(called[:, None] == true, bool)
    # A detection in a crowd of its class is neither right nor wrong.
    in_crowd = (is_same & is_crowd & (overlaps >= LEAST_IOU)).any(axis=1)
    right = greedy_pairs(np.where(is_same & ~is_crowd, overlaps, -1.0), LEAST_IOU)
    rest = np.where(is_crowd | in_crowd[:, None], -1.0, overlaps)
    for row, column in right:
        rest[row], rest[:, column] = -1.0, -1.0
    confused = greedy_pairs(rest, LEAST_IOU)
    rows, columns = ({pair[side] for pair in (*right, *confused)} for side in (0, 1))
    return ImageMatches(
        image,
        tuple(Match(found[row], objects[column]) for row, column in right),
        tuple(Match(found[row], objects[column]) for row, column in confused),
        tuple(one for row, one in enumerate(found) if not (row in rows or in_crowd[row])),
        tuple(
            one for place, one in enumerate(objects) if not (place in columns or is_crowd[place])
        ),
    )
