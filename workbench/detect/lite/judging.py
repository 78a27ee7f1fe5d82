"""How well a student sees rendered sessions that nobody learned from, kind by kind.

The unit is a kind of footage (`material.KINDS`) and a class in it: AP at IoU .5 and the recall at
the threshold from which precision is .8, each with an interval that resamples sessions.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.detect.dataset.coco_file import read_json
from workbench.detect.lite.material import KINDS
from workbench.detect.scores.evaluation import CocoScore, evaluate_coco
from workbench.detect.scores.matching import count_by_image, match_images, recall_parts
from workbench.detect.student.crops import read_image, split_file
from workbench.detect.student.eye import Eye
from workbench.detect.student.predict import coco_results
from workbench.stats import Interval, pooled_share, show
from workbench.training.versions import META

PRECISION = 0.8  # at which recall is told
_FLOOR, _MOST = 0.02, 30  # results below this score, and more per picture, change nothing


@dataclass(frozen=True)
class Seen:
    """One class in one kind of footage."""

    objects: int
    pictures: int
    sessions: int
    ap50: Interval
    recall: Interval | None  # where precision is .8; None: it never is

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def judge_kinds(eye: Eye, folder: Path, split: str = "test") -> dict[str, dict[str, Seen]]:
    """Return what a student finds in a folder of datasets, by kind and class.

    Args:
        eye: Whose classes are the house's, in its order.
        folder: As `material.make_pictures` leaves it.
        split: Which split of each.
    """
    told = {}
    kinds = sorted({path.parent.name.partition("_")[0] for path in folder.glob(f"*/{META}")})
    for kind in kinds:
        truth, results = _seen(eye, folder, kind, split)
        if truth["images"]:
            told[kind] = _by_class(truth, results)
    return told


def best_thresholds(eye: Eye, folder: Path, split: str = "valid") -> dict[str, float]:
    """Return the score of each class from which on F1 is highest, over all kinds."""
    truth, results = _seen(eye, folder, "*", split)
    score = evaluate_coco(truth, results)
    return {name: round(score.curve(name).best_f1_threshold(), 4) for name in score.names}


def _seen(eye: Eye, folder: Path, kind: str, split: str) -> tuple[dict[str, Any], list[Any]]:
    """The truth of all datasets of a kind as one, and what is found in their pictures."""
    joined: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    results: list[Any] = []
    for dataset in sorted(path.parent for path in folder.glob(f"{kind}_*/{META}")):
        if not (dataset / split).is_dir():
            continue
        content = read_json(split_file(dataset, split))
        joined["categories"] = content["categories"]
        ids = [row["id"] for row in sorted(content["categories"], key=lambda row: row["id"])]
        to_new = {}
        for image in content["images"]:
            to_new[image["id"]] = number = len(joined["images"]) + 1
            own = {key: f"{dataset.name} {image[key]}" for key in ("session", "clip_id")}
            joined["images"].append({**image, **own, "id": number})
            picture = read_image(dataset / split / image["file_name"])
            (found,) = eye.see([picture], np.full(len(ids), _FLOOR))
            assert found.confidence is not None
            surest = found.select(np.argsort(-found.confidence)[:_MOST])
            results += coco_results(surest, number, ids)
        for row in content["annotations"]:
            number = len(joined["annotations"]) + 1
            joined["annotations"].append({**row, "id": number, "image_id": to_new[row["image_id"]]})
    return joined, results


def _by_class(truth: Mapping[str, Any], results: list[Any]) -> dict[str, Seen]:
    score = evaluate_coco(truth, results)
    intervals = score.intervals()
    categories = sorted(truth["categories"], key=lambda row: int(row["id"]))
    told = {}
    for place, name in enumerate(score.names):
        if not score.count(name):
            continue
        recall = None
        least = _least_score(score, name)
        if least is not None:
            own = [row for row in results if row["category_id"] == categories[place]["id"]]
            matches = match_images(truth, own, min_score=least)
            matches.sort(key=lambda one: int(one.image["id"]))
            counts = count_by_image(matches, categories)[:, place]
            recall = pooled_share(*recall_parts(counts), score.clusters)
        told[name] = Seen(
            score.count(name), len(score.images), len({row["session"] for row in score.images}),
            intervals[f"AP50/{name}"], recall,
        )  # fmt: skip
    return told


def _least_score(score: CocoScore, name: str) -> float | None:
    """The lowest threshold from which precision is high enough; None: there is none."""
    curve = score.curve(name)
    good = np.flatnonzero(curve.precision >= PRECISION)
    return float(curve.score[good[-1]]) if good.size else None


def to_rows(told: Mapping[str, Mapping[str, Seen]]) -> list[str]:
    """Rows of a Markdown table: kind, class, objects, pictures and sessions, AP50, recall."""
    rows = []
    for kind, classes in told.items():
        for name, one in classes.items():
            seen = f"{one.objects} in {one.pictures} pictures of {one.sessions} sessions"
            cells = KINDS.get(kind, kind), name, seen, show(one.ap50), show(one.recall)
            rows.append(f"| {' | '.join(cells)} |")
    return rows
