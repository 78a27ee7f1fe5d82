"""Conv3d against TemporalConv3d: CPU time of a training step, and how wrong bf16 gradients are.

The same network, weights and clips, with the (k, 1, 1) convolutions as torch computes them and as
`workbench.actions.r2plus1d` does, turn by turn in one run, on one thread. CPU time, since other
work on the machine stretches the clock but hardly that.

    python benchmarks/temporal_conv.py                # slim, 8×64×64: about half a minute
    python benchmarks/temporal_conv.py --reference    # R(2+1)D-18, 16×112×112: some minutes
"""

import argparse
import copy
import platform
import statistics
import time

import torch
from torch import nn

from workbench.actions.models import ARCHITECTURES
from workbench.actions.r2plus1d import fold_temporal_convolutions
from workbench.training.compute import autocast

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", action="store_true", help="R(2+1)D-18 instead of slim")
    parser.add_argument("--clips", type=int, help="clips per step (default: 8, reference: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="timed steps per variant")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{_processor()}, torch {torch.__version__}, one thread")
    name = "r2plus1d_18" if options.reference else "slim"
    time_steps(name, options.clips or (1 if options.reference else 8), options.rounds)
    measure_gradients()


def time_steps(name: str, clips: int, rounds: int) -> None:
    made_for = ARCHITECTURES[name]
    width, height = made_for.size_wh
    shape = (clips, made_for.frames, height, width, 3)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8)
    torch.manual_seed(0)
    plain = made_for.build(4).to(memory_format=torch.channels_last_3d)
    ours = copy.deepcopy(plain)
    fold_temporal_convolutions(ours)

    print(f"\n{name}, {made_for.frames}×{height}×{width}: CPU ms per clip, forward + backward")
    print(f"{'':6}{'Conv3d':>10}{'ours':>10}{'ratio':>8}")
    for precision in ("fp32", "bf16"):
        spent: dict[str, list[float]] = {"Conv3d": [], "ours": []}
        for turn in range(rounds + 1):  # the first warms up
            for who, network in (("Conv3d", plain), ("ours", ours)):
                seconds = _step(network, frames, precision)
                if turn:
                    spent[who].append(1e3 * seconds / clips)
        theirs, mine = (statistics.median(spent[who]) for who in ("Conv3d", "ours"))
        print(f"{precision:6}{theirs:10.1f}{mine:10.1f}{theirs / mine:7.2f}×")


def _step(network: nn.Module, frames: torch.Tensor, precision: str) -> float:
    network.train()
    network.zero_grad()
    targets = torch.arange(len(frames)) % 4
    start = time.process_time()
    with autocast(precision, CPU):
        scores = network(frames)
    nn.functional.cross_entropy(scores.float(), targets).backward()
    return time.process_time() - start


def measure_gradients() -> None:
    print("\nbf16 weight gradient against fp32, relative error (48 → 32 channels, 8×8 pixels)")
    print(f"{'frames':>8}{'taps':>6}{'Conv3d':>12}{'ours':>12}")
    for taps in (3, 5):
        for count in (1, 2, 3, 4, 8):
            torch.manual_seed(count)
            plain = nn.Conv3d(48, 32, (taps, 1, 1), padding=(taps // 2, 0, 0), bias=False)
            ours = copy.deepcopy(plain)
            fold_temporal_convolutions(ours)
            clips = torch.randn(8, 48, count, 8, 8)
            exact = _weight_gradient(plain, clips, "fp32")
            errors = [
                float((_weight_gradient(conv, clips, "bf16") - exact).norm() / exact.norm())
                for conv in (plain, ours)
            ]
            print(f"{count:8}{taps:6}{errors[0]:12.2g}{errors[1]:12.2g}")


def _weight_gradient(conv: nn.Conv3d, clips: torch.Tensor, precision: str) -> torch.Tensor:
    conv.zero_grad()
    _leave_junk()
    with autocast(precision, CPU):
        output = conv(clips)
    output.float().backward(torch.linspace(-1, 1, output.numel()).view_as(output))
    assert conv.weight.grad is not None
    return conv.weight.grad.clone()


def _leave_junk() -> None:
    """Free memory full of NaN: what an uninitialised gradient is then made of."""
    junk = [torch.full((1 << power,), float("nan")) for power in range(8, 23) for _ in range(4)]
    del junk


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123 (not a file of ours)
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
