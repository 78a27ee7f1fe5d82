"""Labelling clips with a teacher: one COCO file of raw labels per clip.

Every label is kept with its score and who gave it; which are good enough is decided at export, so a
threshold can change without labelling again. A clip whose file is there already, made of the same
video by the same teacher, is not labelled twice.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
from pycocotools import mask as rle

from workbench.detect.teacher import CLASSES, LabelledFrame, Teacher
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.saving import save_json

LABELS_FORMAT = "workbench-labels/1"

Annotation = dict[str, Any]


def coco_categories() -> list[dict[str, Any]]:
    """COCO categories of `CLASSES`; ids count from 1, as COCO tools expect."""
    return [
        {"id": place + 1, "name": name, "supercategory": ""} for place, name in enumerate(CLASSES)
    ]


@dataclass(frozen=True)
class ClipLabels:
    """All labels of one clip, from a teacher or from the truth, as COCO annotations per frame."""

    clip_id: str
    session: str
    teacher: str
    width: int
    height: int
    frames: tuple[tuple[Annotation, ...], ...]  # by frame index

    def of_class(self, frame: int, name: str) -> list[Annotation]:
        """Annotations of one class in one frame."""
        wanted = CLASSES.index(name) + 1
        return [label for label in self.frames[frame] if label["category_id"] == wanted]


def label_clips(
    clips: Iterable[Clip],
    footage_dir: Path,
    labels_dir: Path,
    teacher: Teacher,
    on_progress: Callable[[Clip], None] | None = None,
) -> list[ClipLabels]:
    """Label clips and save each one's labels as `labels_dir/<clip id>.json`.

    Args:
        clips: What to label.
        footage_dir: Folder of `clips.json`; clip files are relative to it.
        labels_dir: Where labels go.
        teacher: Who labels.
        on_progress: Called with each clip once its labels are saved.

    Raises:
        FootageError: If a clip cannot be read.
    """
    clips, labels = list(clips), []
    for clip in clips:
        mates = [footage_dir / mate.file for mate in clips if mate.session == clip.session]
        path, video = labels_dir / f"{clip.clip_id}.json", footage_dir / clip.file
        stamp = {
            "teacher": teacher.name,
            "video_bytes": video.stat().st_size if video.exists() else 0,
        }
        if _stamp(path) != stamp:
            save_json(path, _to_coco(clip, stamp, teacher.label(video, mates)), indent=None)
        labels.append(load_labels(path, clip))
        if on_progress is not None:
            on_progress(clip)
    return labels


def load_labels(path: Path, clip: Clip) -> ClipLabels:
    """Read labels or truth of one clip from its COCO file.

    Raises:
        DatasetError: If the file is absent or is not COCO JSON with a frame number per image.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {category["id"]: category["name"] for category in content["categories"]}
        frames: list[list[Annotation]] = [[] for _ in content["images"]]
        image_to_frame = {image["id"]: image["frame"] for image in content["images"]}
        for annotation in content["annotations"]:
            category_id = CLASSES.index(names[annotation["category_id"]]) + 1
            label = annotation | {"category_id": category_id}
            frames[image_to_frame[annotation["image_id"]]].append(label)
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist", "label the clip first") from None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DatasetError(f"{path} is not a label file ({error})", "label the clip anew") from None
    teacher = content.get("clip", {}).get("teacher", "truth")
    shape = clip.width, clip.height
    return ClipLabels(clip.clip_id, clip.session, teacher, *shape, tuple(map(tuple, frames)))


def load_truth(clips: Sequence[Clip], footage_dir: Path) -> list[ClipLabels]:
    """Read the truth of those clips that have one."""
    return [load_labels(footage_dir / clip.truth, clip) for clip in clips if clip.truth is not None]


def to_annotations(detections: sv.Detections, teacher: str) -> Iterator[Annotation]:
    """COCO annotations (without ids) of one frame's detections.

    Masks become RLE with `iscrowd` 0, holes and all: trainers drop crowds. Boxes are those of the
    masks, x, y, width, height in pixels; nothing is too small to be kept.
    """
    for index in range(len(detections)):
        assert detections.mask is not None
        assert detections.class_id is not None
        assert detections.confidence is not None
        encoded = rle.encode(np.asfortranarray(detections.mask[index], dtype=np.uint8))
        annotation: Annotation = {
            "category_id": int(detections.class_id[index]) + 1,
            "bbox": [float(value) for value in rle.toBbox(encoded)],
            "area": int(rle.area(encoded)),
            "segmentation": {
                "size": [int(side) for side in encoded["size"]],
                "counts": encoded["counts"].decode(),
            },
            "iscrowd": 0,
            "score": round(float(detections.confidence[index]), 4),
            "teacher": teacher,
        }
        if detections.tracker_id is not None:
            annotation["track_id"] = int(detections.tracker_id[index])
        yield annotation


def _to_coco(clip: Clip, stamp: dict[str, Any], frames: Iterable[LabelledFrame]) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[Annotation] = []
    for labelled in frames:
        image_id = len(images) + 1
        images.append(
            {
                "id": image_id,
                "file_name": f"{clip.clip_id}/{labelled.frame:06d}.jpg",
                "width": clip.width,
                "height": clip.height,
                "clip_id": clip.clip_id,
                "frame": labelled.frame,
            }
        )
        for annotation in to_annotations(labelled.detections, stamp["teacher"]):
            annotations.append({"id": len(annotations) + 1, "image_id": image_id} | annotation)
    return {
        "info": {
            "description": f"Labels by the teacher {stamp['teacher']}",
            "version": LABELS_FORMAT,
        },
        "clip": {"clip_id": clip.clip_id, **stamp},
        "images": images,
        "annotations": annotations,
        "categories": coco_categories(),
    }


def _stamp(path: Path) -> dict[str, Any] | None:
    try:
        clip = json.loads(path.read_text(encoding="utf-8"))["clip"]
        return {"teacher": clip["teacher"], "video_bytes": clip["video_bytes"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None
