"""The pitch in metres and the pinhole camera that maps it to pixels.

World axes in metres: X along the goal line, positive to the left of somebody who faces the goal
from the pitch; Y from the goal out onto the pitch; Z up; the middle of the goal line is the origin.
Image axes in pixels: u right, v down. Pure geometry and the constants of football; knows nothing
about images, players or how a camera is found.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

GRAVITY_MPS2 = 9.81
BALL_RADIUS_M = 0.11  # Laws of the Game: 68–70 cm around
POST_RADIUS_M = 0.06  # of posts and bar, which are at most 12 cm wide
FULL_GOAL_M = (7.32, 2.44)  # width between the posts, height below the bar
GOAL_SIZES_M = (FULL_GOAL_M, (5.0, 2.0), (3.66, 1.83), (3.0, 2.0))
GOAL_AREA_M, PENALTY_AREA_M = (18.32, 5.5), (40.32, 16.5)  # width, depth
PENALTY_SPOT_M = 11.0  # from the goal line

GOAL_CORNERS = ("left bottom", "left top", "right top", "right bottom")

_NEAR_M = 0.05  # nothing is projected from closer than this
_UNBENDING_STEPS = 4  # of a fixed-point iteration; exact to 1e-6 px for a phone's lens


def goal_corners(goal_wh_m: tuple[float, float]) -> Floats:
    """Corners (4, 3) of the goal mouth's inner edge, in the order of `GOAL_CORNERS`.

    Left and right as seen by somebody on the pitch who faces the goal: left is +X.
    """
    half, height = goal_wh_m[0] / 2, goal_wh_m[1]
    return np.array([[half, 0, 0], [half, 0, height], [-half, 0, height], [-half, 0, 0]], float)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at rest; hand shake is a shift of the principal point, frame by frame."""

    position: Floats  # (3,) metres
    rotation: Floats  # (3, 3) rows: right, down, forward in world axes
    focal_px: float
    width: int
    height: int
    shift_px: tuple[float, float] = (0.0, 0.0)
    k1: float = 0.0  # radial distortion: r' = r (1 + k1 r²), r in focal lengths

    @classmethod
    def looking_at(
        cls,
        position: Floats,
        target: Floats,
        focal_px: float,
        wh: tuple[int, int],
        roll_rad: float = 0.0,
    ) -> "Camera":
        """Place a camera at `position` with `target` in the middle of the picture."""
        position = np.asarray(position, float)
        forward = np.asarray(target, float) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        cos, sin = np.cos(roll_rad), np.sin(roll_rad)
        roll = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return cls(position, roll @ np.stack([right, down, forward]), focal_px, *wh)

    @property
    def center_px(self) -> Floats:
        """Principal point (2,)."""
        return np.array([self.width / 2 + self.shift_px[0], self.height / 2 + self.shift_px[1]])

    @property
    def matrix(self) -> Floats:
        """Projection matrix (3, 4), without distortion: world point to pixel, homogeneous."""
        u, v = self.center_px
        intrinsics = np.array([[self.focal_px, 0, u], [0, self.focal_px, v], [0, 0, 1]])
        return np.asarray(
            intrinsics
            @ np.concatenate([self.rotation, -(self.rotation @ self.position)[:, None]], axis=1)
        )

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Pixels (N, 2) and depths in metres (N,) of world points (N, 3)."""
        seen = (np.atleast_2d(points) - self.position) @ self.rotation.T
        ray = seen[:, :2] / np.maximum(seen[:, 2], _NEAR_M)[:, None]
        if self.k1:
            ray = ray * (1 + self.k1 * (ray**2).sum(axis=1, keepdims=True))
        return self.focal_px * ray + self.center_px, seen[:, 2]

    def rays(self, u: Floats, v: Floats) -> Floats:
        """World directions (…, 3), of length one along the optical axis, through pixels u, v."""
        x, y = self.center_px
        bent_x, bent_y = (u - x) / self.focal_px, (v - y) / self.focal_px
        right, down = bent_x, bent_y
        for _ in range(_UNBENDING_STEPS if self.k1 else 0):
            swell = 1 + self.k1 * (right**2 + down**2)
            right, down = bent_x / swell, bent_y / swell
        return np.asarray(np.stack([right, down, np.ones_like(right)], -1) @ self.rotation)


def to_pixels(camera: ArrayLike, points_m: ArrayLike) -> Floats:
    """Return the pixels (N, 2) of world points (N, 3); NaN for points behind the camera.

    `camera` is a matrix (3, 4) from homogeneous world points to homogeneous pixels, at any scale.
    """
    matrix, points = np.asarray(camera, float), np.atleast_2d(np.asarray(points_m, float))
    seen = points @ matrix[:, :3].T + matrix[:, 3]
    depth = np.where(seen[:, 2] * _facing(matrix) > 1e-6, seen[:, 2], np.nan)
    return np.asarray(seen[:, :2] / depth[:, None])


def to_ground(camera: ArrayLike, pixels: ArrayLike) -> Floats:
    """Return where the rays through pixels (N, 2) meet the ground: X, Y in metres (N, 2).

    NaN at and above the horizon, and for a camera that sees the ground edge on.

    Example:
        >>> looking_down = [[100, 0, 0, 0], [0, 100, 0, 0], [0, 0, -1, 10]]  # from 10 m up
        >>> to_ground(looking_down, [[20.0, -10.0]]).tolist()
        [[2.0, -1.0]]
    """
    matrix, uv = np.asarray(camera, float), np.atleast_2d(np.asarray(pixels, float))
    ground = matrix[:, [0, 1, 3]]
    if abs(np.linalg.det(ground)) < 1e-9 * np.linalg.norm(ground) ** 3:
        return np.full(uv.shape, np.nan)
    found = np.concatenate([uv, np.ones((len(uv), 1))], axis=1) @ np.linalg.inv(ground).T
    places = found[:, :2] / np.where(np.abs(found[:, 2:]) > 1e-12, found[:, 2:], np.nan)
    in_front = (places @ matrix[2, :2] + matrix[2, 3]) * _facing(matrix) > 1e-6
    return np.where(in_front[:, None], places, np.nan)


def _facing(matrix: Floats) -> float:
    """Return the sign that the third coordinate has in front of the camera."""
    return float(np.sign(np.linalg.det(matrix[:, :3])) or 1.0)
