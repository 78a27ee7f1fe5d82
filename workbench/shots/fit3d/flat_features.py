"""Features of a shot in the picture, without depth, for the head of the 3D fit.

The unit is one track and one goal. Places are in units of the goal, as if the ball were in its
plane: across in half widths from the middle, up in heights from the ground. So neither the
picture's scale nor the camera's place matters much. Judges nothing.
"""

import cv2
import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.ball.track import BallTrack
from workbench.shots.goal.corners import order_corners

_SETTLE_S = 0.6  # after arriving at the goal
_LAST_ROWS = 6  # that give the ball's last place
_FAR = 4.0  # goals; larger values are clipped


def flat_features(
    track: BallTrack,
    goal_corners_px: Floats,
    *,
    fps: float,
    kick_frame: float,
    goal_size_m: tuple[float, float],
) -> dict[str, float]:
    """Return the features of the track after the kick; corners (4, 2) in any order.

    Finite numbers, always under the same names; 0 where there is nothing to tell.
    """
    kept = track.without_outliers
    after = kept.take(kept.frames > kick_frame)
    frames, xy = after.frames, after.xy
    corners = order_corners(goal_corners_px)
    across_up = _in_goals(xy, corners)
    height_px = float(np.hypot(*(corners[[1, 2]] - corners[[0, 3]]).T).mean())
    ball_px = 2 * BALL_RADIUS_M * height_px / goal_size_m[1]  # how wide the ball looks in the goal
    outside = np.maximum(np.abs(across_up[:, 0]) - 1, np.maximum(across_up[:, 1] - 1, 0.0))
    inside = (outside <= 0.05) & (across_up[:, 1] > -0.05)
    features = dict.fromkeys(_NAMES, 0.0)
    if len(after) < 3:
        return features
    speeds = np.hypot(*np.diff(xy, axis=0).T) / np.diff(frames)
    # Above 0 the ball looks larger than in the goal: nearer to the camera.
    nearness = np.log(after.diameter_px / ball_px)
    last = slice(max(0, len(after) - _LAST_ROWS), len(after))
    end = np.median(across_up[last], axis=0)
    features |= {
        "flat_end_across": min(_FAR, abs(float(end[0]))),
        "flat_end_up": float(np.clip(end[1], -_FAR, _FAR)),
        "flat_end_nearness": _median(nearness[last]),
        "flat_end_speed": float(
            np.median(speeds[-_LAST_ROWS:]) / max(np.percentile(speeds, 90), 1e-6)
        ),
        "flat_least_outside": min(_FAR, float(outside.min())),
        "flat_starts_inside": float(inside[0]),
    }
    arrivals = np.flatnonzero(inside)
    if len(arrivals) == 0:
        return features
    arrival = int(arrivals[0])
    settling = (frames >= frames[arrival]) & (frames <= frames[arrival] + _SETTLE_S * fps)
    before, later = speeds[max(0, arrival - 5) : arrival], speeds[settling[1:]]
    way = xy[arrival] - xy[0]
    way /= max(float(np.hypot(*way)), 1e-9)
    forward = (xy[settling] - xy[arrival]) @ way
    features |= {
        "flat_arrives": 1.0,
        "flat_arrives_s": float(frames[arrival] - kick_frame) / fps,
        "flat_inside_share": float(inside[settling].mean()),
        "flat_slows": _ratio(later, before),
        "flat_onward": float(np.clip(forward.max() / height_px, 0, _FAR)),
        "flat_back": float(np.clip((forward.max() - forward[-1]) / height_px, 0, _FAR)),
        "flat_settled_up": float(np.clip(np.median(across_up[settling, 1]), -_FAR, _FAR)),
        "flat_settled_nearness": _median(nearness[settling]),
        "flat_vanishes": float(settling.sum() < 3),
    }
    return features


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
