"""Estimates with their intervals, how they are written, and paired tests for comparisons.

The unit is one test item (a clip, a detection, an event), which belongs to a cluster (its session):
items of one session resemble each other, so the bootstrap draws whole clusters, and
`choose_clusters` says which. Knows nothing about what an item is or how its score came about.

Sources: Wilson (1927), "Probable inference, the law of succession, and statistical inference";
McNemar (1947), here with the exact binomial tail; cluster bootstrap after Davison and Hinkley
(1997), §3.8; F1 as a function of a proportion after Hand, Christen and Kirielle (2021), "F*".
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
ENOUGH_SESSIONS = 5


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

    Args:
        estimate: What to write.
        signed: Write a plus before positive numbers, for differences.
        percent: Write a share in percent.

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
    low, high = (
        show_number(end, signed=signed, percent=percent) for end in (estimate.low, estimate.high)
    )
    return f"[{low}, {high}]"


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
    return f"{value:{'+' if signed and value else ''}{form}}"


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
    ends = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(successes / n, float(ends.low), float(ends.high), n)


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

    def take(self, kept: npt.NDArray[np.bool_]) -> "Clusters":
        """Return the clusters of some of the items."""
        pairs = zip(self.names, kept, strict=True)
        return Clusters(self.by, tuple(name for name, is_kept in pairs if is_kept))


def choose_clusters(
    sessions: Sequence[Hashable | None],
    clips: Sequence[Hashable | None],
    item: str = "clip",
) -> Clusters:
    """Return the clusters that intervals resample: the house's one rule.

    Whole sessions where there are `ENOUGH_SESSIONS`, because clips of one session resemble each
    other; else whole clips, because frames of one clip do. With fewer sessions than that an
    interval by session is too narrow itself. Where items name neither, each stands alone.

    Args:
        sessions: The session of each item; None where it has none.
        clips: The clip of each item; None where it has none.
        item: What an item is called, where each stands alone.

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
    cluster_to_place = {name: place for place, name in enumerate(dict.fromkeys(clusters.names))}
    item_cluster = np.array([cluster_to_place[name] for name in clusters.names], dtype=np.int64)
    count = len(cluster_to_place)
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    return draws[:, item_cluster].astype(np.int64)


def bootstrap(
    statistic: Statistic,
    clusters: Clusters,
    *,
    n: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a statistic of items with its percentile interval, resampling whole clusters.

    Args:
        statistic: Judges all resamples at once; weights of one give the value itself.
        clusters: The cluster of each item, see `choose_clusters`.
        n: What the value rests on, where that is not the number of items.
        resamples: Number of data sets drawn.
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
    drawn = statistic(cluster_weights(clusters, resamples, seed))
    return from_resamples(value, drawn, items if n is None else n, clusters)


def from_resamples(value: float, drawn: Floats, n: int, clusters: Clusters) -> Interval:
    """Return the interval of a value from its resamples (B,); all NaN where there is no value."""
    known = drawn[np.isfinite(drawn)]  # a resample may lack what the statistic needs
    if not (np.isfinite(value) and known.size):
        nothing = float("nan")
        return Interval(nothing, nothing, nothing, n, note=clusters.note)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # A percentile interval need not hold a value that lies at the edge of what can be drawn.
    return Interval(value, min(float(low), value), max(float(high), value), n, note=clusters.note)


def pooled_share(
    parts: npt.ArrayLike, wholes: npt.ArrayLike, clusters: Clusters
) -> Interval | None:
    """Return Σ parts / Σ wholes, such as precision from the counts of each clip; None of nothing.

    Where all clusters are alike, resampling them says nothing: each counts as one item then.

    Args:
        parts: Of each item (n,), such as its true positives.
        wholes: Of each item (n,), such as all its detections; their sum is the `n` of the result.
        clusters: The cluster of each item.
    """
    part, whole = np.asarray(parts, float), np.asarray(wholes, float)
    if not whole.sum():
        return None
    found = bootstrap(_pooled(part, whole), clusters, n=int(whole.sum()))
    if found.low < found.high:
        return found
    seen = clusters.take(whole > 0).count
    return hull(found, wilson(round(found.value * seen), seen))


def pooled_difference(
    first: tuple[npt.ArrayLike, npt.ArrayLike],
    second: tuple[npt.ArrayLike, npt.ArrayLike],
    clusters: Clusters,
) -> Interval:
    """Return `second` − `first`, each parts and wholes of the same items, see `pooled_share`."""
    shares = (_pooled(np.asarray(p, float), np.asarray(w, float)) for p, w in (first, second))
    return paired_difference(*shares, clusters)


def _pooled(parts: Floats, wholes: Floats) -> Statistic:
    def pooled(weights: Weights) -> Floats:
        with np.errstate(invalid="ignore"):  # a resample may hold nothing at all
            return np.asarray((weights @ parts) / (weights @ wholes))

    return pooled


def hull(first: Interval, second: Interval) -> Interval:
    """Return the narrowest interval that holds both: as unsure as the less sure of the two."""
    return replace(first, low=min(first.low, second.low), high=max(first.high, second.high))


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
    first: Statistic, second: Statistic, clusters: Clusters, *, seed: int = 0
) -> Interval:
    """Return `second` − `first` with its interval, both judged on the same resamples."""
    return bootstrap(lambda weights: second(weights) - first(weights), clusters, seed=seed)
