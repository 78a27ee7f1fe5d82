"""Features of a shot in the picture, without depth, for the head of the 3D fit.

The unit is one track and one goal. Places are in units of the goal, as if the ball were in its
plane: across in half widths from the middle, up in heights from the ground. So neither the
picture's scale nor the camera's place matters much. Judges nothing.
"""

import cv2
import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.fit3d.question import Question
from workbench.shots.goal.corners import order_corners

_SETTLE_S = 0.6  # after arriving at the goal
_LAST_ROWS = 6  # that give the ball's last place
_FAR = 4.0  # goals; larger values are clipped


def flat_features(question: Question, kick_frame: float) -> dict[str, float]:
    """Return the features of the track after the kick.

    Finite numbers, always under the same names; 0 where there is nothing to tell.
    """
    kept = question.track.without_outliers
    after = kept.take(kept.frames > kick_frame)
    features = dict.fromkeys(_NAMES, 0.0)
    if len(after) < 3:
        return features
    corners = order_corners(question.clicked_px)
    across_up = _in_goals(after.xy, corners)
    height_px = float(np.hypot(*(corners[[1, 2]] - corners[[0, 3]]).T).mean())
    ball_px = 2 * BALL_RADIUS_M * height_px / question.goal_size_m[1]  # in the plane of the goal
    outside = np.maximum(np.abs(across_up[:, 0]) - 1, np.maximum(across_up[:, 1] - 1, 0.0))
    inside = (outside <= 0.05) & (across_up[:, 1] > -0.05)
    speeds = np.hypot(*np.diff(after.xy, axis=0).T) / np.diff(after.frames)
    # Above 0 the ball looks larger than in the goal: nearer to the camera.
    nearness = np.log(after.diameter_px / ball_px)
    last = slice(-_LAST_ROWS, None)
    end = np.median(across_up[last], axis=0)
    features |= {
        "flat_end_across": min(_FAR, abs(float(end[0]))),
        "flat_end_up": float(np.clip(end[1], -_FAR, _FAR)),
        "flat_end_nearness": _median(nearness[last]),
        "flat_end_speed": float(np.median(speeds[last]) / max(np.percentile(speeds, 90), 1e-6)),
        "flat_least_outside": min(_FAR, float(outside.min())),
        "flat_starts_inside": float(inside[0]),
    }
    if not inside.any():
        return features
    arrival = int(inside.argmax())
    since = after.frames - after.frames[arrival]
    settling = (since >= 0) & (since <= _SETTLE_S * question.fps)
    way = after.xy[arrival] - after.xy[0]
    way /= max(float(np.hypot(*way)), 1e-9)
    forward = (after.xy[settling] - after.xy[arrival]) @ way
    return features | {
        "flat_arrives": 1.0,
        "flat_arrives_s": float(after.frames[arrival] - kick_frame) / question.fps,
        "flat_inside_share": float(inside[settling].mean()),
        "flat_slows": _ratio(speeds[settling[1:]], speeds[max(0, arrival - 5) : arrival]),
        "flat_onward": float(np.clip(forward.max() / height_px, 0, _FAR)),
        "flat_back": float(np.clip((forward.max() - forward[-1]) / height_px, 0, _FAR)),
        "flat_settled_up": float(np.clip(np.median(across_up[settling, 1]), -_FAR, _FAR)),
        "flat_settled_nearness": _median(nearness[settling]),
        "flat_vanishes": float(settling.sum() < 3),
    }


_NAMES = (
    "flat_end_across", "flat_end_up", "flat_end_nearness", "flat_end_speed", "flat_least_outside",
    "flat_starts_inside", "flat_arrives", "flat_arrives_s", "flat_inside_share", "flat_slows",
    "flat_onward", "flat_back", "flat_settled_up", "flat_settled_nearness", "flat_vanishes",
)  # fmt: skip


def _in_goals(xy: Floats, corners: Floats) -> Floats:
    """Places in the plane of the goal (N, 2), in half widths from the middle and in heights."""
    plane = np.array([[-1, 0], [-1, 1], [1, 1], [1, 0]], np.float32)
    to_plane = cv2.getPerspectiveTransform(corners.astype(np.float32), plane)
    seen = np.column_stack([xy, np.ones(len(xy))]) @ to_plane.T
    depth = np.where(np.abs(seen[:, 2:]) > 1e-9, seen[:, 2:], 1e-9)
    return np.clip(seen[:, :2] / depth, -_FAR, _FAR).astype(np.float64)


def _median(values: Floats) -> float:
    found = values[np.isfinite(values)]
    return float(np.clip(np.median(found), -1, 1)) if len(found) else 0.0


def _ratio(later: Floats, before: Floats) -> float:
    if len(later) == 0 or len(before) == 0:
        return 1.0
    return float(np.clip(np.median(later) / max(float(np.median(before)), 1e-6), 0, 3))
