"""Ids stay with their objects: through gaps, weak detections and crossings, across a restart."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect.detections import BALL, PERSON, Detection
from workbench.detect.tracking import Tracker


def seen(*boxes: tuple[float, float], score: float = 0.9, name: str = PERSON) -> list[Detection]:
    """People of 20×50 pixels with their left top corners there."""
    return [Detection(name, (x, y, 20, 50), score=score) for x, y in boxes]


def ids(found: Sequence[Detection]) -> list[int | None]:
    return [one.track_id for one in found]


@settings(max_examples=30)
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
    assert ids(tracker.update(seen((10, 10), score=0.2))) == [None]
    assert ids(tracker.update(seen((10, 10)))) == [1]
    assert ids(tracker.update(seen((11, 10), (200, 10), score=0.2))) == [1, None]


def test_who_is_away_too_long_and_who_is_something_else_gets_a_new_id() -> None:
    tracker = Tracker(reach_px=2, patience=3)
    assert ids(tracker.update(seen((10, 10)))) == [1]
    assert ids(tracker.update(seen((10, 10), name=BALL))) == [2]
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


def boxes(*centres: tuple[float, float], size: float = 10, name: str = PERSON) -> list[Detection]:
    return [
        Detection(name, (x - size / 2, y - size / 2, size, size), score=0.9) for x, y in centres
    ]


def test_objects_that_cross_keep_their_ids() -> None:
    tracker = Tracker(reach_px=30)
    for t in range(20):
        assert ids(tracker.update(boxes((10 * t, 50), (200 - 10 * t, 58)))) == [1, 2]


def test_a_ball_that_is_unseen_for_a_while_is_the_same_ball() -> None:
    tracker = Tracker(reach_px=30, patience=5)
    path = [(15.0 * t, 100 - 6 * t + 0.3 * t * t) for t in range(16)]
    seen = [boxes(at, size=5) if t not in (6, 7, 8) else boxes() for t, at in enumerate(path)]
    assert {tuple(ids(tracker.update(one))) for one in seen} == {(1,), ()}
    assert ids(tracker.update(boxes(size=5))) == []
    for _ in range(6):
        tracker.update(boxes())
    assert ids(tracker.update(boxes(path[-1], size=5))) == [2]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (boxes((50, 50), name=BALL), [2]),  # another class is another object
        (boxes((50, 50), size=60), [2]),  # so is what is six times as large
        (boxes((300, 50)), [2]),  # or too far away
        (boxes((55, 50)), [1]),
    ],
)
def test_what_may_be_the_same_object(second: list[Detection], expected: list[int]) -> None:
    tracker = Tracker(reach_px=20)
    tracker.update(boxes((50, 50)))
    assert ids(tracker.update(second)) == expected
