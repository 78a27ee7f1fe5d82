"""Values of labels: one shape per kind, checked before anything is stored.

The unit is the value of one label, a small JSON object. Knows nothing about who said it or where it
is kept. Frames are counted from 0 in presentation order; intervals are half-open, [start, end).

| kind | value |
|---|---|
| cut | `start_frame`, `end_frame`, `start_pts`, `end_pts` (or null), `name`, `sport` (or null) |
| rating | `stars` 1–5, or `unsure: true`, or `skipped: true` |
| verdict | `verdict` goal, no_goal or unsure; `event_frame` (or null) |
| event | `label`, `frame` |
"""

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

from workbench.errors import WorkbenchError

Kind = Literal["cut", "rating", "verdict", "event"]
Value = dict[str, Any]

KINDS: tuple[Kind, ...] = get_args(Kind)
VERDICTS = ("goal", "no_goal", "unsure")
MOST_STARS = 5
LONGEST_TEXT = 200  # characters of a name, label or id
LARGEST_INTEGER = 2**63 - 1  # what every database and every PTS holds


class LabelError(WorkbenchError):
    """A label, label file or label database that cannot be used as it is."""


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
    return _KIND_TO_CHECK[kind](value)


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


def _check_cut(value: Mapping[str, Any]) -> Value:
    _check_fields(
        "cut", value, ("start_frame", "end_frame", "name"), ("start_pts", "end_pts", "sport")
    )
    start, end = (
        _integer(value[name], f"{name} of a cut") for name in ("start_frame", "end_frame")
    )
    if end <= start:
        raise LabelError(f"a cut from frame {start} to {end} is empty", "mark OUT after IN")
    pts = {name: value.get(name) for name in ("start_pts", "end_pts")}
    for name, stamp in pts.items():
        # Time stamps may begin below zero: an edit list shifts them.
        if stamp is not None:
            _integer(stamp, f"{name} of a cut", least=-LARGEST_INTEGER)
    if (pts["start_pts"] is None) != (pts["end_pts"] is None):
        raise LabelError("a cut has one of start_pts and end_pts", "give both, or neither")
    if pts["start_pts"] is not None and pts["end_pts"] <= pts["start_pts"]:
        problem = f"a cut from PTS {pts['start_pts']} to {pts['end_pts']} is empty"
        raise LabelError(problem, "mark OUT after IN")
    sport = value.get("sport")
    return {
        "start_frame": start,
        "end_frame": end,
        **pts,
        "name": check_text(value["name"], "the name of a cut"),
        "sport": None if sport is None else check_text(sport, "the sport of a cut"),
    }


def _check_rating(value: Mapping[str, Any]) -> Value:
    _check_fields("rating", value, (), ("stars", "unsure", "skipped"))
    if len(value) != 1:
        problem = f"a rating says {', '.join(value) or 'nothing'}"
        raise LabelError(problem, "give one of stars, unsure, skipped")
    ((name, said),) = value.items()
    if name == "stars":
        return {"stars": _integer(said, "stars", least=1, most=MOST_STARS)}
    if said is not True:
        raise LabelError(f"{name} is {said!r}", f"write {name}: true, or clear the rating")
    return {name: True}


def _check_verdict(value: Mapping[str, Any]) -> Value:
    _check_fields("verdict", value, ("verdict",), ("event_frame",))
    if value["verdict"] not in VERDICTS:
        raise LabelError(f"the verdict is {value['verdict']!r}", f"use {', '.join(VERDICTS)}")
    frame = value.get("event_frame")
    return {
        "verdict": value["verdict"],
        "event_frame": None if frame is None else _integer(frame, "event_frame"),
    }


def _check_event(value: Mapping[str, Any]) -> Value:
    _check_fields("event", value, ("label", "frame"), ())
    return {
        "label": check_text(value["label"], "the label of an event"),
        "frame": _integer(value["frame"], "the frame of an event"),
    }


def _check_fields(
    kind: str, value: Mapping[str, Any], needed: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    for name in needed:
        if name not in value:
            raise LabelError(f"a {kind} lacks {name}", f"give {', '.join(needed)}")
    for name in value:
        if name not in needed + optional:
            raise LabelError(
                f"a {kind} has no field {name!r}", f"use {', '.join(needed + optional)}"
            )


def _integer(number: object, what: str, least: int = 0, most: int = LARGEST_INTEGER) -> int:
    # True is an int to Python, and a label file with true for 1 is a mistake.
    if isinstance(number, bool) or not isinstance(number, int):
        raise LabelError(f"{what} is {number!r}", "give a whole number")
    if not least <= number <= most:
        bound = f"at least {least}" if most == LARGEST_INTEGER else f"{least} to {most}"
        raise LabelError(f"{what} is {number}", f"give {bound}")
    return number


_KIND_TO_CHECK: dict[Kind, Callable[[Mapping[str, Any]], Value]] = {
    "cut": _check_cut,
    "rating": _check_rating,
    "verdict": _check_verdict,
    "event": _check_event,
}
