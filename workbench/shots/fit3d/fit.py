"""The least-squares fit of a kicked ball's path, for many hypotheses of one shot at once.

The unit of data is a batch of problems that share the observations of one shot: each has its own
start, camera, priors and kind of ending. Parameters are those of the kick, of the event that ends
the free path, and of the camera, (B, 30) in all; every prior is a row of the same problem.
Observations have Cauchy's loss, so that outliers need no filter, which could remove the first
points of the flight. Knows nothing about which hypotheses there are (`hypotheses`) or where starts
come from (`firstguess`).
"""

from dataclasses import dataclass, replace

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, GRAVITY_MPS2, POST_RADIUS_M, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import DRAG_PER_M, Kicks, Legs, after_contact, follow
from workbench.shots.goal.camera import LOG_FOCAL, project
from workbench.shots.leastsquares import Batch, Ints, minimise

Traced = tuple[Floats, Floats, Floats]
"""Path (3, B, N); place and velocity (3, B) at the event, just before it."""

# Those that change the shape of the free path, not only its place.
_FLOWN = (
    col.KICK_S, col.Z, col.VX, col.VY, col.VZ, col.LOG_DRAG, col.SIDE, col.LIFT, col.BOUNCE,
    col.GRIP, col.LOG_ROLLING,
)  # fmt: skip

_SIGMA_PX = 2.0
_CAUCHY = 2.0
_LASTING_SHARE, _LASTING_S = 0.5, 0.15  # of an error's variance, and how long it lasts
_SIZE_SIGMA, _SIZE_WEIGHT = 0.12, 0.8
_BOUND_SIGMA_M = 0.10
_LEAST_KICK_M = 0.4  # in front of the line
_BOUNDS = 4
_STEP = 1e-6
_TRACED = 1 + col.SIZE_BIAS  # paths of a finite difference: unmoved, and each parameter of the path
_POST_REACH_M = round(POST_RADIUS_M + BALL_RADIUS_M, 3)  # rounded: same figures on every machine

INSIDE, OUTSIDE, ON_FRAME, ANYWHERE = 1, -1, 2, 0  # where the ball meets the plane of the line


@dataclass(frozen=True)
class Observations:
    """Where the ball was seen: N observations of one shot, seconds since the first of them."""

    times_s: Floats  # (N,)
    uv: Floats  # (N, 2) pixels
    log_diameter: Floats  # (N,) pixels; 0 where not known
    has_diameter: Floats  # (N,) how well it is known: 0 not at all, 1 as of a large ball
    center_px: Floats  # (2,) principal point
    goal_size_m: tuple[float, float]
    fps: float
    first_frame: float = 0.0  # of the clip
    kick_s: float | None = None  # when the foot met the ball, if somebody knows
    worth: Floats | float = 1.0  # (N,) of each, 1 where its error is its own; `independent_share`
    distance_m: float | None = None  # of the ball from the goal line before the kick, if told
    boxes: Floats | None = None  # (M, 5) seconds, x0, y0, x1, y1 of people; None if not looked for

    def frame(self, time_s: float) -> float:
        """The frame of the clip, perhaps between two, at `time_s`."""
        return self.first_frame + time_s * self.fps

    def until(self, time_s: float) -> "Observations":
        """Those up to a time."""
        kept = self.times_s <= time_s
        return replace(
            self, times_s=self.times_s[kept], uv=self.uv[kept],
            log_diameter=self.log_diameter[kept], has_diameter=self.has_diameter[kept],
            worth=np.broadcast_to(self.worth, kept.shape)[kept],
        )  # fmt: skip


@dataclass(frozen=True)
class Priors(Batch):
    """The priors of each problem."""

    mean: Floats  # (B, 22) of the ball's parameters
    weight: Floats  # (B, 22) inverse standard deviations; 0 without a prior
    camera: Floats  # (B, 8)
    information: Floats  # (B, 8, 8) of the camera
    counted: Floats  # (B, N) 1 where an observation counts
    ending: Ints  # (B,) FALLS, HELD or NETTED after the event
    event_y: Floats  # (B, 2) between which depths the event is, metres
    event_frame: Ints  # (B,) INSIDE, OUTSIDE, ON_FRAME or ANYWHERE


@dataclass(frozen=True)
class Fitted(Batch):
    """The solution of each problem."""

    parameters: Floats  # (B, 30)
    cost: Floats  # (B,) minus log of likelihood times prior, up to a shared constant
    normal: Floats  # (B, 30, 30) inverse covariance


