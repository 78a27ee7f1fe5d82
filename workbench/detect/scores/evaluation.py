"""Detector metrics as COCO defines them, with 95 % intervals.

The unit is a set of predictions against ground truth on the same images. The numbers equal those of
pycocotools' `COCOeval`; where that says −1 (no object to find), here is NaN. Intervals resample
whole sessions or clips. Which detection met which object is left to `matching`.

Source: Lin et al. (2014), "Microsoft COCO", and cocoapi's `cocoeval.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.detect.dataset.coco_file import Kind
from workbench.detect.scores.average_precision import SIZES, Cell, accumulate, match_cells
from workbench.detect.scores.inputs import load_ground_truth, load_predictions
from workbench.errors import DatasetError
from workbench.stats import (
    Clusters,
    Floats,
    Interval,
    Weights,
    choose_clusters,
    cluster_weights,
    from_resamples,
    wilson,
)

MAX_DETS = (1, 10, 100)  # detections of a class that count per image; AP takes the last
RESAMPLES = 300

STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
CLASS_STATS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR")  # AR: AR100
_SIZE_TO_MARK = dict(zip(SIZES, ("", "s", "m", "l"), strict=True))  # in the names of numbers


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """How precision falls as the threshold on the score does, for one class."""

    score: Floats  # (D,) falling; a point holds for thresholds at or above its score
    precision: Floats  # (D,)
    recall: Floats  # (D,)
    objects: int

    @property
    def f1(self) -> Floats:
        """F1 at each point."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / np.where(total > 0, total, 1)

    def best_f1_threshold(self) -> float:
        """Return the score from which on F1 is highest; choose it on validation, never on test.

        Without detections or objects it is 0.5, for want of anything better.
        """
        if not self.objects or not self.score.size:
            return 0.5
        return float(self.score[int(np.argmax(self.f1))])


