"""Values of labels: one shape per kind, checked before anything is stored.

The unit is the value of one label, a small JSON object. Knows nothing about who said it or where it
is kept. Frames are counted from 0 in presentation order; intervals are half-open, [start, end).

| kind | value |
|---|---|
| cut | `start_frame`, `end_frame`, `start_pts`, `end_pts` (or null), `name`, `sport` (or null) |
| rating | `stars` 1–5, or `unsure: true`, or `skipped: true` |
| class | `classes` that it shows, one or more names, or `unsure: true`, or `skipped: true` |
| settled_class | the same: an adjudicator's last word on a clip, given after seeing the others' |
| verdict | `verdict` goal, no_goal or unsure; `event_frame` (or null) |
| settled_verdict | the same, of an adjudicator |
| event | `label`, `frame` |
| comment | `text` what should be known of a clip |
| corners | `frame`, `corners_px` (four [x, y]), `goal_wh_m` (or null: not measured) |
| shot | `kick_frame`, `foot` left or right, `ball` [[frame, x, y], …], `distance_m`, each or null |

Corners are the goal's inner ones, kept in the order left bottom, left top, right top, right bottom
as seen. A shot is what a person corrects: null is left to the analysis, and x and y are null where
there is no ball in that frame. Pixels count from the picture's upper left edge, whole video pixels.
"""

import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeGuard, get_args

from workbench.errors import WorkbenchError

Kind = Literal[
    "cut",
    "rating",
    "class",
    "settled_class",
    "verdict",
    "settled_verdict",
    "event",
    "corners",
    "shot",
    "comment",
]
Value = dict[str, Any]

KINDS: tuple[Kind, ...] = get_args(Kind)
VERDICTS = ("goal", "no_goal", "unsure")
MOST_STARS = 5
FEET = ("left", "right")
NO_CLASS = "none"  # a class like the others: what a clip shows that shows none of them
ANSWERS_ONE = ("rating", "class", "settled_class")  # kinds whose value is one of their fields
LONGEST_TEXT = 200  # characters of a name, label or id
LONGEST_COMMENT = 1000
LARGEST_INTEGER = 2**63 - 1  # what every database and every PTS holds
MOST_BALLS = 5000  # that one label of a shot places
MOST_CLASSES = 40  # of one clip
SHOT_M = (0.5, 90.0)  # from the goal line a ball is shot at it
_GOAL_M = (0.3, 30.0)  # a goal's width and height lie between
_LEAST_SIDE_PX, _LEAST_TURN = 2.0, 0.02  # of the goal's mouth; flatter ones no camera explains
_CORNERS_REMEDY = "give its four inner corners around the mouth, from left bottom: [[x, y], …4]"

Point = tuple[float, float]


class LabelError(WorkbenchError):
    """A label, label file or label database that cannot be used as it is."""


class Field(NamedTuple):
    """What a field of a value may hold, and what holds it in a table."""

    check: Callable[[object, str], Any]  # returns the content, or raises, calling it by the name
    column: str  # pandas' nullable type: a frame number stays a whole number beside missing ones
    is_optional: bool = False  # may be None
    past_end: int | None = None  # of a frame number: how far beyond the video's last frame


def check_kind(kind: str) -> Kind:
    """Return `kind` if it is one of `KINDS`.

    Raises:
        LabelError: If it is not.
    """
    for known in KINDS:
        if kind == known:
            return known
    raise LabelError(f"{kind!r} is no kind of label", f"use one of {', '.join(KINDS)}")


def check_value(kind: str, value: Mapping[str, Any]) -> Value:
    """Return a label's value in its full form: optional fields that are absent become None.

    Raises:
        LabelError: If a field is missing, unknown, or of the wrong type or range.

    Example:
        >>> check_value("verdict", {"verdict": "goal"})
        {'verdict': 'goal', 'event_frame': None}
    """
    kind = check_kind(kind)
    if not isinstance(value, Mapping):
        raise LabelError(f"the value of a {kind} is {value!r}", "give an object with named fields")
    _check_names(kind, value)
    checked: Value = {}
    for name, field in FIELDS[kind].items():
        if field.is_optional and value.get(name) is None:
            checked[name] = None
        elif name in value:
            checked[name] = field.check(value[name], name)
    if kind == "cut":
        _check_interval(checked)
    if kind == "shot" and all(said is None for said in checked.values()):
        raise LabelError("a shot corrects nothing", f"give one of {', '.join(checked)}")
    return checked


def frames_and_places(kind: Kind, value: Value) -> Iterator[tuple[str, int | None, Point | None]]:
    """Yield the frames and places in the picture that a value names, each with what it is."""
    for name, field in FIELDS[kind].items():
        said = value.get(name)
        if said is None:
            continue
        if field.past_end is not None:
            yield name, said - field.past_end, None
        elif name == "corners_px":
            yield from ((f"corner {number}", None, (x, y)) for number, (x, y) in enumerate(said, 1))
        elif name == "ball":
            for frame, x, y in said:
                yield "ball in frame", frame, None if x is None else (x, y)


