"""Test of a student on a split of its dataset: results, score thresholds and speed.

The unit is one split's COCO results. Thresholds are chosen on validation and kept with the run;
scores come from `evaluation` and `matching`. Ground truth is the truth where the footage has it,
else a teacher's labels, which share the teacher's mistakes.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.detect.dataset.coco import ANNOTATIONS
from workbench.detect.dataset.coco_file import read_json
from workbench.detect.detections import CLASSES, encode_mask, to_coco
from workbench.detect.scores.evaluation import evaluate_coco
from workbench.detect.store import ClipDetections
from workbench.detect.student.checkpoint import THRESHOLDS, Student
from workbench.detect.student.crops import read_image
from workbench.detect.student.predict import MIN_SCORE, Image, detect_images, tile_side
from workbench.detect.tiles import tile_boxes
from workbench.errors import DatasetError
from workbench.saving import save_json

FLOOR = 0.05  # results below are many and do not change average precision
MOST = 30  # results per frame, by falling score: few objects are there, resampling takes time
TRUTH, LABELS = "the truth", "the teacher's labels"

Results = list[dict[str, Any]]
Coco = dict[str, Any]


@dataclass(frozen=True)
class Speed:
    """How long a frame takes, in milliseconds; the median of what was tried."""

    single_ms: float
    batched_ms: float
    batch: int
    views: int  # pictures per frame that went through the network: the frame and its tiles
    device: str


def load_split(dataset_dir: Path, split: str) -> Coco:
    """Return a split's COCO content.

    Raises:
        DatasetError: If the dataset has no such split.
    """
    path = dataset_dir / split / ANNOTATIONS
    if not path.is_file():
        raise DatasetError(f"{dataset_dir} has no split {split}", "export three sessions or more")
    content: Coco = read_json(path)
    return content


def predict_split(
    student: Student,
    dataset_dir: Path,
    split: str,
    *,
    tiles: bool | None = None,
    batch: int = 16,
    on_image: Callable[[], Any] | None = None,
) -> Results:
    """Return what the student finds in the images of a split, as COCO results."""
    content = load_split(dataset_dir, split)
    name_to_id = {row["name"]: row["id"] for row in content["categories"]}
    results: Results = []
    for image in content["images"]:
        picture = read_image(dataset_dir / split / image["file_name"])
        (found,) = detect_images(student, [picture], min_score=FLOOR, tiles=tiles, batch=batch)
        assert found.class_id is not None
        assert found.confidence is not None
        for place in np.argsort(-found.confidence)[:MOST].tolist():
            x0, y0, x1, y1 = (float(value) for value in found.xyxy[place])
            result: dict[str, Any] = {
                "image_id": image["id"],
                "category_id": name_to_id[student.classes[int(found.class_id[place])]],
                "bbox": [x0, y0, x1 - x0, y1 - y0],
                "score": float(found.confidence[place]),
            }
            if found.mask is not None:
                result["segmentation"] = encode_mask(np.asarray(found.mask[place]))
            results.append(result)
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
    clip_to_truth = {clip.clip_id: clip for clip in truth}
    name_to_id = {row["name"]: row["id"] for row in split["categories"]}
    known = all(image.get("clip_id") in clip_to_truth for image in split["images"])
    if not known or set(name_to_id) - set(CLASSES):
        return split, LABELS
    annotations: list[dict[str, Any]] = []
    for image in split["images"]:
        for found in clip_to_truth[image["clip_id"]].frames[image["frame"]]:
            if found.class_name in name_to_id:
                place = {"id": len(annotations) + 1, "image_id": image["id"]}
                category = {"category_id": name_to_id[found.class_name]}
                annotations.append(to_coco(found) | place | category)
    return split | {"annotations": annotations}, TRUTH


def results_of_labels(split: Coco, labels: Sequence[ClipDetections]) -> Results:
    """Return a teacher's raw labels of a split's images as COCO results."""
    clip_to_labels = {clip.clip_id: clip for clip in labels}
    name_to_id = {row["name"]: row["id"] for row in split["categories"]}
    results: Results = []
    for image in split["images"]:
        clip = clip_to_labels.get(image.get("clip_id", ""))
        for found in clip.frames[image["frame"]] if clip else ():
            if found.class_name in name_to_id:
                place = {"image_id": image["id"], "category_id": name_to_id[found.class_name]}
                score = 1.0 if found.score is None else found.score  # missing scores become 1.0
                results.append(to_coco(found) | place | {"score": score})
    return results


def measure_speed(
    student: Student, images: Sequence[Image], *, batch: int = 16, tiles: bool | None = None
) -> Speed:
    """Time the student on frames: their views through the network one by one, and `batch` at once.

    A view is a frame or a tile of one.
    """

    def per_frame_ms(size: int) -> float:
        took_s = []
        groups = [images[:size]] if side is None else [[image] for image in images]
        for group in groups:
            start_s = time.perf_counter()
            detect_images(student, group, min_score=MIN_SCORE, tiles=tiles, batch=size)
            took_s.append((time.perf_counter() - start_s) / len(group))
        return 1000 * float(np.median(took_s))

    side = tile_side(student, tiles)
    height, width = images[0].shape[:2]
    views = 1 if side is None else 1 + len(tile_boxes((width, height), (side, side)))
    detect_images(student, images[:1], min_score=MIN_SCORE, tiles=tiles, batch=batch)  # warm up
    device = str(student.model.model_config.device)
    return Speed(per_frame_ms(1), per_frame_ms(batch), batch, views, device)
