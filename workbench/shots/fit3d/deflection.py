"""First guesses of a ball that somebody or something turns away: when, and how it goes on.

The unit is one free path of one shot, which what is seen leaves somewhere. Hands push a ball down
or let it fly on, a post sends it anywhere: a fit that starts from the mean of all this ends
beside most of it, and takes the first sightings that go elsewhere for the touch, though these may
be gloves. So times of the touch are tried, each with one later sighting that it leads to, and
scored by how long what is seen follows. Fits nothing.
"""

import numpy as np

from workbench.footage.pinhole import GRAVITY_MPS2, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import FALLS
from workbench.shots.fit3d.fit import Observations, legs_of, trace
from workbench.shots.goal.camera import project, rays

_EARLIER_S, _LATER_S, _STEP_S = 0.07, 0.40, 0.033  # of the touch, about where the path is left
_LEADS_TO_S, _LEADS_TO = 0.25, 6  # sightings within so long after the touch, at most
_FOLLOWED_S = 0.45  # that counts of what comes after the path is left
_SIGMA_MPS, _ROW_M = 7.0, 0.05  # spread of the velocity afterwards, and of one equation
_GATE_PX, _MISS = 8.0, -0.6


def deflected(observations: Observations, base: Floats) -> Floats | None:
    """The path (30,) turned away when and whither what is seen best follows it.

    Args:
        observations: In order of time.
        base: The free path, whose event is where the observations leave it.

    Returns:
        A copy of it with another event and motion afterwards; None where nothing is seen later.
    """
    times = observations.times_s
    first = base[col.EVENT_S] - _EARLIER_S
    tried = np.arange(first, min(base[col.EVENT_S] + _LATER_S, times[-1]), _STEP_S)
    pairs = [
        (touch_s, seen)
        for touch_s in tried[tried > base[col.KICK_S]]
        for seen in np.flatnonzero((times > touch_s + 0.02) & (times < touch_s + _LEADS_TO_S))[
            :_LEADS_TO
        ]
    ]
    if not pairs:
        return None
    touches_s, later = np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])
    rows = np.tile(base, (len(pairs), 1))
    rows[:, col.EVENT_S], rows[:, col.LOG_DAMPING] = touches_s, -1.0
    place = legs_of(base[None]).at((touches_s - base[col.KICK_S])[None])[:, 0]
    rows[:, col.AFTER] = _velocities(observations, base[col.BALL_SIZE :], place, touches_s, later)
    path, _, _ = trace(rows, times, np.full(len(rows), FALLS))
    u, v, _ = project(rows[:, col.BALL_SIZE :], path, observations.center_px)
    off = np.hypot(u - observations.uv[:, 0], v - observations.uv[:, 1])
    counts = (times > first) & (times < base[col.EVENT_S] + _FOLLOWED_S)
    score = (np.maximum(1.0 - (off / _GATE_PX) ** 2, _MISS) * counts).sum(axis=1)
    return np.asarray(rows[int(np.argmax(score))])


def _velocities(
    observations: Observations, camera: Floats, place: Floats, touches_s: Floats, later: Floats
) -> Floats:
    """The least velocities (K, 3) that lead from places (3, K) to the rays of later sightings."""
    toward = rays(camera[None], observations.uv[later], observations.center_px)[:, 0]
    toward = toward / np.linalg.norm(toward, axis=0)
    time = observations.times_s[later] - touches_s
    gap = place - camera[:3, None]
    gap[2] -= 0.5 * GRAVITY_MPS2 * time**2
    # What is left of gap + velocity · time across the ray vanishes.
    across = np.eye(3) - toward.T[:, :, None] * toward.T[:, None, :]  # (K, 3, 3)
    moved = (time / _ROW_M)[:, None, None] * across
    normal = moved.transpose(0, 2, 1) @ moved + np.eye(3) / _SIGMA_MPS**2
    side = moved.transpose(0, 2, 1) @ (across @ gap.T[:, :, None] / -_ROW_M)
    return np.asarray(np.linalg.solve(normal, side)[..., 0])
