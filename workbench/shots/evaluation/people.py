"""Agreement of the chain with verdicts of people on real footage.

The unit is one clip that somebody judged in the goal labeller. An adjudicator's word is the truth;
without one, what two people see differently, or one is unsure of, is left out and counted: there is
no truth to compare with. Knows nothing about how the chain judges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workbench.labels.lastword import last_words
from workbench.labels.store import LabelStore
from workbench.labels.table import label_table
from workbench.saving import save_json, to_json
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.verdict import METHODS, Method
from workbench.shots.words import goal_words
from workbench.stats import Interval, choose_clusters, pooled_share, wilson


@dataclass(frozen=True)
class PeopleScore:
    """How often the chain says what people say."""

    right: dict[Method, Interval]  # agreement of each method where it decides
    abstained: dict[Method, int]  # clips on which it does not
    base_rate: Interval  # of the commoner answer of people
    judged: int  # clips with a goal or no goal that people agree on
    unsure: int  # clips left out: unsure, or judged differently

    def to_frame(self) -> pd.DataFrame:
        """One row per method."""
        rows = {
            method: {
                "agrees with people where it decides": str(score),
                "abstains": f"{self.abstained[method]} of {self.judged}",
                "the commoner answer agrees": str(self.base_rate),
            }
            for method, score in self.right.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def people_verdicts(store: LabelStore) -> dict[str, bool | None]:
    """Return for each judged clip whether people call it a goal; None where they cannot tell."""
    table = label_table(store, "verdict")
    said: dict[str, bool | None] = {}
    for item, rows in table.groupby("item_id", sort=True):
        answers = set(rows["verdict"].dropna())
        sure = len(answers) == 1 and answers <= {"goal", "no_goal"}
        said[str(item)] = answers == {"goal"} if sure else None
    for item, entry in last_words(store, "verdict").items():
        answer = (entry.value or {})["verdict"]
        said[item] = None if answer == "unsure" else answer == "goal"
    return said


def score_against_people(
    shots: Sequence[ShotAnalysis], said: dict[str, bool | None]
) -> PeopleScore:
    """Compare the verdicts of both methods with those of people on the same clips."""
    asked = [shot for shot in shots if shot.clip.clip_id in said]
    sure = [shot for shot in asked if said[shot.clip.clip_id] is not None]
    clips = [shot.clip for shot in sure]
    clusters = choose_clusters([one.session for one in clips], [one.clip_id for one in clips])
    right: dict[Method, Interval] = {}
    abstained: dict[Method, int] = {}
    goals = [bool(said[clip.clip_id]) for clip in clips]
    common = [goal == (sum(goals) > len(goals) / 2) for goal in goals]
    for method in reversed(METHODS):
        verdicts = [shot.verdicts[method] for shot in sure]
        decided = [not verdict.abstained for verdict in verdicts]
        pairs = zip(verdicts, goals, strict=True)
        agrees = [not one.abstained and one.is_goal == goal for one, goal in pairs]
        right[method] = pooled_share(agrees, decided, clusters) or wilson(0, 0)
        abstained[method] = len(sure) - sum(decided)
    base = pooled_share(common, None, clusters) or wilson(0, 0)
    return PeopleScore(right, abstained, base, judged=len(sure), unsure=len(asked) - len(sure))


def save_for_review(path: Path, shots: Sequence[ShotAnalysis]) -> Path:
    """Write the verdicts as the goal labeller reads a model's, for people to review and correct.

    Abstained verdicts are said to be unsure; `event_frame` is when the flight ended.
    """
    rows = {}
    for shot in shots:
        verdict, kick, end = shot.verdict, shot.kick_frame, shot.arrival_frame
        sure = "goal" if verdict.is_goal else "no_goal"
        rows[shot.clip.clip_id] = {
            "verdict": "unsure" if verdict.abstained else sure,
            "event_frame": None if end is None else shot.timeline.frame(end),
            "score": round(verdict.goal_probability, 3),
            "kick_frame": None if kick is None else shot.timeline.frame(kick),
            "foot": shot.foot.side if shot.foot is not None else None,
            "corners_px": to_json(shot.goal.corners_px),
            "goal": goal_words(shot.goal),
            "reason": verdict.reason,
        }
    methods = sorted({f"{shot.labels}, {shot.verdict.method}" for shot in shots})
    save_json(path, {"model": f"shot analysis ({'; '.join(methods)})", "verdicts": rows})
    return path
