"""Intervals for every number and paired tests for every comparison.

The unit is one test item (a clip, a detection, an event), which belongs to a cluster (its session):
items of one session resemble each other, so the bootstrap draws whole sessions. Knows nothing about
what an item is or how its score came about.

Sources: Wilson (1927), "Probable inference, the law of succession, and statistical inference";
McNemar (1947), here with the exact binomial tail; cluster bootstrap after Davison and Hinkley
(1997), §3.8; F1 as a function of a proportion after Hand, Christen and Kirielle (2021), "F*".
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.int64]
Statistic = Callable[[Weights], Floats]
"""Maps integer item weights (B, n) to values (B,): B resampled data sets judged in one call."""

CONFIDENCE = 0.95
RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """A value, how sure we are of it, and on how many items it rests.

    Example:
        >>> print(wilson(110, 117))
        0.940 [0.882, 0.971] n=117
    """

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] n={self.n}"

    def to_dict(self) -> dict[str, Any]:
        """Return the interval for JSON; NaN, which JSON lacks, becomes None."""
        return {key: None if value != value else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class PairedTest:
    """Two scorers on the same items: what the second one won and lost against the first."""

    gained: int  # items only the second has right
    lost: int  # items only the first has right
    n: int
    p_value: float  # two-sided, exact

    @property
    def difference(self) -> float:
        """Accuracy of the second minus accuracy of the first."""
        return (self.gained - self.lost) / self.n

    def __str__(self) -> str:
        points = f"{100 * self.difference:+.1f} pp"
        return f"{points} (+{self.gained} −{self.lost}), p={self.p_value:.2g}"


def wilson(successes: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Return the Wilson score interval of a proportion.

    Of nothing, nothing is known: with `n` = 0 the value is NaN and the interval [0, 1].
    Items are taken as independent; where they come in sessions, `bootstrap` says what that costs.

    Raises:
        ValueError: If `successes` is not within 0…`n`.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes out of {n}")
    if n == 0:
        return Interval(float("nan"), 0.0, 1.0, 0)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    # The ends are exact at 0 and n; there the two terms above cancel only up to rounding.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Interval(share, low, high, n)


def f1_interval(true_positives: int, errors: int, confidence: float = CONFIDENCE) -> Interval:
    """Return F1 with an interval that stays open at a perfect score.

    F1 = 2J/(1+J) with J = TP/(TP+FP+FN), a proportion of the items that touch the class: Wilson's
    interval of J maps onto F1. A bootstrap of a perfect score would say [1, 1].

    Args:
        true_positives: Items of the class called by its name.
        errors: False positives plus false negatives.
        confidence: How often such an interval holds the truth.

    Example:
        >>> print(f1_interval(29, 0))
        1.000 [0.938, 1.000] n=29
    """
    jaccard = wilson(true_positives, true_positives + errors, confidence)
    value, low, high = (2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high))
    return Interval(value, low, high, jaccard.n)


def cluster_weights(
    clusters: Sequence[Hashable], resamples: int = RESAMPLES, seed: int = 0
) -> Weights:
    """Return how often each item is in each resample (B, n), whole clusters at a time."""
    cluster_to_place = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    item_cluster = np.array([cluster_to_place[name] for name in clusters], dtype=np.int64)
    count = len(cluster_to_place)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    return draws[:, item_cluster].astype(np.int64)


def bootstrap(
    statistic: Statistic,
    clusters: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """Return a statistic of items with its percentile interval, resampling whole clusters.

    With fewer than about ten clusters such an interval is too narrow, and with one it is a point:
    report the number of clusters beside it, or take `hull` with an interval of independent items.

    Args:
        statistic: Judges all resamples at once; weights of one give the value itself.
        clusters: The cluster of each item, say its session.
        resamples: Number of data sets drawn.
        confidence: How often such an interval is meant to hold the truth.
        seed: Of the draws.

    Raises:
        ValueError: If there are no items.

    Example:
        >>> right = np.array([1, 1, 0, 1])
        >>> accuracy = lambda weights: weights @ right / weights.sum(axis=1)
        >>> bootstrap(accuracy, ["a", "a", "b", "c"]).value
        0.75
    """
    if not clusters:
        raise ValueError("no items to resample")
    value = float(statistic(np.ones((1, len(clusters)), dtype=np.int64))[0])
    drawn = statistic(cluster_weights(clusters, resamples, seed))
    tail = (1 - confidence) / 2
    # A resample may lack what the statistic needs (a class, say); those say nothing.
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high), len(clusters))


def hull(first: Interval, second: Interval) -> Interval:
    """Return the narrowest interval that holds both: as unsure as the less sure of the two."""
    return Interval(first.value, min(first.low, second.low), max(first.high, second.high), first.n)


def mcnemar(first_right: npt.ArrayLike, second_right: npt.ArrayLike) -> PairedTest:
    """Compare two scorers on the same items by the exact two-sided McNemar test.

    Args:
        first_right: Whether the first scorer has each item right (n,).
        second_right: The same for the second.

    Raises:
        ValueError: If the two differ in length or are empty.

    Example:
        >>> print(mcnemar([0, 0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1, 1]))
        +85.7 pp (+6 −0), p=0.031
    """
    first = np.asarray(first_right, dtype=bool)
    second = np.asarray(second_right, dtype=bool)
    if first.shape != second.shape or first.size == 0:
        raise ValueError(f"{first.size} items against {second.size}")
    gained, lost = int((second & ~first).sum()), int((first & ~second).sum())
    p_value = 1.0 if gained + lost == 0 else stats.binomtest(gained, gained + lost).pvalue
    return PairedTest(gained, lost, first.size, float(p_value))


def paired_difference(
    first: Statistic, second: Statistic, clusters: Sequence[Hashable], *, seed: int = 0
) -> Interval:
    """Return `second` − `first` with its interval, both judged on the same resamples."""
    return bootstrap(lambda weights: second(weights) - first(weights), clusters, seed=seed)
