"""Between the pitch in metres and the picture in pixels, through a fitted camera.

A camera is a (3, 4) matrix that takes homogeneous world points to homogeneous pixels; world axes
are those of `verdict`. Knows nothing about how a camera is found.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


def to_pixels(camera: ArrayLike, points_m: ArrayLike) -> Points:
    """Return the pixels (N, 2) of world points (N, 3); NaN for points behind the camera."""
    matrix, points = np.asarray(camera, float), np.atleast_2d(np.asarray(points_m, float))
    seen = points @ matrix[:, :3].T + matrix[:, 3]
    depth = np.where(seen[:, 2] * _facing(matrix) > 1e-6, seen[:, 2], np.nan)
    return np.asarray(seen[:, :2] / depth[:, None])


def to_ground(camera: ArrayLike, pixels: ArrayLike) -> Points:
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


def _facing(matrix: Points) -> float:
    """Return the sign that the third coordinate has in front of the camera."""
    return float(np.sign(np.linalg.det(matrix[:, :3])) or 1.0)
