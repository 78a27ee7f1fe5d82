"""First guesses of a ball that is turned away: when, and whither."""

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.footage.pinhole import goal_corners
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import FALLS
from workbench.shots.fit3d.deflection import deflected
from workbench.shots.fit3d.fit import Observations, trace
from workbench.shots.goal.camera import find_cameras, project

Floats = NDArray[np.float64]
CENTER = np.array([960.0, 540.0])
KICK_S, TOUCH_S, FPS = 0.2, 1.1, 30.0


def parried(after_mps: tuple[float, float, float]) -> tuple[Floats, Observations]:
    """A ball (30,) touched before the line, and what a camera behind the shooter sees of it.

    Unseen from five frames before the touch; three sightings then are the goalkeeper's gloves.
    """
    camera = np.array([2.0, 24.0, 1.8, -np.pi / 2, -0.02, 0.0, np.log(1500.0), 0.0])
    corners = goal_corners((7.32, 2.44))
    u, v, _ = project(camera[None], corners.T[:, None], CENTER)
    mode = find_cameras(np.stack([u[0], v[0]], axis=1), (7.32, 2.44), (1920, 1080))[0]
    ball = np.zeros(col.SIZE)
    ball[col.KICK_S], ball[col.EVENT_S] = KICK_S, TOUCH_S
    ball[col.POSITION], ball[col.VELOCITY] = (0.5, 17.0, 0.11), (-1.5, -20.0, 5.5)
    ball[[col.BOUNCE, col.GRIP, col.LOG_DAMPING]] = 0.6, 0.76, -1.0
    ball[col.AFTER], ball[col.BALL_SIZE :] = after_mps, mode.parameters
    times = np.arange(0.0, 1.8, 1 / FPS)
    path, place, _ = trace(ball[None], times, np.array([FALLS]))
    u, v, _ = project(mode.parameters[None], path, CENTER)
    uv = np.stack([u[0], v[0]], axis=1)
    hidden = (times > TOUCH_S - 5 / FPS) & (times < TOUCH_S + 0.5 / FPS)
    gloves = hidden & (times > TOUCH_S - 3.5 / FPS)
    u, v, _ = project(mode.parameters[None], place[:, :, None] - [[[0]], [[0]], [[0.7]]], CENTER)
    uv[gloves] = u[0, 0], v[0, 0]
    seen = ~hidden | gloves
    none = np.zeros(int(seen.sum()))
    observed = Observations(times[seen], uv[seen], none, none, CENTER, (7.32, 2.44), FPS)
    left = ball.copy()
    left[col.EVENT_S], left[col.AFTER] = TOUCH_S - 5 / FPS, 0.0
    return left, observed


@pytest.mark.parametrize(
    "after_mps", [(-2.0, 1.0, -11.0), (6.0, 3.0, 2.0), (0.0, -2.0, 8.0), (-9.0, 4.0, -3.0)]
)
def test_a_ball_pushed_anywhere_is_followed(after_mps: tuple[float, float, float]) -> None:
    left, observed = parried(after_mps)
    found = deflected(observed, left)
    assert found is not None
    assert found[col.EVENT_S] == pytest.approx(TOUCH_S, abs=0.05)
    np.testing.assert_allclose(
        found[[col.AFTER_X, col.AFTER_Z]], np.array(after_mps)[[0, 2]], atol=2
    )
    np.testing.assert_array_equal(found[: col.EVENT_S], left[: col.EVENT_S])  # the kick stays


def test_where_nothing_is_seen_later_nothing_is_guessed() -> None:
    left, observed = parried((0.0, 1.0, 1.0))
    assert deflected(observed.until(left[col.EVENT_S] - 0.1), left) is None
