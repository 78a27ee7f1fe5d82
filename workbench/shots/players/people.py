"""Everybody in one clip by name, with boxes and masks, from its labels.

People are called P1, P2 … in the order in which they appear, from the left where several appear at
once, whatever their track ids are. Where labels come without ids, boxes of neighbouring frames are
linked: each goes to the track whose predicted box it overlaps most (Hungarian assignment, as SORT
does: Bewley et al. 2016, "Simple online and realtime tracking"). People who pass behind each other
may change tracks then. Knows nothing about the ball.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workbench.detect.detections import Detection
from workbench.detect.store import ClipDetections

_SHORTEST_S = 0.2  # that somebody must be seen to get a name: shorter tracks are mistakes
_LONGEST_GAP_S = 0.5  # that somebody may be unseen and still be the same
_LEAST_OVERLAP = 0.15  # of a box with the predicted one: a running person moves by half a box
_MEMORY = 0.6  # share of the old velocity that each step keeps

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class People:
    """Everybody in a clip, by name.

    Attributes:
        table: One row per person and frame: `frame`, `track_id`, `player`, `x0`, `y0`, `x1`, `y1`
            (pixels), `score`; in order of frames, then names.
    """

    table: pd.DataFrame
    _labels: dict[int, dict[str, Detection]]  # by frame, then name

    @property
    def players(self) -> tuple[str, ...]:
        """Names in order of appearance."""
        return tuple(sorted(self.table["player"].unique(), key=lambda name: int(name[1:])))

    def in_frame(self, frame: int) -> tuple[str, ...]:
        """Names of those who are seen in a frame."""
        return tuple(self._labels.get(frame, ()))

    def box(self, frame: int, player: str) -> Floats | None:
        """Left, top, right, bottom (4,) in pixels, or None where the player is not seen."""
        label = self._labels.get(frame, {}).get(player)
        return None if label is None else _box(label)

    def mask(self, frame: int, player: str) -> Mask | None:
        """The player's mask (H, W), or None where the player is not seen or has none."""
        label = self._labels.get(frame, {}).get(player)
        return None if label is None else label.pixels()


def follow_people(labels: ClipDetections, fps: float) -> People:
    """Name everybody in a clip.

    Track ids are taken from the labels; where a label lacks one, everybody is linked anew by the
    overlap of boxes from frame to frame.

    Args:
        labels: Labels of the clip.
        fps: Frames per second.
    """
    people = [labels.of_class(frame, "person") for frame in range(len(labels.frames))]
    ids = [[label.track_id for label in found] for found in people]
    if any(number is None or number < 0 for found in ids for number in found):
        boxes = [np.array([_box(label) for label in found]).reshape(-1, 4) for found in people]
        ids = [[*row] for row in link_boxes(boxes, round(_LONGEST_GAP_S * fps))]
    sightings: dict[int, list[tuple[int, Detection]]] = {}
    for frame, (found, numbers) in enumerate(zip(people, ids, strict=True)):
        for label, number in zip(found, numbers, strict=True):
            if number is not None:
                sightings.setdefault(int(number), []).append((frame, label))
    lasting = {
        number: seen
        for number, seen in sightings.items()
        if len(seen) >= min(_SHORTEST_S * fps, len(labels.frames))
    }
    # By the place of their first sighting, never by their number, which means nothing.
    order = sorted(
        lasting, key=lambda number: (lasting[number][0][0], *_box(lasting[number][0][1]))
    )
    rows: list[tuple[Any, ...]] = []
    by_name: dict[int, dict[str, Detection]] = {}
    for place, number in enumerate(order, start=1):
        for frame, label in lasting[number]:
            by_name.setdefault(frame, {})[f"P{place}"] = label
            rows.append((frame, number, f"P{place}", *_box(label), label.score))
    columns = ["frame", "track_id", "player", "x0", "y0", "x1", "y1", "score"]
    table = pd.DataFrame(rows, columns=columns).astype({"score": float})
    table = table.sort_values("frame", kind="stable").reset_index(drop=True)
    return People(table, by_name)


@dataclass
class _Track:
    number: int
    frame: int
    box: Floats  # (4,) left, top, right, bottom
    velocity: Floats = field(default_factory=lambda: np.zeros(4))  # per frame

    def predicted(self, frame: int) -> Floats:
        return self.box + self.velocity * (frame - self.frame)

    def extend(self, frame: int, box: Floats) -> None:
        step = (box - self.box) / (frame - self.frame)
        # All four sides move alike; limbs make a box breathe, which is no velocity.
        step = np.tile((step[:2] + step[2:]) / 2, 2)
        self.velocity = _MEMORY * self.velocity + (1 - _MEMORY) * step
        self.frame, self.box = frame, box


def link_boxes(frames: Sequence[Floats], longest_gap: int) -> list[list[int]]:
    """Return a track number for each box of each frame; numbers count from 1 by appearance.

    Args:
        frames: Boxes (n, 4) of each frame: left, top, right, bottom.
        longest_gap: Frames that somebody may be unseen and still be the same.

    Example:
        >>> link_boxes([np.array([[0.0, 0, 10, 20]]), np.array([[2.0, 0, 12, 20]])], longest_gap=5)
        [[1], [1]]
    """
    tracks: list[_Track] = []
    numbers: list[list[int]] = []
    for frame, boxes in enumerate(frames):
        alive = [track for track in tracks if frame - track.frame <= longest_gap + 1]
        predicted = np.array([track.predicted(frame) for track in alive]).reshape(-1, 4)
        overlap = overlaps(np.asarray(boxes, float).reshape(-1, 4), predicted)
        given = {
            int(row): alive[column]
            for row, column in zip(*linear_sum_assignment(-overlap), strict=True)
            if overlap[row, column] >= _LEAST_OVERLAP
        }
        numbers.append([])
        for row, box in enumerate(np.asarray(boxes, float).reshape(-1, 4)):
            track = given.get(row)
            if track is None:
                track = _Track(len(tracks) + 1, frame, box)
                tracks.append(track)
            else:
                track.extend(frame, box)
            numbers[-1].append(track.number)
    return numbers


def overlaps(a: Floats, b: Floats) -> Floats:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (a, b)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1][None] - shared, 1e-9))


def _box(label: Detection) -> Floats:
    return np.array(label.xyxy, float)
