"""How a shot was struck: the shooting foot, then knee bend, trunk lean and hip drive.

The unit is the poses of the shooter around the contact. Three features tell the feet apart: on
which side of the ball the body is, seen along the shot, for the standing foot is planted beside it
and the trunk leans away; which ankle moves farther around the contact, because the other leg
stands; and which ankle is nearer to the ball, which says least: the standing foot is often as near.
The first needs no names of legs, which a pose finder often swaps, but a goal to know where the
shot goes.

Angles are measured in space where the pose finder gives metres (MediaPipe's world landmarks,
inferred from one picture), else in the picture, where the view foreshortens them. Ranges are rough
guidance for a hard instep kick, wider than those published for trained players measured with many
cameras:

- Lees, Asai, Andersen, Nunome, Sterzing (2010), "The biomechanics of kicking in soccer: a review",
  Journal of Sports Sciences 28(8): standing leg, trunk, order of thigh and shank.
- Kellis, Katis (2007), "Biomechanical characteristics and determinants of instep soccer kick",
  Journal of Sports Science and Medicine 6(2): kicking leg, speeds of joints.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.ball.track import BallTrack
from workbench.shots.players.pose import GEOMETRIC, PoseTrack

Side = Literal["left", "right"]
Joints = Mapping[str, tuple[float, ...]]  # name to a point in the picture or in space
Flag = Literal["good", "low", "high", "not measured"]

_AT_CONTACT = 1.5  # frames around the contact that a pose may be off
_MOST_HIDDEN = 2 * _AT_CONTACT + 1  # frames from the last ball before the contact to the next
# In the log odds: of nearness and of the way travelled, fitted on 48 rendered shots, and of the
# body's side, fitted on 137 others; real shooters lean farther than rendered ones.
_NEAR_WEIGHT, _SWING_WEIGHT, _STANCE_WEIGHT = 2.0, 6.0, 10.0
_AROUND_CONTACT = 2.5  # frames in which the body's side is looked at
_MOST_STANCE = 0.4  # body heights beside the ball; farther off says no more …
_FARTHEST_STANCE = 1.0  # … and this far off the pose is wrong
_LEAST_SURE = 0.75  # of a side that is told; on real shots lower ones were as often wrong
_LEAST_GROWTH = 1.05  # of the ball after the kick, from which it comes towards the camera
_DRIVE_S = 0.15  # before contact, in which the thigh swings forward
_CONTACT_UNSEEN = "The ball is unseen around the contact, which may be frames off."
_IN_SPACE = "Between joints in space, inferred from one picture."
TRUE_JOINTS = "true joints"  # of rendered footage
# Measured less true, 5th and 95th percentile, by who finds the joints, on 40 rendered shots (lite
# model). Pictures lie on both sides of the contact, and average out a fast turn.
_ERRORS: dict[str, dict[str, tuple[float, float]]] = {
    TRUE_JOINTS: {
        "standing knee bend": (-2.0, 1.0), "kicking knee bend": (-1.0, 6.0),
        "trunk lean": (-2.0, 0.5), "hip drive": (-325.0, -50.0),
    },
    "mediapipe": {
        "standing knee bend": (-41.0, 9.0), "kicking knee bend": (-42.0, 11.0),
        "trunk lean": (-7.0, 16.0), "hip drive": (-640.0, 2320.0),
    },
}  # fmt: skip
_LEES, _KELLIS = "Lees et al. 2010", "Kellis and Katis 2007"


@dataclass(frozen=True)
class Foot:
    """The shooting foot, and how sure that is."""

    side: Side | None  # None where no pose was found around the contact, or neither side is likely
    confidence: float  # 0.5–1 that the likelier side is right; 0 where there is no pose
    reason: str  # one sentence
    nearness: float = 0.0  # −1 (left ankle at the ball) … 1 (right ankle at the ball)
    swing: float = 0.0  # −1 (only the left ankle moves) … 1 (only the right ankle moves)
    stance: float = 0.0  # body heights that the body is left of the ball, seen along the shot
    contact_seen: bool = True  # else the contact may be frames off, and no angle is measured at it


def find_foot(
    pose: PoseTrack, track: BallTrack, contact_frame: float, aim_px: Floats | None = None
) -> Foot:
    """Tell the shooting foot.

    `aim_px` (2,) is a point on the ground that the shot goes to, such as the middle of the goal's
    foot, in the pixels of poses and ball; without it nothing is said of the body's side. With
    guessed poses (`geometric`) sides are those of somebody seen from behind; if the ball grows
    after the kick the shooter faces the camera, and they are swapped.
    """
    ball = _ball_at(track, contact_frame)
    frames = sorted(pose.poses)
    at_contact = [frame for frame in frames if abs(frame - contact_frame) <= _AT_CONTACT]
    if ball is None or not at_contact:
        what = "ball" if ball is None else "pose"
        return Foot(None, 0.0, f"No {what} is seen at the contact.")
    before, after = track.frames <= contact_frame, track.frames > contact_frame
    hidden = bool(after.any()) and track.frames[after][0] - track.frames[before][-1] > _MOST_HIDDEN
    nearness = swing = 0.0
    if not hidden:  # else the contact may be frames off
        # Only the two frames nearest to the contact: later the ball has left both feet.
        at_contact = sorted(at_contact, key=lambda frame: abs(frame - contact_frame))[:2]
        nearness = float(np.mean([_nearness(pose, frame, ball) for frame in at_contact]))
        swing = _swing(pose, frames)
        if pose.method == GEOMETRIC and _grows(track, contact_frame):
            nearness, swing = -nearness, -swing
    stance = 0.0 if aim_px is None else _stance(pose, contact_frame, ball, aim_px)
    log_odds = _NEAR_WEIGHT * nearness + _SWING_WEIGHT * swing + _STANCE_WEIGHT * stance
    side: Side = "right" if log_odds > 0 else "left"
    confidence = 1 / (1 + math.exp(-abs(log_odds)))
    found = nearness, swing, stance, not hidden
    if confidence < _LEAST_SURE:
        reason = f"The feet cannot be told apart ({confidence:.0%} for the {side} one)."
        if hidden:
            reason = _CONTACT_UNSEEN
        return Foot(None, confidence, reason, *found)
    for_it = [
        words
        for words, value in (("moves farther", swing), ("is nearer to the ball", nearness))
        if value * log_odds > 0
    ]
    reasons = []
    if stance * log_odds > 0:
        beside = "left" if side == "right" else "right"
        reasons.append(f"the body is {beside} of the ball, seen along the shot")
    if for_it:
        reasons.append(f"the {side} ankle {' and '.join(for_it)}")
    said = "; ".join(reasons)
    return Foot(side, confidence, f"{said[0].upper()}{said[1:]}.", *found)


def _ball_at(track: BallTrack, contact_frame: float) -> Floats | None:
    """Where the ball lay: median of the last places (2,) before the contact."""
    since = contact_frame - track.frames
    near = track.xy[(since >= 0) & (since <= 10)][-3:]
    return np.median(near, axis=0) if len(near) else None


def _nearness(pose: PoseTrack, frame: int, ball: Floats) -> float:
    left, right = np.hypot(*(_ankles(pose, [frame])[0] - ball).T)
    return float((left - right) / max(left + right, 1e-9))


def _stance(pose: PoseTrack, contact_frame: float, ball: Floats, aim_px: Floats) -> float:
    """How far left of the line from the ball to the aim the body is, in its heights.

    The sign is right from wherever the ground is seen from above, since three points on it keep
    their order: ball, aim, and the place under the hips at the height of the lower foot.
    """
    frames = sorted(pose.poses)
    joints = [pose.poses[frame].joints for frame in frames]
    below = _ankles(pose, frames)[..., 1].max(axis=1)
    tall = float(np.median(below - [one["head"][1] for one in joints]))
    along = np.asarray(aim_px, float) - ball
    if tall <= 0 or not along.any():
        return 0.0
    along = along / np.hypot(*along)
    middle = np.array([(one["l_hip"][0] + one["r_hip"][0]) / 2 for one in joints])
    left = (along[1] * (middle - ball[0]) - along[0] * (below - ball[1])) / tall
    near = np.abs(np.array(frames) - contact_frame) <= _AROUND_CONTACT
    kept = left[near & (np.abs(left) <= _FARTHEST_STANCE)]
    return float(np.clip(np.median(kept), -_MOST_STANCE, _MOST_STANCE)) if len(kept) else 0.0


def _swing(pose: PoseTrack, frames: list[int]) -> float:
    steps = np.diff(_ankles(pose, frames), axis=0)
    left, right = np.hypot(steps[..., 0], steps[..., 1]).sum(axis=0)
    return float((right - left) / max(left + right, 1e-9))


def _ankles(pose: PoseTrack, frames: list[int]) -> Floats:
    """The left and the right ankle in some frames, (F, 2, 2) pixels."""
    joints = [pose.poses[frame].joints for frame in frames]
    return np.array([[one["l_ankle"], one["r_ankle"]] for one in joints])


def _grows(track: BallTrack, contact_frame: float) -> bool:
    """Whether the ball comes towards the camera after the kick."""
    before = track.take(track.frames <= contact_frame).take(slice(-10, None))
    after = track.take(track.frames > contact_frame + 1).take(slice(10))
    return bool(len(before) and len(after) and after.size_px > _LEAST_GROWTH * before.size_px)


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
    spread: tuple[float, float] | None = None  # nine in ten lie in it; None where nobody knows


_UNMEASURED = (
    TechniqueMeasure("standing knee bend", "°", 15.0, 55.0, _LEES),
    TechniqueMeasure("kicking knee bend", "°", 15.0, 65.0, _KELLIS),
    TechniqueMeasure("trunk lean", "°", 0.0, 30.0, _LEES),
    TechniqueMeasure("hip drive", "°/s", 250.0, 1200.0, f"{_LEES}; {_KELLIS}"),
)


def measure_technique(
    pose: PoseTrack, foot: Foot, contact_frame: float, fps: float
) -> tuple[TechniqueMeasure, ...]:
    """Measure how a shot was struck.

    Bend of the standing and of the kicking knee (0° is straight), lean of the trunk from the
    vertical (either way), all at contact, and hip drive: the fastest turn of the kicking thigh in
    the last 0.15 s before it. Without measured poses or a foot, values are None.
    """
    near = min(pose.poses, key=lambda frame: abs(frame - contact_frame), default=None)
    if pose.method == GEOMETRIC:
        return tuple(replace(one, note="Guessed joints have no angles.") for one in _UNMEASURED)
    if near is None or abs(near - contact_frame) > _AT_CONTACT or foot.side is None:
        return tuple(replace(one, note="No pose is seen at the contact.") for one in _UNMEASURED)
    kicking, standing = ("l", "r") if foot.side == "left" else ("r", "l")
    if not foot.contact_seen:
        return tuple(replace(one, note=_CONTACT_UNSEEN) for one in _UNMEASURED)
    how = _IN_SPACE
    joints: dict[int, Joints] = {f: one.world_m for f, one in pose.poses.items() if one.world_m}
    if len(joints) < len(pose.poses):
        how = "In the picture."
        joints = {frame: one.joints for frame, one in pose.poses.items()}
    values = (
        _knee_bend(joints[near], standing),
        _knee_bend(joints[near], kicking),
        # MediaPipe's metres are in camera axes: right only if the phone is held upright.
        _trunk_lean(joints[near]),
        _hip_drive(joints, kicking, contact_frame, fps),
    )
    errors = _ERRORS.get(pose.method.split(" (")[0], {}) if how == _IN_SPACE else {}
    return tuple(_rate(*pair, how, errors) for pair in zip(_UNMEASURED, values, strict=True))


def _rate(
    scale: TechniqueMeasure,
    value: float | None,
    note: str,
    errors: Mapping[str, tuple[float, float]],
) -> TechniqueMeasure:
    if value is None:
        return replace(scale, note="Too few poses are seen before the contact.")
    flag: Flag = "low" if value < scale.good_low else "high" if value > scale.good_high else "good"
    least, most = errors.get(scale.name, (math.nan, math.nan))
    spread = None
    if not math.isnan(least):
        spread = max(0.0, min(value, value - most)), max(value, value - least)
    return replace(scale, value=value, flag=flag, note=note, spread=spread)


def _knee_bend(joints: Joints, side: str) -> float:
    thigh, shank = (
        np.subtract(joints[f"{side}_{end}"], joints[f"{side}_{start}"])
        for start, end in (("hip", "knee"), ("knee", "ankle"))
    )
    return _angle_deg(thigh, shank)


def _trunk_lean(joints: Joints) -> float:
    hips = np.add(joints["l_hip"], joints["r_hip"]) / 2
    shoulders = np.add(joints["l_shoulder"], joints["r_shoulder"]) / 2
    up = np.zeros_like(hips)
    up[1] = -1.0  # y points down, in pictures and in MediaPipe's metres
    return _angle_deg(shoulders - hips, up)


def _hip_drive(
    joints: Mapping[int, Joints], side: str, contact_frame: float, fps: float
) -> float | None:
    """Fastest turn of the thigh before the contact, in degrees per second."""
    frames = [f for f in sorted(joints) if -_DRIVE_S * fps <= f - contact_frame <= _AT_CONTACT]
    thigh = {f: np.subtract(joints[f][f"{side}_knee"], joints[f][f"{side}_hip"]) for f in frames}
    turns = [
        _angle_deg(thigh[earlier], thigh[later]) * fps / (later - earlier)
        for earlier, later in pairwise(frames)
    ]
    return float(np.median(sorted(turns)[-2:])) if len(turns) >= 2 else None


def _angle_deg(a: Floats, b: Floats) -> float:
    cosine = a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