@dataclass(frozen=True, eq=False)
class CocoScore:
    """Predictions judged."""

    kind: Kind
    names: tuple[str, ...]  # classes by growing category id
    images: tuple[Mapping[str, Any], ...]
    detections: int
    _cells: Mapping[tuple[int, str], Cell]

    @property
    def objects(self) -> int:
        """Number of objects, crowds left out."""
        return sum(self.count(name) for name in self.names)

    def count(self, name: str, size: str = "all") -> int:
        """Return the number of objects of a class, crowds left out."""
        return int(self._cells[self.names.index(name), size].objects.sum())

    @property
    def stats(self) -> dict[str, float]:
        """The standard twelve of `STATS`; NaN where there is no object to find."""
        return {name: float(self._values[name][0]) for name in STATS}

    @property
    def class_stats(self) -> dict[str, dict[str, float]]:
        """`CLASS_STATS` per class."""
        return {
            name: {stat: float(self._values[f"{stat}/{name}"][0]) for stat in CLASS_STATS}
            for name in self.names
        }

    def to_frame(self) -> pd.DataFrame:
        """One row per class that has objects or was called: scores and number of objects."""
        stats = self.class_stats
        rows = {
            name: stats[name] | {f"n {size}": self.count(name, size) for size in SIZES}
            for name in self.shown_names()
        }
        columns = [*CLASS_STATS, *(f"n {size}" for size in SIZES)]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("class")

    def curve(self, name: str) -> PrecisionRecall:
        """Return precision and recall of a class at every threshold, at IoU 0.5."""
        cell = self._cells[self.names.index(name), "all"]
        judged = cell.judged[0]
        hits = np.cumsum(cell.hit[0][judged])
        said, objects = np.arange(1, hits.size + 1), int(cell.objects.sum())
        scores = cell.score[judged]
        # Detections of one score come together: no threshold lies between them.
        is_end = np.append(scores[1:] != scores[:-1], True) if scores.size else np.zeros(0, bool)
        recall = hits / objects if objects else np.full(hits.size, np.nan)
        return PrecisionRecall(scores[is_end], (hits / said)[is_end], recall[is_end], objects)

    @cached_property
    def clusters(self) -> Clusters:
        """What intervals resample."""
        sessions, clips = (
            [image.get(key) for image in self.images] for key in ("session", "clip_id")
        )
        return choose_clusters(sessions, clips, item="image")

    def intervals(self, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
        """Return all numbers with 95 % bootstrap intervals, by `clusters` of images.

        Keys are those of `stats`, and `AP/ball` and so on for `class_stats`; n is the number of
        objects.
        """
        drawn = _resampled(self, resamples, seed)
        return {
            name: _interval(value, drawn[name], self.objects_of(name), self.clusters)
            for name, value in self._values.items()
        }

    def to_dict(self, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Any]:
        """Return everything for JSON, unrounded; what does not exist is None.

        Intervals are left out (None) where `resamples` is 0.
        """
        named = self.intervals(resamples, seed) if resamples else {}

        def numbers(values: Mapping[str, float], suffix: str = "") -> dict[str, Any]:
            rows = {stat: named[stat + suffix].to_dict() for stat in values if named}
            return {
                "stats": {stat: None if isnan(value) else value for stat, value in values.items()},
                "intervals": {stat: [row["low"], row["high"]] for stat, row in rows.items()}
                or None,
                "n": {stat: self.objects_of(stat + suffix) for stat in values},
            }

        return {
            "type": self.kind,
            "images": len(self.images),
            "objects": self.objects,
            "detections": self.detections,
            "resampled": {
                "by": self.clusters.by,
                "groups": self.clusters.count,
                "resamples": resamples,
            },
            **numbers(self.stats),
            "classes": {
                name: numbers(self.class_stats[name], f"/{name}") for name in self.shown_names()
            },
        }

    def shown_names(self) -> list[str]:
        """Return the classes that have objects or were called."""
        return [
            name
            for place, name in enumerate(self.names)
            if self.count(name) or self._cells[place, "all"].score.size
        ]

    def objects_of(self, stat: str) -> int:
        """Return how many objects a number such as "APs" or "AP50/ball" rests on."""
        stat, _, name = stat.partition("/")
        size = next((size for size, mark in _SIZE_TO_MARK.items() if mark == stat[2:]), "all")
        return sum(self.count(one, size) for one in ([name] if name else self.names))

    @cached_property
    def _values(self) -> dict[str, Floats]:
        return self.judge(np.ones((1, len(self.images)), np.int64))

    def judge(self, weights: Weights) -> dict[str, Floats]:
        """Return every number (B,) for image weights (B, I): B data sets judged in one call."""
        per_class: dict[str, dict[str, Floats]] = {}
        for place, name in enumerate(self.names):
            own = per_class[name] = {}
            for size, mark in _SIZE_TO_MARK.items():
                precision, recall = accumulate(self._cells[place, size], weights, MAX_DETS[-1])
                own |= {f"AP{mark}": precision.mean(axis=1), f"AR{mark}": recall.mean(axis=1)}
                if size == "all":
                    own |= {"AP50": precision[:, 0], "AP75": precision[:, 5]}
            own["AR100"] = own["AR"]
            for fewer in MAX_DETS[:-1]:
                recall = accumulate(self._cells[place, "all"], weights, fewer)[1]
                own[f"AR{fewer}"] = recall.mean(axis=1)
        means = {
            stat: _mean_over_classes([own[stat] for own in per_class.values()]) for stat in STATS
        }
        return means | {
            f"{stat}/{name}": own[stat] for name, own in per_class.items() for stat in CLASS_STATS
        }


def evaluate_coco(
    ground_truth: Path | Mapping[str, Any],
    predictions: Path | Sequence[Mapping[str, Any]],
    kind: Kind = "bbox",
) -> CocoScore:
    """Judge predictions against ground truth on all its images.

    Args:
        ground_truth: A COCO file or its content. Images may carry `session` and `clip_id`, by which
            intervals resample.
        predictions: COCO results (a file or a list), or a COCO file whose annotations have scores.
        kind: Whether the IoU is that of boxes ("bbox") or of masks ("segm").

    Raises:
        DatasetError: If a file is not what it should be, naming file, place and field.

    Example:
        >>> score = evaluate_coco(Path("truth.json"), Path("found.json"))  # doctest: +SKIP
        >>> score.stats["AP50"], score.intervals()["AP50"]  # doctest: +SKIP
    """
    if kind not in ("bbox", "segm"):
        raise DatasetError(f"type {kind!r}", "choose bbox or segm")
    truth = load_ground_truth(ground_truth, kind)
    if not truth["images"]:
        raise DatasetError("no image to judge on", "give ground truth with images")
    found = load_predictions(predictions, truth, kind)
    images = sorted(truth["images"], key=lambda image: image["id"])
    categories = sorted(truth["categories"], key=lambda category: category["id"])
    names = tuple(category["name"] for category in categories)
    cells = match_cells(truth, found, kind, MAX_DETS[-1])
    return CocoScore(kind, names, tuple(images), len(found), cells)


def paired_differences(
    first: CocoScore, second: CocoScore, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Return `second` − `first` for every number both have, on the same resampled images.

    Raises:
        DatasetError: If the two were not judged on the same images.
    """
    if [image["id"] for image in first.images] != [image["id"] for image in second.images]:
        raise DatasetError("two scores on different images", "judge both on the same split")
    ours, theirs = (_resampled(one, resamples, seed) for one in (second, first))
    return {
        name: from_resamples(
            float(second._values[name][0] - first._values[name][0]),
            ours[name] - theirs[name],
            first.objects_of(name),
            first.clusters,
            within=(-1.0, 1.0),
        )
        for name in ours
        if name in theirs
    }


@lru_cache(maxsize=2)  # a comparison wants them for the intervals of both and for the difference
def _resampled(score: CocoScore, resamples: int, seed: int) -> dict[str, Floats]:
    """Every number (B,) on the same resampled images for every score of these images."""
    return score.judge(cluster_weights(score.clusters, resamples, seed))


def _mean_over_classes(rows: Sequence[Floats]) -> Floats:
    """Mean over the classes that have objects; NaN where none has."""
    return np.asarray(
        np.ma.masked_invalid(rows or [np.array([np.nan])]).mean(axis=0).filled(np.nan)
    )


def _interval(value: Floats, drawn: Floats, n: int, clusters: Clusters) -> Interval:
    """Interval of a number from its resamples; without spread each cluster counts as one item."""
    found = from_resamples(float(value[0]), drawn, n, clusters, within=(0.0, 1.0))
    if found.low != found.high:
        return found
    alike = wilson(round(found.value * clusters.count), clusters.count)
    return replace(found, low=min(alike.low, found.value), high=max(alike.high, found.value))
