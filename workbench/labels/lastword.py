"""The last word on an item: what an adjudicator has settled after seeing what everybody said.

It is a label of its own kind, so that the adjudicator's own, independent judgement stays beside it
and agreement is measured on independent ones alone.
"""

from collections.abc import Mapping

from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.labels.values import Kind, check_kind

LAST_WORD_ON: Mapping[Kind, Kind] = {
    "class": "settled_class",
    "verdict": "settled_verdict",
}


def last_words(store: LabelStore, kind: str) -> dict[str, Entry]:
    """Return the adjudicator's answer to each item that has one; of two adjudicators, the newest.

    Empty for kinds that nobody settles.

    Example:
        >>> last_words(store, "verdict")["clip_031"].value  # doctest: +SKIP
        {'verdict': 'goal', 'event_frame': 48}
    """
    last_word = LAST_WORD_ON.get(check_kind(kind))
    if last_word is None:
        return {}
    entries = store.current(last_word).values()
    return {entry.item_id: entry for entry in sorted(entries, key=lambda entry: entry.created_at)}
