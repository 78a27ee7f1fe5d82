"""Descriptions of clips: what a classifier and the motion tell of each, written by a writer.

The unit is one clip. A fact is said only where it is likely enough, as was chosen on other clips
(`sure`); the decisive moment and the side only of footage like that which their finders have
learned from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.actions.clipset import build_clipset
from workbench.actions.models import stored_for
from workbench.actions.predict import Predictions, load_classifier, predict_clips
from workbench.describe.facts import ClipFacts, found_facts
from workbench.describe.keyframes import choose_frames, local_motion
from workbench.describe.moment import shipped_finder
from workbench.describe.posture import AFTER_S, BEFORE_S, find_side_features, shipped_sides
from workbench.describe.sure import Sureness
from workbench.describe.writers import WRITERS, Writer
from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.footage.clips import Clip, load_clips, origin_of
from workbench.footage.cut import clip_row
from workbench.footage.frames import iter_frames, sample_frames
from workbench.footage.video_info import probe
from workbench.saving import save_bytes
from workbench.shots.players.pose import GEOMETRIC, Find, PoseFinder
from workbench.training.history import last_run, learned_from

_ROW_PX = 160  # height of saved key frames
_WIDTH = 192  # of the frames that motion is measured in; the finder of moments has learned there


@dataclass(frozen=True)
class Description:
    """What is said of one clip."""

    clip_id: str
    facts: ClipFacts
    text: str
    frames: tuple[int, ...]  # its key frames
    learned: str = ""  # what a trained writer says; nobody has checked it


def small_frames(clip: Clip, footage_dir: Path) -> NDArray[np.uint8]:
    """Return a clip's frames (T, H, W, 3), 192 pixels wide.

    Raises:
        FootageError: If the clip cannot be read.
    """
    size_wh = _WIDTH, max(16, round(_WIDTH * clip.height / clip.width))
    video = footage_dir / clip.file
    return np.stack([frame.image for frame in iter_frames(video, size_wh=size_wh)])


def describe_clips(
    clips: Sequence[Clip],
    footage_dir: Path,
    predictions: Predictions | None,
    *,
    sure: Sureness | None = None,
    k: int = 8,
    writer: Writer = WRITERS["rules"],
    pose: PoseFinder | None = None,
    on_progress: Callable[[Clip], None] | None = None,
    engine: Engine | str | None = None,
) -> list[Description]:
    """Describe clips.

    Args:
        clips: In the order of the answer.
        footage_dir: Folder of `clips.json`.
        predictions: What a classifier says; without any, only key frames are chosen.
        sure: How sure one must be of a fact to say it; a sport from a probability of 0.5 on.
        k: Key frames of each.
        writer: Who writes.
        pose: Who finds the performer's joints; without, or where they are guessed, no side is told.
        on_progress: Called after each clip.
        engine: Where clips are looked at (`make_engine`).

    Raises:
        ItemsFailedError: If a clip cannot be read.
    """
    sure, called = sure or Sureness(), dict[str, tuple[str, float]]()
    if predictions is not None:
        most = predictions.probabilities.max(axis=1).tolist()
        rows = zip(predictions.predicted, most, strict=True)
        called = dict(zip(predictions.clip_ids, rows, strict=True))
    work = partial(
        _describe, footage_dir=footage_dir, called=called, sure=sure, k=k, writer=writer, pose=pose
    )
    by_id = {clip.clip_id: clip for clip in clips}
    told = None if on_progress is None else lambda name, _: on_progress(by_id[name])
    return list(every(work, by_id, "clips", told, engine=engine).values())


def _describe(
    clip: Clip, *, footage_dir: Path, called: Mapping[str, tuple[str, float]], sure: Sureness,
    k: int, writer: Writer, pose: PoseFinder | None,
) -> Description:  # fmt: skip
    frames = small_frames(clip, footage_dir)
    finder = shipped_finder() if clip.truth is not None else None
    sport, probability = called.get(clip.clip_id, (None, 0.0))
    facts = found_facts(sport, local_motion(frames), len(frames) / float(clip.fps), finder)
    told_s, facts = facts.moment_s, sure.keep(facts, probability)
    looks = pose is not None and pose.name != GEOMETRIC and sure.says("side", probability)
    if pose is not None and looks and facts.act is not None and told_s is not None:
        with pose.session() as find:
            seen = side_features(clip, footage_dir, told_s, find)
        facts = replace(facts, side=shipped_sides().find(seen, facts.act))
    chosen = tuple(choose_frames(frames, k).tolist())
    return Description(clip.clip_id, facts, writer(facts, None), chosen)


def side_features(
    clip: Clip, footage_dir: Path, moment_s: float, find: Find
) -> NDArray[np.float64] | None:
    """Return what a pose around a moment tells of the side, as `posture` wants it.

    Raises:
        FootageError: If the clip cannot be read.
    """
    fps = float(clip.fps)
    start = max(0, round((moment_s - BEFORE_S) * fps))
    stop = max(start + 1, round((moment_s + AFTER_S) * fps))
    frames = [one.image for one in iter_frames(footage_dir / clip.file, start=start, stop=stop)]
    if not frames:
        return None
    return find_side_features(np.stack(frames), start / fps, fps, moment_s, find)


def as_clips(videos: Sequence[Path]) -> dict[Path, list[Clip]]:
    """Return videos as clips, by the folder that their files are relative to.

    Those of a footage folder have their rows of its `clips.json`; any other is one clip as a whole.

    Raises:
        FootageError: If a file cannot be read.
    """
    found: dict[Path, list[Clip]] = {}
    for video in videos:
        folder, rows = video.resolve().parent.parent, list[Clip]()
        if (folder / "clips.json").is_file():
            file = video.resolve().relative_to(folder).as_posix()
            rows = [clip for clip in load_clips(folder) if clip.file == file]
        if not rows:
            folder, info = video.resolve().parent, probe(video)
            name = video.stem
            rows = [clip_row(name, info, video.parent, info, (0, info.frame_count), name)]
        found.setdefault(folder, []).append(rows[0])
    return found


def call_sports(
    clips: Sequence[Clip], footage_dir: Path, models_dir: Path, clipset_dir: Path
) -> Predictions | None:
    """Classify clips with the last classifier; None of footage unlike that it has learned from.

    Raises:
        DatasetError: If there is no classifier.
    """
    run_dir, origin = last_run(models_dir, "classifier"), origin_of(clips)
    if learned_from(models_dir, "classifier") != origin.source:
        return None
    stored = stored_for(load_classifier(run_dir).name)
    unlabelled = [replace(clip, sport=None) for clip in clips]
    clipset = build_clipset(unlabelled, footage_dir, clipset_dir, origin=origin, **stored)
    return predict_clips(run_dir, clipset)


def save_key_frames(clip: Clip, footage_dir: Path, told: Description, path: Path) -> Path:
    """Write a clip's key frames side by side as a picture.

    Raises:
        FootageError: If the clip cannot be read.
    """
    size_wh = max(16, round(_ROW_PX * clip.width / clip.height)), _ROW_PX
    row = np.hstack(list(sample_frames(footage_dir / clip.file, told.frames, size_wh)))
    done, content = cv2.imencode(".jpg", row[..., ::-1])
    assert done
    save_bytes(path, content.tobytes())
    return path
