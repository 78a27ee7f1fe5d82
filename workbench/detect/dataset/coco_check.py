"""What is wrong with a COCO file: every fault named by file, list and id.

The unit is one `Finding`. Rows that have one can be left out and the rest used: see `usable`.
Knows COCO's format and the image files, not what the labels should be: that is `quality`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from workbench.detect.dataset.coco_file import LISTS, Content, is_id, load_coco
from workbench.detect.segmentation import SegmentationError, is_box, to_rle
from workbench.errors import DatasetError

SLACK_PX = 1.0  # tools round: a box may reach over the edge by this much


@dataclass(frozen=True)
class Finding:
    """One fault."""

    file: Path  # the annotation file
    part: str  # "images", "annotations" or "categories"
    place: int  # in that list
    row_id: Any  # as the file has it; None if it has none
    kind: str  # what sort of fault, the same words for the same sort
    said: str  # what was found

    def __str__(self) -> str:
        named = f"{self.part}[{self.place}] (id {self.row_id})"
        return f"{self.file}: {named}: {self.kind}: {self.said}"


@dataclass(frozen=True)
class CocoFolder:
    """One annotation file of a dataset on disk, and where its images are."""

    file: Path
    images_dir: Path
    split: str | None  # "train", "valid" or "test" where the layout says


def find_coco(path: Path) -> list[CocoFolder]:
    """Return the annotation files below a folder, in the layouts that tools export.

    Known are `SPLIT/_annotations.coco.json` beside its images (ours, Roboflow's),
    `annotations/instances_SPLIT.json` with `images/SPLIT` or `images` (CVAT, COCO), and
    `_annotations.coco.json` in the folder itself. A file stands for itself, its images beside it.

    Raises:
        DatasetError: If there is none.
    """
    if path.is_file():
        return [CocoFolder(path, path.parent, None)]
    found = []
    ours = "_annotations.coco.json"
    for file in sorted([*path.glob(ours), *path.glob(f"*/{ours}")]):
        found.append(CocoFolder(file, file.parent, _split_of(file.parent.name)))
    for file in sorted(path.glob("annotations/instances_*.json")):
        name = file.stem.removeprefix("instances_")
        images_dir = path / "images" / name
        here = images_dir if images_dir.is_dir() else path / "images"
        found.append(CocoFolder(file, here, _split_of(name)))
    if not found:
        problem = f"{path} holds no COCO annotations" if path.exists() else f"{path} is absent"
        raise DatasetError(problem, "give a COCO JSON file, or a folder exported as COCO")
    return found


def check_coco(path: Path, images_dir: Path | None = None) -> list[Finding]:
    """Return all faults of a COCO file, in the order of its rows.

    Args:
        path: The annotation file.
        images_dir: Where its images are; by default they are not looked at.

    Raises:
        DatasetError: If it is no COCO file at all.
    """
    return check_content(load_coco(path), path, images_dir)


def check_content(content: Content, path: Path, images_dir: Path | None) -> list[Finding]:
    """Return all faults of content that was read from `path`."""
    judges = {
        "images": _image_judge(images_dir),
        "annotations": _annotation_judge(content),
        "categories": _category_fault,
    }
    findings: list[Finding] = []
    for part, judge in judges.items():
        seen: set[int | str] = set()
        for place, row in enumerate(content[part]):
            row_id = row.get("id") if isinstance(row, dict) else None
            faults = (
                [*_id_faults(row_id, seen), *judge(row)]
                if isinstance(row, dict)
                else [("not an object", repr(row)[:40])]
            )
            findings += [Finding(path, part, place, row_id, *fault) for fault in faults]
    return findings


def usable(content: Content, findings: Iterable[Finding]) -> tuple[Content, Counter[str]]:
    """Return the content without rows that have a finding, and what was left out.

    Annotations go with their image or category.

    Returns:
        The content, and how many rows of each part went, by part and kind of fault
        ("annotations: box outside the image"); annotations that went with another row are
        "annotations: with their image or category".
    """
    bad: dict[tuple[str, int], str] = {}
    for finding in findings:
        bad.setdefault((finding.part, finding.place), finding.kind)
    kept = {
        part: [row for place, row in enumerate(content[part]) if (part, place) not in bad]
        for part in LISTS
    }
    left_out = Counter(f"{part}: {kind}" for (part, _), kind in bad.items())
    images = {row["id"] for row in kept["images"]}
    categories = {row["id"] for row in kept["categories"]}
    orphans = [
        row
        for row in kept["annotations"]
        if row["image_id"] not in images or row["category_id"] not in categories
    ]
    if orphans:
        left_out["annotations: with their image or category"] = len(orphans)
        lost = {row["id"] for row in orphans}
        kept["annotations"] = [row for row in kept["annotations"] if row["id"] not in lost]
    return {**content, **kept}, left_out


Fault = tuple[str, str]  # kind, what was found


def _id_faults(row_id: Any, seen: set[int | str]) -> Iterator[Fault]:
    if not is_id(row_id):
        yield "no id", f"'id' is {row_id!r}"
    elif row_id in seen:
        yield "duplicate id", f"id {row_id!r} is used before"
    else:
        seen.add(row_id)


def _category_fault(row: Mapping[str, Any]) -> Iterator[Fault]:
    if not isinstance(row.get("name"), str) or not row["name"]:
        yield "category without a name", f"'name' is {row.get('name')!r}"


def _image_judge(images_dir: Path | None) -> Callable[[Mapping[str, Any]], Iterator[Fault]]:
    names: set[str] = set()

    def judge(row: Mapping[str, Any]) -> Iterator[Fault]:
        name, width, height = row.get("file_name"), row.get("width"), row.get("height")
        has_size = all(isinstance(side, int) and side > 0 for side in (width, height))
        if not has_size:
            yield "image without a size", f"'width' is {width!r}, 'height' is {height!r}"
        if not isinstance(name, str) or not name:
            yield "image without a file", f"'file_name' is {name!r}"
            return
        if name in names:
            yield "duplicate file", f"{name} is the file of an image before"
        names.add(name)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            yield "file outside the image folder", name
        elif images_dir is not None:
            yield from _file_faults(images_dir / name, (width, height) if has_size else None)

    return judge


def _file_faults(path: Path, said_wh: tuple[Any, Any] | None) -> Iterator[Fault]:
    try:
        with Image.open(path) as image:
            found_wh = image.size
    except FileNotFoundError:
        yield "missing image file", str(path)
        return
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        yield "unreadable image file", f"{path} ({error})"
        return
    if said_wh is not None and found_wh != said_wh:
        said, found = (f"{width}×{height}" for width, height in (said_wh, found_wh))
        yield "size mismatch", f"{path} is {found}, the row says {said}"


def _annotation_judge(content: Content) -> Callable[[Mapping[str, Any]], Iterator[Fault]]:
    image_to_row = {row.get("id"): row for row in _rows(content["images"])}
    categories = {row.get("id") for row in _rows(content["categories"])}

    def judge(row: Mapping[str, Any]) -> Iterator[Fault]:
        category_id, image_id = row.get("category_id"), row.get("image_id")
        if row.get("iscrowd", 0) not in (0, 1):
            yield "broken iscrowd", f"'iscrowd' is {row['iscrowd']!r}, not 0 or 1"
        if not is_id(category_id) or category_id not in categories:
            yield "unknown category", f"category_id {category_id!r}"
        if not is_id(image_id) or image_id not in image_to_row:
            yield "unknown image", f"image_id {image_id!r}"
            return
        image = image_to_row[image_id]
        width, height = image.get("width"), image.get("height")
        if not isinstance(width, int) or not isinstance(height, int):
            return  # the image has its own finding
        of_image = f"of image {image_id} ({image.get('file_name')}, {width}×{height})"
        yield from _box_faults(row.get("bbox"), width, height, of_image)
        if row.get("segmentation"):  # absent or empty where only boxes were drawn
            try:
                to_rle(row["segmentation"], height, width)
            except SegmentationError as error:
                yield "broken segmentation", f"{error}, {of_image}"

    return judge


def _box_faults(box: Any, width: float, height: float, of_image: str) -> Iterator[Fault]:
    if not is_box(box):
        yield "no box", f"'bbox' is {box!r}, {of_image}"
        return
    x, y, box_width, box_height = box
    inside_width = min(x + box_width, width) - max(x, 0)
    inside_height = min(y + box_height, height) - max(y, 0)
    if box_width <= 0 or box_height <= 0:
        yield "empty box", f"{box} {of_image}"
    elif (
        min(inside_width, inside_height) <= 0
        or max(box_width - inside_width, box_height - inside_height) > SLACK_PX
    ):
        yield "box outside the image", f"{box} {of_image}"


def _rows(rows: Sequence[Any]) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict) and is_id(row.get("id"))]


def _split_of(name: str) -> str | None:
    """The split a folder or file is named after, as tools call it."""
    known = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid"}
    return (known | {"test": "test"}).get(name.lower())
