"""The wording of a verdict, the same on the video, in the figures and on the page.

Numbers have no more digits than their interval supports, and where the analysis abstained no
verdict is given. Knows nothing about layout.
"""

from collections.abc import Sequence

from workbench.labels.shotclicks import ShotClick
from workbench.shots.goal.clicked import CLICKED
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.technique import Foot, TechniqueMeasure
from workbench.shots.verdict import ShotEvent, ShotVerdict
from workbench.style import GREEN, GREY, VERMILION

_EVENT_WORDS = {"line": "goal line", "rest": "at rest"}  # the other events are words already
METHOD_WORDS = {"3d": "the flight fitted in 3D", "2d": "rules in the picture (2D)"}
OUTCOME_WORDS = {  # of the fit's hypotheses
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
ADVICE = {
    ("standing knee bend", "low"): "Bend the standing leg a little: it carries and steadies you.",
    ("standing knee bend", "high"): "The standing leg gives way: plant it firmly beside the ball.",
    ("kicking knee bend", "low"): "The kicking leg is straight at contact: let it still unfold.",
    ("kicking knee bend", "high"): "The kicking leg is far bent at contact: strike it longer.",
    ("trunk lean", "high"): "The trunk leans far: stay over the ball to keep the shot down.",
    ("hip drive", "low"): "Swing the thigh faster: the ball’s speed comes from the hip.",
    ("hip drive", "high"): "A very fast swing: make sure the contact stays clean.",
}
_SAID = (  # what the headline says already
    *("Can't tell, because ", "No shot here: "),
    *("Goal: ", "No goal: "),
)


def event_words(event: ShotEvent) -> str:
    """Return what happened to the ball."""
    return _EVENT_WORDS.get(event.kind, event.kind)


def headline(verdict: ShotVerdict) -> str:
    """Return the verdict in two words."""
    if verdict.no_shot:
        return "No shot here"
    if verdict.abstained:
        return "Can’t tell"
    return "Goal" if verdict.is_goal else "No goal"


def headline_colour(verdict: ShotVerdict) -> str:
    """Return the headline's colour; it repeats the words and never replaces them."""
    if verdict.abstained:
        return GREY
    return GREEN if verdict.is_goal else VERMILION


def reason_words(verdict: ShotVerdict) -> str:
    """Return the reason without the verdict, which is shown beside it.

    Example:
        >>> why = "Can't tell, because there is no goal in view."
        >>> reason_words(ShotVerdict("3d", 0.5, False, True, why, None, None, None))
        'There is no goal in view.'
    """
    reason = why_words(verdict)
    return f"{reason[:1].upper()}{reason[1:]}." if reason else ""


def why_words(verdict: ShotVerdict) -> str:
    """Return the reason as the end of a sentence, without the verdict and the stop."""
    reason = verdict.reason
    for said in _SAID:
        reason = reason.removeprefix(said)
    return reason.removesuffix(".")


def remedy_words(verdict: ShotVerdict) -> str:
    """Return what would help a verdict that abstained, to stand behind its reason."""
    return f" What would help: {verdict.remedy}." if verdict.remedy else ""


def sure_words(verdict: ShotVerdict) -> str:
    """Return how sure the verdict is, as a percentage that never claims to be certain.

    Example:
        >>> goal = ShotVerdict("3d", 0.998, True, False, "", None, None, None)
        >>> sure_words(goal)
        'over 99 % sure'
    """
    if verdict.abstained:
        return "no verdict"
    likely = verdict.goal_probability if verdict.is_goal else 1 - verdict.goal_probability
    return f"{percent(likely)} sure"


def percent(share: float) -> str:
    """Return a probability in whole per cent; below 1 % and above 99 % as a bound."""
    if share > 0.99:
        return "over 99 %"
    return "under 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def speed_words(speed_kmh: float | None, interval_kmh: tuple[float, float] | None) -> str:
    """Return a speed with its interval.

    Example:
        >>> speed_words(78.66, (74.2, 83.9))
        '79 km/h (74–84)'
    """
    if speed_kmh is None:
        return "speed unknown"
    spread = f" ({interval_kmh[0]:.0f}–{interval_kmh[1]:.0f})" if interval_kmh else ""
    return f"{speed_kmh:.0f} km/h{spread}"


def foot_words(foot: Foot | None) -> str:
    """Return the foot that struck the ball."""
    if foot is None or not foot.confidence:
        return "foot not seen"
    return "foot unsure" if foot.side is None else f"{foot.side} foot"


def goal_words(goal: GoalView, *, briefly: bool = False) -> str:
    """Return whether the goal was clicked, found or neither, and, if not briefly, why.

    Example:
        >>> goal_words(GoalView(None, "none", "The goal is seen in no frame."))
        'missing. The goal is seen in no frame.'
    """
    if goal.method == CLICKED:
        return goal.reason
    word = "missing" if goal.corners_px is None else "found"
    return word if briefly else f"{word}. {goal.reason}"


def by_hand_words(click: ShotClick | None) -> str:
    """Return what a person corrected; nothing where nobody did.

    Example:
        >>> by_hand_words(ShotClick(kick_frame=31, foot="left", annotator="ann"))
        'kick, foot by ann'
    """
    if click is None:
        return ""
    told = {
        "kick": click.kick_frame is not None,
        "foot": click.foot,
        "ball": click.ball,
        "distance": click.distance_m is not None,
    }
    by = f" by {click.annotator}" if click.annotator else " by hand"
    return ", ".join(name for name, said in told.items() if said) + by


def goals_sentence(goals: Sequence[GoalView]) -> str:
    """Return in how many clips the goal was clicked, found or is missing.

    Example:
        >>> goals_sentence([GoalView(None, "none", "")])
        'The goal is missing in 1 of 1 clips: click it with workbench serve goals.'
    """
    missing = sum(goal.corners_px is None for goal in goals)
    clicked = sum(goal.method == CLICKED for goal in goals)
    counts = {"clicked": clicked, "found": len(goals) - clicked - missing, "missing": missing}
    said = ", ".join(f"{name} in {count}" for name, count in counts.items() if count)
    remedy = ": click it with workbench serve goals" if missing else ""
    return f"The goal is {said or 'looked for in no clip'} of {len(goals)} clips{remedy}."


def spread_words(interval_kmh: tuple[float, float] | None) -> str:
    """Return a speed's interval; nothing where there is none."""
    if interval_kmh is None:
        return ""
    return f"nine in ten: {interval_kmh[0]:.0f}–{interval_kmh[1]:.0f} km/h"


def place_words(crossing_m: tuple[float, float], goal_wh_m: tuple[float, float]) -> tuple[str, str]:
    """Return where the ball crossed, and what that is in terms of the goal.

    Example:
        >>> place_words((-1.42, 0.98), (5.0, 2.0))
        ('1.0 m up', '1.4 m right of the middle, 1.1 m inside the post')
    """
    x, z = crossing_m
    beside = abs(x) - goal_wh_m[0] / 2
    side = "left" if x > 0 else "right"
    post = f"{abs(beside):.1f} m {'outside' if beside > 0 else 'inside'} the post"
    return f"{max(0.0, z):.1f} m up", f"{abs(x):.1f} m {side} of the middle, {post}"


def advice_words(measure: TechniqueMeasure) -> str:
    """Return what to do about one figure of the technique."""
    return ADVICE.get((measure.name, measure.flag), "Within the range of good shots.")
