"""What each part of a spotter is worth: spotters trained on one budget, judged on the same matches.

The unit is a rung: a name, the spots it gives on matches that nobody trained on or chose by, and
their score. The lowest rung is chance: a spot at every so many seconds, whatever is seen.
"""

import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.actions.spotting.decide import CHOICES, choose_decisions, decide, likely_events
from workbench.actions.spotting.mistakes import find_mistakes
from workbench.actions.spotting.predict import TrainedSpotter, spot_video
from workbench.actions.spotting.report import MEAN_PRESENT, estimates, paired_difference
from workbench.actions.spotting.scores import (
    SpotScore,
    TeamScore,
    metric,
    score_spots,
    score_teams,
)
from workbench.labels.events import Events, Floats
from workbench.stats import Interval, show, wilson
from workbench.training.compute import torch_threads

AT1 = metric("at1")
_TIGHT = metric("at0.4")
_EVERY_S = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # rhythms of chance
_DRAWS = 6

Raws = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Rung:
    """A way to spot, judged."""

    name: str
    found: Mapping[str, Events]  # by match
    score: SpotScore
    likely: Mapping[str, Events]  # the spots that validation matches say to believe
    raws: Raws  # (T, 2 K) by match; nothing for chance
    sided: TeamScore | None = None  # where it says sides

    @property
    def at1(self) -> dict[str, Interval]:
        """Return mAP@1 and the average precision of each class, with intervals."""
        return estimates(self.score, AT1)

    @property
    def team_at1(self) -> Interval | None:
        """Team mAP@1 over the classes with labels."""
        return estimates(self.sided, AT1)[MEAN_PRESENT] if self.sided else None


def chance(truth: Mapping[str, Events]) -> Rung:
    """Return the rung of spots at an even rhythm, of each class the best for these very labels."""
    classes = next(iter(truth.values())).classes
    # The best rhythm is the best on average: of single draws, some are good by luck.
    ap = [
        np.mean([_ap_of_rhythm(truth, every_s, draw) for draw in range(1, _DRAWS)], axis=0)
        for every_s in _EVERY_S
    ]
    best = np.array(_EVERY_S)[np.argmax(ap, axis=0)]
    even = {every_s: _even_spots(truth, every_s, 0) for every_s in _EVERY_S}
    found = {}
    for name in truth:
        rows = [
            row
            for every_s, matches in even.items()
            for row in matches[name].rows()
            if best[classes.index(row["label"])] == every_s
        ]
        found[name] = Events.of_rows(classes, rows).in_order()
    return Rung("chance", found, score_spots(truth, found), {}, {})


def _ap_of_rhythm(truth: Mapping[str, Events], every_s: float, draw: int) -> Floats:
    return np.asarray(score_spots(truth, _even_spots(truth, every_s, draw)).class_ap(AT1)[0])


def _even_spots(truth: Mapping[str, Events], every_s: float, draw: int) -> dict[str, Events]:
    """All classes at once, every so many seconds; how sure a spot is, is drawn."""
    rng = np.random.default_rng(draw)
    found = {}
    for name, labels in truth.items():
        end_s = labels.position_ms.max(initial=0) / 1000
        rows = [
            {"label": label, "position_ms": round(1000 * time_s), "score": rng.uniform(0.01, 1)}
            for label in labels.classes
            for time_s in np.arange(every_s / 2, end_s, every_s)
        ]
        found[name] = Events.of_rows(labels.classes, rows)
    return found


def rung(
    name: str,
    raws: Raws,
    truth: Mapping[str, Events],
    valid_raws: Raws,
    valid_truth: Mapping[str, Events],
    displaced: bool | None = None,
) -> Rung:
    """Judge a spotter's raw scores; how they become events, validation matches choose.

    Args:
        name: Of the rung.
        raws: Raw scores of the matches to judge on.
        truth: Their labels.
        valid_raws: Raw scores of validation matches.
        valid_truth: Their labels.
        displaced: Whether displacements count; None: as validation chooses for each class.
    """
    choices = [one for one in CHOICES if displaced in (None, one.displaced)]
    decisions = choose_decisions(valid_raws, valid_truth, AT1, choices)
    classes = next(iter(truth.values())).classes
    found = {match: decide(raw, classes, decisions) for match, raw in raws.items()}
    likely = {match: likely_events(events, decisions) for match, events in found.items()}
    says_sides = all(raw.shape[1] > 2 * len(classes) for raw in raws.values())
    sided = score_teams(truth, found) if says_sides else None
    return Rung(name, found, score_spots(truth, found), likely, raws, sided)


def side_table(one: Rung) -> pd.DataFrame | None:
    """Return Team mAP@1, and how often the side of a right spot is right; None: it says none."""
    if one.sided is None:
        return None
    kinds = [finding.kind for finding in find_mistakes(one.score)]
    right, wrong = kinds.count("right"), kinds.count("wrong side")
    rows = {
        "mAP@1, whatever the side": show(one.at1[MEAN_PRESENT]),
        "Team mAP@1: class and side": show(one.team_at1),
        "side of the right spots (a coin: .5)": show(wilson(right, right + wrong)),
    }
    return pd.DataFrame({"": rows}, index=pd.Index(list(rows), name="whose action"))


def ladder_table(rungs: Sequence[Rung]) -> pd.DataFrame:
    """Return for each rung mAP@1, what it adds to the one before, and mAP within ±0.2 s."""
    rows = []
    for place, one in enumerate(rungs):
        added = paired_difference(rungs[place - 1].score, one.score, AT1) if place else None
        tight = estimates(one.score, _TIGHT)[MEAN_PRESENT]
        rows.append(
            {
                "mAP@1": show(one.at1[MEAN_PRESENT]),
                "added": show(added, signed=True),
                "within ±0.2 s": show(tight),
            }
        )
    return pd.DataFrame(rows, index=pd.Index([one.name for one in rungs], name="spotter"))


def answer(floor: Rung, best: Rung, what: str = "matches") -> str:
    """Say whether a spotter finds actions better than chance does, by how much, and where not."""
    gain = paired_difference(floor.score, best.score, AT1)
    word = "Yes" if gain.low > 0 else "No" if gain.high <= 0 else "Can't tell"
    scored, by_chance = best.at1, floor.at1
    mean = scored[MEAN_PRESENT]
    there = [name for name in best.score.classes if scored[name].n]
    found = [name.lower() for name in there if scored[name].low > by_chance[name].value]
    weak = [name.lower() for name in there if scored[name].value <= by_chance[name].value]
    count = len(best.score.matches)
    what = what.removesuffix("es") if count == 1 else what
    parts = [
        f"mAP@1 is {show(mean)} on {mean.n} actions of {count} {what} it has "
        f"never seen, where chance gets {by_chance[MEAN_PRESENT].value:.3f}"
    ]
    parts += [f"found beyond doubt: {', '.join(found)}"] if found else []
    parts += [f"no better than chance: {', '.join(weak)}"] if weak else []
    return f"{word}: {'; '.join(parts)}."


def measure_cost(video: Path, spotter: TrainedSpotter) -> dict[str, float]:
    """Spot a video from its file on one thread; return what that took, decoding included."""
    start_s = time.process_time()
    with tempfile.TemporaryDirectory() as folder, torch_threads(1):
        found = spot_video(video, spotter, Path(folder))
    cpu_s = time.process_time() - start_s
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # of the process, torch included
    return {
        "minutes of video": found.duration_s / 60,
        "CPU seconds": cpu_s,
        "times real time": found.duration_s / cpu_s,
        "peak memory, MB": peak_kb / 1000,
    }
