"""A whole video watched chunk by chunk, and its highlights: what passed, merged and ranked.

The unit is one video. Each chunk's candidates are a file, written when the chunk is done: what was
killed goes on where it was, to the same highlights, because a chunk depends on its own frames
alone. Memory is that of a chunk.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.footage.frames import frames_at
from workbench.footage.packets import read_packets
from workbench.footage.video_info import content_digest
from workbench.highlights.actors import Sight
from workbench.highlights.chunks import chunk_starts, read_chunk
from workbench.highlights.stages import (
    CHECK,
    CLASSES,
    MERGE,
    NONE,
    STAGES,
    Candidate,
    Highlighter,
    Oracle,
    Settings,
    act_of,
    candidates_of,
    from_row,
    judged,
    to_row,
)
from workbench.highlights.truth import TrueAct
from workbench.saving import read_object, save_json

HIGHLIGHTS, HIGHLIGHTS_FORMAT = "highlights.json", "workbench-highlights/1"
CANDIDATES = "candidates.json"
TOGETHER_S = 2.2  # peaks that are nearer show one highlight: chosen on validation sessions
BEFORE_S, AFTER_S = 0.6, 0.8  # shown around the window


@dataclass(frozen=True)
class Highlight:
    """A stretch worth showing."""

    start_s: float
    end_s: float
    peak_s: float
    sport: str
    score: float
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Watched:
    """What was found in a video, and what every candidate came to."""

    video: Path
    duration_s: float
    highlights: tuple[Highlight, ...]  # by time
    candidates: tuple[Candidate, ...]
    cuts_s: tuple[float, ...]
    lost_frames: int
    notes: tuple[str, ...]

    def counts(self) -> list[dict[str, Any]]:
        """Return, of each stage, how many candidates it got and dropped."""
        rows, left = [], len(self.candidates)
        for stage in STAGES:
            dropped = sum(one.dropped_by == stage for one in self.candidates)
            rows.append({"stage": stage, "got": left, "dropped": dropped, "passed": left - dropped})
            left -= dropped
        return rows

    def save(self, folder: Path) -> Path:
        """Write `highlights.json` and `candidates.json`; return the path of the first."""
        frames = frames_at(
            self.video, np.array([[one.start_s, one.end_s] for one in self.highlights]).ravel()
        ).reshape(-1, 2) if self.highlights else np.zeros((0, 2), int)  # fmt: skip
        ranks = {id(one): place for place, one in enumerate(ranked(self.highlights), 1)}
        rows = [
            asdict(one)
            | {"rank": ranks[id(one)], "start_frame": int(first), "end_frame": int(last) + 1}
            for one, (first, last) in zip(self.highlights, frames, strict=True)
        ]
        content = {
            "format": HIGHLIGHTS_FORMAT,
            "video": self.video.name,
            "source_id": content_digest(self.video),
            "duration_s": round(self.duration_s, 3),
            "notes": list(self.notes),
            "stages": self.counts(),
            "lost_frames": self.lost_frames,
            "highlights": rows,
        }
        save_json(folder / CANDIDATES, [to_row(one) for one in self.candidates], indent=None)
        save_json(folder / HIGHLIGHTS, content)
        return folder / HIGHLIGHTS


def ranked(highlights: Iterable[Highlight]) -> list[Highlight]:
    """Return highlights, the best first."""
    return sorted(highlights, key=lambda one: (-one.score, one.start_s))


def watch_video(
    video: Path,
    by: Highlighter,
    work_dir: Path,
    *,
    settings: Settings | None = None,
    oracle: Oracle | None = None,
    on_chunk: Callable[[int, int], None] = lambda done, total: None,
) -> Watched:
    """Find the highlights of a video; what earlier runs have found is not looked for again.

    Args:
        video: Of any length, rate and size.
        by: Who looks.
        work_dir: For the files of the chunks; other settings do not overwrite them.
        settings: What passes; by default what the classifier was trained with.
        oracle: A stage that is told the truth.
        on_chunk: Called with chunks done and in all.

    Raises:
        FootageError: If the video cannot be read.
    """
    settings = settings or by.settings
    table, digest = read_packets(video), content_digest(video)
    key = json.dumps([digest, by.identity, by.whole, asdict(settings), oracle and asdict(oracle)])
    folder = work_dir / f"chunks-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    eye = by.detector.identity if by.detector else ""
    seen = work_dir / f"seen-{hashlib.sha256((digest + eye).encode()).hexdigest()[:12]}"
    starts = chunk_starts(table)
    rows: list[Candidate] = []
    cuts: list[float] = []
    lost = 0
    for done, start_s in enumerate(starts, 1):
        path = folder / f"{round(start_s):06d}.json"
        content = read_object(path)
        if content is None:
            chunk = read_chunk(video, start_s)
            known = _known(seen / path.name)
            before = len(known)
            found = candidates_of(chunk, by, settings, oracle, known)
            if len(known) > before:
                save_json(seen / path.name, {str(n): _lists(one) for n, one in known.items()}, None)
            inside = [float(chunk.times_s[cut]) for cut in chunk.cuts]
            content = {
                "candidates": [to_row(one) for one in found],
                "cuts_s": [cut for cut in inside if chunk.start_s <= cut < chunk.end_s],
                "lost": chunk.lost,
            }
            save_json(path, content, indent=None)
            del chunk  # before the next one is read
        rows += map(from_row, content["candidates"])
        cuts += content["cuts_s"]
        lost += content["lost"]
        on_chunk(done, len(starts))
    highlights, candidates = merge(rows, cuts, table.duration_s)
    return Watched(video, table.duration_s, highlights, candidates, tuple(cuts), lost, by.notes)


def watch_videos(
    videos: Sequence[tuple[Path, Sequence[TrueAct]]],
    by: Highlighter,
    work_dir: Path,
    *,
    oracle: str = "",
    engine: Engine | str | None = None,
) -> list[Watched]:
    """Find the highlights of several videos, each as `watch_video` does.

    Args:
        videos: With their truth.
        by: Who looks.
        work_dir: For the files of the chunks, a folder for each video.
        oracle: A stage that is told the truth.
        engine: Where videos are watched (`make_engine`).

    Raises:
        ItemsFailedError: If some cannot be read; the chunks of the others are kept.
    """
    jobs = {
        str(path): (path, work_dir / path.stem, Oracle(oracle, tuple(acts)) if oracle else None)
        for path, acts in videos
    }
    return list(every(partial(_watch, by), jobs, "videos", engine=engine).values())


def _watch(by: Highlighter, job: tuple[Path, Path, Oracle | None]) -> Watched:
    video, work_dir, oracle = job
    return watch_video(video, by, work_dir, oracle=oracle)


def retold(
    watched: Watched, settings: Settings, stage: str = "", acts: Sequence[TrueAct] = ()
) -> Watched:
    """Return a video as other thresholds have it; nothing is looked at again.

    Args:
        watched: What thresholds that are no lower have left.
        settings: The other thresholds.
        stage: "classes" or "merge", which is told the truth.
        acts: The truth.
    """
    kept = []
    for one in watched.candidates:
        if one.scores is not None:
            truth = act_of(one, acts)
            if stage == CLASSES:
                name = NONE if truth is None else acts[truth].sport
                one = replace(one, scores={own: float(own == name) for own in (*one.scores, NONE)})
            fails = (one.check or 0.0) < settings.least_check
            one = replace(one, truth=truth, dropped_by=CHECK if fails else "", reason="")
            one = one if fails else judged(one, settings)
        kept.append(one)
    told = acts if stage == MERGE else ()
    highlights, candidates = merge(kept, watched.cuts_s, watched.duration_s, told)
    return replace(watched, highlights=highlights, candidates=candidates)


def merge(
    candidates: Sequence[Candidate],
    cuts_s: Sequence[float],
    duration_s: float,
    acts: Sequence[TrueAct] = (),
) -> tuple[tuple[Highlight, ...], tuple[Candidate, ...]]:
    """Join candidates that show one highlight, the surest first; never across a cut.

    Given true acts, those candidates are joined that show the same one, the right class first.

    Returns:
        Highlights by time, and all candidates, those marked that another one swallowed.
    """

    def order(one: Candidate) -> tuple[bool, float, float]:
        name, score = one.best
        is_right = bool(acts) and one.truth is not None and acts[one.truth].sport == name
        return not is_right, -score, one.time_s

    passed = sorted((one for one in candidates if not one.dropped_by), key=order)
    kept: list[Candidate] = []
    swallowed: dict[Any, str] = {}
    for one in passed:
        near = [other for other in kept if abs(other.time_s - one.time_s) < TOGETHER_S]
        if acts and one.truth is not None:
            near = [other for other in kept if other.truth == one.truth]
        if near:
            name, score = near[0].best
            swallowed[_key(one)] = f"part of {name} {score:.2f} at {near[0].time_s:.1f} s"
        else:
            kept.append(one)
    highlights = [_highlight(one, cuts_s, duration_s) for one in kept]
    told = [
        replace(one, dropped_by=MERGE, reason=swallowed[_key(one)])
        if _key(one) in swallowed
        else one
        for one in candidates
    ]
    return tuple(sorted(highlights, key=lambda one: one.start_s)), tuple(told)


def _key(one: Candidate) -> Any:
    return one.time_s, one.x, one.y


def _highlight(one: Candidate, cuts_s: Sequence[float], duration_s: float) -> Highlight:
    before = max((cut for cut in cuts_s if cut <= one.time_s), default=0.0)
    after = min((cut for cut in cuts_s if cut > one.time_s), default=duration_s)
    name, score = one.best
    check = "" if one.check is None else f"moves like a sport, {one.check:.2f}"
    reasons = (one.reason, check, f"motion {one.motion:.1f}")
    return Highlight(
        round(max(before, one.start_s - BEFORE_S), 3), round(min(after, one.end_s + AFTER_S), 3),
        one.time_s, name, score, tuple(reason for reason in reasons if reason),
    )  # fmt: skip


def _known(path: Path) -> dict[int, Sight]:
    return {
        int(place): Sight(
            np.array(row["people"], float).reshape(-1, 4),
            np.array(row["scores"], float),
            np.array(row["balls"], float).reshape(-1, 4),
        )
        for place, row in (read_object(path) or {}).items()
    }


def _lists(sight: Sight) -> dict[str, Any]:
    return {name: np.round(value, 5).tolist() for name, value in vars(sight).items()}
