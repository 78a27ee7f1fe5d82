"""Test of a student on a split of its dataset: results, score thresholds, speed, model card.

The unit is one split's COCO results. Thresholds are chosen on validation and kept with the run;
scores come from `evaluation` and `matching`. Ground truth is the truth where the footage has it,
else a teacher's labels, which share the teacher's mistakes. The card lies in the run's folder as
`model_card.json` for machines and `model_card.md` for people, so that whoever copies the weights
has it beside them.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.detect.dataset.coco_file import read_json
from workbench.detect.detections import CLASSES, to_coco
from workbench.detect.scores.evaluation import evaluate_coco
from workbench.detect.store import ClipDetections
from workbench.detect.student.checkpoint import THRESHOLDS, Student, weights_file
from workbench.detect.student.comparison import Comparison, Results
from workbench.detect.student.crops import read_image, split_file
from workbench.detect.student.predict import (
    MIN_SCORE,
    Image,
    coco_results,
    detect_images,
    tile_size,
)
from workbench.detect.tiles import tile_boxes
from workbench.saving import save_json, save_text
from workbench.stats import ENOUGH_SESSIONS, show
from workbench.training.folder import run_config
from workbench.training.history import TrainingResult

FLOOR = 0.05  # results below are many and do not change average precision
MOST = 30  # results per frame, by falling score: few objects are there, resampling takes time
_BATCH = 16  # views that go through the network at once
TRUTH, LABELS = "the truth", "the teacher's labels"

Coco = dict[str, Any]


@dataclass(frozen=True)
class Speed:
    """How long a frame takes, in milliseconds; the median of what was tried."""

    single_ms: float
    batched_ms: float
    batch: int
    views: int  # pictures per frame that went through the network: the frame and its tiles
    runs_on: str  # the device, and what computes there if it is not torch


def load_split(dataset_dir: Path, split: str) -> Coco:
    """Return a split's COCO content.

    Raises:
        DatasetError: If the dataset has no such split.
    """
    content: Coco = read_json(split_file(dataset_dir, split))
    return content


def predict_split(
    student: Student,
    dataset_dir: Path,
    split: str,
    on_image: Callable[[], Any] | None = None,
) -> Results:
    """Return what the student finds in the images of a split, as COCO results."""
    content = load_split(dataset_dir, split)
    name_to_id = {row["name"]: row["id"] for row in content["categories"]}
    category_ids = [name_to_id[name] for name in student.classes]
    results: Results = []
    for image in content["images"]:
        picture = read_image(dataset_dir / split / image["file_name"])
        (found,) = detect_images(student, [picture], min_score=FLOOR, batch=_BATCH)
        assert found.confidence is not None
        surest = found.select(np.argsort(-found.confidence)[:MOST])
        results += coco_results(surest, image["id"], category_ids)
        if on_image is not None:
            on_image()
    return results


def choose_thresholds(
    run_dir: Path, student: Student, truth: Coco, results: Results
) -> dict[str, float]:
    """Return and keep the score per class from which on F1 is highest, on validation.

    Args:
        run_dir: Where `thresholds.json` goes; `load_student` reads it.
        student: Whose results these are.
        truth: The validation split.
        results: What the student finds there.
    """
    score = evaluate_coco(truth, results, "segm" if student.masks else "bbox")
    thresholds = {
        name: round(score.curve(name).best_f1_threshold(), 4)
        for name in student.classes
        if name in score.names
    }
    save_json(run_dir / THRESHOLDS, thresholds)
    return thresholds


def with_truth(split: Coco, truth: Sequence[ClipDetections]) -> tuple[Coco, str]:
    """Return a split with the truth in place of its labels, and what its annotations now are.

    Where any of its clips has no truth, or it has classes that the truth does not tell apart, the
    labels stay.
    """
    clips = {clip.clip_id for clip in truth}
    known = all(image.get("clip_id") in clips for image in split["images"])
    if not known or {row["name"] for row in split["categories"]} - set(CLASSES):
        return split, LABELS
    rows = enumerate(_annotations_in(split, truth), start=1)
    return split | {"annotations": [row | {"id": number} for number, row in rows]}, TRUTH


def results_of_labels(split: Coco, labels: Sequence[ClipDetections]) -> Results:
    """Return a teacher's raw labels of a split's images as COCO results; missing scores are 1."""
    return [
        row | {"score": 1.0 if row.get("score") is None else row["score"]}
        for row in _annotations_in(split, labels)
    ]


def _annotations_in(split: Coco, clips: Sequence[ClipDetections]) -> Iterator[dict[str, Any]]:
    """Yield what clips hold in the images of a split, of its classes; annotations without ids."""
    clip_by_id = {clip.clip_id: clip for clip in clips}
    name_to_id = {row["name"]: row["id"] for row in split["categories"]}
    for image in split["images"]:
        clip = clip_by_id.get(image.get("clip_id", ""))
        for found in clip.frames[image["frame"]] if clip else ():
            if found.class_name in name_to_id:
                category = {"category_id": name_to_id[found.class_name]}
                yield to_coco(found) | {"image_id": image["id"]} | category


def measure_speed(student: Student, images: Sequence[Image]) -> Speed:
    """Time the student on frames: their views through the network one by one, and many at once.

    A view is a frame or a tile of one.
    """

    def per_frame_ms(size: int) -> float:
        took_s = []
        groups = [images[:size]] if tile_wh is None else [[image] for image in images]
        for group in groups:
            start_s = time.perf_counter()
            detect_images(student, group, min_score=MIN_SCORE, batch=size)
            took_s.append((time.perf_counter() - start_s) / len(group))
        return 1000 * float(np.median(took_s))

    tile_wh = tile_size(student, None)
    height, width = images[0].shape[:2]
    views = 1 if tile_wh is None else 1 + len(tile_boxes((width, height), tile_wh))
    detect_images(student, images[:1], min_score=MIN_SCORE, batch=_BATCH)  # warm up
    runs_on = student.eye.runs_on
    return Speed(per_frame_ms(1), per_frame_ms(_BATCH), _BATCH, views, runs_on)


def write_card(
    result: TrainingResult,
    dataset: Mapping[str, Any],
    comparison: Comparison,
    thresholds: Mapping[str, float],
    speed: Speed,
) -> Path:
    """Write the card of a tested student; returns the one for people.

    Args:
        result: The run.
        dataset: The content of the dataset's `dataset_meta.json`.
        comparison: Student against teacher on the test split.
        thresholds: Per class, as chosen on validation.
        speed: As measured.
    """
    config, clusters = run_config(result.run_dir), comparison.clusters
    facts = ("version", "source", "licence", "caveat", "teachers", "sessions")
    card: dict[str, Any] = {
        "run": result.run_dir.name,
        "network": {
            "variant": config["variant"],
            "parameters": result.parameters,
            "weights_bytes": weights_file(result.run_dir).stat().st_size,
            "licence": "RF-DETR: Apache-2.0",
        },
        "classes": list(result.classes),
        "data": {key: dataset.get(key) for key in facts},
        "config": config,
        "validation": {"epoch": result.best.epoch, **result.best.plain_scores},
        "test": {
            "against": comparison.against,
            "images": comparison.images,
            clusters.by + "s": clusters.count,
            "classes": {
                one.name: {
                    name: share.student.to_dict() if share.student else None
                    for name, share in one.measures().items()
                }
                for one in comparison.classes
            },
        },
        "thresholds": dict(thresholds),
        "speed": asdict(speed),
        "caveats": _caveats(dataset, comparison),
    }
    save_json(result.run_dir / "model_card.json", card)
    path = result.run_dir / "model_card.md"
    save_text(path, _to_markdown(card, comparison))
    return path


def _caveats(dataset: Mapping[str, Any], comparison: Comparison) -> list[str]:
    caveats = [dataset["caveat"]] if dataset.get("caveat") else []
    caveats.append(
        "learned from a teacher's labels: objects that the teacher misses are missing in training"
    )
    caveats.append(f"judged against {comparison.against} on {comparison.images} frames")
    clusters = comparison.clusters
    if clusters.count < ENOUGH_SESSIONS:
        caveats.append(f"{clusters.count} {clusters.by}s: too few for reliable intervals")
    return caveats


def _to_markdown(card: Mapping[str, Any], comparison: Comparison) -> str:
    test = f"against {comparison.against}, {comparison.images} frames, intervals over "
    lines = [
        f"# {card['run']}\n",
        f"Sees {', '.join(card['classes'])}. Tested {test}"
        f"{comparison.clusters.count} {comparison.clusters.by}s, at IoU 0.5.\n",
        "| class | threshold | AP@50:95 | precision | recall | objects |",
        "|---|---|---|---|---|---|",
    ]
    for one in comparison.classes:
        shares = (show(share.student) for share in one.measures().values())
        cells = one.name, card["thresholds"].get(one.name, "–"), *shares, one.objects
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["\n## Caveats\n", *(f"- {caveat}" for caveat in card["caveats"])]
    for part in ("network", "data", "speed", "config"):
        lines += [f"\n## {part.capitalize()}\n"]
        lines += [f"- `{key}`: {value}" for key, value in card[part].items()]
    return "\n".join([*lines, ""])
