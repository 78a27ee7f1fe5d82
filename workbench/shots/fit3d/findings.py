"""The values of a verdict from a posterior: goal, speed, crossing, events, path, features.

Turns samples into frames, metres and km/h. Whether to abstain and the wording are left to `judge`.
"""

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.fit import explained, legs_of, trace
from workbench.shots.fit3d.hypotheses import BANK
from workbench.shots.fit3d.posterior import Posterior
from workbench.shots.goal.camera import OUT, UP, on_height, projection_matrix
from workbench.shots.verdict import EventKind, FlightPath, ShotEvent

_KMH = 3.6
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


def find_path_events(posterior: Posterior) -> tuple[ShotEvent, ...]:
    """Kick, bounces, line, end of the free path and rest of the most probable hypothesis."""
    (ball, ending), observations = posterior.best_ball, posterior.observations
    kick, end = float(ball[0, col.KICK_S]), float(ball[0, col.EVENT_S])
    last_s = float(observations.times_s[-1])
    found: list[tuple[EventKind, float]] = [("kick", kick)]
    legs = legs_of(ball)
    for start, before in zip(legs.start_s[1:, 0], legs.start_s[:-1, 0], strict=True):
        # A ball that rolls from the start "lands" at once: not a bounce.
        if start > before + 0.05 and kick + start < min(end, last_s):
            found.append(("bounce", kick + float(start)))
    ends_as = BANK[posterior.hypothesis[posterior.best]].event
    if ends_as is not None:
        found.append((ends_as, end))
    times = np.arange(kick, last_s + 0.5, 0.004)
    path, _, _ = trace(ball, times, ending)
    beyond = np.flatnonzero(path[1, 0] <= 0.0)
    if len(beyond):
        found.append(("line", float(times[beyond[0]])))
    speed = np.linalg.norm(np.diff(path[:, 0], axis=1), axis=0) / 0.004
    still = np.flatnonzero((speed > _REST_MPS) & (times[1:] <= last_s))
    last = int(still[-1]) + 1 if len(still) else 0
    if times[last] < last_s - 0.1:
        found.append(("rest", float(times[last])))
    frames = [(kind, observations.frame(time_s)) for kind, time_s in found]
    frames.sort(key=lambda event: event[1])
    return tuple(ShotEvent(kind, frame, frame / observations.fps) for kind, frame in frames)


def fitted_path(posterior: Posterior, scale: float) -> FlightPath:
    """The most probable path, frame by frame; `scale`: pixels of the fit per pixel of the clip."""
    (ball, ending), observations = posterior.best_ball, posterior.observations
    first = int(np.ceil(observations.first_frame))
    frames = np.arange(first, int(observations.frame(float(observations.times_s[-1]))) + 1)
    times = np.asarray((frames - observations.first_frame) / observations.fps, dtype=np.float64)
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


def feature_row(posterior: Posterior, cameras: int) -> dict[str, float]:
    """Features of the fit for the head: always the same names, always finite.

    `cameras` is how many of them explain the corners.
    """
    goal = np.clip(goal_probability(posterior), 3e-4, 1 - 3e-4)
    features = {
        "logit_goal": float(np.log(goal / (1 - goal))),
        **{f"p_{name}": share for name, share in outcome_shares(posterior).items()},
        **_spreads(posterior),
        **_best_kick(posterior),
        **_support(posterior),
        **_view(posterior),
        "camera_modes": cameras,
    }
    return {name: float(np.nan_to_num(value)) for name, value in features.items()}


