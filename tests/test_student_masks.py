"""The segmentation variant, from labels with masks to predictions with masks."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from small_detector import CONFIG, make_dataset

from workbench.detect.scores.evaluation import evaluate_coco
from workbench.detect.student.checkpoint import Student, load_student
from workbench.detect.student.predict import PredictOptions, predict_video
from workbench.detect.student.testing import load_split, predict_split
from workbench.detect.student.train import finetune
from workbench.footage.writer import VideoWriter
from workbench.training.history import TrainingResult

pytest.importorskip("rfdetr")


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("discs"), train=48, masks=True).folder


@pytest.fixture(scope="module")
def result(dataset_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    config = replace(CONFIG, variant="seg-tiny", epochs=4, learning_rate=1e-3)
    return finetune(dataset_dir, tmp_path_factory.mktemp("models") / "run", config)


@pytest.fixture(scope="module")
def student(result: TrainingResult) -> Student:
    return load_student(result.run_dir)


def test_masks_are_learned_and_epochs_judged_by_them(
    result: TrainingResult, student: Student, dataset_dir: Path
) -> None:
    assert student.masks
    best = max(epoch.scores["ap"] for epoch in result.history)
    assert best > 0.1  # of masks; 0.25 and more was seen
    valid = predict_split(student, dataset_dir, "valid")
    assert evaluate_coco(load_split(dataset_dir, "valid"), valid, "segm").stats[
        "AP"
    ] == pytest.approx(best, abs=0.02)


def test_every_object_has_a_mask_of_the_image_and_masks_can_be_scored(
    student: Student, dataset_dir: Path
) -> None:
    truth = load_split(dataset_dir, "test")
    results = predict_split(student, dataset_dir, "test")
    assert {one["image_id"] for one in results} == {image["id"] for image in truth["images"]}
    for one in results:
        assert one["segmentation"]["size"] == [64, 64]
        assert rle.decode(one["segmentation"]).shape == (64, 64)
    assert evaluate_coco(truth, results, "segm").stats["AP"] > 0.1


def test_masks_are_of_the_video_frame_also_when_it_is_not_square(
    student: Student, tmp_path: Path
) -> None:
    path, image = tmp_path / "clip.mp4", np.full((90, 160, 3), (60, 130, 60), np.uint8)
    cv2.circle(image, (120, 40), 12, (250, 250, 250), cv2.FILLED)
    with VideoWriter(path, (160, 90), Fraction(25)) as writer:
        for _ in range(3):
            writer.write(image)
    options = PredictOptions(min_score=0.05, track=False)
    made = predict_video(path, student, tmp_path / "out", options)
    rows = json.loads(made.coco.read_text())["annotations"]
    assert len(rows) == made.detections > 0
    for row in rows:
        assert row["segmentation"]["size"] == [90, 160]
        assert row["area"] == int(rle.area(row["segmentation"]))
