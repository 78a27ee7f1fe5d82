"""The detector's dataset: what goes in, what stays with it, and that nothing leaks or lingers."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pickled import Pickled
from pycocotools import mask as rle
from pycocotools.coco import COCO

from workbench.detect.dataset.coco import accept_labels, export_dataset, load_dataset
from workbench.detect.dataset.coco_check import check_coco
from workbench.detect.dataset.derived import FIVE_CLASSES
from workbench.detect.dataset.quality import count_oddities, find_oddities, object_sizes_px
from workbench.detect.detections import CLASSES, from_coco
from workbench.detect.store import (
    ClipDetections,
    image_row,
    load_detections,
    write_detections,
)
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.footage.writer import VideoWriter

FRAMES, WIDTH, HEIGHT = 20, 96, 64
SPLITS = {"s0": "train", "s1": "valid"}


def clip_row(clip_id: str, session: str) -> Clip:
    """A clip whose right half never changes and whose left half does from frame 10 on."""
    return Clip(clip_id, f"{clip_id}.mp4", f"{clip_id}.mp4", session, 0, FRAMES, 0, FRAMES,
                Fraction(1, 30), Fraction(30), WIDTH, HEIGHT)  # fmt: skip


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for clip_id in ("a", "b"):
        with VideoWriter(folder / f"{clip_id}.mp4", (WIDTH, HEIGHT), 30) as video:
            for frame in range(FRAMES):
                image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
                x = 4 * max(0, frame - 10)
                cv2.rectangle(image, (x, 20), (x + 8, 28), (250, 250, 250), -1)
                video.write(image)
    return folder


def label(name_id: int, x: int, score: float | None = None, **more: Any) -> dict[str, Any]:
    """A ring, whose mask has a hole."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:29, x : x + 9], mask[23:26, x + 3 : x + 6] = 1, 0
    runs = rle.encode(np.asfortranarray(mask))
    segmentation = {"size": [HEIGHT, WIDTH], "counts": runs["counts"].decode()}
    row = {"category_id": name_id, "bbox": [x, 20, 9, 9], "area": int(mask.sum()), "iscrowd": 0,
           "segmentation": segmentation, "teacher": "motion"} | more  # fmt: skip
    return row if score is None else row | {"score": score}


def labels_of(clip_id: str, session: str, frame: tuple[dict, ...]) -> ClipDetections:
    return ClipDetections(clip_id, session, "motion", WIDTH, HEIGHT, (found(frame),) * FRAMES)


def found(frame: tuple[dict, ...]) -> tuple:
    return tuple(from_coco(row, CLASSES[row["category_id"] - 1]) for row in frame)


CLIPS = [clip_row("a", "s0"), clip_row("b", "s1")]
EVERYTHING = (
    label(1, 10, 0.8, track_id=4),
    label(1, 40, 0.35),
    label(2, 60, 0.2, prompt="ball"),
    label(3, 80, teacher="human"),
)


def export(footage: Path, out: Path, **options: Any) -> Any:
    labels = [labels_of(clip.clip_id, clip.session, EVERYTHING) for clip in CLIPS]
    return export_dataset(CLIPS, labels, footage, out, SPLITS, **options)


def test_scores_tracks_holes_and_tiny_objects_are_kept(footage: Path, tmp_path: Path) -> None:
    options = {"min_change": 0, "min_score": {"person": 0.5, "ball": 0.1}}
    dataset = export(footage, tmp_path, **options)
    assert dataset.meta["counts"]["train"] == {"images": 4, "person": 4, "ball": 4, "goal": 4}
    assert load_dataset(tmp_path).meta == dataset.meta
    coco = COCO(str(tmp_path / "train/_annotations.coco.json"))
    assert check_coco(tmp_path / "train/_annotations.coco.json", tmp_path / "train") == []
    kept = [coco.anns[number] for number in coco.getAnnIds(imgIds=[1])]
    for row, given in zip(kept, (EVERYTHING[0], *EVERYTHING[2:]), strict=True):
        assert {key: row[key] for key in given} == given
        assert row["iscrowd"] == 0
        assert coco.annToMask(row).sum() == 72
    image = coco.imgs[2]
    assert (image["clip_id"], image["session"], image["frame"]) == ("a", "s0", 5)
    picture = cv2.imread(str(tmp_path / "train" / image["file_name"]))
    assert picture.shape == (HEIGHT, WIDTH, 3)


def test_frames_that_look_alike_are_thinned_and_counted(footage: Path, tmp_path: Path) -> None:
    dataset = export(footage, tmp_path, every=1)
    # Frames 0…10 are one picture; the square moves by four pixels in each of the other nine.
    assert dataset.meta["thinned"] == {"train": 10, "valid": 10}
    rows = json.loads((tmp_path / "valid/_annotations.coco.json").read_text())["images"]
    assert [row["frame"] for row in rows] == [0, *range(11, 20)]


