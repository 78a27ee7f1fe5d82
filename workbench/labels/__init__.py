"""What people say about footage: the label database, its files, and how far people agree.

The calls that others build on are offered here and loaded when first used, so that the command line
answers at once.
"""

from typing import TYPE_CHECKING

from workbench.lazy import load_on_use

if TYPE_CHECKING:
    from workbench.labels.database import LabelStoreError
    from workbench.labels.history import Entry, Undoable
    from workbench.labels.sources import Source, read_source
    from workbench.labels.store import LabelStore, open_store
    from workbench.labels.values import LabelError

__all__ = [
    "Entry",
    "LabelError",
    "LabelStore",
    "LabelStoreError",
    "Source",
    "Undoable",
    "open_store",
    "read_source",
]

__getattr__ = load_on_use(
    __name__,
    {
        "Entry": "history",
        "LabelError": "values",
        "LabelStore": "store",
        "LabelStoreError": "database",
        "Source": "sources",
        "Undoable": "history",
        "open_store": "store",
        "read_source": "sources",
    },
)
