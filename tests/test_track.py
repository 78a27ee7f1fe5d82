"""The ball's track: choosing one ball, outliers, smoothing that keeps kicks sharp."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ball_tracks import FPS, kicked, labels_of, make_track
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle

from workbench.shots.ball.track import BallTrack, ball_track, smooth_track
from workbench.shots.verdict import ShotError


def ball(x, y, side=10, score=0.9, mask=False):
    label = {"category_id": 2, "bbox": [x - side / 2, y - side / 2, side, side], "score": score}
    if mask:
        rows, columns = np.mgrid[0:360, 0:640] + 0.5
        disc = (columns - x) ** 2 + (rows - y) ** 2 <= (side / 2) ** 2
        label["segmentation"] = rle.encode(np.asfortranarray(disc, np.uint8))
    return label


def test_the_ball_that_moves_is_chosen_over_one_that_lies_about():
    frames = [[ball(60, 300, score=0.95), ball(100 + 9 * t, 200 - 4 * t)] for t in range(20)]
    track = ball_track(labels_of(frames))
    assert track.frames.tolist() == list(range(20))
    assert track.xy[:, 0] == pytest.approx(100 + 9 * np.arange(20))


def test_a_track_goes_on_after_a_long_time_out_of_sight():
    seen = [[ball(100 + 9 * t, 200)] for t in range(15)]
    again = [[ball(400 - 9 * t, 250)] for t in range(15)]
    track = ball_track(labels_of([*seen, *[[]] * 45, *again]))
    assert set(track.frames) == {*range(15), *range(60, 75)}


@pytest.mark.parametrize("score", [None, 0.3, 1.0])
def test_masks_give_middle_and_diameter_whatever_the_score(score):
    frames = [[ball(100.3 + 7 * t, 150.8, 13, score, mask=True)] for t in range(8)]
    track = ball_track(labels_of(frames))
    assert track.xy[:, 0] == pytest.approx(100.3 + 7 * np.arange(8), abs=0.3)
    assert track.diameter_px == pytest.approx(13, rel=0.05)
    assert track.score == pytest.approx(1.0 if score is None else score)


def test_no_ball_gives_an_empty_track_that_every_function_takes():
    track = ball_track(labels_of([[], [], []]))
    assert len(track) == len(track.is_outlier) == len(track.without_outliers) == 0
    assert len(smooth_track(track, fps=FPS).frames) == 0


def test_a_track_without_a_column_says_which():
    with pytest.raises(ShotError, match="diameter_px"):
        BallTrack.from_table(make_track(kicked()).to_table().drop(columns="diameter_px"))


def test_a_table_in_disorder_gives_the_surest_row_of_each_frame():
    table = make_track(kicked()).to_table()
    doubled = pd.concat([table.assign(x=0.0, score=0.5), table, table.assign(y=np.nan, score=1.0)])
    track = BallTrack.from_table(doubled.sample(frac=1.0, random_state=3))
    assert track.frames.tolist() == list(range(45))
    assert track.xy == pytest.approx(kicked())


@pytest.mark.parametrize(
    "spoilt",
    [
        {"frames": np.arange(45)[::-1]},
        {"frames": np.arange(44)},
        {"frames": np.repeat(np.arange(15), 3)},
        {"xy": np.full((45, 2), np.nan)},
        {"xy": np.zeros((45, 3))},
    ],
    ids=str,
)
def test_a_track_that_is_none_cannot_be_built(spoilt):
    with pytest.raises(ShotError, match="track"):
        replace(make_track(kicked()), **spoilt)


def test_teleports_are_flagged_and_the_first_points_of_a_flight_are_not():
    xy = kicked()
    xy[[8, 30]] += [150, -90]
    assert np.flatnonzero(make_track(xy).is_outlier).tolist() == [8, 30]


def test_smoothing_takes_noise_away_and_keeps_the_kick_sharp():
    truth = kicked()
    noisy = truth + np.random.default_rng(3).normal(0, 0.8, truth.shape)
    smooth = smooth_track(make_track(noisy), fps=FPS)
    error = np.hypot(*(smooth.xy - truth).T)
    assert np.sqrt((error**2).mean()) < 0.6 * np.sqrt((((noisy - truth) ** 2).sum(axis=1)).mean())
    steps = np.hypot(*np.diff(smooth.xy, axis=0).T)
    assert steps[:18].max() < 1.0
    assert steps[21:].min() > 15.0


def test_short_gaps_are_filled_and_long_ones_stay():
    keep = np.r_[0:25, 29:35, 60:70]
    steady = np.array([50.0, 60.0]) + np.arange(70)[:, None] * np.array([4.0, 1.0])
    smooth = smooth_track(make_track(steady[keep], frames=keep), fps=FPS)
    assert smooth.frames.tolist() == [*range(35), *range(60, 70)]
    assert smooth.xy[25:29] == pytest.approx(steady[25:29], abs=0.1)


@settings(max_examples=20)
@given(
    shift=st.tuples(st.integers(-500, 500), st.integers(-500, 500)),
    scale=st.sampled_from([0.25, 0.5, 2.0, 4.0]),
    start=st.integers(0, 300),
    seed=st.integers(0, 1000),
)
def test_smoothing_follows_shift_scale_and_time(shift, scale, start, seed):
    noisy = kicked() + np.random.default_rng(seed).normal(0, 0.7, (45, 2))
    plain = smooth_track(make_track(noisy), fps=FPS)
    moved = make_track(noisy * scale + shift, np.arange(45) + start, 10.0 * scale)
    other = smooth_track(moved, fps=FPS)
    assert other.frames.tolist() == (plain.frames + start).tolist()
    assert other.xy == pytest.approx(plain.xy * scale + shift, abs=1e-3 * scale)
    assert other.diameter_px == pytest.approx(plain.diameter_px * scale)
