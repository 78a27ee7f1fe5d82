"""Who describes a clip: rules that say what is known, and others to compare them with.

The unit is one clip's facts in, one to three sentences out. A fact that is not known is not said.
With a random generator the wording varies, for texts to learn from; without one it is always the
same. A writer of one's own is any function with this signature, named in `WRITERS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from workbench.describe.facts import ClipFacts

_SPORT_OF = {"shot": "soccer player", "swing": "baseball batter", "layup": "basketball player"}
_DOES = {
    "shot": ("shoots", "strikes the ball", "takes a shot"),
    "swing": ("swings the bat", "takes a swing", "swings at the pitch"),
    "layup": ("goes up for a lay-up", "makes a lay-up", "finishes with a lay-up"),
}
_BEFORE = {
    "shot": ("runs up", "approaches the ball"),
    "swing": ("waits in the stance", "loads the swing"),
    "layup": ("runs in", "dribbles in"),
}
_AFTER = ("follows through", "follows through to the end")
_MOMENT = {"shot": "contact", "swing": "contact", "layup": "take-off"}
_LIMB = {"shot": "footed", "swing": "handed", "layup": "handed"}
OTHERS = {
    "jog": "jogs past", "idle": "stands around", "await_pitch": "waits for the pitch",
    "dribble_hand": "bounces a ball", "dribble_foot": "dribbles a ball", "juggle": "juggles a ball",
    "throw_in": "takes a throw-in", "header": "heads the ball", "pick_up": "picks up a ball",
    "wave": "waves", "clap": "claps", "cheer": "cheers", "stretch": "stretches",
}  # fmt: skip
NOTHING = "There is no shot, swing or lay-up in this clip."

Writer = Callable[[ClipFacts, np.random.Generator | None], str]


def write_by_rules(facts: ClipFacts, rng: np.random.Generator | None = None) -> str:
    """Say what is known, and nothing else.

    Example:
        >>> write_by_rules(ClipFacts("soccer", "shot", moment_s=0.84))
        'A soccer player runs up and shoots, with contact at 0.8 s, then follows through.'
    """
    if facts.sport is None:
        return "What happens in this clip cannot be told."
    act = facts.act
    if act is None or not facts.is_act:
        return f"Somebody {OTHERS[act]}. {NOTHING}" if act in OTHERS else NOTHING
    who = f"{facts.side}-{_LIMB[act]} {_SPORT_OF[act]}" if facts.side else _SPORT_OF[act]
    at = "" if facts.moment_s is None else f", with {_MOMENT[act]} at {facts.moment_s:.1f} s"
    before, does = _pick(_BEFORE[act], rng), _pick(_DOES[act], rng)
    until = "" if facts.start_s is None else f" until {facts.start_s:.1f} s"
    sentences = [f"A {who} {before}{until} and {does}{at}, then {_pick(_AFTER, rng)}."]
    if facts.speed_kmh is not None:
        sentences.append(f"The ball leaves at {facts.speed_kmh:.0f} km/h.")
    if facts.degrees:
        told = [f"the {name} is {value:.0f}°" for name, value in facts.degrees.items()]
        sentences.append(f"At {_MOMENT[act]} {', '.join(told)}.")
    if facts.result is not None:
        sentences.append("It is a goal." if facts.result == "goal" else "It is no goal.")
    return " ".join(sentences)


def write_everything(facts: ClipFacts, rng: np.random.Generator | None = None) -> str:
    """Say what is known, and guess the rest as most are: right, and in the middle of the clip."""
    if not facts.is_act:
        return write_by_rules(facts, rng)
    side, moment_s = facts.side or "right", 0.8 if facts.moment_s is None else facts.moment_s
    knee = {"shot": "kicking", "swing": "front", "layup": "lifted"}[facts.act or "shot"]
    degrees = facts.degrees or {f"{knee} knee bend": 40.0, "trunk lean": 15.0}
    return write_by_rules(replace(facts, side=side, moment_s=moment_s, degrees=degrees), rng)


WRITERS: Mapping[str, Writer] = {"rules": write_by_rules, "everything": write_everything}


def plant_lie(facts: ClipFacts) -> ClipFacts:
    """The other side, times 0.4 s late, angles 20° more: what a metric must not reward."""
    side = {"left": "right", "right": "left"}.get(facts.side or "")
    moment_s, start_s = (None if t is None else t + 0.4 for t in (facts.moment_s, facts.start_s))
    degrees = {name: value + 20 for name, value in facts.degrees.items()}
    return replace(facts, side=side, moment_s=moment_s, start_s=start_s, degrees=degrees)  # type: ignore[arg-type]


def _pick(words: Sequence[str], rng: np.random.Generator | None) -> str:
    return words[0] if rng is None else words[int(rng.integers(len(words)))]
