"""Labelling clips with a teacher: one COCO file of raw detections per clip.

A teacher that knows what else may be the ball leaves that in a file beside it (`store.balls_path`).

Every detection is kept with its score and who found it; which are good enough is decided at export,
so a threshold can change without labelling again. A clip whose file is there already, made of the
same video by the same teacher with the same options, is not labelled twice. Finished windows of an
unfinished clip are kept beside the files: a labelling that was killed goes on after the last one,
and ends with the same bytes as one that was not. One labelling at a time writes to a labels folder.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import PERSON, FrameDetections
from workbench.detect.store import (
    ClipDetections,
    balls_path,
    image_row,
    load_detections,
    read_head,
    stored_frames,
    write_detections,
)
from workbench.detect.teacher import Past, Teacher
from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.footage.steadyview import view_clip, view_path
from workbench.footage.video_info import content_digest

LABELS_FORMAT = "workbench-labels/2"

_UNFINISHED = ".unfinished"  # folder beside the files, with finished windows of unfinished clips


@dataclass(frozen=True)
class _Job:
    """One clip to label, as another process is told of it."""

    clip: Clip
    video: Path
    mates: tuple[Path, ...]  # clips that a fixed camera filmed from the same place
    labels_dir: Path
    teacher: Teacher


def label_clips(
    clips: Iterable[Clip],
    footage_dir: Path,
    labels_dir: Path,
    teacher: Teacher,
    on_progress: Callable[[Clip], None] | None = None,
    engine: Engine | str | None = None,
) -> list[ClipDetections]:
    """Label clips and save what is found in each as `labels_dir/<clip id>.json`.

    Where a camera moves, its pictures are registered to one view, people masked, and the maps saved
    beside it (`view_path`). A teacher that needs a fixed camera sees them in that view.

    Args:
        clips: What to label.
        footage_dir: Folder of `clips.json`; clip files are relative to it.
        labels_dir: Where the files go.
        teacher: Who labels.
        on_progress: Called with each clip once its file is saved.
        engine: Where clips are labelled (`make_engine`).

    Raises:
        ItemsFailedError: If a clip cannot be read; the others are labelled.
    """
    by_id = {clip.clip_id: clip for clip in clips}
    jobs = {}
    for name, clip in by_id.items():
        mates = tuple(footage_dir / mate.file for mate in by_id.values() if _share_view(clip, mate))
        jobs[name] = _Job(clip, footage_dir / clip.file, mates, labels_dir, teacher)
    told = None if on_progress is None else lambda name, _: on_progress(by_id[name])
    every(_label, jobs, "clips", told, engine=engine)
    return [load_detections(labels_dir / f"{name}.json", by_id[name]) for name in by_id]


def _label(job: _Job) -> None:
    clip, path = job.clip, job.labels_dir / f"{job.clip.clip_id}.json"
    own = job.teacher.for_clip(clip)
    stamp = _stamp(own, job.video, job.mates)
    if _stamp_in(read_head(path)) != stamp:
        _label_clip(clip, job.video, job.mates, own, stamp, path)
    shutil.rmtree(_parts_of(path), ignore_errors=True)
    if clip.camera != "fixed":
        people = people_boxes(load_detections(path, clip))
        view_clip(clip, job.video, people=people, path=view_path(job.labels_dir, clip.clip_id))


def people_boxes(labels: ClipDetections) -> dict[int, NDArray[np.float64]]:
    """The boxes (N, 4) of x0, y0, x1, y1 of people, by frame: nothing is registered on them."""
    return {
        frame: np.array([one.xyxy for one in labels.of_class(frame, PERSON)]).reshape(-1, 4)
        for frame in range(len(labels.frames))
    }


def _share_view(clip: Clip, mate: Clip) -> bool:
    fixed = clip.camera == mate.camera == "fixed" and clip.session == mate.session
    return fixed or mate == clip


def _label_clip(
    clip: Clip,
    video: Path,
    mates: Sequence[Path],
    teacher: Teacher,
    stamp: dict[str, Any],
    path: Path,
) -> None:
    past, parts = Past(), list[Path]()
    if teacher.needs_fixed_camera and clip.camera != "fixed":
        past = Past(view=view_clip(clip, video))
    for window in teacher.windows(video):
        part = _parts_of(path) / f"{window.start:08d}.json"
        frames = _read_part(part, stamp)
        if frames is None or _read_part(balls_path(part), stamp) is None:
            seen = list(teacher.look_window(video, window, past, mates))
            frames = [one.found for one in seen]
            _write_part(balls_path(part), stamp, [one.candidates for one in seen])
            _write_part(part, stamp, frames)
        past = past.after(frames)
        parts.append(part)
    # Written in the folder of parts, which goes away, so that a kill leaves nothing half beside
    # the finished files.
    finished = _parts_of(path) / "labels.json"
    balls = [balls_path(part) for part in parts]
    if _join(balls, balls_path(finished), clip, stamp, "What may be the ball, as seen"):
        balls_path(finished).replace(balls_path(path))
    else:
        balls_path(path).unlink(missing_ok=True)
    _join(parts, finished, clip, stamp, "Labels")
    finished.replace(path)


def _write_part(part: Path, stamp: dict[str, Any], frames: Sequence[FrameDetections]) -> None:
    with write_detections(part, {"clip": stamp}) as out:
        for number, found in enumerate(frames):
            out.add({"frame": number}, found)


def _join(parts: Sequence[Path], path: Path, clip: Clip, stamp: dict[str, Any], what: str) -> int:
    """Join the windows of a clip, of which one at a time is in memory; how many detections."""
    head = {
        "info": {
            "description": f"{what} by the teacher {stamp['teacher']}",
            "version": LABELS_FORMAT,
        },
        "clip": {"clip_id": clip.clip_id, **stamp},
    }
    with write_detections(path, head) as out:
        for part in parts:
            for found in _read_part(part, stamp) or []:
                out.add(image_row(clip.clip_id, out.images, (clip.width, clip.height)), found)
    return out.annotations


def _parts_of(path: Path) -> Path:
    return path.parent / _UNFINISHED / path.stem


def _read_part(part: Path, stamp: dict[str, Any]) -> list[FrameDetections] | None:
    """The frames of a saved window; None if there is none with this stamp that can be read."""
    head = read_head(part)
    try:
        return list(stored_frames(part, head)) if head and _stamp_in(head) == stamp else None
    except DatasetError:
        return None


def _stamp(teacher: Teacher, video: Path, mates: Sequence[Path]) -> dict[str, Any]:
    """Everything that decides what is found in a clip, as plain JSON values."""
    stamp = {
        "teacher": teacher.name,
        "settings": dict(teacher.settings),
        "video": content_digest(video),
    }
    if teacher.needs_fixed_camera:  # then it learns the view from the other clips, too
        stamp["same_view"] = [content_digest(mate) for mate in mates if mate != video]
    return dict(json.loads(json.dumps(stamp)))


def _stamp_in(content: Any) -> dict[str, Any] | None:
    """The stamp in a saved file's content; None if there is none."""
    clip = content.get("clip") if isinstance(content, dict) else None
    if not isinstance(clip, dict):
        return None
    return {key: value for key, value in clip.items() if key != "clip_id"}
