"""The clips that wait for an adjudicator's last word.

The unit is one clip of the folder that is labelled, with the reason why it waits.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.labels.store import LabelStore


def waiting(
    store: "LabelStore",
    video_to_id: Mapping[str, str],
    video_to_source: Mapping[str, str],
    model_said: Mapping[str, Mapping[str, Any]],
    tolerance_frames: int,
) -> list[dict[str, str]]:
    """Return the clips that wait for a last word, the worst first: `[{item_id, why}]`.

    Verdicts or event frames of people that differ come first, then events with labels that do not
    match, then people whom a model contradicts. A model that abstains contradicts nobody.
    """
    from workbench.labels.agreement import disagreements
    from workbench.labels.lastword import last_words
    from workbench.labels.timing import differing_events

    item_ids = set(video_to_id.values())
    settled = set(last_words(store, "verdict"))
    found = dict.fromkeys(disagreements(store, "verdict", item_ids, tolerance_frames), "people")
    unmatched = differing_events(store, tolerance_frames, set(video_to_source.values()))
    for video, item_id in video_to_id.items():
        if unmatched.get(video_to_source[video]) and item_id not in settled:
            found.setdefault(item_id, "events")
    contradicted = {
        item_id
        for (_, item_id), value in store.values("verdict", item_ids & model_said.keys()).items()
        if item_id not in settled
        and model_said[item_id]["verdict"] not in ("unsure", value["verdict"])
    }
    for item_id in sorted(contradicted):
        found.setdefault(item_id, "model")
    return [{"item_id": item_id, "why": why} for item_id, why in found.items()]