def _spreads(posterior: Posterior) -> dict[str, float]:
    """Features of all samples: means and standard deviations."""
    weight, samples = posterior.weight, posterior.samples
    half, height = posterior.observations.goal_size_m[0] / 2, posterior.observations.goal_size_m[1]
    since = samples[:, col.EVENT_S] - samples[:, col.KICK_S]
    depth = legs_of(samples).at(since[:, None])[1, :, 0]
    event_y = _mean_and_sd(np.clip(depth, -12.0, 25.0), weight)
    inside = np.minimum(half - np.abs(posterior.crossing[:, 0]), height - posterior.crossing[:, 1])
    margin = _mean_and_sd(np.clip(np.nan_to_num(inside, nan=-3.0), -3.0, 3.0), weight)
    speed, line = kick_speed_kmh(posterior), line_speed_kmh(posterior) or (0.0, 0.0)
    return {
        "event_y_mean": event_y[0],
        "event_y_sd": event_y[1],
        "margin_mean": margin[0],
        "margin_sd": margin[1],
        "reaches_line": weight[np.isfinite(posterior.line_mps)].sum(),
        "speed_kmh": speed[0],
        "speed_sd_kmh": speed[1],
        "line_speed_kmh": line[0],
        "line_speed_sd_kmh": line[1],
        "after_y": _mean_and_sd(np.clip(samples[:, col.AFTER_Y], -15, 15), weight)[0],
        "kick_sd_s": _mean_and_sd(samples[:, col.KICK_S], weight)[1],
    }


def _best_kick(posterior: Posterior) -> dict[str, float]:
    """Features of the most probable kick."""
    [ball], _ = posterior.best_ball
    kick_mps = max(np.linalg.norm(ball[col.VELOCITY]), 0.1)
    return {
        "toward_goal": -ball[col.VY] / kick_mps,
        "rise": ball[col.VZ] / kick_mps,
        "kick_distance": np.clip(np.hypot(ball[col.X], ball[col.Y]), 0, 60),
        "start_height": np.clip(ball[col.Z], 0, 3),
    }


def _support(posterior: Posterior) -> dict[str, float]:
    """Features of how well the observations support the most probable path."""
    observations, row = posterior.observations, posterior.best
    (best, _), times, fps = posterior.best_ball, observations.times_s, observations.fps
    [trust], [misses] = explained(observations, posterior.priors.take(np.array([row])), best)
    kick, end = best[0, [col.KICK_S, col.EVENT_S]]
    flown, tail = (times > kick) & (times <= end), times > end
    known = misses[flown | tail]
    counted = max(float(posterior.priors.counted[row].sum()), 1.0)
    return {
        "flight_observations": flown.sum(),
        "flight_trust": trust[flown].mean() if flown.any() else 0.0,
        "tail_observations": min(tail.sum(), 60),
        "tail_trust": trust[tail].mean() if tail.any() else 0.0,
        "miss_px": np.clip(np.median(known), 0, 50) if len(known) else 50.0,
        "cost_per_observation": np.clip(posterior.fitted.cost[row] / counted, -5, 9),
        "gap_share": 1.0 - len(times) / max((times[-1] - times[0]) * fps + 1, 1.0),
        "longest_gap_s": np.diff(times).max() if len(times) > 1 else 0.0,
        "event_observations": (np.abs(times - end) * fps < 4).sum(),
    }


def _view(posterior: Posterior) -> dict[str, float]:
    """Features of the most probable camera, and where it would see the ball rest on the grass."""
    (best, _), observations = posterior.best_ball, posterior.observations
    camera, last = best[:, col.BALL_SIZE :], observations.uv[-_LAST_OBSERVATIONS:]
    grass = on_height(camera, last, BALL_RADIUS_M, observations.center_px)
    width = observations.goal_size_m[0]
    distance, angle = sight_line(posterior)
    return {
        "rest_y": np.clip(np.median(grass[1]), -10, 25),
        "rest_x": np.clip(np.abs(np.median(grass[0])) - width / 2, -5, 10),
        "camera_distance": min(distance, 90.0),
        "camera_angle_deg": angle,
        "camera_height": camera[0, UP],
        "behind_goal": camera[0, OUT] < 0,
        "goal_width": width,
    }


def _mean_and_sd(values: Floats, weight: Floats) -> tuple[float, float]:
    total = weight.sum()
    mean = float((weight * values).sum() / total)
    return mean, float(np.sqrt((weight * (values - mean) ** 2).sum() / total + _LEAST_SD**2))
