"""Ids that stay with an object: Kalman filters predict, the Hungarian method assigns.

Two rounds as in ByteTrack (Zhang et al., ECCV 2022): sure detections first, then unsure ones with
the tracks still open; only sure ones found new tracks. The unit is one frame's `Detections`, in
order. Knows nothing about images: whoever is out of sight for longer than `patience` comes back
with a new id.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Boxes = NDArray[np.float64]  # (N, 4) x0, y0, x1, y1 in pixels


@dataclass
class _Track:
    number: int
    class_id: int
    filter: cv2.KalmanFilter
    unseen: int = 0  # frames since it was last seen
    predicted: Boxes | None = None  # (4,) where it should be in this frame


class Tracker:
    """Gives detections ids, frame after frame.

    Args:
        patience: Frames that an object may be unseen and keep its id.
        sure: Score from which a detection may found a track and is assigned first.
        least_iou: Least overlap with where the track should be now.
        first_id: Of the first track.

    Example:
        >>> tracker = Tracker()
        >>> box = sv.Detections(np.array([[0., 0, 10, 20]]), class_id=np.array([0]))
        >>> tracker.update(box).tracker_id.tolist()
        [1]
    """

    def __init__(
        self, patience: int = 15, sure: float = 0.5, least_iou: float = 0.15, first_id: int = 1
    ) -> None:
        self._patience, self._sure, self._least_iou = patience, sure, least_iou
        self._next_id = first_id
        self._tracks: list[_Track] = []

    def update(self, detections: sv.Detections) -> sv.Detections:
        """The next frame's detections with `tracker_id`; unsure ones without a track are left out.

        Tracks are of one class. A detection without a score is sure.
        """
        count = len(detections)
        boxes = np.asarray(detections.xyxy, float)
        scores = np.ones(count) if detections.confidence is None else detections.confidence
        classes = _classes_of(detections)
        for track in self._tracks:
            track.predicted = _to_box(np.asarray(track.filter.predict()[:4, 0], float))
            track.unseen += 1
        ids = np.zeros(count, int)
        sure = scores >= self._sure
        for chosen in (np.flatnonzero(sure), np.flatnonzero(~sure)):
            waiting = [track for track in self._tracks if track.unseen]
            for track, index in self._assign(waiting, boxes, classes, chosen):
                track.filter.correct(_to_state(boxes[index]))
                track.unseen, ids[index] = 0, track.number
        for place in np.flatnonzero(sure & (ids == 0)):
            ids[place] = self._found(boxes[place], int(classes[place]))
        self._tracks = [track for track in self._tracks if track.unseen <= self._patience]
        kept = detections.select(ids > 0)
        kept.tracker_id = ids[ids > 0]
        return kept

    def recall(self, detections: sv.Detections) -> None:
        """Take a frame whose ids are known already, to go on from there.

        Args:
            detections: With `tracker_id`.
        """
        assert detections.tracker_id is not None
        number_to_track = {track.number: track for track in self._tracks}
        for track in self._tracks:
            track.filter.predict()
            track.unseen += 1
        boxes = np.asarray(detections.xyxy, float)
        numbers = [int(number) for number in detections.tracker_id]
        for box, class_id, number in zip(boxes, _classes_of(detections), numbers, strict=True):
            if number in number_to_track:
                number_to_track[number].filter.correct(_to_state(box))
                number_to_track[number].unseen = 0
            else:
                self._tracks.append(_Track(number, int(class_id), _filter(_to_state(box))))
                self._next_id = max(self._next_id, number + 1)
        self._tracks = [track for track in self._tracks if track.unseen <= self._patience]

    def _assign(
        self,
        tracks: list[_Track],
        boxes: Boxes,
        classes: NDArray[np.int64],
        chosen: NDArray[np.int64],
    ) -> list[tuple[_Track, int]]:
        if not tracks or not len(chosen):
            return []
        predicted = np.stack([track.predicted for track in tracks if track.predicted is not None])
        overlap = sv.box_iou_batch(predicted, boxes[chosen])
        own = np.array([track.class_id for track in tracks])[:, None] == classes[chosen]
        overlap = np.where(own, overlap, 0.0)
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        return [
            (tracks[row], int(chosen[column]))
            for row, column in zip(rows, columns, strict=True)
            if overlap[row, column] >= self._least_iou
        ]

    def _found(self, box: Boxes, class_id: int) -> int:
        number, self._next_id = self._next_id, self._next_id + 1
        self._tracks.append(_Track(number, class_id, _filter(_to_state(box))))
        return number


def _filter(state: NDArray[np.float32]) -> cv2.KalmanFilter:
    """Constant velocity of centre and sides; noise in proportion to the object's height."""
    kalman = cv2.KalmanFilter(8, 4)
    height = max(float(state[3, 0]), 1.0)
    move = np.eye(8, dtype=np.float32)
    move[:4, 4:] = np.eye(4)
    kalman.transitionMatrix = move
    kalman.measurementMatrix = np.eye(4, 8, dtype=np.float32)
    position, velocity = (height / 20) ** 2, (height / 80) ** 2
    noise = np.diag([position] * 4 + [velocity] * 4).astype(np.float32)
    kalman.processNoiseCov = noise
    kalman.measurementNoiseCov = (np.eye(4) * position).astype(np.float32)
    kalman.errorCovPost = (noise * 10).astype(np.float32)
    kalman.statePost = np.concatenate([state, np.zeros((4, 1), np.float32)])
    return kalman


def _classes_of(detections: sv.Detections) -> NDArray[np.int64]:
    given = detections.class_id
    return np.zeros(len(detections), np.int64) if given is None else np.asarray(given, np.int64)


def _to_state(box: Boxes) -> NDArray[np.float32]:
    """(4, 1) centre, width, height."""
    x0, y0, x1, y1 = box
    return np.array([[(x0 + x1) / 2], [(y0 + y1) / 2], [x1 - x0], [y1 - y0]], np.float32)


def _to_box(state: Boxes) -> Boxes:
    x, y, width, height = (float(value) for value in state)
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
