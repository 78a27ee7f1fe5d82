"""The shooting foot: nearer ankle, farther-travelled ankle, mirrored and guessed poses."""

from dataclasses import replace

import numpy as np
import pytest
from ball_tracks import kicked, make_track, moved
from hypothesis import given, settings
from hypothesis import strategies as st
from skeletons import kick_poses, mirrored

from workbench.shots.players.pose import PoseTrack
from workbench.shots.players.technique import find_foot

CONTACT = 19.5


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_foot_that_swings_to_the_ball_shot(side):
    foot = find_foot(kick_poses(side), make_track(kicked()), CONTACT)
    assert foot.side == side
    assert foot.confidence > 0.8
    assert f"{side} ankle moves farther" in foot.reason


def test_a_standing_foot_nearer_to_the_ball_does_not_mislead():
    """From the side, the standing foot beside the ball hides the kicking one or is nearer."""
    poses = kick_poses("right", standing_gap_px=2.0)
    foot = find_foot(poses, make_track(kicked()), CONTACT)
    assert foot.nearness < 0 < foot.swing
    assert foot.side == "right"


def test_feet_that_cannot_be_told_apart_are_a_coin_toss_and_say_so():
    still = kick_poses("right", swing_px=0.0, standing_gap_px=3.0, kicking_gap_px=3.0)
    assert find_foot(still, make_track(kicked()), CONTACT).confidence == pytest.approx(
        0.5, abs=0.02
    )


@pytest.mark.parametrize("poses", [PoseTrack("geometric"), kick_poses("left", first=40)])
def test_no_pose_at_the_contact_is_no_foot(poses):
    foot = find_foot(poses, make_track(kicked()), CONTACT)
    assert (foot.side, foot.confidence) == (None, 0.0)
    assert "pose" in foot.reason


def test_no_ball_is_no_foot():
    foot = find_foot(kick_poses("left"), make_track(np.zeros((0, 2))), CONTACT)
    assert foot.side is None
    assert "ball" in foot.reason


def test_guessed_sides_turn_round_where_the_ball_comes_towards_the_camera():
    poses = kick_poses("right", method="geometric")
    track = make_track(kicked())
    assert find_foot(poses, track, CONTACT).side == "right"
    coming = replace(track, diameter_px=np.where(track.frames > 20, 14.0, 10.0))
    assert find_foot(poses, coming, CONTACT).side == "left"
    measured = kick_poses("right", method="mediapipe (full)")
    assert find_foot(measured, coming, CONTACT).side == "right"


@settings(max_examples=30)
@given(
    side=st.sampled_from(["left", "right"]),
    method=st.sampled_from(["geometric", "mediapipe"]),
    noise_px=st.floats(0, 6),
    seed=st.integers(0, 10_000),
    scale=st.sampled_from([0.5, 2.0, 8.0]),
)
def test_mirroring_swaps_the_foot_and_scale_changes_nothing(side, method, noise_px, seed, scale):
    poses = kick_poses(side, method=method, noise_px=noise_px, seed=seed)
    track = make_track(kicked())
    plain = find_foot(poses, track, CONTACT)
    other = find_foot(
        mirrored(poses, 640.0), moved(track, factor=(-1, 1), shift=(640.0, 0.0)), CONTACT
    )
    assert {plain.side, other.side} in ({"left", "right"}, {None})  # None: too unsure to be told
    assert other.confidence == pytest.approx(plain.confidence)
    larger = find_foot(
        mirrored(poses, 0.0, scale=scale),
        replace(track, xy=track.xy * [-scale, scale]),
        CONTACT,
    )
    assert larger.side == other.side
    assert larger.confidence == pytest.approx(plain.confidence)
