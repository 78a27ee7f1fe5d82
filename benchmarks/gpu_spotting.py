"""Spotters on a GPU beside the small one of a CPU: held-out built-in matches, the same for all.

Matches are filmed on all cores at 398×224, as broadcast previews are. Then one process for each
small spotter trains on a CPU thread of its own (frames of 256×144), while the GPU trains a large
one: EfficientNet-Lite0 with ImageNet's weights, or any picture network from nothing, at 398×224.
All are judged on matches that nobody has trained on or chosen by. Last, frames per second of the
published way (one stack at a time) against batches.

    python benchmarks/gpu_spotting.py --folder /tmp/spotting      # some minutes, 16 cores
    python benchmarks/gpu_spotting.py --quick --device cpu        # does it run at all?
"""

import argparse
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

# A process to a core, one thread to a process: sixteen of sixteen threads wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from spotting_predictor import measure_rates

from workbench.actions.spotting.decide import decide
from workbench.actions.spotting.encoders import LITE0
from workbench.actions.spotting.greyframes import SIZE_WH, fill_cache
from workbench.actions.spotting.matches import LabelledMatch, load_matches
from workbench.actions.spotting.network import Spotter
from workbench.actions.spotting.predict import load_spotter
from workbench.actions.spotting.recipe import SpotterConfig
from workbench.actions.spotting.report import (
    MEAN_PRESENT,
    estimates,
    paired_difference,
    tolerance_curve,
)
from workbench.actions.spotting.scores import metric, score_spots
from workbench.actions.spotting.training import match_scores, train_spotter
from workbench.labels.events import load_class_map
from workbench.saving import save_json, to_json
from workbench.simulated.matches.making import make_matches
from workbench.stats import show

LARGE_WH = (398, 224)
VALID = 3
HELD_SEED = 1000
SMALL = (
    "dense:0,dense:1,dense:2,stack:0,stack:1,stack:2,still:0,slow_fusion:0,"
    "recurrent:0,transformer:0,tdeed:0,tridet:0"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("data/scratch/gpu_spotting"))
    parser.add_argument("--out", type=Path, help="for scores and weights  [default: the folder]")
    parser.add_argument("--train", type=int, default=12, help="matches to learn from")
    parser.add_argument("--held", type=int, default=4, help="matches to judge on")
    parser.add_argument("--minutes", type=float, default=5.0, help="of a match")
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--encoder", default=LITE0, help="of the GPU's spotter")
    parser.add_argument("--batch", type=int, default=16, help="clips of a step of it")
    parser.add_argument("--gpu-seconds", type=float, default=90.0, help="of its training")
    parser.add_argument("--cpu-seconds", type=float, default=110.0, help="of each small spotter")
    parser.add_argument("--cpu", default=SMALL)
    parser.add_argument("--quick", action="store_true", help="as small as it can be")
    options = parser.parse_args()
    if options.quick:
        options.train, options.held, options.minutes, options.workers = 2, 2, 0.4, 2
        options.gpu_seconds = options.cpu_seconds = 5.0
        options.cpu, options.batch = "dense:0", 1
    clock = Clock()
    matches = film(options)
    clock.say(f"filmed {sum(map(len, matches.values()))} matches")
    jobs = [job.split(":") for job in options.cpu.split(",") if job]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, len(jobs)), context) as pool:
        small: dict[str, Future[dict[str, Any]]] = {
            f"{name} slim, CPU, seed {seed}": pool.submit(
                train_small, options.folder, matches, name, int(seed), options.cpu_seconds
            )
            for name, seed in jobs
        }
        large = train_large(options, matches)
        clock.say("trained on the GPU")
        runs = {f"dense {options.encoder}, {options.device}": large}
        runs |= {name: future.result() for name, future in small.items()}
        clock.say("trained on the CPU")
    say_scores(runs, matches["held"])
    clock.say("judged")
    keep(runs, options.out or options.folder)
    for name in ("dense", "slow_fusion"):
        network = Spotter(name, 12, options.encoder, LARGE_WH, pretrained=False)
        rates = measure_rates(
            network, torch.device(options.device), steps=8 if options.quick else 192, rounds=3
        )
        print(f"{name} {options.encoder} at {LARGE_WH}: {json.dumps(rates)}")
    clock.say("timed")


def keep(runs: dict[str, dict[str, Any]], out: Path) -> None:
    """Save the numbers of all runs, raw scores of the held-out matches, and weights."""
    out.mkdir(parents=True, exist_ok=True)
    for run in runs.values():
        folder = run.pop("dir")
        run["run"] = folder.name
        raws = {name.replace("/", "|"): raw for name, raw in run.pop("raws").items()}
        np.savez_compressed(out / f"{folder.name}.npz", **raws)
        for name in ("best.pt", "decisions.json"):
            shutil.copy(folder / name, out / f"{folder.name}-{name}")
    save_json(out / "runs.json", to_json(runs))