def legs_of(ball: Floats, until_s: Floats | float = np.inf) -> Legs:
    """The free path of balls (B, ≥ 22), as far as some time (B,) of the clip."""
    kicks = Kicks(
        position_m=ball[:, col.POSITION].T,
        velocity_mps=ball[:, col.VELOCITY].T,
        drag_per_m=DRAG_PER_M * np.exp(np.clip(ball[:, col.LOG_DRAG], -2.0, 2.0)),
        side_mps2=ball[:, col.SIDE],
        lift_mps2=ball[:, col.LIFT],
        bounce=np.clip(ball[:, col.BOUNCE], 0.2, 0.9),
        grip=np.clip(ball[:, col.GRIP], 0.3, 1.0),
        rolling_mps2=0.8 * np.exp(np.clip(ball[:, col.LOG_ROLLING], -3.0, 3.0)),
    )
    return follow(kicks, np.asarray(until_s - ball[:, col.KICK_S]))


def trace(ball: Floats, times_s: Floats, ending: Ints) -> Traced:
    """Return the whole path of balls (B, ≥ 22): before the kick, free, after the event.

    Args:
        ball: Parameters.
        times_s: Seconds (N,).
        ending: As in `Priors`.
    """
    return _finish(ball, times_s, ending, _fly(ball, times_s))


def _fly(ball: Floats, times_s: Floats) -> Traced:
    """The path as if nothing ended it."""
    kick, event = ball[:, col.KICK_S, None], ball[:, col.EVENT_S, None]
    since = times_s - kick
    legs = legs_of(ball, np.maximum(times_s[-1], ball[:, col.EVENT_S]))
    free = legs.at(np.concatenate([np.maximum(since, 0.0), event - kick], axis=1))
    place, path = free[:, :, -1], free[:, :, :-1]
    early = np.minimum(since, 0.0)
    path[0] += ball[:, col.BEFORE_X, None] * early
    path[1] += ball[:, col.BEFORE_Y, None] * early
    return path, place, legs.velocity_at(event - kick)[:, :, 0]


def _finish(ball: Floats, times_s: Floats, ending: Ints, free: Traced) -> Traced:
    """Replace what comes after the event."""
    path, place, motion = free
    later = times_s - ball[:, col.EVENT_S, None]
    if (later > 0).any():
        after = after_contact(
            place,
            ball[:, col.AFTER].T,
            np.exp(np.clip(ball[:, col.LOG_DAMPING], -4.0, 5.0)),
            np.exp(np.clip(ball[:, col.LOG_SINKING], -2.0, 4.0)),
            ending,
            np.maximum(later, 0.0),
            np.clip(ball[:, col.BOUNCE], 0.2, 0.9),
        )
        path = np.where(later > 0, after, path)
    return path, place, motion


def _finite_moves(at: Floats, times_s: Floats, ending: Ints) -> tuple[Floats, Traced]:
    """Parameters moved one by one (B·31, 30), and `trace` of each: the first is not moved.

    Only the columns that change the shape of the free path are recomputed.
    """
    batch, count = len(at), len(times_s)
    moved = at[:, None] + np.concatenate([np.zeros((1, col.SIZE)), _STEP * np.eye(col.SIZE)])
    flown = np.concatenate([[0], 1 + np.array(_FLOWN)])
    path, place, motion = _fly(moved[:, flown].reshape(-1, col.SIZE), times_s)
    paths = np.empty((3, batch, _TRACED, count))
    places, motions = np.empty((3, batch, _TRACED)), np.empty((3, batch, _TRACED))
    for whole, part in ((paths, path), (places, place), (motions, motion)):
        part = part.reshape(3, batch, len(flown), *part.shape[2:])
        whole[:] = part[:, :, :1]
        whole[:, :, flown] = part
    for axis, column in ((0, col.X), (1, col.Y)):
        paths[axis, :, 1 + column] += _STEP
        places[axis, :, 1 + column] += _STEP
    early = np.minimum(times_s - at[:, col.KICK_S, None], 0.0)
    paths[0, :, 1 + col.BEFORE_X] += _STEP * early
    paths[1, :, 1 + col.BEFORE_Y] += _STEP * early
    legs = legs_of(at, at[:, col.EVENT_S] + 2 * _STEP)
    later = (at[:, col.EVENT_S] + _STEP - at[:, col.KICK_S])[:, None]
    places[:, :, 1 + col.EVENT_S] = legs.at(later)[:, :, 0]
    motions[:, :, 1 + col.EVENT_S] = legs.velocity_at(later)[:, :, 0]
    own = moved[:, :_TRACED].reshape(-1, col.SIZE)
    flat = paths.reshape(3, -1, count), places.reshape(3, -1), motions.reshape(3, -1)
    path, place, motion = (
        _with_unmoved(part.reshape(3, batch, _TRACED, *part.shape[2:]))
        for part in _finish(own, times_s, np.repeat(ending, _TRACED), flat)
    )
    return moved.reshape(-1, col.SIZE), (path, place, motion)


