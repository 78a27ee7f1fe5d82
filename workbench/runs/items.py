"""Scores of single test items, kept as `items.json` in the folder of their run.

Two runs that judged the same items can then be compared pair by pair, which tells smaller
differences from noise than comparing two averages does. A number is a share, Σ parts / Σ wholes:
of an accuracy each clip brings 0 or 1 of 1.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.runs.conclusion import RUN_DIR_VARIABLE
from workbench.saving import save_json
from workbench.stats import Interval, choose_clusters, pooled_difference

FILE_NAME = "items.json"


def record_items(
    metric: str, clips: Sequence[str], sessions: Sequence[str], parts: Sequence[float]
) -> None:
    """Keep what each test clip brings to a recorded number that is the mean of `parts`.

    Outside a run nothing is saved. A second call with another metric adds to the file.

    Args:
        metric: The number's name in `record`.
        clips: The id of each clip.
        sessions: The session of each clip, which intervals resample whole.
        parts: 1 for right, 0 for wrong, or a share of the clip.
    """
    folder = os.environ.get(RUN_DIR_VARIABLE)
    if folder:
        rows = zip(clips, sessions, parts, strict=True)
        own = {str(clip): [str(session), float(part)] for clip, session, part in rows}
        save_json(Path(folder, FILE_NAME), _load(Path(folder)) | {metric: own})


def paired_differences(first: Path, second: Path) -> dict[str, Interval]:
    """Return `second` − `first` for every number of which both runs judged the same clips.

    Args:
        first: The folder of a run.
        second: The folder of another.
    """
    before, after = _load(first), _load(second)
    found = {}
    for metric in before.keys() & after.keys():
        old, new = before[metric], after[metric]
        if not old or old.keys() != new.keys():
            continue
        clusters = choose_clusters([session for session, _ in old.values()], list(old))
        ones = [1.0] * len(old)
        shares = ([part for _, part in old.values()], ones), ([new[clip][1] for clip in old], ones)
        found[metric] = pooled_difference(*shares, clusters)
    return found


def _load(run_dir: Path) -> dict[str, Mapping[str, Any]]:
    try:
        content = json.loads((run_dir / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
