"""What happens in a clip, as facts that words can state: from the truth, or from what models found.

The unit is one clip. A fact that is not known is None or absent. Knows nothing about sentences.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from workbench.describe.keyframes import Curve, DescribeError
from workbench.describe.moment import MomentFinder
from workbench.describe.posture import Side
from workbench.footage.clips import Clip
from workbench.saving import reading
from workbench.shots.coach.facts import ShotFacts
from workbench.simulated.technique import STARTS_S

ACTS = {"soccer": "shot", "baseball": "swing", "basketball": "layup"}  # sport to its act


@dataclass(frozen=True)
class ClipFacts:
    """The facts of one clip."""

    sport: str | None = None  # soccer, baseball, basketball, or none: nobody does any of these
    act: str | None = None  # shot, swing, layup; or what else somebody does, such as jog
    side: Side | None = None  # the foot of a shot, else the hand
    moment_s: float | None = None  # of contact or take-off, since the clip's start
    degrees: Mapping[str, float] = field(default_factory=dict)  # by name, such as "trunk lean"
    speed_kmh: float | None = None  # of the ball, just struck
    result: Literal["goal", "no goal"] | None = None
    start_s: float | None = None  # of the execution; the preparation ends there

    @property
    def is_act(self) -> bool:
        """Whether one of the three acts is seen."""
        return self.act in ACTS.values()

    def known(self) -> frozenset[str]:
        """The kinds of fact that are known; all angles together are one."""
        told = {
            "sport": self.sport, "act": self.act, "side": self.side,
            "phases": self.is_act or None, "start": self.start_s, "moment": self.moment_s,
            "degrees": self.degrees or None, "speed": self.speed_kmh, "result": self.result,
        }  # fmt: skip
        return frozenset(kind for kind, value in told.items() if value is not None)


def true_facts(clip: Clip, footage_dir: Path) -> ClipFacts:
    """Return the facts of a clip of built-in footage.

    Raises:
        DescribeError: If the clip has no truth.
    """
    if clip.truth is None:
        raise DescribeError(f"{clip.clip_id} has no truth", "give built-in footage")
    with reading(footage_dir / clip.truth, "the truth of a clip", error=DescribeError) as content:
        return facts_told(content["clip"])


def facts_told(told: Mapping[str, Any]) -> ClipFacts:
    """Return the facts that the truth of a rendered clip tells, its `clip` entry."""
    shot, act, sport = told.get("shot"), told["act"], str(told["sport"])
    if act not in ACTS.values():
        return ClipFacts(sport, act)
    angles = {
        name: float(value)
        for name, value in (shot or told).get("technique", {}).items()
        if name != "hip drive"
    }
    start_s = float(told["phases"]["execution"][0]) if "phases" in told else None
    facts = ClipFacts(sport, act, degrees=angles, start_s=start_s)
    if shot is None:
        side: Side = "left" if told["left_handed"] else "right"
        return replace(facts, side=side, moment_s=float(told["decisive_s"]))
    return replace(
        facts,
        side="left" if shot["foot"] == "left" else "right",
        moment_s=float(shot["contact_s"]),
        speed_kmh=float(shot["speed_kmh"]),
        result="goal" if shot["is_goal"] else "no goal",
    )


def found_facts(
    sport: str | None,
    energy: Curve | None = None,
    duration_s: float = 0.0,
    finder: MomentFinder | None = None,
    *,
    closest_s: float = 0.25,
) -> ClipFacts:
    """Return the facts of a clip as models tell them.

    Args:
        sport: As a classifier calls it; None where it is not sure enough.
        energy: The clip's motion (`keyframes.local_motion`).
        duration_s: Its length.
        finder: Of the decisive moment; it is left out where the error may exceed `closest_s`.
            The execution starts as long before it as it does in rendered clips.
        closest_s: See there.
    """
    if sport is None:
        return ClipFacts()
    if sport not in ACTS:
        return ClipFacts("none")
    act = ACTS[sport]
    facts = ClipFacts(sport, act)
    if energy is None or finder is None:
        return facts
    moment = finder.find(energy, act, duration_s)
    if moment is None or finder.error_s[act] > closest_s:
        return facts
    start_s = max(0.0, moment.time_s - STARTS_S[act])
    return replace(facts, moment_s=moment.time_s, start_s=start_s)


def shot_facts(found: ShotFacts, contact_s: float | None) -> ClipFacts:
    """Return the facts of an analysed shot, of which only what is sure is kept."""
    if found.result == "no shot":
        return ClipFacts()
    return ClipFacts(
        sport="soccer",
        act="shot",
        side=found.foot,
        moment_s=contact_s,
        degrees={one.name: float(one.value) for one in found.measures if one.unit == "°"},
        speed_kmh=None if found.speed_kmh is None else float(found.speed_kmh),
        result=found.result if found.result in ("goal", "no goal") else None,
    )
