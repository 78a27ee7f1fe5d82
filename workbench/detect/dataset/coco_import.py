"""Datasets made elsewhere (Roboflow, CVAT, any COCO tool), brought into the form of our own.

The unit is one dataset on disk. Class names are mapped, ids made new, images copied as they are
unless their EXIF wants them turned;
rows with a fault are refused or, if so asked, left out, counted and listed. Extra keys of images
and annotations stay.
"""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pycocotools import mask as rle

from workbench.detect.dataset.coco import CocoDataset, DatasetWriter, FreeNames
from workbench.detect.dataset.coco_check import TURNED, Finding, check_coco, refuse, usable
from workbench.detect.dataset.coco_file import (
    CocoFolder,
    Content,
    composed,
    find_coco,
    is_id,
    load_coco,
)
from workbench.detect.dataset.derived import DERIVED_TO_BASE, FIVE_CLASSES
from workbench.detect.dataset.pictures import Pictures, read_upright
from workbench.detect.detections import CLASSES, plain_rle
from workbench.detect.segmentation import to_rle
from workbench.errors import DatasetError
from workbench.footage.clips import Origin
from workbench.training.splits import SPLITS, split_or_train

log = logging.getLogger(__name__)

IMPORTED = "imported"  # the teacher of labels that do not name theirs


@dataclass(frozen=True)
class ImportOptions:
    """How a foreign dataset is read."""

    classes: Mapping[str, str] | None = None  # their class to ours; None keeps all that are used
    split: str = "train"  # of images whose layout names no split and whose session is not known
    session_pattern: str = ""  # its first group, in a file name, is the session
    crowds_are_objects: bool = False  # some tools mark every mask that is not one polygon a crowd
    skip_bad: bool = False  # leave rows with a fault out instead of refusing the dataset


def import_coco(
    source: Path,
    out_dir: Path,
    images_dir: Path | None = None,
    options: ImportOptions | None = None,
) -> CocoDataset:
    """Copy a COCO dataset into `out_dir` as trainers here read it, with `dataset_meta.json`.

    Splits are those of the layout. Where it has none, images that name their session (`session`, or
    the pattern) are split by it, and others all go into one split: frames are never dealt out.

    Args:
        source: A COCO file, or a folder as Roboflow or CVAT exports it.
        out_dir: The new dataset's folder.
        images_dir: Where the images are, if not where the layout has them.
        options: How to read it.

    Returns:
        The dataset; its meta counts what was left out (`left_out`) and lists the `faults`.

    Raises:
        DatasetError: If there is no COCO file, a row has a fault (unless they are to be skipped),
            or an option does not fit.
    """
    options = options or ImportOptions()
    if options.split not in SPLITS:
        raise DatasetError(f"split {options.split!r}", f"choose one of {', '.join(SPLITS)}")
    try:
        re.compile(options.session_pattern)
    except re.error as error:
        problem = f"session pattern {options.session_pattern!r} ({error})"
        raise DatasetError(problem, "give a regular expression with one group") from None
    folders = find_coco(source)
    if images_dir is not None:
        folders = [replace(folder, images_dir=images_dir) for folder in folders]
    contents, findings, left_out = _read(folders)
    if not options.skip_bad:
        refuse(findings, "list all with `workbench dataset check`, or leave them out: --skip-bad")
    plan = _planned(folders, contents, options)
    name_to_ours = _class_names(contents, options.classes)
    writer = DatasetWriter(out_dir, _ordered(name_to_ours.values()))
    crowds = turned = 0
    for content, planned in zip(contents, plan, strict=True):
        names = {row["id"]: row["name"] for row in content["categories"]}
        image_to_rows = defaultdict(list)
        for row in content["annotations"]:
            if names[row["category_id"]] in name_to_ours:
                image_to_rows[row["image_id"]].append(row)
            else:
                left_out[f"annotations: class {names[row['category_id']]}"] += 1
        for image, (split, name, path) in zip(content["images"], planned, strict=True):
            annotations = []
            for row in image_to_rows[image["id"]]:
                ours = name_to_ours[names[row["category_id"]]]
                number = writer.classes.index(ours) + 1
                annotations.append(_annotation(row, image, number, options))
            crowds += sum(annotation["iscrowd"] for annotation in annotations)
            picture, was_turned = read_upright(path, (image["width"], image["height"]))
            turned += was_turned
            writer.add(split, name, picture, image, annotations)
    if turned:
        log.warning(
            "turned as their EXIF says, and as labelling tools show them: %d pictures", turned
        )
    return writer.finish(
        _origin(source, contents),
        teachers=[IMPORTED],
        crowds=crowds,
        turned=turned,
        left_out=dict(sorted(left_out.items())),
        faults=[str(finding) for finding in findings],
    )


def _read(folders: Sequence[CocoFolder]) -> tuple[list[Content], list[Finding], Counter[str]]:
    """Read all files without the rows that have a fault; what those were, and how many."""
    contents, findings, left_out = [], [], Counter[str]()
    for folder in folders:
        content = load_coco(folder.file)
        found = check_coco(folder.file, folder.images_dir, content)
        found = [one for one in found if one.kind != TURNED]
        kept, gone = usable(content, found)
        contents.append(kept)
        findings += found
        left_out += gone
    return contents, findings, left_out


