"""R(2+1)D-18 on a GPU: clips per second against the card's peak, and a run to a full report.

Measures forward + backward + step of R(2+1)D-18 at 16×112×112 from torchvision's plain fp32 to
bf16, channels last and torch.compile, each as a share of what a large matrix product reaches on the
same card at the same precision, with its peak memory. Then renders action sessions and trains it on
the house's loop, beside it the slim network on a CPU, on the same clips, and judges both on the
same held-out sessions. Everything lands in OUT: `metrics.json`, predictions of test and validation
clips (for `50_confusion_report`), the runs' histories.

    python benchmarks/gpu_clips.py --out out                       # some minutes
    python benchmarks/gpu_clips.py --out out --device cpu --tiny   # tries the script, some minutes
    python benchmarks/gpu_clips.py --out out --device cpu --train-only --sessions 14 --epochs 8
"""

import argparse
import multiprocessing
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from workbench.actions.clipset import build_clipset, load_clipset
from workbench.actions.models import ARCHITECTURES
from workbench.actions.predict import load_predictions, predict_clips
from workbench.actions.recipe import TrainConfig
from workbench.actions.testreport import report_on
from workbench.actions.train import train_classifier
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.saving import save_json
from workbench.simulated.sessions import make_footage
from workbench.training.compute import autocast