class Clock:
    """Says how long each part took."""

    def __init__(self) -> None:
        self.start_s = self.last_s = time.perf_counter()

    def say(self, what: str) -> None:
        """Print what was done, and the time of it."""
        now_s = time.perf_counter()
        print(f"[{now_s - self.start_s:5.0f} s] {what}: {now_s - self.last_s:.0f} s", flush=True)
        self.last_s = now_s


def film(options: argparse.Namespace) -> dict[str, list[LabelledMatch]]:
    """Make the matches, and grey frames of both sizes; by part."""
    size: dict[str, Any] = {"width": LARGE_WH[0], "height": LARGE_WH[1], "every": 2}
    root, cache = options.folder, options.folder / "grey"
    for part, count, seed in (
        ("matches", options.train + VALID, 0),
        ("held", options.held, HELD_SEED),
    ):
        make_matches(
            root / part, count, options.minutes, seed, engine=f"processes:{options.workers}", **size
        )
    classes = load_class_map("ball")
    known = load_matches(root / "matches", classes)
    held = load_matches(root / "held", classes)
    videos = [match.video for match in (*known, *held)]
    for size_wh in (LARGE_WH, SIZE_WH):
        fill_cache(videos, cache, size_wh, engine=f"processes:{options.workers}")
    return {"train": known[:-VALID], "valid": known[-VALID:], "held": held}


def train_small(
    folder: Path, matches: Mapping[str, list[LabelledMatch]], name: str, seed: int, seconds: float
) -> dict[str, Any]:
    """Train a small spotter on one thread for so many CPU seconds."""
    torch.set_num_threads(1)
    config = SpotterConfig(spotter=name, seed=seed, device="cpu", epochs=1)
    return train_for(seconds, config, folder, matches, time.process_time)


def train_large(
    options: argparse.Namespace, matches: Mapping[str, list[LabelledMatch]]
) -> dict[str, Any]:
    """Train the GPU's spotter for so many seconds."""
    workers = max(1, options.workers - len(options.cpu.split(",")) - 1)
    config = SpotterConfig(
        encoder=options.encoder, size_wh=LARGE_WH, device=options.device, epochs=1,
        batch_size=options.batch, workers=workers,
    )  # fmt: skip
    return train_for(options.gpu_seconds, config, options.folder, matches, time.perf_counter)


def train_for(
    seconds: float,
    config: SpotterConfig,
    folder: Path,
    matches: Mapping[str, list[LabelledMatch]],
    clock: Callable[[], float],
) -> dict[str, Any]:
    """Train as many steps as fit, by the time that the first ones take; return raw scores, too."""
    cache = folder / "grey"
    trial = replace(config, steps=20 if seconds > 20 else 2)
    laps = [0.0]
    name = f"{config.spotter}-{config.encoder}-{config.size_wh[0]}-{config.seed}"
    train_spotter(
        matches["train"], matches["valid"][:1], folder / "trials" / name, trial, cache,
        on_step=lambda step: laps.append(clock()),
    )  # fmt: skip
    skipped = 1 + trial.steps // 4  # the first steps are slow
    step_s = (laps[-1] - laps[skipped]) / (trial.steps - skipped)
    config = replace(config, steps=max(2, int(seconds / step_s)))
    start = clock()
    run_dir = folder / "runs" / name
    result = train_spotter(matches["train"], matches["valid"], run_dir, config, cache)
    took = clock() - start
    spotter = load_spotter(run_dir, config.device)
    raws = match_scores(spotter.network, matches["held"], cache)
    return {
        "raws": raws, "dir": run_dir, "steps": config.steps, "step_ms": 1000 * step_s,
        "seconds": took, "valid": result.best.scores["valid_map"],
    }  # fmt: skip


def say_scores(runs: Mapping[str, dict[str, Any]], held: list[LabelledMatch]) -> None:
    """Print mAP@1 of every run with its interval, and the paired differences to the first."""
    truth = {match.name: match.events for match in held}
    at1, first = metric("at1"), None
    for name, run in runs.items():
        spotter = load_spotter(run["dir"])
        found = {
            match: decide(raw, spotter.classes, spotter.decisions)
            for match, raw in run["raws"].items()
        }
        score = score_spots(truth, found)
        said = estimates(score, at1)
        run["scores"] = {key: asdict(value) for key, value in said.items()}
        curve = ", ".join(
            f"±{r['window_ms']:.0f} ms {r['mAP']:.3f}" for r in tolerance_curve(score)
        )
        print(
            f"{name}: {run['steps']} steps of {run['step_ms']:.0f} ms in {run['seconds']:.0f} s; "
            f"mAP@1 {show(said[MEAN_PRESENT])} (n={said[MEAN_PRESENT].n}), valid {run['valid']:.3f}"
        )
        print("   " + ", ".join(f"{key} {said[key].value:.2f}" for key in spotter.classes))
        print("   " + curve)
        if first is None:
            first = score
        else:
            print(f"   the first − this: {show(paired_difference(score, first, at1), signed=True)}")


if __name__ == "__main__":
    main()
