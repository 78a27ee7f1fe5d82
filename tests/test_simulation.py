"""Simulated shots obey mechanics, tell the truth about themselves, and depend on the seed alone."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.footage.pinhole import goal_corners
from workbench.simulated.shots.flight import (
    Air,
    Contact,
    GoalFrame,
    Ground,
    SimulatedFlight,
    follow,
    free_crossing,
)
from workbench.simulated.shots.shot import STANDARD, SimulationSettings, simulate_shot

VACUUM = Air(drag=0.0)  # above the drag crisis; below it every ball has drag
FULL_SIZE = GoalFrame(7.32, 2.44)
SEEDS = st.integers(0, 10**9)


def shoot(
    velocity: tuple[float, float, float],
    start: tuple[float, float, float] = (0.0, 11.0, 0.11),
    goal: GoalFrame = FULL_SIZE,
    contact: Contact | None = None,
    air: Air = VACUUM,
) -> SimulatedFlight:
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
    flight = shoot((1.0, -22.0, 3.0), goal=GoalFrame(7.32, 2.44, net=False))
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


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS)
def test_a_shot_is_true_to_itself(seed: int) -> None:
    shot = simulate_shot(seed)
    frames = shot.track["frame"].to_numpy()
    assert (np.diff(frames) > 0).all()
    assert frames.min() >= 0
    assert frames.max() < len(shot.pixels)
    assert np.isfinite(shot.track.to_numpy(float)).all()
    inside = shot.track[["x", "y"]].to_numpy() / shot.image_wh
    assert (inside > 0).all()
    assert (inside < 1).all()
    assert shot.kick_frame is not None
    assert abs(shot.kick_frame - shot.contact_frame) <= 2
    assert shot.is_goal == (shot.kind == "goal")
    if shot.is_goal:
        assert shot.crossing_m is not None
        assert abs(shot.crossing_m[0]) < shot.goal_size_m[0] / 2 + 0.1
        assert shot.crossing_m[1] < shot.goal_size_m[1] + 0.1
    corners = goal_corners(shot.goal_size_m)
    seen = np.column_stack([corners, np.ones(4)]) @ shot.camera.T
    off = np.hypot(*(seen[:, :2] / seen[:, 2:] - shot.goal_corners_px).T)
    assert off.max() < 30  # clicks and the lens
    if shot.people is not None:
        assert (shot.people[:, 3] < shot.people[:, 1]).all()  # heads above feet


def test_the_seed_alone_makes_the_shot() -> None:
    first, other = simulate_shot(5), simulate_shot(6)
    again = simulate_shot(5)
    pd.testing.assert_frame_equal(first.track, again.track)
    assert np.array_equal(first.goal_corners_px, again.goal_corners_px)
    assert not np.array_equal(first.goal_corners_px, other.goal_corners_px)


def test_a_perfect_detector_reports_the_truth() -> None:
    nothing = (0.0, 0.0)
    perfect = SimulationSettings(
        distortion_k1=0.0, noise_px=nothing, gap_share=nothing, outlier_share=nothing,
        diameter_noise=nothing, diameter_bias=0.0, exposure_s=nothing, corner_noise_px=nothing,
    )  # fmt: skip
    for seed in range(6):
        shot = simulate_shot(seed, perfect)
        frames = shot.track["frame"].to_numpy()
        off = shot.track[["x", "y"]].to_numpy() - shot.pixels[frames]
        step = np.abs(np.diff(shot.pixels, axis=0)).max()
        # Rows are read one after another: a frame's ball is up to half a readout early or late.
        assert np.abs(off).max() <= 0.4 * step + 0.1
        world = np.column_stack([shot.positions_m, np.ones(len(shot.positions_m))])
        seen = world @ shot.camera.T
        assert seen[frames, :2] / seen[frames, 2:] == pytest.approx(shot.pixels[frames])


def test_the_usual_mix_is_mixed() -> None:
    shots = [simulate_shot(seed) for seed in range(10_000, 10_300)]
    kinds = Counter(shot.kind for shot in shots)
    assert 0.33 < kinds["goal"] / len(shots) < 0.51
    assert set(kinds) >= {"wide", "over", "parried", "held", "post", "side_net", "cross"}
    behind = [shot for shot in shots if shot.placement == "behind"]
    assert 0.3 < len(behind) / len(shots) < 0.5
    assert max(shot.view_angle_deg for shot in behind if shot.has_speed) <= 12.1
    kicked = [shot.speed_kmh for shot in shots if shot.has_speed]
    assert min(kicked) >= 25
    assert max(kicked) <= 32 * 3.6 + 1e-6
    gaps = [1 - len(shot.track) / len(shot.pixels) for shot in shots]
    assert 0.1 < float(np.median(gaps)) < 0.6
    assert math.isclose(sum(STANDARD.placement_share), 1)
