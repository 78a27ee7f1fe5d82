"""The shooting foot, from the poses around the contact and the ball's track.

Two features tell the feet apart: which ankle is nearer to the ball at contact, and which ankle
moves farther around it, because the other leg stands. The second is more reliable: the standing
foot is beside the ball, in the picture often as near as the kicking foot. Knows nothing about who
shoots.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from workbench.footage.pinhole import Floats
from workbench.shots.ball.track import BallTrack
from workbench.shots.players.pose import GEOMETRIC, PoseTrack

Side = Literal["left", "right"]

_AT_CONTACT = 1.5  # frames around the contact in which nearness counts
_NEAR_WEIGHT = 2.0  # of nearness and …
_SWING_WEIGHT = 6.0  # … of the way travelled, in the log odds; fitted on 48 rendered shots
_LEAST_GROWTH = 1.05  # of the ball after the kick, from which it comes towards the camera


@dataclass(frozen=True)
class Foot:
    """The shooting foot, and how sure that is."""

    side: Side | None  # None where no pose was found around the contact
    confidence: float  # 0.5–1 that the side is right; 0 where there is none
    method: str  # of the poses
    reason: str  # one sentence
    nearness: float = 0.0  # −1 (left ankle at the ball) … 1 (right ankle at the ball)
    swing: float = 0.0  # −1 (only the left ankle moves) … 1 (only the right ankle moves)


def find_foot(pose: PoseTrack, track: BallTrack, contact_frame: float) -> Foot:
    """Tell the shooting foot.

    With guessed poses (`geometric`) sides are those of somebody seen from behind; if the ball grows
    after the kick the shooter faces the camera, and they are swapped.

    Args:
        pose: Poses of the shooter some frames before and after the contact.
        track: The ball's track.
        contact_frame: When the ball was struck.
    """
    ball = _ball_at(track, contact_frame)
    frames = sorted(pose.poses)
    at_contact = [frame for frame in frames if abs(frame - contact_frame) <= _AT_CONTACT]
    if ball is None or not at_contact:
        what = "ball" if ball is None else "pose"
        return Foot(None, 0.0, pose.method, f"No {what} is seen at the contact.")
    # Only the two frames nearest to the contact: later the ball has left both feet.
    at_contact = sorted(at_contact, key=lambda frame: abs(frame - contact_frame))[:2]
    nearness = float(np.mean([_nearness(pose, frame, ball) for frame in at_contact]))
    swing = _swing(pose, frames)
    if pose.method == GEOMETRIC and _grows(track, contact_frame):
        nearness, swing = -nearness, -swing
    log_odds = _NEAR_WEIGHT * nearness + _SWING_WEIGHT * swing
    side: Side = "right" if log_odds > 0 else "left"
    confidence = 1 / (1 + math.exp(-abs(log_odds)))
    for_it = [
        words
        for words, value in (("moves farther", swing), ("is nearer to the ball", nearness))
        if value * log_odds > 0
    ]
    reason = f"The {side} ankle {' and '.join(for_it) or 'is as near as the other'}."
    return Foot(side, confidence, pose.method, reason, nearness, swing)


def _ball_at(track: BallTrack, contact_frame: float) -> Floats | None:
    """Where the ball lay: median of the last places (2,) before the contact."""
    since = contact_frame - track.frames
    near = track.xy[(since >= 0) & (since <= 10)][-3:]
    return np.median(near, axis=0) if len(near) else None


def _nearness(pose: PoseTrack, frame: int, ball: Floats) -> float:
    joints = pose.poses[frame].joints
    left, right = (
        float(np.hypot(*(np.array(joints[name]) - ball))) for name in ("l_ankle", "r_ankle")
    )
    return (left - right) / max(left + right, 1e-9)


def _swing(pose: PoseTrack, frames: list[int]) -> float:
    ways = []
    for name in ("l_ankle", "r_ankle"):
        steps = [
            np.subtract(pose.poses[b].joints[name], pose.poses[a].joints[name])
            for a, b in pairwise(frames)
        ]
        ways.append(float(sum(np.hypot(*step) for step in steps)))
    return (ways[1] - ways[0]) / max(sum(ways), 1e-9)


def _grows(track: BallTrack, contact_frame: float) -> bool:
    """Whether the ball comes towards the camera after the kick."""
    before = track.take(track.frames <= contact_frame).take(slice(-10, None))
    after = track.take(track.frames > contact_frame + 1).take(slice(10))
    return bool(len(before) and len(after) and after.size_px > _LEAST_GROWTH * before.size_px)
