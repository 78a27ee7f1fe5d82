"""First guesses of a kick by RANSAC: velocity and curl from a few random observations.

A ball that is kicked usually lies on the grass, so that its pixel gives its place; with that place,
two later observations determine the velocity by linear equations, and three how it curls, too.
Guesses are scored by how long the observations follow them, which tolerates outliers and whatever
ends the flight.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import BALL_RADIUS_M, GRAVITY_MPS2, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import DRAG_PER_M
from workbench.shots.fit3d.fit import Observations, legs_of
from workbench.shots.goal.camera import FARTHEST_M, UP, CameraMode, on_height, project, rays
from workbench.shots.leastsquares import Bools, Ints

_ANCHOR_S = (0.17, 0.02)  # before and after the kick: observations that may give its place
_FLIGHT_S = 0.9
_FAST_MPS = 40.0
_GATE_PX, _GATE_PX_PER_S = 6.0, 12.0
_MISS = -0.6
_EARLY_S, _EARLY_GATE_PX_PER_S, _EARLY_WORTH = 0.3, 160.0, 0.35
_TYPICAL_KAPPA = 0.3
_CURL_MPS2, _ROW_M = 4.0, 0.05  # spread of the acceleration by spin, and of one equation
_MOST_CURL = 9.0


def guess_kicks(
    observations: Observations,
    modes: Sequence[CameraMode],
    kicks_s: Floats,
    *,
    samples: int,
    keep: int,
    rng: np.random.Generator,
) -> tuple[Floats, Ints]:
    """Guess kicks, as starts for a fit.

    Args:
        observations: In order of time.
        modes: Cameras to try.
        kicks_s: Times (T,) at which the kick may have been.
        samples: Pairs drawn for each time and camera.
        keep: Guesses kept for each camera, different from each other.
        rng: Draws the pairs.

    Returns:
        Parameters (G, 30), the best first, whose event is where the observations leave the path;
        and the index (G,) of each one's camera.
    """
    kick = np.repeat(kicks_s, samples)
    anchor = _draw(rng, observations.times_s, kick - _ANCHOR_S[0], kick + _ANCHOR_S[1])
    first = _draw(rng, observations.times_s, kick + 0.02, kick + _FLIGHT_S)
    second = _draw(rng, observations.times_s, kick + 0.02, kick + _FLIGHT_S)
    third = _draw(rng, observations.times_s, kick + 0.02, kick + _FLIGHT_S)
    style = np.arange(len(kick)) % 8  # 0: along the ground; 1: from the air; odd: curled
    height = np.where(style == 1, rng.uniform(0.3, 1.6, len(kick)), BALL_RADIUS_M)
    parts: list[tuple[Floats, Floats, int]] = []
    for number, mode in enumerate(modes):
        seen = anchor, first, second, third
        ball = _solve_kicks(observations, mode, kick, height, seen, style == 0, style % 2 == 1)
        score, ball[:, col.EVENT_S] = _score(observations, ball, anchor)
        parts += [(ball[row], score[row], number) for row in _distinct(ball, score, keep)]
    parts.sort(key=lambda part: -part[1])
    balls = np.array([ball for ball, _, _ in parts]).reshape(-1, col.SIZE)
    return balls, np.array([number for _, _, number in parts], dtype=np.int64)


def _draw(
    rng: np.random.Generator, times_s: Floats, low_s: Floats, high_s: Floats
) -> NDArray[np.intp]:
    """One observation (K,) out of each span of time, or the next one after it."""
    low = np.searchsorted(times_s, low_s)
    high = np.maximum(np.searchsorted(times_s, high_s, side="right"), low + 1)
    drawn = low + np.floor(rng.random(len(low_s)) * (high - low)).astype(np.intp)
    return np.clip(drawn, 0, len(times_s) - 1)


def _solve_kicks(
    observations: Observations,
    mode: CameraMode,
    kick: Floats,
    height: Floats,
    seen: tuple[NDArray[np.intp], ...],
    rolls: Bools,
    curls: Bools,
) -> Floats:
    """Parameters (K, 30) of kicks through an anchor and two observations, or three if they curl."""
    anchor, *later = seen
    camera, count = mode.parameters[None], len(kick)
    toward = rays(camera, observations.uv, observations.center_px)[:, 0]  # (3, N)
    place = np.stack([camera[0, :3]] * count, axis=1)
    down = np.minimum(toward[2, anchor], -1e-3)
    reach = np.clip((height - camera[0, UP]) / down, 0.5, FARTHEST_M)
    start = place + reach * toward[:, anchor]
    grass = on_height(camera, observations.uv, BALL_RADIUS_M, observations.center_px)[:, 0]

    kappa = np.full(count, _TYPICAL_KAPPA)
    found = np.zeros((6, count))  # velocity, then the acceleration by spin
    free = np.diag([1e-9] * 3 + [(_ROW_M / _CURL_MPS2) ** 2] * 3)
    straight = np.diag([1e-9] * 3 + [1e6] * 3)
    for _ in range(2):
        rows, sides = [], []
        for number, index in enumerate(later):
            counts = np.where(curls, 1.0, number < 2)
            time = np.maximum(observations.times_s[index] - kick, 0.01)
            along = np.log1p(kappa * time) / kappa
            fall = (time + 0.5 * kappa * time**2 - along) / (2 * kappa)
            ray = counts * toward[:, index]
            gap = start - place
            gap[2] -= GRAVITY_MPS2 * fall
            # p − C is parallel to the ray: the rows of their cross product vanish.
            for low, high in ((0, 2), (1, 2), (0, 1)):
                row = np.zeros((6, count))
                row[low], row[high] = ray[high] * along, -ray[low] * along
                row[3 + low], row[3 + high] = ray[high] * fall, -ray[low] * fall
                rows.append(row)
                sides.append(-(ray[high] * gap[low] - ray[low] * gap[high]))
        matrix, side = np.stack(rows).transpose(2, 0, 1), np.stack(sides).T
        normal = matrix.transpose(0, 2, 1) @ matrix
        normal += np.where(curls[:, None, None], free, straight)
        found = np.linalg.solve(normal, matrix.transpose(0, 2, 1) @ side[..., None])[..., 0].T
        speed = np.minimum(np.sqrt((found[:3] ** 2).sum(axis=0)), _FAST_MPS)
        kappa = np.maximum(DRAG_PER_M * speed, 0.02)
    second = later[1]
    time = np.maximum(observations.times_s[second] - kick, 0.02)
    level = (grass[:, second] - start) / time
    level[2] = 0.3
    velocity = np.where(rolls, level, found[:3])
    spin = np.where(rolls, 0.0, found[3:]) * 20.0 / np.maximum(speed, 5.0)
    ahead = velocity[:2] / np.maximum(np.hypot(*velocity[:2]), 1e-6)

    ball = np.zeros((count, col.SIZE))
    ball[:, col.KICK_S] = kick
    ball[:, col.POSITION] = start.T
    ball[:, col.VELOCITY] = velocity.T
    ball[:, col.SIDE] = np.clip(spin[1] * ahead[0] - spin[0] * ahead[1], -_MOST_CURL, _MOST_CURL)
    ball[:, col.LIFT] = np.clip(spin[2], -_MOST_CURL, _MOST_CURL)
    ball[:, col.BOUNCE], ball[:, col.GRIP] = 0.62, 0.78
    ball[:, col.BALL_SIZE :] = camera
    return ball


def _score(
    observations: Observations, ball: Floats, anchor: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Score (K,) of guesses, and until when (K,) the observations follow them."""
    since = observations.times_s - ball[:, col.KICK_S, None]
    path = legs_of(ball).at(np.maximum(since, 0.0))
    u, v, _ = project(ball[:, col.BALL_SIZE :], path, observations.center_px)
    off = np.hypot(u - observations.uv[:, 0], v - observations.uv[:, 1])
    gate = _GATE_PX + _GATE_PX_PER_S * np.maximum(since, 0.0)
    worth = np.maximum(1.0 - (off / gate) ** 2, _MISS) * (since > 0)
    total = np.cumsum(worth, axis=1)
    last = np.argmax(total, axis=1)
    rows = np.arange(len(ball))
    following = np.minimum(last + 1, len(observations.times_s) - 1)
    until = 0.5 * (observations.times_s[last] + observations.times_s[following])
    still = np.hypot(*(observations.uv - observations.uv[anchor][:, None]).transpose(2, 0, 1))
    early = (since <= 0) & (since > -_EARLY_S) & (still < 8 - _EARLY_GATE_PX_PER_S * since)
    speed = np.sqrt((ball[:, col.VELOCITY] ** 2).sum(axis=1))
    # Slow paths would explain a ball at rest; a shot is fast.
    score = total[rows, last] * np.clip(speed / 8.0, 0.3, 1.0)
    score += _EARLY_WORTH * early.sum(axis=1) - np.maximum(speed - _FAST_MPS, 0.0)
    return score, np.maximum(until, ball[:, col.KICK_S] + 0.05)


def _distinct(ball: Floats, score: Floats, keep: int) -> list[int]:
    """The best guesses that differ from each other in when or how the ball was kicked."""
    chosen: list[int] = []
    for index in np.argsort(-score)[:80]:
        far = [
            np.abs(ball[index, col.VELOCITY] - ball[other, col.VELOCITY]).max() > 2.0
            or abs(ball[index, col.KICK_S] - ball[other, col.KICK_S]) > 0.05
            for other in chosen
        ]
        if all(far) and np.isfinite(score[index]):
            chosen.append(int(index))
        if len(chosen) == keep:
            break
    return chosen
