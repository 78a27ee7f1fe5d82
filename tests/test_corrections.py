"""Human corrections win over the teacher, frame by frame, and come out as they went in."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle

from workbench.detect.dataset.coco import export_dataset
from workbench.detect.dataset.corrections import apply_corrections
from workbench.detect.dataset.derived import FIVE_CLASSES
from workbench.detect.detections import CLASSES, encode_box, from_coco
from workbench.detect.store import ClipDetections, coco_categories, load_truth
from workbench.errors import DatasetError
from workbench.footage.clips import Clip, load_clips
from workbench.simulated.sessions import make_footage


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shooting")
    make_footage(folder, sessions=0, shooting_sessions=1, shots=1, seed=5)
    return folder


@pytest.fixture(scope="module")
def clip(footage: Path) -> Clip:
    return load_clips(footage)[0]


@pytest.fixture(scope="module")
def truth(footage: Path, clip: Clip) -> ClipDetections:
    return load_truth([clip], footage)[0]


Edits = list[tuple[int, str]]
edits = st.lists(
    st.tuples(st.integers(0, 50), st.sampled_from(["drop", "move", "rename", "box"])), max_size=6
)


def edit(content: dict[str, Any], changes: Edits) -> None:
    """Do to a dataset's file what a person does in a labelling tool."""
    for place, what in changes:
        row = content["annotations"][place % len(content["annotations"])]
        if what == "drop":
            content["annotations"].remove(row)
        elif what == "rename":
            row["category_id"] = row["category_id"] % 3 + 1
        elif what == "box":  # a tool that knows boxes only
            x, y, width, height = (int(value) for value in row["bbox"])
            row |= {"bbox": [x, y, max(width, 1), max(height, 1)], "segmentation": []}
        else:  # polygons, as most tools draw
            row |= {"bbox": [5, 6, 10, 12], "segmentation": [[5, 6, 15, 6, 15, 18, 5, 18]]}
    for row in content["annotations"]:
        row.pop("score", None)


def essence(row: dict[str, Any], hw: tuple[int, int]) -> tuple[int, bytes]:
    """Class and mask of an annotation, whatever form the mask has."""
    segmentation = row["segmentation"]
    if isinstance(segmentation, list) and segmentation:
        runs = rle.merge(rle.frPyObjects(segmentation, *hw))
    elif segmentation:
        runs = segmentation
    else:
        x, y, width, height = row["bbox"]
        runs = encode_box((x, y, x + width, y + height), hw)
    return row["category_id"], np.packbits(rle.decode(runs)).tobytes()


def test_a_corrected_frame_is_in_the_dataset_wherever_the_grid_lies(
    tmp_path: Path, footage: Path, clip: Clip, truth: ClipDetections
) -> None:
    name = f"{clip.clip_id}_000007.jpg"  # off a grid of 30; looked at, and empty
    image = {"id": 1, "file_name": name, "width": clip.width, "height": clip.height}
    edited = {"images": [image], "annotations": [], "categories": coco_categories()}
    (tmp_path / "edited.json").write_text(json.dumps(edited))
    corrected = apply_corrections([truth], tmp_path / "edited.json")
    # A change that no frame reaches: the thinner would keep the first only.
    out, options = tmp_path / "dataset", {"every": 30, "min_change": 256}
    export_dataset([clip], corrected.labels, footage, out, {clip.session: "train"}, **options)
    content = json.loads((out / "train/_annotations.coco.json").read_text())
    assert [image["frame"] for image in content["images"]] == [0, 7]
    assert {row["image_id"] for row in content["annotations"]} == {1}


