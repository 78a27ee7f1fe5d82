"""The cameras that explain the four corners of a goal of known size.

The unit is one view of a goal. One rectangle determines pose and focal length together only
roughly, so every camera that explains the corners is kept as a mode, a prior of the flight's fit. A
goal looks the same from the pitch and from behind; only the ball tells the two apart.

Axes as in `footage.pinhole`, whose camera is a single one; here are batches of them as vectors of
parameters, for fits. Poses for a start: IPPE (Collins and Bartoli 2014, "Infinitesimal plane-based
pose estimation"), which returns both poses of a plane.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats, goal_corners
from workbench.shots.leastsquares import forward_jacobian, minimise_squares

# Columns of a camera's parameter vector.
EAST, OUT, UP, YAW, PITCH, ROLL, LOG_FOCAL, DISTORTION = range(8)
CAMERA_SIZE = 8

# Of clicks and masks; never below 1.2, because the lens model is approximate.
_CORNER_SIGMA_PX = 2.0
_FOCAL_PER_LONG_SIDE, _LOG_FOCAL_SIGMA = 0.765, 0.11  # main cameras of phones: 24–31 mm equivalent
_ROLL_SIGMA = math.radians(2.0)
_HEIGHT_M, _LOG_HEIGHT_SIGMA = 1.9, 0.40
_DISTORTION_SIGMA = 0.015
_BODY_M, _BODY_SIGMA_M, _HEAD_SIGMA_PX = 1.72, 0.10, 3.0
_STEEPEST = 0.5  # of a start's distance: how high it may be, and 8 m in any case
_START_FOCALS = (0.85, 1.0, 1.18, 2.5, 6.0)  # the last ones: a zoomed lens, one far away
_TOLD_START_FOCALS = (4.0, 9.0, 13.0)  # besides, where a distance tells them apart
_ON_LINE = 0.1  # of the goal's height that feet may be above its foot
# Around the middle of the goal, for poses that IPPE misses.
_START_TURNS = np.radians([0.0, -25.0, 25.0])
_MODE_COST = 4.5  # modes worse than the best by more, in log likelihood, are dropped
_NEAR_M = 0.2
FARTHEST_M = 150.0  # from a camera high in the stands to the ball
_SIZE_SIGMA = 0.10  # of a ball that lies still, relative
_TOLD_SHARE, _LEAST_TOLD_M = 0.03, 0.2  # of a distance that somebody knows: how far it may be off


@dataclass(frozen=True)
class CameraMode:
    """One camera that explains the corners: its most probable parameters and their information."""

    parameters: Floats  # (8,) position in metres, yaw, pitch, roll, log focal length in px, k1
    information: Floats  # (8, 8) inverse covariance of the parameters
    cost: float  # minus log posterior, up to a constant shared by the modes


@dataclass(frozen=True)
class RestingBall:
    """A ball that lies on the grass, at a distance that somebody knows."""

    uv: Floats  # (2,) pixels
    diameter_px: float  # NaN where it is not known
    distance_m: float  # from the goal line; negative beyond it

    def off(self, cameras: Floats, center_px: Floats) -> Floats:
        """Residuals (B, 2) of its distance from the goal line, and of its size if known."""
        place = on_height(cameras, self.uv[None], BALL_RADIUS_M, center_px)
        _, _, depth = project(cameras, place, center_px)
        rows = [(place[1] - self.distance_m) / told_sigma_m(abs(self.distance_m))]
        if np.isfinite(self.diameter_px):
            expected = np.log(2 * BALL_RADIUS_M / np.maximum(depth, _NEAR_M))
            expected += cameras[:, LOG_FOCAL, None]
            rows.append((math.log(self.diameter_px) - expected) / _SIZE_SIGMA)
        return np.concatenate(rows, axis=1)


def rotations(cameras: Floats) -> Floats:
    """Rows right, down, forward (B, 3, 3) in world axes of cameras (B, 8)."""
    yaw, pitch, roll = cameras[:, YAW], cameras[:, PITCH], cameras[:, ROLL]
    sin_y, cos_y, sin_p, cos_p = np.sin(yaw), np.cos(yaw), np.sin(pitch), np.cos(pitch)
    level = np.stack([sin_y, -cos_y, np.zeros_like(yaw)], axis=1)
    steep = np.stack([sin_p * cos_y, sin_p * sin_y, -cos_p], axis=1)
    forward = np.stack([cos_p * cos_y, cos_p * sin_y, sin_p], axis=1)
    sin_r, cos_r = np.sin(roll)[:, None], np.cos(roll)[:, None]
    return np.stack([cos_r * level - sin_r * steep, sin_r * level + cos_r * steep, forward], axis=1)


def project(cameras: Floats, points: Floats, center_px: Floats) -> tuple[Floats, Floats, Floats]:
    """Pixels u, v and depth in metres, each (B, N), of world points (3, B, N) in cameras (B, 8)."""
    turn = rotations(cameras)
    x = points[0] - cameras[:, EAST, None]
    y = points[1] - cameras[:, OUT, None]
    z = points[2] - cameras[:, UP, None]
    right, down, depth = (
        turn[:, row, 0, None] * x + turn[:, row, 1, None] * y + turn[:, row, 2, None] * z
        for row in range(3)
    )
    inverse = 1.0 / np.maximum(depth, _NEAR_M)
    right, down = right * inverse, down * inverse
    focal = np.exp(cameras[:, LOG_FOCAL, None])
    focal = focal * (1.0 + cameras[:, DISTORTION, None] * (right * right + down * down))
    return focal * right + center_px[0], focal * down + center_px[1], depth


def rays(cameras: Floats, uv: Floats, center_px: Floats) -> Floats:
    """World directions (3, B, N) through pixels uv (N, 2) or (B, N, 2), depth one."""
    seen = (uv - center_px) / np.exp(cameras[:, LOG_FOCAL, None, None])
    # One step of a fixed-point iteration is accurate enough for the k1 of a phone.
    bent = (seen * seen).sum(axis=-1, keepdims=True)
    seen = seen / (1.0 + cameras[:, DISTORTION, None, None] * bent)
    right, down, forward = np.moveaxis(rotations(cameras), 0, -1)[..., None]  # (3, B, 1) each
    return np.asarray(seen[..., 0] * right + seen[..., 1] * down + forward)


def on_height(cameras: Floats, uv: Floats, height_m: float, center_px: Floats) -> Floats:
    """World points (3, B, N) where the rays through uv meet the level `height_m`.

    Rays that do not come down within `FARTHEST_M` are cut off there.
    """
    toward = rays(cameras, uv, center_px)
    below = cameras[:, UP, None] - height_m
    reach = below / np.maximum(-toward[2], np.maximum(below, 0.05) / FARTHEST_M)
    return np.stack([cameras[:, axis, None] + reach * toward[axis] for axis in range(3)])


def projection_matrix(camera: Floats, center_px: Floats) -> Floats:
    """The camera (8,) as a matrix (3, 4); the bend of the lens is left out."""
    turn = rotations(camera[None])[0]
    focal = math.exp(camera[LOG_FOCAL])
    inner = np.array([[focal, 0.0, center_px[0]], [0.0, focal, center_px[1]], [0.0, 0.0, 1.0]])
    return np.asarray(inner @ np.column_stack([turn, -turn @ camera[:3]]), dtype=np.float64)


def find_cameras(
    ordered_px: Floats,
    goal_size_m: tuple[float, float],
    image_wh: tuple[int, int],
    people: Floats | None = None,
    resting: RestingBall | None = None,
) -> list[CameraMode]:
    """Find the cameras that see the goal like this, as if they stood on the pitch.

    The goal is given by its corners (4, 2) from `corners.order_corners` and its inner size, people
    who stand upright (n, 4) as foot x, foot y, head x, head y in pixels. `resting` is the ball
    before the kick, where somebody knows how far from the goal line it lies. Returns at most two
    modes, the best first; none where no camera fits.
    """
    width, height = image_wh
    center = np.array([width / 2.0, height / 2.0])
    log_focal = math.log(_FOCAL_PER_LONG_SIDE * max(width, height))
    world = goal_corners(goal_size_m)
    focals = _START_FOCALS if resting is None else (*_START_FOCALS, *_TOLD_START_FOCALS)
    starts = _starts(ordered_px, world, center, log_focal, focals)
    if not len(starts):
        return []
    crowd = np.empty((0, 4)) if people is None else _on_the_grass(people, ordered_px)
    sigma = _CORNER_SIGMA_PX * max(1.0, max(width, height) / 1920)

    def residuals(cameras: Floats) -> Floats:
        points = np.broadcast_to(world.T[:, None], (3, len(cameras), 4))
        u, v, _ = project(cameras, points, center)
        rows = [
            (u - ordered_px[:, 0]) / sigma,
            (v - ordered_px[:, 1]) / sigma,
            _heavy_tailed((cameras[:, LOG_FOCAL, None] - log_focal) / _LOG_FOCAL_SIGMA),
            cameras[:, ROLL, None] / _ROLL_SIGMA,
            _heavy_tailed(
                np.log(np.maximum(cameras[:, UP, None], 0.05) / _HEIGHT_M) / _LOG_HEIGHT_SIGMA
            ),
            cameras[:, DISTORTION, None] / _DISTORTION_SIGMA,
            _people_rows(cameras, crowd, center),
        ]
        return np.concatenate(rows, axis=1)

    def with_ball(cameras: Floats) -> Floats:
        rows = residuals(cameras)
        return rows if resting is None else np.append(rows, resting.off(cameras, center), axis=1)

    found, costs = minimise_squares(with_ball, starts, iterations=25 if resting is None else 80)
    modes: list[CameraMode] = []
    for index in np.argsort(costs):
        camera, cost = found[index], float(costs[index])
        if not np.isfinite(cost) or camera[OUT] < 0.3:
            continue
        if modes and cost > modes[0].cost + _MODE_COST:
            break
        if any(_same(camera, mode) for mode in modes):
            continue
        jacobian = forward_jacobian(residuals, camera[None])[0]
        modes.append(CameraMode(camera, jacobian.T @ jacobian, cost))
    return modes[:2]


def told_sigma_m(distance_m: float) -> float:
    """How far a distance that somebody knows may be off: it is paced, or a mark on the pitch."""
    return max(_TOLD_SHARE * distance_m, _LEAST_TOLD_M)


def seen_from_behind(mode: CameraMode) -> CameraMode:
    """The mode as a camera behind the goal: half a turn about the middle of the goal line."""
    camera = mode.parameters.copy()
    camera[[EAST, OUT]] *= -1.0
    camera[YAW] += math.pi
    flip = np.ones(CAMERA_SIZE)
    flip[[EAST, OUT]] = -1.0
    return CameraMode(camera, mode.information * np.outer(flip, flip), mode.cost)


def _on_the_grass(people: Floats, ordered_px: Floats) -> Floats:
    """Those on the goal line or nearer, if anybody is: behind the goal may be stands."""
    (x0, y0), (_, top), _, (x1, y1) = ordered_px
    line = y0 + (people[:, 0] - x0) * (y1 - y0) / ((x1 - x0) or 1e-6)
    nearer = people[:, 1] > line - _ON_LINE * abs(y0 - top)
    return people[nearer] if nearer.any() else people


def _people_rows(cameras: Floats, people: Floats, center: Floats) -> Floats:
    """Residuals (B, n) of heads from where those of people of average height would be."""
    if not len(people):
        return np.empty((len(cameras), 0))
    ground = on_height(cameras, people[:, :2], 0.0, center)
    ground[2] += _BODY_M
    _, head_v, _ = project(cameras, ground, center)
    tall_px = np.abs(people[:, 1] - people[:, 3])
    sigma = np.hypot(_HEAD_SIGMA_PX, _BODY_SIGMA_M / _BODY_M * tall_px)
    off = (head_v - people[:, 3]) / sigma
    return _heavy_tailed(off)  # people who crouch or jump must not tilt the camera


def _heavy_tailed(off: Floats) -> Floats:
    """Residuals with Cauchy's loss: a zoomed lens or a tripod on a stand is rare, not excluded."""
    return np.asarray(np.sign(off) * 2.0 * np.sqrt(np.log1p((off / 2.0) ** 2)))


