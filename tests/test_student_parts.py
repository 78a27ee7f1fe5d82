"""The parts around the network: crops, streamed COCO, tracks, comparison, variants."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st
from small_detector import CLASSES, make_dataset

from workbench.detect.coco import ANNOTATIONS, DatasetWriter, to_jpeg
from workbench.detect.overlay import paint_detections
from workbench.detect.student.coco_stream import CocoStream
from workbench.detect.student.comparison import compare
from workbench.detect.student.crops import CropRecipe, make_crops
from workbench.detect.student.testing import LABELS, load_split
from workbench.detect.student.tracks import Tracker
from workbench.footage.origin import OWN_FOOTAGE

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


@settings(max_examples=25, deadline=None)
@given(
    frames=st.lists(
        st.lists(st.fixed_dictionaries({"score": st.floats(0, 1), "note": st.text(max_size=8)})),
        max_size=6,
    )
)
def test_streamed_coco_reads_back(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[dict[str, Any]]]
) -> None:
    path = tmp_path_factory.mktemp("stream") / "found.json"
    with CocoStream(path, {"info": {"description": "ä"}, "categories": []}) as coco:
        for number, annotations in enumerate(frames):
            coco.add({"frame": number}, annotations)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert [image["frame"] for image in content["images"]] == list(range(len(frames)))
    assert [row["id"] for row in content["annotations"]] == list(
        range(1, 1 + sum(map(len, frames)))
    )
    expected = [(place + 1, row["score"]) for place, rows in enumerate(frames) for row in rows]
    assert [(row["image_id"], row["score"]) for row in content["annotations"]] == expected


def test_a_stream_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON"), CocoStream(path, {}) as coco:
        coco.add({"frame": 0, "time_s": float("nan")}, [])
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["found.json"]


def boxes(*centres: tuple[float, float], size: float = 10, class_id: int = 0) -> sv.Detections:
    at = np.array(centres, float).reshape(-1, 2)
    return sv.Detections(
        xyxy=np.concatenate([at - size / 2, at + size / 2], axis=1),
        confidence=np.full(len(at), 0.9),
        class_id=np.full(len(at), class_id),
    )


def test_objects_that_cross_keep_their_ids() -> None:
    tracker = Tracker(reach_px=30)
    ids = [
        tracker.update(boxes((10 * t, 50), (200 - 10 * t, 58))).tracker_id.tolist()
        for t in range(20)
    ]
    assert set(map(tuple, ids)) == {(1, 2)}


def test_a_ball_that_is_unseen_for_a_while_is_the_same_ball() -> None:
    tracker = Tracker(reach_px=30, patience=5)
    path = [(15.0 * t, 100 - 6 * t + 0.3 * t * t) for t in range(16)]
    seen = [boxes(at, size=5) if t not in (6, 7, 8) else boxes() for t, at in enumerate(path)]
    ids = [tuple(tracker.update(one).tracker_id.tolist()) for one in seen]
    assert set(ids) == {(1,), ()}
    assert tracker.update(boxes(size=5)).tracker_id.tolist() == []
    for _ in range(6):
        tracker.update(boxes())
    assert tracker.update(boxes(path[-1], size=5)).tracker_id.tolist() == [2]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (boxes((50, 50), class_id=1), [2]),  # another class is another object
        (boxes((50, 50), size=60), [2]),  # so is what is six times as large
        (boxes((300, 50)), [2]),  # or too far away
        (boxes((55, 50)), [1]),
    ],
)
def test_what_may_be_the_same_object(second: sv.Detections, expected: list[int]) -> None:
    tracker = Tracker(reach_px=20)
    tracker.update(boxes((50, 50)))
    assert tracker.update(second).tracker_id.tolist() == expected


def test_unsure_detections_go_on_but_never_begin() -> None:
    tracker = Tracker(reach_px=20, sure=0.5)
    tracker.update(boxes((50, 50)))
    unsure = boxes((52, 50), (200, 50))
    unsure.confidence = np.array([0.2, 0.2])
    assert tracker.update(unsure).tracker_id.tolist() == [1, -1]


def test_a_student_that_finds_all_is_ahead_of_a_teacher_that_misses_half(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "discs", valid=12).folder
    truth = load_split(folder, "test")
    all_of_it = [row | {"score": 0.9} for row in truth["annotations"]]
    half = [row for row in all_of_it if row["image_id"] % 2]
    for teacher, student, sign in ((half, all_of_it, 1), (all_of_it, half, -1)):
        found = compare(truth, (teacher, 0.5), (student, 0.5), against=LABELS)
        assert (found.groups, found.grouping) == (6, "clip")
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
        (blind, all_of_it, "beats its teacher's ball recall: +1.00"),
        (all_of_it, blind, "does not beat its teacher's ball recall: -1.00"),
    ):
        found = compare(truth, (teacher, 0.5), (student, 0.5), against=LABELS)
        assert said in found.verdict("ball")
    silent = compare(truth, ([], 0.5), (all_of_it, 0.5), against=LABELS)
    assert "The teacher labelled no ball here" in silent.verdict("ball")
    assert "nothing can be said" in silent.verdict("referee")


def test_an_overlay_changes_only_the_surroundings_of_what_is_seen() -> None:
    image = np.full((120, 200, 3), GREEN, np.uint8)
    painted = paint_detections(image, boxes((50, 60)), CLASSES)
    changed = (painted != image).any(axis=2)
    assert changed[40:70, 35:140].any()
    assert not changed[:, 150:].any()
    assert (image == GREEN).all()
    assert (paint_detections(image, sv.Detections.empty(), CLASSES) == image).all()
