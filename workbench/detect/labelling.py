"""Labelling clips with a teacher: one COCO file of raw labels per clip.

Every label is kept with its score and who gave it; which are good enough is decided at export, so a
threshold can change without labelling again. A clip whose file is there already, made of the same
video by the same teacher with the same options, is not labelled twice. Finished windows of an
unfinished clip are kept beside the labels: a labelling that was killed goes on after the last one,
and ends with the same bytes as one that was not. A teacher that does not work in windows starts the
clip anew. One process at a time writes to a labels folder.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.detect.annotations import Annotation, to_annotations
from workbench.detect.teacher import CLASSES, Teacher, settings_of
from workbench.detect.windows import FrameLabels, Past, WindowedTeacher
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.footage.digest import content_digest
from workbench.saving import replacing, save_json

__all__ = [
    "Annotation",
    "ClipLabels",
    "coco_categories",
    "label_clips",
    "load_labels",
    "load_truth",
    "to_annotations",
]

LABELS_FORMAT = "workbench-labels/2"

_UNFINISHED = ".unfinished"  # folder beside the labels, with finished windows of unfinished clips


def coco_categories(classes: Sequence[str] = CLASSES) -> list[dict[str, Any]]:
    """COCO categories; ids count from 1, as COCO tools expect."""
    return [
        {"id": place + 1, "name": name, "supercategory": ""} for place, name in enumerate(classes)
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
    checked: frozenset[int] = frozenset()  # frames that a person has decided

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
        stamp = _stamp(teacher, video, mates)
        if _stamp_on(path) != stamp:
            _label_clip(clip, video, mates, teacher, stamp, path)
        shutil.rmtree(_parts_of(path), ignore_errors=True)
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


def _label_clip(
    clip: Clip,
    video: Path,
    mates: Sequence[Path],
    teacher: Teacher,
    stamp: dict[str, Any],
    path: Path,
) -> None:
    past, parts = Past(), []
    for start, label_window in _work(teacher, video, mates):
        part = _parts_of(path) / f"{start:08d}.json"
        if _stamp_on(part) != stamp:
            save_json(part, {"clip": stamp, "frames": label_window(past)}, indent=None)
        # Read back even where it was just made: what the next window knows is what is on disk.
        past = past.after(_read_part(part))
        parts.append(part)
    # Written in the folder of parts, which goes away, so that a kill leaves nothing half beside
    # the labels.
    finished = _parts_of(path) / "labels.json"
    _write_coco(finished, clip, stamp, parts)
    finished.replace(path)


def _work(
    teacher: Teacher, video: Path, mates: Sequence[Path]
) -> Iterator[tuple[int, Callable[[Past], list[list[Annotation]]]]]:
    """First frame of each window of a clip and how to label it."""
    if not isinstance(teacher, WindowedTeacher):
        whole = teacher.label

        def label_all(past: Past) -> list[list[Annotation]]:
            found = whole(video, mates)
            return [list(to_annotations(one.detections, teacher.name)) for one in found]

        yield 0, label_all
        return
    for window in teacher.windows(video):

        def label_window(past: Past, window: range = window) -> list[list[Annotation]]:
            found = teacher.label_window(video, window, past, mates)
            return [list(to_annotations(one.detections, teacher.name)) for one in found]

        yield window.start, label_window


def _write_coco(path: Path, clip: Clip, stamp: dict[str, Any], parts: Sequence[Path]) -> None:
    """Join the windows of a clip, of which one at a time is in memory."""
    head = {
        "info": {
            "description": f"Labels by the teacher {stamp['teacher']}",
            "version": LABELS_FORMAT,
        },
        "clip": {"clip_id": clip.clip_id, **stamp},
        "categories": coco_categories(),
    }
    with replacing(path) as draft, draft.open("w", encoding="utf-8") as out:
        out.write(json.dumps(head, ensure_ascii=False)[:-1])
        for key, rows in (("images", _images(clip, parts)), ("annotations", _annotations(parts))):
            out.write(f', "{key}": [')
            for number, row in enumerate(rows):
                out.write((", " if number else "") + json.dumps(row, ensure_ascii=False))
            out.write("]")
        out.write("}\n")


def _images(clip: Clip, parts: Iterable[Path]) -> Iterator[dict[str, Any]]:
    frame = 0
    for part in parts:
        for _ in _read_part(part):
            yield {
                "id": frame + 1,
                "file_name": f"{clip.clip_id}/{frame:06d}.jpg",
                "width": clip.width,
                "height": clip.height,
                "clip_id": clip.clip_id,
                "frame": frame,
            }
            frame += 1


def _annotations(parts: Iterable[Path]) -> Iterator[Annotation]:
    image_id, number = 0, 0
    for part in parts:
        for labels in _read_part(part):
            image_id += 1
            for label in labels:
                number += 1
                yield {"id": number, "image_id": image_id} | label


def _parts_of(path: Path) -> Path:
    return path.parent / _UNFINISHED / path.stem


def _read_part(part: Path) -> list[FrameLabels]:
    frames = json.loads(part.read_text(encoding="utf-8"))["frames"]
    return [tuple(labels) for labels in frames]


def _stamp(teacher: Teacher, video: Path, mates: Sequence[Path]) -> dict[str, Any]:
    """Everything that decides the labels of a clip, as plain JSON values."""
    stamp = {
        "teacher": teacher.name,
        "settings": settings_of(teacher),
        "video": content_digest(video),
    }
    if teacher.needs_fixed_camera:  # then it learns the view from the other clips, too
        stamp["same_view"] = [content_digest(mate) for mate in mates if mate != video]
    return dict(json.loads(json.dumps(stamp)))


def _stamp_on(path: Path) -> dict[str, Any] | None:
    """The stamp of saved labels, or of one saved window; None if there is none that can be read."""
    try:
        clip = json.loads(path.read_text(encoding="utf-8"))["clip"]
        return {key: value for key, value in clip.items() if key != "clip_id"}
    except (OSError, ValueError, KeyError, AttributeError):
        return None
