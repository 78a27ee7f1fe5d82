"""Import of labels from simple JSON files of other projects.

Three shapes are read: a list of cuts; an object from clip to stars; an object from clip to goal,
no goal or unsure. Such files say neither who labelled nor when: the caller names the annotator, and
the time is that of the import. Importing a file again adds only what has changed.
"""

import re
import uuid
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from workbench.footage.clips import VIDEO_SUFFIXES
from workbench.labels.exchange import read_json
from workbench.labels.history import Entry, new_entry
from workbench.labels.sources import Source, read_source
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, LabelError, Value, check_text, check_value

TOOL = "import"
_CUT_IDS = uuid.UUID("6f0e2b8e-0b36-4c0b-9a4f-9d2b6d1c7a51")  # any; the same cut, the same id
_START_NAMES, _END_NAMES = ("start_s", "start", "in"), ("end_s", "end", "out")
_VIDEO_NAMES = ("video", "source", "file")


@dataclass(frozen=True)
class _Said:
    kind: Kind
    item_id: str
    value: Value
    source_id: str | None = None


def import_foreign(store: LabelStore, path: Path, annotator: str, video: Path | None = None) -> int:
    """Take in a label file of another project, and return how many labels were new or changed.

    A cut gives `start_frame` and `end_frame`, or `start` and `end` in seconds, and may give `name`,
    `sport` and `video`; seconds become the nearest frames. Stars are 1–5; 0 and null are passed
    over. Verdicts are "goal", "no_goal" (or "no goal", "no-goal") and "unsure". A clip's id is its
    file name without folder and suffix.

    Args:
        store: Where to.
        path: The file.
        annotator: Who is taken to have said all that.
        video: The video that cuts are of, where the file does not name it. Names in the file are
            looked up beside the file, and among the sources of `store`.

    Raises:
        LabelError: If the file has none of these shapes. Then nothing was taken in.
        FootageError: If a video that is there cannot be read.

    Example:
        >>> import_foreign(store, Path("ratings.json"), annotator="ann")  # doctest: +SKIP
        117
    """
    annotator = check_text(annotator, "the annotator's name")
    content = read_json(path)
    lookup = _Lookup(store, path.parent, video)
    if isinstance(content, list):
        said = [_cut(row, lookup, f"{path}, cut {number}") for number, row in enumerate(content)]
    elif isinstance(content, dict):
        said = _clip_labels(content, path)
    else:
        raise LabelError(f"{path} is neither a list nor an object", _SHAPES)
    return store.add_all(lookup.sources(), _changes(store, annotator, said))


_SHAPES = "give a list of cuts, or an object from clip to stars or to goal, no_goal, unsure"


def _changes(store: LabelStore, annotator: str, said: list[_Said]) -> list[Entry]:
    history = store.history(annotator=annotator)
    standing = {kind: store.current(kind, annotator) for kind in {label.kind for label in said}}
    now = datetime.now(UTC)
    if history:
        now = max(now, history[-1].created_at + timedelta(microseconds=1))
    entries: list[Entry] = []
    for label in said:
        known = standing[label.kind].get((annotator, label.item_id))
        if known is not None and known.value == label.value:
            continue
        entries.append(
            new_entry(
                label.kind,
                label.item_id,
                label.value,
                annotator=annotator,
                tool=TOOL,
                source_id=label.source_id,
                created_at=now + timedelta(microseconds=len(entries)),
            )
        )
    return entries


def _clip_labels(content: Mapping[str, Any], path: Path) -> list[_Said]:
    found: dict[str, _Said] = {}
    for name, said in content.items():
        where = f"{path}, {name!r}"
        if said is None or (isinstance(said, int) and said == 0 and not isinstance(said, bool)):
            continue
        item_id = _clip_id(name)
        if item_id in found:
            raise LabelError(f"{where}: clip {item_id} is there twice", "rename one of the clips")
        found[item_id] = _clip_label(item_id, said, where)
    if len({label.kind for label in found.values()}) > 1:
        raise LabelError(f"{path} mixes stars and verdicts", "make it two files")
    return list(found.values())


def _clip_label(item_id: str, said: object, where: str) -> _Said:
    if isinstance(said, int) and not isinstance(said, bool):
        return _Said("rating", item_id, _checked("rating", {"stars": said}, where))
    if isinstance(said, str):
        verdict = re.sub(r"[\s_-]+", "_", said.strip().lower())
        value = {"verdict": "no_goal" if verdict == "nogoal" else verdict}
        return _Said("verdict", item_id, _checked("verdict", value, where))
    raise LabelError(f"{where} is {said!r}", "give stars from 1 to 5, or goal, no_goal or unsure")