NAME = "r2plus1d_18"
# Precision, channels last, compiled.
STEPS = {
    "fp32": ("fp32", False, False),
    "tf32": ("tf32", False, False),
    "bf16": ("bf16", False, False),
    "bf16, channels last": ("bf16", True, False),
    "bf16, channels last, compiled": ("bf16", True, True),
    "bf16, compiled": ("bf16", False, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, help="footage and clip sets; default: OUT/scratch")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--batch", type=int, default=32, help="clips per timed step")
    parser.add_argument("--minutes", type=float, default=3.5, help="nothing is compiled after")
    parser.add_argument("--train-only", action="store_true", help="no timed steps")
    parser.add_argument("--tiny", action="store_true", help="few clips, few epochs, no compiling")
    options = parser.parse_args()
    began = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    scratch = options.scratch or options.out / "scratch"
    sessions, clips, epochs = (5, 8, 1) if options.tiny else (options.sessions, 20, options.epochs)
    found: dict[str, Any] = {"torch": torch.__version__, "device": device_name(options.device)}

    def note(what: str, **figures: Any) -> None:
        found.update(figures)
        found["seconds"] = round(time.perf_counter() - began, 1)
        save_json(options.out / "metrics.json", found)
        print(f"{found['seconds']:6.1f} s  {what}", flush=True)

    device = torch.device(options.device)
    batch, rounds = (1, 1) if options.tiny else (options.batch, 10)
    peaks = (
        {} if device.type == "cpu" else {one: peak_tflops(one) for one in ("fp32", "tf32", "bf16")}
    )
    note("peaks measured", peak_tflops=peaks)
    speeds: dict[str, Any] = {}
    for step, how in () if options.train_only else STEPS.items():
        if how[-1] and (options.tiny or time.perf_counter() - began > 60 * options.minutes):
            continue
        speeds[step] = time_step(device, batch, rounds, peaks, *how)
        note(f"{step}: {speeds[step]}", speeds=speeds, batch=batch)

    footage = make_footage(
        scratch / "footage", sessions=sessions, clips=clips, shooting_sessions=0,
        engine=f"processes:{options.jobs}",
    )  # fmt: skip
    note(f"{len(footage)} clips rendered")
    clipset = build_clipset(
        footage, scratch / "footage", scratch / "clipset", origin=BUILT_IN_FOOTAGE, frames=32,
        size_wh=(144, 126), fractions=(0.6, 0.15, 0.25), jobs=options.jobs,
    )  # fmt: skip
    note(f"clip set {clipset.version}", clips={s: len(clipset.take(s)) for s in ("train", "test")})

    settings = {
        NAME: {"learning_rate": 1e-3, "model_settings": {"difference": True}},
        "slim": {"learning_rate": 3e-3, "frames": 12, "device": "cpu"},
    }
    spawn = multiprocessing.get_context("spawn")
    workers = 0 if options.tiny else max(1, options.jobs - 4)
    runs = {
        name: spawn.Process(
            target=train_and_predict,
            args=(name, own, scratch, options.out, epochs, options.device, workers),
        )
        for name, own in settings.items()
    }
    for run in runs.values():
        run.start()
    for run in runs.values():
        run.join()
    if failed := [name for name, run in runs.items() if run.exitcode]:
        sys.exit(f"{failed[0]} was not trained")
    note("trained", epochs=epochs, settings=settings, **judge(options.out))
    print(found["report"], flush=True)
    if options.scratch is None:
        shutil.rmtree(scratch)


def device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else device


def train_and_predict(
    name: str, own: dict[str, Any], scratch: Path, out: Path, epochs: int, device: str, workers: int
) -> None:
    """Train one network and save what it says of test and validation clips."""
    clipset = load_clipset(scratch / "clipset")
    how = {"device": device, "workers": workers} | own
    config = TrainConfig(model=name, epochs=epochs, **how)
    result = train_classifier(clipset, scratch / name, config, on_epoch=lambda epoch: print(
        f"{name} epoch {epoch.epoch}, {epoch.seconds:.1f} s: "
        f"valid macro-F1 {epoch.scores['valid_macro_f1']:.3f}", flush=True,
    ))  # fmt: skip
    for split in ("test", "valid"):
        said = predict_clips(result.run_dir, clipset.take(split), device=config.device)
        said.save(out / f"{name}_{split}.json")
    shutil.copy(result.run_dir / "metrics.csv", out / f"{name}_epochs.csv")


def judge(out: Path) -> dict[str, Any]:
    """Both networks on the same test clips, paired."""
    ours, slim = (load_predictions(out / f"{name}_test.json") for name in (NAME, "slim"))
    report = report_on(ours, [slim])
    report.save(out)
    return {
        "report": report.comparison_frame().to_string(),
        "accuracy": report.accuracy.value,
        "interval": [report.accuracy.low, report.accuracy.high],
        "n": report.accuracy.n,
    }


def peak_tflops(precision: str, size: int = 8192) -> float:
    """What a large matrix product reaches."""
    set_tf32(precision == "tf32")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    one, other = (torch.randn(size, size, device="cuda", dtype=dtype) for _ in range(2))
    seconds = timed(lambda: one @ other, torch.device("cuda"), 10)
    return round(2 * size**3 / seconds / 1e12, 1)


def set_tf32(on: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = on


def time_step(
    device: torch.device, batch: int, rounds: int, peaks: dict[str, float],
    precision: str, channels_last: bool, compiled: bool,
) -> dict[str, Any]:  # fmt: skip
    """Clips per second of forward, backward and step, with the share of the peak and the memory."""
    torch.manual_seed(0)
    set_tf32(precision == "tf32")
    network = ARCHITECTURES[NAME].build(4).backbone.to(device)
    assert isinstance(network, nn.Module)
    clips = torch.randn(batch, 3, 16, 112, 112, device=device)
    if channels_last:
        network = network.to(memory_format=torch.channels_last_3d)
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
    targets = torch.arange(batch, device=device) % 4
    optimizer = torch.optim.SGD(network.parameters(), 1e-3, momentum=0.9)
    with FlopCounterMode(display=False) as flops:
        F.cross_entropy(network(clips), targets).backward()
    gflop_per_clip = flops.get_total_flops() / batch / 1e9
    forward = torch.compile(network) if compiled else network

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast("bf16" if precision == "bf16" else "fp32", device):
            scores = forward(clips)
        F.cross_entropy(scores.float(), targets).backward()
        optimizer.step()

    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    step()
    first_s = time.perf_counter() - start
    seconds = timed(step, device, rounds)
    reached = gflop_per_clip * batch / seconds / 1e3
    figures: dict[str, Any] = {
        "clips_per_s": round(batch / seconds, 2), "tflops": round(reached, 2),
        "gflop_per_clip": round(gflop_per_clip, 1),
        "first_step_s": round(first_s, 1),
    }  # fmt: skip
    if peaks:
        figures["share_of_peak"] = round(reached / peaks[precision], 3)
        figures["peak_memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return figures


def timed(work: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """Median seconds of a round, after three that warm up."""

    def once() -> float:
        if device.type != "cuda":
            start = time.perf_counter()
            work()
            return time.perf_counter() - start
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        work()
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1000

    for _ in range(3 if rounds > 1 else 0):
        once()
    return statistics.median(once() for _ in range(rounds))


if __name__ == "__main__":
    main()
