"""Which detection is which object: ids that stay with an object from frame to frame.

The unit is one frame's detections, in order; what was seen before is kept as one place and one
velocity per object, so that memory does not grow with the video. Two rounds as in ByteTrack: sure
detections find their objects first, unsure ones may go on with what is left but never begin an
object. The Hungarian method assigns; a filter of constant velocity and fixed gain, the steady state
of a Kalman filter, says where an object should be by now. Nearness is measured by centres and not
by overlap, as the trackers of libraries do: a ball in flight never overlaps itself. Whoever is out
of sight for longer than `patience` comes back with a new id.

Source: Zhang et al. (2022), "ByteTrack: Multi-Object Tracking by Associating Every Detection Box".
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from workbench.detect.detections import Detection, FrameDetections

_STEADINESS = 0.6  # share of the old velocity in the new one
_FAR = 1e6  # cost of what must not be paired
_LARGEST_RATIO = 3.0  # of the sizes of one object in two frames

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Track:
    last: Detection
    velocity: Floats  # (2,) pixels per frame
    frame: int  # last seen

    def expected(self, frame: int) -> Floats:
        """Where it should be by now."""
        return np.asarray(self.last.centre + self.velocity * (frame - self.frame))

    def moved(self, seen: Detection, frame: int) -> "_Track":
        """The track once it is seen again."""
        step = np.subtract(seen.centre, self.last.centre) / (frame - self.frame)
        seen_once = not self.velocity.any()
        velocity = step if seen_once else _STEADINESS * self.velocity + (1 - _STEADINESS) * step
        return replace(self, last=seen, velocity=velocity, frame=frame)


class Tracker:
    """Gives detections the ids of the objects they belong to.

    Args:
        reach_px: How far an object may be from where it is expected, per frame since it was seen,
            on top of half its size.
        patience: Frames an object may be unseen before it is forgotten.
        sure: Score from which on a detection may begin an object.
        first_id: Of the first object.

    Example:
        >>> tracker = Tracker(reach_px=5)
        >>> [one.track_id for one in tracker.update([Detection("ball", (0, 0, 10, 10))])]
        [1]
    """

    def __init__(
        self, reach_px: float, patience: int = 15, sure: float = 0.3, first_id: int = 1
    ) -> None:
        self._reach_px, self._patience, self._sure = reach_px, patience, sure
        self._tracks: dict[int, _Track] = {}
        self._next, self._frame = first_id, 0

    def update(self, found: Sequence[Detection]) -> FrameDetections:
        """Return the next frame's detections with track ids; those of no object have none.

        A detection without a score is sure.
        """
        frame = self._next_frame()
        is_sure = np.array([one.score is None or one.score >= self._sure for one in found], bool)
        ids: dict[int, int] = {}
        free = dict(self._tracks)
        for rows in (np.flatnonzero(is_sure), np.flatnonzero(~is_sure)):
            for row, number in self._paired(found, rows.tolist(), free, frame):
                ids[row] = number
                del free[number]
        for row in np.flatnonzero(is_sure).tolist():
            if row not in ids:
                ids[row], self._next = self._next, self._next + 1
        followed = tuple(replace(one, track_id=ids.get(row)) for row, one in enumerate(found))
        self._remember([one for one in followed if one.track_id is not None], frame)
        return followed

    def recall(self, found: Sequence[Detection]) -> None:
        """Take a frame whose track ids are known already, to go on from there."""
        self._remember(found, self._next_frame())

    def _remember(self, found: Sequence[Detection], frame: int) -> None:
        for one in found:
            number = one.track_id
            assert number is not None
            known = self._tracks.get(number)
            self._tracks[number] = (
                known.moved(one, frame) if known else _Track(one, np.zeros(2), frame)
            )
            self._next = max(self._next, number + 1)

    def _next_frame(self) -> int:
        frame, self._frame = self._frame, self._frame + 1
        self._tracks = {
            number: one
            for number, one in self._tracks.items()
            if frame - one.frame <= self._patience
        }
        return frame

    def _paired(
        self,
        found: Sequence[Detection],
        rows: list[int],
        number_to_track: dict[int, _Track],
        frame: int,
    ) -> list[tuple[int, int]]:
        """Places in `found` with the numbers of their tracks."""
        if not rows or not number_to_track:
            return []
        numbers, tracks = list(number_to_track), list(number_to_track.values())
        costs = _costs([found[row] for row in rows], tracks, frame, self._reach_px)
        pairs = zip(*linear_sum_assignment(costs), strict=True)
        return [(rows[i], numbers[j]) for i, j in pairs if costs[i, j] < _FAR]


def _costs(
    seen: Sequence[Detection], tracks: Sequence[_Track], frame: int, reach_px: float
) -> Floats:
    """Cost of each detection (N,) being each object (M,): how far it is from where it should be."""
    sizes = np.array([_size_px(one) for one in seen])[:, None]
    of_tracks = np.array([_size_px(track.last) for track in tracks])[None]
    small, large = np.minimum(sizes, of_tracks), np.maximum(sizes, of_tracks)
    names = np.array([one.class_name for one in seen])[:, None]
    is_same = names == np.array([track.last.class_name for track in tracks])[None]
    unseen = np.array([frame - track.frame for track in tracks])
    reach = reach_px * unseen + (small + large) / 4
    expected = np.array([track.expected(frame) for track in tracks])
    gaps = np.array([one.centre for one in seen])[:, None] - expected[None]
    distance = np.linalg.norm(gaps, axis=2)
    can = is_same & (large < _LARGEST_RATIO * small) & (distance <= reach)
    return np.where(can, distance / reach + 0.1 * (large / small - 1), _FAR)


def _size_px(found: Detection) -> float:
    """Mean of width and height."""
    return max(1.0, sum(found.xywh[2:]) / 2)
