"""Linking boxes of neighbouring frames to tracks, for labels whose teacher follows nobody.

Frame by frame, boxes are given to the tracks whose predicted boxes they overlap most (Hungarian
assignment on the overlap, as SORT does: Bewley et al. 2016, "Simple online and realtime tracking"),
with prediction by the box's own last steps. Knows nothing about pictures: people who change places
behind each other may change tracks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

LEAST_OVERLAP = 0.15  # of a box with the predicted one: a running person moves by half a box

_MEMORY = 0.6  # share of the old velocity that each step keeps

Floats = NDArray[np.float64]


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
            if overlap[row, column] >= LEAST_OVERLAP
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
