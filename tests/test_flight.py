"""The ball's flight obeys mechanics, goes where it is aimed, and ends as somebody would say."""

import math
from typing import Literal

import pytest

from workbench.footage.pinhole import BALL_RADIUS_M, FULL_GOAL_M
from workbench.simulated.flight import (
    Air,
    Contact,
    Flight,
    GoalFrame,
    Ground,
    aim,
    follow,
    free_crossing,
)

VACUUM = Air(drag=0.0)  # above the drag crisis; below it every ball has drag
FULL_SIZE = GoalFrame(*FULL_GOAL_M)


def shoot(
    velocity: tuple[float, float, float],
    start: tuple[float, float, float] = (0.0, 11.0, 0.11),
    goal: GoalFrame = FULL_SIZE,
    contact: Contact | None = None,
    air: Air = VACUUM,
) -> Flight:
    return follow(start, velocity, goal, air=air, ground=Ground(), contact=contact)


def test_without_air_a_shot_is_a_parabola() -> None:
    flight = shoot((0.0, 20.0, 12.0), (0.0, 5.0, 0.5))
    now = 1.5
    place = flight.positions_m[round(now * 300)]
    assert place[1] == pytest.approx(5 + 20 * now, abs=0.01)
    assert place[2] == pytest.approx(0.5 + 12 * now - 9.81 / 2 * now**2, abs=0.05)


def test_drag_slows_and_spin_bends() -> None:
    straight = free_crossing((0, 20, 0.11), (0, -25, 5), VACUUM, Ground())
    slowed = free_crossing((0, 20, 0.11), (0, -25, 5), Air(drag=0.3), Ground())
    bent = free_crossing((0, 20, 0.11), (0, -25, 5), Air(drag=0.0, side_mps2=4), Ground())
    assert straight
    assert slowed
    assert bent
    assert slowed[2] > straight[2]
    assert abs(straight[0]) < 1e-9
    assert bent[0] == pytest.approx(0.5 * 4 * 25 / 20 * straight[2] ** 2, rel=0.1)


def test_a_shot_on_target_is_a_goal_and_the_net_keeps_it() -> None:
    flight = shoot((1.0, -22.0, 3.0))
    assert flight.is_goal
    assert flight.happened("net")
    assert flight.crossing_m is not None
    assert 0 < flight.crossing_m[1] < 2.44
    rest = flight.positions_m[-1]
    assert -2.6 < rest[1] < -0.11
    assert abs(rest[0]) < 3.66


def test_without_a_net_it_flies_on() -> None:
    flight = shoot((1.0, -22.0, 3.0), goal=GoalFrame(*FULL_GOAL_M, net=False))
    assert flight.is_goal
    assert flight.positions_m[-1, 1] < -10


def test_a_held_ball_stays_in_front_of_the_line() -> None:
    flight = shoot((0.0, -22.0, 3.0), contact=Contact("held", 0.3))
    assert not flight.is_goal
    assert flight.crossing_m is None
    assert flight.positions_m[:, 1].min() > 0.1


@pytest.mark.parametrize(
    ("target", "happens"),
    [((3.72, 1.0), "post"), ((0.0, 2.5), "post"), ((4.1, 1.0), ""), ((0.0, 2.9), "")],
)
def test_the_frame_turns_balls_away(target: tuple[float, float], happens: str) -> None:
    air_time = 11 / 25
    rise = (target[1] - 0.11) / air_time + 9.81 / 2 * air_time
    flight = shoot((target[0] / air_time, -25.0, rise))
    assert flight.happened("post") == (happens == "post")
    if not happens:
        assert not flight.is_goal


def test_a_ball_wide_of_the_post_can_lie_in_the_side_net() -> None:
    flight = shoot((-12.0, -14.0, 2.0), (12.0, 9.3, 0.11))
    assert flight.happened("side_net")
    assert not flight.is_goal
    assert flight.positions_m[-1, 0] > 3.3


def test_a_ball_in_free_flight_falls_as_it_should() -> None:
    slow = shoot((0.0, 0.0, 0.0), (0.0, 15.0, 5.0), air=Air())
    assert slow.positions_m[150, 2] == pytest.approx(5 - 0.5 * 9.81 * 0.25, abs=0.05)
    fast = shoot((0.0, -25.0, 5.0), (0.0, 30.0, 1.0), air=Air())
    without_drag = 30 - 25 * 0.8
    assert without_drag + 0.5 < fast.positions_m[240, 1] < without_drag + 4


@pytest.mark.parametrize(
    ("target", "happens"),
    [
        ((1.0, 1.2), "goal"),
        ((-3.0, 0.4), "goal"),
        ((5.5, 1.0), "past"),
        ((0.0, 3.4), "past"),
        ((3.72, 1.0), "post"),
    ],
)
def test_shots_go_where_they_are_aimed(target: tuple[float, float], happens: str) -> None:
    start, air = (0.5, 14.0, BALL_RADIUS_M), Air(side_mps2=1.2)
    velocity = aim(start, target, 22, air=air, ground=Ground())
    assert math.hypot(*velocity) == pytest.approx(22)
    flight = shoot(velocity, start, air=air)
    assert flight.is_goal == (happens == "goal")
    assert flight.happened("post") == (happens == "post")
    if happens != "post":
        assert flight.crossing_m == pytest.approx(target, abs=0.1)
    if happens == "goal":
        assert flight.positions_m[-1, 1] < 0  # it stays in the net


@pytest.mark.parametrize("kind", ["held", "parried"])
def test_a_saved_shot_is_no_goal(kind: Literal["held", "parried"]) -> None:
    start, air = (0.0, 12.0, BALL_RADIUS_M), Air()
    velocity = aim(start, (1.0, 1.0), 20, air=air, ground=Ground())
    save = Contact(kind, plane_y_m=0.5, after_mps=(2.0, 4.0, 1.0))
    flight = shoot(velocity, start, contact=save, air=air)
    assert flight.happened(kind)
    assert not flight.is_goal
    assert (flight.positions_m[-1, 1] == pytest.approx(0.5, abs=0.1)) == (kind == "held")
