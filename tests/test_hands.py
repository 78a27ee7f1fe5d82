"""Whoever stands where the ball ends is seen there, however they are boxed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.footage.pinhole import FULL_GOAL_M, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.fit import Observations, independent_share
from workbench.shots.fit3d.hands import Hands, find_hands, touch_odds
from workbench.shots.goal.camera import project

CENTER = np.array([960.0, 540.0])
CAMERA = np.array([3.0, 24.0, 2.2, -math.pi / 2, -0.05, 0.0, math.log(1450.0), 0.0])
ENDS_S = 1.0
TIMES_S = np.arange(0, 60) / 30.0


def pixels(points_m: Floats) -> Floats:
    """Where the camera sees points (N, 3)."""
    u, v, _ = project(CAMERA[None], points_m.T[:, None], CENTER)
    return np.stack([u[0], v[0]], axis=1)


def body(spot_m: tuple[float, float], tall_m: float = 1.8) -> Floats:
    """The box of somebody who stands upright."""
    x, y = spot_m
    left, right = pixels(np.array([[x + 0.3, y, 0.0], [x - 0.3, y, 0.0]]))
    top = pixels(np.array([[x, y, tall_m]]))[0, 1]
    across = sorted((left[0], right[0]))
    return np.array([across[0], top, across[1], left[1]], np.float64)


def told(ball_m: Floats, people: list[Floats] | None, lost_s: float = np.inf) -> Hands:
    """Who is near a ball at these places (60, 3) whose free path ends after a second.

    The first of the people is lost from sight at some time.
    """
    boxes = None
    if people is not None:
        rows = [
            np.concatenate([[time], box])
            for time in TIMES_S
            for number, box in enumerate(people)
            if number or time < lost_s
        ]
        boxes = np.array(rows).reshape(-1, 5)
    none = np.zeros(len(TIMES_S))
    seen = Observations(
        TIMES_S, pixels(ball_m), none, none, CENTER, FULL_GOAL_M, fps=30.0, boxes=boxes
    )
    parameters = np.zeros(col.SIZE)
    parameters[col.EVENT_S], parameters[col.BALL_SIZE :] = ENDS_S, CAMERA
    return find_hands(seen, parameters, np.ones(len(TIMES_S)))


def path(end_m: tuple[float, float, float]) -> Floats:
    """A ball that flies from the spot for a second, then stays where it is."""
    share = np.minimum(TIMES_S, ENDS_S)[:, None]
    return np.asarray(np.array([0.0, 11.0, 0.11]) * (1 - share) + np.array(end_m) * share)


@settings(max_examples=25)
@given(x=st.floats(-3, 3), y=st.floats(0.1, 3), z=st.floats(0.4, 1.6))
def test_a_ball_in_somebodys_arms_stays_there(x: float, y: float, z: float) -> None:
    found = told(path((x, y, z)), [body((x, y)), body((6.0, 15.0))])
    assert found.meets == pytest.approx(1.0)
    assert found.stays == 1
    assert found.height_m == pytest.approx(z, abs=0.2)
    assert touch_odds(found, held=True) > 0 or z < 0.6
    assert touch_odds(found, held=False) > 0


@settings(max_examples=25)
@given(x=st.floats(-3, 3), off=st.floats(1.2, 4))
def test_a_ball_in_the_net_with_nobody_near_stays_with_nobody(x: float, off: float) -> None:
    aside = x - off if x > 0 else x + off
    found = told(path((x, -1.5, 0.3)), [body((aside, 0.4))])
    assert found.meets is not None
    assert found.meets < 0.2
    assert found.stays == 0
    assert touch_odds(found, held=True) < -2
    assert touch_odds(found, held=False) < -0.5


def test_a_goalkeeper_who_is_not_found_as_he_dives_may_have_been_there() -> None:
    ball, keeper = path((1.0, 0.5, 1.0)), [body((0.0, 0.4)), body((6.0, 0.5))]
    there, lost = told(ball, keeper), told(ball, keeper, lost_s=0.8)
    assert there.meets is not None
    assert there.meets < 0.1
    assert lost.meets is None
    assert touch_odds(lost, held=False) == 0


def test_the_shooter_in_front_of_the_goal_holds_nothing() -> None:
    ball = path((0.0, -1.5, 0.5))
    [[u, v]] = pixels(ball[-1:])
    covers = np.array([u - 40, v - 100, u + 40, v + 260])  # whose feet are near the camera
    assert told(ball, [covers]).stays == 0


@pytest.mark.parametrize("people", [None, []])
def test_without_boxes_nothing_is_said(people: list[Floats] | None) -> None:
    found = told(path((0.0, 0.5, 1.0)), people)
    assert found == Hands()
    assert touch_odds(found, held=True) == touch_odds(found, held=False) == 0


@given(
    close=st.floats(0, 1), height_m=st.floats(-1, 3), held=st.booleans(),
)  # fmt: skip
def test_no_box_outweighs_the_flight(close: float, height_m: float, held: bool) -> None:
    assert abs(touch_odds(Hands(close, close, height_m), held=held)) < 3


@settings(max_examples=60)
@given(gaps_s=st.lists(st.floats(1e-3, 1.0), min_size=1, max_size=60))
def test_an_observation_is_worth_at_most_itself(gaps_s: list[float]) -> None:
    worth = independent_share(np.concatenate([[0.0], np.cumsum(gaps_s)]))
    assert ((worth > 0) & (worth <= 1)).all()


def test_twice_the_frames_in_the_same_time_say_little_more() -> None:
    usual, slow = (
        independent_share(np.linspace(0, 1, 31)),
        independent_share(np.linspace(0, 1, 241)),
    )
    assert usual.sum() < slow.sum() < 1.1 * usual.sum()
    assert independent_share(np.linspace(0, 40, 5)) == pytest.approx(1.0)
    assert independent_share(np.array([3.0])).tolist() == [1.0]
