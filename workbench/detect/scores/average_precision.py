"""Average precision of one class at one range of sizes, for any weights of the images.

The unit is a `Cell`: detections by falling score, each matched or not at ten IoUs. pycocotools
matches; precision and recall are accumulated here in its way, but for many weightings of the images
in one call, so that a bootstrap costs one pass over the matches instead of one evaluation each.
Names and means over classes are left to `evaluation`.

Source: cocoapi's `cocoeval.py`.
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.detect.dataset.coco_file import Content, Kind
from workbench.stats import Floats, Weights

IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
SIZES = ("all", "small", "medium", "large")  # by area: up to 32², up to 96², above

_CHUNK = 4_000_000  # numbers in flight per resampling step


@dataclass(frozen=True, eq=False)
class Cell:
    """Matches of one class at one range of sizes, detections by falling score."""

    score: Floats  # (D,)
    image: npt.NDArray[np.int64]  # (D,) place of the image
    rank: npt.NDArray[np.int64]  # (D,) place among the image's detections of the class
    hit: npt.NDArray[np.bool_]  # (T, D) met an object
    judged: npt.NDArray[np.bool_]  # (T, D) is right or wrong; else of another size, or on a crowd
    objects: npt.NDArray[np.int64]  # (I,) objects in each image


def match_cells(
    truth: Content, found: list[dict[str, Any]], kind: Kind, most: int
) -> dict[tuple[int, str], Cell]:
    """Let pycocotools match every class at every size; keyed by place of the class and size.

    Images and classes are in the order of their ids.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with redirect_stdout(io.StringIO()):  # it reports its progress by print
        sides = []
        for annotations in (truth["annotations"], found):
            side = COCO()
            side.dataset = {**truth, "annotations": annotations}
            side.createIndex()
            sides.append(side)
        judge = COCOeval(*sides, kind)
        judge.params.maxDets = [most]
        judge.evaluate()
    rows = np.array(judge.evalImgs, dtype=object).reshape(-1, len(SIZES), len(truth["images"]))
    return {
        (place, size): _cell(list(own[column]))
        for place, own in enumerate(rows)
        for column, size in enumerate(SIZES)
    }


def _cell(rows: Sequence[Mapping[str, Any] | None]) -> Cell:
    """Join one class's matches in all images; `None` where an image has nothing of it."""
    held = [(place, row) for place, row in enumerate(rows) if row is not None]
    places = [place for place, _ in held]
    counts = [len(row["dtScores"]) for _, row in held]
    objects = np.zeros(len(rows), np.int64)
    objects[places] = [np.count_nonzero(np.asarray(row["gtIgnore"]) == 0) for _, row in held]
    nothing = np.zeros((len(IOUS), 0))  # where no image has any

    def joined(key: str) -> npt.NDArray[Any]:
        return np.concatenate([nothing, *(row[key] for _, row in held)], axis=1)

    scores = np.concatenate([nothing[0], *(row["dtScores"] for _, row in held)])
    order = np.argsort(-scores, kind="stable")
    return Cell(
        scores[order],
        np.repeat(np.array(places, np.int64), counts)[order],
        np.concatenate([np.arange(0), *map(np.arange, counts)])[order],
        (joined("dtMatches") > 0)[:, order],
        ~joined("dtIgnore").astype(bool)[:, order],
        objects,
    )


def accumulate(cell: Cell, weights: Weights, most: int) -> tuple[Floats, Floats]:
    """Return AP and the highest recall (B, T) of a class; NaN where its images hold no object.

    An image of weight 2 counts as if it were there twice. COCO's AP is the mean, over 101 recalls,
    of the best precision at that recall or above.
    """
    taken = cell.rank < most
    image, hit, judged = cell.image[taken], cell.hit[:, taken], cell.judged[:, taken]
    objects = (weights @ cell.objects).astype(float)
    average = np.zeros((len(weights), len(IOUS)))
    highest = np.zeros_like(average)
    step = max(1, _CHUNK // max(1, hit.size))
    for start in range(0, len(weights) if hit.size else 0, step):
        some = slice(start, start + step)
        times = weights[some][:, None, image]
        right = np.cumsum(times * (hit & judged), axis=2).astype(float)
        wrong = np.cumsum(times * (~hit & judged), axis=2)
        recall = right / np.maximum(objects[some], 1)[:, None, None]
        precision = right / (right + wrong + np.spacing(1))
        best = np.maximum.accumulate(precision[:, :, ::-1], axis=2)[:, :, ::-1]
        # How many of the 101 recalls are first reached at each detection.
        reached = np.searchsorted(RECALLS, recall.ravel(), side="right").reshape(recall.shape)
        average[some] = (np.diff(reached, axis=2, prepend=0) * best).sum(axis=2) / len(RECALLS)
        highest[some] = recall[:, :, -1]
    absent = objects == 0
    average[absent], highest[absent] = np.nan, np.nan
    return average, highest
