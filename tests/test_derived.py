"""Five classes out of three: who has the ball, and which ball is in the goal."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect.dataset.derived import (
    SAID_CLASS,
    dataset_classes,
    derive_classes,
)
from workbench.detect.detections import CLASSES, Detection, encode_box, encode_mask
from workbench.errors import DatasetError

HEIGHT, WIDTH = 90, 160


def thing(name: str, x: int, y: int, width: int, height: int, **fields: Any) -> Detection:
    mask = encode_box((x, y, x + width, y + height), (HEIGHT, WIDTH))
    assert mask is not None
    return Detection.of_mask(name, mask, **fields)


def names(found: list[Detection]) -> list[str]:
    return [one.class_name for one in derive_classes(found, HEIGHT, WIDTH)]


def test_touch_reaches_a_quarter_of_the_ball_and_two_pixels_at_least() -> None:
    person = thing("person", 20, 20, 10, 30)  # its last column is 29
    assert names([person, thing("ball", 31, 40, 4, 4)]) == ["player_with_ball", "ball"]
    assert names([person, thing("ball", 32, 40, 4, 4)]) == ["person", "ball"]
    assert names([person, thing("ball", 33, 30, 20, 20)]) == ["player_with_ball", "ball"]
    assert names([person, thing("ball", 37, 30, 20, 20)]) == ["person", "ball"]


def test_the_goal_s_mouth_is_what_its_frame_encloses() -> None:
    frame = np.zeros((HEIGHT, WIDTH), bool)
    frame[20:60, [40, 100]], frame[20, 40:101] = True, True  # posts and crossbar, no net
    goal = Detection.of_mask("goal", encode_mask(frame))
    assert names([goal, thing("ball", 70, 40, 4, 4)]) == ["goal", "ball_in_goal"]
    assert names([goal, thing("ball", 110, 40, 4, 4)]) == ["goal", "ball"]


def test_what_a_person_has_said_stays() -> None:
    player = thing("person", 20, 20, 10, 30, more={SAID_CLASS: "person"})
    ball = thing("ball", 25, 40, 4, 4, more={SAID_CLASS: "ball_in_goal"})
    assert names([player, ball]) == ["person", "ball_in_goal"]


sides = st.tuples(st.integers(0, 140), st.integers(0, 70), st.integers(1, 20), st.integers(1, 20))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(CLASSES), sides), max_size=6), st.integers(0, 5))
def test_only_classes_change_whatever_the_order(things: list, turn: int) -> None:
    annotations = [thing(name, *box, score=0.5, track_id=n) for n, (name, box) in enumerate(things)]
    derived = derive_classes(annotations, HEIGHT, WIDTH)
    for before, after in zip(annotations, derived, strict=True):
        assert replace(before, class_name=after.class_name) == after
        base = {"player_with_ball": "person", "ball_in_goal": "ball"}
        assert before.class_name == base.get(after.class_name, after.class_name)
    turned = annotations[turn:] + annotations[:turn]
    assert names(turned) == names(annotations)[turn:] + names(annotations)[:turn]


def test_three_or_five_classes() -> None:
    assert dataset_classes(3) == CLASSES
    assert dataset_classes(5)[:3] == CLASSES
    with pytest.raises(DatasetError, match="4 classes"):
        dataset_classes(4)
