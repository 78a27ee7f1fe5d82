"""Average precision: how well a classifier ranks the clips of each class before all others.

The unit is one class on labelled clips, whether a clip shows one class or several. mAP is the mean
over the classes; a class with a handful of clips moves it at random, so there is a second one over
those with enough, and both say how many classes they are of (mAP_12, mAP_10).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.actions.items import classes_in
from workbench.actions.predict import Predictions
from workbench.stats import (
    Clusters,
    Floats,
    Interval,
    Weights,
    choose_clusters,
    cluster_weights,
    from_resamples,
    show,
)

ENOUGH_CLIPS = 10  # of a class, for the second mean
_RESAMPLES = 2000


@dataclass(frozen=True)
class AveragePrecisions:
    """Average precision by class, and the means."""

    by_class: dict[str, Interval]
    clips: dict[str, int]  # that show the class
    over_all: Interval
    over_enough: Interval | None  # None where no class has enough clips
    enough: tuple[str, ...]
    chance: float  # mAP of a scorer that knows nothing: the mean share of the classes

    def to_frame(self) -> pd.DataFrame:
        """Return one row per class, then the means."""
        rows = [(name, show(one), self.clips[name]) for name, one in self.by_class.items()]
        rows += [(name, show(one), one.n) for name, one in self.means().items()]
        return pd.DataFrame(rows, columns=["class", "average precision", "clips"]).set_index(
            "class"
        )

    def answer(self) -> str:
        """Say whether it ranks better than chance; begins with the verdict."""
        mean = self.over_all
        word = (
            "Yes" if mean.low > self.chance else "No" if mean.high < self.chance else "Can't tell"
        )
        return (
            f"{word}: mAP over {len(self.by_class)} classes is {show(mean)} on {mean.n} clips, "
            f"where guessing gets {self.chance:.2f}"
        )

    def means(self) -> dict[str, Interval]:
        """Return mAP over all classes and over those with enough clips, by name."""
        found = {f"mAP_{len(self.by_class)}": self.over_all}
        if self.over_enough is not None and len(self.enough) < len(self.by_class):
            found[f"mAP_{len(self.enough)}"] = self.over_enough
        return found


def average_precisions(
    predictions: Predictions,
    least_clips: int = ENOUGH_CLIPS,
    enough: Sequence[str] | None = None,
) -> AveragePrecisions:
    """Score predictions on labelled clips; classes that no clip shows are left out.

    The second mean is over classes with `least_clips`, or over those named `enough`.

    Example:
        >>> average_precisions(predictions).means()  # doctest: +SKIP
        {'mAP_12': Interval(0.41, …), 'mAP_10': Interval(0.47, …)}
    """
    marks, shown, clusters, values = _resampled(predictions)
    names = [predictions.classes[k] for k in shown]
    counts = dict(zip(names, marks[:, shown].sum(axis=0).tolist(), strict=True))
    kept = [name for name in names if counts[name] >= least_clips] if enough is None else enough
    is_enough = np.array([name in kept for name in names])
    n = len(predictions)
    return AveragePrecisions(
        {name: _interval(values[:, [k]], n, clusters) for k, name in enumerate(names)},
        counts,
        _interval(values, n, clusters),
        _interval(values[:, is_enough], n, clusters) if is_enough.any() else None,
        tuple(name for name, one in zip(names, is_enough, strict=True) if one),
        float(marks[:, shown].mean()),
    )


def precision_difference(first: Predictions, second: Predictions) -> Interval:
    """Return by how much the mAP of the second scorer is higher, paired: of the same clips."""
    assert first.clip_ids == second.clip_ids
    means = []
    for one in (first, second):
        _, _, clusters, values = _resampled(one)
        means.append(_mean_of_known(values))
    gain = means[1] - means[0]
    return from_resamples(float(gain[0]), gain[1:], len(first), clusters, (-1.0, 1.0))


def _resampled(
    predictions: Predictions,
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64], Clusters, Floats]:
    """Marks, places of the classes that are shown, and their average precision (1 + B, classes).

    The first row is the value itself; the others are of the same resamples for all predictions on
    the same clips.
    """
    marks = marks_of(predictions.labels, predictions.classes)
    shown = np.flatnonzero(marks.any(axis=0))
    clusters = choose_clusters(predictions.sessions, predictions.clip_ids)
    drawn = np.vstack(
        [np.ones((1, len(predictions)), np.int64), cluster_weights(clusters, _RESAMPLES)]
    )
    columns = [_precision(marks[:, k], predictions.probabilities[:, k], drawn) for k in shown]
    return marks, shown, clusters, np.column_stack(columns)


def marks_of(labels: Sequence[str | None], classes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which clip shows which class (N, K)."""
    return np.array([[name in classes_in(label) for name in classes] for label in labels], bool)


def _interval(values: Floats, n: int, clusters: Clusters) -> Interval:
    means = _mean_of_known(values)
    return from_resamples(float(means[0]), means[1:], n, clusters, (0.0, 1.0))


def _mean_of_known(values: Floats) -> Floats:
    """The mean of each row; a resample may lack a class: its mean is over the others."""
    known = np.isfinite(values)
    total = np.where(known, values, 0).sum(axis=1)
    means: Floats = np.divide(
        total, known.sum(axis=1), out=np.full(len(values), np.nan), where=known.any(1)
    )
    return means


def _precision(shows: npt.NDArray[np.bool_], scores: Floats, weights: Weights) -> Floats:
    """Average precision for each row of weights (B, N); clips of equal score rank together."""
    order = np.argsort(-scores, kind="stable")
    drawn, hits = weights[:, order], weights[:, order] * shows[order]
    ends = np.searchsorted(-scores[order], -scores[order], side="right") - 1
    before, found = drawn.cumsum(axis=1)[:, ends], hits.cumsum(axis=1)[:, ends]
    precision = found / np.maximum(before, 1)
    total = hits.sum(axis=1)
    sums: Floats = (hits * precision).sum(axis=1)
    found_any = total > 0
    return np.where(found_any, sums / np.maximum(total, 1), np.nan)