def check_text(text: object, what: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text that every database and page can hold: not empty, one line, no broken letters.

    Blanks around it are dropped, and letters are composed (NFC), so that a name typed on two
    machines is the same name.

    Raises:
        LabelError: If `text` is anything else; the message calls it `what`.
    """
    if not isinstance(text, str):
        raise LabelError(f"{what} is {text!r}", "give a text")
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise LabelError(f"{what} is empty", "give a text")
    if len(text) > longest:
        raise LabelError(f"{what} has {len(text)} characters", f"use at most {longest}")
    for letter in text:
        # Cc: control characters, NUL and line ends among them; Cs: halves of a surrogate pair.
        if unicodedata.category(letter) in ("Cc", "Cs"):
            raise LabelError(f"{what} holds the character {letter!r}", "leave it out")
    return text


def _integer(number: object, what: str, least: int = 0, most: int = LARGEST_INTEGER) -> int:
    # True is an int to Python, and a label file with true for 1 is a mistake.
    if isinstance(number, bool) or not isinstance(number, int):
        raise LabelError(f"{what} is {number!r}", "give a whole number")
    if not least <= number <= most:
        bound = f"at least {least}" if most == LARGEST_INTEGER else f"{least} to {most}"
        raise LabelError(f"{what} is {number}", f"give {bound}")
    return number


def _verdict(said: object, what: str) -> str:
    if said not in VERDICTS:
        raise LabelError(f"{what} is {said!r}", f"use {', '.join(VERDICTS)}")
    return str(said)


def _true(said: object, what: str) -> bool:
    if said is not True:
        raise LabelError(f"{what} is {said!r}", f"write {what}: true, or clear the label")
    return True


def _classes(said: object, what: str) -> list[str]:
    """Names of classes, sorted: the same classes are the same value."""
    if not isinstance(said, list | tuple) or not 0 < len(said) <= MOST_CLASSES:
        raise LabelError(f"{what} is {said!r}", 'give a list of names, such as ["serve"]')
    names = [check_text(name, "the name of a class") for name in said]
    if len(set(names)) < len(names):
        raise LabelError(f"{what} names {names} twice", "name each class once")
    if NO_CLASS in names and len(names) > 1:
        others = ", ".join(name for name in names if name != NO_CLASS)
        raise LabelError(f"{what} is {NO_CLASS} and also {others}", "say one of the two")
    return sorted(names)


def _number(number: object, what: str) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        raise LabelError(f"{what} is {number!r}", "give a number")
    return float(number)


def _foot(said: object, what: str) -> str:
    if said not in FEET:
        raise LabelError(f"{what} is {said!r}", f"use {' or '.join(FEET)}")
    return str(said)


def _corners(said: object, what: str) -> list[list[float]]:
    """Four points around the mouth of a goal, turned into the order in which they are kept."""
    if not isinstance(said, list | tuple) or not all(_is_list(point, 2) for point in said):
        raise LabelError(f"{what} is no list of points", _CORNERS_REMEDY)
    if len(said) != 4:
        raise LabelError(f"{what} has {len(said)} points", _CORNERS_REMEDY)
    points = [[_number(place, f"{what}[{n}]") for place in xy] for n, xy in enumerate(said)]
    sides = [
        (b[0] - a[0], b[1] - a[1]) for a, b in zip(points, points[1:] + points[:1], strict=True)
    ]
    lengths = [math.hypot(*side) for side in sides]
    turns = [a[0] * b[1] - a[1] * b[0] for a, b in zip(sides, sides[1:] + sides[:1], strict=True)]
    if turns[0] < 0:
        turns, points = [-turn for turn in turns], points[::-1]
    if min(turns) < 0:
        raise LabelError(f"the sides of {what} cross, or one corner lies within", _CORNERS_REMEDY)
    flat = min(turns) <= _LEAST_TURN * min(lengths) * max(lengths)
    if min(lengths) <= _LEAST_SIDE_PX or flat:
        raise LabelError(f"{what} lie on a line, or two are one", _CORNERS_REMEDY)
    ways = [points[shift:] + points[:shift] for shift in range(4)]
    # Clockwise on the screen; of the four possible starts, the one whose posts go up.
    return max(ways, key=lambda c: c[0][1] - c[1][1] + c[3][1] - c[2][1])


def _goal_wh_m(said: object, what: str) -> list[float]:
    if not _is_list(said, 2):
        raise LabelError(f"{what} is {said!r}", "give inner width and height in metres")
    sides = [_number(side, what) for side in said]
    if not all(_GOAL_M[0] < side < _GOAL_M[1] for side in sides):
        raise LabelError(f"{what} is {sides}", "give inner width and height in metres")
    return sides


def _distance_m(said: object, what: str) -> float:
    distance = _number(said, what)
    if not SHOT_M[0] <= distance <= SHOT_M[1]:
        raise LabelError(f"{what} is {distance:g}", "give metres from the goal line; a penalty: 11")
    return distance


def _ball(said: object, what: str) -> list[list[Any]]:
    """Places of the ball by frame, sorted."""
    remedy = "give [[frame, x, y], …], null for x and y where there is no ball"
    if not isinstance(said, list | tuple) or not all(_is_list(row, 3) for row in said):
        raise LabelError(f"{what} is no list of frames and places", remedy)
    if not 0 < len(said) <= MOST_BALLS:
        raise LabelError(f"{what} has {len(said)} places", f"give 1 to {MOST_BALLS}")
    rows: dict[int, list[Any]] = {}
    for number, (frame, x, y) in enumerate(said):
        where = f"{what}[{number}]"
        frame = _integer(frame, f"the frame of {where}")
        if frame in rows:
            raise LabelError(f"{what} places frame {frame} twice", "keep one of them")
        is_gone = x is None and y is None
        rows[frame] = [
            frame,
            *((None, None) if is_gone else (_number(x, where), _number(y, where))),
        ]
    return [rows[frame] for frame in sorted(rows)]


def _is_list(said: object, length: int) -> TypeGuard[Sequence[Any]]:
    return isinstance(said, list | tuple) and len(said) == length


def _check_names(kind: Kind, value: Mapping[str, Any]) -> None:
    """Check that a value has the fields of its kind; a rating or class has one of them."""
    fields = FIELDS[kind]
    for name in value:
        if name not in fields:
            raise LabelError(f"a {kind} has no field {name!r}", f"use {', '.join(fields)}")
    if kind in ANSWERS_ONE:
        if len(value) != 1:
            said = ", ".join(value) or "nothing"
            raise LabelError(f"a {kind} says {said}", f"give one of {', '.join(fields)}")
        return
    needed = [name for name, field in fields.items() if not field.is_optional]
    for name in needed:
        if name not in value:
            raise LabelError(f"a {kind} lacks {name}", f"give {', '.join(needed)}")


def _check_interval(cut: Value) -> None:
    """Check that a cut has frames between its ends, by number and by time stamp."""
    for unit, ends in (("frame", ("start_frame", "end_frame")), ("PTS", ("start_pts", "end_pts"))):
        start, end = (cut[name] for name in ends)
        if (start is None) != (end is None):
            raise LabelError(f"a cut has one of {' and '.join(ends)}", "give both, or neither")
        if start is not None and end <= start:
            raise LabelError(f"a cut from {unit} {start} to {end} is empty", "mark OUT after IN")


# Time stamps may begin below zero: an edit list shifts them.
_PTS = Field(partial(_integer, least=-LARGEST_INTEGER), "Int64", is_optional=True)
_VERDICT = {
    "verdict": Field(_verdict, "string"),
    "event_frame": Field(_integer, "Int64", is_optional=True, past_end=0),
}
_CLASS = {
    "classes": Field(_classes, "object"),
    "unsure": Field(_true, "boolean"),
    "skipped": Field(_true, "boolean"),
}
FIELDS: dict[Kind, dict[str, Field]] = {
    "cut": {
        "start_frame": Field(_integer, "Int64", past_end=0),
        "end_frame": Field(_integer, "Int64", past_end=1),  # exclusive
        "start_pts": _PTS,
        "end_pts": _PTS,
        "name": Field(check_text, "string"),
        "sport": Field(check_text, "string", is_optional=True),
    },
    "rating": {
        "stars": Field(partial(_integer, least=1, most=MOST_STARS), "Int64"),
        "unsure": Field(_true, "boolean"),
        "skipped": Field(_true, "boolean"),
    },
    "class": _CLASS,
    "settled_class": _CLASS,
    "verdict": _VERDICT,
    "settled_verdict": _VERDICT,
    "comment": {"text": Field(partial(check_text, longest=LONGEST_COMMENT), "string")},
    "event": {
        "label": Field(check_text, "string"),
        "frame": Field(_integer, "Int64", past_end=0),
    },
    "corners": {
        "frame": Field(_integer, "Int64", past_end=0),
        "corners_px": Field(_corners, "object"),
        "goal_wh_m": Field(_goal_wh_m, "object", is_optional=True),
    },
    "shot": {
        "kick_frame": Field(_integer, "Int64", is_optional=True, past_end=0),
        "foot": Field(_foot, "string", is_optional=True),
        "ball": Field(_ball, "object", is_optional=True),
        "distance_m": Field(_distance_m, "Float64", is_optional=True),
    },
}
