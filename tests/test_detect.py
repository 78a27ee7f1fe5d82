"""The motion teacher and what becomes of its labels: COCO files, scores, the detector's dataset."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as rle
from pycocotools.coco import COCO

from workbench.detect.ballpath import Spot, best_path
from workbench.detect.dataset.coco import export_dataset
from workbench.detect.dataset.quality import frames_without_ball
from workbench.detect.detections import FrameDetections, from_coco, from_supervision, to_coco
from workbench.detect.labelling import label_clips
from workbench.detect.motion.goalfinder import find_goal
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.scores.matching import score_labels
from workbench.detect.store import ClipDetections, load_detections, load_truth
from workbench.detect.teacher import TeacherError
from workbench.detect.teachers.registry import make_teacher
from workbench.errors import DatasetError
from workbench.footage.clips import Clip, load_clips
from workbench.simulated.sessions import make_footage


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shooting")
    make_footage(folder, sessions=0, shooting_sessions=2, shots=3, seed=5)
    return folder


@pytest.fixture(scope="module")
def clips(footage: Path) -> list[Clip]:
    return load_clips(footage)


@pytest.fixture(scope="module")
def labelled(footage: Path, clips: list[Clip]) -> list[ClipDetections]:
    return label_clips(clips, footage, footage / "labels", make_teacher("motion"))


def label(x: float, y: float, size: float = 10, score: float = 1.0) -> dict:
    return {"bbox": [x, y, size, size], "score": score}


def clip_of(frames: list[list[dict]], clip_id: str = "a") -> ClipDetections:
    found = tuple(tuple(from_coco(row, "ball") for row in frame) for frame in frames)
    return ClipDetections(clip_id, "s", "test", 100, 100, found)


# -------------------------------------------------------------------------------------- teacher


def test_teacher_finds_people_goal_and_ball(
    footage: Path, clips: list[Clip], labelled: list[ClipDetections]
) -> None:
    score = score_labels(labelled, load_truth(clips, footage))
    floors = {"person": (0.65, 0.65), "goal": (0.9, 0.8), "ball": (0.45, 0.2)}
    for name, (precision, recall) in floors.items():
        found = score.precision(name), score.recall(name)
        assert found[0] is not None
        assert found[1] is not None
        assert found[0].value >= precision, name
        assert found[1].value >= recall, name
        assert found[1].low <= found[1].value <= found[1].high


def test_labels_are_coco_and_are_not_made_twice(
    footage: Path, clips: list[Clip], labelled: list[ClipDetections]
) -> None:
    path = footage / f"labels/{clips[0].clip_id}.json"
    coco = COCO(str(path))
    assert len(coco.imgs) == clips[0].frame_count
    assert {category["name"] for category in coco.cats.values()} == {"person", "ball", "goal"}
    for annotation in coco.anns.values():
        assert annotation["iscrowd"] == 0
        assert 0 <= annotation["score"] <= 1
        assert annotation["teacher"] == "motion"
        assert rle.area(annotation["segmentation"]) == annotation["area"]

    class Refusing(MotionTeacher):
        def label_window(self, *_: object) -> Iterator[FrameDetections]:
            raise AssertionError("labelled again")

    again = label_clips(clips, footage, footage / "labels", Refusing())
    assert again == labelled


def test_unknown_teacher_is_named_with_those_there_are() -> None:
    with pytest.raises(TeacherError, match=r"'sam9'.*motion"):
        make_teacher("sam9")


def test_goal_is_found_in_a_picture_and_none_without_one() -> None:
    pitch = np.full((360, 640, 3), (70, 120, 60), np.uint8)
    assert find_goal(pitch) is None
    cv2.line(pitch, (0, 250), (640, 250), (235, 235, 235), 2)  # a pitch line is no goal
    assert find_goal(pitch) is None
    corners = [(200, 250), (200, 160), (430, 160), (430, 250)]
    cv2.polylines(pitch, [np.array(corners)], False, (245, 245, 245), 5)
    goal = find_goal(pitch)
    assert goal is not None
    rows, columns = goal.mask.nonzero()
    box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    assert box == pytest.approx((200, 160, 430, 250), abs=8)


@given(
    noise=st.lists(
        st.lists(st.tuples(st.floats(0, 640), st.floats(0, 360)), max_size=3),
        min_size=20, max_size=20,
    )
)  # fmt: skip
def test_the_ball_is_followed_through_weak_clutter(noise: list) -> None:
    frames = [
        [Spot(40 + 15.0 * t, 200 - 4.0 * t, 6, 0.9), *(Spot(x, y, 2, 0.3) for x, y in clutter)]
        for t, clutter in enumerate(noise)
    ]
    assert best_path(frames, reach_px=77) == dict.fromkeys(range(20), 0)


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [[]] * 10,
        [[Spot(50, 50, 6, 0.9)]] * 40,  # never moves: a mark on the pitch
        [[Spot(50 + 10 * t, 50, 6, 0.9)] for t in range(3)],  # too short to prove anything
    ],
)
def test_what_is_no_ball_is_not_followed(frames: list) -> None:
    assert best_path(frames, reach_px=77) == {}


# --------------------------------------------------------------------------------------- labels


def test_masks_with_holes_and_tiny_objects_survive_as_coco() -> None:
    ring, dot = np.zeros((2, 40, 60), bool)
    ring[5:25, 5:25], ring[10:20, 10:20] = True, False
    dot[30, 50] = True
    detections = sv.Detections(
        xyxy=np.array([[5, 5, 25, 25], [50, 30, 51, 31]], np.float32),
        mask=np.stack([ring, dot]),
        confidence=np.array([0.8, 0.4]),
        class_id=np.array([0, 1]),
    )
    first, second = map(to_coco, from_supervision(detections, "test"))
    assert (rle.decode(first["segmentation"]).astype(bool) == ring).all()
    assert first["bbox"] == [5, 5, 20, 20]
    assert second["area"] == 1
    assert (first["iscrowd"], second["iscrowd"]) == (0, 0)


@pytest.mark.parametrize("content", ["", "{}", '{"categories": [], "images": [{}]}'])
def test_broken_label_file_is_named(tmp_path: Path, clips: list[Clip], content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"broken\.json"):
        load_detections(path, clips[0])


# --------------------------------------------------------------------------------------- scores


def test_scores_count_what_a_person_would() -> None:
    truth = [clip_of([[label(10, 10)], [label(10, 10)], []])]
    said = [clip_of([[label(11, 10), label(60, 60)], [label(30, 30)], [label(5, 5)]])]
    score = score_labels(said, truth)
    assert score.counts[0, 1].tolist() == [1, 3, 1]
    precision, recall = score.precision("ball"), score.recall("ball")
    assert precision is not None
    assert recall is not None
    assert (precision.value, precision.n) == (0.25, 4)
    assert (recall.value, recall.n) == (0.5, 2)
    assert score.precision("goal") is None


def test_one_object_is_matched_once_and_by_the_surer_label() -> None:
    truth = [clip_of([[label(10, 10)]])]
    said = [clip_of([[label(10, 10, score=0.4), label(12, 10, score=0.9)]])]
    assert score_labels(said, truth).counts[0, 1].tolist() == [1, 1, 0]


def test_a_perfect_score_on_few_clips_keeps_an_open_interval() -> None:
    truth = [clip_of([[label(10, 10)]], clip_id) for clip_id in "abc"]
    found = score_labels(truth, truth).recall("ball")
    assert found is not None
    assert found.value == found.high == 1
    assert found.low < 0.6


@given(st.lists(st.booleans(), max_size=30))
def test_frames_without_a_ball_are_listed_exactly(has: list[bool]) -> None:
    clip = clip_of([[label(1, 1)] if there else [] for there in has])
    row = frames_without_ball([clip])["clips"]["a"]
    listed = [frame for start, stop in row["without"] for frame in range(start, stop)]
    assert listed == [frame for frame, there in enumerate(has) if not there]
    assert row["with_ball"] == sum(has)
    assert frames_without_ball([clip])["clips_without"] == ([] if any(has) else ["a"])


# -------------------------------------------------------------------------------------- dataset


def test_dataset_is_a_coco_folder_per_split_without_leaks(
    footage: Path, clips: list[Clip], labelled: list[ClipDetections], tmp_path: Path
) -> None:
    splits = {"shooting00": "train", "shooting01": "valid"}
    dataset = export_dataset(clips, labelled, footage, tmp_path, splits, every=10, min_score=0.3)
    for split in ("train", "valid"):
        coco = COCO(str(tmp_path / split / "_annotations.coco.json"))
        assert coco.imgs
        for image in coco.imgs.values():
            picture = cv2.imread(str(tmp_path / split / image["file_name"]))
            assert picture.shape == (image["height"], image["width"], 3)
            assert splits[image["session"]] == split
        assert all(annotation["score"] >= 0.3 for annotation in coco.anns.values())
    meta = json.loads((tmp_path / "dataset_meta.json").read_text())
    assert meta["counts"]["train"]["images"] == len(dataset.to_frame().loc["train":"train"]) * len(
        list((tmp_path / "train").glob("*.jpg"))
    )
    same = export_dataset(clips, labelled, footage, tmp_path / "b", splits, every=10)
    stricter = export_dataset(
        clips, labelled, footage, tmp_path / "c", splits, every=10, min_score=0.9
    )
    assert same.meta["version"] == dataset.meta["version"] != stricter.meta["version"]


def test_nothing_labelled_is_said(footage: Path, clips: list[Clip], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no labelled clip"):
        export_dataset([replace(clips[0])], [], footage, tmp_path, {})
