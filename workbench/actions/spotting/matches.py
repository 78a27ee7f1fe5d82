"""Matches with labels, read from a folder for spotters to learn from or to be judged on.

The unit is one match: a folder with one video and its `Labels-ball.json`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.actions.spotting.greyframes import check_rate
from workbench.actions.spotting.scores import FPS
from workbench.errors import DatasetError, FootageError
from workbench.footage.video_info import probe
from workbench.labels.events import ClassMap, Events
from workbench.labels.soccernet import LABELS_BALL, find_matches, read_events

log = logging.getLogger(__name__)
_VIDEOS = ("*.mp4", "*.mkv", "*.mov")


@dataclass(frozen=True, eq=False)
class LabelledMatch:
    """A match to learn from or to judge on."""

    name: str
    video: Path
    events: Events


def load_matches(root: Path, class_map: ClassMap, *, skip_bad: bool = False) -> list[LabelledMatch]:
    """Read the matches below a folder, each with its one video.

    With `skip_bad` what has a fault is left out, and a warning says what.

    Raises:
        DatasetError: If there is none, a video is missing or one too many or has too few frames a
            second, a label has a fault, lies outside its video or in one bin of the evaluator with
            another of its class, or a match has a second half in the same video.
    """
    matches = []
    for name, file in find_matches(root, LABELS_BALL).items():
        videos = sorted(video for pattern in _VIDEOS for video in file.parent.glob(pattern))
        if len(videos) != 1:
            raise DatasetError(
                f"{file.parent} has {len(videos)} videos", "leave one beside its labels"
            )
        length_ms = round(probe(videos[0]).duration_s * 1000)
        read = read_events(file, class_map, skip_bad=skip_bad, length_ms=length_ms, fps=FPS)
        faults = list(read.faults)
        is_first = read.events.half == 1
        try:
            check_rate(videos[0])
        except FootageError as error:
            if not skip_bad:
                raise DatasetError(error.problem, f"{error.remedy}, or --skip-bad") from None
            faults = [error.problem]
        else:
            if not is_first.all():
                said = f"{file} has a second half"
                if not skip_bad:
                    raise DatasetError(said, "give each half a folder of its own, or --skip-bad")
                faults.append(said)
            matches.append(LabelledMatch(name, videos[0], read.events.take(is_first)))
        for fault in faults:
            log.warning("left out: %s", fault)
    if not matches:
        raise DatasetError(f"no match below {root} can be used", "mend what was left out")
    return matches


def count_events(parts: Mapping[str, Sequence[LabelledMatch]]) -> pd.DataFrame:
    """Return how often each class happens in each part, one row per class."""
    counts = {}
    for part, matches in parts.items():
        labels = np.concatenate([match.events.label for match in matches])
        classes = matches[0].events.classes
        counts[f"{part} ({len(matches)})"] = np.bincount(labels, minlength=len(classes))
    return pd.DataFrame(counts, index=pd.Index(classes, name="actions in … matches"))