@settings(max_examples=10)
@given(edits)
def test_export_edit_import_export_gives_the_edited(
    tmp_path_factory: pytest.TempPathFactory,
    footage: Path,
    clip: Clip,
    truth: ClipDetections,
    changes: Edits,
) -> None:
    folder, hw = tmp_path_factory.mktemp("round"), (truth.height, truth.width)
    split, options = {clip.session: "train"}, {"every": 30, "min_change": 0}
    export_dataset([clip], [truth], footage, folder, split, **options)
    path = folder / "train/_annotations.coco.json"
    edited = json.loads(path.read_text())
    edit(edited, changes)
    (folder / "edited.json").write_text(json.dumps(edited))
    corrected = apply_corrections([truth], folder / "edited.json")
    assert corrected.frames == len(edited["images"])
    assert corrected.confirmed + corrected.added == len(edited["annotations"])
    for frame, (before, after) in enumerate(
        zip(truth.frames, corrected.labels[0].frames, strict=True)
    ):
        if frame % 30:
            assert before == after
        else:
            assert all(one.found_by == "human" and one.score is None for one in after)
    export_dataset([clip], corrected.labels, footage, folder, split, min_score=0.9, **options)
    again = json.loads(path.read_text())
    assert again["images"] == edited["images"]
    for image in again["images"]:
        told, found = (
            [essence(row, hw) for row in some["annotations"] if row["image_id"] == image["id"]]
            for some in (edited, again)
        )
        assert found == told


def box(name_id: int, score: float = 0.9) -> dict[str, Any]:
    runs = encode_box((10, 10, 20, 20), (60, 80))
    assert runs is not None
    segmentation = {"size": [60, 80], "counts": runs["counts"]}
    return {"id": 1, "image_id": 1, "category_id": name_id, "bbox": [10, 10, 10, 10],
            "score": score, "segmentation": segmentation, "teacher": "motion"}  # fmt: skip


LABELS = [
    ClipDetections(
        clip_id,
        "s",
        "motion",
        80,
        60,
        tuple((from_coco(box(place + 1), name),) for place, name in enumerate(CLASSES)),
    )
    for clip_id in ("cup_01", "cup_02")
]


def corrections(
    tmp_path: Path, name: str, annotations: list, classes: tuple = CLASSES, **image: Any
) -> Path:
    row = {"id": 1, "file_name": name, "width": 80, "height": 60} | image
    content = {"images": [row], "annotations": annotations, "categories": coco_categories(classes)}
    (tmp_path / "edited.json").write_text(json.dumps(content))
    return tmp_path / "edited.json"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("cup_02_000001.jpg", {}),
        ("cup_02/000001.jpg", {}),
        ("default/cup_02_000001.jpg", {}),
        ("cup_02_000001_jpg.rf.0a1b2c.jpg", {}),
        ("renamed.jpg", {"clip_id": "cup_02", "frame": 1}),
    ],
)
def test_frames_are_known_whatever_a_tool_does_to_names(
    tmp_path: Path, name: str, more: dict
) -> None:
    corrected = apply_corrections(LABELS, corrections(tmp_path, name, [], **more))
    assert corrected.labels[0] == LABELS[0]
    assert list(corrected.labels[1].frames) == [LABELS[1].frames[0], (), LABELS[1].frames[2]]


def test_a_derived_class_that_a_person_gives_is_kept_as_said(tmp_path: Path) -> None:
    file = corrections(tmp_path, "cup_01_000000.jpg", [box(4)], FIVE_CLASSES)
    (label,) = apply_corrections(LABELS, file).labels[0].frames[0]
    assert (label.class_name, label.more["said_class"]) == ("person", "player_with_ball")


@pytest.mark.parametrize(
    ("name", "annotations", "classes", "more", "said"),
    [
        ("other_000001.jpg", [], CLASSES, {}, "image 1 .* is no labelled frame"),
        ("cup_01_000009.jpg", [], CLASSES, {}, "is no labelled frame"),
        ("cup_01_000001.jpg", [], CLASSES, {"width": 640}, "640×60, the clip 80×60"),
        ("cup_01_000001.jpg", [box(1)], ("keeper",), {}, "annotation 1 has the class 'keeper'"),
        ("cup_01_000001.jpg", [box(7)], CLASSES, {}, r"annotations\[0\].*unknown category"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, name: str, annotations: list, classes: tuple, more: dict, said: str
) -> None:
    file = corrections(tmp_path, name, annotations, classes, **more)
    with pytest.raises(DatasetError, match=rf"edited\.json.*{said}"):
        apply_corrections(LABELS, file)