def _with_unmoved(part: Floats) -> Floats:
    """Append the unmoved one for each parameter that leaves the ball where it is: camera, size."""
    unmoved = np.repeat(part[:, :, :1], 1 + col.SIZE - _TRACED, axis=2)
    return np.concatenate([part, unmoved], axis=2).reshape(3, -1, *part.shape[3:])


def solve(observations: Observations, priors: Priors, start: Floats, iterations: int) -> Fitted:
    """Fit a batch from starts (B, 30) with a fixed number of steps."""
    return Fitted(
        *minimise(
            lambda tried: cost_of(observations, priors, tried),
            lambda some, which: _expand(observations, priors.take(which), some),
            start,
            iterations=iterations,
            damping=3e-3,
        )
    )


def cost_of(observations: Observations, priors: Priors, parameters: Floats) -> Floats:
    """Minus log posterior (B,) up to a constant; infinite where it is not a number."""
    traced = trace(parameters, observations.times_s, priors.ending)
    return _cost(
        observations, priors, parameters, _residuals(observations, priors, parameters, traced)
    )


def explained(
    observations: Observations, priors: Priors, parameters: Floats
) -> tuple[Floats, Floats]:
    """Weights (B, N) of the observations, 1 for good ones, and misses in pixels (B, N)."""
    traced = trace(parameters, observations.times_s, priors.ending)
    spread, _, _ = _squares(_residuals(observations, priors, parameters, traced))
    return 1.0 / (1.0 + spread / _CAUCHY**2), np.sqrt(spread) * _SIGMA_PX


def _residuals(
    observations: Observations, priors: Priors, parameters: Floats, traced: Traced
) -> Floats:
    """Misses along u, along v and of the size, then of the bounds: (B, 3N + 4) in sigmas."""
    path, place, motion = traced
    cameras = parameters[:, col.BALL_SIZE :]
    u, v, depth = project(cameras, path, observations.center_px)
    expected = np.log(2 * BALL_RADIUS_M / np.maximum(depth, 0.2)) + cameras[:, LOG_FOCAL, None]
    size = observations.log_diameter - expected - parameters[:, col.SIZE_BIAS, None]
    rows = [
        (u - observations.uv[:, 0]) / _SIGMA_PX,
        (v - observations.uv[:, 1]) / _SIGMA_PX,
        size * observations.has_diameter * (_SIZE_WEIGHT / _SIZE_SIGMA),
        _bounds(observations, priors, parameters, place, motion).T,
    ]
    return np.concatenate(rows, axis=1)


def _squares(residuals: Floats) -> tuple[Floats, Floats, Floats]:
    """Squares of the misses in place (B, N), in size (B, N), and of the bounds (B, 4)."""
    count = (residuals.shape[1] - _BOUNDS) // 3
    u, v, size, bounds = np.split(residuals**2, [count, 2 * count, 3 * count], axis=1)
    return u + v, size, bounds


def _bounds(
    observations: Observations, priors: Priors, parameters: Floats, place: Floats, motion: Floats
) -> Floats:
    """Violations (4, B) of the bounds on event, crossing and kick, in standard deviations.

    The depth of an event has hard bounds and within them a prior with the spread of an even one.
    """
    half, height = observations.goal_size_m[0] / 2, observations.goal_size_m[1]
    low, high = priors.event_y.T
    depth = np.maximum(low - place[1], 0.0) + np.maximum(place[1] - high, 0.0)
    # Where it meets the plane of the line, extrapolated from the event.
    ago = place[1] / np.minimum(motion[1], -3.0)
    across = np.abs(place[0] - motion[0] * ago)
    up = place[2] - (motion[2] + 0.5 * GRAVITY_MPS2 * ago) * ago
    outside = np.maximum(across - half, up - height)
    off_frame = np.select(
        [priors.event_frame == where for where in (INSIDE, OUTSIDE, ON_FRAME)],
        [outside, -outside, np.abs(outside - POST_RADIUS_M) - _POST_REACH_M],
        0.0,
    )
    # Shots start in front of the line.
    behind = np.maximum(_LEAST_KICK_M - parameters[:, col.Y], 0.0)
    firm = np.stack([depth, np.maximum(off_frame, 0.0), behind]) / _BOUND_SIGMA_M
    spread = (place[1] - 0.5 * (low + high)) / even_sigma(priors.event_y)
    return np.concatenate([firm, spread[None]])


