"""Events of matches in columns: what happened, when, by which side, and how sure a model is of it.

The unit is one event: a class, and a place in time in milliseconds from the start of a half. Labels
have no score (NaN). Evaluators count in bins of 1 / fps: `bins` is SoccerNet's rule, truncation and
all, and `middle_ms` the time that brings a frame back into its own bin. Knows nothing about files
but CSV; SoccerNet's own are `soccernet`'s.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from workbench.errors import DatasetError
from workbench.saving import reading, save_text

if TYPE_CHECKING:
    from workbench.labels.records import Entry, Source

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TEAMS = ("", "left", "right", "home", "away", "not applicable")  # "": nobody said
SIDES = ("left", "right")
HALVES = (1, 2)
LONGEST_HALF_S = 120 * 60  # of the evaluator: what comes later counts in the last bin

BALL = (
    *("PASS", "DRIVE", "HEADER", "HIGH PASS", "OUT", "CROSS", "THROW IN", "SHOT"),
    *("BALL PLAYER BLOCK", "PLAYER SUCCESSFUL TACKLE", "FREE KICK", "GOAL"),
)
CLASS_SETS: Mapping[str, tuple[str, ...]] = {
    "ball": BALL,  # SoccerNet ball action spotting since 2024, in its order
    "ball-10": BALL[:-2],  # without the two that are too rare to learn
    "ball-2": BALL[:2],  # 2023
    "soccernet-v2": (
        *("Penalty", "Kick-off", "Goal", "Substitution", "Offside", "Shots on target"),
        *("Shots off target", "Clearance", "Ball out of play", "Throw-in", "Foul"),
        *("Indirect free-kick", "Direct free-kick", "Corner", "Yellow card", "Red card"),
        "Yellow->red card",
    ),
}
_CSV_COLUMNS = ("half", "time_s", "label", "team", "is_shown", "score")


@dataclass(frozen=True)
class ClassMap:
    """The classes that count, in order, and what other names become: a class, or None (left out).

    Example:
        >>> load_class_map("ball-10").place("GOAL") is None
        True
    """

    classes: tuple[str, ...]
    renamed: Mapping[str, str | None]

    def place(self, name: object) -> int | None:
        """Return the place of a class, None for one that is left out.

        Raises:
            ValueError: If nothing says what the name is.
        """
        known = self.renamed.get(name, name) if isinstance(name, str) else name
        if known is None:
            return None
        if known not in self.classes:
            raise ValueError(f"unknown class: 'label' is {name!r}")
        return self.classes.index(known)


def load_class_map(said: str | Path) -> ClassMap:
    """Return a set of `CLASS_SETS` by name, or what a JSON file says.

    The file holds `classes`, a list, and may hold `renamed`, an object from other names to classes
    or null. The smaller sets leave out the other classes of theirs.

    Raises:
        DatasetError: If it is neither.
    """
    if said in CLASS_SETS:
        classes = CLASS_SETS[str(said)]
        others = BALL if str(said).startswith("ball") else ()
        return ClassMap(classes, dict.fromkeys(name for name in others if name not in classes))
    path = Path(said)
    remedy = f"name one of {', '.join(CLASS_SETS)}, or a file with 'classes'"
    with reading(path, "a class map", remedy) as content:
        classes, renamed = content["classes"], content.get("renamed", {})
        if not (isinstance(classes, list) and classes and _are_names(classes)):
            raise ValueError("'classes' is not a list of names, each once")
        for name, ours in renamed.items():
            if ours is not None and ours not in classes:
                raise ValueError(f"{name!r} becomes {ours!r}, which is not one of 'classes'")
        return ClassMap(tuple(classes), renamed)


def _are_names(classes: Sequence[object]) -> bool:
    return all(isinstance(name, str) for name in classes) and len(set(classes)) == len(classes)


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one match, one row each, in columns (N,)."""

    classes: tuple[str, ...]
    label: Ints  # places in `classes`
    position_ms: Ints  # from the start of the half
    half: Ints
    team: Ints  # places in `TEAMS`
    is_shown: Bools
    score: Floats  # NaN: a label

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def of_rows(cls, classes: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> "Events":
        """Return events from rows as `rows` gives them; all but label and time may be absent.

        Raises:
            ValueError: If a class or team is not known.
        """
        table = list(rows)
        return cls(
            tuple(classes),
            np.array([list(classes).index(row["label"]) for row in table], np.int64),
            np.array([row["position_ms"] for row in table], np.int64),
            np.array([row.get("half", 1) for row in table], np.int64),
            np.array([TEAMS.index(row.get("team", "")) for row in table], np.int64),
            np.array([row.get("is_shown", True) for row in table], np.bool_),
            np.array([row.get("score", np.nan) for row in table], np.float64),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return one dictionary per event; labels have no `score`."""
        columns = zip(
            self.label.tolist(), self.position_ms.tolist(), self.half.tolist(),
            self.team.tolist(), self.is_shown.tolist(), self.score.tolist(),
            strict=True,
        )  # fmt: skip
        return [
            {
                "half": half,
                "position_ms": position_ms,
                "label": self.classes[label],
                "team": TEAMS[team],
                "is_shown": is_shown,
            }
            | ({"score": score} if score == score else {})
            for label, position_ms, half, team, is_shown, score in columns
        ]

    def take(self, kept: Bools | Ints) -> "Events":
        """Return some of the events: those where a mask is true, or at these places."""
        return replace(
            self,
            **{
                name: getattr(self, name)[kept]
                for name in ("label", "position_ms", "half", "team", "is_shown", "score")
            },
        )

    def flipped(self) -> "Events":
        """Return the events as seen in a mirror: left is right, and right is left."""
        left, right = (TEAMS.index(side) for side in SIDES)
        swap = np.arange(len(TEAMS))
        swap[[left, right]] = right, left
        return replace(self, team=swap[self.team])

    def in_order(self) -> "Events":
        """Return the events by half and time; those at one time keep their order."""
        return self.take(np.lexsort((self.position_ms, self.half)))


def bins(position_ms: npt.ArrayLike, fps: float) -> Ints:
    """Return SoccerNet's bins of 1 / fps seconds, truncated in floating point as its package does.

    At 25 fps one frame in twenty, written as frame × 40 ms, falls into the bin before its own:
    write `middle_ms` instead.
    """
    found = (fps * (np.asarray(position_ms, np.int64) / 1000)).astype(np.int64)
    return np.minimum(found, int(LONGEST_HALF_S * fps) - 1)


def middle_ms(frame: npt.ArrayLike, fps: float) -> Ints:
    """Return the milliseconds of the middle of frames, which every evaluator counts as the frame.

    Example:
        >>> bins(29 * 40, 25), bins(middle_ms(29, 25), 25)
        (array(28), array(29))
    """
    return np.rint((np.asarray(frame) + 0.5) * 1000 / fps).astype(np.int64)


def from_entries(classes: Sequence[str], entries: "Iterable[Entry]", source: "Source") -> Events:
    """Return the events that people marked in a video: entries of the kind "event" that stand.

    Args:
        classes: Those that count; other labels are left out.
        entries: As `LabelStore.current` gives them.
        source: Their video.
    """
    rows = [
        {
            "label": entry.value["label"],
            "position_ms": int(middle_ms(entry.value["frame"], float(source.fps))),
        }
        for entry in entries
        if entry.kind == "event" and entry.value and entry.source_id == source.source_id
        if entry.value["label"] in classes
    ]
    return Events.of_rows(classes, rows).in_order()


def write_csv(path: Path, events: Events) -> None:
    """Write events of any sport as a table: half, time in seconds, label, team, shown, score."""
    text = io.StringIO()
    table = csv.DictWriter(text, _CSV_COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for row in events.rows():
        time_ms = row.pop("position_ms")
        table.writerow({**row, "time_s": f"{time_ms // 1000}.{time_ms % 1000:03d}"})
    save_text(path, text.getvalue())


def read_csv(path: Path, class_map: ClassMap) -> Events:
    """Read a table of events; only `time_s` and `label` must be there.

    Raises:
        DatasetError: Naming the line, if the file cannot be read or a row is not an event.
    """
    remedy = f"give columns {', '.join(_CSV_COLUMNS)}; time_s and label will do"
    try:
        lines = list(csv.DictReader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read ({error})", remedy) from None
    rows = []
    for number, line in enumerate(lines, 2):
        try:
            row = _csv_row(line, class_map)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise DatasetError(f"{path}: line {number} is no event ({error})", remedy) from None
        rows += [row] if row else []
    return Events.of_rows(class_map.classes, rows)


def _csv_row(line: Mapping[str, str], class_map: ClassMap) -> dict[str, Any] | None:
    place = class_map.place(line["label"])
    time_ms = round(float(line["time_s"]) * 1000)
    half, team = int(line.get("half") or 1), line.get("team") or ""
    if time_ms < 0 or half not in HALVES or team not in TEAMS:
        raise ValueError(f"time_s {line['time_s']}, half {half}, team {team!r}")
    return None if place is None else {
        "label": class_map.classes[place],
        "position_ms": time_ms,
        "half": half,
        "team": team,
        "is_shown": (line.get("is_shown") or "True").lower() not in ("false", "0", "no"),
        "score": float(line.get("score") or "nan"),
    }  # fmt: skip
