"""What an engine costs beyond the work itself, and what several processes gain.

Runs items that do nothing, and eight items of equal work, on each engine in turn, in one go; then
ten thousand small items whose results are kept, and the same again with one more.

    python benchmarks/engine_overhead.py --engines here processes:1 processes:2
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from workbench.engines.each import each, make_engine

_EMPTY, _MANY, _ROUNDS = 500, 10_000, 5


def nothing(value: int) -> int:
    """Return what is given."""
    return value


def work(seed: int) -> float:
    """Sort numbers for about a second of one core."""
    rng = np.random.default_rng(seed)
    return sum(float(np.sort(rng.random(400_000))[0]) for _ in range(25))


def seconds(function: object, count: int, engine: object) -> float:
    """Wall time of a map over so many items; its processes are started beforehand."""
    items = ((str(number), number) for number in range(count))
    began = time.perf_counter()
    for _ in each(function, items, engine=engine):  # type: ignore[arg-type]
        pass
    return time.perf_counter() - began


def main() -> None:
    """Print the figures of each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=["here", "processes:1", "processes:2"])
    engines = parser.parse_args().engines
    for name in engines:
        engine = make_engine(name)
        start_s = seconds(nothing, 1, engine)
        many = [seconds(nothing, _EMPTY, engine) - start_s for _ in range(_ROUNDS)]
        each_ms = 1000 * statistics.median(many) / _EMPTY
        print(f"{name}: {start_s:.2f} s to start, {each_ms:.2f} ms an item")
    rounds = [{name: seconds(work, 8, name) for name in engines} for _ in range(_ROUNDS)]
    for name in engines[1:]:
        gains = [one[engines[0]] / one[name] for one in rounds]
        span = f"{min(gains):.2f} to {max(gains):.2f}"
        print(f"{name}: {statistics.median(gains):.2f} times as fast as {engines[0]} ({span})")
    with tempfile.TemporaryDirectory() as folder:
        for said in ("made", "kept"):
            show_many(Path(folder), said, engines[-1])


def show_many(folder: Path, said: str, engine: str) -> None:
    """Run ten thousand items that are kept in a folder, where there is one more when they are."""
    count = _MANY + (said == "kept")
    before, began, first_s = psutil.Process().memory_info().rss, time.perf_counter(), 0.0
    items = ((str(number), number) for number in range(count))
    for ended in each(nothing, items, out=folder, engine=engine):
        if ended.node != "kept" and not first_s:
            first_s = time.perf_counter() - began
    grown = (psutil.Process().memory_info().rss - before) / 1e6
    all_s = time.perf_counter() - began
    print(f"{count} items {said}: first after {first_s:.2f} s, all {all_s:.1f} s, +{grown:.0f} MB")


if __name__ == "__main__":
    main()
