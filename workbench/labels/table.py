"""Tables of labels for notebooks.

One row per label that stands; the fields of its value are columns.
"""

import pandas as pd

from workbench.labels.store import LabelStore
from workbench.labels.values import FIELDS, check_kind


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
    columns = {"item_id": "string", "annotator": "string"}
    columns |= {name: field.column for name, field in FIELDS[check_kind(kind)].items()}
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
