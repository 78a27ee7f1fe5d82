"""Label files: the lossless export of a database, its import, and simple files of other projects.

The export is JSON that git can compare: one line per video and per entry, oldest entry first; the
same labels give the same bytes, whichever database they lie in and however they came there. Files
of other projects say neither who labelled nor when: the caller names the annotator, and the time is
that of the import.
"""

import json
import re
import uuid
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from workbench.footage.clips import VIDEO_SUFFIXES
from workbench.labels.records import Entry, Source, read_source
from workbench.labels.schema import to_json
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, LabelError, Value, check_text, check_value
from workbench.saving import save_text

LABELS_FORMAT = "workbench-labels/1"
TOOL = "import"  # that said what files of other projects say
_CUT_IDS = uuid.UUID("6f0e2b8e-0b36-4c0b-9a4f-9d2b6d1c7a51")  # any; the same cut, the same id
_START_NAMES, _END_NAMES = ("start_s", "start", "in"), ("end_s", "end", "out")
_VIDEO_NAMES = ("video", "source", "file")
_SHAPES = "give a list of cuts, or an object from clip to stars or to goal, no_goal, unsure"

_Row = TypeVar("_Row")


def export_labels(store: LabelStore, path: Path) -> int:
    """Write every video and every entry to `path`, and return the number of entries."""
    # The entries first: whoever labels meanwhile, their videos are then among the sources.
    entries = store.history()
    save_text(path, labels_text(list(store.sources().values()), entries))
    return len(entries)


def labels_text(sources: list[Source], entries: list[Entry]) -> str:
    """Return the text of a label file; `entries` oldest first."""
    parts = {
        "sources": [source.to_row() for source in sorted(sources, key=lambda s: s.source_id)],
        "entries": [entry.to_row() for entry in entries],
    }
    for row in parts["entries"]:
        del row["seq"]  # the order of arrival in one database says nothing in another
    lines = [f'{{"format": "{LABELS_FORMAT}"']
    for name, rows in parts.items():
        body = ",\n".join(to_json(row) for row in rows)
        lines.append(f'"{name}": [\n{body}\n]' if rows else f'"{name}": []')
    return ",\n".join(lines) + "}\n"


def import_labels(store: LabelStore, path: Path) -> int:
    """Take in a label file, and return how many entries were new; importing twice adds nothing.

    Where an annotator's labels meet older ones of theirs, the newer by time count, wherever they
    were made.

    Raises:
        LabelError: If the file is not one, or says something else under a known id. Then nothing
            was taken in.
    """
    content = _read_json(path)
    if not isinstance(content, dict) or content.get("format") != LABELS_FORMAT:
        raise LabelError(f"{path} is not in the format {LABELS_FORMAT}", "export it anew")
    sources = _rows(content, "sources", Source.from_row, path)
    return store.add_all(sources, _rows(content, "entries", Entry.from_row, path))


def import_foreign(store: LabelStore, path: Path, annotator: str, video: Path | None = None) -> int:
    """Take in a label file of another project, and return how many labels were new or changed.

    Three shapes are read: a list of cuts; an object from clip to stars; an object from clip to
    goal, no goal or unsure. Importing a file again adds only what has changed.

    A cut gives `start_frame` and `end_frame`, or `start` and `end` in seconds, and may give `name`,
    `sport` and `video`; seconds become the nearest frames. Stars are 1–5; 0 and null are passed
    over. Verdicts are "goal", "no_goal" (or "no goal", "no-goal") and "unsure". A clip's id is its
    file name without folder and suffix. Videos are looked up beside the file, and among the sources
    of `store`; cuts that name no video are cuts of `video`.

    Raises:
        LabelError: If the file has none of these shapes. Then nothing was taken in.
        FootageError: If a video that is there cannot be read.

    Example:
        >>> import_foreign(store, Path("ratings.json"), annotator="ann")  # doctest: +SKIP
        117
    """
    annotator = check_text(annotator, "the annotator's name")
    content = _read_json(path)
    lookup = _Lookup(store, path.parent, video)
    if isinstance(content, list):
        said = [
            _cut(row, lookup, annotator, f"{path}, cut {number}")
            for number, row in enumerate(content)
        ]
    elif isinstance(content, dict):
        said = _clip_labels(content, annotator, path)
    else:
        raise LabelError(f"{path} is neither a list nor an object", _SHAPES)
    return store.add_all(lookup.sources(), _changes(store, annotator, said))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror})", "name a label file") from None
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path} is not JSON ({error})", "export it anew") from None


