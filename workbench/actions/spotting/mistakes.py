"""What is wrong with spots: missed, double, wrong class, mistimed, wrong side, ghost.

The unit is one spot or label of a judged set of matches. Of each class as many spots are looked at,
the surest, as there are labels: no threshold to choose, and as many errors of the one sort as of
the other. Knows nothing about average precision.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from workbench.actions.spotting.scores import ClassTable, SpotScore, window_bins
from workbench.labels.events import HALVES, Bools, Ints

Kind = Literal["right", "wrong side", "double", "wrong class", "mistimed", "ghost", "missed"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MISTIMED_S = 2.5  # a label further away is not what a spot was about


@dataclass(frozen=True)
class Finding:
    """One spot and what it is, or one label that was missed."""

    kind: Kind
    class_name: str
    match: str
    half: int
    time_s: float  # middle of the bin
    score: float  # NaN: a missed label
    truth: str = ""  # the class that a spot of the wrong class lies at


def find_mistakes(score: SpotScore, delta_s: float = 1.0) -> list[Finding]:
    """Return what each of the surest spots is, and the labels that none of them took.

    A spot is `right` where a label took it, `wrong side` if that is of the other team; else
    `double` if a label of its class within ±delta/2 was taken; `wrong class` if one of another
    class there was missed; `mistimed` if one of its class within `MISTIMED_S` was missed; else a
    `ghost`.
    """
    window, wide = window_bins(delta_s, score.fps), int(MISTIMED_S * score.fps)
    kept = [_surest(table) for table in score.tables]
    taken = [table.matches(window) for table in kept]
    missed = [table.label_key[of < 0] for table, of in zip(kept, taken, strict=True)]
    found = []
    for place, (name, table, of) in enumerate(zip(score.classes, kept, taken, strict=True)):
        kinds: list[Kind] = ["ghost"] * len(table.spot_key)
        truths = [""] * len(kinds)
        mistimed, double = (
            _near(table.spot_key, missed[place], wide),
            _near(table.spot_key, table.label_key, window),
        )
        for other, label_key in enumerate(missed):
            if other != place:
                for at in np.flatnonzero(_near(table.spot_key, label_key, window)).tolist():
                    truths[at] = score.classes[other]
        for at in range(len(kinds)):
            if double[at]:
                kinds[at] = "double"
            elif truths[at]:
                kinds[at] = "wrong class"
            elif mistimed[at]:
                kinds[at] = "mistimed"
        for label, at in enumerate(of.tolist()):
            if at >= 0:
                sides = int(table.label_team[label]), int(table.spot_team[at])
                kinds[at] = "wrong side" if all(sides) and len(set(sides)) > 1 else "right"
        rows = zip(kinds, table.spot_key.tolist(), table.spot_score.tolist(), truths, strict=True)
        for kind, key, sure, truth in rows:
            found.append(
                _finding(score, kind, name, key, sure, truth if kind == "wrong class" else "")
            )
        found += [
            _finding(score, "missed", name, key, float("nan")) for key in missed[place].tolist()
        ]
    return found


def count_kinds(findings: Sequence[Finding]) -> dict[str, dict[str, int]]:
    """Return how many there are of each kind, by class; classes without any are left out."""
    counts = Counter((one.class_name, one.kind) for one in findings)
    names = dict.fromkeys(one.class_name for one in findings)
    return {name: {kind: counts[name, kind] for kind in KINDS} for name in names}


def _surest(table: ClassTable) -> ClassTable:
    order = np.argsort(-table.spot_score, kind="stable")[: len(table.label_key)]
    kept = np.sort(order)
    return replace(
        table,
        spot_key=table.spot_key[kept],
        spot_score=table.spot_score[kept],
        spot_block=table.spot_block[kept],
        spot_team=table.spot_team[kept],
    )


def _near(spot_key: Ints, label_key: Ints, window: int) -> Bools:
    """Whether any label lies within so many bins of each spot."""
    low = np.searchsorted(label_key, spot_key - window, "left")
    return np.asarray(np.searchsorted(label_key, spot_key + window, "right") > low)


def _finding(
    score: SpotScore, kind: Kind, name: str, key: int, sure: float, truth: str = ""
) -> Finding:
    unit, place = divmod(key, score.tables[0].stride)
    match, half = divmod(unit, len(HALVES))
    return Finding(
        kind, name, score.matches[match], half + 1, (place + 0.5) / score.fps, sure, truth
    )
