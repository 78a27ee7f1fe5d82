"""Tables of labels for notebooks.

One row per label that stands; the fields of its value are columns.
"""

from collections.abc import Iterable

import pandas as pd

from workbench.labels.history import Entry
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, check_kind

# pandas' nullable types: a frame number stays a whole number beside missing ones.
_VALUE_COLUMNS: dict[Kind, dict[str, str]] = {
    "cut": {
        "start_frame": "Int64",
        "end_frame": "Int64",
        "start_pts": "Int64",
        "end_pts": "Int64",
        "name": "string",
        "sport": "string",
    },
    "rating": {"stars": "Int64", "unsure": "boolean", "skipped": "boolean"},
    "verdict": {"verdict": "string", "event_frame": "Int64"},
    "event": {"label": "string", "frame": "Int64"},
}
_FLAGS = ("unsure", "skipped")  # absent means no


def label_table(
    store: LabelStore, kind: str, annotator: str | None = None, source_id: str | None = None
) -> pd.DataFrame:
    """Return the labels that stand, sorted by item and annotator.

    Columns: `item_id`, `annotator`, the fields of the value, `source` (the video's name) and
    `created_at`. Without labels the table is empty, its columns and their types the same.

    Example:
        >>> label_table(store, "rating").groupby("annotator")["stars"].mean()  # doctest: +SKIP
    """
    labels = store.current(kind, annotator, source_id).values()
    table = _to_table(check_kind(kind), labels, store)
    return table.sort_values(["item_id", "annotator"], ignore_index=True)


def _to_table(kind: Kind, entries: Iterable[Entry], store: LabelStore) -> pd.DataFrame:
    entries = list(entries)
    sources = store.sources()
    names = [sources[e.source_id].name if e.source_id is not None else None for e in entries]
    columns: dict[str, pd.Series] = {
        "item_id": pd.Series([entry.item_id for entry in entries], dtype="string"),
        "annotator": pd.Series([entry.annotator for entry in entries], dtype="string"),
    }
    for name, dtype in _VALUE_COLUMNS[kind].items():
        absent = False if name in _FLAGS else None
        values = [None if e.value is None else e.value.get(name, absent) for e in entries]
        columns[name] = pd.Series(values, dtype=dtype)
    columns["source"] = pd.Series(names, dtype="string")
    times = [entry.created_at for entry in entries]
    columns["created_at"] = pd.Series(times, dtype="datetime64[us, UTC]")
    return pd.DataFrame(columns)
