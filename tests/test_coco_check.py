"""COCO files that are broken, and datasets of other tools: each fault named, the rest usable."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from pycocotools.coco import COCO
from typer.testing import CliRunner

from workbench.cli import app
from workbench.detect.dataset.coco_check import check_coco
from workbench.detect.dataset.coco_import import ImportOptions, import_coco, parse_class_map
from workbench.detect.segmentation import SegmentationError, to_mask
from workbench.errors import DatasetError

SQUARE = [[10, 10, 30, 10, 30, 30, 10, 30]]


def annotation(number: int, image_id: int = 1, category_id: int = 1, **more: Any) -> dict[str, Any]:
    row = {"id": number, "image_id": image_id, "category_id": category_id,
           "bbox": [10, 10, 20, 20], "area": 400, "segmentation": SQUARE, "iscrowd": 0}  # fmt: skip
    return row | more


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two sound images in CVAT's layout."""
    folder = tmp_path / "cvat"
    for name in ("a.jpg", "b.jpg"):
        (folder / "images/default").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / "images/default" / name), np.zeros((60, 80, 3), np.uint8))
    images = [
        {"id": number, "file_name": name, "width": 80, "height": 60}
        for number, name in ((1, "a.jpg"), (2, "b.jpg"))
    ]
    attributes = {"occluded": False, "track_id": 4}
    write(
        folder / "annotations/instances_default.json",
        {"licenses": [{"name": "CC-BY-4.0"}], "images": images,
         "annotations": [annotation(1, attributes=attributes), annotation(2, 2)],
         "categories": [{"id": 1, "name": "player", "supercategory": ""}]},
    )  # fmt: skip
    return folder


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def change(dataset: Path, part: str, place: int, **values: Any) -> Path:
    """Change one row of the file, or append it; return the file."""
    path = dataset / "annotations/instances_default.json"
    content = json.loads(path.read_text())
    if place < len(content[part]):
        content[part][place].update(values)
    else:
        content[part].append(values)
    write(path, content)
    return path


