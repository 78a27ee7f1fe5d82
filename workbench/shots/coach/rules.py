"""A coach of rules: Verdict, Fix, Fix, Drill, made of the facts alone.

The unit is one shot. What is wrong for sure comes first, the worst before the rest; where nothing
is, the coach says what would let more be measured. Every sentence passes the guard.
"""

from typing import Literal

from workbench.shots.coach.facts import Measure, ShotFacts
from workbench.shots.words import ADVICE

Part = Literal["Verdict", "Fix 1", "Fix 2", "Drill"]
PARTS: tuple[Part, ...] = ("Verdict", "Fix 1", "Fix 2", "Drill")

_DRILLS = {
    "standing knee bend": "Ten plants beside a still ball: hold each for two seconds, then strike.",
    "kicking knee bend": "Ten slow kicks against a wall: let the lower leg unfold after the knee "
    "has passed the ball.",
    "trunk lean": "Ten shots at a low target, chest over the ball.",
    "hip drive": "Ten kicks without a run-up: drive only from the hip.",
}
_CALMER = "Ten kicks at three quarters of your speed: a clean contact each time."
_SAME_PLACE = "Ten shots at one corner with the same run-up: count how many land."
_FILM_IT = "Film five shots in a row from one place, the phone on a tripod, and look again."
_NEARER = "Film nearer, the whole shooter in view, so that the pose can be measured."
_STEADY = "Film it from a little to the side, with the shooter and the whole goal in the picture."


def coach_by_rules(facts: ShotFacts) -> dict[Part, str]:
    """Return the four parts, each one or two sentences, whatever is known.

    Example:
        >>> coach_by_rules(ShotFacts("goal", sure="96 %", foot="left", speed_kmh=79))["Verdict"]
        'Goal: a left-footed shot at 79 km/h, 96 % sure.'
    """
    fixes, drill = _fixes(facts)
    return {"Verdict": _verdict(facts), "Fix 1": fixes[0], "Fix 2": fixes[1], "Drill": drill}


def _verdict(facts: ShotFacts) -> str:
    strike = _strike(facts)
    if facts.result == "no shot":
        return f"There is no shot to judge here: {facts.why}."
    if facts.result == "can't tell":
        known = f" What is known: {strike}." if strike else ""
        return f"Whether it was a goal cannot be said: {facts.why}.{known}"
    told = ", ".join(part for part in (strike, f"{facts.sure} sure" if facts.sure else "") if part)
    if facts.result == "goal":
        place = f" It crossed the line {facts.place}." if facts.place else ""
        return f"Goal{': ' if told else ''}{told}.{place}"
    place = f" It passed {facts.place}." if facts.place else ""
    return f"No goal this time{': ' if told else ''}{told}.{place}"


def _strike(facts: ShotFacts) -> str:
    if facts.foot is None and facts.speed_kmh is None:
        return ""
    words = f"a {facts.foot}-footed shot" if facts.foot else "a shot"
    if facts.speed_kmh is None:
        return words
    between = facts.speed_interval_kmh
    spread = f" ({between[0]}–{between[1]})" if between else ""
    return f"{words} at {facts.speed_kmh} km/h{spread}"


def _fixes(facts: ShotFacts) -> tuple[list[str], str]:
    """Two fixes and a drill."""
    if facts.result == "no shot":
        help_ = f"What would help: {facts.remedy}." if facts.remedy else _STEADY
        return [help_, "Choose a clip that shows a kick at the goal from its run-up on."], _FILM_IT
    wrong = [one for one in facts.measures if one.standing in ("low", "high")]
    wrong.sort(key=lambda one: -one.excess)
    fixes = [f"{ADVICE[one.name, one.standing]} {_figure(one)}" for one in wrong]
    if facts.result == "can't tell":
        fixes.append(f"What would help: {facts.remedy}." if facts.remedy else _STEADY)
    good = [one for one in facts.measures if one.standing == "good"]
    fixes += [f"Keep the {one.name} as it is. {_figure(one)}" for one in good]
    fixes += [
        f"Film it again, nearer, before anything is changed here. {_figure(one)}"
        for one in facts.measures
        if one.standing == "unsure"
    ]
    if not facts.measures:
        fixes.append(_NEARER)
        fixes.append("Nothing was measured of the technique, so there is nothing to correct in it.")
    fixes.append("Shoot from the same spot again, so that two clips can be compared.")
    if wrong:
        worst = wrong[0]
        too_fast = worst.name == "hip drive" and worst.standing == "high"
        return fixes[:2], _CALMER if too_fast else _DRILLS[worst.name]
    return fixes[:2], _FILM_IT if facts.result == "can't tell" else _SAME_PLACE


def _figure(one: Measure) -> str:
    says = {
        "low": "below the good range of", "high": "above the good range of",
        "good": "within the good range of", "unsure": "too near an end to judge of",
    }  # fmt: skip
    sign = one.unit
    return (
        f"The {one.name} was {one.value}{sign} ({one.low}–{one.high}), {says[one.standing]} "
        f"{one.good_low} to {one.good_high}{sign}."
    )
