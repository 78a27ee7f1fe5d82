"""Estimates with their intervals, how they are written, and paired tests for comparisons.

The unit is one test item (a clip, a detection, an event), which belongs to a cluster (its session):
items of one session resemble each other, so the bootstrap draws whole clusters, and
`choose_clusters` says which. Knows nothing about what an item is or how its score came about.

Sources: Wilson (1927), "Probable inference, the law of succession, and statistical inference";
Wilson's interval at an effective size after Dean and Pagano (2015), "Evaluating confidence interval
methods for binomial proportions in clustered surveys"; McNemar (1947), here with the exact binomial
tail; cluster bootstrap after Davison and Hinkley (1997), §3.8; F1 as a function of a proportion
after Hand, Christen and Kirielle (2021), "F*".
"""

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from workbench.errors import WorkbenchError

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.int64]
Statistic = Callable[[Weights], Floats]
"""Maps integer item weights (B, n) to values (B,): B resampled data sets judged in one call."""

CONFIDENCE = 0.95
RESAMPLES = 10_000
_MOST_DRAWS, _FEWEST_RESAMPLES = 20_000_000, 200  # items times resamples bound the memory
ENOUGH_SESSIONS = 5
_ROUNDING = 1e-24  # a variance of shares below is that of floating point
_Z = float(stats.norm.ppf((1 + CONFIDENCE) / 2))


class EstimateError(WorkbenchError):
    """A value whose interval does not hold it, or whose number of items is negative."""


@dataclass(frozen=True)
class Interval:
    """An estimate: its value, its 95 % interval, and the number of items it rests on.

    A value of NaN says that there was nothing to measure.

    Example:
        >>> print(wilson(110, 117))
        0.940 [0.882, 0.971] n=117
    """

    value: float
    low: float
    high: float
    n: int
    unit: str = ""
    note: str = ""  # what the items are, or what was resampled

    def __post_init__(self) -> None:
        holds = math.isnan(self.value) or self.low <= self.value <= self.high
        if self.n < 0 or not holds:
            raise EstimateError(
                f"{self.value} with n = {self.n} in [{self.low}, {self.high}] is not an estimate",
                "give low ≤ value ≤ high and n ≥ 0",
            )

    def __str__(self) -> str:
        return f"{show(self)} n={self.n}"

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate for JSON; NaN, which JSON lacks, becomes None.

        Unit and note are left out where they are empty.
        """
        row = {key: None if value != value else value for key, value in asdict(self).items()}
        return {key: value for key, value in row.items() if value != ""}


def show(estimate: Interval | None, *, signed: bool = False, percent: bool = False) -> str:
    """Return "value [low, high]" with its unit; a dash where there was nothing to measure.

    Differences are `signed`: a plus before positive numbers. A share can be written in `percent`.

    Example:
        >>> show(wilson(110, 117)), show(wilson(110, 117), percent=True), show(None)
        ('0.940 [0.882, 0.971]', '94.0 % [88.2, 97.1]', '–')
    """
    if estimate is None or math.isnan(estimate.value):
        return "–"
    options = {"signed": signed, "percent": percent}
    unit = " %" if percent else f" {estimate.unit}" if estimate.unit else ""
    return f"{show_number(estimate.value, **options)}{unit} {show_ends(estimate, **options)}"


def show_ends(estimate: Interval, *, signed: bool = False, percent: bool = False) -> str:
    """Return the 95 % interval as [low, high]."""
    ends = estimate.low, estimate.high
    return f"[{', '.join(show_number(end, signed=signed, percent=percent) for end in ends)}]"


def show_number(value: float, *, signed: bool = False, percent: bool = False) -> str:
    """Return a number rounded as far as it can be read; whole numbers stay whole.

    Example:
        >>> [show_number(value) for value in (0.9, 92.35, 1234.5, 0.00004, 1200)]
        ['0.900', '92.35', '1,234', '4.0e-05', '1,200']
    """
    size = abs(value)
    if percent:
        value, form = 100 * value, ".1f"
    elif isinstance(value, int) or size == 0 or size >= 100:
        form = ",.0f"
    elif size > 1:
        form = ".2f"
    else:
        form = ".3f" if size >= 1e-3 else ".1e"  # scores: always the same width
    written = f"{abs(value):{form}}"
    sign = "−" if value < 0 else "+" if signed and value else ""
    return f"{sign}{written}"


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


def wilson(successes: int, n: int) -> Interval:
    """Return the Wilson score interval of a proportion of independent items.

    Of nothing, nothing is known: with `n` = 0 the value is NaN and the interval [0, 1].

    Raises:
        ValueError: If `successes` is not within 0…`n`.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes out of {n}")
    if n == 0:
        return Interval(float("nan"), 0.0, 1.0, 0)
    return Interval(successes / n, *_wilson_ends(successes / n, n), n)