def _same(camera: Floats, mode: CameraMode) -> bool:
    step = camera - mode.parameters
    step[YAW] = math.remainder(step[YAW], 2 * math.pi)
    return bool(step @ mode.information @ step < 4.0 or np.abs(step[:3]).max() < 0.3)


def _starts(
    ordered_px: Floats, world: Floats, center: Floats, log_focal: float, focals: tuple[float, ...]
) -> Floats:
    """Cameras (B, 8) to start from: both poses of IPPE for some focal lengths, and turns of them.

    IPPE wants a plane z = 0 and right-handed axes: (X, Z, -Y).
    """
    flat = np.ascontiguousarray(np.stack([world[:, 0], world[:, 2], np.zeros(4)], axis=1))
    starts: list[Floats] = []
    for factor in focals:
        focal = math.exp(log_focal) * factor
        inner = np.array([[focal, 0.0, center[0]], [0.0, focal, center[1]], [0.0, 0.0, 1.0]])
        for turn, shift in _plane_poses(flat, ordered_px, inner):
            place = -turn.T @ shift
            position = np.array([place[0], -place[2], place[1]])
            rows = np.stack([turn[:, 0], -turn[:, 2], turn[:, 1]], axis=1)
            for angle in _START_TURNS:
                starts.append(_camera_from(_turned(position, rows, angle), math.log(focal)))
    return np.array(starts)


