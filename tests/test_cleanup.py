"""Masks after cleaning: holes filled, specks gone, copies dropped, nothing else touched."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.detect.annotations import (
    Sighting,
    box_of,
    encode_box,
    encode_mask,
    to_annotations,
    to_detections,
    to_sightings,
)
from workbench.detect.teachers.cleanup import clean_mask, one_per_object
from workbench.detect.windows import match_sightings

MASKS = arrays(bool, (12, 15))


def sighting(box: tuple[float, float, float, float], class_id: int = 0) -> Sighting:
    mask = encode_box(box, (60, 80))
    assert mask is not None
    return Sighting(class_id, mask, "test", 0.5)


def test_small_holes_and_specks_go_and_large_ones_stay() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:40, 10:40] = True
    mask[12:14, 12:14] = False  # a hole of 4
    mask[20:35, 20:35] = False  # the gap between arm and body
    mask[50, 70] = True  # a speck
    mask[45:55, 10:30] = True  # a leg, cut off by somebody in front
    clean = clean_mask(mask)
    expected = mask.copy()
    expected[12:14, 12:14], expected[50, 70] = True, False
    assert (clean == expected).all()


def test_a_tiny_ball_survives() -> None:
    mask = np.zeros((60, 80), bool)
    mask[5, 5:8] = True
    assert (clean_mask(mask) == mask).all()


@given(MASKS)
def test_cleaning_twice_changes_nothing_more_and_stays_in_the_box(mask: np.ndarray) -> None:
    clean = clean_mask(mask)
    assert clean.any() == mask.any()
    assert (clean_mask(clean) == clean).all()
    if mask.any():
        inner, outer = box_of(encode_mask(clean)), box_of(encode_mask(mask))
        assert inner[0] >= outer[0]
        assert inner[3] <= outer[3]


def test_copies_are_dropped_within_a_class_only() -> None:
    first, copy, other = (
        sighting((10, 10, 30, 30)),
        sighting((10, 10, 30, 31)),
        sighting((10, 10, 30, 30), class_id=1),
    )
    assert one_per_object([first, copy, other]) == [first, other]
    assert one_per_object([]) == []


def test_objects_are_matched_to_those_they_overlap_most() -> None:
    then = [sighting((0, 0, 20, 20)), sighting((10, 0, 30, 20)), sighting((0, 0, 20, 20), 1)]
    now = [sighting((9, 0, 29, 20)), sighting((1, 0, 21, 20)), sighting((60, 40, 70, 50))]
    assert match_sightings(now, then) == {0: 1, 1: 0}


@given(MASKS, st.one_of(st.none(), st.floats(0, 1)), st.one_of(st.none(), st.integers(1, 99)))
def test_a_sighting_survives_detections_and_disk(
    mask: np.ndarray, score: float | None, track_id: int | None
) -> None:
    mask[0, 0] = True
    seen = Sighting(1, encode_mask(mask), "sam2", score, "motion: ball", track_id)
    detections = to_detections([seen], mask.shape)
    (annotation,) = to_annotations(detections, "nobody")
    (back,) = to_sightings([annotation])
    assert (back.class_id, back.teacher, back.prompt, back.track_id) == (
        1, "sam2", "motion: ball", track_id
    )  # fmt: skip
    assert (score is None) == (back.score is None)
    assert score is None or abs(back.score - score) < 1e-4
    assert (to_detections([back], mask.shape).mask[0] == mask).all()


@given(st.tuples(*[st.floats(-50, 150)] * 4))
def test_a_box_becomes_the_pixels_it_covers(corners: tuple) -> None:
    left, right = sorted(corners[:2])
    top, bottom = sorted(corners[2:])
    mask = encode_box((left, top, right, bottom), (60, 80))
    if mask is None:
        assert (
            right <= 0.5
            or bottom <= 0.5
            or left >= 79
            or top >= 59
            or left == right
            or top == bottom
        )
    else:
        x0, y0, x1, y1 = box_of(mask)
        assert x1 - x0 <= max(1, right - left + 1)
        assert y1 - y0 <= max(1, bottom - top + 1)
