"""Which stage lost each missed highlight, what each stage costs, and which to work on next.

The unit is a true act: found, or lost by the first stage after which nothing is left that could
become it. Acts and highlights are paired one to one, of the same class, the highlight's peak within
the act. Intervals take whole sessions, here videos.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.engines.engine import Engine
from workbench.highlights.stages import (
    CHECK,
    CLASSES,
    MERGE,
    PROPOSALS,
    STAGES,
    Candidate,
    Highlighter,
)
from workbench.highlights.truth import TrueAct
from workbench.highlights.watch import Highlight, Watched, ranked, retold, watch_videos
from workbench.stats import Clusters, Floats, Interval, Weights, bootstrap, pooled_share, wilson

FOUND = ""
ALL = "all"


@dataclass(frozen=True)
class Fate:
    """What became of a true act."""

    video: Path
    act: TrueAct
    lost_by: str  # a stage; empty: found
    reason: str


@dataclass(frozen=True, eq=False)
class Assessment:
    """Fates of all true acts of some videos, and the highlights that show none."""

    fates: tuple[Fate, ...]
    false_alarms: tuple[tuple[Path, Highlight], ...]
    hours: Mapping[Path, float]

    @property
    def sports(self) -> tuple[str, ...]:
        """The classes that there is truth of."""
        return tuple(sorted({fate.act.sport for fate in self.fates}))

    @property
    def misses(self) -> tuple[Fate, ...]:
        """The acts that were not found."""
        return tuple(fate for fate in self.fates if fate.lost_by)

    def recall_after(self, stage: str, sport: str = ALL) -> Interval:
        """Share of the acts that are left after a stage; after the last: that are found."""
        fates = [fate for fate in self.fates if sport in (ALL, fate.act.sport)]
        gone = STAGES[: STAGES.index(stage) + 1]
        left = [float(fate.lost_by not in gone) for fate in fates]
        clusters = Clusters("session", tuple(fate.video for fate in fates))
        return pooled_share(left, None, clusters) or wilson(0, 0)

    def recall(self, sport: str = ALL) -> Interval:
        """Share of the acts that are found."""
        return self.recall_after(STAGES[-1], sport)

    def false_alarms_per_hour(self, sport: str = ALL) -> Interval:
        """Highlights that show no act of their class, per hour of video."""
        videos = list(self.hours)
        of = [path for path, one in self.false_alarms if sport in (ALL, one.sport)]
        counts = np.array([of.count(path) for path in videos], float)
        hours = np.array([self.hours[path] for path in videos])

        def rate(weights: Weights) -> Floats:
            return np.asarray((weights @ counts) / (weights @ hours))

        found = bootstrap(rate, Clusters("session", tuple(videos)), within=(0.0, np.inf))
        high = found.high
        if not np.isfinite(high) or not of:  # of none seen, or of one video: Poisson's
            high = max(found.value, 3.7 / hours.sum()) if not of else 2 * found.value
        return replace(found, high=float(high), n=len(of), unit="/h")

    def table(self) -> pd.DataFrame:
        """Return recall after each stage and false alarms per hour, of each class and all."""
        rows = {}
        for sport in (*self.sports, ALL):
            own = [fate for fate in self.fates if sport in (ALL, fate.act.sport)]
            rows[sport] = (
                {"true": len(own)}
                | {f"after {stage}": str(self.recall_after(stage, sport)) for stage in STAGES}
                | {"false alarms": str(self.false_alarms_per_hour(sport))}
            )
        return pd.DataFrame(rows).T.rename_axis(index="class")

    def shares(self) -> pd.DataFrame:
        """Return misses per stage and class, with the share of all misses."""
        counts = pd.DataFrame(
            {
                sport: [
                    sum(f.lost_by == stage and sport in (ALL, f.act.sport) for f in self.misses)
                    for stage in STAGES
                ]
                for sport in (*self.sports, ALL)
            },
            index=pd.Index(STAGES, name="lost by"),
        )
        counts["share of misses"] = [str(wilson(n, len(self.misses))) for n in counts[ALL]]
        return counts


def assess(
    watched: Sequence[tuple[Watched, Sequence[TrueAct]]], sports: Sequence[str] | None = None
) -> Assessment:
    """Say of every true act whether it was found, or which stage lost it and why.

    Args:
        watched: Videos with their truth.
        sports: The classes that were asked for; others are no misses. None: all.
    """
    fates: list[Fate] = []
    alarms: list[tuple[Path, Highlight]] = []
    for video, acts in watched:
        wanted = [act for act in acts if sports is None or act.sport in sports]
        left = list(ranked(video.highlights))
        for act in wanted:
            own = next((h for h in left if h.sport == act.sport and act.holds(h.peak_s)), None)
            if own is not None:
                left.remove(own)
                fates.append(Fate(video.video, act, FOUND, ""))
            else:
                fates.append(Fate(video.video, act, *_lost_by(act, video.candidates)))
        alarms += [(video.video, one) for one in left]
    hours = {video.video: video.duration_s / 3600 for video, _ in watched}
    return Assessment(tuple(fates), tuple(alarms), hours)


def _lost_by(act: TrueAct, candidates: Sequence[Candidate]) -> tuple[str, str]:
    own = [one for one in candidates if act.is_shown_by(one.time_s, one.x, one.y)]
    if not own:
        return PROPOSALS, "nothing moves enough there"
    for stage in (PROPOSALS, CHECK):
        strongest = max(own, key=lambda one: (one.check or 0.0, one.motion))
        own = [one for one in own if one.dropped_by != stage]
        if not own:
            return stage, strongest.reason
    alike = [one for one in own if one.best[0] == act.sport and one.dropped_by != CLASSES]
    if not alike:
        nearest = max(own, key=lambda one: (one.scores or {}).get(act.sport, 0.0))
        return CLASSES, nearest.reason
    return MERGE, alike[0].reason


def run_oracles(
    videos: Sequence[tuple[Path, Sequence[TrueAct]]],
    by: Highlighter,
    work_dir: Path,
    engine: Engine | str | None = None,
) -> dict[str, Assessment]:
    """Watch videos once as they are ("") and once for each stage with that stage's truth.

    `engine` is where they are watched (`make_engine`).
    """
    truths = [acts for _, acts in videos]
    plain = watch_videos(videos, by, work_dir, engine=engine)
    found = {"": assess(list(zip(plain, truths, strict=True)), by.sports)}
    for stage in STAGES:
        if stage in (PROPOSALS, CHECK):
            told = watch_videos(videos, by, work_dir, oracle=stage, engine=engine)
        else:
            told = [
                retold(one, by.settings, stage, acts)
                for one, acts in zip(plain, truths, strict=True)
            ]
        found[stage] = assess(list(zip(told, truths, strict=True)), by.sports)
    return found


def oracle_table(found: Mapping[str, Assessment]) -> pd.DataFrame:
    """Return recall and false alarms per hour as it is, and if each stage were perfect."""
    rows = {
        f"if {stage} were perfect" if stage else "as it is": {
            f"{sport} {what}": str(value)
            for sport in (*one.sports, ALL)
            for what, value in (
                ("recall", one.recall(sport)), ("alarms", one.false_alarms_per_hour(sport)),
            )
        }
        for stage, one in found.items()
    }  # fmt: skip
    return pd.DataFrame(rows).T


def next_stage(found: Mapping[str, Assessment]) -> tuple[str, str]:
    """Return the stage to work on next, and the sentence that says why."""
    now = found[""]
    if not now.misses:
        return "", f"all {len(now.fates)} highlights are found"
    stages = [stage for stage in STAGES if stage in found] or list(STAGES)
    gains = {
        stage: (found[stage].recall().value - now.recall().value if stage in found else 0.0)
        for stage in stages
    }
    lost = {stage: sum(fate.lost_by == stage for fate in now.misses) for stage in stages}
    worst = max(stages, key=lambda stage: (gains[stage], lost[stage]))
    share = wilson(lost[worst], len(now.misses))
    perfect = f"; perfect, it would give {found[worst].recall()}" if worst in found else ""
    return worst, (
        f"work on {worst} next: it loses {lost[worst]} of {len(now.misses)} misses "
        f"({share.value:.0%}){perfect} instead of {now.recall()}"
    )
