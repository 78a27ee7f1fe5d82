"""COCO files as tools really write them, and as nobody should: read, or refused in a line."""

import copy
import io
import json
import multiprocessing
import tempfile
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO
from typer.testing import CliRunner

from workbench.cli import app
from workbench.detect.dataset.coco import ANNOTATIONS, DatasetWriter, export_dataset
from workbench.detect.dataset.coco_check import check_coco
from workbench.detect.dataset.coco_import import ImportOptions, import_coco
from workbench.detect.dataset.corrections import apply_corrections
from workbench.detect.dataset.quality import frames_without_ball
from workbench.detect.detections import Detection, encode_box
from workbench.detect.scores.evaluation import evaluate_coco
from workbench.detect.segmentation import SegmentationError, to_rle
from workbench.detect.store import ClipDetections, image_row, load_detections, write_detections
from workbench.errors import DatasetError, WorkbenchError
from workbench.footage.clips import OWN_FOOTAGE, Clip

WIDTH, HEIGHT = 100, 60
BOX = [10, 20, 30, 15]


def draw(path: Path, box: list[int] = BOX, orientation: int = 1, wh: Any = (WIDTH, HEIGHT)) -> None:
    """Save a red box, its picture stored as a camera held in `orientation` would."""
    pixels = np.full((wh[1], wh[0], 3), 30, np.uint8)
    x, y, width, height = box
    pixels[y : y + height, x : x + width] = 250, 0, 0
    back = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}
    picture, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x112] = orientation
    if orientation in back:
        picture = picture.transpose(back[orientation])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=95, subsampling=0, exif=exif)


def content(name: str = "a.jpg", wh: Any = (WIDTH, HEIGHT), **more: Any) -> dict[str, Any]:
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": BOX, "area": 450, "iscrowd": 0}
    return {
        "images": [{"id": 1, "file_name": name, "width": wh[0], "height": wh[1]}],
        "annotations": [row | {"segmentation": []} | more],
        "categories": [{"id": 1, "name": "ball"}],
    }


def save(folder: Path, rows: Any, encoding: str = "utf-8") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ANNOTATIONS
    path.write_bytes(json.dumps(rows, ensure_ascii=False).encode(encoding))
    return path


