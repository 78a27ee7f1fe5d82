"""Technique of a shot: knee bend, trunk lean and hip drive at contact, with rough good ranges.

The unit is the poses of one shot. Angles are measured in space where the pose finder gives metres
(MediaPipe's world landmarks, inferred from one picture), else in the picture, where the view
foreshortens them. Ranges are rough guidance for a hard instep kick, wider than those published for
trained players measured with many cameras:

- Lees, Asai, Andersen, Nunome, Sterzing (2010), "The biomechanics of kicking in soccer: a review",
  Journal of Sports Sciences 28(8): standing leg, trunk, order of thigh and shank.
- Kellis, Katis (2007), "Biomechanical characteristics and determinants of instep soccer kick",
  Journal of Sports Science and Medicine 6(2): kicking leg, speeds of joints.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.players.foot import Foot
from workbench.shots.players.pose import GEOMETRIC, Pose, PoseTrack

Flag = Literal["good", "low", "high", "not measured"]

_AT_CONTACT = 1.5  # frames around the contact that a pose may be off
_DRIVE_S = 0.15  # before contact, in which the thigh swings forward
_LEES, _KELLIS = "Lees et al. 2010", "Kellis and Katis 2007"


@dataclass(frozen=True)
class TechniqueMeasure:
    """One figure of how a shot was struck."""

    name: str
    unit: str
    good_low: float
    good_high: float
    source: str  # what the range rests on; the range itself is rough guidance
    value: float | None = None  # None where it cannot be measured
    flag: Flag = "not measured"
    note: str = ""  # how it was measured, or why it was not; one sentence


# One for each figure, not measured yet.
_STANDING_KNEE = TechniqueMeasure("standing knee bend", "°", 15.0, 55.0, _LEES)
_KICKING_KNEE = TechniqueMeasure("kicking knee bend", "°", 15.0, 65.0, _KELLIS)
_TRUNK = TechniqueMeasure("trunk lean", "°", 0.0, 30.0, _LEES)
_HIP = TechniqueMeasure("hip drive", "°/s", 250.0, 1200.0, f"{_LEES}; {_KELLIS}")


def measure_technique(
    pose: PoseTrack, foot: Foot, contact_frame: float, fps: float
) -> tuple[TechniqueMeasure, ...]:
    """Measure how a shot was struck.

    Args:
        pose: Poses of the shooter around the contact.
        foot: The shooting foot.
        contact_frame: When the ball was struck.
        fps: Frames per second.

    Returns:
        Bend of the standing and of the kicking knee (0° is straight), lean of the trunk from the
        vertical (either way), all at contact, and hip drive: the fastest turn of the kicking thigh
        in the last 0.15 s before it. Without measured poses or a foot, values are None.
    """
    scales = (_STANDING_KNEE, _KICKING_KNEE, _TRUNK, _HIP)
    near = min(pose.poses, key=lambda frame: abs(frame - contact_frame), default=None)
    if pose.method == GEOMETRIC:
        return tuple(replace(scale, note="Guessed joints have no angles.") for scale in scales)
    if near is None or abs(near - contact_frame) > _AT_CONTACT or foot.side is None:
        return tuple(replace(scale, note="No pose is seen at the contact.") for scale in scales)
    kicking, standing = ("l", "r") if foot.side == "left" else ("r", "l")
    at_contact = pose.poses[near]
    in_space = all(one.world_m is not None for one in pose.poses.values())
    how = "Between joints in space, inferred from one picture." if in_space else "In the picture."
    points = _in_space if in_space else _in_picture
    drive = _hip_drive(pose, kicking, contact_frame, fps, points)
    return (
        _rate(_STANDING_KNEE, _knee_bend(at_contact, standing, points), how),
        _rate(_KICKING_KNEE, _knee_bend(at_contact, kicking, points), how),
        # MediaPipe's metres are in camera axes: right only if the phone is held upright.
        _rate(_TRUNK, _trunk_lean(at_contact, points), how),
        _rate(_HIP, drive, how)
        if drive is not None
        else replace(_HIP, note="Too few poses are seen before the contact."),
    )


Points = Callable[[Pose, str], Floats]


def _in_space(pose: Pose, joint: str) -> Floats:
    assert pose.world_m is not None
    return np.array(pose.world_m[joint])


def _in_picture(pose: Pose, joint: str) -> Floats:
    return np.array(pose.joints[joint])


def _rate(scale: TechniqueMeasure, value: float, note: str) -> TechniqueMeasure:
    flag: Flag = "low" if value < scale.good_low else "high" if value > scale.good_high else "good"
    return replace(scale, value=value, flag=flag, note=note)


def _knee_bend(pose: Pose, side: str, points: Points) -> float:
    hip, knee, ankle = (points(pose, f"{side}_{joint}") for joint in ("hip", "knee", "ankle"))
    return _angle_deg(knee - hip, ankle - knee)


def _trunk_lean(pose: Pose, points: Points) -> float:
    hips = (points(pose, "l_hip") + points(pose, "r_hip")) / 2
    shoulders = (points(pose, "l_shoulder") + points(pose, "r_shoulder")) / 2
    up = np.zeros_like(hips)
    up[1] = -1.0  # y points down, in pictures and in MediaPipe's metres
    return _angle_deg(shoulders - hips, up)


def _hip_drive(
    pose: PoseTrack, side: str, contact_frame: float, fps: float, points: Points
) -> float | None:
    """Fastest turn of the thigh before the contact, in degrees per second."""
    frames = [f for f in sorted(pose.poses) if -_DRIVE_S * fps <= f - contact_frame <= _AT_CONTACT]
    thighs = [
        (
            frame,
            points(pose.poses[frame], f"{side}_knee") - points(pose.poses[frame], f"{side}_hip"),
        )
        for frame in frames
    ]
    turns = [
        _angle_deg(first, second) * fps / (later - earlier)
        for (earlier, first), (later, second) in pairwise(thighs)
    ]
    return float(np.median(sorted(turns)[-2:])) if len(turns) >= 2 else None


def _angle_deg(a: Floats, b: Floats) -> float:
    cosine = a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
