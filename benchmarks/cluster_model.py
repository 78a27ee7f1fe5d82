"""How long 1,000 matches would take on 1 to 64 nodes, by a model of costs; and the model's check.

A simulation on paper: nothing here runs matches. Every match is cut into pieces that are decoded,
seen by a detector and spotted, each piece one item of a map. A node's cores take items in turn, the
head hands them out one after the other, all read from one shared file system, and now and then an
item takes much longer. Costs are measured ones, to be replaced by your own.

    python benchmarks/cluster_model.py
    python benchmarks/cluster_model.py --check     # beside maps on 1 and 2 processes here

The check runs items of known cost and compares the model's time with the clock's, and says how
busy the machine was: on one where others work the clock is not the model's to foretell.
"""

import argparse
import heapq
import os
import random
import statistics
import time
from dataclasses import dataclass, replace

from workbench.engines.each import each, make_engine


@dataclass(frozen=True)
class Costs:
    """What a match of 90 minutes takes: CPU seconds of one core, bytes, and what goes round it."""

    decode_s: float = 527.0  # 135,000 frames of 1280×720 at 3.9 ms
    detect_s: float = 1283.0  # every 10th frame at 95 ms: RF-DETR nano in tiles, one core
    spot_s: float = 120.0  # 398×224 at 25 fps, 45 times real time, its decoding included
    read_gb: float = 2.7  # 4 Mbit/s
    written_gb: float = 0.05  # detections and scores
    pieces: int = 30  # items of a match: three minutes each
    hand_out_s: float = 0.025  # of the head, for an item
    slow_share: float = 0.01  # of the items ...
    slow_times: float = 5.0  # ... take so much longer: a node that others use, a bad disk

    @property
    def item_s(self) -> float:
        """CPU seconds of an item."""
        return (self.decode_s + self.detect_s + self.spot_s) / self.pieces

    @property
    def item_gb(self) -> float:
        """Bytes that an item moves through the shared file system, in 10⁹."""
        return (self.read_gb + self.written_gb) / self.pieces


@dataclass(frozen=True)
class Cluster:
    """What works on it."""

    nodes: int
    cores: int = 16  # of a node
    disk_gb_s: float = 1.0  # of the shared file system, for all nodes: a 10 Gbit/s line, in use
    start_s: float = 8.0  # until the first item runs: processes that import torch


@dataclass(frozen=True)
class Outcome:
    """How long it takes, and what it waits for."""

    seconds: float
    busy: float  # share of the cores' time that is work
    disk: float  # share of the time in which the file system is at its limit
    head: float  # share of the time in which the head hands out


def simulate(matches: int, costs: Costs, cluster: Cluster, seed: int = 0) -> Outcome:
    """Play the map: each core takes the next item once head and file system have served it."""
    rng = random.Random(seed)
    free = [cluster.start_s] * (cluster.nodes * cluster.cores)
    heapq.heapify(free)
    head_free = disk_free = last = 0.0
    worked = 0.0
    count = matches * costs.pieces
    for _ in range(count):
        ready = heapq.heappop(free)
        head_free = max(head_free, ready) + costs.hand_out_s
        # The file system serves in order; an item computes while it reads, so it waits for both.
        disk_free = max(disk_free, head_free) + costs.item_gb / cluster.disk_gb_s
        slow = costs.slow_times if rng.random() < costs.slow_share else 1.0
        took = costs.item_s * rng.uniform(0.9, 1.1) * slow
        ends = max(head_free + took, disk_free)
        worked += took
        last = max(last, ends)
        heapq.heappush(free, ends)
    return Outcome(
        last,
        worked / (last * len(free)),
        min(1.0, count * costs.item_gb / cluster.disk_gb_s / last),
        min(1.0, count * costs.hand_out_s / last),
    )


def show(matches: int, costs: Costs) -> None:
    """Print the table of nodes, and where it stops growing."""
    print(f"{matches} matches, {costs.pieces * matches} items of {costs.item_s:.0f} CPU s and "
          f"{1000 * costs.item_gb:.0f} MB; 16 cores a node")  # fmt: skip
    print("| nodes | hours | gain | cores busy | file system | head |\n|---|---|---|---|---|---|")
    alone = simulate(matches, costs, Cluster(1)).seconds
    for nodes in (1, 2, 4, 8, 16, 32, 64):
        found = simulate(matches, costs, Cluster(nodes))
        shares = " | ".join(f"{100 * one:.0f} %" for one in (found.busy, found.disk, found.head))
        print(f"| {nodes} | {found.seconds / 3600:.2f} | {alone / found.seconds:.1f} | {shares} |")


def work(seconds: float) -> float:
    """Use so much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def check(items: int = 24, item_s: float = 0.5) -> None:
    """Print the clock's time of maps on 1 and 2 processes beside the model's, in pairs."""
    costs = Costs(
        decode_s=item_s, detect_s=0, spot_s=0, read_gb=0, written_gb=0, pieces=1,
        hand_out_s=0.002, slow_share=0,
    )  # fmt: skip
    print(f"load before: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    for count in (1, 2):
        engine, cluster = make_engine(f"processes:{count}"), Cluster(1, cores=count)
        began = time.perf_counter()
        next(each(work, [("0", 0.0)], engine=engine))
        cluster = replace(cluster, start_s=time.perf_counter() - began)
        clock = []
        for _ in range(3):
            began = time.perf_counter()
            for _ in each(work, ((str(n), item_s) for n in range(items)), engine=engine):
                pass
            clock.append(time.perf_counter() - began)
        model = simulate(items, costs, cluster).seconds
        print(f"{count} processes: clock {statistics.median(clock):.2f} s, model {model:.2f} s")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matches", type=int, default=1000)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    if asked.check:
        check()
        return
    costs = Costs()
    show(asked.matches, costs)
    print("\nWith a GPU in every node, the detector at 1.3 ms a picture:")
    show(asked.matches, replace(costs, detect_s=13_500 * 0.0013))


if __name__ == "__main__":
    main()
