"""How often the 95 % intervals of `workbench.stats` hold the truth, by simulation.

Draws data sets from worlds whose truth is known, at the sizes that reports have, and counts how
often the interval holds it: 93 to 97 of 100 is what a reader expects of 95 %. Worlds by session
have sessions that differ; the truth is that of all sessions. Average precision depends on the
number of images by its definition: its truth is the mean over data sets of the same size.

Run it with: python benchmarks/interval_coverage.py [--trials 1000] [--seed 0]
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.table import Table

from workbench.detect.scores.average_precision import IOUS, SIZES, Cell
from workbench.detect.scores.evaluation import CocoScore, paired_differences
from workbench.stats import (
    Clusters,
    Floats,
    Interval,
    Weights,
    bootstrap,
    f1_interval,
    median_interval,
    pooled_difference,
    pooled_share,
    wilson,
)

Random = np.random.Generator
Draw = Callable[[Random], Interval | None]
CLIPS_PER_SESSION = 8
AP_TRIALS_SHARE = 0.2  # average precision takes a thousand times as long as a share


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--trials", type=int, default=1000, help="data sets per row")
    parser.add_argument("--seed", type=int, default=0, help="of all draws")
    asked = parser.parse_args()
    table = Table("interval", "size", "holds", "mean width", box=None)
    for name, size, truth, draw in _worlds(asked.seed):
        trials = round(asked.trials * AP_TRIALS_SHARE) if "AP" in name else asked.trials
        rng = np.random.default_rng(asked.seed)
        found = [one for one in (draw(rng) for _ in range(trials)) if one is not None]
        held = wilson(sum(one.low <= truth <= one.high for one in found), len(found))
        width = float(np.mean([one.high - one.low for one in found]))
        said = f"{100 * held.value:.1f} % [{100 * held.low:.0f}, {100 * held.high:.0f}]"
        table.add_row(name, size, said, f"{width:.2f}")
    Console().print(table)


def _worlds(seed: int) -> Iterator[tuple[str, str, float, Draw]]:
    """Name, size and truth of each world, and how to draw an interval from it."""
    for share, n in ((0.5, 12), (0.8, 30), (0.94, 117), (0.94, 1000)):
        yield "share, Wilson", f"p = {share}, n = {n}", share, _independent_share(share, n)
    for alike in (0.02, 0.1):
        size = f"4 sessions, correlation {alike}"
        yield "share by clip, few sessions", size, 0.8, _share_by_clip(0.8, alike, 4)
    for sessions in (5, 8, 12, 20, 40):
        size = f"{sessions} sessions"
        yield "pooled share", f"p = 0.8, {size}", 0.8, _session_share(0.8, 0.1, sessions)
        yield "pooled share", f"p = 0.95, {size}", 0.95, _session_share(0.95, 0.1, sessions)
        yield "F1", f"0.89, {size}", 1.6 / 1.8, _session_f1(sessions)
        yield "paired difference", size, 0.04, _paired_share(sessions)
        yield "mean, bootstrap", size, 1.0, _bootstrap_mean(sessions)
    for n in (6, 12, 50):
        yield "median, order statistics", f"n = {n}", float(np.log(2)), _median(n)
    for sessions in (8, 20):
        yield "median, bootstrap", f"{sessions} sessions", 1.0, _session_median(sessions)
    for images in (12, 60):
        size = f"{images} images, 6 classes"
        expected = _expected_ap(images, seed)
        yield "AP", size, expected, _average_precision(images)
        yield "AP, paired difference", size, 0.0, _ap_difference(images)


def _independent_share(share: float, n: int) -> Draw:
    return lambda rng: wilson(int(rng.binomial(n, share)), n)


def _sessions(rng: Random, share: float, alike: float, count: int) -> tuple[Floats, Floats]:
    """Right clips and clips of each session; `alike` is the correlation within a session."""
    rate = rng.beta(share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, count)
    clips = 1 + rng.poisson(CLIPS_PER_SESSION - 1, count)
    return rng.binomial(clips, rate).astype(float), clips.astype(float)


def _by_session(count: int) -> Clusters:
    return Clusters("session", tuple(range(count)))


def _session_share(share: float, alike: float, count: int) -> Draw:
    return lambda rng: pooled_share(*_sessions(rng, share, alike, count), _by_session(count))


def _share_by_clip(share: float, alike: float, count: int) -> Draw:
    """What is left where sessions are too few: clips, as if sessions were alike."""

    def draw(rng: Random) -> Interval | None:
        right, clips = _sessions(rng, share, alike, count)
        names = Clusters("clip", tuple(range(int(clips.sum()))))
        return pooled_share(np.arange(int(clips.sum())) < right.sum(), None, names)

    return draw


def _session_f1(count: int) -> Draw:
    return lambda rng: f1_interval(*_sessions(rng, 0.8, 0.1, count), _by_session(count))


def _paired_share(count: int) -> Draw:
    def draw(rng: Random) -> Interval:
        right, clips = _sessions(rng, 0.8, 0.1, count)
        gained = rng.binomial((clips - right).astype(int), 0.4)
        lost = rng.binomial(right.astype(int), 0.05)
        return pooled_difference((right, clips), (right + gained - lost, clips), _by_session(count))

    return draw


def _bootstrap_mean(count: int) -> Draw:
    def draw(rng: Random) -> Interval:
        values = rng.normal(1, 0.3, count) + rng.normal(0, 0.5, count)

        def mean(weights: Weights) -> Floats:
            return np.asarray(weights @ values / weights.sum(axis=1))

        return bootstrap(mean, _by_session(count), resamples=2000)

    return draw


def _median(n: int) -> Draw:
    return lambda rng: median_interval(rng.exponential(1, n))


def _session_median(count: int) -> Draw:
    def draw(rng: Random) -> Interval:
        sessions = np.repeat(np.arange(count), CLIPS_PER_SESSION)
        values = 1 + rng.normal(0, 0.3, count)[sessions] + rng.normal(0, 0.5, len(sessions))
        return median_interval(values, Clusters("session", tuple(sessions.tolist())))

    return draw


def _detector(rng: Random, images: int) -> CocoScore:
    """A detector on images that are easy or hard, with classes that are frequent or rare."""
    easy = rng.normal(0, 0.6, images)
    names = tuple("abcdef")
    cells = {}
    for place in range(len(names)):
        frequency = 1.2 / (1 + place)
        there = rng.poisson(frequency, images)
        image = np.repeat(np.arange(images), there)
        found = rng.random(len(image)) < 1 / (1 + np.exp(-1 - easy[image]))
        ghosts = np.repeat(np.arange(images), rng.poisson(0.5 * frequency, images))
        score = np.concatenate([rng.normal(1.5, 1, found.sum()), rng.normal(0, 1, len(ghosts))])
        overlap = np.concatenate([0.55 + 0.45 * rng.beta(3, 2, found.sum()), np.zeros(len(ghosts))])
        order = np.argsort(-score)
        cells[place, "all"] = Cell(
            score[order],
            np.concatenate([image[found], ghosts])[order],
            np.zeros(len(order), np.int64),
            overlap[order] >= IOUS[:, None],
            np.ones((len(IOUS), len(order)), bool),
            there,
        )
        for size in SIZES[1:]:
            nothing = np.zeros((len(IOUS), 0), bool)
            none = np.zeros(0, np.int64)
            cells[place, size] = Cell(
                np.zeros(0), none, none, nothing, nothing, np.zeros(images, np.int64)
            )
    shown = tuple({"id": place} for place in range(images))
    return CocoScore("bbox", names, (100,), shown, 0, cells)


def _expected_ap(images: int, seed: int) -> float:
    rng = np.random.default_rng(seed + 1)
    return float(np.mean([_detector(rng, images).stats["AP"] for _ in range(1000)]))


def _average_precision(images: int) -> Draw:
    return lambda rng: _detector(rng, images).intervals()["AP"]


def _ap_difference(images: int) -> Draw:
    """Two detectors that are equally good: the difference is 0."""

    def draw(rng: Random) -> Interval:
        seed = int(rng.integers(2**31))
        pair = []
        for own in (1, 2):
            scene = _detector(np.random.default_rng(seed), images)
            noise = np.random.default_rng([seed, own])
            pair.append(_with_noise(scene, noise))
        return paired_differences(*pair)["AP"]

    return draw


def _with_noise(score: CocoScore, rng: Random) -> CocoScore:
    """The same detections with scores that are noisier."""
    cells = dict(score._cells)
    for key, cell in cells.items():
        noisy = cell.score + rng.normal(0, 1, len(cell.score))
        order = np.argsort(-noisy)
        cells[key] = Cell(
            noisy[order],
            cell.image[order],
            cell.rank[order],
            cell.hit[:, order],
            cell.judged[:, order],
            cell.objects,
        )
    return CocoScore(score.kind, score.names, score.images, 0, cells)


if __name__ == "__main__":
    main()
