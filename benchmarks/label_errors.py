"""Does the queue of doubtful labels find wrong ones? Planted errors on built-in footage.

`python benchmarks/label_errors.py [CLIPSET]`: one clip in ten of a clip set (default: the demo's,
`data/demo/clipset`, which `make demo` builds) gets another class at random; the queue that
`confusion_report` saves is made of the labels as they then are, and its first tenth is looked at.
Random order would find a tenth of the errors there.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench.actions.clipset import Clipset, load_clipset
from workbench.actions.doubts import predict_out_of_folds, queue_to_label
from workbench.stats import Clusters, bootstrap, show


def main() -> None:
    """Print how many times as many errors the head of the queue holds as a random one would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clipset", nargs="?", type=Path, default=Path("data/demo/clipset"))
    parser.add_argument("--noise", type=float, default=0.1, help="share of labels that are wrong")
    parser.add_argument("--seeds", type=int, default=20, help="draws of the wrong labels")
    options = parser.parse_args()
    clipset = load_clipset(options.clipset)
    rates = np.array([_rate(clipset, options.noise, seed) for seed in range(options.seeds)])
    draws = Clusters("draw", tuple(range(options.seeds)))
    rate = bootstrap(lambda weights: weights @ rates / weights.sum(axis=1), draws)
    print(f"{len(clipset)} clips, {100 * options.noise:.0f} % of the labels wrong:")
    print(f"the first tenth of the queue holds {show(rate)} times as many errors as a random tenth")


def _rate(clipset: Clipset, noise: float, seed: int) -> float:
    rng = np.random.default_rng(seed)
    wrong = rng.choice(len(clipset), round(noise * len(clipset)), replace=False)
    items = list(clipset.items)
    for place in wrong:
        others = [name for name in clipset.classes if name != items[place].label]
        items[place] = replace(items[place], label=str(rng.choice(others)))
    queue = queue_to_label(predict_out_of_folds(replace(clipset, items=tuple(items))))
    head = set(queue.index[: len(queue) // 10])
    found = sum(clipset.clip_ids[place] in head for place in wrong)
    return found / len(head) / (len(wrong) / len(clipset))


if __name__ == "__main__":
    main()
