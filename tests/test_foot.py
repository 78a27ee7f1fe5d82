"""The shooting foot: side of the body, ankles that travel or are near, mirrored poses."""

from dataclasses import replace

import numpy as np
import pytest
from ball_tracks import kicked, make_track, moved
from hypothesis import given, settings
from hypothesis import strategies as st
from skeletons import kick_poses, mirrored

from workbench.shots.players.pose import Pose, PoseTrack
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


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_body_is_beside_the_ball_whatever_the_legs_are_called(side):
    """Seen from behind; the pose finder takes the left leg for the right one now and then."""
    from_behind = np.array([200.0, 100.0])
    ball = np.full((40, 2), [200.0, 300.0])
    poses = leaning(side, away_px=45.0, swapped=(17, 19, 20, 22))
    without = find_foot(poses, make_track(ball), CONTACT)
    assert without.side != side
    foot = find_foot(poses, make_track(ball), CONTACT, from_behind)
    assert foot.side == side
    other = "left" if side == "right" else "right"
    assert f"the body is {other} of the ball" in foot.reason.lower()


def test_where_the_ball_is_unseen_at_the_contact_the_body_tells_the_foot_alone():
    track = make_track(np.full((40, 2), [200.0, 300.0]))
    gap = track.take((track.frames < 16) | (track.frames > 24))
    poses = leaning("left", away_px=45.0, swapped=())
    assert find_foot(poses, gap, CONTACT).side is None
    assert "unseen" in find_foot(poses, gap, CONTACT).reason
    foot = find_foot(poses, gap, CONTACT, np.array([200.0, 100.0]))
    assert (foot.side, foot.swing, foot.nearness) == ("left", 0.0, 0.0)


def test_poses_far_from_the_ball_say_nothing():
    poses = leaning("left", away_px=45.0, swapped=())
    for frame in (18, 19, 20):  # of the five around the contact
        broken = {name: (x - 500.0, y) for name, (x, y) in poses.poses[frame].joints.items()}
        poses.poses[frame] = Pose(broken)
    track = make_track(np.full((40, 2), [200.0, 300.0]))
    assert find_foot(poses, track, CONTACT, np.array([200.0, 100.0])).stance < 0


@given(
    side=st.sampled_from(["left", "right"]),
    turn=st.floats(0, 2 * np.pi),
    squeeze=st.floats(0.15, 1.0),
)
def test_from_wherever_the_ground_is_seen_the_body_is_on_the_same_side(side, turn, squeeze):
    sign = 1 if side == "right" else -1
    around = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    def seen(on_the_ground):  # x to the right of the shot and along it, in pixels
        return np.array([300.0, 300.0]) + around @ on_the_ground * [1.0, -squeeze]

    hips = seen(np.array([-40.0 * sign, -10.0]))
    joints = {name: tuple(hips) for name in ("l_ankle", "r_ankle", "l_hip", "r_hip")}
    poses = PoseTrack("mediapipe", {19: Pose(joints | {"head": (hips[0], hips[1] - 150)})}, 1)
    track = make_track(np.full((40, 2), seen(np.zeros(2))))
    aim = seen(np.array([60.0 * sign * 0.1, 900.0]))
    assert find_foot(poses, track, CONTACT, aim).stance * sign > 0


def leaning(side, *, away_px, swapped):
    """Poses of a kick whose hips are beside the ball; in some frames left and right change."""
    sign = 1 if side == "right" else -1
    poses = kick_poses(side, swing_px=6.0)
    for frame, pose in poses.poses.items():
        joints = dict(pose.joints)
        for name in ("l_hip", "r_hip"):
            joints[name] = (200.0 - sign * away_px, joints[name][1])
        if frame in swapped:
            joints["l_ankle"], joints["r_ankle"] = joints["r_ankle"], joints["l_ankle"]
        poses.poses[frame] = Pose(joints)
    return poses


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
    aim_x=st.none() | st.floats(0, 640),
)
def test_mirroring_swaps_the_foot_and_scale_changes_nothing(
    side, method, noise_px, seed, scale, aim_x
):
    poses = kick_poses(side, method=method, noise_px=noise_px, seed=seed)
    track = make_track(kicked())
    aim = None if aim_x is None else np.array([aim_x, 100.0])
    plain = find_foot(poses, track, CONTACT, aim)
    turned = None if aim is None else aim * [-1, 1] + [640.0, 0.0]
    other = find_foot(
        mirrored(poses, 640.0), moved(track, factor=(-1, 1), shift=(640.0, 0.0)), CONTACT, turned
    )
    assert {plain.side, other.side} in ({"left", "right"}, {None})  # None: too unsure to be told
    assert other.confidence == pytest.approx(plain.confidence)
    larger = find_foot(
        mirrored(poses, 0.0, scale=scale),
        replace(track, xy=track.xy * [-scale, scale]),
        CONTACT,
        None if aim is None else aim * [-scale, scale],
    )
    assert larger.side == other.side
    assert larger.confidence == pytest.approx(plain.confidence)
