"""Test report of a clip classifier: scores with intervals, and baselines on the same clips.

The unit is one set of predictions on labelled clips, and other scorers' predictions on the same
clips. Counts once, in a confusion matrix, and derives everything from it. Leaves pictures to
`figures`.

Intervals (95 %) are by session where the test clips come from enough of them (`stats`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import confusion_matrix

from workbench.actions.calibration import Calibration, calibrate
from workbench.actions.predict import Predictions
from workbench.errors import DatasetError
from workbench.saving import save_json
from workbench.stats import (
    ENOUGH_SESSIONS,
    Clusters,
    Floats,
    Interval,
    PairedTest,
    Weights,
    bootstrap,
    choose_clusters,
    f1_interval,
    mcnemar,
    pooled_difference,
    pooled_share,
    show,
    wilson,
)

REPORT_NAME = "video_scorer_testreport.json"
REPORT_FORMAT = "workbench-testreport/1"
_TOLD_APART = 0.05  # p value from which two scorers are not told apart


@dataclass(frozen=True)
class ClassScore:
    """How one class fared."""

    name: str
    precision: Interval
    recall: Interval
    f1: Interval
    support: int  # test clips of this class


@dataclass(frozen=True)
class Comparison:
    """Another scorer on the same clips, and what ours wins or loses against it."""

    scorer: str
    accuracy: Interval
    macro_f1: Interval
    paired: PairedTest  # ours against it
    accuracy_difference: Interval  # ours − its

    @property
    def is_told_apart(self) -> bool:
        """Whether the difference is more than chance explains."""
        return self.paired.p_value < _TOLD_APART


@dataclass(frozen=True, eq=False)
class ClipTestReport:
    """What the test clips say about a classifier."""

    predictions: Predictions
    classes: tuple[ClassScore, ...]
    accuracy: Interval
    macro_f1: Interval
    confusion: npt.NDArray[np.int64]  # (true, called)
    calibration: Calibration | None  # None where calls are known, but not how sure they were
    comparisons: tuple[Comparison, ...]

    @property
    def sessions(self) -> int:
        """Number of sessions the test clips come from."""
        return len(set(self.predictions.sessions))

    def to_frame(self) -> pd.DataFrame:
        """Return precision, recall, F1 with intervals and support per class."""
        rows = [
            (one.name, show(one.precision), show(one.recall), show(one.f1), one.support)
            for one in self.classes
        ]
        columns = ["class", "precision", "recall", "F1", "support"]
        return pd.DataFrame(rows, columns=columns).set_index("class")

    def comparison_frame(self) -> pd.DataFrame:
        """Return this scorer and the others, one row each, on the same clips."""
        rows = [(self.predictions.scorer, show(self.accuracy), show(self.macro_f1), "")]
        rows += [
            (other.scorer, show(other.accuracy), show(other.macro_f1), str(other.paired))
            for other in self.comparisons
        ]
        columns = ["scorer", "accuracy", "macro-F1", "this one against it"]
        return pd.DataFrame(rows, columns=columns).set_index("scorer")

    def answer(self) -> str:
        """Say whether the scorer beats the best of the others; begins with the verdict."""
        ours = f"{show(self.accuracy, percent=True)} of {self.accuracy.n} clips"
        ours += f" from {self.sessions} unseen session{'s' * (self.sessions != 1)} are right"
        if not self.comparisons:
            return f"Can't tell: {ours}, with nothing to compare with."
        best = max(self.comparisons, key=lambda other: other.accuracy.value)
        word = "Yes" if best.paired.difference > 0 else "No"
        if not best.is_told_apart:
            word = "Can't tell"
        against = f"{show(best.accuracy, percent=True)} for {best.scorer}"
        return f"{word}: {ours}, against {against}; paired {best.paired}."

    def reading(self) -> list[str]:
        """Return what the numbers say, in sentences."""
        n, wrong = self.accuracy.n, self.accuracy.n - int(self.confusion.trace())
        caveat = self.predictions.caveat
        lines = [f"{caveat[0].upper()}{caveat[1:]}."] if caveat else []
        lines.append(
            f"{n - wrong} of {n} clips from {self.sessions} held-out sessions are right: accuracy "
            f"{show(self.accuracy, percent=True)}, macro-F1 {show(self.macro_f1)}."
        )
        if self.sessions < ENOUGH_SESSIONS:
            lines.append(
                f"With only {self.sessions} test sessions the intervals leave out how sessions "
                "differ: they are too narrow for other sessions."
            )
        lines += self._confused_pairs()
        if wrong and "none" in self._names:
            errors, place = self._errors, self._names.index("none")
            alarms, misses = int(errors[place].sum()), int(errors[:, place].sum())
            lines.append(
                f"{alarms + misses} of {wrong} errors involve none: "
                f"{alarms} false alarms and {misses} misses."
            )
        if gap := self.calibration:
            finding = f"its probabilities are too {'high' if gap.overconfidence > 0 else 'low'}"
            lines.append(
                f"Calibration error {gap.error:.3f}; a perfectly calibrated scorer would show "
                f"{gap.null_mean:.3f} on these clips, above {gap.null_high:.3f} once in twenty: "
                f"{finding if gap.is_off else 'no finding'}."
            )
        for other in self.comparisons:
            verdict = "better than" if other.paired.difference > 0 else "worse than"
            if not other.is_told_apart:
                verdict = "not told apart from"
            lines.append(f"{self.predictions.scorer} is {verdict} {other.scorer}: {other.paired}.")
        return lines

    @property
    def _names(self) -> list[str]:
        return [score.name for score in self.classes]

    @property
    def _errors(self) -> npt.NDArray[np.int64]:
        return self.confusion - np.diag(np.diag(self.confusion))

    def _confused_pairs(self, limit: int = 3) -> list[str]:
        lines = []
        for cell in np.argsort(-self._errors, axis=None, kind="stable")[:limit]:
            true, called = np.unravel_index(cell, self.confusion.shape)
            count, score = int(self._errors[true, called]), self.classes[true]
            if count:
                lines.append(
                    f"{count} of {score.support} {score.name} clips are called "
                    f"{self._names[called]} ({show(wilson(count, score.support), percent=True)})."
                )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "format": REPORT_FORMAT,
            "caveat": self.predictions.caveat,
            "scorer": self.predictions.scorer,
            "dataset_version": self.predictions.dataset_version,
            "test_clips": self.accuracy.n,
            "test_sessions": self.sessions,
            **_intervals_of(self),
            "classes": {
                score.name: {**_intervals_of(score), "support": score.support}
                for score in self.classes
            },
            "confusion_matrix": {
                "labels": self._names,
                "rows": self.confusion.tolist(),  # a row per true class
            },
            "calibration": self.calibration
            and {
                "ece": self.calibration.error,
                "ece_if_calibrated": self.calibration.null_mean,
                "ece_if_calibrated_high": self.calibration.null_high,
            },
            "baselines": {
                other.scorer: {
                    **_intervals_of(other),
                    "gained": other.paired.gained,
                    "lost": other.paired.lost,
                    "mcnemar_p": other.paired.p_value,
                }
                for other in self.comparisons
            },
            "reading": self.reading(),
        }

    def save(self, folder: Path) -> Path:
        """Write `video_scorer_testreport.json` into `folder` and return its path."""
        save_json(folder / REPORT_NAME, self.to_dict())
        return folder / REPORT_NAME

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{line}</li>" for line in self.reading())
        return self.to_frame().to_html() + self.comparison_frame().to_html() + f"<ul>{items}</ul>"


def report_on(
    predictions: Predictions, others: Sequence[Predictions] = (), *, seed: int = 0
) -> ClipTestReport:
    """Judge predictions on labelled clips, beside other scorers on the same clips in any order.

    Others are baselines, say, or an earlier model.

    Raises:
        DatasetError: If a clip has no label, or another scorer judged other clips.

    Example:
        >>> report = report_on(predictions, run_baselines(clipset))  # doctest: +SKIP
        >>> report.save(Path("reports/confusion"))  # doctest: +SKIP
    """
    if not len(predictions) or not predictions.is_labelled:
        raise DatasetError(
            "clips without labels cannot be scored", "show predictions, or label the clips"
        )
    names, right = predictions.classes, predictions.is_right()
    matrix = confusion_matrix(predictions.labels, predictions.predicted, labels=list(names))
    return ClipTestReport(
        predictions,
        tuple(_score_class(predictions, name) for name in names),
        _accuracy(predictions),
        _macro_f1(predictions, seed),
        matrix.astype(np.int64),
        calibrate(predictions.probabilities.max(axis=1), right, seed=seed),
        tuple(_compare(predictions, _aligned(other, predictions), seed) for other in others),
    )


def report_from_confusion(
    labels: Sequence[str], matrix: npt.ArrayLike, *, seed: int = 0
) -> ClipTestReport:
    """Report on a confusion matrix that somebody published: counts (true, called), no more.

    Every clip counts as a session of its own, since nothing is known of them.

    Raises:
        DatasetError: If the matrix is not square, has not a row per label, or counts that are none.

    Example:
        >>> report = report_from_confusion(["soccer", "none"], [[48, 1], [0, 15]])
        >>> print(report.accuracy)
        0.984 [0.917, 0.997] n=64
    """
    counts, names = np.asarray(matrix), tuple(labels)
    is_square = counts.shape == (len(names), len(names)) and len(set(names)) == len(names)
    if not (is_square and counts.size and (counts == counts.astype(int)).all()):
        raise DatasetError(
            f"a matrix of shape {counts.shape} does not fit the labels {list(names)}",
            "give whole counts, a row and a column per label",
        )
    if (counts < 0).any() or not counts.sum():
        raise DatasetError("a confusion matrix counts clips", "give counts from 0, and some clip")
    true, called = (np.repeat(place.ravel(), counts.ravel()) for place in np.indices(counts.shape))
    ids = tuple(f"clip {number}" for number in range(len(true)))
    predictions = Predictions(
        scorer="the published calls",
        classes=names,
        clip_ids=ids,
        sessions=ids,
        labels=tuple(names[place] for place in true),
        probabilities=np.eye(len(names))[called],
        dataset_version="unknown",
    )
    return replace(report_on(predictions, seed=seed), calibration=None)


def _clusters(predictions: Predictions) -> Clusters:
    return choose_clusters(predictions.sessions, predictions.clip_ids)


def _of_class(
    predictions: Predictions, name: str
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which clips are of a class, and which are called by its name."""
    return np.array(predictions.labels) == name, np.array(predictions.predicted) == name


