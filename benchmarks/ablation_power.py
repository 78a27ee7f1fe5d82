"""Does an ablation name the bad change, and leave alone what changes nothing? By simulation.

`python benchmarks/ablation_power.py`: 120 test items of 20 sessions, three seeds, the default
design (each change alone, and all but each). Items differ in difficulty, seeds in luck (3 points).
Either one of four changes is bad and three are good, or no change does anything. Beside it: what
one seed and McNemar's test alone say of a change that does nothing.
"""

import argparse

import numpy as np

from workbench.runs.ablation import Flags, run_cells
from workbench.stats import Clusters, mcnemar, wilson

ITEMS, SEEDS = 120, 3
CLUSTERS = Clusters("session", tuple(n // 6 for n in range(ITEMS)))
NAMES = ("crop", "warm-up", "video_mode", "balance")


class World:
    """Judges sets of changes: the odds of each item, with luck per session, cell and seed."""

    def __init__(self, effects: dict[str, float], seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._effects, self._seed = effects, seed
        self._hard = rng.normal(1.2, 1.6, ITEMS)
        self._hard += rng.normal(0, 0.5, ITEMS // 6)[np.arange(ITEMS) // 6]

    def __call__(self, on: Flags) -> np.ndarray:
        """Return which items are right (S, N)."""
        number = sum(2**place for place, name in enumerate(NAMES) if name in on)
        logits = self._hard + sum(self._effects[name] for name in on)
        runs = []
        for run in range(SEEDS):
            rng = np.random.default_rng([self._seed, number, run])
            chance = 1 / (1 + np.exp(-logits - rng.normal(0, 0.2)))
            runs.append(rng.random(ITEMS) < chance)
        return np.array(runs, float)


def main() -> None:
    """Print how often the bad change is named, and how often nothing is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200, help="ablations of each kind")
    trials = parser.parse_args().trials
    bad = {"crop": 0.9, "warm-up": 0.9, "video_mode": -1.4, "balance": 0.9}
    named = kept = alone = 0
    for seed in range(trials):
        found = run_cells(NAMES, "both", World(bad, seed), CLUSTERS)
        named += found.culprit() == "video_mode"
        idle = World(dict.fromkeys(NAMES, 0.0), seed)
        kept += "keep" in run_cells(NAMES, "both", idle, CLUSTERS).verdicts.values()
        before, after = idle(frozenset()), idle(frozenset({"crop"}))
        alone += mcnemar(before[0], after[0]).p_value < 0.05
    print(f"the bad change of four is named: {wilson(named, trials)}")
    print(f"nothing changed, and some change is kept: {wilson(kept, trials)}")
    print(f"nothing changed, one seed, McNemar below 0.05 for one change: {wilson(alone, trials)}")


if __name__ == "__main__":
    main()
