"""The verdict on one shot, from the ball's track and the goal's corners.

The unit is one shot. The 3D method finds the camera from the goal, guesses kicks, fits every
hypothesis of what became of the ball and calibrates the result with a small head trained on
simulated shots. The 2D method is the baseline (`rules2d`). Mirroring, scaling or delaying a shot
does not change its verdict. Shifting it within the picture does change the 3D verdict, because the
principal point is taken to be the middle of the picture.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.ball.events import find_kick
from workbench.shots.ball.track import BallTrack
from workbench.shots.fit3d import findings
from workbench.shots.fit3d.firstguess import guess_kicks
from workbench.shots.fit3d.fit import Observations
from workbench.shots.fit3d.flat_features import flat_features
from workbench.shots.fit3d.head import Head, Place
from workbench.shots.fit3d.posterior import Posterior
from workbench.shots.fit3d.question import Question, ask
from workbench.shots.fit3d.search import fit_hypotheses
from workbench.shots.goal.camera import CameraMode, find_cameras, on_height, seen_from_behind
from workbench.shots.goal.corners import is_convex, order_corners
from workbench.shots.rules2d import judge_flat
from workbench.shots.verdict import Method, ShotError, ShotVerdict

_KICK_REACH_FRAMES, _KICK_STEP_FRAMES = 2.0, 0.5  # around a given contact frame
_SAMPLES_NEAR, _SAMPLES_ANYWHERE = 32, 12  # pairs for each time of the kick
_MOST_KICKS_PER_S = 30.0
_GUESSES = 3
_SURELY_FRONT_M = 0.5  # of a kick before the line; then the camera is not behind the goal
_SEED = 20260601  # of the samples: the same question gets the same answer

_LEAST_OBSERVATIONS = 5  # of a flight; fewer fix no path
_ALONG_DEG, _FAR_M = 25.0, 18.0  # from this far, a camera along the shot sees no depth
_NEAR_MARGIN_M = 0.25
_ROUGH_PX = 6.0

_OUTCOME_CLAUSES = {
    "net": "the ball is stopped by the net",
    "held": "somebody holds the ball in front of the line",
    "parried": "the ball is turned away in front of the line",
    "blocked": "the ball is stopped well in front of the goal",
    "frame": "the ball comes off the post or the bar",
    "outside": "the ball passes beside or over the goal",
    "side net": "the ball hits the net from outside",
    "beyond": "the ball goes through a goal without a net",
    "none": "nothing stops the ball while it is seen",
}

_GOAL_CLAUSES = {
    "parried": "somebody touches the ball and it goes on into the goal",
    "blocked": "somebody touches the ball and it goes on into the goal",
    "frame": "the ball goes in off the post or the bar",
    "none": "the ball flies through the frame and on",
}
_GOALS, _NEVER_GOALS = ("net", "beyond"), ("held", "outside", "side net")


@dataclass(frozen=True)
class ShotFit:
    """What the fit says of a shot, not yet calibrated by the head."""

    question: Question
    observations: Observations
    posterior: Posterior
    features: dict[str, float]  # always the same names, always finite
    speed_kmh: float
    line_speed_kmh: float | None  # None where the ball probably does not reach the line


class CannotFitError(Exception):
    """Nothing can be fitted; the message says why, as the end of a sentence."""


def judge_shot(
    track: BallTrack | pd.DataFrame,
    goal_corners_px: ArrayLike,
    *,
    goal_size_m: tuple[float, float] = (7.32, 2.44),
    fps: float,
    image_wh: tuple[int, int],
    people: ArrayLike | None = None,
    kick_frame: float | None = None,
    method: Method = "3d",
) -> ShotVerdict:
    """Judge one shot at goal.

    Args:
        track: The ball's track, wrong finds included, or a table with `ball.track.TRACK_COLUMNS`.
        goal_corners_px: Corners (4, 2) of the inner edge of the goal's frame, in any order.
        goal_size_m: Inner width and height of the goal.
        fps: Frames per second.
        image_wh: Width and height of the picture; its middle is taken for the principal point.
        people: People who stand upright (n, 4) as foot x, foot y, head x, head y; they pin the
            camera's height and tilt.
        kick_frame: When the foot meets the ball, if known to about two frames.
        method: "3d", or "2d" for the rules in the picture.

    Returns:
        The verdict. Where the track or the view is too poor it abstains and says why.

    Raises:
        ShotError: If an argument is not what it must be.

    Example:
        >>> shot = simulate_shot(0)
        >>> judge_shot(**shot.question()).is_goal == shot.is_goal
        True
    """
    if method not in ("3d", "2d"):
        raise ShotError(f"unknown method {method!r}", 'choose "3d" or "2d"')
    question = ask(
        track,
        goal_corners_px,
        goal_size_m=goal_size_m,
        fps=fps,
        image_wh=image_wh,
        people=people,
        kick_frame=kick_frame,
    )
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
    kicks, samples = _possible_kicks(question, observations)
    guesses = guess_kicks(observations, modes, kicks, samples=samples, keep=_GUESSES, rng=rng)
    if not len(guesses.parameters):
        raise CannotFitError("no flight fits what was seen of the ball")
    posterior = fit_hypotheses(
        observations, modes, guesses, kick_s=question.kick_s, frame_s=1 / question.fps, rng=rng
    )
    features = findings.feature_row(posterior, observations, modes, question.clock)
    features |= flat_features(
        question.track,
        question.clicked_px,
        fps=question.fps,
        kick_frame=question.clock.frame(posterior.kick_s),
        goal_size_m=question.goal_size_m,
    )
    (speed_kmh, _), line = findings.kick_speed_kmh(posterior), findings.line_speed_kmh(posterior)
    line_kmh = None if line is None else line[0]
    return ShotFit(question, observations, posterior, features, speed_kmh, line_kmh)


def _find_modes(
    question: Question, observations: Observations, corners_px: Floats
) -> tuple[CameraMode, ...]:
    """Cameras on the side of the goal from which the ball is shot towards it.

    If a camera on the pitch puts the ball behind the goal line, the camera stands behind the goal.
    A ball kicked in the air seems to lie behind the line too, so both sides are tried then.
    """
    front = find_cameras(corners_px, question.goal_size_m, question.standard_wh, question.people)
    if not front:
        raise CannotFitError("no camera sees a goal of this size like this")
    kick_s = question.kick_s if question.kick_s is not None else 0.0
    near = np.argsort(np.abs(observations.times_s - kick_s), kind="stable")[:5]
    camera = front[0].parameters[None]
    grass = on_height(camera, observations.uv[near], BALL_RADIUS_M, observations.center_px)
    if np.median(grass[1]) > _SURELY_FRONT_M:
        return tuple(front)
    return (*(seen_from_behind(mode) for mode in front), *front)


def _possible_kicks(question: Question, observations: Observations) -> tuple[Floats, int]:
    """Times at which the ball may have been kicked, and how many pairs to draw for each."""
    if question.kick_s is not None:
        reach = np.arange(-_KICK_REACH_FRAMES, _KICK_REACH_FRAMES + 0.1, _KICK_STEP_FRAMES)
        return question.kick_s + reach / question.fps, _SAMPLES_NEAR
    last = max(float(observations.times_s[-1]) - _LEAST_OBSERVATIONS / question.fps, 0.0)
    step = 1 / min(question.fps, _MOST_KICKS_PER_S)
    return np.arange(0.0, last + 1e-6, step), _SAMPLES_ANYWHERE


def _verdict_of(fit: ShotFit, head: Head) -> ShotVerdict:
    question, posterior, features = fit.question, fit.posterior, fit.features
    probability = head.probability(features)
    sure = head.is_sure(probability) and _is_seen(features)
    speed, interval = _calibrated_kmh(fit.speed_kmh, "foot", features, head)
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
        events=findings.find_path_events(posterior, fit.observations, question.clock),
        line_speed_kmh=line_speed,
        line_speed_interval_kmh=line_interval,
        outcomes=outcomes,
        path=findings.fitted_path(posterior, fit.observations, question.clock, question.scale),
        details={
            "features": features,
            "fit_probability": findings.goal_probability(posterior),
            "crossing_sd_m": None if crossing is None else list(crossing[1]),
        },
    )


def _is_seen(features: Mapping[str, float]) -> bool:
    """Whether the flight is observed; else its speed would come from the priors alone."""
    return features["flight_observations"] >= _LEAST_OBSERVATIONS


def _calibrated_kmh(
    fitted_kmh: float | None, place: Place, features: Mapping[str, float], head: Head
) -> tuple[float, tuple[float, float]] | tuple[None, None]:
    """The corrected speed and its 90 % interval, if the ball is seen to fly."""
    if fitted_kmh is None or not _is_seen(features):
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
    fitting = [name for name in outcomes if name not in (_NEVER_GOALS if is_goal else _GOALS)]
    said = max(fitting, key=lambda name: outcomes[name])
    clause = _GOAL_CLAUSES.get(said, _OUTCOME_CLAUSES[said]) if is_goal else _OUTCOME_CLAUSES[said]
    verdict = "Goal" if is_goal else "No goal"
    return (
        f"{verdict}: {clause}, the flight fitted to {features['flight_observations']:.0f} frames."
    )


def _obstacle(features: Mapping[str, float], first: str, second: str) -> str:
    """The main reason for abstaining, checked in order of weight."""
    seen = features["flight_observations"]
    if not _is_seen(features):
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
        f"two things explain what was seen about as well: {_OUTCOME_CLAUSES[first]}, "
        f"or {_OUTCOME_CLAUSES[second]}"
    )
