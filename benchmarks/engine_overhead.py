"""What an engine costs beyond the work itself, and what several processes gain.

Runs items that do nothing, and eight items of equal work, on each engine in turn, in one go; then
ten thousand small items whose results are kept, and the same again with one more. A minute or two
each, on a quiet machine:

    python benchmarks/engine_overhead.py
    python benchmarks/engine_overhead.py --engines processes:1 ray --many 1000

On a machine where others work the clock tells little: the driver's own CPU time stands beside it,
and the load. `ray` runs on a cluster of two workers of this machine. The seconds before the first
result are those of a map whose processes start, too.
"""

import argparse
import os
import statistics
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import psutil
from local_cluster import local_cluster

from workbench.engines.each import each, make_engine

_EMPTY = 500


def nothing(value: int) -> int:
    """Return what is given."""
    return value


def work(seed: int) -> float:
    """Sort numbers for about a second of one core."""
    rng = np.random.default_rng(seed)
    return sum(float(np.sort(rng.random(400_000))[0]) for _ in range(25))


def seconds(function: object, count: int, engine: object) -> tuple[float, float]:
    """Wall time of a map over so many items, and CPU time of this process."""
    items = ((str(number), number) for number in range(count))
    began, cpu = time.perf_counter(), time.process_time()
    for _ in each(function, items, engine=engine):  # type: ignore[arg-type]
        pass
    return time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    """Print the figures of each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=["processes:1", "processes:2"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=10_000)
    asked = parser.parse_args()
    with local_cluster(2) if "ray" in asked.engines else nullcontext():
        measure(asked.engines, asked.rounds, asked.many)


def measure(engines: list[str], rounds: int, many_items: int) -> None:
    """Print what each engine costs, what it gains, and how it bears very many items."""
    for name in engines:
        engine = make_engine(name)
        pairs = []  # of a map over one item and one over many, one after the other
        for _ in range(rounds):
            one, many = seconds(nothing, 1, engine), seconds(nothing, _EMPTY, engine)
            pairs.append([1000 * (b - a) / (_EMPTY - 1) for a, b in zip(one, many, strict=True)])
        wall, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        span = f"{min(pairs)[0]:.2f} to {max(pairs)[0]:.2f}"
        print(f"{name}: {wall:.2f} ms an item ({span}), {cpu:.2f} ms of the driver's CPU; "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    turns = [{name: seconds(work, 8, name)[0] for name in engines} for _ in range(rounds)]
    for name in engines[1:]:
        gains = [one[engines[0]] / one[name] for one in turns]
        span = f"{min(gains):.2f} to {max(gains):.2f}"
        print(f"{name}: {statistics.median(gains):.2f} times as fast as {engines[0]} ({span}), "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    for name in engines:
        with tempfile.TemporaryDirectory() as folder:
            for said in ("made", "kept"):
                show_many(Path(folder), said, name, many_items)


def show_many(folder: Path, said: str, engine: str, count: int) -> None:
    """Run items that are kept in a folder, where there is one more when they are."""
    count += said == "kept"
    before, began, first_s = psutil.Process().memory_info().rss, time.perf_counter(), 0.0
    items = ((str(number), number) for number in range(count))
    for ended in each(nothing, items, out=folder, engine=engine):
        if ended.node != "kept" and not first_s:
            first_s = time.perf_counter() - began
    grown = (psutil.Process().memory_info().rss - before) / 1e6
    all_s = time.perf_counter() - began
    print(
        f"{engine}, {count} items {said}: first open one ended after {first_s:.2f} s, "
        f"all after {all_s:.1f} s, +{grown:.0f} MB; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
