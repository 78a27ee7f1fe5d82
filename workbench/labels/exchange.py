"""Lossless export and import of a label database as a text file that git can compare.

The unit is one JSON file with one line per video and per entry, oldest entry first. The same labels
give the same bytes, whichever database they lie in and however they came there.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from workbench.labels.history import Entry
from workbench.labels.schema import to_json
from workbench.labels.sources import Source
from workbench.labels.store import LabelStore
from workbench.labels.values import LabelError
from workbench.saving import save_text

LABELS_FORMAT = "workbench-labels/1"

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
        "entries": [_entry_row(entry) for entry in entries],
    }
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
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != LABELS_FORMAT:
        raise LabelError(f"{path} is not in the format {LABELS_FORMAT}", "export it anew")
    sources = _rows(content, "sources", Source.from_row, path)
    return store.add_all(sources, _rows(content, "entries", _to_entry, path))


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        LabelError: If there is no such file, or it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LabelError(f"{path} cannot be read ({error.strerror})", "name a label file") from None
    except (ValueError, RecursionError) as error:
        raise LabelError(f"{path} is not JSON ({error})", "export it anew") from None


def _entry_row(entry: Entry) -> dict[str, Any]:
    row = asdict(entry)
    del row["seq"]  # the order of arrival in one database says nothing in another
    row["created_at"] = entry.created_at.astimezone(UTC).isoformat(timespec="microseconds")
    return row


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


def _to_entry(row: dict[str, Any]) -> Entry:
    return Entry(**{**row, "seq": 0, "created_at": datetime.fromisoformat(row["created_at"])})
