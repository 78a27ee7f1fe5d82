"""How long 1,000 matches would take on 1 to 64 nodes, by a model of costs; and the model's check.

A simulation on paper: nothing here runs matches. Every match is cut into pieces that are decoded,
seen by a detector and spotted, each piece one item of a map. A node's cores take items in turn, the
head hands them out one after the other, all read from one shared file system, and now and then an
item takes much longer. Costs are measured ones, to be replaced by your own.

    python benchmarks/cluster_model.py
    python benchmarks/cluster_model.py --check     # beside maps on 1, 2 and 4 nodes here

The check hands items that wait to the nodes of local clusters, and compares the model's time with
the clock's.
"""

import argparse
import heapq
import os
import random
import time
from dataclasses import dataclass, replace

from local_cluster import local_cluster

from workbench.engines.cluster import node_name
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

    def draw_s(self, rng: random.Random) -> float:
        """How long one item takes."""
        slow = self.slow_times if rng.random() < self.slow_share else 1.0
        return self.item_s * rng.uniform(0.9, 1.1) * slow


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
        took = costs.draw_s(rng)
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


# A clip of 3 s, 640×360, from video to page: label (2.9 CPU s), detector dataset (.1), shot (3.5),
# page (1.5), an item each (`stage_items.py`); the clip is read four times, its labels twice.
CLIP = Costs(
    decode_s=0, detect_s=8.0, spot_s=0, read_gb=0.0055, written_gb=0.004, pieces=4
)  # fmt: skip


def show(matches: int, costs: Costs, what: str = "matches") -> None:
    """Print the table of nodes, and where it stops growing."""
    print(f"{matches} {what}, {costs.pieces * matches} items of {costs.item_s:.1f} CPU s and "
          f"{1000 * costs.item_gb:.1f} MB; 16 cores a node")  # fmt: skip
    print("| nodes | hours | gain | cores busy | file system | head |\n|---|---|---|---|---|---|")
    alone = simulate(matches, costs, Cluster(1)).seconds
    for nodes in (1, 2, 4, 8, 16, 32, 64):
        found = simulate(matches, costs, Cluster(nodes))
        shares = " | ".join(f"{100 * one:.0f} %" for one in (found.busy, found.disk, found.head))
        print(f"| {nodes} | {found.seconds / 3600:.2f} | {alone / found.seconds:.1f} | {shares} |")


def wait(seconds: float) -> str:
    """Take so long, and no core: many nodes fit on a machine of few. Says where it was."""
    time.sleep(seconds)
    return node_name()


def check(items: int = 64, item_s: float = 2.0) -> None:
    """Print the clock's time of maps on 1, 2 and 4 nodes of this machine beside the model's.

    Items wait as long as the model's items take, one in twenty five times as long; so the check is
    of handing out and of stragglers, not of cores and file systems, which these nodes share.
    """
    costs = Costs(
        decode_s=item_s, detect_s=0, spot_s=0, read_gb=0, written_gb=0, pieces=1, slow_share=0.05
    )
    print(f"load before: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    rng = random.Random(0)
    durations = [costs.draw_s(rng) for _ in range(items)]
    for nodes in (1, 2, 4):
        with local_cluster(nodes):
            engine = make_engine("ray")
            waiting: set[str] = set()
            while len(waiting) < nodes:  # until there is a process on each
                begin = ((str(number), 2.0) for number in range(2 * nodes))
                waiting |= {ended.result for ended in each(wait, begin, engine=engine)}
            began = time.perf_counter()
            jobs = ((str(number), one) for number, one in enumerate(durations))
            there = [ended.result for ended in each(wait, jobs, engine=engine)]
            clock = time.perf_counter() - began
        model = simulate(items, costs, Cluster(nodes, cores=1, start_s=0)).seconds
        share = max(map(there.count, there)) / items
        print(f"{nodes} nodes: clock {clock:.1f} s, model {model:.1f} s; no better than "
              f"{max(sum(durations) / nodes, max(durations)):.1f} s; a node's largest share of the "
              f"items {share:.2f}; load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip


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
    for hand_out_s in (0.025, 0.003):
        print(f"\nClips, where the head takes {1000 * hand_out_s:.0f} ms to hand out an item:")
        show(100 * asked.matches, replace(CLIP, hand_out_s=hand_out_s), "clips")


if __name__ == "__main__":
    main()