def _score_class(predictions: Predictions, name: str) -> ClassScore:
    (true, called), clusters = _of_class(predictions, name), _clusters(predictions)
    hits, nothing = true & called, wilson(0, 0)
    return ClassScore(
        name,
        precision=pooled_share(hits, called, clusters) or nothing,
        recall=pooled_share(hits, true, clusters) or nothing,
        f1=f1_interval(hits, true | called, clusters),
        support=int(true.sum()),
    )


def _accuracy(predictions: Predictions) -> Interval:
    return pooled_share(predictions.is_right(), None, _clusters(predictions)) or wilson(0, 0)


def _macro_f1(predictions: Predictions, seed: int) -> Interval:
    """Return the mean F1 of the classes that have test clips."""
    held = [name for name in predictions.classes if name in predictions.labels]
    classes = [_of_class(predictions, name) for name in held]

    def mean_f1(weights: Weights) -> Floats:
        per_class = []
        for true, called in classes:
            drawn, calls = weights @ true, weights @ called
            f1 = 2 * (weights @ (true & called)) / np.maximum(drawn + calls, 1)
            per_class.append(np.where(drawn > 0, f1, np.nan))
        mean: Floats = np.nanmean(per_class, axis=0)
        return mean

    clusters = _clusters(predictions)
    found = bootstrap(mean_f1, clusters, within=(0.0, 1.0), seed=seed)
    if found.low < found.high:
        return found
    # No spread (all right, say): the mean of the ends per class, which is wider than it need be.
    ends = [f1_interval(true & called, true | called, clusters) for true, called in classes]
    low, high = (float(np.mean([getattr(end, side) for end in ends])) for side in ("low", "high"))
    return replace(found, low=low, high=high)


