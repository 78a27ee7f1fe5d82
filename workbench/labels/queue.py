"""A queue of clips to label, the most useful first, as a file that tools and notebooks share.

The unit is one clip's id and why it is worth a look. Knows nothing about how the order came about.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from workbench.footage.clips import Clip
from workbench.labels.values import LabelError
from workbench.saving import reading, save_json

QUEUE_FORMAT = "workbench-queue/1"


def save_queue(path: Path, queue: pd.DataFrame) -> None:
    """Write a queue: one row per clip in order, indexed by clip id; all columns are kept."""
    rows = json.loads(queue.rename_axis("clip_id").reset_index().to_json(orient="records"))
    save_json(path, {"format": QUEUE_FORMAT, "clips": rows})


def in_queue_order(clips: Sequence[Clip], path: Path) -> list[Clip]:
    """Return the clips that a saved queue names, in its order.

    Raises:
        DatasetError: If the file is absent or is no queue.
        LabelError: If it names none of these clips.
    """
    with reading(path, "a queue of clips", "save it anew, workbench run confusion_report") as saved:
        if saved["format"] != QUEUE_FORMAT:
            raise ValueError("another format")
        ids = [str(row["clip_id"]) for row in saved["clips"]]
    by_id = {clip.clip_id: clip for clip in clips}
    queued = [by_id[name] for name in dict.fromkeys(ids) if name in by_id]
    if not queued:
        raise LabelError(
            f"{path} names none of these {len(clips)} clips",
            "give the footage folder that the queue was made of",
        )
    return queued
