"""Scores of spots with their intervals, the tolerance curve, and both as JSON.

The unit is a judged set of matches. Intervals resample whole matches where there are enough of
them, else blocks of half a minute: what happens close together is found or missed together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workbench.actions.spotting.mistakes import count_kinds, find_mistakes
from workbench.actions.spotting.scores import (
    BLOCK_S,
    Metric,
    SpotScore,
    TeamScore,
    window_bins,
)
from workbench.labels.events import Floats
from workbench.saving import to_json
from workbench.stats import (
    ENOUGH_SESSIONS,
    Clusters,
    Interval,
    cluster_weights,
    from_resamples,
)

RESAMPLES = 300
MEAN, MEAN_PRESENT = "mAP", "mAP of classes with labels"
CURVE_S = (0.2, 0.4, 0.6, 1.0, 1.5, 2.0, 3.0, 5.0)


def clusters_of(score: SpotScore) -> Clusters:
    """Return what intervals resample: matches if there are enough, else blocks of time."""
    blocks = len(score.match_of_block)
    if len(score.matches) >= ENOUGH_SESSIONS:
        return Clusters("match", tuple(score.match_of_block.tolist()))
    return Clusters(f"{BLOCK_S:.0f}-s block", tuple(range(blocks)))


def estimates(
    score: SpotScore | TeamScore, chosen: Metric, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Return mAP over all classes, over those with labels, and each class, with 95 % intervals.

    n is the number of labels. A class without labels counts 0 in `MEAN` and is left out of
    `MEAN_PRESENT`; its own value is NaN.
    """
    sided = score.sided if isinstance(score, TeamScore) else score
    clusters = clusters_of(sided)
    counts = _label_counts(score)
    present = counts > 0
    names = (MEAN, MEAN_PRESENT, *score.classes)
    totals = (counts.sum(), counts.sum(), *counts)
    values = _with_means(score.class_ap(chosen), present)[0]
    drawn = np.full((0, len(names)), np.nan)
    if len(clusters.names) and resamples:
        weights = cluster_weights(clusters, resamples, seed)
        drawn = _with_means(score.class_ap(chosen, weights=weights), present)
    return {
        name: from_resamples(float(value), column, int(n), clusters, (0.0, 1.0))
        if resamples
        else Interval(float(value), 0.0, 1.0, int(n), note="not resampled")
        for name, value, column, n in zip(names, values, drawn.T, totals, strict=True)
    }


def paired_difference(
    first: SpotScore, second: SpotScore, chosen: Metric, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Return mAP over classes with labels, `second` − `first`, on the same resamples.

    Raises:
        ValueError: If the two were not judged on the same labels.
    """
    if first.labels != second.labels or first.matches != second.matches:
        raise ValueError("two scores on different labels")
    clusters, present = clusters_of(first), _label_counts(first) > 0
    weights = cluster_weights(clusters, resamples, seed)

    def difference(values: Sequence[Floats]) -> Floats:
        ours, theirs = (_with_means(value, present)[:, 1] for value in values)
        return np.asarray(ours - theirs)

    value = difference([one.class_ap(chosen) for one in (second, first)])
    drawn = difference([one.class_ap(chosen, weights=weights) for one in (second, first)])
    return from_resamples(float(value[0]), drawn, sum(first.labels.values()), clusters, (-1.0, 1.0))


def _label_counts(score: SpotScore | TeamScore) -> Floats:
    if isinstance(score, SpotScore):
        return np.array(list(score.labels.values()), float)
    sided = np.array(list(score.sided.labels.values()), float)
    return np.asarray(sided.reshape(2, -1).sum(axis=0))


def _with_means(ap: Floats, present: np.ndarray[Any, np.dtype[np.bool_]]) -> Floats:
    """The two means before the average precisions (B, classes) of each class."""
    there = np.where(present, ap, np.nan)
    if not present.any():
        means = np.stack([np.zeros(len(ap)), np.full(len(ap), np.nan)], axis=1)
        return np.concatenate([means, there], axis=1)
    mean = np.ma.masked_invalid(there).mean(axis=1).filled(np.nan)
    means = np.stack([mean * present.mean(), mean], axis=1)
    return np.asarray(np.concatenate([means, there], axis=1))


def tolerance_curve(
    score: SpotScore, deltas_s: Sequence[float] = CURVE_S
) -> list[dict[str, float]]:
    """Return mAP over classes with labels for each tolerance, with the window in milliseconds."""
    present = _label_counts(score) > 0
    return [
        {
            "delta_s": delta_s,
            "window_ms": window_ms(delta_s, score.fps),
            "mAP": float(_with_means(score.class_ap(Metric("", (delta_s,))), present)[0, 1]),
        }
        for delta_s in deltas_s
    ]


def window_ms(delta_s: float, fps: float) -> float:
    """Return how far a spot may be from its label, either way, counted in whole bins."""
    return window_bins(delta_s, fps) * 1000 / fps


def score_to_dict(
    score: SpotScore | TeamScore, chosen: Metric, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Any]:
    """Return everything for JSON, unrounded; what does not exist is None."""
    sided = score.sided if isinstance(score, TeamScore) else score
    named = estimates(score, chosen, resamples, seed)
    clusters = clusters_of(sided)
    said: dict[str, Any] = {
        "metric": chosen.name + (" by team" if isinstance(score, TeamScore) else ""),
        "fps": sided.fps,
        "window_ms": [window_ms(delta_s, sided.fps) for delta_s in chosen.deltas_s],
        "matches": len(sided.matches),
        "n": named[MEAN].n,
        "spots": sided.spots,
        "mAP": named[MEAN].value,
        "mAP_present": named[MEAN_PRESENT].value,
        "intervals": {
            key: [one.low, one.high] if resamples else None
            for key, one in (("mAP", named[MEAN]), ("mAP_present", named[MEAN_PRESENT]))
        },
        "resampled": {"by": clusters.by, "groups": clusters.count, "resamples": resamples},
        "per_class": {name: named[name].to_dict() for name in score.classes},
    }
    if isinstance(score, SpotScore):
        shown = {part: score.mean_ap(chosen, part) for part in ("shown", "unshown")}
        said |= {
            "mAP_shown": shown["shown"],
            "mAP_unshown": shown["unshown"],
            "tolerance": tolerance_curve(score),
            "mistakes": count_kinds(find_mistakes(score, chosen.deltas_s[0])),
        }
    return dict(to_json(said))
