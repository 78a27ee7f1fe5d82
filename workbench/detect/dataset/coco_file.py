"""COCO files found in the layouts that tools export, and read as they are.

The unit is one file (or its content). What is wrong with its rows is left to `coco_check`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeGuard

from workbench.errors import DatasetError
from workbench.saving import reading

Kind = Literal["bbox", "segm"]
Content = dict[str, Any]  # of a COCO file
LISTS = ("images", "annotations", "categories")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DatasetError: If it is absent or not JSON.
    """
    with reading(path, remedy="give a COCO JSON file") as content:
        return content


def load_coco(source: Path | Mapping[str, Any]) -> Content:
    """Read a COCO file as it is, or take its content.

    Raises:
        DatasetError: If it is not JSON with lists of images, annotations and categories.
    """
    name = str(source) if isinstance(source, Path) else "ground truth"
    content = read_json(source) if isinstance(source, Path) else source
    for part in LISTS:
        if not isinstance(content, Mapping) or not isinstance(content.get(part), list):
            raise DatasetError(f"{name} has no list {part!r}", "give COCO ground truth")
    return dict(content)


def is_id(value: Any) -> TypeGuard[int]:
    """Say whether a value from JSON can be an id: a whole number, as COCO has it."""
    return isinstance(value, int) and not isinstance(value, bool)


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


def _split_of(name: str) -> str | None:
    """The split a folder or file is named after, as tools call it."""
    known = {"train": "train", "valid": "valid", "val": "valid", "validation": "valid"}
    return (known | {"test": "test"}).get(name.lower())
