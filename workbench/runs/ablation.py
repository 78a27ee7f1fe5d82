"""Which change helped: effects of flags on the same test items, over the same seeds, one by one.

The unit is a cell: a set of flags that are on, and what every test item brought with every seed
(S, N). Comparing one batched change with what was before says nothing about its parts, and one seed
says "significant" where nothing changed in 12 of 100 cases; so every effect here is paired by item
and seed, its interval resamples sessions and seeds, and p values are Holm's for all flags at once.
Knows nothing about stages or files.

Sources: two-way resampling after Owen (2007), "The pigeonhole bootstrap"; Holm (1979), "A simple
sequentially rejective multiple test procedure"; Shapley (1953), "A value for n-person games";
two-level factorial effects after Box, Hunter and Hunter (2005), "Statistics for experimenters".
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from workbench.errors import DatasetError
from workbench.stats import Clusters, Interval, cluster_weights, from_resamples, holm, show

Floats = npt.NDArray[np.float64]
Flags = frozenset[str]
Outcomes = Mapping[Flags, Floats]
"""What each test item brought (S, N), by the flags that are on: 1 right, 0 wrong, or a share."""
Design = Literal["add", "drop", "both", "full", "half"]
Verdict = Literal["keep", "drop", "inconclusive"]

RESAMPLES = 4000
_SURE = 0.05


@dataclass(frozen=True)
class Effect:
    """What a flag, or a pair of flags beyond its parts, does to the mean over test items."""

    name: str
    measured: str  # "added to the baseline", "taken from all", …
    difference: Interval
    gained: int  # items right in most seeds only with it
    lost: int
    p: float
    p_holm: float = 1.0

    @property
    def verdict(self) -> Verdict:
        """Keep, drop, or inconclusive: by Holm's p and the interval."""
        if self.p_holm >= _SURE or self.difference.low <= 0 <= self.difference.high:
            return "inconclusive"
        return "keep" if self.difference.value > 0 else "drop"


@dataclass(frozen=True)
class Ablation:
    """The effects of all flags."""

    effects: tuple[Effect, ...]  # one per flag, over all its comparisons
    parts: tuple[Effect, ...]  # added to the baseline, and taken from all, where both were run
    interactions: tuple[Effect, ...]  # of pairs; of full designs alone
    shapley: tuple[Effect, ...]  # of full designs alone; they sum to what all flags do together
    batch: Effect | None  # all flags at once against the baseline, where both were run
    seeds: int

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """One verdict per flag.

        A flag that helps alone and hurts among the others (or the other way round) is inconclusive.
        """
        found: dict[str, Verdict] = {}
        for effect in self.effects:
            told = {one.verdict for one in self.parts if one.name == effect.name}
            found[effect.name] = "inconclusive" if {"keep", "drop"} <= told else effect.verdict
        return found

    def to_frame(self) -> pd.DataFrame:
        """Return one row per effect: difference, items won and lost, p, verdict."""
        rows = [
            (
                effect.name,
                effect.measured,
                show(effect.difference, percent=True, signed=True),
                f"+{effect.gained} −{effect.lost}" if " × " not in effect.name else "",
                f"{effect.p_holm:.3g}",
                effect.verdict,
            )
            for effect in (*self.effects, *self.parts, *self.interactions, *self._batches)
        ]
        columns = ["flag", "measured", "effect", "items", "p (Holm)", "verdict"]
        return pd.DataFrame(rows, columns=columns).set_index("flag")

    def answer(self) -> str:
        """Say what to keep and what to drop; begins with the verdict."""
        verdicts = self.verdicts
        kept = [name for name, verdict in verdicts.items() if verdict == "keep"]
        dropped = [name for name, verdict in verdicts.items() if verdict == "drop"]
        parts = []
        if kept:
            parts.append(f"keep {', '.join(kept)}")
        if dropped:
            parts.append(f"drop {', '.join(dropped)}")
        rest = len(verdicts) - len(kept) - len(dropped)
        if rest:
            parts.append(f"{rest} of {len(verdicts)} flags cannot be told from noise")
        against = [one for one in self.interactions if one.verdict == "drop"]
        if against:
            parts.append(f"{' and '.join(one.name for one in against)} hurt together")
        sized = f"{self.effects[0].difference.n} items, {self.seeds} seeds"
        word = "Yes" if kept or dropped or against else "Can't tell"
        return f"{word}: {'; '.join(parts)} ({sized})."

    @property
    def _batches(self) -> tuple[Effect, ...]:
        return () if self.batch is None else (self.batch,)

    def culprit(self) -> str | None:
        """Return the flag that hurts most beyond chance; None where none does."""
        hurting = [one for one in self.effects if self.verdicts[one.name] == "drop"]
        return min(hurting, key=lambda one: one.difference.value).name if hurting else None