def _aligned(other: Predictions, ours: Predictions) -> Predictions:
    """Return the other scorer's predictions in the order of ours."""
    if set(other.clip_ids) != set(ours.clip_ids) or other.classes != ours.classes:
        raise DatasetError(
            f"{other.scorer!r} was not judged on the same clips and classes",
            "run it on the same split of the same dataset",
        )
    ordered = other.take(ours.clip_ids)
    return replace(ordered, sessions=ours.sessions, labels=ours.labels)


def _compare(ours: Predictions, other: Predictions, seed: int) -> Comparison:
    every, right = np.ones(len(ours)), [one.is_right() for one in (other, ours)]
    return Comparison(
        other.scorer,
        _accuracy(other),
        _macro_f1(other, seed),
        mcnemar(*right),
        pooled_difference((right[0], every), (right[1], every), _clusters(ours)),
    )


def _intervals_of(scores: ClassScore | Comparison | ClipTestReport) -> dict[str, Any]:
    """Return for each estimate its value, the ends of its interval and n, as JSON has them."""
    content: dict[str, Any] = {}
    estimates = {name: one for name, one in vars(scores).items() if isinstance(one, Interval)}
    for name, interval in estimates.items():
        row = interval.to_dict()
        content |= {name: row["value"], f"{name}_interval": [row["low"], row["high"]]}
        content[f"{name}_n"] = interval.n
    return content