def parse_class_map(text: str) -> dict[str, str]:
    """Read a class mapping such as "player=person,soccer ball=ball".

    Raises:
        DatasetError: If a part is not NAME=NAME.

    Example:
        >>> parse_class_map("player=person, goalkeeper=person")
        {'player': 'person', 'goalkeeper': 'person'}
    """
    parts = [part.strip().partition("=") for part in composed(text).split(",")]
    if not all(theirs.strip() and ours.strip() for theirs, _, ours in parts):
        raise DatasetError(f"class mapping {text!r}", "give THEIRS=OURS,THEIRS=OURS")
    return {theirs.strip(): ours.strip() for theirs, _, ours in parts}


def _class_names(contents: Sequence[Content], wanted: Mapping[str, str] | None) -> dict[str, str]:
    """Their class names to ours; without a wish, those that objects have."""
    used: dict[str, None] = {}
    there: set[str] = set()
    for content in contents:
        names = {row["id"]: row["name"] for row in content["categories"]}
        there |= set(names.values())
        used |= dict.fromkeys(names[row["category_id"]] for row in content["annotations"])
    if wanted is None:
        return {name: name for name in used}
    absent = sorted(set(wanted) - there)
    if absent:
        raise DatasetError(
            f"no class {absent[0]!r} in the dataset", f"it has {', '.join(sorted(there))}"
        )
    return dict(wanted)


def _ordered(names: Iterable[str]) -> list[str]:
    """Classes in our order, ours complete, so that datasets of ours have the same ids."""
    wanted = list(dict.fromkeys(names))
    known: Sequence[str] = ()
    if set(wanted) & set(FIVE_CLASSES):
        known = CLASSES if set(wanted).isdisjoint(DERIVED_TO_BASE) else FIVE_CLASSES
    return [*known, *(name for name in wanted if name not in known)]


def _planned(
    folders: Sequence[CocoFolder], contents: Sequence[Content], options: ImportOptions
) -> list[list[tuple[str, str, Path]]]:
    """Split, name there and file of every picture, file by file.

    Folders are part of the name, and so is the COCO file's where there are several in one split.

    Raises:
        DatasetError: If a picture would replace another, or has labels in two files.
    """
    picture_to_file: dict[Path, Path] = {}
    names, plan = FreeNames(), []
    for folder, content in zip(folders, contents, strict=True):
        pictures, planned = Pictures(folder.images_dir), []
        prefix = f"{folder.name}_" if folder.split is None and len(folders) > 1 else ""
        for image, split in zip(content["images"], _splits(folder, content, options), strict=True):
            (picture,) = pictures.find(image["file_name"])
            other = picture_to_file.setdefault(picture, folder.file)
            if other != folder.file:
                raise DatasetError(
                    f"{picture} has labels in {other} and in {folder.file}",
                    "merge the two, or import each with its own images",
                )
            name = prefix + image["file_name"].replace("/", "_")
            names.take(split, name)
            planned.append((split, name, picture))
        plan.append(planned)
    return plan


def _splits(folder: CocoFolder, content: Content, options: ImportOptions) -> list[str]:
    """The split of every image of one file."""
    images: Sequence[dict[str, Any]] = content["images"]
    if folder.split is not None:
        return [folder.split] * len(images)
    for image in images:
        found = re.search(options.session_pattern, image["file_name"])
        if found and found.groups() and found[1]:
            image["session"] = found[1]
    named = [image.get("session") for image in images]
    sessions = [session for session in named if isinstance(session, str)]
    if len(sessions) < len(images):
        return [options.split] * len(images)
    session_to_split = split_or_train(sessions)
    return [session_to_split[session] for session in sessions]


def _annotation(
    row: Mapping[str, Any], image: Mapping[str, Any], category_id: int, options: ImportOptions
) -> dict[str, Any]:
    annotation: dict[str, Any] = {"iscrowd": 0, "teacher": IMPORTED, **row}
    annotation["category_id"] = category_id
    annotation["iscrowd"] = 0 if options.crowds_are_objects else int(annotation["iscrowd"])
    segmentation = row.get("segmentation") or []
    if isinstance(segmentation, dict) or (segmentation and "area" not in row):
        runs = to_rle(segmentation, image["height"], image["width"])
        annotation.setdefault("area", int(rle.area(runs)))
        segmentation = plain_rle(runs) if isinstance(segmentation, dict) else segmentation
    annotation["segmentation"] = segmentation
    annotation.setdefault("area", row["bbox"][2] * row["bbox"][3])
    attributes = row.get("attributes")
    if isinstance(attributes, dict) and is_id(attributes.get("track_id")):
        annotation.setdefault("track_id", attributes["track_id"])  # where CVAT keeps it
    return annotation


def _origin(source: Path, contents: Sequence[Content]) -> Origin:
    licences = {
        str(row["name"])
        for content in contents
        if isinstance(content.get("licenses"), list)
        for row in content["licenses"]
        if isinstance(row, dict) and row.get("name")
    }
    return Origin(f"imported from {source.name}", ", ".join(sorted(licences)) or "unknown")