FAULTS = [
    ("annotations", 1, {"category_id": 9}, "unknown category"),
    ("annotations", 1, {"image_id": 9}, "unknown image"),
    ("annotations", 1, {"id": 1}, "duplicate id"),
    ("annotations", 1, {"bbox": [70, 10, 20, 20]}, "box outside the image"),
    ("annotations", 1, {"bbox": [-5, 10, 20, 20]}, "box outside the image"),
    ("annotations", 1, {"bbox": [10, 10, 0, 20]}, "empty box"),
    ("annotations", 1, {"bbox": [10, 10, -4, 20]}, "empty box"),
    ("annotations", 1, {"bbox": [10, 10, float("nan"), 20]}, "no box"),
    ("annotations", 1, {"bbox": None}, "no box"),
    ("annotations", 1, {"iscrowd": "no"}, "broken iscrowd"),
    ("annotations", 1, {"segmentation": [[1, 1, 2, 2]]}, "broken segmentation"),
    ("annotations", 1, {"segmentation": {"size": [60, 80], "counts": "PPP"}}, "broken segm"),
    ("annotations", 1, {"segmentation": {"size": [80, 60], "counts": [4800]}}, "broken segm"),
    ("annotations", 1, {"segmentation": {"size": [60, 80], "counts": [7]}}, "broken segm"),
    ("images", 1, {"id": 1}, "duplicate id"),
    ("images", 1, {"file_name": "a.jpg"}, "duplicate file"),
    ("images", 1, {"file_name": "gone.jpg"}, "missing image file"),
    ("images", 1, {"file_name": "../b.jpg"}, "file outside the image folder"),
    ("images", 1, {"width": 60, "height": 80}, "size mismatch"),
    ("categories", 1, {"id": 1, "name": "ball"}, "duplicate id"),
]


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
def test_a_picture_cut_short_is_not_sound(dataset: Path, tmp_path: Path, suffix: str) -> None:
    """Its header still says the right size."""
    folder = dataset / "images/default"
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    path = change(dataset, "images", 1, file_name=f"b.{suffix}")
    cv2.imwrite(str(folder / f"b.{suffix}"), noise)
    assert check_coco(path, folder) == []
    content = (folder / f"b.{suffix}").read_bytes()
    (folder / f"b.{suffix}").write_bytes(content[: len(content) // 2])
    (fault,) = check_coco(path, folder)
    assert fault.kind == "unreadable image file"
    with pytest.raises(DatasetError, match="unreadable image file"):
        import_coco(dataset, tmp_path / "out")


@pytest.mark.parametrize(("part", "place", "values", "kind"), FAULTS)
def test_each_fault_is_named_and_the_rest_is_usable(
    dataset: Path, tmp_path: Path, part: str, place: int, values: dict, kind: str
) -> None:
    assert check_coco(dataset / "annotations/instances_default.json") == []
    path = change(dataset, part, place, **values)
    found = [
        finding
        for finding in check_coco(path, dataset / "images/default")
        if finding.part == part and finding.place == place
    ]
    assert len(found) == 1
    assert found[0].kind.startswith(kind)
    row = json.loads(path.read_text())[part][place]
    assert str(found[0]).startswith(f"{path}: {part}[{place}] (id {row['id']}): {kind}")
    with pytest.raises(DatasetError, match="skip-bad"):
        import_coco(dataset, tmp_path / "out")
    imported = import_coco(dataset, tmp_path / "out", options=ImportOptions(skip_bad=True))
    coco = COCO(str(tmp_path / "out/train/_annotations.coco.json"))
    assert 1 in coco.anns
    assert len(coco.imgs) == (1 if part == "images" else 2)
    assert len(coco.anns) == (2 if part == "categories" else 1)
    assert str(found[0]) in imported.meta["faults"]
    assert sum(imported.meta["left_out"].values()) >= 1


def test_cvat_export_keeps_tracks_and_maps_classes(dataset: Path, tmp_path: Path) -> None:
    options = ImportOptions(classes={"player": "person"}, session_pattern="^(.)")
    meta = import_coco(dataset, tmp_path / "out", options=options).meta
    assert meta["classes"] == ["person", "ball", "goal"]
    assert meta["licence"] == "CC-BY-4.0"
    assert meta["counts"] == {"train": {"images": 2, "person": 2, "ball": 0, "goal": 0}}
    rows = json.loads((tmp_path / "out/train/_annotations.coco.json").read_text())
    assert [row.get("track_id") for row in rows["annotations"]] == [4, None]
    assert {row["session"] for row in rows["images"]} == {"a", "b"}
    with pytest.raises(DatasetError, match=r"no class 'keeper'.*player"):
        import_coco(dataset, tmp_path / "x", options=ImportOptions(classes={"keeper": "person"}))


def run_lengths(mask: np.ndarray) -> list[int]:
    """Uncompressed RLE: runs of 0 and 1 in turn, column by column."""
    pixels = mask.T.ravel()
    edges = np.flatnonzero(np.diff(pixels)) + 1
    return [int(run) for run in np.diff([0, *edges, pixels.size])]


def test_roboflow_export_keeps_splits_and_drops_the_dummy_class(tmp_path: Path) -> None:
    ring = np.zeros((60, 80), np.uint8)
    ring[10:30, 10:30], ring[15:20, 15:20] = 1, 0
    segmentation = {"size": [60, 80], "counts": run_lengths(ring)}
    for split in ("train", "valid"):
        folder = tmp_path / "roboflow" / split
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "a_jpg.rf.1f.jpg"), np.zeros((60, 80, 3), np.uint8))
        write(
            folder / "_annotations.coco.json",
            {"images": [{"id": 0, "file_name": "a_jpg.rf.1f.jpg", "width": 80, "height": 60}],
             "annotations": [annotation(0, 0, 1, iscrowd=1, segmentation=segmentation)],
             "categories": [{"id": 0, "name": "things", "supercategory": "none"},
                            {"id": 1, "name": "ball", "supercategory": "things"}]},
        )  # fmt: skip
    options = ImportOptions(crowds_are_objects=True)
    meta = import_coco(tmp_path / "roboflow", tmp_path / "out", options=options).meta
    assert set(meta["counts"]) == {"train", "valid"}
    assert meta["classes"] == ["person", "ball", "goal"]
    coco = COCO(str(tmp_path / "out/valid/_annotations.coco.json"))
    (row,) = coco.anns.values()
    assert (row["iscrowd"], row["category_id"]) == (0, 2)
    assert (coco.annToMask(row) == ring).all()


@settings(max_examples=60)
@given(seed=st.integers(0, 99), cut=st.integers(0, 30), swap=st.integers(33, 126))
def test_broken_run_lengths_are_refused_and_sound_ones_read(seed: int, cut: int, swap: int) -> None:
    mask = np.random.default_rng(seed).random((12, 17)) < 0.4
    encoded = rle.encode(np.asfortranarray(mask, np.uint8))
    text = encoded["counts"].decode()
    assert (to_mask({"size": [12, 17], "counts": text}, 12, 17) == mask).all()
    place = min(cut, len(text) - 1)
    for broken in (text[:place], text[:place] + chr(swap) + text[place + 1 :]):
        try:
            found = to_mask({"size": [12, 17], "counts": broken}, 12, 17)
        except SegmentationError:
            continue
        assert found.shape == (12, 17)  # another mask, but one
        assert broken != text[:place]


@pytest.mark.parametrize("text", ["", "a", "a=", "=b", "a=b,,c=d"])
def test_a_class_mapping_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DatasetError, match="class mapping"):
        parse_class_map(text)


def test_the_command_lists_faults_and_says_so_by_its_exit_code(
    dataset: Path, tmp_path: Path
) -> None:
    run = CliRunner()
    assert run.invoke(app, ["dataset", "check", str(dataset)]).exit_code == 0
    change(dataset, "annotations", 1, category_id=9)
    found = run.invoke(app, ["dataset", "check", str(dataset)])
    assert found.exit_code == 2
    assert "annotations[1] (id 2): unknown category" in found.output
    arguments = ["dataset", "import", str(dataset), "--out", str(tmp_path / "o"), "--skip-bad"]
    imported = run.invoke(app, [*arguments, "--classes", "player=person"])
    assert imported.exit_code == 0
    assert "left out: 1 annotations: unknown category" in imported.output
