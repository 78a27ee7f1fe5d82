"""The parts around the network: crops, streamed COCO, tracks, comparison, variants."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_detector import CLASSES, make_dataset

from workbench.detect.dataset.coco import ANNOTATIONS, DatasetWriter, to_jpeg
from workbench.detect.detections import Detection
from workbench.detect.drawing import paint_detections
from workbench.detect.store import write_detections
from workbench.detect.student.comparison import compare
from workbench.detect.student.crops import CropRecipe, make_crops
from workbench.detect.student.testing import LABELS, load_split
from workbench.footage.clips import OWN_FOOTAGE

GREEN, WHITE = (60, 130, 60), (255, 255, 255)


def ball_dataset(folder: Path) -> Path:
    """Frames of 320×180 with one white ball of 6 px and one wide goal."""
    writer, rng = DatasetWriter(folder, CLASSES), np.random.default_rng(0)
    for split in ("train", "valid"):
        for number in range(4):
            image = np.full((180, 320, 3), GREEN, np.uint8)
            x, y = (int(value) for value in rng.integers(10, 160, 2))
            image[y : y + 6, x : x + 6] = WHITE
            labels = [
                {"category_id": 2, "bbox": [x, y, 6, 6], "area": 36, "iscrowd": 0},
                {"category_id": 3, "bbox": [100, 40, 200, 80], "area": 16000, "iscrowd": 0},
            ]
            row = {"width": 320, "height": 180, "clip_id": split, "session": split}
            writer.add(split, f"{number}.jpg", to_jpeg(image), row, labels)
    return writer.finish(OWN_FOOTAGE).folder


def test_labels_move_with_their_crops(tmp_path: Path) -> None:
    crops = make_crops(ball_dataset(tmp_path / "frames"), tmp_path / "crops")
    content = json.loads((crops.folder / "train" / ANNOTATIONS).read_text())
    images = {image["id"]: image for image in content["images"]}
    seen = 0
    for label in content["annotations"]:
        image = images[label["image_id"]]
        x, y, width, height = label["bbox"]
        assert 0 <= x <= x + width <= image["width"]
        assert 0 <= y <= y + height <= image["height"]
        if label["category_id"] == 2 and (width, height) == (6, 6):
            pixels = cv2.imread(str(crops.folder / "train" / image["file_name"]))
            inside = pixels[int(y) + 1 : int(y) + 5, int(x) + 1 : int(x) + 5]
            assert inside.min() > 150  # the white ball, whatever the light
            seen += 1
    assert seen >= 16  # four crops around each ball, and the whole frames


def test_the_same_recipe_gives_the_same_crops_and_is_not_done_twice(tmp_path: Path) -> None:
    frames = ball_dataset(tmp_path / "frames")
    first = make_crops(frames, tmp_path / "a", CropRecipe(seed=3))
    second = make_crops(frames, tmp_path / "b", CropRecipe(seed=3))
    assert first.meta["version"] == second.meta["version"]
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")}
    make_crops(frames, tmp_path / "a", CropRecipe(seed=3))
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*")}
    fewer = make_crops(frames, tmp_path / "a", CropRecipe(seed=3, most=8))
    assert fewer.meta["counts"]["train"]["images"] == 8
    assert fewer.meta["counts"]["valid"]["images"] == 2


@settings(max_examples=25)
@given(
    frames=st.lists(
        st.lists(st.fixed_dictionaries({"score": st.floats(0, 1), "prompt": st.text(max_size=8)})),
        max_size=6,
    )
)
def test_streamed_coco_reads_back(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[dict[str, Any]]]
) -> None:
    path = tmp_path_factory.mktemp("stream") / "found.json"
    with write_detections(path, {"info": {"description": "ä"}}) as coco:
        for number, rows in enumerate(frames):
            coco.add({"frame": number}, [Detection("ball", (1, 2, 3, 4), **row) for row in rows])
    content = json.loads(path.read_text(encoding="utf-8"))
    assert [image["frame"] for image in content["images"]] == list(range(len(frames)))
    assert [row["id"] for row in content["annotations"]] == list(
        range(1, 1 + sum(map(len, frames)))
    )
    expected = [(place + 1, row["score"]) for place, rows in enumerate(frames) for row in rows]
    read = content["annotations"]
    assert [row["image_id"] for row in read] == [image for image, _ in expected]
    # a score is single precision rounded to four digits: half a digit off at most
    given_scores = [score for _, score in expected]
    assert [row["score"] for row in read] == pytest.approx(given_scores, rel=0, abs=5.1e-5)


def test_a_stream_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON"), write_detections(path, {}) as coco:
        coco.add({"frame": 0, "time_s": float("nan")}, [])
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["found.json"]


def test_a_student_that_finds_all_is_ahead_of_a_teacher_that_misses_half(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "discs", valid=12).folder
    truth = load_split(folder, "test")
    all_of_it = [row | {"score": 0.9} for row in truth["annotations"]]
    half = [row for row in all_of_it if row["image_id"] % 2]
    for teacher, student, sign in ((half, all_of_it, 1), (all_of_it, half, -1)):
        found = compare(truth, (teacher, 0.5), (student, 0.5), against=LABELS)
        assert (found.clusters.count, found.clusters.by) == (6, "clip")
        for one in found.classes:
            assert one.recall.difference is not None
            assert sign * one.recall.difference.value > 0
            assert one.precision.difference is not None
            assert one.precision.difference.value == pytest.approx(0)
    # Scores below the threshold do not count, whoever's they are.
    nothing = compare(truth, (all_of_it, 0.5), (all_of_it, 0.95), against=LABELS)
    assert all(one.recall.student and one.recall.student.value == 0 for one in nothing.classes)
    assert all(one.precision.student is None for one in nothing.classes)
    blind = [row | {"bbox": [0, 0, 1, 1]} for row in all_of_it]
    for teacher, student, said in (
        (blind, all_of_it, "beats its teacher's ball recall: +1.000"),
        (all_of_it, blind, "does not beat its teacher's ball recall: −1.00"),
    ):
        found = compare(truth, (teacher, 0.5), (student, 0.5), against=LABELS)
        assert said in found.verdict("ball")
    silent = compare(truth, ([], 0.5), (all_of_it, 0.5), against=LABELS)
    assert "The teacher labelled no ball here" in silent.verdict("ball")
    assert "nothing can be said" in silent.verdict("referee")


def test_an_overlay_changes_only_the_surroundings_of_what_is_seen() -> None:
    image = np.full((120, 200, 3), GREEN, np.uint8)
    seen = [Detection(CLASSES[0], (45, 55, 10, 10), score=0.9)]
    painted = paint_detections(image, seen, CLASSES)
    changed = (painted != image).any(axis=2)
    assert changed[40:70, 35:140].any()
    assert not changed[:, 150:].any()
    assert (image == GREEN).all()
    assert (paint_detections(image, [], CLASSES) == image).all()
