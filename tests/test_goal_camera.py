"""The camera found from a goal: pose and focal length within what they claim, and both sides."""

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.footage.pinhole import GOAL_SIZES_M, goal_corners
from workbench.shots.goal.camera import (
    LOG_FOCAL,
    OUT,
    UP,
    YAW,
    find_cameras,
    on_height,
    project,
    projection_matrix,
    seen_from_behind,
)
from workbench.shots.goal.corners import is_convex, order_corners

Floats = NDArray[np.float64]
WH = (1920, 1080)
CENTER = np.array([960.0, 540.0])


def a_camera(angle_deg: float, distance_m: float, height_m: float = 1.8) -> Floats:
    """A camera (8,) that looks at the goal from `angle_deg` off its normal."""
    angle = math.radians(angle_deg)
    x, y = distance_m * math.sin(angle), distance_m * math.cos(angle)
    pitch = math.atan2(1.0 - height_m, distance_m)
    return np.array([x, y, height_m, math.atan2(-y, -x), pitch, 0.01, math.log(1450.0), 0.0])


def corners_of(camera: Floats, goal_size_m: tuple[float, float]) -> Floats:
    u, v, _ = project(camera[None], goal_corners(goal_size_m).T[:, None], CENTER)
    return np.stack([u[0], v[0]], axis=1)


def test_a_long_lens_in_the_stands_is_found_and_spectators_behind_the_goal_are_no_rulers() -> None:
    camera = a_camera(5.0, 45.0, 11.0)
    camera[LOG_FOCAL] = math.log(5.0 * WH[0])
    corners = corners_of(camera, (7.32, 2.44))

    def standing(foot: Floats) -> Floats:
        u, v, _ = project(camera[None], np.add(foot, [[0, 0, 0], [0, 0, 1.72]]).T[:, None], CENTER)
        return np.stack([u[0], v[0]], axis=1).ravel()

    players = [standing(np.array([x, y, 0.0])) for x, y in ((-1, 11), (2, 9), (0.5, 5))]
    spectators = [standing(np.array([x, -9.0, 2.0])) for x in range(-4, 5)]
    people = np.array(players + spectators)
    found = find_cameras(corners, (7.32, 2.44), WH, people)[0].parameters
    np.testing.assert_allclose(found[[OUT, UP]], camera[[OUT, UP]], rtol=0.15)
    assert found[LOG_FOCAL] == pytest.approx(camera[LOG_FOCAL], abs=0.15)


@pytest.mark.parametrize("goal_size_m", GOAL_SIZES_M)
@pytest.mark.parametrize("angle_deg", [0.0, 25.0, -50.0, 75.0])
def test_camera_is_found_within_what_it_claims(
    goal_size_m: tuple[float, float], angle_deg: float
) -> None:
    camera = a_camera(angle_deg, 4.0 * goal_size_m[0])
    rng = np.random.default_rng(int(angle_deg) + 100)
    corners = corners_of(camera, goal_size_m) + rng.normal(0, 1.5, (4, 2))
    ordered = order_corners(corners[rng.permutation(4)])
    np.testing.assert_allclose(ordered, corners)
    modes = find_cameras(ordered, goal_size_m, WH)
    squares = []
    for mode in modes:
        off = mode.parameters - camera
        off[YAW] = math.remainder(off[YAW], 2 * math.pi)
        squares.append(off @ mode.information @ off)
    assert min(squares) < 30  # 8 parameters: mean 8, 30 is beyond the 99.9th percentile
    assert all(mode.parameters[OUT] > 0 for mode in modes)


def test_people_pin_the_height() -> None:
    camera = a_camera(0.0, 25.0, height_m=2.8)
    feet = np.array([[x, y, 0.0] for x, y in [(-4, 8), (3, 6), (0, 12), (5, 14)]])
    heads = feet + np.array([0.0, 0.0, 1.72])
    (foot_u, foot_v, _), (head_u, head_v, _) = (
        project(camera[None], points.T[:, None], CENTER) for points in (feet, heads)
    )
    people = np.stack([foot_u[0], foot_v[0], head_u[0], head_v[0]], axis=1)
    corners = corners_of(camera, (7.32, 2.44))
    alone = find_cameras(corners, (7.32, 2.44), WH)[0]
    helped = find_cameras(corners, (7.32, 2.44), WH, people)[0]

    def height_sigma(information: Floats) -> float:
        return float(np.sqrt(np.linalg.inv(information)[UP, UP]))

    assert height_sigma(helped.information) < height_sigma(alone.information)
    assert abs(helped.parameters[UP] - 2.8) < 0.25


def test_behind_the_goal_is_the_same_picture() -> None:
    corners = corners_of(a_camera(20.0, 15.0), (5.0, 2.0))
    front = find_cameras(corners, (5.0, 2.0), WH)[0]
    behind = seen_from_behind(front)
    half_turn = goal_corners((5.0, 2.0)) * [-1, 1, 1]
    u, v, _ = project(behind.parameters[None], half_turn.T[:, None], CENTER)
    np.testing.assert_allclose(np.stack([u[0], v[0]], axis=1), corners, atol=0.5)
    assert behind.parameters[OUT] < 0
    back = seen_from_behind(behind)
    np.testing.assert_allclose(back.information, front.information)


def test_pixels_and_ground_are_inverse() -> None:
    camera = a_camera(30.0, 20.0)
    camera[-1] = 0.015
    places = np.array([[1.0, 5.0, 0.11], [-3.0, 9.0, 0.11]]).T[:, None]
    u, v, depth = project(camera[None], places, CENTER)
    found = on_height(camera[None], np.stack([u[0], v[0]], axis=1), 0.11, CENTER)
    np.testing.assert_allclose(found, places, atol=0.02)
    camera[-1] = 0.0
    u, v, depth = project(camera[None], places, CENTER)
    seen = projection_matrix(camera, CENTER) @ np.vstack([places[:, 0], np.ones(2)])
    np.testing.assert_allclose(seen[:2] / seen[2], np.stack([u[0], v[0]]))
    np.testing.assert_allclose(seen[2], depth[0])


def test_focal_length_is_learned_from_an_oblique_goal() -> None:
    camera = a_camera(60.0, 12.0)
    camera[LOG_FOCAL] = math.log(1650.0)
    mode = find_cameras(corners_of(camera, (7.32, 2.44)), (7.32, 2.44), WH)[0]
    sigma = float(np.sqrt(np.linalg.inv(mode.information)[LOG_FOCAL, LOG_FOCAL]))
    assert sigma < 0.1
    assert abs(mode.parameters[LOG_FOCAL] - camera[LOG_FOCAL]) < 3 * sigma


def test_shapes_no_goal_can_have() -> None:
    square = np.array([[0.0, 100.0], [0.0, 0.0], [100.0, 0.0], [100.0, 100.0]])
    assert is_convex(square)
    dented = square.copy()
    dented[2] = [30.0, 70.0]
    assert not is_convex(dented)
    assert not is_convex(np.zeros((4, 2)))
    orders = [order_corners(square[list(order)]) for order in itertools.permutations(range(4))]
    assert all(np.array_equal(found, square) for found in orders)
