"""The closed-form flight against small steps, and the fit on tracks whose truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from workbench.footage.pinhole import goal_corners
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import FALLS, HELD, NETTED, Kicks, after_contact, follow
from workbench.shots.fit3d.firstguess import guess_kicks
from workbench.shots.fit3d.fit import Observations
from workbench.shots.fit3d.search import fit_hypotheses
from workbench.shots.goal.camera import CameraMode, find_cameras, project
from workbench.simulated.flight import Air, GoalFrame, Ground
from workbench.simulated.flight import follow as step_along

Floats = NDArray[np.float64]
START = (1.0, 16.0, 0.11)
CENTER = np.array([960.0, 540.0])


def kicks(velocity_mps: tuple[float, float, float]) -> Kicks:
    one = np.ones(1)
    return Kicks(
        position_m=np.array(START)[:, None],
        velocity_mps=np.array(velocity_mps)[:, None],
        drag_per_m=0.0133 * 0.22 / 0.25 * one,
        side_mps2=2.0 * one,
        lift_mps2=1.0 * one,
        bounce=0.62 * one,
        grip=0.8 * one,
        rolling_mps2=0.8 * one,
    )


@pytest.mark.parametrize(
    ("velocity_mps", "within_m"),
    [((-1.0, -20.0, 4.0), 0.06), ((0.0, -28.0, 0.3), 0.02), ((0.0, -15.0, 3.0), 0.15)],
)
def test_flight_agrees_with_small_steps(
    velocity_mps: tuple[float, float, float], within_m: float
) -> None:
    stepped = step_along(
        START,
        velocity_mps,
        GoalFrame(7.32, 2.44, net=False),
        air=Air(0.22, side_mps2=2.0, lift_mps2=1.0),
        ground=Ground(0.62, 0.8, 0.8),
    )
    arrives = np.interp(0.0, -stepped.positions_m[:, 1], stepped.times_s)
    times = np.linspace(0.0, arrives, 20)
    found = follow(kicks(velocity_mps), np.array([3.0])).at(times[None])[:, 0]
    for axis in range(3):
        truth = np.interp(times, stepped.times_s, stepped.positions_m[:, axis])
        np.testing.assert_allclose(found[axis], truth, atol=within_m)


def test_path_is_one_piece_and_velocity_its_slope() -> None:
    times = np.linspace(0.0, 2.5, 2501)[None]
    legs = follow(kicks((1.0, -9.0, 5.0)), np.array([3.0]))
    path, velocity = legs.at(times)[:, 0], legs.velocity_at(times)[:, 0]
    steps = np.diff(path, axis=1) / 0.001
    assert np.abs(np.diff(path, axis=1)).max() < 0.012  # no jump at a bounce
    between = 0.5 * (velocity[:, 1:] + velocity[:, :-1])
    agree = (np.abs(steps - between) < 0.05).all(axis=0)
    assert (~agree).sum() <= 6  # the steps in which it bounces
    assert path[2].min() > 0.109


def test_what_a_touched_ball_does() -> None:
    place, velocity = np.tile([[0.0], [-1.0], [1.2]], 3), np.tile([[1.0], [0.0], [0.0]], 3)
    times = np.tile(np.linspace(0, 3, 60), (3, 1))
    endings = np.array([FALLS, HELD, NETTED])
    path = after_contact(
        place, velocity, np.full(3, 2.0), np.full(3, 3.0), endings, times, np.full(3, 0.6)
    )
    falls, held, netted = path[2]
    np.testing.assert_allclose(held, 1.2)
    assert falls[-1] == pytest.approx(0.11)
    assert netted[-1] == pytest.approx(0.11)
    assert (netted[5:20] > falls[5:20]).any()  # the net brakes it
    np.testing.assert_allclose(path[0, :, -1], 0.5, atol=0.01)  # 1 m/s damped by 2 per second


@pytest.mark.parametrize("in_net", [True, False])
def test_fit_finds_the_kick_and_where_the_ball_was_stopped(in_net: bool) -> None:
    """Seen obliquely from 15 m: a ball in the net, and the same ball held 1.5 m before the line."""
    rng = np.random.default_rng(3)
    yaw = math.atan2(-12.0, -9.0)
    camera = np.array([9.0, 12.0, 1.8, yaw, -0.04, 0.0, math.log(1450.0), 0.0])
    velocity = np.array([-0.5, -20.0, 3.0])
    legs = follow(kicks((-0.5, -20.0, 3.0)), np.array([3.0]))
    times = np.arange(60) / 30.0
    since = np.maximum(times - 0.5, 0.0)
    way = legs.at(np.linspace(0, 2, 2001)[None])[1, 0]
    stop = 0.001 * int(np.argmax(way < (-1.2 if in_net else 1.5)))
    path = legs.at(np.minimum(since, stop)[None])
    still = after_contact(
        path[:, :, -1], np.zeros((3, 1)), np.ones(1), np.full(1, 5.0),
        np.array([NETTED if in_net else HELD]), np.maximum(since - stop, 0.0)[None],
        np.full(1, 0.6),
    )  # fmt: skip
    path = np.where(since > stop, still, path)
    u, v, depth = project(camera[None], path, CENTER)
    uv = np.stack([u[0], v[0]], axis=1) + rng.normal(0, 0.8, (60, 2))
    uv[[7, 25, 40]] += 300.0  # wrong finds, one of them in the flight
    seen = rng.random(60) > 0.25
    observations = Observations(
        times_s=times[seen],
        uv=uv[seen],
        log_diameter=np.log(0.22 * 1450.0 / depth[0])[seen] + rng.normal(0, 0.08, int(seen.sum())),
        has_diameter=np.ones(int(seen.sum())),
        center_px=CENTER,
        goal_size_m=(7.32, 2.44),
        fps=30.0,
        kick_s=0.5,
    )
    u, v, _ = project(camera[None], goal_corners((7.32, 2.44)).T[:, None], CENTER)
    modes = find_cameras(np.stack([u[0], v[0]], axis=1), (7.32, 2.44), (1920, 1080))
    guesses = guess_kicks(
        observations, modes, 0.5 + np.arange(-2, 3) / 30, samples=32, keep=3, rng=rng
    )
    found = fit_hypotheses(observations, modes, guesses, rng)
    assert (found.weight @ found.goal > 0.9) if in_net else (found.weight @ found.goal < 0.1)
    ball = found.fitted.parameters[found.best]
    assert abs(ball[col.KICK_S] - 0.5) < 1 / 30
    assert np.linalg.norm(ball[col.VELOCITY]) == pytest.approx(np.linalg.norm(velocity), rel=0.06)
    np.testing.assert_allclose(ball[col.POSITION], START, atol=0.6)
    assert len(ball) == col.BALL_SIZE + 8


@pytest.mark.parametrize("side_mps2", [-7.0, 7.0])
def test_first_guesses_follow_a_free_kick_that_curls(side_mps2: float) -> None:
    rng = np.random.default_rng(4)
    camera = np.array([4.0, 24.0, 1.7, -math.pi / 2 - 0.1, 0.0, 0.0, math.log(1550.0), 0.0])
    kick = replace(kicks((-5.0, -20.0, 7.0)), side_mps2=np.array([side_mps2]))
    times = np.arange(45) / 30.0
    path = follow(kick, np.array([2.0])).at(np.maximum(times - 0.3, 0.0)[None])
    u, v, _ = project(camera[None], path, CENTER)
    none = np.zeros(45)
    uv = np.stack([u[0], v[0]], axis=1) + rng.normal(0, 1.0, (45, 2))
    observations = Observations(times, uv, none, none, CENTER, (7.32, 2.44), fps=30.0, kick_s=0.3)
    mode = CameraMode(camera, np.eye(8), 0.0)
    [best, *_], _ = guess_kicks(
        observations, [mode], np.array([0.3]), samples=64, keep=1, rng=np.random.default_rng(1)
    )
    assert best[col.EVENT_S] > 1.2  # it is not left behind halfway
    assert best[col.SIDE] == pytest.approx(side_mps2, abs=3.0)
