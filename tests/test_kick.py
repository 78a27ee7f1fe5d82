"""The kick on the ball's track: dated, and found on simulated shots it was not tuned on."""

import numpy as np
import pytest
from ball_tracks import FPS, arc, kicked, make_track, path
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.shots.ball.kick import find_kick
from workbench.shots.ball.track import BallTrack
from workbench.simulated.shots import simulate_shot


@pytest.mark.parametrize(
    ("legs", "kicked_at"),
    [
        ([(20, 0, 0), (25, 9, -2)], 20),
        ([(20, 0, 0), *arc(18, 8, -8, 1), *arc(14, 6, -7, 1)], 20),  # it bounces
        ([(20, 0, 0), (24, 16, -1.5), (20, 0.5, 1)], 20),  # into the net
        ([(20, 0, 0), (24, 16, -1.5), (12, -10, 6)], 20),  # saved
        ([(20, 0, 0), (24, 16, -1.5), (25, 0, 0)], 20),  # comes to rest
        ([(40, 0, 0)], None),
    ],
)
def test_the_first_touch_that_makes_the_ball_fast_is_the_kick(legs, kicked_at):
    noise = np.random.default_rng(1).normal(0, 0.3, (len(path(*legs)), 2))
    kick = find_kick(make_track(path(*legs) + noise), fps=FPS)
    assert kick == (None if kicked_at is None else pytest.approx(kicked_at, abs=1))


def test_times_lie_between_frames():
    """A ball that leaves between frames 20 and 21 is dated so."""
    xy = kicked()
    xy[21:] -= 1.6 * np.array([14.0, -9.0])  # so that frame 21 shows 0.4 of a frame's flight
    xy[20] = xy[19]
    assert find_kick(make_track(xy), fps=FPS) == pytest.approx(20.6, abs=0.3)


def test_kick_speed_is_measured_in_the_local_size_of_the_ball():
    """Seen from behind the shooter, the ball is large at the kick and small for most of the clip.

    A leg that passes hides first its right half, then its left one: the middle of what is seen
    jumps by more than the far ball is wide.
    """
    frames, xy = np.arange(60), kicked(rest=25, flight=35, speed=(9.0, -5.0))
    whole = np.where(frames < 25, 16.0, np.maximum(5.0, 16.0 - 1.5 * (frames - 24)))
    off_px = np.array([-3, -4, -5, -6, -6, -1, 6, 6, 5, 4, 3, 3, 2, 1])
    rows, box_wh = slice(6, 6 + len(off_px)), np.column_stack([whole, whole])
    xy[rows, 0] += off_px
    box_wh[rows, 0] -= 2 * np.abs(off_px)
    track = BallTrack(frames, xy, box_wh, box_wh.min(axis=1), np.ones(60))
    assert find_kick(track, fps=FPS) == pytest.approx(24, abs=1)


def test_kicks_of_simulated_shots_are_found():
    """Noise, gaps, decoys: three in four within two frames (thresholds come from other seeds)."""
    shots = [simulate_shot(seed) for seed in range(9_000, 9_040)]
    right = 0
    for shot in shots:
        track = BallTrack.from_table(shot.track)
        kick = find_kick(track, fps=shot.fps)
        right += kick is not None and abs(kick - shot.contact_frame) <= 2
    assert right >= 30


@settings(max_examples=15)
@given(
    shift=st.tuples(st.integers(-300, 300), st.integers(-300, 300)),
    scale=st.sampled_from([0.5, 2.0, 4.0]),
    start=st.integers(0, 200),
    seed=st.integers(0, 100),
)
def test_the_kick_follows_shift_scale_and_time(shift, scale, start, seed):
    legs = [(20, 0, 0), *arc(18, 8, -8, 1), *arc(14, 6, -7, 1)]
    xy = path(*legs)
    xy = xy + np.random.default_rng(seed).normal(0, 0.3, xy.shape)
    plain = find_kick(make_track(xy), fps=FPS)
    elsewhere = make_track(xy * scale + shift, np.arange(len(xy)) + start, 10.0 * scale)
    assert find_kick(elsewhere, fps=FPS) == pytest.approx(plain + start, abs=0.1)
