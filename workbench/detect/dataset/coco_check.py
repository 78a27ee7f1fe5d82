"""What is wrong with a COCO file: every fault named by file, list and id.

The unit is one `Finding`. Rows that have one can be left out and the rest used: see `usable`.
Knows COCO's format and the image files, not what the labels should be: that is `quality`.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from reprlib import repr as shown
from typing import Any

from PIL import Image

from workbench.detect.dataset.coco_file import (
    LISTS,
    Content,
    Kind,
    is_id,
    is_row,
    load_coco,
)
from workbench.detect.dataset.pictures import UPRIGHT, Pictures, orientation_of, sizes_of
from workbench.detect.segmentation import SegmentationError, is_box, is_number, to_rle
from workbench.errors import DatasetError

SLACK_PX = 1.0  # tools round: a box may reach over the edge by this much
MOST_PIXELS = 2**28  # of an image: the largest cameras have 200 megapixels
TURNED = "turned by its EXIF"  # a kind of fault, which an import mends


@dataclass(frozen=True)
class Finding:
    """One fault."""

    file: Path  # the annotation file
    part: str  # "images", "annotations" and so on
    place: int  # in that list
    row_id: Any  # as the file has it; None if it has none
    kind: str  # what sort of fault, the same words for the same sort
    said: str  # what was found

    def __str__(self) -> str:
        named = "" if self.row_id is None else f" (id {self.row_id})"
        text = f"{self.file}: {self.part}[{self.place}]{named}: {self.kind}: {self.said}"
        return text.encode(errors="backslashreplace").decode()  # halves of characters


Fault = tuple[str, str]  # kind, what was found
Judge = Callable[[Mapping[str, Any]], Iterable[Fault]]  # says what is wrong with a row


def check_coco(
    path: Path,
    images_dir: Path | None = None,
    content: Content | None = None,
    kind: Kind | None = None,
) -> list[Finding]:
    """Return the faults of a COCO file, in the order of its rows.

    Args:
        path: The annotation file.
        images_dir: Where its images are; by default they are not looked at.
        content: Of the file, where `load_coco` has read it before.
        kind: Look only for what an evaluator of boxes, or of masks, minds; None: for everything.

    Raises:
        DatasetError: If it is no COCO file at all.
    """
    content = load_coco(path) if content is None else content
    annotations, kept = _annotation_judge(content, kind), kind is None
    return [
        *_check_rows(path, "images", content["images"], _image_judge(images_dir, kind), kept),
        *_check_rows(path, "annotations", content["annotations"], annotations, kept, has_ids=kept),
        *_check_rows(path, "categories", content["categories"], _category_faults, kept),
    ]


def check_results(
    results: Sequence[Any], path: Path, truth: Mapping[str, Any], kind: Kind
) -> list[Finding]:
    """Return the faults of COCO results, which an evaluator judges against `truth`."""
    judge = _annotation_judge(truth, kind, has_score=True)
    return [*_check_rows(path, "results", results, judge, False, has_ids=False)]


def _check_rows(
    path: Path, part: str, rows: Sequence[Any], judge: Judge, kept: bool, *, has_ids: bool = True
) -> Iterator[Finding]:
    seen: set[int] = set()
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            yield Finding(path, part, place, None, "not an object", shown(row))
            continue
        row_id = row.get("id")
        faults = [*(_id_faults(row_id, seen) if has_ids else ()), *judge(row)]
        if kept and all(kind == TURNED for kind, _ in faults):  # which an import mends
            faults += _unwritable(row)
        yield from (Finding(path, part, place, row_id, *fault) for fault in faults)


def _unwritable(row: Mapping[str, Any]) -> Iterator[Fault]:
    """What an import, which keeps further keys, could not write."""
    try:
        json.dumps(row, allow_nan=False)
    except (ValueError, RecursionError):
        yield "a value that JSON has not", f"NaN, infinity or lists too deep in {shown(row)}"


def _id_faults(row_id: Any, seen: set[int]) -> Iterator[Fault]:
    if not is_id(row_id):
        yield "no id", f"'id' is {shown(row_id)}"
    elif row_id in seen:
        yield "duplicate id", f"id {row_id!r} is used before"
    else:
        seen.add(row_id)


def refuse(findings: Sequence[Finding], remedy: str) -> None:
    """Do nothing where there is no finding.

    Raises:
        DatasetError: If there is one; it names the first.
    """
    if findings:
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        raise DatasetError(f"{findings[0]}{more}", remedy)


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
    sound = kept["annotations"]
    kept["annotations"] = [
        row for row in sound if row["image_id"] in images and row["category_id"] in categories
    ]
    if orphans := len(sound) - len(kept["annotations"]):
        left_out["annotations: with their image or category"] = orphans
    return {**content, **kept}, left_out


def _category_faults(row: Mapping[str, Any]) -> Iterator[Fault]:
    if not isinstance(row.get("name"), str) or not row["name"]:
        yield "category without a name", f"'name' is {shown(row.get('name'))}"


def _size_wh(image: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    if is_id(width) and is_id(height) and min(width, height) > 0 and width * height <= MOST_PIXELS:
        return width, height
    return None


def _image_judge(images_dir: Path | None, kind: Kind | None) -> Judge:
    names: set[str] = set()
    pictures = None if images_dir is None else Pictures(images_dir)

    def judge(row: Mapping[str, Any]) -> Iterator[Fault]:
        name, size_wh = row.get("file_name"), _size_wh(row)
        if size_wh is None:
            wh = f"'width' is {shown(row.get('width'))}, 'height' is {shown(row.get('height'))}"
            yield "image without a size", f"{wh}, pixels up to {MOST_PIXELS} are read"
        if kind is not None:
            return
        if not isinstance(name, str) or not name:
            yield "image without a file", f"'file_name' is {shown(name)}"
            return
        if name in names:
            yield "duplicate file", f"{name} is the file of an image before"
        names.add(name)
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            yield "file outside the image folder", name
        elif pictures is not None:
            yield from _file_faults(pictures, name, size_wh)

    return judge


def _file_faults(pictures: Pictures, name: str, said_wh: tuple[int, int] | None) -> Iterator[Fault]:
    found = pictures.find(name)
    if len(found) != 1:
        kind = "ambiguous image file" if found else "missing image file"
        yield kind, " or ".join(map(str, found[:2])) or str(pictures.folder / name)
        return
    (path,) = found
    try:
        with Image.open(path) as image:
            sizes, orientation = sizes_of(image), orientation_of(image)
            image.draft("L", (1, 1))  # eight times smaller where JPEG allows it, yet to its end
            image.load()  # the header alone says nothing of a picture that is cut short
    except Exception as error:  # Pillow's readers raise whatever a damaged file leads them to
        yield "unreadable image file", f"{path} ({shown(str(error))})"
        return
    if said_wh is not None and said_wh not in sizes:
        said, there = (f"{width}×{height}" for width, height in (said_wh, sizes[0]))
        yield "size mismatch", f"{path} is {there}, the row says {said}"
    elif orientation != UPRIGHT:
        yield TURNED, f"{path}: some readers turn it, some do not; `workbench dataset import` does"


def _annotation_judge(
    content: Mapping[str, Any], kind: Kind | None, *, has_score: bool = False
) -> Judge:
    image_to_row = {row["id"]: row for row in content["images"] if is_row(row)}
    categories = {row["id"] for row in content["categories"] if is_row(row)}

    def judge(row: Mapping[str, Any]) -> Iterator[Fault]:
        category_id, image_id = row.get("category_id"), row.get("image_id")
        if row.get("iscrowd", 0) not in (0, 1):
            yield "broken iscrowd", f"'iscrowd' is {shown(row['iscrowd'])}, not 0 or 1"
        if has_score and not is_number(row.get("score")):
            yield "no score", f"'score' is {shown(row.get('score'))}"
        if not is_id(category_id) or category_id not in categories:
            yield "unknown category", f"'category_id' is {shown(category_id)}"
        if not is_id(image_id) or image_id not in image_to_row:
            yield "unknown image", f"'image_id' is {shown(image_id)}"
            return
        image = image_to_row[image_id]
        size_wh = _size_wh(image)
        if size_wh is None:
            return  # the image has its own finding
        width, height = size_wh
        of_image = f"of image {image_id} ({image.get('file_name')}, {width}×{height})"
        if kind != "segm" and not is_box(row.get("bbox")):
            yield "no box", f"'bbox' is {shown(row.get('bbox'))}, {of_image}"
        elif kind is None:
            yield from _box_faults(row["bbox"], width, height, of_image)
        # Absent or empty where only boxes were drawn.
        if kind == "segm" or (kind is None and row.get("segmentation")):
            try:
                to_rle(row.get("segmentation"), height, width)
            except SegmentationError as error:
                yield "broken segmentation", f"{error}, {of_image}"

    return judge


def _box_faults(box: Sequence[float], width: int, height: int, of_image: str) -> Iterator[Fault]:
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