def _rows(
    content: dict[str, Any], part: str, read: Callable[[dict[str, Any]], _Row], path: Path
) -> list[_Row]:
    rows = content.get(part)
    if not isinstance(rows, list):
        raise LabelError(f"{path} has no list of {part}", "export it anew")
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(read(row))
        except (TypeError, ValueError, KeyError, AttributeError, ZeroDivisionError) as error:
            problem = f"{path}, {part}[{number}] cannot be read ({error!r})"
            raise LabelError(problem, "export it anew") from None
    return found


def _changes(store: LabelStore, annotator: str, said: list[Entry]) -> list[Entry]:
    """Return what differs from the labels that stand, each later than all that was said before."""
    history = store.history(annotator=annotator)
    standing = {kind: store.current(kind, annotator) for kind in {label.kind for label in said}}
    now = datetime.now(UTC)
    if history:
        now = max(now, history[-1].created_at + timedelta(microseconds=1))
    entries: list[Entry] = []
    for label in said:
        known = standing[label.kind].get((annotator, label.item_id))
        if known is None or known.value != label.value:
            created_at = now + timedelta(microseconds=len(entries))
            entries.append(replace(label, created_at=created_at))
    return entries


def _clip_labels(content: Mapping[str, Any], annotator: str, path: Path) -> list[Entry]:
    found: dict[str, Entry] = {}
    for name, said in content.items():
        where = f"{path}, {name!r}"
        if said is None or (isinstance(said, int) and said == 0 and not isinstance(said, bool)):
            continue
        item_id = _clip_id(name)
        if item_id in found:
            raise LabelError(f"{where}: clip {item_id} is there twice", "rename one of the clips")
        found[item_id] = _clip_label(item_id, said, annotator, where)
    if len({label.kind for label in found.values()}) > 1:
        raise LabelError(f"{path} mixes stars and verdicts", "make it two files")
    return list(found.values())


def _clip_label(item_id: str, said: object, annotator: str, where: str) -> Entry:
    if isinstance(said, int) and not isinstance(said, bool):
        return _to_label("rating", item_id, {"stars": said}, annotator, where)
    if isinstance(said, str):
        verdict = re.sub(r"[\s_-]+", "_", said.strip().lower())
        value = {"verdict": "no_goal" if verdict == "nogoal" else verdict}
        return _to_label("verdict", item_id, value, annotator, where)
    raise LabelError(f"{where} is {said!r}", "give stars from 1 to 5, or goal, no_goal or unsure")


def _to_label(
    kind: Kind, item_id: str, value: Value, annotator: str, where: str, source_id: str | None = None
) -> Entry:
    try:
        value = check_value(kind, value)
    except LabelError as error:
        raise LabelError(f"{where}: {error.problem}", error.remedy) from None
    return Entry(
        kind=kind,
        item_id=item_id,
        source_id=source_id,
        annotator=annotator,
        value=value,
        tool=TOOL,
    )


def _clip_id(name: str) -> str:
    path = Path(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in VIDEO_SUFFIXES else name


def _cut(row: object, lookup: "_Lookup", annotator: str, where: str) -> Entry:
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
    item_id = str(uuid.uuid5(_CUT_IDS, f"{source_id or name} {start} {end} {value['name']}"))
    return _to_label("cut", item_id, value, annotator, where, source_id)


def _seconds(row: Mapping[str, Any], names: tuple[str, ...], where: str) -> float:
    said = next((row[name] for name in names if name in row), None)
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise LabelError(f"{where} has no {names[1]} in seconds", "give start and end of every cut")
    return float(said)


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
        if key not in self._found:
            known = [
                source
                for source in self._known.values()
                if name is not None and Path(source.name).name == Path(name).name
            ]
            if file is not None:
                self._found[key] = _Timeline(read_source(file), file)
            elif len(known) > 1:
                raise LabelError(f"{where}: {len(known)} videos are called {name}", "give the file")
            elif known:
                self._found[key] = _Timeline(known[0])
        return self._found.get(key)