def _wilson_ends(share: float, n: float) -> tuple[float, float]:
    """Ends of the interval; `n` need not be whole, which SciPy's `binomtest` asks for."""
    centre = (share + _Z * _Z / (2 * n)) / (1 + _Z * _Z / n)
    half = _Z / (1 + _Z * _Z / n) * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    # The ends are exact at 0 and 1; there the two terms cancel only up to rounding.
    return (0.0 if share == 0 else centre - half), (1.0 if share == 1 else centre + half)


@dataclass(frozen=True)
class Clusters:
    """What a bootstrap draws whole: the session, or the clip, of each item."""

    by: str  # "session", "clip", or what an item is
    names: tuple[Hashable, ...]  # of each item's cluster

    @property
    def count(self) -> int:
        """Number of clusters."""
        return len(set(self.names))

    @property
    def note(self) -> str:
        """What an interval says about its resampling."""
        return f"resampled by {self.by} ({self.count})"

    def places(self) -> npt.NDArray[np.int64]:
        """Return the place of each item's cluster among them, in order of appearance."""
        name_to_place = {name: place for place, name in enumerate(dict.fromkeys(self.names))}
        return np.array([name_to_place[name] for name in self.names], dtype=np.int64)

    def take(self, kept: npt.NDArray[np.bool_]) -> "Clusters":
        """Return the clusters of some of the items."""
        pairs = zip(self.names, kept, strict=True)
        return Clusters(self.by, tuple(name for name, is_kept in pairs if is_kept))


def choose_clusters(
    sessions: Sequence[Hashable | None],
    clips: Sequence[Hashable | None],
    item: str = "clip",
) -> Clusters:
    """Return the clusters that intervals resample: the one rule for all of them.

    Whole sessions where there are at least `ENOUGH_SESSIONS`, because clips of one session resemble
    each other; else whole clips, because frames of one clip do. From five clusters on the intervals
    here hold the truth in 93 to 99 of 100 cases (`benchmarks/interval_coverage.py`); fewer sessions
    make them so wide that they say next to nothing. Intervals by clip leave out how sessions
    differ: of four sessions whose clips correlate by 0.1 they hold the truth in 88 of 100 cases.
    Where items name neither (None), each stands alone and is called an `item`.

    Example:
        >>> choose_clusters(["monday", "tuesday"], ["clip_1", "clip_2"]).note
        'resampled by clip (2)'
    """
    has_sessions, has_clips = (bool(names) and None not in names for names in (sessions, clips))
    if has_sessions and (len(set(sessions)) >= ENOUGH_SESSIONS or not has_clips):
        return Clusters("session", tuple(sessions))
    if has_clips:
        return Clusters("clip", tuple(clips))
    return Clusters(item, tuple(range(len(sessions))))


def cluster_weights(clusters: Clusters, resamples: int = RESAMPLES, seed: int = 0) -> Weights:
    """Return how often each item is in each resample (B, n), whole clusters at a time."""
    count, rng = clusters.count, np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    return draws[:, clusters.places()].astype(np.int64)


