"""SoccerNet's average precision of spotted events, computed from the events alone.

The unit is a set of matches, each with labels and spots in columns. The numbers are those of the
SoccerNet package, whose rules are odd in places and kept: time is cut into bins of 1 / fps; of two
spots of a class in one bin the last counts; labels, in order of time, take the best spot that is
still free within ±delta/2; precision and recall are taken at 200 fixed scores from 0 to 1, and
average precision is the mean of 11 points. The package fills an array of two hours per class and
half; here is nothing but the events, sorted. Intervals and sentences are left to `report`.

Source: SoccerNet 0.2.0, `Evaluation/ActionSpotting.py`; for teams the evaluation of the 2025
challenge, which pools the two sides of a class by their labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from workbench.errors import DatasetError
from workbench.labels.events import (
    HALVES,
    LONGEST_HALF_S,
    SIDES,
    TEAMS,
    Bools,
    Events,
    Floats,
    Ints,
    bins,
)

FPS = 25.0  # what ball action spotting is judged at
THRESHOLDS = np.linspace(0, 1, 200)
RECALLS = np.arange(11) / 10
_LEVELS = len(THRESHOLDS) + 1
Part = Literal["all", "shown", "unshown"]
Weights = npt.NDArray[np.int64]
BLOCK_S = 30.0  # events further apart have little to do with each other


@dataclass(frozen=True)
class Metric:
    """The tolerances that an average precision is taken at; several are integrated over."""

    name: str
    deltas_s: tuple[float, ...]  # whole widths: a spot may be half of it away


def metric(name: str) -> Metric:
    """Return a metric by name: "tight", "loose", or "at" and seconds, such as "at1" or "at0.4".

    Raises:
        DatasetError: If it is none of them.
    """
    if name == "tight":
        return Metric(name, (1.0, 2.0, 3.0, 4.0, 5.0))
    if name == "loose":
        return Metric(name, tuple(5.0 * step for step in range(1, 13)))
    try:
        delta_s = float(name.removeprefix("at")) if name.startswith("at") else -1.0
    except ValueError:
        delta_s = -1.0
    if not 0 < delta_s <= LONGEST_HALF_S:
        raise DatasetError(f"metric {name!r}", "choose tight, loose, or at1, at2, at0.4 and so on")
    return Metric(name, (delta_s,))


def window_bins(delta_s: float, fps: float = FPS) -> int:
    """Return how many bins a spot may lie from its label, on either side."""
    return int(delta_s * fps / 2)


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Labels and spots of one class, all halves one after the other, each in order of time."""

    label_key: Ints  # (L,) half times stride plus bin
    label_sign: Ints  # (L,) 1 shown, -1 not
    label_block: Ints  # (L,) which block of `BLOCK_S` it lies in, counted over all matches
    spot_key: Ints  # (S,)
    spot_score: Floats  # (S,) 0 or more
    spot_block: Ints  # (S,)
    label_team: Ints  # (L,) places in `TEAMS`
    spot_team: Ints  # (S,)
    stride: int  # bins between the starts of two halves

    @cached_property
    def level(self) -> Ints:
        """How many of the 200 scores each spot reaches."""
        return np.searchsorted(THRESHOLDS, self.spot_score, "right").astype(np.int64)

    @cached_property
    def nearest_sign(self) -> Ints:
        """Sign of the label whose stretch of the half a spot is in; -1 in halves without labels."""
        if not len(self.label_key):
            return np.full(len(self.spot_key), -1)
        unit, place = np.divmod(self.label_key, self.stride)
        is_first = np.append(True, unit[1:] != unit[:-1])
        start = np.where(is_first, 0, (place + np.roll(place, 1)) // 2)
        of = np.searchsorted(unit * self.stride + start, self.spot_key, "right") - 1
        is_there = (of >= 0) & (unit[of] == self.spot_key // self.stride)
        return np.where(is_there, self.label_sign[of], -1)

    def matches(self, window: int) -> Ints:
        """Return for each label the place of the spot it takes, -1 for none."""
        low = np.searchsorted(self.spot_key, self.label_key - window, "left").tolist()
        high = np.searchsorted(self.spot_key, self.label_key + window, "right").tolist()
        free = self.spot_score.copy()
        taken = np.full(len(low), -1, np.int64)
        for label, (first, end) in enumerate(zip(low, high, strict=True)):
            if end > first:
                best = first + int(free[first:end].argmax())  # of equals the earliest
                if free[best] >= 0:
                    taken[label] = best
                    free[best] = -1
        return taken


@dataclass(frozen=True, eq=False)
class SpotScore:
    """Spots of some matches, judged."""

    classes: tuple[str, ...]
    matches: tuple[str, ...]
    tables: tuple[ClassTable, ...]  # by class
    match_of_block: Ints  # (blocks,) places in `matches`
    fps: float
    _matched: dict[tuple[int, int], Ints] = field(default_factory=dict, repr=False)

    @property
    def labels(self) -> dict[str, int]:
        """Number of labels per class."""
        return {
            name: len(table.label_key)
            for name, table in zip(self.classes, self.tables, strict=True)
        }

    @property
    def spots(self) -> int:
        """Number of spots that count."""
        return sum(len(table.spot_key) for table in self.tables)

    def matched(self, place: int, delta_s: float) -> Ints:
        """Return for each label of a class the place of the spot it takes, -1 for none."""
        key = place, window_bins(delta_s, self.fps)
        if key not in self._matched:
            self._matched[key] = self.tables[place].matches(key[1])
        return self._matched[key]

    def class_ap(
        self, chosen: Metric, part: Part = "all", weights: Weights | None = None
    ) -> Floats:
        """Return the average precision of each class (B, classes).

        A class without labels has 0, as the package has it; in a resample that drew none of the
        labels there are, NaN.

        Args:
            chosen: The tolerances.
            part: Whether all labels count, those shown, or those not shown.
            weights: How often each block counts (B, blocks); once by default.
        """
        rows = [
            np.stack([self._ap(place, delta_s, part, weights) for delta_s in chosen.deltas_s])
            for place in range(len(self.classes))
        ]
        curve = np.stack(rows, axis=-1)  # (deltas, B, classes)
        if len(curve) == 1:
            return np.asarray(curve[0])
        return np.asarray(((curve[1:] + curve[:-1]) / 2).mean(axis=0))

    def mean_ap(self, chosen: Metric, part: Part = "all") -> float:
        """Return mAP over all classes, also those without a label, which count 0."""
        return float(self.class_ap(chosen, part).mean())

    def _ap(self, place: int, delta_s: float, part: Part, weights: Weights | None) -> Floats:
        table, taken = self.tables[place], self.matched(place, delta_s)
        is_hit = np.zeros(len(table.spot_key), np.bool_)
        is_hit[taken[taken >= 0]] = True
        sign = {"all": 0, "shown": 1, "unshown": -1}[part]
        counts = table.nearest_sign == sign if sign else np.ones(len(is_hit), np.bool_)
        is_label = table.label_sign == sign if sign else np.ones(len(taken), np.bool_)
        if weights is None:
            plain = [
                np.bincount(table.level[kept], minlength=_LEVELS)
                for kept in (counts & is_hit, counts)
            ]
            return average_precision(plain[0][None], plain[1][None], [is_label.sum()])
        blocks = len(self.match_of_block)
        hits, said = (
            _weighted(weights, table.spot_block[kept] * _LEVELS + table.level[kept], blocks)
            for kept in (counts & is_hit, counts)
        )
        labels = weights @ np.bincount(table.label_block[is_label], minlength=blocks)
        ap = average_precision(hits, said, labels)
        return np.where(labels > 0, ap, np.nan) if is_label.any() else ap


def _weighted(weights: Weights, cell: Ints, blocks: int) -> Floats:
    """Counts by level (B, levels) for weights of blocks; `cell` is block times levels plus level.

    Matrices of floats multiply many times faster than those of integers, and counts are exact.
    """
    counts = np.bincount(cell, minlength=blocks * _LEVELS).reshape(blocks, _LEVELS)
    return weights.astype(np.float64) @ counts.astype(np.float64)


def average_precision(hits: npt.ArrayLike, said: npt.ArrayLike, labels: npt.ArrayLike) -> Floats:
    """Return the 11-point average precision (B,).

    Args:
        hits: Spots that a label took, by how many of the 200 scores they reach (B, 201).
        said: All spots, likewise.
        labels: Number of labels (B,).
    """
    # From the highest score down: what is at or above each.
    above_hits, above = (
        np.cumsum(np.asarray(counts, float)[:, :0:-1], axis=1)[:, ::-1] for counts in (hits, said)
    )
    count = np.asarray(labels, float)[:, None]
    precision = above_hits / np.maximum(above, 1)
    recall = above_hits / np.maximum(count, 1)
    best = [np.where(recall >= least, precision, 0).max(axis=1) for least in RECALLS]
    return np.asarray(np.where(count[:, 0] > 0, np.mean(best, axis=0), 0.0))


def score_spots(
    truth: Mapping[str, Events],
    found: Mapping[str, Events],
    fps: float = FPS,
    block_s: float = BLOCK_S,
) -> SpotScore:
    """Judge the spots of some matches against their labels.

    Args:
        truth: Labels by match.
        found: Spots by match; one without any counts as all missed.
        fps: Of the bins.
        block_s: How long the blocks are that intervals may resample.

    Raises:
        DatasetError: If there is no match, spots are of a match without labels, or classes differ.

    Example:
        >>> score_spots({"a": labels}, {"a": spots}).mean_ap(metric("at1"))  # doctest: +SKIP
    """
    if not truth:
        raise DatasetError("no match to judge on", "give labels of one at least")
    if strangers := sorted(set(found) - set(truth)):
        raise DatasetError(f"spots of {strangers[0]}, which has no labels", "leave them out")
    classes = next(iter(truth.values())).classes
    if any(events.classes != classes for events in (*truth.values(), *found.values())):
        raise DatasetError("labels and spots of other classes", "read them by one class map")
    names = tuple(sorted(truth))
    stride = int(4 * LONGEST_HALF_S * fps)  # so that no window reaches into another half
    none = Events.of_rows(classes, [])
    labels = _Columns.of([truth[name] for name in names], fps, stride)
    spots = _Columns.of([found.get(name, none) for name in names], fps, stride)
    # Blocks are those of the labels, so that two scores on the same labels can be paired.
    units = len(names) * len(HALVES)
    block_bins = block_s * fps
    blocks_of_unit = np.zeros(units, np.int64)
    np.maximum.at(blocks_of_unit, labels.unit, (labels.place // block_bins).astype(np.int64) + 1)
    first_block = np.cumsum(blocks_of_unit) - blocks_of_unit

    def block_of(events: "_Columns") -> Ints:
        within = np.minimum(events.place // block_bins, blocks_of_unit[events.unit] - 1)
        return np.asarray(np.maximum(first_block[events.unit] + within.astype(np.int64), 0))

    tables = []
    for place in range(len(classes)):
        of_labels, of_spots = labels.of_class(place), spots.of_class(place)
        of_spots = of_spots.take(of_spots.score >= 0)
        tables.append(
            ClassTable(
                of_labels.key,
                of_labels.sign,
                block_of(of_labels),
                of_spots.key,
                of_spots.score,
                block_of(of_spots),
                of_labels.team,
                of_spots.team,
                stride,
            )
        )
    match_of_block = np.repeat(np.arange(units) // len(HALVES), blocks_of_unit)
    return SpotScore(classes, names, tuple(tables), match_of_block, fps)


@dataclass(frozen=True, eq=False)
class _Columns:
    """Events of all matches by class and time, of those in one bin the last alone."""

    label: Ints
    key: Ints  # unit (match and half) times stride plus bin
    sign: Ints
    score: Floats
    team: Ints
    stride: int

    @classmethod
    def of(cls, matches: Sequence[Events], fps: float, stride: int) -> "_Columns":
        counts = [len(events) for events in matches]
        label, position_ms, half, is_shown, score, team = (
            np.concatenate([getattr(events, name) for events in matches])
            for name in ("label", "position_ms", "half", "is_shown", "score", "team")
        )
        unit = np.repeat(np.arange(len(matches)) * len(HALVES), counts) + half - 1
        key = unit * stride + bins(position_ms, fps)
        order = np.lexsort((key, label))  # stable: what was said last stays last
        label, key = label[order], key[order]
        same = (label[1:] == label[:-1]) & (key[1:] == key[:-1])
        last = np.append(~same, True)[: len(key)]
        kept = order[last]
        sign = np.where(is_shown[kept], 1, -1)
        return cls(label[last], key[last], sign, score[kept], team[kept], stride)

    @property
    def unit(self) -> Ints:
        return self.key // self.stride

    @property
    def place(self) -> Ints:
        return self.key % self.stride

    def of_class(self, place: int) -> "_Columns":
        return self.take(slice(*np.searchsorted(self.label, [place, place + 1])))

    def take(self, kept: slice | Bools) -> "_Columns":
        names = ("label", "key", "sign", "score", "team")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})


@dataclass(frozen=True, eq=False)
class TeamScore:
    """Spots judged by class and side: right only where the side is right, too."""

    sided: SpotScore  # of classes such as "PASS left", those of the left first

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes without sides."""
        half = len(self.sided.classes) // 2
        return tuple(name.rpartition(" ")[0] for name in self.sided.classes[:half])

    def class_ap(self, chosen: Metric, weights: Weights | None = None) -> Floats:
        """Return the average precision of each class (B, classes), its sides pooled by labels.

        As in the challenge, a label that is not shown takes one off the weight of its side; a class
        without labels has 0, where the challenge's code fails.
        """
        ap = self.sided.class_ap(chosen, weights=weights)
        shares = np.array([table.label_sign.sum() for table in self.sided.tables], float)
        (left, right), (left_n, right_n) = np.split(ap, 2, axis=1), np.split(shares, 2)
        total = left_n + right_n
        pooled = np.nan_to_num(left) * left_n + np.nan_to_num(right) * right_n
        return np.asarray(np.where(total != 0, pooled / np.where(total, total, 1), 0.0))


def score_teams(
    truth: Mapping[str, Events], found: Mapping[str, Events], fps: float = FPS
) -> TeamScore:
    """Judge spots with their sides, as the challenge of 2025 does: the halves are one.

    Labels of a second half do not count there, and the half of a spot is not looked at.

    Raises:
        DatasetError: As `score_spots`; or if a label or spot has no side.
    """
    for what, matches in (("label", truth), ("spot", found)):
        for name, events in matches.items():
            sideless = ~np.isin(events.team, [TEAMS.index(side) for side in SIDES])
            if sideless.any():
                raise DatasetError(
                    f"{name}: {sideless.sum()} {what}s without a side",
                    "give 'team' left or right, or judge without teams",
                )
    labels = {name: _sided(events.take(events.half == 1)) for name, events in truth.items()}
    spots = {
        name: _sided(replace(events, half=np.ones_like(events.half)))
        for name, events in found.items()
    }
    return TeamScore(score_spots(labels, spots, fps))


def _sided(events: Events) -> Events:
    classes = tuple(f"{name} {side}" for side in SIDES for name in events.classes)
    is_right = events.team == TEAMS.index("right")
    return replace(events, classes=classes, label=events.label + len(events.classes) * is_right)
