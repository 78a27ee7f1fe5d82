"""Agreement in time: whether people see the same event in the same frame.

Two things are measured. The event frame of a verdict: each two people who gave one in a clip are
compared. Events with a label of their own, several in a clip: those of two people are matched one
to one, by label and within a tolerance in frames, and counted as F1, which is the same whoever is
taken for the truth. The unit is a clip; intervals resample clips, or sessions where there are
enough.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from workbench.labels.store import LabelStore
from workbench.stats import (
    Interval,
    choose_clusters,
    f1_interval,
    median_interval,
    pooled_share,
    wilson,
)

TOLERANCE_FRAMES = (
    12  # half a second at 25 fps; a kick is seen to a few frames, a goal less exactly
)

Frames = Mapping[str, int]  # annotator to event frame


@dataclass(frozen=True)
class TimeAgreement:
    """How near in time people see the same event."""

    tolerance_frames: int
    within: Interval  # share of pairs of event frames within the tolerance; n counts pairs
    gap_frames: Interval  # median distance of a pair
    gaps: tuple[int, ...]  # distance of every pair
    events: Interval  # F1 of events with labels, of each two people; n: matched or not
    label_to_events: Mapping[str, Interval]  # the same for one label

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "tolerance_frames": self.tolerance_frames,
            "within": self.within.to_dict(),
            "gap_frames": self.gap_frames.to_dict(),
            "events": self.events.to_dict(),
            "label_to_events": {
                label: found.to_dict() for label, found in self.label_to_events.items()
            },
        }


def measure_timing(
    store: LabelStore,
    *,
    items: Collection[str] | None = None,
    item_to_session: Mapping[str, Hashable] | None = None,
    tolerance_frames: int = TOLERANCE_FRAMES,
) -> TimeAgreement:
    """Measure how far people agree on when something happens.

    Events with labels belong to a video: of two people, the videos count that both have given an
    event or a verdict in. `items` narrows the verdicts to some clips, and the events to their
    videos.

    Example:
        >>> print(measure_timing(store, tolerance_frames=12).within)  # doctest: +SKIP
        0.917 [0.646, 0.985] n=12
    """
    sessions = item_to_session or {}
    gaps = [
        (item, abs(frames[first] - frames[second]))
        for item, frames in event_frames(store, items).items()
        for first, second in combinations(sorted(frames), 2)
    ]
    clips = [item for item, _ in gaps]
    clusters = choose_clusters([sessions.get(item) for item in clips], clips)
    distances = np.array([gap for _, gap in gaps], dtype=float)
    within = pooled_share(distances <= tolerance_frames, None, clusters)
    compared = list(_compare_events(store, items, tolerance_frames))
    labels = sorted({label for _, label, _, _ in compared})
    return TimeAgreement(
        tolerance_frames=tolerance_frames,
        within=within or wilson(0, 0),
        gap_frames=median_interval(distances, clusters),
        gaps=tuple(gap for _, gap in gaps),
        events=_f1(compared),
        label_to_events={
            label: _f1([row for row in compared if row[1] == label]) for label in labels
        },
    )


def event_frames(store: LabelStore, items: Collection[str] | None = None) -> dict[str, Frames]:
    """Return in which frame each annotator sees the event of each clip, where they say one."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for (annotator, item_id), value in store.values("verdict", items).items():
        frame = value.get("event_frame")
        if frame is not None:
            found[item_id][annotator] = frame
    return dict(found)


def are_apart(frames: Frames, first: str, second: str, tolerance_frames: int) -> bool:
    """Whether two people see the event of a clip in frames too far apart to be the same."""
    if first not in frames or second not in frames:
        return False  # who gives no frame contradicts nobody
    return abs(frames[first] - frames[second]) > tolerance_frames


def match_frames(
    first: Iterable[int], second: Iterable[int], tolerance_frames: int
) -> list[tuple[int, int]]:
    """Return as many pairs of frames within the tolerance as there can be, each frame in one.

    Example:
        >>> match_frames([10, 20], [14, 29], tolerance_frames=5)
        [(10, 14)]
    """
    pairs, one, other = [], sorted(first), sorted(second)
    i = j = 0
    while i < len(one) and j < len(other):  # earliest with earliest: on a line, that is the most
        if abs(one[i] - other[j]) <= tolerance_frames:
            pairs.append((one[i], other[j]))
            i, j = i + 1, j + 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return pairs


def differing_events(
    store: LabelStore,
    tolerance_frames: int = TOLERANCE_FRAMES,
    sources: Collection[str] | None = None,
) -> dict[str, int]:
    """Return the videos, of these or of all, in which two people's events do not match.

    With how many do not.
    """
    unmatched: dict[str, int] = defaultdict(int)
    compared = _compare_events(store, None, tolerance_frames, sources)
    for source_id, _, hits, touching in compared:
        unmatched[source_id] += touching - hits
    return {source_id: count for source_id, count in unmatched.items() if count}


_Row = tuple[str, str, int, int]  # video, label, matched, matched and unmatched


def _compare_events(
    store: LabelStore,
    items: Collection[str] | None,
    tolerance_frames: int,
    sources: Collection[str] | None = None,
) -> Iterable[_Row]:
    """Yield the events of each two people in each video that both have looked at."""
    seen: dict[str, set[str]] = defaultdict(set)  # video to who has looked at it
    wanted: set[str] = set()
    for (annotator, item_id), entry in store.current("verdict", source_id=sources).items():
        if entry.source_id is not None:
            seen[entry.source_id].add(annotator)
            if items is None or item_id in items:
                wanted.add(entry.source_id)
    said: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    labels: dict[str, set[str]] = defaultdict(set)
    for (annotator, _), entry in store.current("event", source_id=sources).items():
        if entry.source_id is None or entry.value is None:
            continue
        seen[entry.source_id].add(annotator)
        labels[entry.source_id].add(entry.value["label"])
        said[entry.source_id, annotator, entry.value["label"]].append(entry.value["frame"])
    for source_id in sorted(labels):
        if items is not None and source_id not in wanted:
            continue
        for first, second in combinations(sorted(seen[source_id]), 2):
            for label in sorted(labels[source_id]):
                one, other = (said[source_id, who, label] for who in (first, second))
                hits = len(match_frames(one, other, tolerance_frames))
                if one or other:
                    yield source_id, label, hits, len(one) + len(other) - hits


def _f1(rows: Sequence[_Row]) -> Interval:
    videos = [source_id for source_id, _, _, _ in rows]
    hits, touching = ([row[place] for row in rows] for place in (2, 3))
    return f1_interval(hits, touching, choose_clusters([None] * len(videos), videos, "video"))