def _clip_id(name: str) -> str:
    path = Path(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else name


def _cut(row: object, lookup: "_Lookup", where: str) -> _Said:
    if not isinstance(row, dict):
        raise LabelError(f"{where} is {row!r}", "give an object with start and end")
    name = next((row[field] for field in _VIDEO_NAMES if field in row), None)
    timeline = lookup.find(name, where)
    start_pts = end_pts = None
    if "start_frame" in row or "end_frame" in row:
        start, end = row.get("start_frame"), row.get("end_frame")
    else:
        times = [_seconds(row, names, where) for names in (_START_NAMES, _END_NAMES)]
        if timeline is None:
            raise LabelError(f"{where} counts in seconds of an unknown video", "name the video")
        start, end = (timeline.frame_at(seconds) for seconds in times)
    if timeline is not None and isinstance(start, int) and isinstance(end, int):
        start_pts, end_pts = timeline.pts_at(start), timeline.pts_at(end)
    value = {
        "start_frame": start,
        "end_frame": end,
        "start_pts": start_pts,
        "end_pts": end_pts,
        "name": row.get("name") or f"cut at {start}",
        "sport": row.get("sport"),
    }
    source_id = None if timeline is None else timeline.source.source_id
    item = f"{source_id or name} {start} {end} {value['name']}"
    return _Said("cut", str(uuid.uuid5(_CUT_IDS, item)), _checked("cut", value, where), source_id)


def _seconds(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> float:
    said = next((row[name] for name in names if name in row), None)
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise LabelError(f"{where} has no {names[1]} in seconds", "give start and end of every cut")
    return float(said)


def _checked(kind: Kind, value: Value, where: str) -> Value:
    try:
        return check_value(kind, value)
    except LabelError as error:
        raise LabelError(f"{where}: {error.problem}", error.remedy) from None


class _Timeline:
    """The frames of a video in time: exact where the file is there, else at its mean rate."""

    def __init__(self, source: Source, file: Path | None = None) -> None:
        self.source = source
        self._pts: list[int] | None = None
        self._times_s = [float(frame / source.fps) for frame in range(source.frame_count + 1)]
        if file is not None:
            from workbench.footage.video_info import probe

            info = probe(file)
            self._pts = [*info.pts.tolist(), info.end_pts]
            first = self._pts[0]
            self._times_s = [float((pts - first) * info.time_base) for pts in self._pts]

    def frame_at(self, seconds: float) -> int:
        """Return the boundary between frames that is nearest; the last is the video's end."""
        times = self._times_s
        after = bisect_left(times, seconds, hi=len(times) - 1)
        before = max(after - 1, 0)
        return before if seconds - times[before] < times[after] - seconds else after

    def pts_at(self, frame: int) -> int | None:
        """Return when a frame appears; None where the file is not there to tell."""
        if self._pts is None or not 0 <= frame < len(self._pts):
            return None
        return self._pts[frame]


class _Lookup:
    """Finds the video of a cut, each one once."""

    def __init__(self, store: LabelStore, folder: Path, video: Path | None) -> None:
        self._known = store.sources()
        self._folder, self._video = folder, video
        self._found: dict[str, _Timeline] = {}

    def sources(self) -> list[Source]:
        """Return the videos that were found."""
        return [timeline.source for timeline in self._found.values()]

    def find(self, name: object, where: str) -> _Timeline | None:
        """Return the frames of the video a cut names; None where nothing is known of it."""
        if name is not None and not isinstance(name, str):
            raise LabelError(f"{where} names the video {name!r}", "give its file name")
        file = self._folder / name if name else self._video
        if file is not None and not file.is_file():
            file = self._video
        key = str(file or name)
        if key in self._found:
            return self._found[key]
        if file is not None:
            self._found[key] = _Timeline(read_source(file), file)
            return self._found[key]
        if name is None:
            return None
        known = [s for s in self._known.values() if Path(s.name).name == Path(name).name]
        if len(known) > 1:
            raise LabelError(f"{where}: {len(known)} videos are called {name}", "give the file")
        if known:
            self._found[key] = _Timeline(known[0])
            return self._found[key]
        return None
