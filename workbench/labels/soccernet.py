"""SoccerNet's event files: labels of a match, what a model spotted, and the archive to submit.

The unit is one file of one match: `Labels-ball.json` and `Labels-v2.json` (a list `annotations`),
`results_spotting.json` (a list `predictions`). A match is named by its folder below the root. What
is wrong is refused with file and place, or left out and told where the caller says so.

Source: SoccerNet 0.2.0, `Evaluation/ActionSpotting.py`, which reads label, position, half and
confidence alone; the time of a label without a position is that of its `gameTime`.
"""

import os
import zipfile
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import numpy as np

from workbench.errors import DatasetError
from workbench.labels.events import HALVES, TEAMS, ClassMap, Events, Ints, bins
from workbench.saving import reading, replacing, save_json

LABELS_BALL, LABELS_V2, RESULTS = "Labels-ball.json", "Labels-v2.json", "results_spotting.json"
_REMEDY = "correct it, or leave out what is wrong with --skip-bad"
_ANNOTATIONS, _PREDICTIONS = "annotations", "predictions"


@dataclass(frozen=True, eq=False)
class EventFile:
    """Events of a file, and one line for each row that was left out because of a fault."""

    events: Events
    faults: tuple[str, ...]


def read_events(
    path: Path,
    class_map: ClassMap,
    *,
    skip_bad: bool = False,
    length_ms: int | None = None,
    fps: float | None = None,
) -> EventFile:
    """Read the labels or the predictions of a match.

    Args:
        path: The file; a member of an archive as `zipfile.Path`.
        class_map: Which classes count. A class it does not know is a fault.
        skip_bad: Leave rows with a fault out, and say which.
        length_ms: Of the video, if there is one: later events are faults.
        fps: Of the evaluator: two labels of a class in one bin are a fault, since only the last
            one counts.

    Raises:
        DatasetError: If the file is neither, or has faults; the first is named by file, place and
            field.
    """
    with reading(path, "SoccerNet's events", _REMEDY) as content:
        part = _ANNOTATIONS if _ANNOTATIONS in content else _PREDICTIONS
        rows = content[part]
        if not isinstance(rows, list):
            raise TypeError(f"{part!r} is not a list")
    is_labels = part == _ANNOTATIONS
    events, place, faults = _sound_spots(rows, class_map) or _columns(rows, class_map, is_labels)
    faults += _faults_of(events, place, length_ms, fps if is_labels else None)
    named = [(at, f"{path}: {part}[{at}]: {said}") for at, said in sorted(faults)]
    if named and not skip_bad:
        more = f" (and {len(named) - 1} more)" if len(named) > 1 else ""
        raise DatasetError(named[0][1] + more, _REMEDY)
    bad = np.array([at for at, _ in faults], np.int64)
    return EventFile(events.take(~np.isin(place, bad)), tuple(said for _, said in named))


def _sound_spots(
    rows: Sequence[Any], class_map: ClassMap
) -> tuple[Events, Ints, list[tuple[int, str]]] | None:
    """Predictions without a fault in columns, column by column: thrice as fast as row by row.

    None for what may have one; `_columns` then says which.
    """
    try:
        named = [*map(itemgetter("label"), rows)]
        name_to_place = {name: class_map.place(name) for name in set(named)}
        count, names = len(rows), ("half", "position", "confidence")
        halves, times, scores = (map(itemgetter(name), rows) for name in names)
        half = np.fromiter(map(int, halves), np.int64, count)
        time = np.fromiter(map(int, times), np.int64, count)
        score = np.fromiter(map(float, scores), np.float64, count)
        teams = (_TEAM_TO_PLACE[row.get("team") or ""] for row in rows)
        team = np.fromiter(teams, np.int64, count)
        label = np.array([name_to_place[name] for name in named], np.float64)  # None: NaN
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError):
        return None
    is_sound = np.isin(half, HALVES) & (time >= 0) & (time < _LARGEST_MS)
    if not (is_sound & (np.abs(score) < _LARGEST_SCORE)).all():
        return None
    kept = np.flatnonzero(~np.isnan(label))
    shown = np.ones(len(rows), np.bool_)
    events = Events(
        class_map.classes, np.nan_to_num(label).astype(np.int64), time, half, team, shown, score
    )
    return events.take(kept), kept, []


def _columns(
    rows: Sequence[Any], class_map: ClassMap, is_labels: bool
) -> tuple[Events, Ints, list[tuple[int, str]]]:
    """Rows in columns, their places in the file, and what cannot be read of the others."""
    # The names of classes are few, the rows may be many.
    name_to_place: dict[Any, int | None] = {}
    # Arrays of C numbers: half the memory of rows of Python's, beside a file of many spots.
    columns: list[array[Any]] = [array(code) for code in "qqqqbdq"]
    faults: list[tuple[int, str]] = []
    for at, row in enumerate(rows):
        try:
            name = row["label"]
            if name not in name_to_place:
                name_to_place[name] = class_map.place(name)
            kind = name_to_place[name]
            if kind is not None:
                for column, value in zip(columns, (kind, *_row(row, is_labels), at), strict=True):
                    column.append(value)
        except KeyError as error:
            faults.append((at, f"no field {error}"))
        except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
            faults.append((at, " ".join(str(error).split()) or "not an event"))
    label, time, half, team, shown, score, place = (np.array(column) for column in columns)
    events = Events(class_map.classes, label, time, half, team, shown.astype(np.bool_), score)
    return events, place, faults


