"""A folder of a user's own videos → clips: windows, each a file of its own, and `clips.json`.

The unit is one source video. One bad file never stops the rest: it is reported with its reason, and
of every file in the folder the report says what became of it. Whatever was cut before from the same
content is kept, with what people have written in its row.
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np

from workbench.engines.each import ENGINE_VARIABLE, every
from workbench.engines.engine import Engine, Threads
from workbench.errors import FootageError
from workbench.footage.clips import (
    LEFT_OUT,
    VIDEO_SUFFIXES,
    Clip,
    distinct_names,
    load_clips,
    save_clips,
    video_name,
)
from workbench.footage.cut import clip_row, cut_clip, is_cut
from workbench.footage.cuts import Takes, find_takes
from workbench.footage.frames import uniform_indices
from workbench.footage.steady import with_camera
from workbench.footage.streams import open_video
from workbench.footage.video_info import VideoInfo, probe
from workbench.saving import save_json

# What is never a video. Anything else is tried, which takes a tenth of a second where it is large.
OTHER_SUFFIXES = frozenset(
    {
        *(".csv", ".db", ".html", ".ipynb", ".json", ".jsonl", ".log", ".md", ".npy", ".npz"),
        *(".onnx", ".pdf", ".pt", ".pth", ".py", ".sqlite", ".tar", ".txt", ".xml", ".yaml"),
        *(".gz", ".zip", ".m3u8", ".srt", ".vtt", ".aac", ".flac", ".m4a", ".mp3", ".wav"),
        *(".bmp", ".dng", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".svg", ".tiff", ".webp"),
    }
)


@dataclass(frozen=True)
class Unreadable:
    """A file, or a window of one, that no clip could be made of."""

    path: Path
    reason: str
    window: tuple[int, int] | None = None  # frames [start, end); None for the whole file


@dataclass(frozen=True)
class IngestReport:
    """What became of a folder of videos."""

    clips: tuple[Clip, ...]  # as saved, sorted by clip id
    videos: tuple[VideoInfo, ...]  # the readable ones, with their oddities
    unreadable: tuple[Unreadable, ...]
    in_no_clip: dict[str, str]  # files and frames that no clip holds, and why; saved, too
    file_to_fate: dict[str, str]  # every file below the folder, and what became of it, in words


Propose = Callable[[VideoInfo, int, int], list[tuple[int, int]] | None]
"""Frames [start, end) of windows, in order, within frames [first, last) of a video."""


@dataclass(frozen=True)
class _Window:
    info: VideoInfo
    clip_id: str
    session: str
    interval: tuple[int, int]


def ingest_folder(
    folder: Path | str,
    out_dir: Path | str,
    *,
    window_s: float = 3.0,
    most_per_video: int | None = None,
    one_session_per_folder: bool = False,
    propose: Propose | None = None,
    workers: int = 1,
    on_progress: Callable[[int, int, str], None] | None = None,
    engine: Engine | str | None = None,
) -> IngestReport:
    """Cut every readable video below `folder` into windows and write `out_dir/clips.json`.

    Windows follow the clock, not the frame count, so they are equally long whatever the frame rate.
    What is left at the end joins the last window where it is shorter than half of one; a video
    shorter than a window is one clip. No window spans a hard cut, or a jump of the video's clock,
    where two recordings were joined. How steady each clip's camera is is measured.

    Args:
        folder: Searched with its subfolders, hidden ones and `out_dir` left out. Never changed.
        out_dir: Gets `clips.json` and `clips/`.
        window_s: Length of a clip.
        most_per_video: At most this many windows of a video, evenly spread over it.
        one_session_per_folder: The videos of a folder were filmed in one place in one outing, so
            that a split must keep them together. By default every video is a session of its own.
        propose: Says where something happens in a part of a video without a cut; windows are then
            those, and the rest is in no clip. Where it cannot tell (None), they follow the clock.
        workers: Clips cut at the same time, in threads, where there is no other engine.
        on_progress: Called after each clip with the number done, the number in all, and its id.
        engine: Who works on the clips (`workbench.engines.each.make_engine`).

    Raises:
        FootageError: If the folder does not exist, holds no readable video, or yields no clip; or
            if the clip list of an earlier time cannot be read.

    Example:
        >>> report = ingest_folder("phone", "data/clips", window_s=3)  # doctest: +SKIP
        >>> for video in report.videos:
        ...     print(video.path.name, *video.oddities, sep="; ")
    """
    folder, out_dir = Path(folder), Path(out_dir)
    if window_s <= 0:
        raise FootageError(f"windows of {window_s} s", "give a positive length")
    videos, unreadable, fates = _probe_all(folder, out_dir)
    before = _rows_before(out_dir)
    names = _names(folder, videos, before)
    windows: list[_Window] = []
    left_out: list[Unreadable] = []
    engine = engine or os.environ.get(ENGINE_VARIABLE) or Threads(workers)
    all_takes = every(_takes, {str(info.path): info for info in videos}, "videos", engine=engine)
    for info, takes in zip(videos, all_takes.values(), strict=True):
        inside = info.path.relative_to(folder)
        session = name = names[info.path]
        if one_session_per_folder:
            session = str(inside.parent) if inside.parent.parts else folder.resolve().name
            session = video_name(session)
        chosen, rest = _windows(info, takes, window_s, most_per_video, propose)
        windows += [
            _Window(info, f"{name}_{number:04d}", session, interval) for number, interval in chosen
        ]
        left_out += rest
    id_to_window = {one.clip_id: (one, before.get(one.clip_id)) for one in windows}
    told = None if on_progress is None else lambda name, done: on_progress(done, len(windows), name)
    work = partial(_make, out_dir=out_dir)
    made = every(work, id_to_window, "windows", told, engine=engine).values()
    clips = [one for one in made if isinstance(one, Clip)]
    unreadable += [one for one in made if isinstance(one, Unreadable)]
    if not clips:
        raise FootageError(
            f"no clip could be cut from {folder} ({(*unreadable, *left_out)[0].reason})",
            "check that the videos play to their end, and show what was looked for",
        )
    save_clips(out_dir, clips)
    clips.sort(key=lambda clip: clip.clip_id)
    fates |= {_name(info.path, folder): _fate(info, clips, unreadable) for info in videos}
    fates = dict(sorted(fates.items()))
    in_no_clip = {
        _name(one.path, folder)
        + (f", frames {one.window[0]}–{one.window[1] - 1}" if one.window else ""): one.reason
        for one in (*unreadable, *left_out)
    }
    save_json(out_dir / LEFT_OUT, in_no_clip)
    return IngestReport(tuple(clips), tuple(videos), tuple(unreadable), in_no_clip, fates)


def find_videos(folder: Path, leave_out: Path | None = None) -> list[Path]:
    """Files below `folder` that are named like videos or are ones, sorted; hidden ones left out.

    Raises:
        FootageError: If the folder does not exist.
    """
    return [path for path, why_not in _survey(folder, leave_out) if why_not is None]


def _survey(folder: Path, leave_out: Path | None) -> list[tuple[Path, str | None]]:
    """Every file below a folder, and why it is no video to take in; None where it is one.

    A hidden folder counts as one file.
    """
    if not folder.is_dir():
        raise FootageError(f"{folder} is not a folder", "give a folder that holds videos")
    avoid = leave_out.resolve() if leave_out else None
    found: list[tuple[Path, str | None]] = []

    def cannot_list(error: OSError) -> None:
        found.append((Path(error.filename), f"cannot be listed ({error.strerror})"))

    for here, folders, files in os.walk(folder, onerror=cannot_list):
        hidden = [name for name in (*folders, *files) if name.startswith(".")]
        found += [(Path(here, name), "hidden") for name in hidden]
        folders[:] = [
            name
            for name in folders
            if name not in hidden and (avoid is None or Path(here, name).resolve() != avoid)
        ]
        found += [
            (path, _why_no_video(path))
            for path in (Path(here, name) for name in files if name not in hidden)
            if avoid is None or avoid not in path.resolve().parents
        ]
    return sorted(found)


def _why_no_video(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if not path.is_file():
        return "not a file, or a link to nothing"
    if suffix in VIDEO_SUFFIXES:
        return None
    if suffix in OTHER_SUFFIXES:
        return "no video by its name"
    try:
        with open_video(path):
            return None
    except FootageError as error:
        return _reason(error, path)


def _takes(info: VideoInfo) -> Takes:
    try:
        return find_takes(info.path)
    except (FootageError, OSError, ValueError, av.error.FFmpegError):
        return Takes(0, info.frame_count, (), ())  # its windows will say what is wrong


def _probe_all(
    folder: Path, out_dir: Path
) -> tuple[list[VideoInfo], list[Unreadable], dict[str, str]]:
    """The readable videos, the unreadable ones, and what became of all other files."""
    survey = _survey(folder, leave_out=out_dir)
    paths = [path for path, why_not in survey if why_not is None]
    if not paths:
        raise FootageError(f"{folder} holds no video", "copy videos (such as .mp4, .mov) there")
    fates = {_name(path, folder): f"left out: {why}" for path, why in survey if why is not None}
    videos, unreadable = [], []
    for path in paths:
        try:
            videos.append(probe(path))
        except (FootageError, OSError, ValueError) as error:
            unreadable.append(Unreadable(path, _reason(error, path)))
            fates[_name(path, folder)] = f"unreadable: {unreadable[-1].reason}"
    if not videos:
        raise FootageError(
            f"none of the {len(paths)} videos in {folder} can be read ({unreadable[0].reason})",
            "check that they play, and copy them again",
        )
    return videos, unreadable, fates


def _name(path: Path, folder: Path) -> str:
    return video_name(str(path.relative_to(folder)))


def _fate(info: VideoInfo, clips: Sequence[Clip], unreadable: Sequence[Unreadable]) -> str:
    """What became of a readable video, in words."""
    made = [clip for clip in clips if clip.source == str(info.path.resolve())]
    failed = [bad for bad in unreadable if bad.path == info.path]
    cut_s = sum(clip.duration_s for clip in made)
    said = f"{len(made)} clip{'s' * (len(made) != 1)}, {cut_s:.1f} of {info.duration_s:.1f} s"
    if not made:
        said = "no clip"
    if failed:
        said += f"; {len(failed)} windows could not be cut, the first: {failed[0].reason}"
    return said


def _reason(error: Exception, path: Path) -> str:
    problem = error.problem if isinstance(error, FootageError) else str(error)
    return problem.removeprefix(f"{path}").lstrip(": ") or type(error).__name__


def _windows(
    info: VideoInfo, takes: Takes, window_s: float, most: int | None, propose: Propose | None = None
) -> tuple[list[tuple[int, tuple[int, int]]], list[Unreadable]]:
    """The number of each window and its frames [start, end), and the frames that are in none."""
    windows: list[tuple[int, tuple[int, int]]] = []
    number = 0
    borders = sorted({0, *info.jumps, *takes.cuts, info.frame_count})
    longest = max(pairwise(borders), key=lambda part: part[1] - part[0])
    half_tick_s = float(info.time_base) / 2  # so that a frame due at the border is in one window
    why_none = {}  # by part
    for first, last in pairwise(borders):
        proposed = None if propose is None else propose(info, first, last)
        if proposed is not None:
            windows += [(number + place, window) for place, window in enumerate(proposed)]
            number += len(proposed)
            why = "nothing that was looked for is seen here: cut by hand what was missed (clipper)"
            why_none[first] = why
            continue
        why_none[first] = "shorter than half a window: lower window_s"
        times_s = (info.pts[first:last] - info.pts[first]) * float(info.time_base)
        length_s = float((info.pts_at(last) - info.pts_at(first)) * info.time_base)
        count = max(int((first, last) == longest), int(length_s / window_s + 0.5 + 1e-9))
        # Only windows that hold a frame: gaps may be far longer than the film.
        window = np.floor((times_s + half_tick_s) / window_s)
        if count:
            window = np.minimum(window, count - 1)  # the tail joins the last window
        filled, begins = np.unique(window[window < count], return_index=True)
        edges = pairwise([*begins.tolist(), int((window < count).sum())])
        for place, (start, end) in zip(filled.tolist(), edges, strict=True):
            windows.append((number + int(place), (first + start, first + end)))
        number += count
    count = len(windows) if most is None else min(most, len(windows))
    places = uniform_indices(len(windows), count).tolist() if windows else []
    left_out = [
        Unreadable(info.path, f"one of more than {most} windows: raise most_per_video", window)
        for place, (_, window) in enumerate(windows)
        if place not in places
    ]
    for first, last in pairwise(borders):
        inside = [window for _, window in windows if first <= window[0] < last]
        ends = [first, *accumulate((end for _, end in inside), max)]
        starts = [*(start for start, _ in inside), last]
        left_out += [
            Unreadable(info.path, why_none[first], (end, start))
            for end, start in zip(ends, starts, strict=True)
            if end < start
        ]
    return [windows[place] for place in places], left_out


def _rows_before(out_dir: Path) -> dict[str, Clip]:
    if not (out_dir / "clips.json").exists():  # a broken one may hold what people have written
        return {}
    return {clip.clip_id: clip for clip in load_clips(out_dir)}


def _names(folder: Path, videos: list[VideoInfo], before: dict[str, Clip]) -> dict[Path, str]:
    """What the clips of each video are called; of one that was cut before, as they were then."""
    files = {info.path: str(info.path.relative_to(folder)) for info in videos}
    source_to_file = {str(path.resolve()): file for path, file in files.items()}
    given = {
        source_to_file.get(row.source, row.source): found[1]
        for row in before.values()
        if (found := re.fullmatch(r"(.+)_\d{4,}", row.clip_id))
    }
    names = distinct_names(files.values(), given)
    return {path: names[file] for path, file in files.items()}


def _make(cut: tuple[_Window, Clip | None], *, out_dir: Path) -> Clip | Unreadable:
    """Cut a window, unless it was cut before: then its row says so, and is kept."""
    window, row = cut
    info, interval = window.info, window.interval
    out = out_dir / "clips" / f"{window.clip_id}.mp4"
    try:
        there = is_cut(info.path, out, *interval)
        if there and row and (row.start_frame, row.end_frame) == interval:
            return row
        clip = probe(out) if there else cut_clip(info.path, out, *interval)
        row = clip_row(window.clip_id, clip, out_dir, info, interval, window.session)
        return with_camera(row, out)
    except (FootageError, OSError, ValueError, av.error.FFmpegError) as error:
        return Unreadable(info.path, _reason(error, info.path), interval)
