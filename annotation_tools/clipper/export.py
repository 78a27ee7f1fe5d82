"""The background export of cuts into clip files and rows of `clips.json`.

The unit is one cut. A clip appears whole or not at all and says in its metadata what it was made
of, so a job that was stopped or killed continues: clips that exist are not made again. A cut that
was moved or renamed replaces its earlier clip.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from annotation_tools.serving import MediaIndex, ServingError
from workbench.errors import WorkbenchError
from workbench.footage.clips import Clip, distinct_names, load_clips, save_clips
from workbench.saving import read_object, save_json

log = logging.getLogger(__name__)

Mode = Literal["exact", "smart", "fast"]
MODES: tuple[Mode, ...] = ("exact", "smart", "fast")
_KEPT = ("split", "venue", "camera", "camera_reason", "steady_error_px")  # of a clip's row
MADE_OF = "cuts.json"  # beside clips.json: which cut became which clip


@dataclass(frozen=True)
class Cut:
    """An interval of frames [start_frame, end_frame) that a person has marked."""

    item_id: str
    source_id: str
    start_frame: int
    end_frame: int
    name: str
    sport: str | None


@dataclass
class Exported:
    """What became of one cut."""

    item_id: str
    name: str
    state: Literal["waiting", "working", "done", "kept", "failed"] = "waiting"
    file: str | None = None  # below the output folder
    asked: tuple[int, int] = (0, 0)  # frames [start, end)
    real: tuple[int, int] | None = None
    start_off_s: float = 0.0  # how much earlier than asked the clip starts
    lossless: int = 0  # frames that are the source's to the bit
    problem: str | None = None


@dataclass
class Job:
    """One export, as the page shows it."""

    mode: Mode = "exact"
    state: Literal["idle", "running", "done", "stopped"] = "idle"
    frames_done: int = 0
    frame_count: int = 0
    rows: list[Exported] = field(default_factory=list)


class Exporter:
    """Exports cuts, one job at a time, in a thread of its own.

    Args:
        media: The videos.
        out_dir: Gets `clips/` and `clips.json`.
    """

    def __init__(self, media: MediaIndex, out_dir: Path) -> None:
        self.media = media
        self.out_dir = out_dir
        self._job = Job()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def status(self) -> dict[str, Any]:
        """Return the job as JSON values, with the folder that clips go to."""
        with self._lock:
            return {**asdict(self._job), "folder": str(self.out_dir)}

    def start(self, cuts: Sequence[Cut], mode: Mode) -> None:
        """Begin to export these cuts.

        Raises:
            ServingError: If a job is running, or there is nothing to do.
        """
        if not cuts:
            raise ServingError("there is no cut to export", "mark IN and OUT and press Enter")
        with self._lock:
            if self._job.state == "running":
                raise ServingError("an export is running", "wait for it, or stop it", 409)
            self._stop.clear()
            self._job = Job(
                mode=mode,
                state="running",
                frame_count=sum(cut.end_frame - cut.start_frame for cut in cuts),
                rows=[
                    Exported(cut.item_id, cut.name, asked=(cut.start_frame, cut.end_frame))
                    for cut in cuts
                ],
            )
            threading.Thread(
                target=self._run, args=(list(cuts), mode, self._job), name="export", daemon=True
            ).start()

    def stop(self) -> None:
        """End the job after the clip it is at."""
        self._stop.set()

    def exported(self) -> dict[str, dict[str, str]]:
        """Return which cuts have become which files: `{item_id: {mode: file}}`.

        A cut that was changed since is among them; `start` makes it anew.
        """
        found: dict[str, dict[str, str]] = {}
        for key, row in self._made().items():
            item_id, _, mode = key.rpartition("/")
            if (self.out_dir / row["file"]).is_file():
                found.setdefault(item_id, {})[mode] = row["file"]
        return found

    def _run(self, cuts: list[Cut], mode: Mode, job: Job) -> None:
        for cut, row in zip(cuts, job.rows, strict=True):
            if self._stop.is_set():
                break
            row.state = "working"
            try:
                was_there = self._export(cut, mode, row)
                row.state = "kept" if was_there else "done"
            except (WorkbenchError, OSError) as error:
                row.state, row.problem = "failed", str(error)
            except Exception as error:  # one odd file must not cost the other clips
                log.exception("exporting %s", cut.item_id)
                row.state, row.problem = "failed", f"{type(error).__name__}: {error}"
            job.frames_done += cut.end_frame - cut.start_frame
        with self._lock:
            stopped = any(row.state == "waiting" for row in job.rows)
            job.state = "stopped" if stopped else "done"

    def _export(self, cut: Cut, mode: Mode, row: Exported) -> bool:
        """Make one clip; return whether it was there already."""
        from workbench.footage.cut import clip_row
        from workbench.footage.video_info import probe

        medium = self.media.get(cut.source_id)
        source, asked = medium.path, (cut.start_frame, cut.end_frame)
        info = probe(source)
        way = _way(mode, source, *asked)
        row.real, row.lossless = way.real, way.lossless
        row.start_off_s = float(int(info.pts[asked[0]] - info.pts[way.real[0]]) * info.time_base)
        name = self._names()[medium.name]
        clip_id = _clip_id(name, cut, mode)
        out = self.out_dir / "clips" / f"{clip_id}{way.suffix}"
        before = self._made().get(f"{cut.item_id}/{mode}")
        old = None if before is None else self.out_dir / before["file"]
        if old is not None and old != out and not out.exists() and way.is_there(old):
            old.replace(out)  # only the name is another
        was_there = way.is_there(out)
        if not was_there:
            way.make(out)
        row_of_clip = clip_row(clip_id, probe(out), self.out_dir, info, way.real, name)
        clip = replace(row_of_clip, sport=cut.sport)
        self._record(cut, mode, clip, None if before is None else before["clip_id"], was_there)
        if old is not None and old != out:
            old.unlink(missing_ok=True)
        row.file = clip.file
        return was_there

    def _names(self) -> dict[str, str]:
        """What the clips of each video are called; of one exported before, as they were then.

        Else a video whose name is alike would rename clips that people have rated.
        """
        path_to_name = {str(medium.path.resolve()): medium.name for medium in self.media}
        given = {
            path_to_name.get(row.source, row.source): row.session
            for row in self._rows().values()
            if row.clip_id.startswith(f"{row.session}_")
        }
        return distinct_names((medium.name for medium in self.media), given)

    def _rows(self) -> dict[str, Clip]:
        if not (self.out_dir / "clips.json").exists():
            return {}
        return {row.clip_id: row for row in load_clips(self.out_dir)}

    def _record(
        self, cut: Cut, mode: Mode, clip: Clip, old_id: str | None, was_there: bool
    ) -> None:
        """Put a clip's row into clips.json, with what is known of it from before."""
        from workbench.footage.steady import with_camera

        rows = self._rows()
        before = rows.pop(old_id, None) if old_id is not None else rows.get(clip.clip_id)
        if before is not None:
            kept = {name: getattr(before, name) for name in _KEPT}
            clip = replace(clip, **kept, sport=clip.sport or before.sport)
        if before is None or not was_there:
            clip = with_camera(clip, self.out_dir / clip.file)
        rows[clip.clip_id] = clip
        save_clips(self.out_dir, rows.values())
        made = self._made()
        made[f"{cut.item_id}/{mode}"] = {"clip_id": clip.clip_id, "file": clip.file}
        save_json(self.out_dir / MADE_OF, dict(sorted(made.items())))

    def _made(self) -> dict[str, dict[str, str]]:
        return read_object(self.out_dir / MADE_OF) or {}


