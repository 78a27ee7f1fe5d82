"""Simulated shots tell the truth about themselves and depend on the seed alone."""

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.footage.pinhole import goal_corners
from workbench.shots.ball.track import TRACK_COLUMNS
from workbench.simulated.shots import STANDARD, SimulationSettings, simulate_shot
from workbench.simulated.tracked import SIMULATORS, STRANGE

SEEDS = st.integers(0, 10**9)
WORLDS = SIMULATORS | STRANGE


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
    people = shot.people
    assert ((people["x0"] < people["x1"]) & (people["y0"] < people["y1"])).all()
    assert people["frame"].between(0, len(shot.pixels) - 1).all()


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


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_is_true_to_itself(name: str) -> None:
    caught = 0
    for seed in range(40):
        shot = WORLDS[name](seed)
        assert shot.is_goal == (shot.kind == "goal")
        assert np.isfinite(shot.track.to_numpy(float)).all()
        assert np.isfinite(shot.goal_corners_px).all()
        assert 5 < shot.speed_kmh < 140
        again = WORLDS[name](seed)
        pd.testing.assert_frame_equal(shot.track, again.track)
        pd.testing.assert_frame_equal(shot.people, again.people)
        last = shot.people[(shot.people["frame"] >= len(shot.pixels) - 8)]
        if shot.kind != "held" or last.empty:
            continue
        # Whoever holds the ball has it in their box, but for the noise of the box.
        off = [
            max(row.x0 - u, u - row.x1, row.y0 - v, v - row.y1)
            for row in last.itertuples()
            for u, v in [shot.pixels[int(str(row.frame))]]
        ]
        caught += 1
        assert min(off) < 0.02 * shot.image_wh[0]
    assert caught or name in ("usual", "zoomed")


def test_worlds_differ() -> None:
    tracked = [[make(seed) for seed in range(30)] for make in SIMULATORS.values()]
    speeds = [float(np.median([shot.speed_kmh for shot in shots])) for shots in tracked]
    assert max(speeds) > 1.4 * min(speeds)
    assert len({shots[0].fps for shots in tracked}) >= 3


@pytest.mark.parametrize("lasting_s", [0.1, 0.5])
def test_an_error_that_lasts_is_alike_in_neighbouring_frames(lasting_s: float) -> None:
    nothing = (0.0, 0.0)
    drifting = SimulationSettings(
        distortion_k1=0.0, noise_px=nothing, gap_share=nothing, outlier_share=nothing,
        exposure_s=nothing, drift_px=(3.0, 3.0), drift_s=(lasting_s, lasting_s),
    )  # fmt: skip
    still = replace(drifting, drift_px=nothing)
    alike = []
    for seed in range(12):
        off = [simulate_shot(seed, some).track.set_index("frame") for some in (drifting, still)]
        errors = (off[0] - off[1])[["x", "y"]].dropna().to_numpy()
        alike.append((errors[1:] * errors[:-1]).mean() / (errors**2).mean())
    assert np.mean(alike) == pytest.approx(math.exp(-1 / 30 / lasting_s), abs=0.15)


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
