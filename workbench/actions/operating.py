"""Operating points of a clip classifier: when it answers, when it says "none", what mistakes cost.

The unit is one set of predictions. Every threshold is chosen on validation clips and judged on test
clips, so that the figures promise nothing that was looked up. Knows nothing about networks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.actions.predict import Predictions
from workbench.errors import DatasetError
from workbench.stats import Interval, choose_clusters, pooled_share, show, wilson

Floats = npt.NDArray[np.float64]

FEWEST_ANSWERED = 10  # validation clips: the share right of fewer chooses nothing
COSTS: Mapping[str, float] = {"missed": 1.0, "false alarm": 1.0, "confused": 1.0}
NONE = "none"


@dataclass(frozen=True)
class SureAnswers:
    """What holds where only sure calls are answered."""

    target: float  # share right that the validation clips were to reach
    threshold: float  # least probability of a call that is answered
    answered: Interval  # share of the test clips
    right: Interval  # share of those

    def __str__(self) -> str:
        return (
            f"Answering from {self.threshold:.2f} on (chosen on validation for "
            f"{100 * self.target:.0f} % right), {show(self.answered, percent=True)} of "
            f"{self.answered.n} test clips are answered and {show(self.right, percent=True)} of "
            f"those {self.right.n} are right."
        )


def answer_when_sure(
    valid: Predictions, test: Predictions, target: float = 0.95
) -> SureAnswers | None:
    """Choose on validation from which probability on to answer, and judge that on the test clips.

    The lowest threshold from which on `target` of the answered validation clips are right; None
    where none reaches it with at least ten clips.

    Raises:
        DatasetError: If a clip has no label, or the two differ in classes.
    """
    _check_pair(valid, test)
    sure, right = valid.probabilities.max(axis=1), valid.is_right()
    order = np.argsort(-sure, kind="stable")
    answered = np.arange(1, len(order) + 1)
    share = np.cumsum(right[order]) / answered
    # At equal probabilities all are answered or none: only the last of them is a threshold.
    is_last = np.append(np.diff(sure[order]) < 0, True)
    good = np.flatnonzero((share >= target) & (answered >= FEWEST_ANSWERED) & is_last)
    if not len(good):
        return None
    threshold = float(sure[order][good[-1]])
    kept = test.probabilities.max(axis=1) >= threshold
    clusters = choose_clusters(test.sessions, test.clip_ids)
    return SureAnswers(
        target,
        threshold,
        pooled_share(kept, None, clusters) or wilson(0, 0),
        pooled_share(kept & test.is_right(), kept, clusters) or wilson(0, 0),
    )


@dataclass(frozen=True, eq=False)
class Boundary:
    """The line between any class and "none"."""

    most_alarms: float  # share of the validation clips of none that may be called a class
    threshold: float  # least probability that a clip shows any class
    alarms: Interval  # share of the test clips of none above it
    found: Interval  # share of the test clips of a class above it
    curve: tuple[Floats, Floats]  # alarms and found at every threshold, on the test clips

    def __str__(self) -> str:
        return (
            f"With at most {100 * self.most_alarms:.0f} % false alarms on validation, "
            f"{show(self.found, percent=True)} of {self.found.n} test clips of a class are found, "
            f"at {show(self.alarms, percent=True)} false alarms on {self.alarms.n} clips of none."
        )


def draw_the_line(
    valid: Predictions, test: Predictions, most_alarms: float = 0.05
) -> Boundary | None:
    """Choose on validation how probable a class must be, and judge that on the test clips.

    None where the classes have no "none", or a split lacks its clips or any other.

    Raises:
        DatasetError: If a clip has no label, or the two differ in classes.
    """
    _check_pair(valid, test)
    if NONE not in test.classes:
        return None
    place = test.classes.index(NONE)
    action, idle = {}, {}
    for name, one in (("valid", valid), ("test", test)):
        score, is_none = 1 - one.probabilities[:, place], np.array(one.labels) == NONE
        action[name], idle[name] = score[~is_none], score[is_none]
        if not (len(action[name]) and len(idle[name])):
            return None
    steps = np.unique(np.concatenate([idle["valid"], action["valid"], [np.inf]]))
    alarms = np.array([(idle["valid"] >= step).mean() for step in steps])
    threshold = float(steps[np.flatnonzero(alarms <= most_alarms)[0]])
    is_none = np.array(test.labels) == NONE
    above = 1 - test.probabilities[:, place] >= threshold
    clusters = choose_clusters(test.sessions, test.clip_ids)
    shown = np.unique(np.concatenate([idle["test"], action["test"], [np.inf]]))
    curve = tuple(
        np.array([(scores >= step).mean() for step in shown])
        for scores in (idle["test"], action["test"])
    )
    return Boundary(
        most_alarms,
        threshold,
        pooled_share(above & is_none, is_none, clusters) or wilson(0, 0),
        pooled_share(above & ~is_none, ~is_none, clusters) or wilson(0, 0),
        (curve[0], curve[1]),
    )


@dataclass(frozen=True)
class Costs:
    """What mistakes cost per clip, with the most probable call and with the cheapest."""

    prices: Mapping[str, float]
    probable: float  # mean cost of the most probable calls
    cheapest: float  # mean cost of the calls with the least expected cost
    changed: int  # clips whose call differs
    n: int

    def __str__(self) -> str:
        prices = ", ".join(f"{name} {price:g}" for name, price in self.prices.items())
        if not self.changed:
            return (
                f"At these prices ({prices}) the most probable call is the cheapest: "
                f"{self.probable:.3f} a clip."
            )
        return (
            f"At these prices ({prices}) the most probable calls cost {self.probable:.3f} a clip, "
            f"the cheapest {self.cheapest:.3f}; {self.changed} of {self.n} calls differ."
        )


def price_mistakes(predictions: Predictions, prices: Mapping[str, float] = COSTS) -> Costs:
    """Return what the mistakes cost, and what calls by least expected cost would.

    Args:
        predictions: On labelled clips.
        prices: Of a class "missed" (called none), a "false alarm" (none called a class), and a
            class "confused" with another.

    Raises:
        DatasetError: If a clip has no label, or a price is unknown or below 0.
    """
    _check_labelled(predictions)
    wrong = [name for name, price in prices.items() if name not in COSTS or not price >= 0]
    if wrong:
        raise DatasetError(
            f"the cost {wrong[0]!r} = {prices[wrong[0]]} cannot be used",
            f"give numbers from 0 for {', '.join(map(repr, COSTS))}",
        )
    full = {**COSTS, **prices}
    table = _price_table(predictions.classes, full)
    true = np.array([predictions.classes.index(str(label)) for label in predictions.labels])
    probable = predictions.probabilities.argmax(axis=1)
    cheapest = (predictions.probabilities @ table).argmin(axis=1)
    # Equal costs: the most probable call stands.
    expected = predictions.probabilities @ table
    rows = np.arange(len(true))
    is_level = np.isclose(expected[rows, probable], expected[rows, cheapest])
    cheapest = np.where(is_level, probable, cheapest)
    return Costs(
        full,
        float(table[true, probable].mean()),
        float(table[true, cheapest].mean()),
        int((probable != cheapest).sum()),
        len(true),
    )


def _price_table(classes: Sequence[str], prices: Mapping[str, float]) -> Floats:
    """Cost of each call (true, called)."""
    table = np.full((len(classes), len(classes)), prices["confused"])
    if NONE in classes:
        place = list(classes).index(NONE)
        table[:, place], table[place, :] = prices["missed"], prices["false alarm"]
    np.fill_diagonal(table, 0)
    return table


def _check_labelled(predictions: Predictions) -> None:
    if not len(predictions) or not predictions.is_labelled:
        raise DatasetError(
            f"{predictions.scorer} was not run on labelled clips", "predict a labelled split"
        )


def _check_pair(one: Predictions, other: Predictions) -> None:
    for predictions in (one, other):
        _check_labelled(predictions)
    if one.classes != other.classes:
        raise DatasetError(
            f"the classes {list(one.classes)} and {list(other.classes)} differ",
            "compare predictions of one scorer",
        )
