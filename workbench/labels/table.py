"""Tables of labels for notebooks.

One row per label that stands; the fields of its value are columns.
"""

import pandas as pd

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


def label_table(
    store: LabelStore, kind: str, annotator: str | None = None, source_id: str | None = None
) -> pd.DataFrame:
    """Return the labels that stand, sorted by item and annotator.

    Columns: `item_id`, `annotator`, the fields of the value, `source` (the video's name) and
    `created_at`. Without labels the table is empty, its columns and their types the same.

    Example:
        >>> label_table(store, "rating").groupby("annotator")["stars"].mean()  # doctest: +SKIP
    """
    sources = store.sources()
    columns = {"item_id": "string", "annotator": "string", **_VALUE_COLUMNS[check_kind(kind)]}
    columns |= {"source": "string", "created_at": "datetime64[us, UTC]"}
    rows = [
        {
            **dict.fromkeys(("unsure", "skipped"), False),  # absent means no
            **(entry.value or {}),
            "item_id": entry.item_id,
            "annotator": entry.annotator,
            "source": sources[entry.source_id].name if entry.source_id is not None else None,
            "created_at": entry.created_at,
        }
        for entry in store.current(kind, annotator, source_id).values()
    ]
    # As objects first: frame numbers and time stamps must not pass through floats.
    table = pd.DataFrame(rows, columns=list(columns), dtype=object).astype(columns)
    return table.sort_values(["item_id", "annotator"], ignore_index=True)
