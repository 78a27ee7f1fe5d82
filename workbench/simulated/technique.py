"""The technique of an act: how its performer stands at the decisive moment, drawn once per clip.

Ranges are wider than those of good technique (`shots.players.technique`), so that what measures it
has something to find. The truth is taken from the joints as they are played, in degrees. Knows
nothing about cameras.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.simulated.motions import LAYUP_AIRTIME_S
from workbench.simulated.scene import JOINT, Angles

_DRIVE_S, _STEP_S = 0.15, 1 / 480  # before the moment, in which the hip counts
STARTS_S = {"shot": 0.34, "swing": 0.35, "layup": 0.3}  # of the execution, before the moment
_ENDS_S = {"shot": 0.0, "swing": 0.0, "layup": 0.5 * LAYUP_AIRTIME_S}  # contact, contact, release
# What the bent knees are called: of the leg that strikes, leads or lifts, and of the other.
KNEES = {
    "shot": ("kicking knee bend", "standing knee bend"),
    "swing": ("front knee bend", "back knee bend"),
    "layup": ("lifted knee bend", "take-off knee bend"),
}
# Degrees: those knees, the trunk forward and aside, and how far the thigh (in a swing the pelvis)
# turns just before.
_RANGES = {
    "shot": ((5, 75), (5, 65), (-12, 34), (-22, 4), (14, 85)),
    "swing": ((4, 45), (25, 70), (0, 28), (-6, 6), (25, 90)),
    "layup": ((35, 85), (8, 45), (-4, 26), (-6, 10), (0, 45)),
}


@dataclass(frozen=True)
class Stance:
    """The pose at the decisive moment, in radians, as a right-footed person has it."""

    striking_knee: float  # of a kick; the front knee of a swing; the lifted one of a lay-up
    standing_knee: float  # of the other leg
    lean: float  # forward
    lean_side: float
    drive: float  # how far the thigh or the pelvis turns just before


def draw_stance(rng: np.random.Generator, act: str) -> Stance:
    """Draw a stance; nothing is taken from the stream of `rng`, so that all else stays the same."""
    own = rng.spawn(1)[0]
    striking, standing, lean, side, drive = (own.uniform(*limits) for limits in _RANGES[act])
    if act == "shot":  # a far bent leg reaches the ball only if the other gives way, too
        standing = max(standing, 0.6 * (striking - 30))
    return Stance(*np.radians((striking, standing, lean, side, drive)).tolist())


def kick_stance(stance: Stance) -> Angles:
    """Hips, knees and trunk at contact; the foot meets the ball however far the knee is bent."""
    strike, stand = stance.striking_knee, stance.standing_knee
    return {
        "r_knee": strike, "r_hip": 0.22 + 0.5 * strike, "l_knee": stand,
        "l_hip": 0.6 * (stand - 0.35), "lean": stance.lean, "lean_side": stance.lean_side,
    }  # fmt: skip


def swing_stance(stance: Stance) -> Angles:
    """Hips, knees and trunk at contact."""
    front, back = stance.striking_knee, stance.standing_knee
    return {
        "l_knee": front, "l_hip": 0.3 + 0.5 * (front - 0.25), "r_knee": back,
        "r_hip": 0.15 + 0.5 * (back - 0.8), "lean": stance.lean, "lean_side": stance.lean_side,
        "hip_twist": stance.drive - 0.55,
    }  # fmt: skip


def layup_stance(stance: Stance) -> Angles:
    """Hips, knees and trunk at take-off."""
    return {
        "r_knee": stance.striking_knee, "r_hip": 0.2 + stance.drive, "l_knee": stance.standing_knee,
        "l_hip": 0.05 + 0.5 * stance.standing_knee, "lean": stance.lean,
        "lean_side": stance.lean_side,
    }  # fmt: skip


def true_technique(
    joints_at: Callable[[float], Floats], act: str, side: str, at_s: float
) -> dict[str, float]:
    """Return the technique as it is played, by name: degrees, and °/s for the hip.

    Args:
        joints_at: Joints (18, 3) in metres at seconds since the clip's start.
        act: shot, swing or layup.
        side: Which foot or hand the performer prefers, left or right.
        at_s: The decisive moment.
    """
    same, other = ("l", "r") if side == "left" else ("r", "l")
    striking, standing = (other, same) if act == "swing" else (same, other)
    joints = joints_at(at_s)
    hips, shoulders = (
        joints[[JOINT[f"l_{name}"], JOINT[f"r_{name}"]]].mean(0) for name in ("hip", "shoulder")
    )
    names = KNEES[act]
    times_s = np.arange(at_s - _DRIVE_S, at_s + _STEP_S / 2, _STEP_S)
    start, end = ("l_hip", "r_hip") if act == "swing" else (f"{striking}_hip", f"{striking}_knee")
    poses = [joints_at(float(time_s)) for time_s in times_s]
    limbs = [pose[JOINT[end]] - pose[JOINT[start]] for pose in poses]
    turns = [_angle_deg(a, b) / _STEP_S for a, b in pairwise(limbs)]
    found = {
        names[0]: _bend_deg(joints, striking),
        names[1]: _bend_deg(joints, standing),
        "trunk lean": _angle_deg(shoulders - hips, np.array([0.0, 0.0, 1.0])),
        "hip drive": max(turns),
    }
    return {name: round(float(value), 2) for name, value in found.items()}


def true_phases(act: str, at_s: float, tempo: float, duration_s: float) -> dict[str, list[float]]:
    """Return when each phase starts and ends, in seconds since the clip's start; within the clip.

    Example:
        >>> true_phases("shot", 1.0, 1.0, 3.0)["execution"]
        [0.66, 1.0]
    """
    starts, ends = at_s - tempo * STARTS_S[act], at_s + tempo * _ENDS_S[act]
    bounds = [0.0, max(0.0, starts), min(ends, duration_s), duration_s]
    names = ("preparation", "execution", "follow-through")
    return {name: [round(bounds[i], 4), round(bounds[i + 1], 4)] for i, name in enumerate(names)}


def _bend_deg(joints: Floats, side: str) -> float:
    hip, knee, ankle = (joints[JOINT[f"{side}_{name}"]] for name in ("hip", "knee", "ankle"))
    return _angle_deg(knee - hip, ankle - knee)


def _angle_deg(a: Floats, b: Floats) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))