def imported(folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Import a folder; return the rows of images and annotations that came out, found sound."""
    out = folder.parent / f"{folder.name}_out"
    import_coco(folder, out)
    assert check_coco(out / "train" / ANNOTATIONS, out / "train") == []
    rows = json.loads((out / "train" / ANNOTATIONS).read_text())
    return rows["images"], rows["annotations"]


# ------------------------------------------------------------------------------ what tools write

PAD = "000000000007"
IDS = [("1", 1), (1.0, "1"), (PAD, 7), ("4f1c-uuid", "4f1c-uuid"), (2**53 + 1, 2**53 + 1)]


@pytest.mark.parametrize(("image_id", "said"), IDS)
def test_ids_are_read_however_they_are_written(tmp_path: Path, image_id: Any, said: Any) -> None:
    draw(tmp_path / "a" / "a.jpg")
    rows = content(image_id=said, category_id="ball-1")
    rows["images"][0] |= {"id": image_id, "width": float(WIDTH), "height": str(HEIGHT)}
    rows["categories"][0]["id"] = "ball-1"
    save(tmp_path / "a", rows)
    images, annotations = imported(tmp_path / "a")
    assert (images[0]["id"], images[0]["width"], images[0]["height"]) == (1, WIDTH, HEIGHT)
    assert (annotations[0]["image_id"], annotations[0]["category_id"]) == (1, 2)
    found = [{"image_id": said, "category_id": "ball-1", "bbox": BOX, "score": 0.9}]
    assert evaluate_coco(rows, found, "bbox").stats["AP"] == pytest.approx(1.0)


def test_ids_that_differ_by_one_above_the_floats_stay_apart(tmp_path: Path) -> None:
    rows = content(image_id=2**53 + 1)
    rows["images"][0]["id"] = 2**53
    (fault,) = check_coco(save(tmp_path, rows))
    assert fault.kind == "unknown image"
    rows["images"][0]["id"] = float(2**53)  # what number that was nobody knows
    assert check_coco(save(tmp_path, rows))[0].kind == "no id"
    rows["images"] = [rows["images"][0] | {"id": "x-1"}, rows["images"][0] | {"id": "x-1"}]
    assert [fault.kind for fault in check_coco(save(tmp_path, rows))][:1] == ["duplicate id"]


NFC, NFD = (unicodedata.normalize(form, "café/ü.jpg") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("on_disk", "in_file"),
    [("i/a.jpg", "i\\a.jpg"), ("i/a.jpg", "./i//a.jpg"), (NFD, NFC), (NFC, NFD), ("i\\a.jpg",) * 2],
)
def test_a_picture_is_found_by_its_name_in_any_spelling(
    tmp_path: Path, on_disk: str, in_file: str, encoding: str
) -> None:
    draw(tmp_path / "a" / on_disk)
    save(tmp_path / "a", content(in_file), encoding)
    images, _ = imported(tmp_path / "a")
    assert images[0]["file_name"] in ("i_a.jpg", "café_ü.jpg")


def test_names_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    for name in (NFC, NFD):
        draw(tmp_path / name)
    for name in (NFC, NFD):
        (fault,) = check_coco(save(tmp_path, content(name)), tmp_path)
        assert fault.kind == "ambiguous image file"
    rows = content("x/a.jpg")
    rows["images"].append(rows["images"][0] | {"id": 2, "file_name": "x\\a.jpg"})
    assert check_coco(save(tmp_path, rows))[0].kind == "duplicate file"


@pytest.mark.parametrize("name", ["\0.jpg", "\ud800.jpg", "a" * 300, "..\\a.jpg", "\\etc\\x", "\n"])
def test_a_name_that_no_file_can_have_is_a_fault(tmp_path: Path, name: str) -> None:
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content(name)))
    (fault,) = check_coco(path, tmp_path)
    assert fault.kind in ("missing image file", "file outside the image folder")
    run = CliRunner().invoke(app, ["dataset", "check", str(path)])
    assert run.exit_code == 2
    assert len(run.stdout.splitlines()) == 1


def test_class_names_in_both_forms_are_one_class(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "a.jpg")
    rows = content()
    rows["categories"] = [{"id": 1, "name": "e\u0301"}, {"id": 2, "name": "é"}]
    rows["annotations"].append(rows["annotations"][0] | {"id": 2, "category_id": 2})
    save(tmp_path / "a", rows)
    _, annotations = imported(tmp_path / "a")
    assert [row["category_id"] for row in annotations] == [1, 1]


EMPTY = [
    ({"area": None}, 450),
    ({"area": float("nan")}, 450),
    ({"area": -3}, 450),
    ({"area": None, "segmentation": [[10, 20, 20, 20, 20, 30, 10, 30]]}, 100),
    ({"iscrowd": None, "segmentation": None}, 450),
    ({"iscrowd": False, "score": 0.5}, 450),
]


@pytest.mark.parametrize(("more", "area"), EMPTY)
def test_empty_fields_are_filled_in(tmp_path: Path, more: dict[str, Any], area: float) -> None:
    draw(tmp_path / "a" / "a.jpg")
    save(tmp_path / "a", content(**more))
    _, (row,) = imported(tmp_path / "a")
    assert (row["area"], row["iscrowd"]) == (area, 0)
    assert row["iscrowd"] is not False


@pytest.mark.parametrize("more", [{"score": float("inf")}, {"note": {"x": [float("nan")]}}])
def test_what_json_has_not_is_a_fault_of_its_row(tmp_path: Path, more: dict[str, Any]) -> None:
    draw(tmp_path / "a" / "a.jpg")
    rows = content(**more)
    rows["annotations"].append(content()["annotations"][0] | {"id": 2})
    rows["licenses"] = [{"name": ["a list"]}, 7]
    save(tmp_path / "a", rows)
    with pytest.raises(DatasetError, match=r"annotations\[0\] \(id 1\): a value that JSON has not"):
        import_coco(tmp_path / "a", tmp_path / "out")
    meta = import_coco(tmp_path / "a", tmp_path / "out", None, ImportOptions(skip_bad=True)).meta
    assert meta["counts"]["train"]["ball"] == 1


# ------------------------------------------------------------------------------- two of one name


def subsets(folder: Path, layout: str) -> None:
    """Two files that hold a `frame_000000.png` each: in folders of their own, or one for both."""
    for name, box in (("cam1", [10, 20, 30, 15]), ("cam2", [60, 5, 30, 15])):
        here = folder / "images" / (name if layout == "apart" else "")
        draw(here / "frame_000000.png", box if layout == "apart" else BOX)
        rows = content("frame_000000.png", bbox=box)
        save(folder / "annotations", rows).rename(folder / f"annotations/instances_{name}.json")


def test_subsets_that_hold_the_same_name_keep_both_pictures(tmp_path: Path) -> None:
    subsets(tmp_path / "a", "apart")
    images, annotations = imported(tmp_path / "a")
    assert [row["file_name"] for row in images] == [
        "cam1_frame_000000.png",
        "cam2_frame_000000.png",
    ]
    for image, row in zip(images, annotations, strict=True):
        pixels = np.asarray(Image.open(tmp_path / "a_out/train" / image["file_name"]))
        x, y, width, height = row["bbox"]
        assert pixels[y : y + height, x : x + width, 0].mean() > 240


def test_pictures_that_would_replace_one_another_are_refused_by_name(tmp_path: Path) -> None:
    before = tmp_path / "out/train/mine.txt"
    before.parent.mkdir(parents=True)
    before.write_text("mine")
    subsets(tmp_path / "shared", "shared")
    with pytest.raises(DatasetError, match=r"frame_000000\.png has labels in .*cam1.* and in .*2"):
        import_coco(tmp_path / "shared", tmp_path / "out")
    for split in ("val", "valid"):  # two names of one split
        draw(tmp_path / "twice" / split / "a.jpg")
        save(tmp_path / "twice" / split, content())
    with pytest.raises(DatasetError, match=r"split valid would be called a\.jpg"):
        import_coco(tmp_path / "twice", tmp_path / "out")
    for name in ("x/a.jpg", "x_a.jpg", "X_A.jpg"):
        draw(tmp_path / "flat" / name)
    for one, other in (("x/a.jpg", "x_a.jpg"), ("x_a.jpg", "X_A.jpg")):
        rows = content(one)
        rows["images"].append(rows["images"][0] | {"id": 2, "file_name": other})
        save(tmp_path / "flat", rows)
        with pytest.raises(DatasetError, match=r"(?i)would be called x_a\.jpg"):
            import_coco(tmp_path / "flat", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["train", "mine.txt"]


def test_a_writer_never_replaces_a_picture_of_its_own(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, ["ball"])
    writer.add("train", "a.jpg", b"first", {}, [])
    with pytest.raises(DatasetError, match=r"a\.jpg"):
        writer.add("train", "a.jpg", b"second", {}, [])
    writer.add("valid", "a.jpg", b"third", {}, [])
    writer.finish(OWN_FOOTAGE)
    assert (tmp_path / "train/a.jpg").read_bytes() == b"first"


# ------------------------------------------------------------------------- what the pixels show


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_boxes_lie_on_the_object_whatever_exif_says(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    draw(tmp_path / "a" / f"a.{suffix}", orientation=orientation)
    save(tmp_path / "a", content(f"a.{suffix}"))
    faults = check_coco(tmp_path / "a" / ANNOTATIONS, tmp_path / "a")
    assert [one.kind for one in faults] == ["turned by its EXIF"] * (orientation > 1)
    imported(tmp_path / "a")
    with Image.open(tmp_path / "a_out/train" / f"a.{suffix}") as picture:
        assert picture.size == (WIDTH, HEIGHT)
        assert picture.getexif().get(0x112, 1) == 1
        x, y, width, height = BOX
        assert np.asarray(picture)[y : y + height, x : x + width, 0].mean() > 220  # WebP bleeds


def test_a_turned_picture_does_not_hide_what_json_cannot_hold(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "a.jpg", orientation=3)
    rows = content()
    rows["images"][0]["altitude_m"] = float("nan")
    save(tmp_path / "a", rows)
    with pytest.raises(DatasetError, match=r"images\[0\] \(id 1\): a value that JSON has not"):
        import_coco(tmp_path / "a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_labels_drawn_on_the_stored_pixels_keep_them(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "a.jpg", [5, 50, 20, 30], orientation=6, wh=(HEIGHT, WIDTH))
    with Image.open(tmp_path / "a/a.jpg") as picture:
        assert picture.size == (WIDTH, HEIGHT)
        stored = np.asarray(picture).astype(int)
    save(tmp_path / "a", content())
    imported(tmp_path / "a")
    with Image.open(tmp_path / "a_out/train/a.jpg") as picture:
        assert picture.getexif().get(0x112, 1) == 1
        assert abs(np.asarray(picture) - stored).max() < 20


@pytest.mark.parametrize(
    ("angle", "box", "around"),
    [
        (90.0, [10, 20, 40, 10], [25, 5, 10, 40]),
        (-90.0, [10, 20, 40, 10], [25, 5, 10, 40]),
        (180.0, [10, 20, 40, 10], [10, 20, 40, 10]),
        (45.0, [40, 20, 20, 20], [35.86, 15.86, 28.28, 28.28]),
        (90.0, [0, 20, 80, 10], [35, 0, 10, 60]),  # cut to the picture
    ],
)
def test_the_box_around_a_turned_one_is_taken(
    tmp_path: Path,
    angle: float,
    box: list[float],
    around: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    draw(tmp_path / "a" / "a.jpg")
    rows = content(bbox=box, attributes={"rotation": angle, "occluded": False})
    save(tmp_path / "a", rows)
    _, (row,) = imported(tmp_path / "a")
    assert row["bbox"] == pytest.approx(around, abs=0.02)
    assert row["area"] == pytest.approx(around[2] * around[3], abs=1)
    assert "turned" in caplog.text
    again = tmp_path / "a_out"
    import_coco(again, tmp_path / "again")  # turned once, not twice
    assert (again / "train" / ANNOTATIONS).read_text() == (
        tmp_path / "again/train" / ANNOTATIONS
    ).read_text()
    found = [{"image_id": 1, "category_id": 1, "bbox": around, "score": 0.9}]
    assert evaluate_coco(rows, found, "bbox").stats["AP50"] == pytest.approx(1.0)


# ------------------------------------------------------------------------- before any C code

FAR = [[10, 10, far, 10, far, 40, 10, 40] for far in (2e8, 1e12, 1e308, -1e6, 2**70, 10**400)]
RLE = {"size": [HEIGHT, WIDTH]}
WILD = [
    *([polygon] for polygon in FAR),
    [[0, 0, WIDTH, HEIGHT] * 10_000],
    [[0, 0, WIDTH, 0, WIDTH, HEIGHT]] * 20_000,
    [[float("nan")] * 6],
    RLE | {"counts": [2**62] * 4 + [HEIGHT * WIDTH]},
    RLE | {"counts": [10**30]},
    RLE | {"counts": [1e300]},
    RLE | {"counts": "\ud800"},
    RLE | {"counts": "oooooooooooo0" * 4},
    RLE | {"counts": "é"},
    {"size": [HEIGHT, "x"], "counts": [6000]},
    {"size": [2**40, 2**40], "counts": [2**80]},
]


@pytest.mark.parametrize("segmentation", WILD)
def test_a_wild_mask_never_reaches_pycocotools(segmentation: Any) -> None:
    with pytest.raises(SegmentationError):
        to_rle(segmentation, HEIGHT, WIDTH)


def test_runs_are_handed_on_in_the_size_they_were_checked_for() -> None:
    for counts in ([6000], [0, 6000], [10.0, 5990]):
        found = to_rle({"size": [60.0, 100.0], "counts": counts, "more": 1}, HEIGHT, WIDTH)
        assert found["size"] == [HEIGHT, WIDTH]


@pytest.mark.parametrize(
    ("part", "values", "kind"),
    [
        ("images", {"width": 10**9, "height": 10**9}, "image without a size"),
        ("images", {"width": 2**31, "height": 1}, "image without a size"),
        ("images", {"id": 2**63}, "no id"),
        ("annotations", {"bbox": [1e300, 0, 1e300, 1]}, "no box"),
        ("annotations", {"bbox": [10**400, 0, 1, 1]}, "no box"),
        ("annotations", {"category_id": [1]}, "unknown category"),
        ("annotations", {"segmentation": {"a": 1}}, "broken segmentation"),
    ],
)
def test_bounds_are_checked_by_row(
    tmp_path: Path, part: str, values: dict[str, Any], kind: str
) -> None:
    rows = content()
    rows[part][0] |= values
    assert check_coco(save(tmp_path, rows))[0].kind == kind


# ----------------------------------------------------------------------- detections of a clip


def clip_of(frames: int) -> Clip:
    return Clip("m", "m.mp4", "m.mp4", "s", 0, frames, 0, frames, Fraction(1, 30), Fraction(30),
                WIDTH, HEIGHT)  # fmt: skip


def detections_of(path: Path, every: int, frames: int = 9) -> Path:
    ball = Detection("ball", (10, 20, 30, 15), encode_box((10, 20, 40, 35), (HEIGHT, WIDTH)), 0.5)
    with write_detections(path, {"clip": {"teacher": "tiny"}}) as out:
        for frame in range(0, frames, every):
            out.add(image_row("m", frame, (WIDTH, HEIGHT)), [ball])
    return path


@pytest.mark.parametrize("every", [1, 2, 4])
def test_detections_of_some_frames_say_which(tmp_path: Path, every: int) -> None:
    found = load_detections(detections_of(tmp_path / "m.json", every), clip_of(9))
    assert found.found_by == "tiny"
    assert [bool(frame) for frame in found.frames] == [frame % every == 0 for frame in range(9)]
    assert found.unseen == {frame for frame in range(9) if frame % every}
    summary = frames_without_ball([found])
    assert summary["clips"]["m"] == {"frames": 9, "with_ball": len(range(0, 9, every)),
                                     "without": []}  # fmt: skip


def test_unseen_frames_are_no_negatives_in_a_dataset(tmp_path: Path) -> None:
    from workbench.footage.writer import VideoWriter

    with VideoWriter(tmp_path / "m.mp4", (WIDTH, HEIGHT), 30) as video:
        for frame in range(9):
            video.write(np.full((HEIGHT, WIDTH, 3), 20 * frame, np.uint8))
    found = load_detections(detections_of(tmp_path / "m.json", 2), clip_of(9))
    export_dataset([clip_of(9)], [found], tmp_path, tmp_path / "d", {"s": "train"}, every=1)
    rows = json.loads((tmp_path / "d/train" / ANNOTATIONS).read_text())
    assert [row["frame"] for row in rows["images"]] == [0, 2, 4, 6, 8]


Change = Callable[[dict[str, Any]], Any]
OTHERS: list[tuple[Change, str]] = [
    (lambda rows: rows["images"][1].update(frame=10**12), "frame 1000000000000 is none of"),
    (lambda rows: rows["images"][1].update(frame=0), "there before"),
    (lambda rows: rows["images"][1].update(width=50, height=30), "not of the clip's size"),
    (lambda rows: rows["annotations"][1].update(image_id=77), "unknown image"),
    (lambda rows: rows["annotations"][1].update(score="high"), "'score' is 'high'"),
    (lambda rows: rows["annotations"][1].update(bbox=[0, 0, float("nan"), 1]), "no box"),
    (lambda rows: rows["annotations"][1].update(segmentation=[FAR[0]]), "far from its image"),
    (lambda rows: rows.update(images=5), "no list 'images'"),
]


@pytest.mark.parametrize(("change", "said"), OTHERS)
def test_detections_that_are_not_of_the_clip_are_refused(
    tmp_path: Path, change: Change, said: str
) -> None:
    path = detections_of(tmp_path / "m.json", 1)
    rows = json.loads(path.read_text())
    rows["annotations"][0]["segmentation"] = [[10, 20, 40, 20, 40, 35, 10, 35]]
    path.write_text(json.dumps(rows, indent=1))
    rows["annotations"][2]["segmentation"] = {}
    path.write_text(json.dumps(rows, indent=1))
    frames = load_detections(path, clip_of(9)).frames
    assert frames[0][0].area_px == 450  # polygons are masks, too
    assert frames[2][0].mask is None
    change(rows)
    path.write_text(json.dumps(rows, indent=1))
    with pytest.raises(DatasetError, match=said) as caught:
        load_detections(path, clip_of(9))
    assert str(caught.value).count(str(path)) == 1


# --------------------------------------------------------------------------------------- fuzz

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 120),
    st.floats(),
    st.sampled_from([2**31, 2**53 + 1, 2**63, 2**64, 10**400, 2e8, 1e300, -1e300, 0.5, -0.0]),
    st.sampled_from(["", "1", "01", "a.jpg", "b.png", "../a.jpg", "/", "\0", "\ud800", "\udcff"]),
    st.sampled_from(["x" * 300, "e\u0301", "person", "ball", "train", "C:\\a.jpg", "i\\c.jpg"]),
    st.text(max_size=5),
)
NESTED = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(st.sampled_from(["size", "counts", "rotation", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)
COORDINATES = st.integers(-50, 250) | st.floats(-300, 300) | ODD
SHAPES = st.one_of(
    NESTED,
    st.lists(st.lists(COORDINATES, min_size=6, max_size=12), max_size=3),
    st.lists(COORDINATES, min_size=4, max_size=4),
    st.fixed_dictionaries(
        {
            "size": st.just([HEIGHT, WIDTH]) | st.lists(ODD, max_size=3),
            "counts": st.lists(st.integers(-9, 7000) | ODD, max_size=6)
            | st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=20)
            | st.just([100, 50, 5850]),
        }
    ),
)
KEYS = [
    *("id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd", "attributes"),
    *("score", "track_id", "file_name", "width", "height", "name", "frame", "clip_id", "session"),
]
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]


def valid() -> dict[str, Any]:
    """Two pictures of a clip, with a polygon, run lengths, a turned box and a box alone."""
    rows = content(segmentation=[[10, 20, 40, 20, 40, 35, 10, 35]], track_id=3)
    rows["images"][0] |= {"clip_id": "m", "frame": 0, "session": "s"}
    rows["images"].append(rows["images"][0] | {"id": 2, "file_name": "b.png", "frame": 1})
    plain = {"image_id": 2, "category_id": 1, "bbox": [1, 2, 30, 20], "score": 0.5}
    runs = {"size": [HEIGHT, WIDTH], "counts": [0, 50, HEIGHT * WIDTH - 50]}
    rows["annotations"] += [
        plain | {"id": 2, "segmentation": runs, "bbox": [0, 0, 1, 50]},
        plain | {"id": 3, "attributes": {"rotation": 30.0}},
        plain | {"id": 4, "category_id": 2},
    ]
    rows["categories"].append({"id": 2, "name": "person"})
    return rows


@st.composite
def files(draw_one: st.DrawFn) -> tuple[bytes, list[Any]]:
    """A COCO file with a few things wrong, and results for it."""
    rows, results = valid(), copy.deepcopy(valid()["annotations"])
    for _ in range(draw_one(st.integers(0, 4))):
        table = draw_one(st.sampled_from([*(rows[part] for part in list(rows)), results]))
        what = draw_one(
            st.sampled_from(["key", "key", "key", "shape", "drop", "row", "twice", "part"])
        )
        if what == "part":
            rows[draw_one(st.sampled_from([*rows, "licenses", "info", "clip"]))] = draw_one(NESTED)
        if not isinstance(table, list) or not table:
            continue
        place = draw_one(st.integers(0, len(table) - 1))
        row = table[place]
        if what == "row":
            table[place] = draw_one(NESTED)
        elif what == "twice":
            table.append(copy.deepcopy(row))
        elif isinstance(row, dict):
            if what == "drop" and row:
                row.pop(draw_one(st.sampled_from([*row])))
            elif what == "shape":
                row[draw_one(st.sampled_from(["segmentation", "bbox"]))] = draw_one(SHAPES)
            else:
                row[draw_one(st.sampled_from(KEYS))] = draw_one(NESTED)
    if draw_one(st.integers(0, 9)):
        text = json.dumps(rows, ensure_ascii=draw_one(st.booleans()))
        raw = text.encode(draw_one(st.sampled_from(ENCODINGS)), errors="replace")
    else:
        raw = json.dumps(rows).encode()
        cut = draw_one(st.integers(0, len(raw)))
        raw = raw[:cut] + draw_one(st.binary(max_size=4)) + raw[cut + draw_one(st.integers(0, 4)) :]
    return raw, results


@st.composite
def pictures(draw_one: st.DrawFn) -> bytes:
    """A picture with an orientation, and a few bytes of its head changed."""
    exif = Image.Exif()
    exif[0x112] = draw_one(st.integers(0, 9))
    out, form = io.BytesIO(), draw_one(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF"]))
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(out, form, exif=exif)
    raw = bytearray(out.getvalue())
    for place in draw_one(st.lists(st.integers(0, 200), max_size=3)):
        raw[place % len(raw)] = draw_one(st.integers(0, 255))
    return bytes(raw[: draw_one(st.integers(1, 4)) * len(raw) // draw_one(st.integers(1, 4))])


def through_every_door(raw: bytes, results: list[Any], picture: bytes, folder: Path) -> None:
    """Check, import, judge, correct with and load a file: nothing but errors of ours."""
    source, old = folder / "in" / ANNOTATIONS, folder / "old"
    source.parent.mkdir(exist_ok=True)
    source.write_bytes(raw)
    for name in ("a.jpg", "b.png"):
        (source.parent / name).write_bytes(picture)
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    labels = ClipDetections("m", "s", "t", WIDTH, HEIGHT, ((), ()))
    faults: list[Any] | None = None

    def check() -> None:
        nonlocal faults
        faults = check_coco(source, source.parent)
        assert all(str(fault).encode().decode().count("\n") == 0 for fault in faults)

    def bring(*, skip_bad: bool) -> None:
        out = folder / "new"
        made = import_coco(source, out, None, ImportOptions(skip_bad=skip_bad))
        for split in made.meta["counts"]:
            path = out / split / ANNOTATIONS
            json.loads(path.read_text(), parse_constant=pytest.fail)
            assert check_coco(path, out / split) == []
            coco = COCO(str(path))
            for row in coco.anns.values():
                assert row["segmentation"] == [] or coco.annToMask(row).shape == (HEIGHT, WIDTH)

    def over_the_old() -> None:
        import_coco(source, old)
        raise DatasetError("imported", "which is well")

    doors: list[Callable[[], Any]] = [
        check,
        lambda: bring(skip_bad=True),
        lambda: bring(skip_bad=False),
        lambda: evaluate_coco(source, results, "bbox").to_dict(resamples=2),
        lambda: evaluate_coco(source, results, "segm").to_dict(resamples=2),
        lambda: apply_corrections([labels], source).labels[0].frames[:],
        lambda: [
            [one.area_px for one in row] for row in load_detections(source, clip_of(9)).frames
        ],
    ]
    for door in doors:
        refused = ""
        try:
            door()
        except WorkbenchError as error:
            refused = str(error)
        assert "\n" not in refused
    if faults and {fault.kind for fault in faults} - {"turned by its EXIF"}:
        with pytest.raises(DatasetError):
            over_the_old()
        assert before == {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}


def fuzz(count: int, seed: int) -> None:
    """Send `count` files through every door; the last lies in the folder `coco-fuzz-SEED`."""
    folder = Path(tempfile.gettempdir()) / f"coco-fuzz-{seed}"
    draw(folder / "first" / "a.jpg")
    save(folder / "first", content())
    import_coco(folder / "first", folder / "old")

    @settings(
        max_examples=count, database=None, deadline=10_000, suppress_health_check=list(HealthCheck)
    )
    @given(files(), pictures())
    def one(file: tuple[bytes, list[Any]], picture: bytes) -> None:
        through_every_door(*file, picture, folder)

    import hypothesis

    hypothesis.seed(seed)(one)()


def test_no_file_crashes_hangs_or_costs_what_is_there() -> None:
    """In a process of its own: a crash of native code is a failure of this test, not its end."""
    child = multiprocessing.get_context("fork").Process(target=fuzz, args=(60, 12))
    child.start()
    child.join(300)
    assert child.exitcode == 0, "the last input is in coco-fuzz-12 in the temporary folder"
