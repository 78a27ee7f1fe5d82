"""The pinhole camera: pixels of points, rays of pixels, and the ground under both."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.footage.pinhole import FULL_GOAL_M, GOAL_CORNERS, Camera, goal_corners


def test_the_goal_is_seen_from_the_pitch_with_its_corners_in_order() -> None:
    camera = Camera.looking_at(np.array([2.0, 20, 2]), np.array([0.0, 0, 1]), 800, (640, 360))
    corners = dict(zip(GOAL_CORNERS, camera.project(goal_corners(FULL_GOAL_M))[0], strict=True))
    for name, (u, v) in corners.items():
        across, height = name.split()
        mate = corners[f"{'right' if across == 'left' else 'left'} {height}"]
        below = corners[f"{across} {'bottom' if height == 'top' else 'top'}"]
        assert (u < mate[0]) == (across == "left")
        assert (v < below[1]) == (height == "top")


def test_camera_projects_what_it_looks_at_to_the_middle() -> None:
    camera = Camera.looking_at(np.array([3.0, -8, 2]), np.array([1.0, 4, 0.5]), 700, (640, 360))
    uv, depth = camera.project(np.array([1.0, 4, 0.5]))
    assert uv[0] == pytest.approx([320, 180])
    assert depth[0] == pytest.approx(np.linalg.norm([2, -12, 1.5]))
    u, v, w = camera.matrix @ [2.0, 1.0, 1.0, 1.0]
    assert camera.project(np.array([2.0, 1, 1]))[0][0] == pytest.approx([u / w, v / w])


@pytest.mark.parametrize("k1", [0.0, -0.02, 0.02])
def test_rays_go_back_to_what_was_projected(k1: float) -> None:
    straight = Camera.looking_at(np.array([3.0, -8, 2]), np.array([1.0, 4, 0.5]), 500, (640, 360))
    camera = replace(straight, k1=k1)
    point = np.array([-4.0, 1, 4])
    (pixel,), _ = camera.project(point)
    assert (np.hypot(*(pixel - straight.project(point)[0][0])) > 1) == bool(k1)
    ray = camera.rays(pixel[:1], pixel[1:])[0]
    assert np.cross(ray, point - camera.position) == pytest.approx([0, 0, 0], abs=1e-4)