def independent_share(times_s: Floats) -> Floats:
    """How much of each observation (N,) is its own, not what its neighbours say already.

    Errors last: a tracker smooths, a steadied picture drifts, and no ball flies quite as the fit
    assumes. If a share q of their variance is correlated over t by exp(−t/τ), observations dt apart
    are worth 1 / (1 + 2q / (exp(dt/τ) − 1)) independent ones each: twice the frames in the same
    time say little more.
    """
    if len(times_s) < 2:
        return np.ones(len(times_s))
    apart = np.diff(times_s)
    apart = 0.5 * (np.append(apart, apart[-1]) + np.append(apart[0], apart))
    return np.asarray(1.0 / (1.0 + 2.0 * _LASTING_SHARE / np.expm1(apart / _LASTING_S)))


def even_sigma(event_y: Floats) -> Floats:
    """Standard deviation (B,) of a depth spread evenly between two (B, 2)."""
    return np.asarray((event_y[:, 1] - event_y[:, 0]) / np.sqrt(12.0))


def _cost(
    observations: Observations, priors: Priors, parameters: Floats, residuals: Floats
) -> Floats:
    """Cost (B,) with Cauchy's loss for place and size of the observations, squares for the rest."""
    place, size, bounds = _squares(residuals)
    seen = np.log1p(place / _CAUCHY**2) + np.log1p(size / _CAUCHY**2)
    off = (parameters[:, : col.BALL_SIZE] - priors.mean) * priors.weight
    camera = parameters[:, col.BALL_SIZE :] - priors.camera
    away = (priors.information @ camera[..., None])[..., 0]
    prior = 0.5 * (off * off).sum(axis=1) + 0.5 * (camera * away).sum(axis=1)
    cost = 0.5 * _CAUCHY**2 * (priors.counted * observations.worth * seen).sum(axis=1)
    cost += 0.5 * bounds.sum(axis=1) + prior
    return np.where(np.isfinite(cost), cost, np.inf)


def _expand(
    observations: Observations, priors: Priors, at: Floats
) -> tuple[Floats, Floats, Floats]:
    """Cost (B,), gradient (B, 30) and Gauss–Newton matrix (B, 30, 30) at parameters (B, 30)."""
    batch, count = len(at), len(observations.times_s)
    moved, traced = _finite_moves(at, observations.times_s, priors.ending)
    own = priors.take(np.repeat(np.arange(batch), 1 + col.SIZE))
    rows = _residuals(observations, own, moved, traced).reshape(batch, 1 + col.SIZE, -1)
    value = rows[:, 0]
    slopes = (rows[:, 1:] - value[:, None]) / _STEP
    slopes[:, col.SIZE_BIAS] = 0.0  # known exactly
    slopes[:, col.SIZE_BIAS, 2 * count : 3 * count] = -observations.has_diameter * (
        _SIZE_WEIGHT / _SIZE_SIGMA
    )
    place, size, bounds = _squares(value)
    counted = priors.counted * observations.worth
    trust = counted / (1.0 + place / _CAUCHY**2)
    size_trust = counted / (1.0 + size / _CAUCHY**2)
    weight = np.concatenate([trust, trust, size_trust, np.ones_like(bounds)], axis=1)

    weighted = slopes * weight[:, None]
    normal = weighted @ slopes.transpose(0, 2, 1)
    gradient = (weighted @ value[..., None])[..., 0]
    index = np.arange(col.BALL_SIZE)
    normal[:, index, index] += priors.weight**2
    gradient[:, : col.BALL_SIZE] += (at[:, : col.BALL_SIZE] - priors.mean) * priors.weight**2
    normal[:, col.BALL_SIZE :, col.BALL_SIZE :] += priors.information
    camera = (at[:, col.BALL_SIZE :] - priors.camera)[..., None]
    gradient[:, col.BALL_SIZE :] += (priors.information @ camera)[..., 0]
    return _cost(observations, priors, at, value), np.nan_to_num(gradient), np.nan_to_num(normal)
