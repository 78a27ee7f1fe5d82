"""The pinhole camera that films the built-in footage.

World axes in metres: X along the goal line, Y from the goal out onto the pitch, Z up; the middle of
the goal line is the origin. Image axes in pixels: u right, v down. No lens distortion.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

NEAR_M = 0.05  # nothing is projected from closer than this


@dataclass(frozen=True)
class Camera:
    """A camera at rest; hand shake is a shift of the principal point, frame by frame."""

    position: Points  # (3,) metres
    rotation: Points  # (3, 3) rows: right, down, forward in world axes
    focal_px: float
    width: int
    height: int
    shift_px: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def looking_at(
        cls,
        position: Points,
        target: Points,
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
    def center_px(self) -> Points:
        """Principal point (2,)."""
        return np.array([self.width / 2 + self.shift_px[0], self.height / 2 + self.shift_px[1]])

    @property
    def matrix(self) -> Points:
        """Projection matrix (3, 4): homogeneous world point to homogeneous pixel."""
        u, v = self.center_px
        intrinsics = np.array([[self.focal_px, 0, u], [0, self.focal_px, v], [0, 0, 1]])
        return np.asarray(
            intrinsics
            @ np.concatenate([self.rotation, -(self.rotation @ self.position)[:, None]], axis=1)
        )

    def shifted(self, shift_px: tuple[float, float]) -> "Camera":
        """The same camera with its picture moved by `shift_px`."""
        return replace(self, shift_px=shift_px)

    def project(self, points: Points) -> tuple[Points, Points]:
        """Pixels (N, 2) and depths in metres (N,) of world points (N, 3)."""
        seen = (np.atleast_2d(points) - self.position) @ self.rotation.T
        depth = np.maximum(seen[:, 2], NEAR_M)
        return self.focal_px * seen[:, :2] / depth[:, None] + self.center_px, seen[:, 2]

    def rays(self, u: Points, v: Points) -> Points:
        """World directions (…, 3), of length one along the optical axis, through pixels u, v."""
        x, y = self.center_px
        seen = np.stack([(u - x) / self.focal_px, (v - y) / self.focal_px, np.ones_like(u)], -1)
        return np.asarray(seen @ self.rotation)
