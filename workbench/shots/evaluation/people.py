"""Agreement of the chain with verdicts of people on real footage.

The unit is one clip that somebody judged in the goal labeller. What two people see differently, or
one is unsure of, is left out and counted: there is no truth to compare with. Knows nothing about
how the chain judges.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workbench.labels.store import LabelStore
from workbench.labels.table import label_table
from workbench.saving import save_json
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.verdict import Method
from workbench.stats import (
    Interval,
    PairedTest,
    choose_clusters,
    mcnemar,
    pooled_share,
    wilson,
)


@dataclass(frozen=True)
class PeopleScore:
    """How often the chain says what people say."""

    right: dict[Method, Interval]  # agreement of each method
    paired: PairedTest | None  # 3D against 2D; None where no clip was judged
    judged: int  # clips with a goal or no goal that people agree on
    unsure: int  # clips left out: unsure, or judged differently

    def to_frame(self) -> pd.DataFrame:
        """One row per method."""
        rows = {method: {"agrees with people": str(score)} for method, score in self.right.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def people_verdicts(store: LabelStore) -> dict[str, bool | None]:
    """Return for each judged clip whether people call it a goal; None where they cannot tell."""
    table = label_table(store, "verdict")
    said: dict[str, bool | None] = {}
    for item, rows in table.groupby("item_id", sort=True):
        answers = set(rows["verdict"].dropna())
        sure = len(answers) == 1 and answers <= {"goal", "no_goal"}
        said[str(item)] = answers == {"goal"} if sure else None
    return said


def score_against_people(
    shots: Sequence[ShotAnalysis], said: dict[str, bool | None]
) -> PeopleScore:
    """Compare the verdicts of both methods with those of people on the same clips."""
    asked = [shot for shot in shots if shot.clip.clip_id in said]
    judged = [(shot, said[shot.clip.clip_id]) for shot in asked]
    sure = [(shot, is_goal) for shot, is_goal in judged if is_goal is not None]
    methods: tuple[Method, ...] = ("2d", "3d")
    right = {
        method: [shot.verdicts[method].is_goal == is_goal for shot, is_goal in sure]
        for method in methods
    }
    clips = [shot.clip for shot, _ in sure]
    clusters = choose_clusters([one.session for one in clips], [one.clip_id for one in clips])
    shares = {method: pooled_share(own, None, clusters) for method, own in right.items()}
    return PeopleScore(
        right={method: share or wilson(0, 0) for method, share in shares.items()},
        paired=mcnemar(right["2d"], right["3d"]) if sure else None,
        judged=len(sure),
        unsure=len(asked) - len(sure),
    )


def save_for_review(path: Path, shots: Sequence[ShotAnalysis]) -> Path:
    """Write the verdicts as the goal labeller reads a model's, for people to review.

    Abstained verdicts are said to be unsure; `event_frame` is when the flight ended.
    """
    rows = {}
    for shot in shots:
        verdict, end = shot.verdict, shot.arrival_frame
        sure = "goal" if verdict.is_goal else "no_goal"
        rows[shot.clip.clip_id] = {
            "verdict": "unsure" if verdict.abstained else sure,
            "event_frame": None if end is None else round(end),
            "score": round(verdict.goal_probability, 3),
        }
    methods = sorted({f"{shot.labels}, {shot.method}" for shot in shots})
    save_json(path, {"model": f"shot analysis ({'; '.join(methods)})", "verdicts": rows})
    return path
