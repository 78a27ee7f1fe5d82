"""The training loop against the bare PyTorch loop one writes first: CPU time and memory per clip.

The same slim network, the same rendered clips, the same views and batches, both judged on the
validation clips after every epoch, fp32 on one thread. The bare loop has none of what ours adds:
clipped gradients, a schedule, a state to resume from after every epoch. The ratio is what those
cost. Each run has a process of its own, for its peak memory, and the two take turns.

    python benchmarks/training_loop.py                  # five turns: some minutes
    python benchmarks/training_loop.py --turns 2 --epochs 1
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from workbench.actions.clipset import Clipset, build_clipset, load_clipset
from workbench.actions.learner import ClipLearner
from workbench.actions.train import TrainConfig, train_classifier
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.simulated.sessions import make_footage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--who", choices=("bare", "ours"), help="internal: do one measurement")
    parser.add_argument("--clipset", type=Path, help="internal: the clips")
    options = parser.parse_args()
    if options.who:
        print(json.dumps(measure(options.who, load_clipset(options.clipset), options.epochs)))
        return
    with tempfile.TemporaryDirectory() as folder:
        make_clipset(Path(folder))
        command = [sys.executable, __file__, "--clipset", folder, "--epochs", str(options.epochs)]
        found: dict[str, list[dict[str, float]]] = {"bare": [], "ours": []}
        for _ in range(options.turns):
            for who, rows in found.items():
                done = subprocess.run([*command, "--who", who], check=True, capture_output=True)
                rows.append(json.loads(done.stdout))
    for name in ("cpu_ms_per_clip", "peak_mb"):
        ratios = [ours[name] / bare[name] for bare, ours in zip(*found.values(), strict=True)]
        medians = {who: statistics.median(row[name] for row in rows) for who, rows in found.items()}
        print(
            f"{name:16} bare {medians['bare']:7.1f}  ours {medians['ours']:7.1f}  "
            f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
        )


def make_clipset(folder: Path) -> None:
    """Render four sessions of twelve clips and store them as the demo does."""
    clips = make_footage(folder / "footage", sessions=4, clips=12, shooting_sessions=0)
    build_clipset(clips, folder / "footage", folder, origin=BUILT_IN_FOOTAGE)


def measure(who: str, clipset: Clipset, epochs: int) -> dict[str, float]:
    """Train in this process, and return what a training clip took."""
    config = TrainConfig(epochs=epochs, threads=1)
    torch.set_num_threads(1)
    start_s = time.process_time()
    if who == "ours":
        with tempfile.TemporaryDirectory() as folder:
            train_classifier(clipset, Path(folder) / "run", config)
    else:
        train_bare(clipset, config)
    cpu_s = time.process_time() - start_s
    return {
        "cpu_ms_per_clip": 1000 * cpu_s / (epochs * len(clipset.take("train"))),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def train_bare(clipset: Clipset, config: TrainConfig) -> None:
    """Train as a script would: views, loss, step, nothing kept."""
    learner = ClipLearner(clipset.folder, config)
    network = learner.network.train()
    optimizer = torch.optim.AdamW(network.parameters(), config.learning_rate)
    for epoch in range(1, config.epochs + 1):
        for frames, targets in learner.load(epoch, learner.batches(epoch)):
            optimizer.zero_grad()
            F.cross_entropy(network(frames), targets).backward()
            optimizer.step()
        learner.judge(network.eval())
        network.train()


if __name__ == "__main__":
    main()
