"""Labels that a person has corrected, in any COCO tool, come back and win over the teacher's.

The unit is one frame: what the file says about a frame replaces all labels of that frame; frames
that are not in the file keep the teacher's. A dataset exported afterwards holds every such frame,
also one that its grid would leave out. Frames are known by `clip_id` and `frame`, or by the
file name that the dataset gave them, whatever a tool has hung onto it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from workbench.detect.dataset.coco_check import check_coco, refuse
from workbench.detect.dataset.coco_file import is_id, load_coco
from workbench.detect.dataset.derived import DERIVED_TO_BASE, SAID_CLASS
from workbench.detect.detections import (
    CLASSES,
    HUMAN,
    Detection,
    FrameDetections,
    encode_box,
    plain_rle,
)
from workbench.detect.segmentation import to_rle
from workbench.detect.store import ClipDetections, LazyFrames
from workbench.errors import DatasetError

# CLIP_000012.jpg of a dataset or CLIP/000012.jpg of raw labels; Roboflow makes it
# CLIP_000012_jpg.rf.0123abcd.jpg, others put folders in front.
_FRAME_FILE = re.compile(r"(?P<clip>[^/]+)[_/](?P<frame>\d{6,15})(_\w+\.rf\.\w+)?\.\w+$")


@dataclass(frozen=True)
class Corrected:
    """Labels after correction."""

    labels: list[ClipDetections]
    frames: int  # that a person has decided
    confirmed: int  # labels of these frames that are exactly the teacher's
    added: int  # labels that are not: new, moved, or of another class


def apply_corrections(labels: Sequence[ClipDetections], corrections_file: Path) -> Corrected:
    """Replace the labels of corrected frames.

    A person's detections are found by "human" and have no score, which counts as sure. A class
    derived from others (`player_with_ball`) that a person gives stays as said if the file has such
    classes.

    Args:
        labels: Of a teacher.
        corrections_file: COCO JSON; every image in it counts as looked at, also one without labels.

    Raises:
        DatasetError: If the file has a fault, or an image or class that is none of ours.

    Example:
        >>> corrected = apply_corrections(labels, Path("edited.json"))  # doctest: +SKIP
    """
    content = load_coco(corrections_file)
    faults = check_coco(corrections_file, content=content)
    refuse(faults, "correct it in the labelling tool and export again")
    clip_to_labels = {own.clip_id: own for own in labels}
    id_to_name = {row["id"]: row["name"] for row in content["categories"]}
    has_derived = not set(DERIVED_TO_BASE).isdisjoint(id_to_name.values())
    image_to_place: dict[Any, tuple[str, int]] = {}
    replaced: dict[tuple[str, int], list[Detection]] = {}
    for image in content["images"]:
        place = _place(image, clip_to_labels, corrections_file)
        if place in replaced:
            raise DatasetError(
                f"{corrections_file}: image {image['id']} ({image['file_name']}) is a frame that"
                " is there before",
                "leave one of the two out",
            )
        image_to_place[image["id"]], replaced[place] = place, []
    for row in content["annotations"]:
        place = image_to_place[row["image_id"]]
        own, name = clip_to_labels[place[0]], id_to_name[row["category_id"]]
        if DERIVED_TO_BASE.get(name, name) not in CLASSES:
            raise DatasetError(
                f"{corrections_file}: annotation {row['id']} has the class {name!r}",
                f"use {', '.join((*CLASSES, *DERIVED_TO_BASE))}",
            )
        replaced[place].append(_human(row, name, own, keep_class=has_derived))
    confirmed = 0
    for (clip_id, frame), human in replaced.items():
        before = {_essence(label) for label in clip_to_labels[clip_id].frames[frame]}
        confirmed += sum(_essence(label) in before for label in human)
    added = sum(map(len, replaced.values())) - confirmed
    corrected = [_with_frames(own, replaced) for own in labels]
    return Corrected(corrected, len(replaced), confirmed, added)


def _with_frames(
    own: ClipDetections, replaced: Mapping[tuple[str, int], Sequence[Detection]]
) -> ClipDetections:
    """A clip's detections with those of some frames replaced."""
    here = {frame: tuple(found) for (name, frame), found in replaced.items() if name == own.clip_id}
    frames = LazyFrames(len(own.frames), partial(_frame_at, own.frames, here))
    return replace(own, frames=frames, checked=own.checked | here.keys())


def _frame_at(
    frames: Sequence[FrameDetections], replaced: Mapping[int, FrameDetections], frame: int
) -> FrameDetections:
    return replaced[frame] if frame in replaced else frames[frame]


def _place(
    image: Mapping[str, Any], clip_to_labels: Mapping[str, ClipDetections], file: Path
) -> tuple[str, int]:
    """Clip and frame of an image."""
    clip_id, frame = image.get("clip_id"), image.get("frame")
    named = _FRAME_FILE.search(image["file_name"])
    if (clip_id is None or frame is None) and named:
        clip_id, frame = named["clip"], int(named["frame"])
    own = clip_to_labels.get(str(clip_id))
    where = f"{file}: image {image['id']} ({image['file_name']})"
    if own is None or not isinstance(frame, int) or not 0 <= frame < len(own.frames):
        raise DatasetError(
            f"{where} is no labelled frame", "keep clip_id and frame, or the file name, as exported"
        )
    if (image["width"], image["height"]) != (own.width, own.height):
        raise DatasetError(
            f"{where} is {image['width']}×{image['height']}, the clip {own.width}×{own.height}",
            "export from the tool without resizing",
        )
    return own.clip_id, frame


def _human(
    row: Mapping[str, Any], name: str, own: ClipDetections, *, keep_class: bool
) -> Detection:
    """What a person has drawn, as a detection."""
    x, y, width, height = row["bbox"]
    if row.get("segmentation"):
        runs = plain_rle(to_rle(row["segmentation"], own.height, own.width))
    else:  # only a box was drawn; that it has pixels in the image has been checked
        drawn = encode_box((x, y, x + width, y + height), (own.height, own.width))
        assert drawn is not None
        runs = drawn
    attributes = row.get("attributes")
    by_tool = attributes.get("track_id") if isinstance(attributes, dict) else None
    track_id = row.get("track_id", by_tool)
    return Detection.of_mask(
        DERIVED_TO_BASE.get(name, name),
        runs,
        track_id=track_id if is_id(track_id) else None,
        found_by=HUMAN,
        more={SAID_CLASS: name} if keep_class else {},
    )


def _essence(found: Detection) -> tuple[str, str]:
    """Class and mask."""
    assert found.mask is not None
    return found.class_name, found.mask["counts"]