def design_cells(flags: Sequence[str], design: Design = "both") -> list[Flags]:
    """Return the cells to run, the baseline first.

    "add" adds each flag to the baseline, "drop" takes each from all of them, "both" does both (2k+2
    cells), "full" is every combination, "half" the half of them in which the last flag is on when
    an odd number of the others is (for four flags or more: main effects are then not mixed with
    those of pairs).

    Raises:
        DatasetError: If there are no flags, or too few for "half".

    Example:
        >>> [sorted(cell) for cell in design_cells(["a", "b"], "add")]
        [[], ['a'], ['b']]
    """
    if not flags:
        raise DatasetError("there is no flag to ablate", "name one: --flag STAGE.NAME=OFF,ON")
    every, nothing = frozenset(flags), frozenset[str]()
    subsets = [frozenset(one) for n in range(len(flags) + 1) for one in combinations(flags, n)]
    if design == "full":
        return subsets
    if design == "half":
        if len(flags) < 4:
            raise DatasetError(
                f"half a factorial of {len(flags)} flags mixes effects with those of pairs",
                "use --design full, or name four flags or more",
            )
        last = flags[-1]
        return [one for one in subsets if (last in one) == (len(one - {last}) % 2 == 1)]
    cells = [nothing]
    if design in ("add", "both"):
        cells += [frozenset({name}) for name in flags]
    if design in ("drop", "both"):
        cells += [every - {name} for name in flags] + [every]
    return list(dict.fromkeys(cells))


def measure_effects(
    outcomes: Outcomes, flags: Sequence[str], clusters: Clusters, *, seed: int = 0
) -> Ablation:
    """Return what each flag does, from whatever cells were run.

    Every pair of cells that differs in one flag is a comparison where the design is one of adding
    and dropping; where all combinations (or the half of them) were run, an effect is the mean over
    all cells with the flag minus the mean over those without. A flag without a comparison, because
    a cell is missing, is left out.

    Args:
        outcomes: (S, N) per cell; the same seeds and items throughout.
        flags: Their names, in the order of the report.
        clusters: Of the items.
        seed: Of the resampling.

    Raises:
        DatasetError: If cells differ in seeds or items, or no flag was varied alone.
    """
    shapes = {value.shape for value in outcomes.values()}
    if len(shapes) != 1 or next(iter(shapes))[1] != len(clusters.names):
        raise DatasetError(
            "the cells were not judged on the same seeds and items", "run all of them again"
        )
    judge = _Judge(clusters, next(iter(shapes))[0], seed)
    every, nothing = frozenset(flags), frozenset[str]()
    is_full = len(outcomes) == 2 ** len(flags)
    effects: list[Effect] = []
    parts: list[Effect] = []
    for name in flags:
        if is_full or _is_balanced(outcomes, flags):
            effects.append(_main_effect(outcomes, name, judge))
        elif found := _one_by_one(outcomes, name, every, judge):
            effects.append(found[0])
            parts += found[1:]
    if not effects:
        raise DatasetError("no flag was varied alone", "see why the runs of its cells failed")
    pairs: tuple[Effect, ...] = ()
    shares: tuple[Effect, ...] = ()
    if is_full and len(flags) > 1:
        pairs = tuple(_interaction(outcomes, pair, judge) for pair in combinations(flags, 2))
        shares = tuple(_shapley(outcomes, name, flags, judge) for name in flags)
    batch = None
    if every in outcomes and nothing in outcomes and len(flags) > 1:
        together = outcomes[every] - outcomes[nothing]
        pair = outcomes[nothing], outcomes[every]
        batch = judge.effect("all at once", "against the baseline", together, pair)
    told = [_corrected(one) for one in (effects, parts, pairs, shares)]
    return Ablation(told[0], told[1], told[2], told[3], batch, judge.seeds)


