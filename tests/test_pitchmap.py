"""The map from above, and the geometry under it."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from filmed_shots import FilmedShot, film_shot
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.footage.pinhole import Camera, to_ground, to_pixels
from workbench.shots.pictures.figures import (
    draw_goal_mouth,
    draw_pitch_map,
    draw_speed_curve,
    feet_on_pitch,
)
from workbench.shots.pictures.keyframes import cut_moments, draw_key_frames, key_moments
from workbench.shots.verdict import ShotVerdict


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


@pytest.fixture(autouse=True)
def _close_figures() -> object:
    yield
    plt.close("all")


def camera_at(x: float, y: float, z: float) -> Camera:
    return Camera.looking_at(np.array([x, y, z]), np.array([0.0, 0.0, 1.0]), 500.0, (640, 360))


@given(
    place=st.tuples(st.floats(-20, 20), st.floats(12, 40), st.floats(1, 6)),
    points=st.lists(st.tuples(st.floats(-6, 6), st.floats(-2, 8)), min_size=1, max_size=5),
    scale=st.floats(0.01, 100) | st.floats(-100, -0.01),
)
@settings(max_examples=60)
def test_the_ground_is_found_again_whatever_the_matrix_is_scaled_by(
    place: tuple[float, float, float], points: list[tuple[float, float]], scale: float
) -> None:
    matrix = scale * camera_at(*place).matrix
    on_ground = np.column_stack([np.array(points), np.zeros(len(points))])
    pixels = to_pixels(matrix, on_ground)
    np.testing.assert_allclose(to_ground(matrix, pixels), on_ground[:, :2], atol=1e-5)


def test_nothing_is_seen_behind_the_camera_or_above_the_horizon() -> None:
    matrix = camera_at(0, 20, 2).matrix
    assert np.isnan(to_pixels(matrix, [0, 25, 1])).all()
    assert np.isnan(to_ground(matrix, [[320, 20]])).all()
    assert np.isfinite(to_ground(matrix, [[320, 340]])).all()


class TestTheMap:
    def test_has_players_where_they_stand(self, shot: FilmedShot) -> None:
        assert shot.analysis.shooter is not None
        feet = feet_on_pitch(shot.analysis)[shot.analysis.shooter.player]
        start = shot.truth.contact_frame
        at_kick = feet[np.argmin(np.abs(feet[:, 0] - start))]
        path = shot.analysis.verdict.path
        assert path is not None
        # Whoever kicks stands beside the ball.
        assert np.hypot(*(at_kick[1:] - path.positions_m[0, :2])) < 1.5

    def test_shows_left_on_the_left(self, shot: FilmedShot) -> None:
        for ax in (draw_pitch_map(shot.analysis), draw_goal_mouth(shot.analysis)):
            left, _ = ax.transData.transform((1.0, 1.0))
            right, _ = ax.transData.transform((-1.0, 1.0))
            assert left < right

    def test_is_true_to_scale(self, shot: FilmedShot) -> None:
        ax = draw_pitch_map(shot.analysis)
        ax.figure.canvas.draw()
        origin, along, up = ax.transData.transform([(0, 0), (1, 0), (0, 1)])
        assert np.hypot(*(along - origin)) == pytest.approx(np.hypot(*(up - origin)), rel=1e-6)


class TestEveryFigure:
    def test_says_why_where_nothing_was_fitted(self, shot: FilmedShot) -> None:
        dark = ShotVerdict(
            "3d", 0.5, False, True, "Can't tell, because it is dark.", None, None, None
        )
        blind = replace(shot.analysis, verdicts={"3d": dark, "2d": dark}, shooter=None)
        for draw in (draw_pitch_map, draw_speed_curve):
            assert "It is dark." in " ".join(text.get_text() for text in draw(blind).texts)
        assert key_moments(blind) == []
        draw_key_frames(blind, shot.video)

    def test_draws_on_the_axes_it_is_given_and_asks_a_question(self, shot: FilmedShot) -> None:
        for draw in (draw_pitch_map, draw_speed_curve, draw_goal_mouth):
            ax = plt.subplots()[1]
            assert draw(shot.analysis, ax) is ax
            assert ax.get_title(loc="left").endswith("?")


def test_key_moments_are_in_order_inside_the_clip_and_of_one_shape(shot: FilmedShot) -> None:
    moments = key_moments(shot.analysis)
    frames = [moment.frame for moment in moments]
    assert [moment.name for moment in moments][:3] == ["run-up", "contact", "flight"]
    assert frames == sorted(set(frames))
    assert frames[0] >= 0
    assert frames[-1] < shot.clip.frame_count
    assert abs(frames[1] - shot.truth.contact_frame) < 4
    for image in cut_moments(shot.analysis, shot.video, moments):
        assert image.shape[1] / image.shape[0] == pytest.approx(3 / 4, rel=0.03)