_TEAM_TO_PLACE = {team: place for place, team in enumerate(TEAMS)}
_LARGEST_SCORE = 1e300
_LARGEST_MS = 10**10  # about four months: what no match has, and every integer type holds


def _row(row: Mapping[str, Any], is_labels: bool) -> tuple[int, int, int, bool, float]:
    """Time in ms, half, team, whether it is shown, score; ValueError for what is none."""
    if is_labels:
        half = int(row["gameTime"][0])
        time = row["position"] if "position" in row else _clock_ms(row["gameTime"])
        score = float("nan")
    else:
        half, time = row["half"], row["position"]
        score = float(row["confidence"])
        if not abs(score) < _LARGEST_SCORE:
            raise ValueError(f"'confidence' is {row['confidence']!r}")
    half, time = int(half), int(time)
    if half not in HALVES:
        raise ValueError(f"'half' is {half}, a match has two")
    if not 0 <= time < _LARGEST_MS:
        raise ValueError(f"'position' is {time} ms")
    team = row.get("team") or ""
    if team not in _TEAM_TO_PLACE:
        raise ValueError(f"'team' is {team!r}")
    return time, half, _TEAM_TO_PLACE[team], row.get("visibility") != "not shown", score


def _clock_ms(game_time: str) -> int:
    return 1000 * (60 * int(game_time[-5:-3]) + int(game_time[-2:]))


def _faults_of(
    events: Events, place: Ints, length_ms: int | None, fps: float | None
) -> list[tuple[int, str]]:
    faults = []
    if length_ms is not None:
        for at in np.flatnonzero(events.position_ms >= length_ms).tolist():
            said = f"'position' is {events.position_ms[at]} ms, the video ends at {length_ms} ms"
            faults.append((int(place[at]), said))
    if fps is not None:
        bin_of = bins(events.position_ms, fps)
        keys = zip(events.half.tolist(), events.label.tolist(), bin_of.tolist(), strict=True)
        last: dict[tuple[int, int, int], int] = {}
        for at, key in enumerate(keys):
            if key in last:
                name = events.classes[key[1]]
                said = f"a second {name} within one bin follows, and only the last counts"
                faults.append((int(place[last[key]]), said))
            last[key] = at
    return faults


def write_labels(path: Path, events: Events, game: str = "") -> None:
    """Write events as a label file; `game` is the match's folder below the root."""
    rows = []
    for row in events.rows():
        said = {
            "gameTime": _game_time(row),
            "label": row["label"],
            "position": str(row["position_ms"]),
        }
        if row["team"]:
            said["team"] = row["team"]
        rows.append(said | {"visibility": "visible" if row["is_shown"] else "not shown"})
    save_json(path, {"UrlLocal": game, "UrlYoutube": "", _ANNOTATIONS: rows})


def write_results(path: Path, events: Events, game: str = "") -> None:
    """Write what a model spotted; `game` is the match's folder below the root.

    Raises:
        DatasetError: If an event has no score.
    """
    if np.isnan(events.score).any():
        raise DatasetError("events without a score", "give a model's, or write them as labels")
    rows = []
    for row in events.rows():
        said = {
            "gameTime": _game_time(row),
            "label": row["label"],
            "position": str(row["position_ms"]),
            "half": str(row["half"]),
            "confidence": repr(row["score"]),
        }
        rows.append(said | ({"team": row["team"]} if row["team"] else {}))
    save_json(path, {"UrlLocal": game, _PREDICTIONS: rows})


def _game_time(row: Mapping[str, Any]) -> str:
    minutes, seconds = divmod(row["position_ms"] // 1000, 60)
    return f"{row['half']} - {minutes:02d}:{seconds:02d}"


def find_matches(root: Path, name: str) -> dict[str, Path]:
    """Return the files of this name below a folder or in an archive, by their match's folder.

    Folders that links lead to are looked into. A file right in the root is the match ".".

    Raises:
        DatasetError: If there is no such file.
    """
    if root.is_dir():
        found = {
            Path(folder).relative_to(root).as_posix(): Path(folder, name)
            for folder, _, names in os.walk(root, followlinks=True)
            if name in names
        }
    elif zipfile.is_zipfile(root):
        archive = zipfile.ZipFile(root)
        members = [Path(member) for member in archive.namelist() if Path(member).name == name]
        # It reads as a Path does, which is all that is asked of it.
        found = {
            member.parent.as_posix(): cast(Path, zipfile.Path(archive, member.as_posix()))
            for member in members
        }
    else:
        raise DatasetError(f"{root} is neither a folder nor an archive", "name one of matches")
    if not found:
        raise DatasetError(f"no {name} below {root}", "name the folder that holds the matches")
    return dict(sorted(found.items()))


def zip_results(root: Path, archive: Path) -> int:
    """Pack every `results_spotting.json` below a folder for submission; return their number.

    The same results give the same bytes.
    """
    found = find_matches(root, RESULTS)
    with replacing(archive) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as packed:
        for game, file in found.items():
            # With a date of its own, and the rights of a plain file.
            member = zipfile.ZipInfo(f"{game}/{RESULTS}".removeprefix("./"), (1980, 1, 1, 0, 0, 0))
            member.external_attr, member.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            packed.writestr(member, file.read_bytes())
    return len(found)
