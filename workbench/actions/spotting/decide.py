"""From what a network says at every step to events: displaced, smoothed, and each said once.

The unit is the raw scores (T, 2 K) of one match, and a decision per class, chosen on validation
matches alone. Nothing here looks at pictures: other decisions on raw scores cost seconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from workbench.actions.spotting.greyframes import STEP_S
from workbench.actions.spotting.scores import Metric, SpotScore, score_spots
from workbench.labels.events import TEAMS, Events, middle_ms

Floats = npt.NDArray[np.float64]

_FINE = 6  # bins per step: 25 a second
FINE_FPS = _FINE / STEP_S
_FARTHEST = 1.6  # steps that a displacement may move


@dataclass(frozen=True)
class Decision:
    """How raw scores of a class become events."""

    displaced: bool = True  # each step speaks for the time it points at, not for its own
    sigma_s: float = 0.15  # of the smoothing
    window_s: float = 1.2  # width within which a weaker event is less likely another one
    floor: float = 0.005  # what is weaker is not even a candidate
    likely: float = 0.5  # from here on an event is said to have happened


CHOICES = tuple(
    Decision(displaced, sigma_s, window_s)
    for displaced, sigma_s, window_s in product((True, False), (0.1, 0.2), (0.9, 1.6, 2.4))
)


def decide(raw: npt.ArrayLike, classes: Sequence[str], decisions: Mapping[str, Decision]) -> Events:
    """Return the candidates for events of a match; `likely_events` says which to believe.

    Args:
        raw: (T, 2 K) logits and displacements; with a column more, the side.
        classes: K names.
        decisions: By class; what is not in it is decided by the defaults.
    """
    values = np.asarray(raw, np.float64)
    likely, shift = 1 / (1 + np.exp(-values[:, : len(classes)])), values[:, len(classes) :]
    sides = values[:, 2 * len(classes) :]  # (T, 1), or nothing
    parts = []
    for place, name in enumerate(classes):
        decision = decisions.get(name, Decision())
        bins, scores = _spots(likely[:, place], shift[:, place], decision)
        parts.append((np.full(len(bins), place), bins, scores))
    label, fine, score = (np.concatenate(column) for column in zip(*parts, strict=True))
    count, team = len(label), np.zeros(len(label), np.int64)
    if sides.shape[1]:
        around = gaussian_filter1d(sides[:, 0], 1.0)[fine // _FINE]
        team = np.where(around > 0, TEAMS.index("right"), TEAMS.index("left"))
    return Events(
        tuple(classes),
        label.astype(np.int64),
        middle_ms(fine, FINE_FPS),
        np.ones(count, np.int64),
        team,
        np.ones(count, np.bool_),
        score,
    ).in_order()


def likely_events(events: Events, decisions: Mapping[str, Decision]) -> Events:
    """Return the events that are likelier than not worth saying, as validation chose."""
    least = np.array([decisions.get(name, Decision()).likely for name in events.classes])
    return events.take(events.score >= least[events.label])


def _spots(
    likely: Floats, shift: Floats, decision: Decision
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Bins of the peaks of a class, and how strong they are once stronger ones near are heard."""
    where = np.arange(len(likely)) + 0.5
    if decision.displaced:
        where = where + np.clip(shift, -_FARTHEST, _FARTHEST)
    fine = np.clip((where * _FINE).astype(np.int64), 0, len(likely) * _FINE - 1)
    line = np.bincount(fine, likely, minlength=len(likely) * _FINE)
    smooth = gaussian_filter1d(line, decision.sigma_s * FINE_FPS, mode="constant") * _FINE
    padded = np.pad(smooth, 1, constant_values=-1)
    is_peak = (padded[1:-1] >= padded[:-2]) & (padded[1:-1] > padded[2:])
    peaks = np.flatnonzero(is_peak & (smooth >= decision.floor))
    strength = smooth[peaks]
    reach = decision.window_s * FINE_FPS / 2
    low = np.searchsorted(peaks, peaks - reach, "right")
    high = np.searchsorted(peaks, peaks + reach, "left")
    heard = np.zeros(len(peaks), np.bool_)
    for at in np.argsort(-strength, kind="stable").tolist():
        heard[at] = True
        near = slice(low[at], high[at])
        gap = np.abs(peaks[near] - peaks[at]) / reach
        strength[near] = np.where(heard[near], strength[near], strength[near] * gap**2)
    kept = strength >= decision.floor
    return peaks[kept], np.minimum(strength[kept], 1.0)


def choose_decisions(
    raws: Mapping[str, npt.ArrayLike],
    truth: Mapping[str, Events],
    metric: Metric,
    choices: Sequence[Decision] = CHOICES,
) -> dict[str, Decision]:
    """Return for each class the decision with the best average precision on these matches.

    Choose on validation matches, never on those that are reported. Classes without labels there
    are decided by the defaults.
    """
    classes = next(iter(truth.values())).classes
    ap = []
    for choice in choices:
        found = {
            name: decide(raw, classes, dict.fromkeys(classes, choice)) for name, raw in raws.items()
        }
        ap.append(score_spots(truth, found).class_ap(metric)[0])
    best = np.argmax(ap, axis=0)
    there = {name for events in truth.values() for name in np.array(classes)[events.label]}
    decisions = {
        name: choices[best[place]] if name in there else Decision(choices[0].displaced)
        for place, name in enumerate(classes)
    }
    score = score_spots(
        truth, {name: decide(raw, classes, decisions) for name, raw in raws.items()}
    )
    return {
        name: replace(decision, likely=_best_f1_score(score, place, metric.deltas_s[0]))
        if name in there
        else decision
        for place, (name, decision) in enumerate(decisions.items())
    }


def _best_f1_score(score: SpotScore, place: int, delta_s: float) -> float:
    """Return the least score of the spots that together have the best F1."""
    table, taken = score.tables[place], score.matched(place, delta_s)
    if not (taken >= 0).any():
        return Decision.likely
    order = np.argsort(-table.spot_score, kind="stable")
    hits = np.cumsum(np.isin(order, taken[taken >= 0]))
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + len(taken))
    return float(table.spot_score[order[int(f1.argmax())]])
