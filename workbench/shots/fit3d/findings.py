"""The values of a verdict from a posterior: goal, speed, crossing, events, path, features.

Turns samples into frames, metres and km/h. Whether to abstain and the wording are left to `judge`.
"""

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.fit import Observations, explained, legs_of, trace
from workbench.shots.fit3d.hypotheses import BANK
from workbench.shots.fit3d.posterior import Posterior
from workbench.shots.fit3d.question import Clock
from workbench.shots.goal.camera import OUT, UP, CameraMode, on_height, projection_matrix
from workbench.shots.verdict import EventKind, FlightPath, ShotEvent

_KMH = 3.6
_END_OF: dict[str, EventKind] = {
    "net": "net",
    "held": "save",
    "parried": "save",
    "blocked": "deflection",
    "frame": "post",
}
_LEAST_SD = 0.01  # samples of one hypothesis may nearly coincide
_REST_MPS = 0.4
_LAST_OBSERVATIONS = 6


def goal_probability(posterior: Posterior) -> float:
    """Share of the samples in which the whole ball crosses the line inside the frame."""
    return float((posterior.weight * posterior.goal).sum())


def outcome_shares(posterior: Posterior) -> dict[str, float]:
    """Probability of each hypothesis by name, cameras taken together."""
    shares = dict.fromkeys((item.name for item in BANK), 0.0)
    for row, share in zip(posterior.hypothesis, posterior.probability, strict=True):
        shares[BANK[row].name] += float(share)
    return shares


def kick_speed_kmh(posterior: Posterior) -> tuple[float, float]:
    """Speed at the foot and its standard deviation."""
    speed = _KMH * np.linalg.norm(posterior.samples[:, col.VELOCITY], axis=1)
    return _mean_and_sd(speed, posterior.weight)


def line_speed_kmh(posterior: Posterior) -> tuple[float, float] | None:
    """Speed at the goal line and its standard deviation; None if it is probably not reached."""
    meets = np.isfinite(posterior.line_mps)
    if posterior.weight[meets].sum() < 0.5:
        return None
    return _mean_and_sd(_KMH * posterior.line_mps[meets], posterior.weight[meets])


