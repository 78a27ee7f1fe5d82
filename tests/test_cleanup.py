"""Masks after cleaning: holes filled, specks gone, copies dropped, nothing else touched."""

import json
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.detect.detections import (
    BALL,
    HUMAN,
    PERSON,
    TRUTH,
    Box,
    Detection,
    encode_box,
    encode_mask,
    from_coco,
    from_supervision,
    match_detections,
    to_coco,
    to_supervision,
)
from workbench.detect.segmentation import Rle
from workbench.detect.teachers.cleanup import clean_mask, one_per_object

MASKS = arrays(bool, (12, 15))


def detection(box: tuple[float, float, float, float], class_name: str = PERSON) -> Detection:
    mask = encode_box(box, (60, 80))
    assert mask is not None
    return Detection.of_mask(class_name, mask, score=0.5, found_by="test")


def sides_of(mask: Rle) -> Box:
    return Detection.of_mask(PERSON, mask).xyxy


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


def test_a_thin_ring_is_no_speck_but_a_point_in_it_is() -> None:
    mask = np.ones((60, 80), bool)
    mask[1:-1, 1:-1] = False
    ring = mask.copy()
    mask[20, 20] = True
    assert (clean_mask(mask) == ring).all()


@given(MASKS)
def test_cleaning_twice_changes_nothing_more_and_stays_in_the_box(mask: np.ndarray) -> None:
    clean = clean_mask(mask)
    assert clean.any() == mask.any()
    assert (clean_mask(clean) == clean).all()
    if mask.any():
        inner, outer = sides_of(encode_mask(clean)), sides_of(encode_mask(mask))
        assert inner[0] >= outer[0]
        assert inner[3] <= outer[3]


def test_copies_are_dropped_within_a_class_only() -> None:
    first, copy, other = (
        detection((10, 10, 30, 30)),
        detection((10, 10, 30, 31)),
        detection((10, 10, 30, 30), class_name=BALL),
    )
    assert one_per_object([first, copy, other]) == [first, other]
    assert one_per_object([]) == []


def test_objects_are_matched_to_those_they_overlap_most() -> None:
    then = [detection((0, 0, 20, 20)), detection((10, 0, 30, 20)), detection((0, 0, 20, 20), BALL)]
    now = [detection((9, 0, 29, 20)), detection((1, 0, 21, 20)), detection((60, 40, 70, 50))]
    assert match_detections(now, then) == {0: 1, 1: 0}


@settings(deadline=None)  # supervision is imported in the first
@given(MASKS, st.one_of(st.none(), st.floats(0, 1)), st.one_of(st.none(), st.integers(1, 99)))
def test_a_detection_survives_disk_and_supervision(
    mask: np.ndarray, score: float | None, track_id: int | None
) -> None:
    mask[0, 0] = True
    fields = {"score": score, "track_id": track_id, "found_by": "sam2", "prompt": "motion: ball"}
    found = Detection.of_mask(BALL, encode_mask(mask), **fields, more={"corners_px": [[1, 2]]})
    assert from_coco(json.loads(json.dumps(to_coco(found))), BALL) == found
    (back,) = from_supervision(to_supervision([found]), "sam2")
    assert back == replace(found, prompt=None, more={})
    assert score is None or abs(found.score - score) < 1e-4
    assert (back.pixels() == mask).all()


def test_truth_and_people_have_no_score_on_disk_and_unscored_models_a_null() -> None:
    found = detection((1, 1, 5, 5))
    rows = [to_coco(replace(found, score=None, found_by=who)) for who in (TRUTH, HUMAN, "vlm")]
    assert [row.get("score", "none") for row in rows] == ["none", "none", None]
    assert [row.get("teacher") for row in rows] == [None, "human", "vlm"]
    assert [from_coco(row, PERSON).found_by for row in rows] == [TRUTH, HUMAN, "vlm"]


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
        x0, y0, x1, y1 = sides_of(mask)
        assert x1 - x0 <= max(1, right - left + 1)
        assert y1 - y0 <= max(1, bottom - top + 1)
