"""Poses made by hand: somebody who kicks a ball that lies at (200, 300)."""

import numpy as np

from workbench.shots.players.pose import Pose, PoseTrack

_AT_EASE = {
    "head": (0, -95), "l_shoulder": (-10, -80), "r_shoulder": (10, -80), "l_elbow": (-13, -65),
    "r_elbow": (13, -65), "l_wrist": (-14, -50), "r_wrist": (14, -50), "l_hip": (-6, -50),
    "r_hip": (6, -50), "l_knee": (-6, -27), "r_knee": (6, -27), "l_ankle": (-6, -3),
    "r_ankle": (6, -3), "l_toe": (-4, 0), "r_toe": (8, 0),
}  # fmt: skip


def kick_poses(
    side,
    *,
    method="mediapipe",
    first=16,
    count=8,
    swing_px=40.0,
    standing_gap_px=15.0,
    kicking_gap_px=2.0,
    noise_px=0.0,
    seed=0,
):
    """Poses from frame `first` on; the kicking ankle reaches the ball between frames 19 and 20."""
    kicking, standing = ("l", "r") if side == "left" else ("r", "l")
    sign = 1 if side == "right" else -1
    rng = np.random.default_rng(seed)
    poses = {}
    for frame in range(first, first + count):
        joints = {name: np.array([200.0 - sign * 10, 300.0]) + at for name, at in _AT_EASE.items()}
        joints[f"{standing}_ankle"] = np.array([200.0 - sign * standing_gap_px, 300.0])
        swung = np.array([sign * kicking_gap_px, swing_px * (19.5 - frame) / 4])
        joints[f"{kicking}_ankle"] = np.array([200.0, 300.0]) + swung
        placed = {name: tuple(at + rng.normal(0, noise_px, 2)) for name, at in joints.items()}
        poses[frame] = Pose(placed)
    return PoseTrack(method, poses, count)


def mirrored(track, width_px, scale=1.0):
    """The same poses in a mirror: left is right, and x counts from the other side."""
    swap = {"l_": "r_", "r_": "l_"}
    poses = {
        frame: Pose(
            {
                swap.get(name[:2], name[:2]) + name[2:]: (scale * (width_px - x), scale * y)
                for name, (x, y) in pose.joints.items()
            },
        )
        for frame, pose in track.poses.items()
    }
    return PoseTrack(track.method, poses, track.asked)
