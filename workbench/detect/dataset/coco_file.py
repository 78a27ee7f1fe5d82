"""COCO files found in the layouts that tools export, and read in one form.

The unit is one file (or its content). What tools write in forms of their own becomes COCO's; what
is wrong with the rows is left to `coco_check`.
"""

import logging
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeGuard

from workbench.detect.segmentation import MOST_NUMBER, is_box, is_number
from workbench.errors import DatasetError
from workbench.footage.clips import video_name
from workbench.saving import reading

log = logging.getLogger(__name__)

Kind = Literal["bbox", "segm"]
Content = dict[str, Any]  # of a COCO file
LISTS = ("images", "annotations", "categories")

_IDS = {"id", "image_id", "category_id"}
_WHOLE = _IDS | {"width", "height", "frame", "iscrowd"}
_OPTIONAL = {"iscrowd", "area", "segmentation"}
_MOST_DIGITS = 18  # of a number in 64 bits


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: If it is absent or not JSON.
    """
    with reading(path, remedy="give a COCO JSON file") as content:
        return content


def load_coco(source: Path | Mapping[str, Any]) -> Content:
    """Read a COCO file, or take its content, with rows in COCO's form: see `plain_row`.

    A box that CVAT has turned becomes the box around it, cut to its image, which is logged.

    Raises:
        DatasetError: If it is not JSON with lists of images, annotations and categories.
    """
    name = str(source) if isinstance(source, Path) else "ground truth"
    content = read_json(source) if isinstance(source, Path) else source
    for part in LISTS:
        if not isinstance(content, Mapping) or not isinstance(content.get(part), list):
            raise DatasetError(f"{name} has no list {part!r}", "give COCO ground truth")
    parts = {part: [plain_row(row) for row in content[part]] for part in LISTS}
    turned = [row for row in parts["annotations"] if _is_turned(row)]
    if turned:
        images = {row["id"]: row for row in parts["images"] if is_row(row)}
        for row in turned:
            image_id = row.get("image_id")
            _turn_box(row, images.get(image_id, {}) if is_id(image_id) else {})
        log.warning(
            "%s: turned (attributes.rotation), the box around is taken: %d boxes", name, len(turned)
        )
    return {**content, **parts}


class TextId(int):
    """A whole number in place of an id that is no number: the same text, the same number."""

    text: str

    def __new__(cls, text: str) -> "TextId":
        """The number of a text: 60 bits of its digest."""
        digest = sha256(text.encode(errors="surrogatepass")).hexdigest()
        own = super().__new__(cls, int(digest[:15], 16))
        own.text = text
        return own

    def __repr__(self) -> str:
        return repr(self.text)


def plain_row(row: Any) -> Any:
    """A row of a COCO file in COCO's form; what is no object stays as it is.

    Ids and sizes that are text or have a decimal point become whole numbers, ids of letters a
    `TextId`; names are composed (NFC), those of files as `footage.clips.video_name` has them;
    what may be absent is absent where it is null, and an area also where it is none.
    """
    if not isinstance(row, Mapping):
        return row
    plain = {key: value for key, value in row.items() if value is not None or key not in _OPTIONAL}
    for key in _WHOLE & plain.keys():
        plain[key] = _whole(plain[key], is_id_key=key in _IDS)
    for key, named in (("file_name", video_name), ("name", composed)):
        if isinstance(plain.get(key), str) and plain[key]:
            plain[key] = named(plain[key])
    if not (is_number(plain.get("area")) and plain["area"] >= 0):
        plain.pop("area", None)
    return plain


def composed(name: str) -> str:
    """A name in Unicode's composed form (NFC), in which equal names are equal."""
    return unicodedata.normalize("NFC", name)


def _whole(value: Any, *, is_id_key: bool) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < MOST_NUMBER:
        return int(value)
    if isinstance(value, str) and value:
        if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
            return int(value)
        return TextId(value) if is_id_key else value
    return value


def is_id(value: Any) -> TypeGuard[int]:
    """Say whether a value from JSON can be an id: a whole number, as COCO has it, in 64 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_row(row: Any) -> bool:
    """Say whether a row of a COCO file is an object with an id."""
    return isinstance(row, Mapping) and is_id(row.get("id"))


def _is_turned(row: Any) -> bool:
    """Whether a row is a turned box: CVAT writes the box before the turn, and the angle."""
    if not isinstance(row, Mapping) or row.get("segmentation") or not is_box(row.get("bbox")):
        return False
    attributes = row.get("attributes")
    angle = attributes.get("rotation") if isinstance(attributes, Mapping) else None
    return is_number(angle) and angle % 360 != 0


def _turn_box(row: dict[str, Any], image: Mapping[str, Any]) -> None:
    """Put the box around a turned box, which is turned about its middle, in its place."""
    x, y, width, height = row["bbox"]
    angle = math.radians(row["attributes"]["rotation"])
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    around = []
    for middle, across, side in (
        (x + width / 2, width * cos + height * sin, "width"),
        (y + height / 2, width * sin + height * cos, "height"),
    ):
        end = image[side] if is_number(image.get(side)) else math.inf
        start = max(middle - across / 2, 0)
        around.append((round(start, 2), round(min(middle + across / 2, end) - start, 2)))
    row["bbox"] = [value for pair in zip(*around, strict=True) for value in pair]
    row["attributes"] = {**row["attributes"], "rotation": 0.0}
    row.pop("area", None)


@dataclass(frozen=True)
class CocoFolder:
    """One annotation file of a dataset on disk, and where its images are."""

    file: Path
    images_dir: Path
    name: str  # of this part of the dataset
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
        return [CocoFolder(path, path.parent, path.stem, None)]
    found = []
    ours = "_annotations.coco.json"
    for file in sorted([*path.glob(ours), *path.glob(f"*/{ours}")]):
        name = file.parent.name
        found.append(CocoFolder(file, file.parent, name, _split_of(name)))
    for file in sorted(path.glob("annotations/instances_*.json")):
        name = file.stem.removeprefix("instances_")
        images_dir = path / "images" / name
        here = images_dir if images_dir.is_dir() else path / "images"
        found.append(CocoFolder(file, here, name, _split_of(name)))
    if not found:
        problem = f"{path} holds no COCO annotations" if path.exists() else f"{path} is absent"
        raise DatasetError(problem, "give a COCO JSON file, or a folder exported as COCO")
    return found


def _split_of(name: str) -> str | None:
    """The split a folder or file is named after, as tools call it."""
    known = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid"}
    return (known | {"test": "test"}).get(name.lower())
