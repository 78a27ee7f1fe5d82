"""The classes that a project's clips are given, with their keys: one small YAML file.

    classes:               # or a list, [serve, forehand, none]: then the keys are 1, 2, 3 …
      serve: 1             # the key that says so in the rater: one letter or digit
      forehand: f
      none: n              # shows none of them; a class with the same rights
    several: false         # true: a clip may show several at once

Knows nothing about labels: a label may name a class that is not listed any more.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workbench.labels.values import NO_CLASS, LabelError, check_text

DEFAULT_FILE = Path("data") / "classes.yaml"
_KEYS = "123456789" + string.ascii_lowercase  # 0 clears
_FIELDS = ("classes", "several")
_REMEDY = "write it as docs/labelling-data.md shows"


@dataclass(frozen=True)
class ClassList:
    """What a clip can show, in the order of the keys."""

    class_to_key: Mapping[str, str]
    several: bool = False  # whether a clip may show more than one

    @property
    def names(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(self.class_to_key)


SPORTS = ClassList({"baseball": "1", "basketball": "2", "soccer": "3", NO_CLASS: "4"})


def load_classes(path: Path | None) -> ClassList:
    """Read a file of classes; the four sports where there is none.

    Raises:
        LabelError: If the file is no list of classes, or one key stands for two of them.
    """
    if path is None or not path.is_file():
        return SPORTS
    try:
        # Of text alone: a class may be called `no`, and a key may be 1.
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise LabelError(f"{path} is not YAML ({reason})", _REMEDY) from None
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror})", _REMEDY) from None
    try:
        return _checked(content)
    except LabelError as error:
        raise LabelError(f"{path}: {error.problem}", error.remedy) from None


def _checked(content: Any) -> ClassList:
    if not isinstance(content, dict) or "classes" not in content:
        raise LabelError("it has no classes", _REMEDY)
    if strangers := [name for name in content if name not in _FIELDS]:
        raise LabelError(f"it has no field {strangers[0]!r}", f"use {', '.join(_FIELDS)}")
    several = content.get("several") or "false"
    if several not in ("true", "false"):
        raise LabelError(f"several is {several!r}", "write true or false")
    return ClassList(_keys(content["classes"]), several == "true")


def _keys(said: Any) -> dict[str, str]:
    if isinstance(said, list):
        said = dict.fromkeys(check_text(name, "the name of a class") for name in said)
    if not isinstance(said, dict) or len(said) < 2:
        raise LabelError("classes are not two names or more", _REMEDY)
    given = {check_text(name, "the name of a class"): key for name, key in said.items()}
    free = [key for key in _KEYS if key not in given.values()]
    found: dict[str, str] = {}
    for name, key in given.items():
        key = key or (free.pop(0) if free else None)
        if not isinstance(key, str) or len(key) != 1 or key.isspace():
            raise LabelError(f"the key of {name!r} is {key!r}", "give one letter or digit")
        other = next((known for known, taken in found.items() if taken == key.lower()), None)
        if other is not None or key == "0":
            stands_for = f"{other!r} and {name!r}" if other else f"{name!r} and for clearing"
            raise LabelError(f"the key {key} stands for {stands_for}", "give each its own")
        found[name] = key.lower()
    return found
