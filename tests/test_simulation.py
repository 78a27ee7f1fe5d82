"""Simulated shots tell the truth about themselves and depend on the seed alone."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.footage.pinhole import goal_corners
from workbench.shots.ball.track import TRACK_COLUMNS
from workbench.simulated.shots import STANDARD, SimulationSettings, simulate_shot

SEEDS = st.integers(0, 10**9)


@settings(max_examples=25)
@given(seed=SEEDS)
def test_a_shot_is_true_to_itself(seed: int) -> None:
    shot = simulate_shot(seed)
    assert tuple(shot.track.columns) == TRACK_COLUMNS  # what shots are judged from
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
