"""Which detection is which object: ids that stay with an object from frame to frame.

The unit is one frame's detections, in order; what was seen before is kept as one position and one
velocity per object, so that memory does not grow with the video. Sure detections find their objects
first, unsure ones may go on with what is left but never begin an object (the idea of ByteTrack).
Nearness is measured by centres, not by overlap: a ball in flight never overlaps itself.

Source: Zhang et al. (2022), "ByteTrack: Multi-Object Tracking by Associating Every Detection Box".
"""

from dataclasses import dataclass, replace

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_STEADINESS = 0.6  # share of the old velocity in the new one
_FAR = 1e6  # cost of what must not be paired


@dataclass(frozen=True)
class _Track:
    number: int
    class_id: int
    centre: NDArray[np.float64]  # (2,) pixels
    velocity: NDArray[np.float64]  # (2,) pixels per frame
    size: float  # pixels: mean of width and height
    frame: int  # last seen

    def expected(self, frame: int) -> NDArray[np.float64]:
        """Where it should be by now."""
        return self.centre + self.velocity * (frame - self.frame)


class Tracker:
    """Gives detections the ids of the objects they belong to.

    Args:
        reach_px: How far an object may be from where it is expected, per frame since it was seen,
            on top of half its size.
        patience: Frames an object may be unseen before it is forgotten.
        sure: Score from which on a detection may begin an object.
    """

    def __init__(self, reach_px: float, patience: int = 15, sure: float = 0.3) -> None:
        self._reach_px, self._patience, self._sure = reach_px, patience, sure
        self._tracks: list[_Track] = []
        self._next, self._frame = 1, 0

    def update(self, detections: sv.Detections) -> sv.Detections:
        """Return the next frame's detections with `tracker_id`; −1 for those of no object."""
        frame, self._frame = self._frame, self._frame + 1
        ids = np.full(len(detections), -1)
        self._tracks = [one for one in self._tracks if frame - one.frame <= self._patience]
        confidence = detections.confidence
        scores = np.ones(len(detections)) if confidence is None else confidence
        free = list(self._tracks)
        for rows in (np.flatnonzero(scores >= self._sure), np.flatnonzero(scores < self._sure)):
            for row, track in self._paired(detections, rows, free, frame):
                ids[row] = track.number
                free.remove(track)
                self._tracks.remove(track)
                self._tracks.append(_moved(track, detections, row, frame))
        for row in np.flatnonzero((ids < 0) & (scores >= self._sure)).tolist():
            ids[row] = self._next
            self._tracks.append(_begun(self._next, detections, row, frame))
            self._next += 1
        tracked = detections.select(np.arange(len(detections)))
        tracked.tracker_id = ids
        return tracked

    def _paired(
        self, detections: sv.Detections, rows: NDArray[np.int64], tracks: list[_Track], frame: int
    ) -> list[tuple[int, _Track]]:
        if not rows.size or not tracks:
            return []
        costs = np.full((len(rows), len(tracks)), _FAR)
        for place, row in enumerate(rows):
            centre, size = _centre(detections, int(row))
            for column, track in enumerate(tracks):
                if track.class_id != _class_id(detections, int(row)):
                    continue
                reach = self._reach_px * (frame - track.frame) + (size + track.size) / 4
                distance = float(np.linalg.norm(centre - track.expected(frame)))
                ratio = max(size, track.size) / max(1e-6, min(size, track.size))
                if distance <= reach and ratio < 3:
                    costs[place, column] = distance / reach + 0.1 * (ratio - 1)
        pairs = zip(*linear_sum_assignment(costs), strict=True)
        return [(int(rows[i]), tracks[j]) for i, j in pairs if costs[i, j] < _FAR]


def _begun(number: int, detections: sv.Detections, row: int, frame: int) -> _Track:
    centre, size = _centre(detections, row)
    class_id = _class_id(detections, row)
    return _Track(number, class_id, centre, np.zeros(2), size, frame)


def _moved(track: _Track, detections: sv.Detections, row: int, frame: int) -> _Track:
    centre, size = _centre(detections, row)
    step = (centre - track.centre) / (frame - track.frame)
    seen_once = not track.velocity.any()
    velocity = step if seen_once else _STEADINESS * track.velocity + (1 - _STEADINESS) * step
    return replace(track, centre=centre, velocity=velocity, size=size, frame=frame)


def _centre(detections: sv.Detections, row: int) -> tuple[NDArray[np.float64], float]:
    x0, y0, x1, y1 = (float(value) for value in detections.xyxy[row])
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2]), max(1.0, (x1 - x0 + y1 - y0) / 2)


def _class_id(detections: sv.Detections, row: int) -> int:
    return 0 if detections.class_id is None else int(detections.class_id[row])
