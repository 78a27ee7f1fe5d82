"""What a coach may say about one shot: the verdict, the foot, the speed, the place, the technique.

The unit is one shot. Numbers are rounded as they may be said; whatever is unknown is absent, with
the reason in words. Knows nothing about sentences.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_type_hints

from workbench.saving import from_json, reading
from workbench.shots.analysed import SHOT_FORMAT, ShotAnalysis
from workbench.shots.players.technique import Foot, Side, TechniqueMeasure
from workbench.shots.verdict import ShotError, ShotVerdict
from workbench.shots.words import percent, place_words, why_words

Result = Literal["goal", "no goal", "can't tell", "no shot"]
Standing = Literal["low", "good", "high", "unsure"]


@dataclass(frozen=True)
class Measure:
    """One figure of the technique with its error bar."""

    name: str
    unit: str
    value: int
    low: int  # nine in ten lie between this …
    high: int  # … and this
    good_low: int
    good_high: int

    @property
    def standing(self) -> Standing:
        """Where the whole error bar lies against the good range; unsure where it crosses an end."""
        if self.high < self.good_low:
            return "low"
        if self.low > self.good_high:
            return "high"
        return "good" if self.good_low <= self.low and self.high <= self.good_high else "unsure"

    @property
    def excess(self) -> float:
        """How far outside the good range, in widths of that range."""
        beyond = max(self.good_low - self.value, self.value - self.good_high, 0)
        return beyond / max(1, self.good_high - self.good_low)


@dataclass(frozen=True)
class ShotFacts:
    """The facts of one shot."""

    result: Result
    why: str = ""  # of a verdict that abstains; the end of a sentence
    remedy: str = ""  # what would help then; the end of a sentence
    sure: str = ""  # such as "96 %" or "over 99 %"; empty without a verdict
    foot: Side | None = None
    speed_kmh: int | None = None
    speed_interval_kmh: tuple[int, int] | None = None  # 90 %
    place: str = ""  # where it crossed the plane of the goal, as `words.place_words` says it
    measures: tuple[Measure, ...] = ()
    no_technique: str = ""  # why nothing was measured; one sentence


def facts_of(shot: ShotAnalysis) -> ShotFacts:
    """Return what was measured of a shot.

    The technique is left out where the foot is not known, for a knee of the wrong leg is no fact.
    """
    return _facts(shot.verdict, shot.foot, shot.technique, shot.goal_wh_m)


def read_facts(path: Path) -> ShotFacts:
    """Return what was measured of a shot that the stage analyse_shots has saved.

    Raises:
        ShotError: If the file is no such analysis.
    """
    kinds = get_type_hints(ShotAnalysis)
    with reading(path, "an analysed shot", error=ShotError) as content:
        if content.get("format") != SHOT_FORMAT:
            raise ShotError(f"{path} is no analysed shot", "give a video, or a file of a shot")
        names = ("verdicts", "foot", "technique", "goal_wh_m")
        found = {name: from_json(kinds[name], content[name]) for name in names}
    return _facts(found["verdicts"]["3d"], found["foot"], found["technique"], found["goal_wh_m"])


def _facts(
    verdict: ShotVerdict,
    found_foot: Foot | None,
    technique: tuple[TechniqueMeasure, ...],
    goal_wh_m: tuple[float, float],
) -> ShotFacts:
    foot = found_foot.side if found_foot is not None else None
    likely = verdict.goal_probability if verdict.is_goal else 1 - verdict.goal_probability
    result: Result = "goal" if verdict.is_goal else "no goal"
    if verdict.abstained:
        result = "no shot" if verdict.no_shot else "can't tell"
    place = ""
    if verdict.crossing_m is not None and not verdict.abstained:
        place = ", ".join(place_words(verdict.crossing_m, goal_wh_m))
    interval = verdict.speed_interval_kmh
    measures = tuple(
        _measure(one, *one.spread)
        for one in technique
        if foot is not None and one.value is not None and one.spread is not None
    )
    notes = [one.note for one in technique if one.note]
    return ShotFacts(
        result=result,
        why=why_words(verdict) if verdict.abstained else "",
        remedy=verdict.remedy,
        sure="" if verdict.abstained else percent(likely),
        foot=foot,
        speed_kmh=None if verdict.speed_kmh is None else round(verdict.speed_kmh),
        speed_interval_kmh=None if interval is None else (round(interval[0]), round(interval[1])),
        place=place,
        measures=measures,
        no_technique="" if measures else notes[0] if notes else "Nobody was seen to strike.",
    )


def _measure(one: TechniqueMeasure, low: float, high: float) -> Measure:
    assert one.value is not None
    return Measure(
        one.name, one.unit, round(one.value), max(0, round(low)), round(high),
        round(one.good_low), round(one.good_high),
    )  # fmt: skip


def facts_words(facts: ShotFacts) -> str:
    """Return the facts as lines, as a model is given them."""
    lines = [f"result: {facts.result.upper()}{f' ({facts.sure} sure)' if facts.sure else ''}"]
    if facts.why:
        lines.append(f"why: {facts.why}")
    if facts.remedy:
        lines.append(f"what would help: {facts.remedy}")
    lines.append(f"kicking foot: {facts.foot or 'not known'}")
    if facts.speed_kmh is not None:
        between = facts.speed_interval_kmh
        spread = f" (between {between[0]} and {between[1]})" if between else ""
        lines.append(f"ball speed: {facts.speed_kmh} km/h{spread}")
    if facts.place:
        lines.append(f"where it crossed the goal line: {facts.place}")
    says = {"low": "TOO LOW", "high": "TOO HIGH", "good": "OK", "unsure": "CANNOT BE JUDGED"}
    lines += [
        f"{one.name}: {one.value}{one.unit} (between {one.low} and {one.high}; good is "
        f"{one.good_low} to {one.good_high}): {says[one.standing]}"
        for one in facts.measures
    ]
    if not facts.measures:
        lines.append("technique: nothing was measured")
    return "\n".join(f"- {line}" for line in lines)
