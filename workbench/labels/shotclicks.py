"""What people say of shots: the goal's corners, kick, foot, ball and distance; and its file.

The unit is one clip. Where several people have clicked the same, the newest counts. The file is
JSON; of a clip, each part may be absent:

    {"format": "workbench-shot-clicks/1",
     "goals": {"clip_0001": {"frame": 41, "corners_px": [[x, y], …4], "goal_wh_m": [7.32, 2.44]}},
     "shots": {"clip_0001": {"kick_frame": 31, "foot": "right", "ball": [[34, x, y]],
                             "distance_m": 11}}}

Values are described in `values`; `annotator` and `created_at` say who clicked and when. Knows
nothing about what an analysis makes of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench.footage.clips import Clip, load_clips
from workbench.labels.exchange import TOOL, add_changes, clip_names
from workbench.labels.records import Entry, Source, check_in_video, read_source
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, LabelError, Point, Value, check_value
from workbench.saving import reading, save_json

CLICKS_FORMAT = "workbench-shot-clicks/1"
_PARTS: dict[str, Kind] = {"goals": "corners", "shots": "shot"}
_WHO_AND_WHEN = ("annotator", "created_at")


@dataclass(frozen=True)
class GoalClick:
    """The goal as somebody clicked it in one frame of a clip."""

    corners_px: tuple[Point, ...]  # left bottom, left top, right top, right bottom, inner edges
    frame: int
    goal_wh_m: tuple[float, float] | None  # None where it was not said
    annotator: str = ""
    created_at: str = ""  # ISO 8601, UTC


@dataclass(frozen=True)
class ShotClick:
    """What somebody corrected of a shot; None is left to the analysis."""

    kick_frame: int | None = None
    foot: Literal["left", "right"] | None = None
    ball: tuple[tuple[int, Point | None], ...] = ()  # frame and place; None: no ball there
    distance_m: float | None = None  # from where the ball lay to the goal line
    annotator: str = ""
    created_at: str = ""


@dataclass(frozen=True)
class ShotClicks:
    """What was clicked, by clip id."""

    goals: Mapping[str, GoalClick]
    shots: Mapping[str, ShotClick]

    def over(self, other: "ShotClicks") -> "ShotClicks":
        """These, and the other ones where these say nothing."""
        return ShotClicks({**other.goals, **self.goals}, {**other.shots, **self.shots})


def standing_clicks(store: LabelStore) -> ShotClicks:
    """Return what counts in a label database."""
    rows = {part: _newest(store, kind) for part, kind in _PARTS.items()}
    return _clicks(rows)


def save_clicks(store: LabelStore, clips: Sequence[Clip], path: Path) -> int:
    """Write what counts on these clips to a file, and return on how many clips that is."""
    ids = {clip.clip_id for clip in clips}
    rows = {
        part: {item: row for item, row in sorted(_newest(store, kind).items()) if item in ids}
        for part, kind in _PARTS.items()
    }
    save_json(path, {"format": CLICKS_FORMAT, **rows})
    return len({item for part in rows.values() for item in part})


def click_rows(
    store: LabelStore, clip_ids: Sequence[str]
) -> tuple[list[tuple[str, str, str, str]], int]:
    """Return clip, what was clicked, who and when; and how many other clips have clicks."""
    found, ids = [], set(clip_ids)
    others: set[str] = set()
    for part, kind in _PARTS.items():
        for item, row in _newest(store, kind).items():
            others |= {item} - ids
            if item in ids:
                size = row.get("goal_wh_m")
                shown = [f"goal {size[0]:g} x {size[1]:g} m" if size else "goal"]
                if part == "shots":
                    ball = f"ball in {len(row['ball'])} frames" if row["ball"] else None
                    kick = (
                        None if row["kick_frame"] is None else f"kick in frame {row['kick_frame']}"
                    )
                    foot = row["foot"] and f"{row['foot']} foot"
                    metres = row.get("distance_m")
                    far = None if metres is None else f"from {metres:g} m"
                    shown = list(filter(None, (kick, foot, ball, far)))
                found.append((item, ", ".join(shown), row["annotator"], row["created_at"][:16]))
    return sorted(found), len(others)


def load_clicks(path: Path | None, footage_dir: Path) -> ShotClicks:
    """Read a file of clicks on the clips of a folder; nothing without a file.

    Raises:
        LabelError: If the file is none, or names a clip, frame or place that is not there.
    """
    if path is None:
        return ShotClicks({}, {})
    rows, _ = _read(path, footage_dir)
    return _clicks(rows)


def import_clicks(
    store: LabelStore, path: Path, footage_dir: Path, annotator: str | None = None
) -> int:
    """Take in a file of clicks as labels; return how many were new or changed.

    Args:
        store: Where to.
        path: The file.
        footage_dir: Of the clips that it names.
        annotator: Who clicked, where the file does not say.

    Raises:
        LabelError: If the file is none, or names a clip, frame or place that is not there, or
            nobody says who clicked. Then nothing was taken in.
    """
    rows, sources = _read(path, footage_dir)
    said: dict[str, list[Entry]] = {}
    for part, kind in _PARTS.items():
        for item, row in rows[part].items():
            who = row.get("annotator") or annotator
            if not who:
                raise LabelError(f"{path} does not say who clicked {item}", "give --annotator")
            value = _value(row)
            source_id = sources[item].source_id
            entry = Entry(kind, item, value, annotator=who, tool=TOOL, source_id=source_id)
            said.setdefault(who, []).append(entry)
    return sum(
        add_changes(store, list(sources.values()), who, entries) for who, entries in said.items()
    )


def _newest(store: LabelStore, kind: Kind) -> dict[str, dict[str, Any]]:
    """The value that counts for each item, with who said it when."""
    newest: dict[str, Entry] = {}
    for (_, item), entry in store.current(kind).items():
        other = newest.setdefault(item, entry)
        if (entry.created_at, entry.entry_id) > (other.created_at, other.entry_id):
            newest[item] = entry
    rows = {}
    for item, entry in newest.items():
        told = entry.to_row()
        rows[item] = {**(entry.value or {}), **{name: told[name] for name in _WHO_AND_WHEN}}
    return rows


def _clicks(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> ShotClicks:
    goals = {
        item: GoalClick(
            corners_px=tuple((x, y) for x, y in row["corners_px"]),
            frame=row["frame"],
            goal_wh_m=None
            if row["goal_wh_m"] is None
            else (row["goal_wh_m"][0], row["goal_wh_m"][1]),
            **_who(row),
        )
        for item, row in rows["goals"].items()
    }
    shots = {
        item: ShotClick(
            kick_frame=row["kick_frame"],
            foot=row["foot"],
            ball=tuple((frame, None if x is None else (x, y)) for frame, x, y in row["ball"] or ()),
            distance_m=row.get("distance_m"),
            **_who(row),
        )
        for item, row in rows["shots"].items()
    }
    return ShotClicks(goals, shots)


def _who(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: row.get(name) or "" for name in _WHO_AND_WHEN}


def _value(row: Mapping[str, Any]) -> Value:
    return {name: said for name, said in row.items() if name not in _WHO_AND_WHEN}


def _read(
    path: Path, footage_dir: Path
) -> tuple[dict[str, dict[str, dict[str, Any]]], dict[str, Source]]:
    """The checked rows of each part by clip id, and the video of each clip."""
    clips = {clip.clip_id: clip for clip in load_clips(footage_dir)}
    names = {clip.file: clip.clip_id for clip in clips.values()}
    sources: dict[str, Source] = {}
    parts: dict[str, dict[str, dict[str, Any]]] = {}
    with reading(path, "a file of clicks", _REMEDY, LabelError, once=True) as content:
        if content["format"] != CLICKS_FORMAT:
            raise ValueError(f"its format is {content['format']!r}, not {CLICKS_FORMAT}")
        if unknown := [name for name in content if name not in ("format", *_PARTS)]:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(_PARTS)}")
        for part, kind in _PARTS.items():
            given = {**content.get(part, {})}
            name_to_id = clip_names(given, names)
            if strangers := [name for name in given if name not in name_to_id]:
                raise LabelError(
                    f"{part}: {strangers[0]!r} is no clip in {footage_dir}, so it is used nowhere",
                    "name a clip of clips.json, or take it out",
                )
            parts[part] = {}
            for name, item in name_to_id.items():
                try:
                    value = check_value(kind, _value(given[name]))
                    source = sources.setdefault(item, _source(clips[item], footage_dir))
                    check_in_video(kind, value, source)
                except LabelError as error:
                    raise LabelError(f"{name}: {error.problem}", error.remedy) from None
                parts[part][item] = {**value, **_who(given[name])}
    return parts, sources


def _source(clip: Clip, footage_dir: Path) -> Source:
    return read_source(footage_dir / clip.file)


_REMEDY = "write it as docs/labelling-data.md shows"