def bootstrap(
    statistic: Statistic,
    clusters: Clusters,
    *,
    within: tuple[float, float] = (-math.inf, math.inf),
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a statistic of items with its interval, resampling whole clusters.

    Args:
        statistic: Judges all resamples at once; weights of one give the value itself.
        clusters: See `choose_clusters`.
        within: The least and the greatest value that the statistic can take.
        resamples: Number of data sets drawn; fewer of very many items, where few do.
        seed: Of the draws.

    Raises:
        ValueError: If there are no items.

    Example:
        >>> right = np.array([1, 1, 0, 1])
        >>> accuracy = lambda weights: weights @ right / weights.sum(axis=1)
        >>> bootstrap(accuracy, Clusters("session", ("a", "a", "b", "c"))).value
        0.75
    """
    items = len(clusters.names)
    if not items:
        raise ValueError("no items to resample")
    value = float(statistic(np.ones((1, items), dtype=np.int64))[0])
    resamples = min(resamples, max(_FEWEST_RESAMPLES, _MOST_DRAWS // items))
    drawn = statistic(cluster_weights(clusters, resamples, seed))
    return from_resamples(value, drawn, items, clusters, within)


def from_resamples(
    value: float,
    drawn: Floats,
    n: int,
    clusters: Clusters,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Return the interval of a value from its resamples (B,); all NaN where there is no value.

    The value ± Student's t times the standard deviation of the resamples. Percentiles would be off
    centre where a statistic is biased on few items, as average precision is, and too narrow with
    few clusters.
    """
    known = drawn[np.isfinite(drawn)]  # a resample may lack what the statistic needs
    if not (math.isfinite(value) and known.size):
        nothing = float("nan")
        return Interval(nothing, nothing, nothing, n, note=clusters.note)
    return _around(value, float(known.std()), n, clusters, within)


def _around(
    value: float, spread: float, n: int, clusters: Clusters, within: tuple[float, float]
) -> Interval:
    """Interval from the standard error that `clusters.count` clusters give, divisor unadjusted."""
    count = clusters.count
    if count < 2:  # one cluster says nothing about others
        return Interval(value, *within, n, note=clusters.note)
    half = _t(count) * spread * math.sqrt(count / (count - 1))
    low, high = max(value - half, within[0]), min(value + half, within[1])
    return Interval(value, min(low, value), max(high, value), n, note=clusters.note)


def pooled_share(
    parts: npt.ArrayLike, wholes: npt.ArrayLike | None, clusters: Clusters
) -> Interval | None:
    """Return Σ parts / Σ wholes, such as precision from the counts of each clip; None of nothing.

    Wilson's interval at the effective number of items: as many independent ones as would spread
    like the clusters do, fewer by Student's t for few clusters. Where no cluster differs from the
    others, each counts as one item.

    Args:
        parts: Counts of each item (n,), such as its true positives.
        wholes: Counts of each item (n,), such as all its detections; None: one each. Their sum is
            the `n` of the result.
        clusters: The cluster of each item.
    """
    part = np.asarray(parts, float)
    whole = np.ones(len(part)) if wholes is None else np.asarray(wholes, float)
    total = float(whole.sum())
    if not total:
        return None
    share = min(1.0, float(part.sum()) / total)
    held = clusters.take(whole > 0)
    count = held.count
    if count == total:  # each cluster is one independent item
        return replace(wilson(round(part.sum()), round(total)), note=clusters.note)
    effective = float(count)
    variance = _variance(((part - share * whole) / total)[whole > 0], held)
    if variance > _ROUNDING:
        variance *= count / (count - 1)
        effective = min(share * (1 - share) / variance, total) * (_Z / _t(count)) ** 2
    return Interval(share, *_wilson_ends(share, effective), round(total), note=clusters.note)


def f1_interval(hits: npt.ArrayLike, touching: npt.ArrayLike, clusters: Clusters) -> Interval:
    """Return F1 with an interval that stays open at a perfect score.

    F1 = 2J/(1+J) with J = TP/(TP+FP+FN), a share of the items that touch the class: the interval of
    J maps onto F1. NaN where no item touches the class.

    Args:
        hits: Of each item (n,): true positives.
        touching: Of each item (n,): true positives, false positives and false negatives.
        clusters: Of the items.

    Example:
        >>> print(f1_interval(np.ones(29), np.ones(29), Clusters("clip", tuple(range(29)))))
        1.000 [0.938, 1.000] n=29
    """
    jaccard = pooled_share(hits, touching, clusters) or wilson(0, 0)
    value, low, high = (2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high))
    return replace(jaccard, value=value, low=low, high=high)


