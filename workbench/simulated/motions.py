"""Motions of people: joint angles as functions of time.

Every motion is written for a right-handed, right-footed person; `scene.mirrored` gives the other.
Times are seconds; a motion with a moment that matters (contact, take-off, release) has it at zero.
Knows nothing about where the person stands.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from workbench.simulated.scene import Angles, mirrored

STRIDES_PER_S = 1.5  # of the run-up
LAYUP_AIRTIME_S = 0.55
_LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "arm_out", "leg_out")


def ease(x: float) -> float:
    """Smooth step from 0 to 1."""
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def between(time_s: float, poses: Sequence[tuple[float, Angles]]) -> Angles:
    """The pose between key poses, sorted by time; held before the first and after the last."""
    if time_s <= poses[0][0]:
        return dict(poses[0][1])
    for (start_s, before), (end_s, after) in pairwise(poses):
        if time_s <= end_s:
            return blend(before, after, ease((time_s - start_s) / (end_s - start_s)))
    return dict(poses[-1][1])


def blend(before: Angles, after: Angles, share: float) -> Angles:
    """The pose a `share` of the way; an angle that only one of the two names keeps its value."""
    return {
        name: before.get(name, after.get(name, 0.0)) * (1 - share)
        + after.get(name, before.get(name, 0.0)) * share
        for name in before.keys() | after.keys()
    }


def _pose(**angles: float) -> Angles:
    """Angles by name; a limb's name without a side, such as `knee`, stands for both sides."""
    pose: Angles = {}
    for name, angle in angles.items():
        sides = ("l_", "r_") if name in _LIMBS else ("",)
        pose |= {side + name: angle for side in sides}
    return pose


def run(phase_rad: float, vigour: float) -> Angles:
    """Running or, with little vigour, walking; two steps per turn of the phase."""
    sin, cos = math.sin(phase_rad), math.cos(phase_rad)
    arm_bend = 1.1 * vigour + 0.2
    return _pose(
        l_hip=0.7 * vigour * sin + 0.1,
        r_hip=-0.7 * vigour * sin + 0.1,
        l_knee=0.25 + 0.9 * vigour * max(0.0, -cos),
        r_knee=0.25 + 0.9 * vigour * max(0.0, cos),
        l_shoulder=-0.7 * vigour * sin,
        r_shoulder=0.7 * vigour * sin,
        elbow=arm_bend,
        lean=0.15 * vigour,
        twist=0.15 * vigour * sin,
        arm_out=0.15,
    )


def kick(
    time_s: float,
    vigour: float,
    phase_rad: float,
    tempo: float = 1.0,
    *,
    stance: Angles | None = None,
    drive: float = 0.9,
) -> Angles:
    """A shot at goal with the right instep; contact at zero. Run-up before −0.34 s.

    `stance` is what the pose at contact has of its own; `drive` how far the thigh then comes, in
    radians, within 0.09 s.
    """
    t, v = time_s / tempo, vigour
    if t < -0.34:
        return run(phase_rad + 2 * math.pi * STRIDES_PER_S * (t + 0.34), 0.9)
    swing_back = _pose(
        r_hip=-0.75 * v, r_knee=1.0 * v, l_hip=0.55, l_knee=0.35, lean=0.05, l_shoulder=0.7,
        r_shoulder=-0.6, l_arm_out=0.9 * v, r_arm_out=0.4, l_elbow=0.5, r_elbow=0.6,
        twist=-0.35 * v, lean_side=-0.1,
    )  # fmt: skip
    cocked = _pose(
        r_hip=-0.45 * v, r_knee=1.75 * v, l_hip=0.25, l_knee=0.45, lean=0.0, l_shoulder=0.3,
        r_shoulder=-0.3, l_arm_out=1.2 * v, r_arm_out=0.5, l_elbow=0.4, r_elbow=0.6,
        twist=-0.25 * v, lean_side=-0.18,
    )  # fmt: skip
    contact = _pose(
        r_hip=0.45 * v, r_knee=0.45, l_hip=0.0, l_knee=0.35, lean=0.12, l_shoulder=-0.3,
        r_shoulder=0.1, l_arm_out=0.9 * v, r_arm_out=0.6, l_elbow=0.4, r_elbow=0.5, twist=0.1 * v,
        lean_side=-0.2, r_ankle=-0.7,
    ) | (stance or {})  # fmt: skip
    cocked["r_hip"] = contact["r_hip"] - drive
    swing_back["r_hip"] = cocked["r_hip"] - drive / 3
    follow = _pose(
        r_hip=1.15 * v, knee=0.2, l_hip=-0.15, lean=0.2, l_shoulder=0.6 * v, r_shoulder=-0.7 * v,
        l_arm_out=0.5, r_arm_out=0.6, elbow=0.5, twist=0.5 * v, lean_side=-0.1, r_ankle=-0.6,
    )  # fmt: skip
    settle = _pose(
        r_hip=0.5, r_knee=0.5, l_hip=-0.1, l_knee=0.25, lean=0.15, l_shoulder=0.2, r_shoulder=-0.2,
        arm_out=0.3, elbow=0.6, twist=0.15,
    )  # fmt: skip
    return between(t, [
        (-0.34, run(phase_rad, 0.9)), (-0.18, swing_back), (-0.09, cocked), (0.0, contact),
        (0.12, follow), (0.38, settle), (0.7, run(phase_rad + 1, 0.5)),
    ])  # fmt: skip


