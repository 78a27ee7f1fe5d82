"""What a student sees in frames and in videos, in bounded memory whatever their length.

The unit is one frame's `supervision.Detections`. A student that learned on tiles looks at tiles
(`tiles`); objects are followed by `tracking`. Frames are decoded, seen, written and forgotten.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from workbench.detect.detections import (
    FrameDetections,
    encode_mask,
    from_supervision,
    least_score,
)
from workbench.detect.drawing import paint_detections
from workbench.detect.store import (
    ClipDetections,
    image_row,
    load_detections,
    read_head,
    write_detections,
)
from workbench.detect.student.checkpoint import Student, load_student, shipped_student
from workbench.detect.student.recipe import StudentError
from workbench.detect.tiles import DetectBatch, detect_tiled
from workbench.detect.tracking import Tracker
from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import DatasetError
from workbench.footage.clips import Clip, label_id
from workbench.footage.frames import Frame, iter_frames
from workbench.footage.video_info import VideoInfo, probe
from workbench.footage.writer import VideoWriter
from workbench.training.history import last_run

DETECTIONS_FORMAT = "workbench-detections/1"
MIN_SCORE = 0.3  # where validation has chosen no threshold
_REACH = 0.05  # of the frame's width: how far off its expected place an object may turn up

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class PredictOptions:
    """How to look at a video."""

    batch: int = 8  # frames, or tiles of a frame, that go through the network at once
    min_score: float | None = None  # None: per class, as chosen on validation
    tiles: bool | None = None  # None: as the student learned
    every: int = 1  # look at one frame out of so many
    track: bool = True  # follow objects from frame to frame
    overlay: bool = True  # write a video with the detections drawn on it


@dataclass(frozen=True)
class VideoPrediction:
    """What was written about a video."""

    coco: Path
    overlay: Path | None
    frames: int
    detections: int
    seconds: float


def detect_batch(student: Student, min_score: float | Mapping[str, float]) -> DetectBatch:
    """Return the student as a function from images of any sizes to their detections.

    Detections below `min_score`, one for all classes or per class, are left out.
    """
    least = np.array([least_score(min_score, name) for name in student.classes])
    return lambda images: student.eye.see(images, least)


def detect_images(
    student: Student,
    images: Sequence[Image],
    *,
    min_score: float | Mapping[str, float],
    tiles: bool | None = None,
    batch: int = 8,
) -> list[sv.Detections]:
    """Return what the student sees in images, RGB (H, W, 3) of any sizes; see `PredictOptions`."""
    see = detect_batch(student, min_score)
    tile_wh = tile_size(student, tiles)
    if tile_wh is None:
        return [
            answer
            for first in range(0, len(images), batch)
            for answer in see(images[first : first + batch])
        ]
    return detect_tiled(images, see, tile_wh=tile_wh, batch_size=batch)


def coco_results(
    found: sv.Detections, image_id: int, category_ids: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the detections of an image as COCO results; categories are in the order of classes."""
    assert found.class_id is not None
    assert found.confidence is not None
    results = []
    for place, class_id in enumerate(found.class_id.tolist()):
        x0, y0, x1, y1 = (float(value) for value in found.xyxy[place])
        result: dict[str, Any] = {
            "image_id": image_id,
            "category_id": category_ids[class_id],
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "score": float(found.confidence[place]),
        }
        if found.mask is not None:
            result["segmentation"] = encode_mask(np.asarray(found.mask[place]))
        results.append(result)
    return results


def tile_size(student: Student, tiles: bool | None) -> tuple[int, int] | None:
    """Return width and height of the tiles to look at, in pixels; None for whole frames only."""
    if tiles is False or (tiles is None and student.tile_px is None):
        return None
    return (student.tile_px, student.tile_px) if student.tile_px else student.eye.tile_wh