class _Judge:
    """Turns differences per seed and item (S, N) into effects, all by the same resamples."""

    def __init__(self, clusters: Clusters, seeds: int, seed: int) -> None:
        self.clusters, self.seeds = clusters, seeds
        self._items = cluster_weights(clusters, RESAMPLES, seed).astype(float)
        self._items /= self._items.sum(axis=1, keepdims=True)
        rng = np.random.default_rng([seed, 1])
        drawn = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=RESAMPLES) / seeds
        # Few seeds: a resample spreads less than new seeds would, by the root of (S − 1) / S.
        widen = math.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
        self._seeds = 1 / seeds + (drawn - 1 / seeds) * widen

    def effect(
        self, name: str, measured: str, parts: Floats, pair: tuple[Floats, Floats] | None = None
    ) -> Effect:
        drawn = np.einsum("bs,sn,bn->b", self._seeds, parts, self._items, optimize=True)
        value = float(parts.mean())
        interval = from_resamples(value, drawn, parts.shape[1], self.clusters, (-1.0, 1.0))
        gained = lost = 0
        if pair:
            without, with_it = (one.mean(axis=0) > 0.5 for one in pair)
            gained, lost = int((with_it & ~without).sum()), int((without & ~with_it).sum())
        return Effect(name, measured, interval, gained, lost, self._p(value, drawn))

    def _p(self, value: float, drawn: Floats) -> float:
        """Two-sided p of no effect, by the same spread as the interval."""
        count = self.clusters.count
        spread = float(drawn.std()) * math.sqrt(count / max(1, count - 1))
        if count < 2:
            return 1.0
        if spread == 0:
            return 1.0 if value == 0 else 0.0
        return float(2 * stats.t.sf(abs(value) / spread, count - 1))


def _one_by_one(outcomes: Outcomes, name: str, every: Flags, judge: _Judge) -> list[Effect]:
    """Return the effect of a flag, then that of adding it and of taking it where both were run."""
    places = {
        "added to the baseline": (frozenset[str](), frozenset({name})),
        "taken from all": (every - {name}, every),
    }
    pairs = {
        measured: (outcomes[without], outcomes[with_it])
        for measured, (without, with_it) in places.items()
        if without in outcomes and with_it in outcomes
    }
    found = [judge.effect(name, said, pair[1] - pair[0], pair) for said, pair in pairs.items()]
    if len(found) < 2:
        return found
    without, with_it = (np.mean(side, axis=0) for side in zip(*pairs.values(), strict=True))
    return [judge.effect(name, "mean of both", with_it - without, (without, with_it)), *found]


def _is_balanced(outcomes: Outcomes, flags: Sequence[str]) -> bool:
    """Whether each flag is on in half of the cells, whatever the others are: a factorial."""
    signs = np.array([[1 if name in cell else -1 for name in flags] for cell in outcomes])
    ones = np.column_stack([np.ones(len(signs), int), signs])
    return bool((ones.T @ ones == len(signs) * np.eye(ones.shape[1])).all())


def _main_effect(outcomes: Outcomes, name: str, judge: _Judge) -> Effect:
    without, with_it = (
        np.mean([value for cell, value in outcomes.items() if (name in cell) == is_on], axis=0)
        for is_on in (False, True)
    )
    measured = f"mean over {len(outcomes)} cells"
    return judge.effect(name, measured, with_it - without, (without, with_it))


def _interaction(outcomes: Outcomes, pair: tuple[str, str], judge: _Judge) -> Effect:
    """What two flags do together beyond what each does, over all settings of the others."""
    both = {
        (one, other): np.mean(
            [
                value
                for cell, value in outcomes.items()
                if (pair[0] in cell, pair[1] in cell) == key
            ],
            axis=0,
        )
        for one in (False, True)
        for other in (False, True)
        for key in [(one, other)]
    }
    beyond = both[True, True] - both[True, False] - both[False, True] + both[False, False]
    return judge.effect(f"{pair[0]} × {pair[1]}", "beyond their sum", beyond)


def _shapley(outcomes: Outcomes, name: str, flags: Sequence[str], judge: _Judge) -> Effect:
    """Mean gain of adding a flag, over all orders in which the flags could come."""
    count = len(flags)

    def share(cell: Flags) -> float:
        orders = math.factorial(len(cell)) * math.factorial(count - len(cell) - 1)
        return orders / math.factorial(count)

    gains = [
        share(cell) * (outcomes[cell | {name}] - value)
        for cell, value in outcomes.items()
        if name not in cell
    ]
    return judge.effect(name, "Shapley value", np.sum(gains, axis=0))


def _corrected(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    listed = list(effects)
    corrected = holm([effect.p for effect in listed])
    return tuple(
        replace(effect, p_holm=float(p)) for effect, p in zip(listed, corrected, strict=True)
    )


def run_cells(
    flags: Sequence[str],
    design: Design,
    judge: Callable[[Flags], Floats],
    clusters: Clusters,
    *,
    seed: int = 0,
) -> Ablation:
    """Ablate a function: `judge` returns (S, N) of a set of flags; each cell is asked for once.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> right = lambda on: (rng.random((3, 200)) < 0.6 + 0.3 * ("warm-up" in on)).astype(float)
        >>> run_cells(["warm-up"], "add", right, Clusters("clip", tuple(range(200)))).verdicts
        {'warm-up': 'keep'}
    """
    outcomes = {cell: np.asarray(judge(cell), float) for cell in design_cells(flags, design)}
    return measure_effects(outcomes, flags, clusters, seed=seed)
