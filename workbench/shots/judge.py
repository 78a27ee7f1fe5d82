"""The verdict on one shot, from the ball's track and the goal's corners.

The unit is one shot. The 3D method finds the camera from the goal, guesses kicks, fits every
hypothesis of what became of the ball and calibrates the result with a small head trained on
simulated shots. The 2D method is the baseline (`rules2d`). Mirroring, scaling or delaying a shot
does not change its verdict. Shifting it within the picture does change the 3D verdict, because the
principal point is taken to be the middle of the picture.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.ball.kick import find_kick
from workbench.shots.fit3d import findings
from workbench.shots.fit3d.firstguess import guess_kicks
from workbench.shots.fit3d.fit import Observations
from workbench.shots.fit3d.flat_features import flat_features
from workbench.shots.fit3d.head import Head, Place
from workbench.shots.fit3d.hypotheses import BANK
from workbench.shots.fit3d.posterior import Posterior
from workbench.shots.fit3d.question import Question
from workbench.shots.fit3d.search import fit_hypotheses
from workbench.shots.goal.camera import (
    CameraMode,
    RestingBall,
    find_cameras,
    on_height,
    seen_from_behind,
)
from workbench.shots.goal.corners import is_convex, order_corners
from workbench.shots.rules2d import judge_flat
from workbench.shots.verdict import METHODS, Method, ShotError, ShotVerdict
from workbench.shots.words import OUTCOME_WORDS

_KICK_REACH_FRAMES, _KICK_STEP_FRAMES = 2.0, 0.5  # around a given contact frame
_SAMPLES_NEAR, _SAMPLES_ANYWHERE = 32, 12  # pairs for each time of the kick
_MOST_KICKS_PER_S = 30.0
_GUESSES = 3
_SURELY_FRONT_M = 0.5  # of a kick before the line; then the camera is not behind the goal
_AT_REST = 3  # sightings before the kick, of a ball whose distance is told
_SEED = 20260601  # of the samples: the same question gets the same answer

_LEAST_OBSERVATIONS = 5  # of a flight; fewer fix no path
_ALONG_DEG, _FAR_M = 25.0, 18.0  # from this far, a camera along the shot sees no depth
_NEAR_MARGIN_M = 0.25
_ROUGH_PX = 6.0

_GOAL_CLAUSES = {  # what `OUTCOME_WORDS` becomes where it was a goal all the same
    "parried": "somebody touches the ball and it goes on into the goal",
    "blocked": "somebody touches the ball and it goes on into the goal",
    "frame": "the ball goes in off the post or the bar",
    "none": "the ball flies through the frame and on",
}


@dataclass(frozen=True)
class ShotFit:
    """What the fit says of a shot, not yet calibrated by the head."""

    question: Question
    posterior: Posterior
    features: dict[str, float]  # always the same names, always finite
    line_speed_kmh: float | None  # None where the ball probably does not reach the line


class CannotFitError(Exception):
    """Nothing can be fitted; the message says why, as the end of a sentence."""


def judge_shot(question: Question, method: Method = "3d") -> ShotVerdict:
    """Judge one shot at goal, in 3D or, for "2d", by the rules in the picture.

    Where the track or the view is too poor the verdict abstains and says why.

    Raises:
        ShotError: If there is no such method.

    Example:
        >>> shot = simulate_shot(0)
        >>> judge_shot(ask(**shot.question())).is_goal == shot.is_goal
        True
    """
    if method not in METHODS:
        raise ShotError(f"unknown method {method!r}", 'choose "3d" or "2d"')
    if method == "2d":
        return judge_flat(
            question.track, question.clicked_px, fps=question.fps, kick_frame=question.kick_frame
        )
    try:
        fit = fit_shot(question)
    except CannotFitError as reason:
        return ShotVerdict.abstaining("3d", f"Can't tell, because {reason}.")
    return _verdict_of(fit, Head.load())


def fit_shot(question: Question) -> ShotFit:
    """Fit a shot without the calibration by the head, which is trained on these fits.

    Raises:
        CannotFitError: If there is nothing to fit.
    """
    if len(question.track) < _LEAST_OBSERVATIONS:
        raise CannotFitError(f"the ball is seen in only {len(question.track)} frames")
    try:
        corners = question.scale * order_corners(question.clicked_px)
    except ShotError:
        raise CannotFitError("the corners of the goal lie on a line") from None
    if not is_convex(corners):
        raise CannotFitError("the corners do not form a shape that a goal can be seen as")
    if question.kick_frame is None:
        question = replace(question, kick_frame=find_kick(question.track, fps=question.fps))
    observations = question.observations()
    modes = _find_modes(question, observations, corners)
    rng = np.random.default_rng(_SEED)
    kicks, samples = _possible_kicks(observations)
    guesses = guess_kicks(observations, modes, kicks, samples=samples, keep=_GUESSES, rng=rng)
    if not len(guesses[0]):
        raise CannotFitError("no flight fits what was seen of the ball")
    posterior = fit_hypotheses(observations, modes, guesses, rng)
    features = findings.feature_row(posterior, cameras=len(modes))
    features |= flat_features(question, kick_frame=observations.frame(posterior.kick_s))
    line = findings.line_speed_kmh(posterior)
    return ShotFit(question, posterior, features, line[0] if line else None)


def _find_modes(
    question: Question, observations: Observations, corners_px: Floats
) -> tuple[CameraMode, ...]:
    """Cameras on the side of the goal from which the ball is shot towards it.

    If a camera on the pitch puts the ball behind the goal line, the camera stands behind the goal.
    A ball kicked in the air seems to lie behind the line too, so both sides are tried then.
    """
    width, height = (round(question.scale * side) for side in question.image_wh)
    given = corners_px, question.goal_size_m, (width, height), question.people
    front = find_cameras(*given)
    if not front:
        raise CannotFitError("no camera sees a goal of this size like this")
    near = np.argsort(np.abs(observations.times_s - (observations.kick_s or 0.0)), kind="stable")[
        :5
    ]
    camera = front[0].parameters[None]
    grass = on_height(camera, observations.uv[near], BALL_RADIUS_M, observations.center_px)
    is_front = np.median(grass[1]) > _SURELY_FRONT_M
    told = _resting_ball(observations)
    # Seen from behind the goal, the ball lies as far beyond the line.
    behind = front
    if told is not None:
        beyond = replace(told, distance_m=-told.distance_m)
        behind = find_cameras(*given, resting=beyond) or front
        front = find_cameras(*given, resting=told) or front
    if is_front:
        return tuple(front)
    return (*(seen_from_behind(mode) for mode in behind), *front)


def _resting_ball(observations: Observations) -> RestingBall | None:
    """The ball before the kick, where somebody has told how far from the goal line it lay."""
    if observations.distance_m is None or observations.kick_s is None:
        return None
    before = np.flatnonzero(observations.times_s <= observations.kick_s)[-_AT_REST:]
    if not len(before):
        return None
    known = observations.has_diameter[before] > 0
    size_px = (
        float(np.exp(np.median(observations.log_diameter[before[known]])))
        if known.any()
        else math.nan
    )
    return RestingBall(np.median(observations.uv[before], axis=0), size_px, observations.distance_m)


def _possible_kicks(observations: Observations) -> tuple[Floats, int]:
    """Times at which the ball may have been kicked, and how many pairs to draw for each."""
    if observations.kick_s is not None:
        reach = np.arange(-_KICK_REACH_FRAMES, _KICK_REACH_FRAMES + 0.1, _KICK_STEP_FRAMES)
        return observations.kick_s + reach / observations.fps, _SAMPLES_NEAR
    last = max(float(observations.times_s[-1]) - _LEAST_OBSERVATIONS / observations.fps, 0.0)
    step = 1 / min(observations.fps, _MOST_KICKS_PER_S)
    return np.arange(0.0, last + 1e-6, step), _SAMPLES_ANYWHERE


def _verdict_of(fit: ShotFit, head: Head) -> ShotVerdict:
    posterior, features = fit.posterior, fit.features
    probability = head.probability(features)
    sure = head.is_sure(probability) and is_seen(features)
    speed, interval = _calibrated_kmh(features["speed_kmh"], "foot", features, head)
    line_speed, line_interval = _calibrated_kmh(fit.line_speed_kmh, "line", features, head)
    crossing = findings.crossing_m(posterior)
    outcomes = findings.outcome_shares(posterior)
    return ShotVerdict(
        method="3d",
        goal_probability=probability,
        is_goal=probability > 0.5,
        abstained=not sure,
        reason=_why(features, outcomes, probability, sure=sure),
        speed_kmh=speed,
        speed_interval_kmh=interval,
        crossing_m=None if crossing is None else crossing[0],
        events=findings.find_path_events(posterior),
        line_speed_kmh=line_speed,
        line_speed_interval_kmh=line_interval,
        outcomes=outcomes,
        path=findings.fitted_path(posterior, fit.question.scale),
        details={
            "features": features,
            "fit_probability": findings.goal_probability(posterior),
            "crossing_sd_m": None if crossing is None else list(crossing[1]),
        },
    )


def is_seen(features: Mapping[str, float]) -> bool:
    """Whether the flight is observed; else its speed would come from the priors alone."""
    return features["flight_observations"] >= _LEAST_OBSERVATIONS


def _calibrated_kmh(
    fitted_kmh: float | None, place: Place, features: Mapping[str, float], head: Head
) -> tuple[float, tuple[float, float]] | tuple[None, None]:
    """The corrected speed and its 90 % interval, if the ball is seen to fly."""
    if fitted_kmh is None or not is_seen(features):
        return None, None
    speed = head.correct_kmh(features, fitted_kmh, place)
    half_width = head.half_width_kmh(features, place)
    return speed, (max(0.0, speed - half_width), speed + half_width)


def _why(
    features: Mapping[str, float], outcomes: Mapping[str, float], probability: float, *, sure: bool
) -> str:
    """What the verdict rests on, or why there is none, in one sentence for a user."""
    first, second = sorted(outcomes, key=lambda name: -outcomes[name])[:2]
    if not sure:
        return f"Can't tell, because {_obstacle(features, first, second)}."
    is_goal = probability > 0.5
    fitting = [item.name for item in BANK if item.goes[0 if is_goal else 1]]
    said = max(fitting, key=lambda name: outcomes[name])
    clauses = OUTCOME_WORDS | _GOAL_CLAUSES if is_goal else OUTCOME_WORDS
    verdict, frames = "Goal" if is_goal else "No goal", features["flight_observations"]
    return f"{verdict}: {clauses[said]}, the flight fitted to {frames:.0f} frames."


def _obstacle(features: Mapping[str, float], first: str, second: str) -> str:
    """The main reason for abstaining, checked in order of weight."""
    seen = features["flight_observations"]
    if not is_seen(features):
        frames = "1 frame" if seen == 1 else f"{seen:.0f} frames"
        return f"the ball is seen in only {frames} of its flight"
    if features["miss_px"] > _ROUGH_PX:
        return "no flight fits what was seen of the ball"
    if abs(features["margin_mean"]) < max(_NEAR_MARGIN_M, features["margin_sd"]):
        return "the ball meets the plane of the goal too near to the post or the bar"
    angle = features["camera_angle_deg"]
    along = min(angle, 180.0 - angle) < _ALONG_DEG
    if along and features["camera_distance"] > _FAR_M:
        return (
            "the camera looks straight along the shot from "
            f"{features['camera_distance']:.0f} m: a ball in the net and one saved on the line "
            "look alike"
        )
    return (
        f"two things explain what was seen about as well: {OUTCOME_WORDS[first]}, "
        f"or {OUTCOME_WORDS[second]}"
    )
