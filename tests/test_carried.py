"""Corners that were clicked in one clip, in other clips of its session."""

import numpy as np
from moving_views import film_views

from workbench.footage.writer import VideoWriter
from workbench.shots.goal.carried import carry_corners


def film(path, seed, frames=12, wh=(640, 360)):
    views = list(film_views("pan", frames, seed=seed, wh=wh, covered=0.1))
    with VideoWriter(path, wh, 30) as video:
        for view in views:
            video.write(view.image)
    return views


def test_corners_are_found_in_another_picture_of_the_view_only(tmp_path):
    here, there = tmp_path / "a.mp4", tmp_path / "b.mp4"
    views = film(here, seed=3)
    film(there, seed=4)
    film(tmp_path / "small.mp4", seed=3, frames=1, wh=(320, 180))
    corners = views[1].goal_px
    found = carry_corners(corners, here, 1, here, 10)
    assert np.abs(found - views[10].goal_px).max() < 1.5
    assert carry_corners(corners, here, 1, there, 10) is None
    assert carry_corners(corners, here, 1, tmp_path / "small.mp4", 0) is None
    assert carry_corners(corners, here, 1, here, 99) is None
