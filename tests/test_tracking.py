"""Ids stay with their objects: through gaps, weak detections and crossings, across a restart."""

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect.tracking import Tracker


def seen(*boxes: tuple[float, float], score: float = 0.9, class_id: int = 0) -> sv.Detections:
    """People of 20×50 pixels with their left top corners there."""
    corners = np.array([(x, y, x + 20, y + 50) for x, y in boxes], float).reshape(-1, 4)
    count = len(corners)
    return sv.Detections(
        corners, confidence=np.full(count, score), class_id=np.full(count, class_id)
    )


def ids(detections: sv.Detections) -> list[int]:
    assert detections.tracker_id is not None
    return [int(number) for number in detections.tracker_id]


@settings(deadline=None, max_examples=30)
@given(
    speed=st.floats(-4, 4), gap=st.integers(0, 8), order=st.permutations([0, 1, 2]),
    first_id=st.integers(1, 50),
)  # fmt: skip
def test_ids_stay_through_gaps_whatever_the_order(
    speed: float, gap: int, order: list[int], first_id: int
) -> None:
    tracker = Tracker(reach_px=2, first_id=first_id)
    for frame in range(40):
        places = [(100.0 + 150 * n + speed * frame, 60.0) for n in order]
        if 20 <= frame < 20 + gap:
            assert ids(tracker.update(seen())) == []
            continue
        found = ids(tracker.update(seen(*places)))
        if frame == 0:
            expected = found
            assert sorted(found) == [first_id, first_id + 1, first_id + 2]
        assert found == expected


def test_two_who_pass_each_other_keep_their_ids() -> None:
    tracker = Tracker(reach_px=2)
    for frame in range(60):
        left, right = (3.0 * frame, 50.0), (180 - 3.0 * frame, 62.0)
        assert ids(tracker.update(seen(left, right))) == [1, 2]


def test_weak_detections_go_on_with_a_track_but_found_none() -> None:
    tracker = Tracker(reach_px=2)
    assert ids(tracker.update(seen((10, 10), score=0.2))) == [-1]
    assert ids(tracker.update(seen((10, 10)))) == [1]
    assert ids(tracker.update(seen((11, 10), (200, 10), score=0.2))) == [1, -1]


def test_who_is_away_too_long_and_who_is_something_else_gets_a_new_id() -> None:
    tracker = Tracker(reach_px=2, patience=3)
    assert ids(tracker.update(seen((10, 10)))) == [1]
    assert ids(tracker.update(seen((10, 10), class_id=1))) == [2]
    for _ in range(4):
        tracker.update(seen())
    assert ids(tracker.update(seen((10, 10)))) == [3]


def test_a_new_tracker_goes_on_where_another_stopped() -> None:
    first, frames = Tracker(reach_px=2), []
    for frame in range(10):
        frames.append(first.update(seen((10 + 6.0 * frame, 10), (300, 20))))
    second = Tracker(reach_px=2)
    for known in frames:
        second.recall(known)
    assert ids(second.update(seen((300, 20), (10 + 6.0 * 10, 10), (500, 90)))) == [2, 1, 3]


def boxes(*centres: tuple[float, float], size: float = 10, class_id: int = 0) -> sv.Detections:
    at = np.array(centres, float).reshape(-1, 2)
    return sv.Detections(
        xyxy=np.concatenate([at - size / 2, at + size / 2], axis=1),
        confidence=np.full(len(at), 0.9),
        class_id=np.full(len(at), class_id),
    )


def test_objects_that_cross_keep_their_ids() -> None:
    tracker = Tracker(reach_px=30)
    ids = [
        tracker.update(boxes((10 * t, 50), (200 - 10 * t, 58))).tracker_id.tolist()
        for t in range(20)
    ]
    assert set(map(tuple, ids)) == {(1, 2)}


def test_a_ball_that_is_unseen_for_a_while_is_the_same_ball() -> None:
    tracker = Tracker(reach_px=30, patience=5)
    path = [(15.0 * t, 100 - 6 * t + 0.3 * t * t) for t in range(16)]
    seen = [boxes(at, size=5) if t not in (6, 7, 8) else boxes() for t, at in enumerate(path)]
    ids = [tuple(tracker.update(one).tracker_id.tolist()) for one in seen]
    assert set(ids) == {(1,), ()}
    assert tracker.update(boxes(size=5)).tracker_id.tolist() == []
    for _ in range(6):
        tracker.update(boxes())
    assert tracker.update(boxes(path[-1], size=5)).tracker_id.tolist() == [2]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (boxes((50, 50), class_id=1), [2]),  # another class is another object
        (boxes((50, 50), size=60), [2]),  # so is what is six times as large
        (boxes((300, 50)), [2]),  # or too far away
        (boxes((55, 50)), [1]),
    ],
)
def test_what_may_be_the_same_object(second: sv.Detections, expected: list[int]) -> None:
    tracker = Tracker(reach_px=20)
    tracker.update(boxes((50, 50)))
    assert tracker.update(second).tracker_id.tolist() == expected