def _plane_poses(flat: Floats, pixels: Floats, inner: Floats) -> list[tuple[Floats, Floats]]:
    try:
        _, turns, shifts, _ = cv2.solvePnPGeneric(
            flat, np.ascontiguousarray(pixels), inner, None, flags=cv2.SOLVEPNP_IPPE
        )
    except cv2.error:
        return []
    return [
        (np.array(cv2.Rodrigues(turn)[0], np.float64), np.array(shift, np.float64).ravel())
        for turn, shift in zip(turns, shifts, strict=True)
        if np.isfinite(turn).all() and np.isfinite(shift).all()
    ]


def _turned(position: Floats, rows: Floats, angle: float) -> tuple[Floats, Floats]:
    """The camera rotated about the vertical axis through the middle of the goal line."""
    cos, sin = math.cos(angle), math.sin(angle)
    about = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return about @ position, rows @ about.T


def _camera_from(pose: tuple[Floats, Floats], log_focal: float) -> Floats:
    position, (right, _, forward) = pose
    yaw = math.atan2(forward[1], forward[0])
    pitch = math.asin(float(np.clip(forward[2], -1.0, 1.0)))
    level = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
    steep = np.cross(forward, level)
    roll = math.atan2(-float(right @ steep), float(right @ level))
    highest = max(8.0, _STEEPEST * float(np.hypot(*position[:2])))
    position = np.array([position[0], max(position[1], 0.5), np.clip(position[2], 0.5, highest)])
    return np.array([*position, yaw, pitch, roll, log_focal, 0.0])
