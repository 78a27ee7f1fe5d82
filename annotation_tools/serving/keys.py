"""The key table of a tool, with the user's changes.

The unit is one action with its keys. A key is a character ("y", "?", "5") where the letter is what
counts, or a place on the keyboard ("KeyJ", "Comma", "ArrowLeft": `KeyboardEvent.code`) where the
place is, whatever the layout; "Shift+" and "Mod+" (Ctrl, on a Mac Cmd) may stand before it. Alt is
refused: with it browsers leave the page.
"""

import difflib
import re
from pathlib import Path
from typing import Any

from annotation_tools.serving.problem import ServingError
from workbench.saving import reading

KEY = re.compile(r"(Mod\+)?(Shift\+)?([^\s+]|\+|[A-Z][A-Za-z0-9]+)")

KeyTable = dict[str, dict[str, Any]]


def load_keys(defaults: Path, changes: Path | None, tool: str) -> KeyTable:
    """Read a tool's key table and apply the user's changes to it.

    Args:
        defaults: The tool's `keys.json`: `{action: {"keys", "help", "group"}}`, in the order that
            the help shows.
        changes: The user's file, `{tool: {action: [key, …]}}`; absent is fine.
        tool: The tool's name.

    Raises:
        ServingError: If the user's file names an unknown action or key, or one key twice.
    """
    table: KeyTable = {}
    if defaults.exists():
        with reading(defaults) as content:
            table = content
    if changes is None or not changes.is_file():
        return table
    remedy = 'write {"clipper": {"mark_in": ["KeyI"]}}'
    with reading(changes, "a file of keys", remedy, ServingError) as wanted:
        for action, keys in wanted.get(tool, {}).items():
            if action not in table:
                close = difflib.get_close_matches(action, table, 1)
                hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(table)}"
                raise ServingError(f"no action {action!r} in {tool}", hint)
            table[action]["keys"] = _checked(keys, f"{tool}.{action}")
    key_to_action: dict[str, str] = {}
    for action, row in table.items():
        for key in row["keys"]:
            other = key_to_action.setdefault(key, action)
            if other != action:
                raise ServingError(
                    f"{changes}: the key {key} does both {other} and {action}",
                    "give one of them another key",
                )
    return table


def _checked(keys: Any, where: str) -> list[str]:
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ServingError(f"{where} is not a list of keys", 'write ["KeyI"]')
    for key in keys:
        if not KEY.fullmatch(key):
            raise ServingError(
                f"{where}: no key {key!r}",
                'use a character ("y"), a place ("KeyJ"), Shift+ or Mod+ before it; never Alt',
            )
    return keys
