"""What a 3D verdict rests on, or why there is none, in one sentence for a user.

Reads figures of the fit (`findings.feature_row`) and the probabilities of the explanations; decides
nothing.
"""

from collections.abc import Mapping

LEAST_OBSERVATIONS = 5  # of a flight; fewer fix no path
_ALONG_DEG, _FAR_M = 25.0, 18.0  # a camera that looks along the shot from this far has no depth
_NEAR_MARGIN_M = 0.25
_ROUGH_PX = 6.0

OUTCOME_CLAUSES = {
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


def why(
    features: Mapping[str, float], outcomes: Mapping[str, float], probability: float, *, sure: bool
) -> str:
    """Return the sentence.

    Args:
        features: Of the fit.
        outcomes: Probability of each explanation by name.
        probability: That it was a goal.
        sure: Whether the verdict is to be relied upon.
    """
    first, second = sorted(outcomes, key=lambda name: -outcomes[name])[:2]
    if not sure:
        return f"Can't tell, because {_obstacle(features, first, second)}."
    is_goal = probability > 0.5
    fitting = [name for name in outcomes if name not in (_NEVER_GOALS if is_goal else _GOALS)]
    said = max(fitting, key=lambda name: outcomes[name])
    clause = _GOAL_CLAUSES.get(said, OUTCOME_CLAUSES[said]) if is_goal else OUTCOME_CLAUSES[said]
    verdict = "Goal" if is_goal else "No goal"
    return (
        f"{verdict}: {clause}, the flight fitted to {features['flight_observations']:.0f} frames."
    )


def _obstacle(features: Mapping[str, float], first: str, second: str) -> str:
    """What stands most in the way, the gravest first."""
    seen = features["flight_observations"]
    if seen < LEAST_OBSERVATIONS:
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
        f"two things explain what was seen about as well: {OUTCOME_CLAUSES[first]}, "
        f"or {OUTCOME_CLAUSES[second]}"
    )