_BAT_STANCE = _pose(
    hip=0.45, knee=0.7, leg_out=0.22, lean=0.3, hip_twist=-0.3, l_shoulder=1.15, r_shoulder=1.2,
    l_arm_out=-0.45, r_arm_out=-0.15, l_elbow=1.2, r_elbow=1.7, twist=-0.75,
)  # fmt: skip


def bat_stance(sway: float) -> Angles:
    """Waiting for the pitch, bat over the shoulder."""
    return _BAT_STANCE | _pose(twist=-0.75 + 0.1 * sway, lean=0.3 + 0.04 * sway)


def swing(
    time_s: float, vigour: float, tempo: float = 1.0, *, stance: Angles | None = None
) -> Angles:
    """A baseball swing; contact at zero, with `stance` as what its pose has of its own."""
    load = _BAT_STANCE | _pose(
        twist=-1.15 * vigour, hip_twist=-0.55, l_hip=0.75, l_knee=0.9, l_leg_out=0.3,
    )  # fmt: skip
    contact = _BAT_STANCE | _pose(
        twist=0.45 * vigour, hip_twist=0.7, l_hip=0.3, l_knee=0.25, r_hip=0.15, r_knee=0.8,
        shoulder=1.35, arm_out=-0.3, elbow=0.35, l_leg_out=0.35, r_leg_out=0.3, lean=0.2,
    ) | (stance or {})  # fmt: skip
    follow = contact | _pose(
        twist=1.55 * vigour, hip_twist=1.1, shoulder=1.9, elbow=1.1, lean=0.0, r_knee=1.0,
    )  # fmt: skip
    return between(time_s / tempo, [
        (-0.35, _BAT_STANCE | _pose(twist=-0.75 * vigour)), (-0.16, load), (0.0, contact),
        (0.2, follow), (0.6, follow), (1.2, _BAT_STANCE | _pose(twist=0.6)),
    ])  # fmt: skip


def bat_direction(time_s: float, tempo: float = 1.0) -> tuple[float, float]:
    """Azimuth (from straight ahead, positive to the right) and elevation of the bat in a swing."""
    t = time_s / tempo
    azimuth = np.interp(t, [-0.35, -0.16, 0.0, 0.2, 0.6], [2.2, 2.5, 0.1, -2.0, -2.3])
    elevation = np.interp(t, [-0.3, -0.1, 0.0, 0.25], [1.0, 0.8, 0.0, 0.5])
    return float(azimuth), float(elevation)


def layup(
    time_s: float,
    vigour: float,
    phase_rad: float,
    tempo: float = 1.0,
    *,
    stance: Angles | None = None,
) -> Angles:
    """A lay-up off the left leg; take-off at zero, landing after `LAYUP_AIRTIME_S` × tempo.

    `stance` is what the pose at take-off has of its own.
    """
    air = LAYUP_AIRTIME_S * tempo
    rise = _pose(
        r_hip=1.35 * vigour, r_knee=1.5, l_hip=-0.05, l_knee=0.05, r_shoulder=2.75 * vigour,
        r_arm_out=0.1, r_elbow=0.25, l_shoulder=0.9, l_arm_out=0.35, l_elbow=0.9, lean=0.02,
        lean_side=0.05,
    )  # fmt: skip
    gather = _pose(
        r_hip=0.2, r_knee=0.9, l_hip=0.45, l_knee=0.75, r_shoulder=0.8, l_shoulder=0.7, elbow=1.5,
        arm_out=-0.1, lean=0.25,
    )  # fmt: skip
    land = _pose(
        l_hip=0.5, r_hip=0.4, l_knee=0.9, r_knee=0.8, r_shoulder=1.0, l_shoulder=0.6, elbow=0.6,
        lean=0.25,
    )  # fmt: skip
    if time_s < -0.3:
        return run(phase_rad + 2 * math.pi * 1.6 * time_s, 0.95)
    return between(time_s, [
        (-0.3, run(phase_rad - 2 * math.pi * 0.48, 0.95)), (-0.1, gather),
        (0.0, gather | _pose(l_knee=0.3, l_hip=0.2) | (stance or {})), (0.45 * air, rise),
        (0.75 * air, rise | _pose(r_hip=0.6, r_knee=0.8)), (air, land),
        (air + 0.35, run(phase_rad, 0.4)),
    ])  # fmt: skip


def hop_m(time_s: float, airtime_s: float, height_m: float) -> float:
    """Height of the feet during a jump that starts at zero."""
    share = time_s / airtime_s
    return 4 * height_m * share * (1 - share) if 0 < share < 1 else 0.0