@dataclass(frozen=True)
class _Way:
    """How one clip is made."""

    make: Callable[[Path], object]
    is_there: Callable[[Path], bool]  # made of the same before, so that it need not be again
    suffix: str
    real: tuple[int, int]  # frames [start, end) that the clip holds
    lossless: int  # how many of them are the source's to the bit


def _way(mode: Mode, source: Path, start: int, end: int) -> _Way:
    from workbench.footage.cut import (
        copied_interval,
        copy_clip,
        copy_suffix,
        cut_clip,
        is_copy,
        is_cut,
    )
    from workbench.footage.smartcut import is_smart_cut, plan_cut, smart_cut

    def of(make: Callable[..., object], is_there: Callable[..., bool], *rest: Any) -> _Way:
        asked = {"start": start, "end": end}
        return _Way(partial(make, source, **asked), partial(is_there, source, **asked), *rest)

    if mode == "exact":
        return of(cut_clip, is_cut, ".mp4", (start, end), 0)
    if mode == "smart":
        plan = plan_cut(source, start, end)
        return of(smart_cut, is_smart_cut, ".mp4", (start, end), plan.copied_count)
    real = copied_interval(source, start, end)
    return of(copy_clip, is_copy, copy_suffix(source), real, real[1] - real[0])


def _clip_id(name: str, cut: Cut, mode: Mode) -> str:
    parts = [
        name,
        f"{cut.start_frame:06d}-{cut.end_frame:06d}",
        _file_name(cut.name),
        {"exact": "", "smart": "smart", "fast": "copy"}[mode],
    ]
    return "_".join(part for part in parts if part)


def _file_name(text: str) -> str:
    """What of a name can be part of a file name anywhere."""
    return re.sub(r"[^\w-]+", "-", text).strip("-_")[:60]