def test_same_content_same_version_and_nothing_of_the_old_lingers(
    footage: Path, tmp_path: Path
) -> None:
    first = export(footage, tmp_path / "a", every=2, min_change=0)
    (tmp_path / "a/train/mine.txt").write_text("not the dataset's")
    again = export(footage, tmp_path / "b", every=2, min_change=0)
    assert again.meta["version"] == first.meta["version"]
    assert again.meta["parent_version"] is None
    fewer = export(footage, tmp_path / "a", every=10, min_change=0)
    assert fewer.meta["version"] != first.meta["version"]
    assert fewer.meta["parent_version"] == first.meta["version"]
    assert export(footage, tmp_path / "a", every=10, min_change=0).meta == fewer.meta
    there = sorted(path.name for path in (tmp_path / "a/train").iterdir())
    assert there == ["_annotations.coco.json", "a_000000.jpg", "a_000010.jpg", "mine.txt"]


def test_an_engine_writes_the_same_dataset_from_stored_labels(
    footage: Path, tmp_path: Path
) -> None:
    labels, folders = [], (tmp_path / "here/set", tmp_path / "away/set")
    for clip in CLIPS:
        with write_detections(tmp_path / f"{clip.clip_id}.json", {"clip": {}}) as out:
            for number in range(FRAMES):
                image = image_row(clip.clip_id, number, (WIDTH, HEIGHT))
                out.add(image, found(EVERYTHING[: number % 4]))
        labels.append(load_detections(tmp_path / f"{clip.clip_id}.json", clip))
    options: dict[str, Any] = {"every": 2, "min_score": 0.3, "min_change": 0}
    for folder, engine in zip(folders, ("here", Pickled()), strict=True):
        export_dataset(CLIPS, labels, footage, folder, SPLITS, engine=engine, **options)
    here, away = ({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
                  for folder in folders)  # fmt: skip
    assert len(here) == 2 * (FRAMES // 2 + 1) + 1
    assert here == away


def test_five_classes_follow_from_three(footage: Path, tmp_path: Path) -> None:
    near = (label(1, 10, 0.9), label(1, 60, 0.9), label(2, 20, 0.9), label(3, 20, 0.9))
    labels = [labels_of(clip.clip_id, clip.session, near) for clip in CLIPS]
    options: dict[str, Any] = {"classes": FIVE_CLASSES, "every": 10, "min_change": 0}
    dataset = export_dataset(CLIPS, labels, footage, tmp_path, SPLITS, **options)
    assert dataset.meta["counts"]["valid"] == {
        "images": 2, "person": 2, "ball": 0, "goal": 2, "player_with_ball": 2, "ball_in_goal": 2,
    }  # fmt: skip


@pytest.mark.parametrize(("content", "said"), [(None, "does not exist"), ("{}", "is not a dat")])
def test_a_folder_without_a_dataset_is_named(
    tmp_path: Path, content: str | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "dataset_meta.json").write_text(content)
    with pytest.raises(DatasetError, match=rf"dataset_meta\.json {said}"):
        load_dataset(tmp_path)


def test_oddities_are_found_and_the_usual_is_not_odd() -> None:
    def box(name_id: int, x: float, width: float, height: float) -> dict[str, Any]:
        return {"category_id": name_id, "bbox": [x, 5, width, height], "area": width * height}

    usual = (box(1, 10, 10, 20), box(1, 60, 9, 22), box(2, 40, 4, 4), box(3, 5, 30, 20))
    odd = (
        *(box(1, 10, 10, 20), box(1, 30, 30, 6), box(2, 80, 24, 24)),
        *(box(2, 10, 4, 4), box(3, 5, 30, 20), box(3, 60, 30, 20)),
    )
    moved = (*usual[:2], box(2, 80, 4, 4), box(3, 60, 30, 20))
    frames = (usual, usual, moved, odd)
    clip = ClipDetections("a", "s", "motion", WIDTH, HEIGHT, tuple(map(found, frames)))
    table = count_oddities(find_oddities([clip]))
    assert set(table.index) == {
        "ball jumps", "goal jumps", "several balls", "several goals", "ball larger than a person",
        "person of odd shape", "person of odd size",
    }  # fmt: skip
    assert table.loc["ball jumps", "first"] == "a, frame 2"
    assert object_sizes_px([clip], "ball").tolist() == [4, 4, 4, 24, 4]


def test_labels_without_a_score_are_accepted() -> None:
    frame = (label(1, 1, 0.2), label(2, 20) | {"score": None}, label(3, 40))
    (accepted,) = accept_labels([labels_of("a", "s0", frame)], 0.3)
    assert [one.class_name for one in accepted.frames[0]] == ["ball", "goal"]
