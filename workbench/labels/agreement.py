"""Agreement between annotators: observed, Cohen's kappa, Krippendorff's alpha; disagreements.

The unit is one item judged by several annotators, some of whom may not have judged it. Knows
ratings, classes and verdicts; how far apart people see an event in time is measured by `timing`.

Sources: Cohen (1960), "A coefficient of agreement for nominal scales"; Cohen (1968), "Weighted
kappa"; Krippendorff (2011), "Computing Krippendorff's alpha-reliability", whose example the tests
hold, as they do the package `krippendorff`, which takes one data set at a time.
"""

import math
from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.labels.lastword import last_words
from workbench.labels.store import LabelStore
from workbench.labels.timing import TOLERANCE_FRAMES, are_apart, event_frames
from workbench.labels.values import MOST_STARS, LabelError, Value, check_kind
from workbench.stats import (
    Clusters,
    Floats,
    Interval,
    Statistic,
    Weights,
    bootstrap,
    choose_clusters,
    show,
    wilson,
)

Level = Literal["nominal", "ordinal", "interval"]
KappaWeights = Literal["none", "linear", "quadratic"]

RESAMPLES = 2_000  # every coefficient is computed anew for each
MOST_IN_PAIRS = 20  # annotators; 200 of them would be 19,900 pairs
OTHERS = "most others"
UNSURE = "unsure"
RELIABLE_ALPHA = 0.667  # Krippendorff (2004), "Reliability in content analysis": the least
_SCALES: dict[str, tuple[str, ...] | None] = {  # None: the answers that occur, in no order
    "rating": tuple(str(stars) for stars in range(1, MOST_STARS + 1)),
    "verdict": ("no_goal", "goal"),
    "class": None,
}


@dataclass(frozen=True, eq=False)
class Judgements:
    """What every annotator said about every item, as codes: the place of the answer in a scale."""

    kind: str
    annotators: tuple[str, ...]
    items: tuple[str, ...]
    scale: tuple[str, ...]  # from worst to best, or names; then "unsure"
    codes: Floats  # (annotators, items); NaN where nothing was said


@dataclass(frozen=True)
class Measure:
    """One coefficient over all annotators, or between two of them."""

    name: str
    unsure: str  # "a category" of its own, or "left out"
    interval: Interval
    annotators: tuple[str, ...] = ()  # the two that are compared; empty: all