def crossing_m(posterior: Posterior) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Middle of x, z at the plane of the line and their deviations; None if not reached."""
    meets = np.isfinite(posterior.crossing).all(axis=1)
    weight = posterior.weight[meets]
    if weight.sum() < 0.5:
        return None
    (x, x_sd), (z, z_sd) = (_mean_and_sd(values, weight) for values in posterior.crossing[meets].T)
    return (x, z), (x_sd, z_sd)


def find_path_events(
    posterior: Posterior, observations: Observations, clock: Clock
) -> tuple[ShotEvent, ...]:
    """Kick, bounces, line, end of the free path and rest of the most probable hypothesis."""
    ball, ending = posterior.best_ball
    kick, end = float(ball[0, col.KICK_S]), float(ball[0, col.EVENT_S])
    found = [clock.event("kick", kick)]
    legs = legs_of(ball)
    for start, before in zip(legs.start_s[1:, 0], legs.start_s[:-1, 0], strict=True):
        # A ball that rolls from the start "lands" at once: not a bounce.
        if start > before + 0.05 and kick + start < min(end, observations.times_s[-1]):
            found.append(clock.event("bounce", kick + float(start)))
    name = BANK[posterior.hypothesis[posterior.best]].name
    if name in _END_OF:
        found.append(clock.event(_END_OF[name], end))
    times = np.arange(kick, observations.times_s[-1] + 0.5, 0.004)
    path, _, _ = trace(ball, times, ending)
    beyond = np.flatnonzero(path[1, 0] <= 0.0)
    if len(beyond):
        found.append(clock.event("line", float(times[beyond[0]])))
    speed = np.linalg.norm(np.diff(path[:, 0], axis=1), axis=0) / 0.004
    still = np.flatnonzero((speed > _REST_MPS) & (times[1:] <= observations.times_s[-1]))
    last = int(still[-1]) + 1 if len(still) else 0
    if times[last] < observations.times_s[-1] - 0.1:
        found.append(clock.event("rest", float(times[last])))
    return tuple(sorted(found, key=lambda event: event.frame))


def fitted_path(
    posterior: Posterior, observations: Observations, clock: Clock, scale: float
) -> FlightPath:
    """The most probable path, frame by frame; `scale`: pixels of the fit per pixel of the clip."""
    ball, ending = posterior.best_ball
    first = int(np.ceil(clock.first_frame))
    frames = np.arange(first, int(clock.frame(float(observations.times_s[-1]))) + 1)
    times = np.asarray((frames - clock.first_frame) / clock.fps, dtype=np.float64)
    step = 1e-3
    behind, path, ahead = (trace(ball, times + by, ending)[0] for by in (-step, 0.0, step))
    speed = _KMH * np.linalg.norm(ahead - behind, axis=0)[0] / (2 * step)
    matrix = projection_matrix(ball[0, col.BALL_SIZE :], observations.center_px)
    matrix[:2] /= scale
    return FlightPath(frames, path[:, 0].T, speed, matrix)


def sight_line(posterior: Posterior) -> tuple[float, float]:
    """Distance of the camera from the goal in metres; degrees between its view and the shot."""
    [ball], _ = posterior.best_ball
    camera = ball[col.BALL_SIZE :]
    look, shot = -camera[: OUT + 1], ball[col.VX : col.VY + 1]
    lengths = np.linalg.norm(look) * np.linalg.norm(shot)
    angle = np.degrees(np.arccos(np.clip(look @ shot / max(lengths, 1e-9), -1.0, 1.0)))
    return float(np.linalg.norm(look)), float(angle)


def feature_row(
    posterior: Posterior, observations: Observations, modes: tuple[CameraMode, ...], clock: Clock
) -> dict[str, float]:
    """Features of the fit for the head: always the same names, always finite."""
    weight, samples, row = posterior.weight, posterior.samples, posterior.best
    best, _ = posterior.best_ball
    goal = np.clip(goal_probability(posterior), 3e-4, 1 - 3e-4)
    features = {"logit_goal": float(np.log(goal / (1 - goal)))}
    shares = outcome_shares(posterior)
    features |= {f"p_{name}": share for name, share in shares.items()}

    since = samples[:, col.EVENT_S] - samples[:, col.KICK_S]
    place = legs_of(samples).at(since[:, None])
    depth = np.clip(place[1, :, 0], -12.0, 25.0)
    features["event_y_mean"], features["event_y_sd"] = _mean_and_sd(depth, weight)
    half, height = observations.goal_size_m[0] / 2, observations.goal_size_m[1]
    margin = np.minimum(half - np.abs(posterior.crossing[:, 0]), height - posterior.crossing[:, 1])
    margin = np.clip(np.nan_to_num(margin, nan=-3.0), -3.0, 3.0)
    features["margin_mean"], features["margin_sd"] = _mean_and_sd(margin, weight)
    features["reaches_line"] = float(weight[np.isfinite(posterior.line_mps)].sum())
    features["speed_kmh"], features["speed_sd_kmh"] = kick_speed_kmh(posterior)
    line = line_speed_kmh(posterior) or (0.0, 0.0)
    features["line_speed_kmh"], features["line_speed_sd_kmh"] = line
    features["after_y"] = _mean_and_sd(np.clip(samples[:, col.AFTER_Y], -15, 15), weight)[0]
    kick_mps = max(np.linalg.norm(best[0, col.VELOCITY]), 0.1)
    features["toward_goal"] = float(-best[0, col.VY] / kick_mps)
    features["rise"] = float(best[0, col.VZ] / kick_mps)
    features["kick_distance"] = float(np.clip(np.hypot(best[0, col.X], best[0, col.Y]), 0, 60))
    features["start_height"] = float(np.clip(best[0, col.Z], 0, 3))

    times, end = observations.times_s, best[0, col.EVENT_S]
    trust, misses = explained(observations, posterior.priors.take(np.array([row])), best)
    flown = (times > best[0, col.KICK_S]) & (times <= end)
    tail = times > end
    features["flight_observations"] = float(flown.sum())
    features["flight_trust"] = float(trust[0, flown].mean()) if flown.any() else 0.0
    features["tail_observations"] = float(min(tail.sum(), 60))
    features["tail_trust"] = float(trust[0, tail].mean()) if tail.any() else 0.0
    known = misses[0, flown | tail]
    features["miss_px"] = float(np.clip(np.median(known), 0, 50)) if len(known) else 50.0
    counted = max(float(posterior.priors.counted[row].sum()), 1.0)
    features["cost_per_observation"] = float(np.clip(posterior.fitted.cost[row] / counted, -5, 9))
    features["gap_share"] = 1.0 - len(times) / max((times[-1] - times[0]) * clock.fps + 1, 1.0)
    features["longest_gap_s"] = float(np.diff(times).max()) if len(times) > 1 else 0.0
    features["event_observations"] = float((np.abs(times - end) * clock.fps < 4).sum())

    camera = best[:, col.BALL_SIZE :]
    last = observations.uv[-_LAST_OBSERVATIONS:]
    grass = on_height(camera, last, BALL_RADIUS_M, observations.center_px)
    features["rest_y"] = float(np.clip(np.median(grass[1]), -10, 25))
    features["rest_x"] = float(np.clip(np.abs(np.median(grass[0])) - half, -5, 10))
    distance, angle = sight_line(posterior)
    features["camera_distance"], features["camera_angle_deg"] = min(distance, 90.0), angle
    features["camera_height"] = float(camera[0, UP])
    features["behind_goal"] = float(camera[0, OUT] < 0)
    features["camera_modes"] = float(len(modes))
    features["goal_width"] = observations.goal_size_m[0]
    features["kick_sd_s"] = _mean_and_sd(samples[:, col.KICK_S], weight)[1]
    return {name: float(np.nan_to_num(value)) for name, value in features.items()}


def _mean_and_sd(values: Floats, weight: Floats) -> tuple[float, float]:
    total = weight.sum()
    mean = float((weight * values).sum() / total)
    return mean, float(np.sqrt((weight * (values - mean) ** 2).sum() / total + _LEAST_SD**2))
