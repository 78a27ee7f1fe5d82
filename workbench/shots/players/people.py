"""Everybody in one clip by name, with boxes and masks, from its labels.

People are called P1, P2 … in the order in which they appear, from the left where several appear at
once, whatever their track ids are. Where labels come without ids, people are tracked anew; those
who pass behind each other may change places then. Knows nothing about the ball.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.detect.detections import Detection
from workbench.detect.store import ClipDetections
from workbench.detect.tracking import Tracker
from workbench.footage.pinhole import Floats

_SHORTEST_S = 0.2  # shorter tracks are taken for errors and get no name
_LONGEST_GAP_S = 0.5  # that somebody may be out of sight and keep their id
_REACH_HEIGHTS_PER_S = 3.0  # from the predicted place, in body heights

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class People:
    """Everybody in a clip, by name.

    Attributes:
        table: One row per person and frame: `frame`, `player`, `x0`, `y0`, `x1`, `y1` (pixels); in
            order of frames, then names.
    """

    table: pd.DataFrame
    _labels: dict[int, dict[str, Detection]]  # by frame, then name

    @property
    def players(self) -> tuple[str, ...]:
        """Names in order of appearance."""
        return tuple(sorted(self.table["player"].unique(), key=lambda name: int(name[1:])))

    def in_frame(self, frame: int) -> Mapping[str, Detection]:
        """Those who are seen in a frame, by name."""
        return self._labels.get(frame, {})


def follow_people(labels: ClipDetections, fps: float) -> People:
    """Name everybody in a clip.

    Track ids are taken from the labels; where a label lacks one, everybody is tracked anew.
    """
    people = [labels.of_class(frame, "person") for frame in range(len(labels.frames))]
    ids = [[label.track_id for label in found] for found in people]
    if any(number is None or number < 0 for found in ids for number in found):
        ids = _followed(people, fps)
    sightings: dict[int, list[tuple[int, Detection]]] = {}
    for frame, (found, numbers) in enumerate(zip(people, ids, strict=True)):
        for label, number in zip(found, numbers, strict=True):
            if number is not None:
                sightings.setdefault(int(number), []).append((frame, label))
    least = min(_SHORTEST_S * fps, len(labels.frames))
    lasting = [seen for seen in sightings.values() if len(seen) >= least]
    # By place of the first appearance; track ids are arbitrary.
    order = sorted(lasting, key=lambda seen: (seen[0][0], *_box(seen[0][1])))
    rows: list[tuple[Any, ...]] = []
    by_name: dict[int, dict[str, Detection]] = {}
    for place, seen in enumerate(order, start=1):
        for frame, label in seen:
            by_name.setdefault(frame, {})[f"P{place}"] = label
            rows.append((frame, f"P{place}", *_box(label)))
    table = pd.DataFrame(rows, columns=["frame", "player", "x0", "y0", "x1", "y1"])
    table = table.sort_values("frame", kind="stable").reset_index(drop=True)
    return People(table, by_name)


def _followed(frames: list[list[Detection]], fps: float) -> list[list[int | None]]:
    """Ids for the people of each frame, by where they move (`detect.tracking`)."""
    heights = [person.xywh[3] for found in frames for person in found]
    reach_px = _REACH_HEIGHTS_PER_S / fps * float(np.median(heights or [1.0]))
    tracker = Tracker(reach_px, patience=round(_LONGEST_GAP_S * fps) + 1, sure=0.0)
    return [[person.track_id for person in tracker.update(found)] for found in frames]


def _box(label: Detection) -> Floats:
    return np.array(label.xyxy, float)
