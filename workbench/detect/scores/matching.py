"""Matches of detections and objects: the lists behind a confusion matrix and a gallery of misses.

The unit is one image at one threshold per class and one IoU. Matching is COCO's: surest detection
first, each to the free object of its class that it overlaps most. Averages over thresholds are
`evaluation`'s.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as rle

from workbench.detect.dataset.coco_file import Kind, load_ground_truth, load_predictions
from workbench.detect.detections import least_score

Annotation = dict[str, Any]


@dataclass(frozen=True)
class Match:
    """A detection and the object it lies on."""

    detection: Annotation
    object: Annotation
    iou: float


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
    iou: float = 0.5,
    min_score: float | Mapping[str, float] = 0.0,
) -> list[ImageMatches]:
    """Match detections to objects, image by image, in the order of the ground truth.

    Args:
        ground_truth: A COCO file or its content.
        predictions: COCO results, or a file of them.
        kind: Whether the IoU is that of boxes or of masks.
        iou: Least overlap of a match.
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
        _match_image(image, image_to_found[image["id"]], image_to_objects[image["id"]], kind, iou)
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


def greedy_pairs(overlaps: npt.NDArray[np.float64], least: float) -> list[tuple[int, int]]:
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
    least: float,
) -> ImageMatches:
    found = sorted(found, key=lambda one: -one["score"])
    crowds = [one for one in objects if one["iscrowd"]]
    objects = [one for one in objects if not one["iscrowd"]]
    overlaps, on_crowd = _overlaps(found, objects, kind), _overlaps(found, crowds, kind)
    is_same = _same_class(found, objects)
    right = greedy_pairs(np.where(is_same, overlaps, -1.0), least)
    taken = {row for row, _ in right} | {
        # A detection in a crowd of its class is neither right nor wrong.
        int(row)
        for row in np.flatnonzero((_same_class(found, crowds) & (on_crowd >= least)).any(axis=1))
    }
    rows = [row for row in range(len(found)) if row not in taken]
    columns = sorted(set(range(len(objects))) - {column for _, column in right})
    others = [
        (rows[row], columns[column])
        for row, column in greedy_pairs(overlaps[np.ix_(rows, columns)], least)
    ]

    def matches(pairs: list[tuple[int, int]]) -> tuple[Match, ...]:
        return tuple(
            Match(found[row], objects[column], float(overlaps[row, column]))
            for row, column in pairs
        )

    confused_rows, confused_columns = {row for row, _ in others}, {column for _, column in others}
    return ImageMatches(
        image,
        matches(right),
        matches(others),
        tuple(found[row] for row in rows if row not in confused_rows),
        tuple(objects[column] for column in columns if column not in confused_columns),
    )


def _overlaps(
    found: list[Annotation], objects: list[Annotation], kind: Kind
) -> npt.NDArray[np.float64]:
    if not found or not objects:
        return np.zeros((len(found), len(objects)))
    key = "bbox" if kind == "bbox" else "segmentation"
    crowds = [int(one["iscrowd"]) for one in objects]
    return np.asarray(rle.iou([one[key] for one in found], [one[key] for one in objects], crowds))


def _same_class(found: list[Annotation], objects: list[Annotation]) -> npt.NDArray[np.bool_]:
    called = np.array([one["category_id"] for one in found], dtype=object)
    true = np.array([one["category_id"] for one in objects], dtype=object)
    return np.asarray(called[:, None] == true[None, :], dtype=bool)
