"""Inference on a video against the published way: one stack at a time, 2D features kept, mirrored.

The loop is that of the 2023 winner's predictor, on our `slow_fusion`: each new stack and its mirror
image go through the encoder by themselves, features of a stack are kept while windows need them,
a window at a time goes through the head, probabilities of both ways are averaged. Ours does the
same in batches. First the scores of both, then their time, turn by turn. The published predictor
gives scores at each of 25 frames a second, ours at each step of 0.24 s: with both factors, what a
second of video costs.

    python benchmarks/spotting_predictor.py                          # slim on a CPU: a minute
    python benchmarks/spotting_predictor.py --encoder lite0 --device cuda
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from workbench.actions.spotting.greyframes import STACK, STEP_S
from workbench.actions.spotting.network import Spotter
from workbench.actions.spotting.predict import merge_ways, middle, raw_scores
from workbench.training.compute import inference

REACH = 4  # steps on either side that a score of slow_fusion depends on
PUBLISHED_FPS = 25

Bytes = npt.NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="slim")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 144), metavar=("W", "H"))
    parser.add_argument("--steps", type=int, default=96, help="of video, 0.24 s each")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Spotter("slow_fusion", 12, options.encoder, tuple(options.size))
    rates = measure_rates(network, torch.device(options.device), options.steps, options.rounds)
    for name, value in rates.items():
        print(f"{name:52} {value:.4g}")


def measure_rates(
    network: Spotter, device: torch.device, steps: int, rounds: int
) -> dict[str, float]:
    """Return the largest difference of the scores, steps per second of each way, and ratios."""
    network = network.eval().to(device).to(memory_format=torch.channels_last)
    wide, high = network.size_wh
    stacks = np.random.default_rng(0).integers(0, 255, (steps, STACK, high, wide), np.uint8)

    def ours(precision: str, flip: bool) -> Callable[[], npt.ArrayLike]:
        return lambda: raw_scores(
            lambda first, end: iter(stacks[first:end]), steps, network, precision, flip
        )

    ways: dict[str, Callable[[], npt.ArrayLike]] = {
        "published, fp32": lambda: published_loop(network, stacks),
        "batched, fp32, mirrored": ours("fp32", True),
        "batched, fp32": ours("fp32", False),
        "batched, bf16": ours("bf16", False),
    }
    if network.name != "slow_fusion":
        ways.pop("published, fp32")
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    found: dict[str, npt.NDArray[np.float64]] = {}
    laps: dict[str, list[float]] = {name: [] for name in ways}
    for lap in range(rounds + 1):
        for name, way in ways.items():
            start = clock()
            found[name] = np.asarray(way(), np.float64)
            if lap:  # the first warms up
                laps[name].append(clock() - start)
    rates = {f"steps per second, {name}": steps / statistics.median(t) for name, t in laps.items()}
    first = "published, fp32"
    if first in ways:
        chances = [1 / (1 + np.exp(-found[name][:, : network.classes])) for name in ways]
        rates["largest difference of a probability, fp32"] = float(
            abs(chances[0] - chances[1]).max()
        )
        for name in list(ways)[1:]:
            pairs = zip(laps[first], laps[name], strict=True)
            rates[f"published / {name}, per step"] = statistics.median(a / b for a, b in pairs)
        for name in list(ways)[1:]:
            each = rates[f"published / {name}, per step"] * PUBLISHED_FPS * STEP_S
            rates[f"published / {name}, per second of video"] = each
    return rates


def published_loop(network: Spotter, stacks: Bytes) -> npt.NDArray[np.float32]:
    """Return the scores (T, 2 K), one stack and one window at a time."""
    device = next(network.parameters()).device
    kept: dict[int, torch.Tensor] = {}
    out = []
    with inference("fp32", device):
        for step in range(len(stacks)):
            for at in range(max(0, step - REACH), min(len(stacks), step + REACH + 1)):
                if at not in kept:
                    seen = middle(stacks[at : at + 1])
                    ways = torch.from_numpy(np.concatenate([seen, seen[..., ::-1]])).to(device)
                    kept[at] = network.maps(ways)[:, None]
            kept.pop(step - REACH - 1, None)
            first = max(0, step - REACH)
            window = torch.cat([kept[at] for at in sorted(kept)], dim=1)
            scores = merge_ways(network.heads(window)[:, step - first][:, None])[0]
            out.append(scores.cpu())
    return torch.stack(out).numpy()


if __name__ == "__main__":
    main()