@dataclass(frozen=True)
class Agreement:
    """How far the annotators of one kind of label agree."""

    kind: str
    annotators: tuple[str, ...]
    items: int  # judged by anyone
    shared: int  # judged by two or more
    unsure: int  # judgements "unsure"
    judgements: int  # all of them
    overall: tuple[Measure, ...]
    # Cohen's kappa of each two that share items; of many people, of each with what most others say
    pairs: tuple[Measure, ...]

    def answer(self) -> str:
        """Say whether annotators agree, in a sentence that begins with the verdict."""
        if not self.items:
            return f"Nothing to see: nobody has given a clip a {self.kind}."
        alpha = next((one for one in self.overall if "alpha" in one.name), None)
        if alpha is None or math.isnan(alpha.interval.value):
            return f"Can't tell: {self.items} clips have a {self.kind}, {self.shared} of them two."
        low, high = alpha.interval.low, alpha.interval.high
        word = "Yes" if low >= RELIABLE_ALPHA else "No" if high < RELIABLE_ALPHA else "Can't tell"
        return (
            f"{word}: {alpha.name} is {show(alpha.interval)} on {self.shared} clips that two or "
            f"more have given a {self.kind}, where {RELIABLE_ALPHA} is called reliable."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        row = asdict(self)
        for part in ("overall", "pairs"):
            measures: tuple[Measure, ...] = getattr(self, part)
            row[part] = [
                {**asdict(measure), "interval": measure.interval.to_dict()} for measure in measures
            ]
        return row


def measure_agreement(
    store: LabelStore,
    kind: str,
    *,
    items: Collection[str] | None = None,
    item_to_session: Mapping[str, Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """Measure how far annotators agree in ratings, classes or verdicts, with and without "unsure".

    "Unsure" has no place between one star and five: where it counts as a category, the scale is
    nominal. Skipped items were not judged; with `items`, only those count. Intervals resample whole
    sessions where there are enough and every item has one, else items.

    Example:
        >>> for measure in measure_agreement(store, "verdict").overall:  # doctest: +SKIP
        ...     print(measure.name, measure.unsure, measure.interval)
    """
    judged = judgements(store, kind, items)
    sure = np.where(judged.codes < judged.scale.index(UNSURE), judged.codes, np.nan)
    sessions = [(item_to_session or {}).get(item) for item in judged.items]
    clusters = choose_clusters(sessions, judged.items)
    measured = partial(estimate, clusters=clusters, resamples=resamples, seed=seed)
    levels: tuple[Level, ...] = (
        ("nominal", "ordinal", "interval") if kind == "rating" else ("nominal",)
    )
    overall = []
    for codes, unsure in ((judged.codes, "a category"), (sure, "left out")):
        observed = measured(observed_agreement(codes))
        overall.append(Measure("observed agreement", unsure, observed))
        for level in levels if codes is sure else levels[:1]:
            alpha = measured(krippendorff_alpha(codes, level))
            overall.append(Measure(f"Krippendorff's alpha, {level}", unsure, alpha))
    pairs = []
    for codes, unsure in ((judged.codes, "a category"), (sure, "left out")):
        weights: KappaWeights = "quadratic" if kind == "rating" and codes is sure else "none"
        name = "Cohen's kappa" if weights == "none" else f"Cohen's kappa, {weights} weights"
        for names, first, second in _compared(judged.annotators, codes):
            kappa = cohen_kappa(first, second, weights)
            if kappa.shared.any():
                pairs.append(Measure(name, unsure, measured(kappa), names))
    pairs.sort(key=lambda pair: pair.annotators)
    said = np.isfinite(judged.codes)
    return Agreement(
        kind=kind,
        annotators=judged.annotators,
        items=len(judged.items),
        shared=int((said.sum(axis=0) >= 2).sum()),
        unsure=int((said & ~np.isfinite(sure)).sum()),
        judgements=int(said.sum()),
        overall=tuple(overall),
        pairs=tuple(pairs),
    )


def judgements(store: LabelStore, kind: str, items: Collection[str] | None = None) -> Judgements:
    """Return the standing ratings, classes or verdicts, of some items or all, as a matrix.

    The classes of a clip that shows several are one answer.

    Raises:
        LabelError: If the kind has no scale to agree on.
    """
    if check_kind(kind) not in _SCALES:
        problem = f"agreement in labels of the kind {kind} is not measured"
        raise LabelError(problem, f"choose {' or '.join(_SCALES)}")
    answers = {}
    for (annotator, item_id), value in store.values(kind, items).items():
        answer = answer_of(kind, value)
        if answer is not None:
            answers[annotator, item_id] = answer
    annotators = tuple(sorted({annotator for annotator, _ in answers}))
    found = tuple(sorted({item_id for _, item_id in answers}))
    known = _SCALES[kind]
    if known is None:
        known = tuple(sorted(set(answers.values()) - {UNSURE}))
    scale = (*known, UNSURE)
    annotator_to_row = {name: row for row, name in enumerate(annotators)}
    item_to_column = {name: column for column, name in enumerate(found)}
    answer_to_code = {answer: code for code, answer in enumerate(scale)}
    codes = np.full((len(annotators), len(found)), np.nan)
    for (annotator, item_id), answer in answers.items():
        place = annotator_to_row[annotator], item_to_column[item_id]
        codes[place] = answer_to_code[answer]
    return Judgements(kind, annotators, found, scale, codes)


def disagreements(
    store: LabelStore,
    kind: str,
    items: Collection[str] | None = None,
    tolerance_frames: int = TOLERANCE_FRAMES,
) -> dict[str, dict[str, str]]:
    """Return who said what of each item that waits for an adjudicator, worst first.

    An item counts by the mean distance of two of its judgements: 1 for goal against no goal, one
    class against another and one star against five, in proportion between; half for unsure against
    anything, and for equal verdicts whose events are more than `tolerance_frames` apart. What
    somebody has settled waits no longer.

    Example:
        >>> disagreements(store, "verdict")  # doctest: +SKIP
        {'clip_031': {'ann': 'goal', 'ben': 'no_goal'},
         'clip_007': {'ann': 'goal at frame 48', 'ben': 'goal at frame 216'}}
    """
    judged = judgements(store, kind, items)
    distances = _distances(len(judged.scale) - 1, is_ordered=_SCALES[kind] is not None)
    counts = np.stack([(judged.codes == code).sum(axis=0) for code in range(len(judged.scale))], 1)
    said = counts.sum(axis=1)
    # Of all ordered pairs of judgements; equal ones are at no distance.
    total = np.einsum("ic,ck,ik->i", counts, distances, counts)
    item_to_frames = event_frames(store, items) if kind == "verdict" else {}
    timed = {item for item, frames in item_to_frames.items() if len(frames) > 1}
    done = last_words(store, kind)
    item_to_distance, item_to_said = {}, {}
    for place, item in enumerate(judged.items):
        if item in done or said[place] < 2 or not (total[place] or item in timed):
            continue
        codes = judged.codes[:, place]
        given = np.flatnonzero(np.isfinite(codes))
        who_to_code = {judged.annotators[row]: int(codes[row]) for row in given}
        distance, tells_frames = total[place] / (said[place] * (said[place] - 1)), False
        frames = item_to_frames.get(item, {})
        if item in timed:
            pairs = list(combinations(who_to_code, 2))
            apart = {pair: are_apart(frames, *pair, tolerance_frames) for pair in pairs}
            tells_frames = any(apart.values())
            distance = sum(
                max(distances[who_to_code[first], who_to_code[second]], 0.5 * apart[first, second])
                for first, second in pairs
            ) / len(pairs)
        if distance > 0:
            item_to_distance[item] = distance
            item_to_said[item] = {
                who: judged.scale[code]
                + (f" at frame {frames[who]}" if tells_frames and who in frames else "")
                for who, code in who_to_code.items()
            }
    queue = sorted(item_to_distance, key=lambda item: (-item_to_distance[item], item))
    return {item: item_to_said[item] for item in queue}


def _compared(
    names: tuple[str, ...], codes: Floats
) -> Iterator[tuple[tuple[str, str], Floats, Floats]]:
    """Yield who is compared with whom, and the codes of both."""
    if len(names) <= MOST_IN_PAIRS:
        for first, second in combinations(range(len(names)), 2):
            yield (names[first], names[second]), codes[first], codes[second]
    else:
        for row, name in enumerate(names):
            yield (name, OTHERS), codes[row], _most_others(codes, row)


def _most_others(codes: Floats, row: int) -> Floats:
    """The commonest answer of everybody else to each item that one has judged; NaN for a tie."""
    found = np.full(codes.shape[1], np.nan)
    own = np.flatnonzero(np.isfinite(codes[row]))
    domain, counts = _count_values(np.delete(codes, row, axis=0)[:, own])
    if len(domain) and len(own):
        best = counts.argmax(axis=1)
        most = counts.max(axis=1)
        is_clear = (most > 0) & ((counts == most[:, None]).sum(axis=1) == 1)
        found[own] = np.where(is_clear, domain[best], np.nan)
    return found


class Coefficient(NamedTuple):
    """A measure of agreement, ready to be resampled by `estimate`."""

    statistic: Statistic  # of the shared items; NaN where undefined
    apart: float  # probability that two judgements differ by chance; 1 where not corrected for it
    shared: npt.NDArray[np.bool_]  # of all items, those with two or more judgements


def krippendorff_alpha(codes: npt.ArrayLike, level: Level) -> Coefficient:
    """Return Krippendorff's alpha of any number of annotators.

    1 is perfect agreement, 0 what chance gives. Where there is nothing to tell apart, because all
    say the same or no item is shared, alpha is undefined. Codes are those of each annotator for
    each item (annotators, items), NaN where nothing was said; `level` is what distances between
    them mean.

    Example:
        >>> a, b = [1, 2, 3, 3, 2, 1], [1, 2, 3, 3, 2, 2]
        >>> round(estimate(krippendorff_alpha([a, b], "ordinal")).value, 3)
        0.884
    """
    domain, counts = _count_values(codes)
    shared = counts.sum(axis=1) >= 2
    kept, size = counts[shared], len(domain)
    totals = kept.sum(axis=0)
    apart = 1 - (totals * (totals - 1)).sum() / max(totals.sum() * (totals.sum() - 1), 1)
    ordered_pairs = kept[:, :, None] * (
        kept[:, None, :] - np.eye(size)
    )  # of each item's judgements
    coincidences = ordered_pairs / (kept.sum(axis=1)[:, None, None] - 1)

    def alpha(weights: Weights) -> Floats:
        together = (weights @ coincidences.reshape(len(kept), -1)).reshape(-1, size, size)
        each = together.sum(axis=2)  # (B, values): how often each was said
        distances = _squared_distances(domain, each, level)
        observed = (together * distances).sum(axis=(1, 2))
        chance = (each[:, :, None] * each[:, None, :] * distances).sum(axis=(1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            value = 1 - (each.sum(axis=1) - 1) * observed / chance
        return np.asarray(np.where(chance > 0, value, np.nan))  # else nothing to tell apart

    return Coefficient(alpha, float(apart), shared)


def _squared_distances(domain: Floats, each: Floats, level: Level) -> Floats:
    """Distances of each two values (B, values, values); ordinal ones depend on how often."""
    if level == "ordinal":
        place = np.cumsum(each, axis=1) - each / 2
        return np.asarray((place[:, :, None] - place[:, None, :]) ** 2)
    apart = domain[:, None] - domain[None, :]
    return np.asarray((apart != 0).astype(float) if level == "nominal" else apart**2)[None]


def cohen_kappa(
    first: npt.ArrayLike, second: npt.ArrayLike, weights: KappaWeights = "none"
) -> Coefficient:
    """Return Cohen's kappa of two annotators.

    Codes (items,) of the two are NaN where nothing was said; weights are "none" for names, "linear"
    or "quadratic" in the distance of codes for scales. Kappa is undefined where both always say the
    same one thing, or share no item.

    Example:
        >>> kappa = cohen_kappa([1, 2, 3, 3, 2, 1], [1, 2, 3, 3, 2, 2], "quadratic")
        >>> round(estimate(kappa).value, 3)
        0.857
    """
    codes = np.array([first, second], dtype=float)
    shared = np.isfinite(codes).all(axis=0)
    domain, places = np.unique(codes[:, shared], return_inverse=True)
    rows, columns = places.reshape(2, -1)
    size = len(domain)
    apart = np.abs(domain[:, None] - domain[None, :])
    power = {"none": 0, "linear": 1, "quadratic": 2}[weights]
    distances = np.where(apart > 0, apart**power, 0.0)
    cells = np.eye(size * size)[rows * size + columns]  # (items, cells): where each item falls

    def kappa(item_weights: Weights) -> Floats:
        counts = (item_weights @ cells).reshape(-1, size, size)
        chance = counts.sum(axis=2)[:, :, None] * counts.sum(axis=1)[:, None, :]
        observed = (counts * distances).sum(axis=(1, 2))
        expected = (chance * distances).sum(axis=(1, 2)) / item_weights.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(expected > 0, 1 - observed / expected, np.nan))

    shares = np.eye(size)[places.reshape(2, -1)].sum(axis=1) / max(shared.sum(), 1)
    return Coefficient(kappa, float(1 - shares[0] @ shares[1]), shared)


def observed_agreement(codes: npt.ArrayLike) -> Coefficient:
    """Return how often two judgements of an item are the same, not corrected for chance.

    Takes the codes of `krippendorff_alpha`.
    """
    _, counts = _count_values(codes)
    shared = counts.sum(axis=1) >= 2
    n = counts[shared].sum(axis=1)
    same = (counts[shared] * (counts[shared] - 1)).sum(axis=1) / (n * (n - 1))

    def share(weights: Weights) -> Floats:
        return np.asarray(weights @ same / weights.sum(axis=1))

    return Coefficient(share, 1.0, shared)


def estimate(
    coefficient: Coefficient,
    clusters: Clusters | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Return a coefficient with its bootstrap interval over the items that are shared.

    Perfect agreement has nothing to draw: resamples of it are perfect too. Its lower end is then
    that of the share of agreeing clusters (Wilson), corrected for chance as the value is.

    Without `clusters` each item is its own. The result's `n` counts the shared items; its numbers
    are NaN where the coefficient is undefined.
    """
    statistic, apart, shared = coefficient
    kept = (clusters or Clusters("item", tuple(range(len(shared))))).take(shared)
    n = len(kept.names)
    value = float(statistic(np.ones((1, n), dtype=np.int64))[0]) if n else float("nan")
    if np.isnan(value):
        return Interval(value, value, value, n)
    if value == 1:
        low = 1 - (1 - wilson(kept.count, kept.count).low) / apart
        return Interval(1.0, max(low, -1.0), 1.0, n, note=kept.note)
    return bootstrap(statistic, kept, within=(-1.0, 1.0), resamples=resamples, seed=seed)


def _count_values(codes: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.int_]]:
    """Return the values that occur, and how often each item was given each (items, values)."""
    known = np.asarray(codes, dtype=float)
    domain = np.unique(known[np.isfinite(known)])
    return domain, (known.T[:, :, None] == domain).sum(axis=1)


def _distances(steps: int, *, is_ordered: bool) -> Floats:
    """Distance of each two answers of a scale with "unsure" at its end."""
    place = np.arange(steps) / max(steps - 1, 1)
    apart = np.abs(place[:, None] - place[None, :])
    distances = np.full((steps + 1, steps + 1), 0.5)
    distances[:steps, :steps] = apart if is_ordered else apart > 0
    distances[steps, steps] = 0
    return distances


def answer_of(kind: str, value: Value) -> str | None:
    """Return the place on the scale that a value names; None for a skipped item.

    Several classes are joined: two people who say the same ones agree.

    Example:
        >>> answer_of("class", {"classes": ["run", "serve"]})
        'run + serve'
    """
    if kind == "verdict":
        return str(value["verdict"])
    if "stars" in value:
        return str(value["stars"])
    if "classes" in value:
        return " + ".join(value["classes"])
    return UNSURE if "unsure" in value else None