def pooled_difference(
    first: tuple[npt.ArrayLike, npt.ArrayLike],
    second: tuple[npt.ArrayLike, npt.ArrayLike],
    clusters: Clusters,
) -> Interval:
    """Return `second` − `first` of two pooled shares of the same items, paired.

    Both are parts and wholes of each item, as in `pooled_share`. The standard error is that of a
    difference of ratios by clusters (Taylor linearisation).
    """
    shares, residuals = [], []
    for parts, wholes in (first, second):
        part, whole = np.asarray(parts, float), np.asarray(wholes, float)
        shares.append(float(part.sum() / whole.sum()))
        residuals.append((part - shares[-1] * whole) / whole.sum())
    spread = math.sqrt(_variance(residuals[1] - residuals[0], clusters))
    n = round(float(np.asarray(first[1]).sum()))
    return _around(shares[1] - shares[0], spread, n, clusters, (-1.0, 1.0))


def median_interval(values: Floats, clusters: Clusters | None = None) -> Interval:
    """Return the median; NaN of nothing.

    The interval of independent values is free of assumptions: two order statistics. Clusters are
    resampled; without any, each value is its own.

    Example:
        >>> print(median_interval(np.arange(1.0, 102.0)))
        51.00 [41.00, 61.00] n=101
    """
    n, order = len(values), np.argsort(values)
    ordered = np.asarray(values, float)[order]
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    if clusters is None or clusters.count == n:
        tail = int(stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5))
        low, high = float(ordered[max(0, tail - 1)]), float(ordered[min(n - 1, n - tail)])
        note = clusters.note if clusters else ""
        return Interval(float(np.median(ordered)), low, high, n, note=note)

    def median(weights: Weights) -> Floats:
        reached = np.cumsum(weights[:, order], axis=1)
        half = reached[:, -1:] / 2
        middles = (reached >= half).argmax(axis=1), (reached > half).argmax(axis=1)
        return np.asarray((ordered[middles[0]] + ordered[middles[1]]) / 2)

    return bootstrap(median, clusters, within=(float(ordered[0]), float(ordered[-1])))


def _variance(residuals: Floats, clusters: Clusters) -> float:
    """Variance of a sum of residuals (n,) over clusters, divisor unadjusted; 0 of one cluster."""
    sums = np.bincount(clusters.places(), residuals)
    return float((sums**2).sum()) if len(sums) > 1 else 0.0


def _t(clusters: int) -> float:
    """Student's quantile for an interval by so many clusters."""
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, clusters - 1))


def mcnemar(first_right: npt.ArrayLike, second_right: npt.ArrayLike) -> PairedTest:
    """Compare two scorers, right or wrong on each item (n,), by the exact two-sided McNemar test.

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


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number: one false alarm in all is as rare as they say.

    Holm's (1979) step-down procedure, in the order given.

    Example:
        >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    corrected, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def widened(looks: int) -> float:
    """Return by how much a 95 % interval grows if so many are to hold at once (Bonferroni).

    Example:
        >>> widened(1), round(widened(3), 2)
        (1.0, 1.22)
    """
    return float(stats.norm.ppf(1 - (1 - CONFIDENCE) / 2 / max(1, looks)) / _Z)