def throw_in(time_s: float) -> Angles:
    """An overhead throw with both hands; release at zero."""
    back = ease((time_s + 0.35) / 0.3) - 1.4 * ease(time_s / 0.18)
    return _pose(
        shoulder=2.6 + 0.5 * back, elbow=1.0 * max(back, 0.0) + 0.3, lean=-0.3 * back + 0.1,
        arm_out=0.0, knee=0.3, l_hip=0.2, r_hip=0.05,
    )  # fmt: skip


def header_jump(time_s: float, phase_rad: float) -> Angles:
    """A two-footed jump for a header; take-off at zero."""
    if time_s < -0.25:
        return run(phase_rad + 9 * time_s, 0.7)
    return between(time_s, [
        (-0.25, _pose(knee=0.3)),
        (-0.05, _pose(knee=1.1, hip=0.8, lean=0.4, shoulder=-0.8)),
        (0.2, _pose(knee=0.3, hip=-0.1, lean=-0.1, shoulder=1.2, arm_out=0.6)),
        (0.5, _pose(knee=0.6, hip=0.5, lean=0.2)),
    ])  # fmt: skip


def juggle(phase_rad: float) -> Angles:
    """Keeping a ball up with alternate feet."""
    sin = math.sin(phase_rad)
    right, left = max(0.0, sin), max(0.0, -sin)
    return _pose(
        r_hip=0.1 + 0.55 * right, r_knee=0.1 + 0.7 * right, l_hip=0.1 + 0.55 * left,
        l_knee=0.1 + 0.7 * left, arm_out=0.6, elbow=0.6, lean=0.12,
    )  # fmt: skip


def bounce_ball(phase_rad: float) -> Angles:
    """Dribbling a basketball on the spot with the right hand."""
    sin = math.sin(phase_rad)
    return _pose(
        knee=0.5, hip=0.4, lean=0.4, r_shoulder=0.6 + 0.25 * sin, r_elbow=0.8 - 0.4 * sin,
        l_shoulder=0.5, l_elbow=0.9,
    )  # fmt: skip


def wave(time_s: float) -> Angles:
    """Waving to somebody with the left arm."""
    return _pose(
        l_shoulder=2.6 + 0.3 * math.sin(9 * time_s), l_arm_out=0.4,
        l_elbow=0.5 + 0.4 * math.sin(9 * time_s + 1), r_arm_out=0.2, r_elbow=0.3,
    )  # fmt: skip


def clap(time_s: float) -> Angles:
    """Applauding."""
    apart = 0.25 + 0.25 * math.sin(2 * math.pi * 2.6 * time_s)
    return _pose(shoulder=1.1, elbow=0.9, arm_out=apart - 0.35, lean=0.05)


def squat(depth: float) -> Angles:
    """Stretching or lifting something: 0 upright, 1 deep in the knees."""
    return _pose(knee=1.9 * depth + 0.1, hip=1.3 * depth, lean=0.5 * depth, shoulder=0.8 * depth)


def cheer(time_s: float, phase_rad: float) -> Angles:
    """Both arms up while trotting: a goal has been scored."""
    up = 2.5 + 0.25 * math.sin(7 * time_s)
    return run(phase_rad + 9 * time_s, 0.6) | _pose(shoulder=up, arm_out=0.5, elbow=0.2)


def idle(time_s: float, phase_rad: float) -> Angles:
    """Standing about, shifting weight."""
    sway = math.sin(1.7 * time_s + phase_rad)
    return _pose(
        arm_out=0.2, l_elbow=0.4 + 0.15 * sway, r_elbow=0.4, twist=0.15 * sway,
        l_knee=0.1 + 0.05 * sway, lean=0.04,
    )  # fmt: skip


def guard(time_s: float, phase_rad: float) -> Angles:
    """A goalkeeper on their toes."""
    bob = 0.06 * math.sin(2 * math.pi * 1.4 * time_s + phase_rad)
    return _pose(
        knee=0.55 + bob, hip=0.45 + bob, lean=0.28, lean_side=0.0, shoulder=0.5, arm_out=0.55,
        elbow=0.6, leg_out=0.16,
    )  # fmt: skip


def dive(reach: float, toward_right: float) -> Angles:
    """A goalkeeper stretching sideways; `reach` 0 (upright) to 1, `toward_right` is −1 or +1."""
    rightward = _pose(
        lean=0.15, lean_side=1.15 * reach, r_shoulder=0.5 + 2.1 * reach, r_arm_out=0.5,
        r_elbow=0.25, l_shoulder=0.5 + 2.2 * reach, l_arm_out=0.3, l_elbow=0.35, r_knee=0.7,
        r_hip=0.5, r_leg_out=0.0, l_knee=0.3 + 0.3 * reach, l_hip=0.2, l_leg_out=0.1 + 0.5 * reach,
    )  # fmt: skip
    return rightward if toward_right > 0 else mirrored(rightward)
