"""Label files: the lossless export of a database, its import, and simple files of other projects.

The export is JSON that git can compare: one line per video and per entry, oldest entry first; the
same labels give the same bytes, whichever database they lie in and however they came there. Files
of other projects say neither who labelled nor when: the caller names the annotator, and the time is
that of the import.
"""

import math
import re
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from workbench.footage.clips import label_id, label_ids, resolve_names, video_name
from workbench.labels.records import Entry, Source, read_source
from workbench.labels.schema import to_json
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, LabelError, Value, check_text, check_value
from workbench.saving import reading, save_text

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
    with reading(path, "a label file", "export it anew", LabelError, once=True) as content:
        if content["format"] != LABELS_FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {LABELS_FORMAT}")
        sources = _rows(content, "sources", Source.from_row)
        entries = _rows(content, "entries", Entry.from_row)
    return store.add_all(sources, entries)


@dataclass(frozen=True)
class Imported:
    """What became of a label file of another project."""

    new: int  # labels that were new or changed
    unknown: tuple[str, ...] = ()  # names in the file that are no clip's: not taken in


def import_foreign(
    store: LabelStore,
    path: Path,
    annotator: str,
    video: Path | None = None,
    footage: Path | None = None,
) -> Imported:
    """Take in a label file of another project.

    Three shapes are read: a list of cuts; an object from clip to stars; an object from clip to
    goal, no goal or unsure. Importing a file again adds only what has changed.

    A cut gives `start_frame` and `end_frame`, or `start` and `end` in seconds, and may give `name`,
    `sport` and `video`; seconds become the nearest frames. Stars are 1–5; 0 and null are passed
    over. Verdicts are "goal", "no_goal" (or "no goal", "no-goal") and "unsure". Clips are those of
    the folder `footage`, found by `resolve_names`; without one, a clip's id is its name in the file
    without `.mp4`. Videos are looked up beside the file, and among the sources of `store`; cuts
    that name no video are cuts of `video`.

    Raises:
        LabelError: If the file has none of these shapes, a name may be several clips, or none of
            its names is a clip's, or a video that is there cannot be read. Then nothing was taken
            in.
        FootageError: If the videos of `footage` cannot be told apart.

    Example:
        >>> import_foreign(store, Path("ratings.json"), annotator="ann")  # doctest: +SKIP
        Imported(new=117, unknown=())
    """
    annotator = check_text(annotator, "the annotator's name")
    video_to_id = None
    if footage is not None:
        from workbench.footage.ingest import find_videos

        paths = (path.relative_to(footage) for path in find_videos(footage))
        video_to_id = label_ids(footage, (video_name(str(path)) for path in paths))
    lookup = _Lookup(store, path.parent, video)
    unknown: tuple[str, ...] = ()
    with reading(path, "a label file", _SHAPES, LabelError, once=True) as content:
        if isinstance(content, list):
            said = [
                _cut(row, lookup, annotator, f"cut {number}") for number, row in enumerate(content)
            ]
        else:
            name_to_id = clip_names(content, video_to_id)
            unknown = tuple(name for name in content if name not in name_to_id)
            said = _clip_labels(content, name_to_id, annotator)
            if unknown and not name_to_id:
                raise LabelError(
                    f"{unknown[0]!r} is no clip in {footage}, nor is another name",
                    "give the folder that the clips lie in",
                )
    return Imported(add_changes(store, lookup.sources(), annotator, said), unknown)


def add_changes(store: LabelStore, sources: list[Source], annotator: str, said: list[Entry]) -> int:
    """Add what differs from this annotator's labels that stand; return how many that are."""
    return store.add_all(sources, _changes(store, annotator, said))


def clip_names(names: Iterable[str], video_to_id: Mapping[str, str] | None) -> dict[str, str]:
    """Return the id of the clip that each name in a label file means; no clip's names are left out.

    Args:
        names: As somebody else wrote them.
        video_to_id: The clips, from `label_ids`; without them every name is a clip's.

    Raises:
        WorkbenchError: If a name is empty or may be several clips, or two are one clip's.
    """
    names = list(names)
    if not all(name.strip() for name in names):
        raise LabelError("a clip has no name", "name its file")
    if video_to_id is None:
        found = {name: label_id(name) for name in names}
    else:
        found = resolve_names(names, video_to_id.items())
    id_to_name: dict[str, str] = {}
    for name, item in found.items():
        other = id_to_name.setdefault(check_text(item, f"the clip id of {name!r}"), name)
        if other != name:
            raise LabelError(f"{other!r} and {name!r} are one clip, {item!r}", "keep one of them")
    return {name: item for item, name in id_to_name.items()}


def _rows(content: dict[str, Any], part: str, read: Callable[[dict[str, Any]], _Row]) -> list[_Row]:
    rows = content[part]
    if not isinstance(rows, list):
        raise TypeError(f"{part} is no list")
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(read(row))
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            problem = f"{part}[{number}] cannot be read ({error!r})"
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


def _clip_labels(
    content: Mapping[str, Any], name_to_id: Mapping[str, str], annotator: str
) -> list[Entry]:
    found = []
    for name, item_id in name_to_id.items():
        said = content[name]
        if said is None or (isinstance(said, int) and said == 0 and not isinstance(said, bool)):
            continue
        found.append(_clip_label(item_id, said, annotator, repr(name)))
    if len({label.kind for label in found}) > 1:
        raise LabelError("it mixes stars and verdicts", "make it two files")
    return found


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
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < math.inf:
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
        file = self._video
        if name:
            files = [self._folder / name, self._folder / video_name(name)]
            if file and resolve_names([name], [(file.name, file.name)]):
                files.append(file)
            file = next((one for one in files if one.is_file()), None)
        key = str(file or name)
        if key not in self._found:
            if file is not None:
                self._found[key] = _Timeline(read_source(file), file)
            elif name:
                names = ((source.name, source_id) for source_id, source in self._known.items())
                if known := resolve_names([name], names):
                    self._found[key] = _Timeline(self._known[known[name]])
        return self._found.get(key)