def predict_video(
    path: Path,
    student: Student,
    out_dir: Path,
    options: PredictOptions | None = None,
    on_frames: Callable[[int, int], None] | None = None,
) -> VideoPrediction:
    """Write what the student sees in a video to `<name>.coco.json` and `<name>_overlay.mp4`.

    `on_frames` is called with the number of frames done and their total.

    Raises:
        FootageError: If the video cannot be read.
        StudentError: If an option makes no sense, or `out_dir` has a namesake's detections.
    """
    options = options or PredictOptions()
    for name in ("batch", "every"):
        if getattr(options, name) < 1:
            raise StudentError(f"{name} is {getattr(options, name)}", "give 1 or more")
    started_s = time.perf_counter()
    info = probe(path)
    total = -(-info.frame_count // options.every)
    name = label_id(path.name)
    coco_path = out_dir / f"{name}.coco.json"
    overlay_path = out_dir / f"{name}_overlay.mp4" if options.overlay else None
    head = _head(path, info, student, options)
    before = (read_head(coco_path) or {}).get("clip", {}).get("source")
    if before not in (None, head["clip"]["source"]):
        raise StudentError(f"{coco_path} is of {before}", "give another folder, or move it")
    with ExitStack() as stack:
        coco = stack.enter_context(write_detections(coco_path, head, student.classes))
        width, height = (side - side % 2 for side in info.size_wh)  # even, as H.264 stores
        video = None
        if overlay_path is not None:
            writer = VideoWriter(overlay_path, (width, height), info.fps / options.every)
            video = stack.enter_context(writer)
        for frame, found in _see_video(path, info.width, student, options):
            shape = frame.image.shape
            row = image_row(name, frame.index, (shape[1], shape[0]))
            coco.add({**row, "time_s": round(frame.time_s, 4)}, found)
            if video is not None:
                painted = paint_detections(frame.image, found, student.classes)
                video.write(painted[:height, :width])
            if on_frames is not None:
                on_frames(coco.images, total)
    seconds = time.perf_counter() - started_s
    return VideoPrediction(coco_path, overlay_path, coco.images, coco.annotations, seconds)


@dataclass(frozen=True)
class _Job:
    """One video to look at, as another process is told of it."""

    video: Path
    run_dir: Path | None  # of the student; None: the one of the package
    device: str
    out_dir: Path
    options: PredictOptions


def predict_videos(
    videos: Sequence[Path],
    run_dir: Path | None,
    out_dir: Path,
    options: PredictOptions | None = None,
    *,
    device: str = "cpu",
    on_done: Callable[[int, int], None] | None = None,
    engine: Engine | str | None = None,
) -> list[VideoPrediction]:
    """Write what a student sees in several videos; see `predict_video`.

    Args:
        videos: What to look at.
        run_dir: Of the student; None for the one of the package.
        out_dir: Where the files go.
        options: How to look.
        device: Of every process.
        on_done: Called with the number of videos done, and of all; where there is but one video,
            of its frames.
        engine: Where videos are looked at (`make_engine`).

    Raises:
        StudentError: If two videos would have the same files, or of one video as `predict_video`.
        ItemsFailedError: If some of several cannot be read; the others are done.
    """
    options = options or PredictOptions()
    if len(videos) == 1 and engine is None:
        return [predict_video(videos[0], _student(run_dir, device), out_dir, options, on_done)]
    by_name = {label_id(video.name): video for video in videos}
    if len(by_name) < len(videos):
        raise StudentError("two of the videos have the same name", "look at them one by one")
    jobs = {name: _Job(video, run_dir, device, out_dir, options) for name, video in by_name.items()}
    told = None if on_done is None else lambda _, done: on_done(done, len(jobs))
    return list(every(_predict, jobs, "videos", told, engine=engine).values())


def _predict(job: _Job) -> VideoPrediction:
    return predict_video(job.video, _student(job.run_dir, job.device), job.out_dir, job.options)


@lru_cache(maxsize=1)  # loaded once by each process
def _student(run_dir: Path | None, device: str) -> Student:
    return shipped_student(device) if run_dir is None else load_student(run_dir, device)


def label_with_last(
    models_dir: Path,
    clips: Sequence[Clip],
    footage_dir: Path,
    out_dir: Path,
    engine: Engine | str | None = None,
) -> dict[str, ClipDetections]:
    """Let the student that was finished last label clips; returns labels by clip id.

    A student that was never trained is no error: nothing is labelled. For an honest comparison,
    take clips of sessions it was not trained on. Its detections go to `out_dir`, one COCO file per
    clip.

    Raises:
        ItemsFailedError: If the student cannot be loaded, or a clip not be read.
    """
    try:
        run_dir = last_run(models_dir, "student")
    except DatasetError:
        return {}
    videos = [footage_dir / clip.file for clip in clips]
    options = PredictOptions(overlay=False)
    seen = predict_videos(videos, run_dir, out_dir / run_dir.name, options, engine=engine)
    return {
        clip.clip_id: replace(load_detections(one.coco, clip), found_by="student")
        for clip, one in zip(clips, seen, strict=True)
    }


def _see_video(
    path: Path, width: int, student: Student, options: PredictOptions
) -> Iterator[tuple[Frame, FrameDetections]]:
    """Yield every frame looked at with what is seen in it, a batch of frames in memory."""
    min_score: float | dict[str, float] | None = options.min_score
    if min_score is None:
        min_score = {name: student.thresholds.get(name, MIN_SCORE) for name in student.classes}
    # A ball shot at 120 km/h crosses some 4 % of a frame 20 m wide in a 30th of a second.
    reach_px = _REACH * width * options.every
    tracker = Tracker(reach_px) if options.track else None
    frames = iter_frames(path, step=options.every)
    while batch := list(islice(frames, options.batch)):
        found = detect_images(
            student,
            [frame.image for frame in batch],
            min_score=min_score,
            tiles=options.tiles,
            batch=options.batch,
        )
        for frame, answer in zip(batch, found, strict=True):
            detections = from_supervision(answer, student.run, student.classes)
            yield frame, tracker.update(detections) if tracker else detections


def _head(path: Path, info: VideoInfo, student: Student, options: PredictOptions) -> dict[str, Any]:
    return {
        "info": {"description": f"Detections by {student.run}", "version": DETECTIONS_FORMAT},
        "clip": {
            "clip_id": label_id(path.name),
            "file": path.name,
            "source": str(path.resolve()),
            "fps": str(info.fps),
            "every": options.every,
            "teacher": student.run,
            "trained_on": student.dataset_version,
        },
    }
