"""Detectors on another device: RF-DETR's cost per frame, and the lite student's training steps.

RF-DETR Nano and Medium as transformers builds them, with random weights, since what they see does
not matter here: milliseconds per picture at batches of 1 and 16, in fp32, in bf16 and compiled, the
pictures on the device already. The lite student learns rendered pictures by the house's own loop:
steps per second from the fifth on, with the loading, on the CPU and on the device. The device is
the switch that every command has.

    python benchmarks/gpu_detection.py --make data/gpu_pictures      # once; a minute or two of CPU
    python benchmarks/gpu_detection.py data/gpu_pictures --device cuda --out gpu_detection.json

About two minutes on a GPU; whatever would begin after `--minutes` is left out, and said.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from workbench.saving import save_json
from workbench.training.compute import choose_device, inference

SIZES = {"nano": (384, 2), "medium": (576, 4)}  # side of the picture, layers of the decoder
BATCHES = (1, 16)
LEAST_S = 1.0  # of each timing
STEPS, FIRST = 40, 5  # of a training, and from which it is timed
SESSIONS = (0, 1, 6)  # of rendered pictures: near, far, and one to be judged on


def main() -> None:
    """Measure, print rows as they come, and save them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", nargs="?", type=Path, help="folder that --make has made")
    parser.add_argument("--make", type=Path, metavar="DIR", help="render pictures, and stop")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--minutes", type=float, default=2.3)
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--out", type=Path, help="JSON file")
    given = parser.parse_args()
    if given.make:
        make(given.make)
        return
    began = time.perf_counter()
    device = choose_device(given.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor()
    print(f"{device} {name}, {os.cpu_count()} CPUs, torch {torch.__version__}", flush=True)
    rows: list[dict[str, Any]] = []
    for what, measure in jobs(given.pictures, device, given.workers):
        if time.perf_counter() - began > 60 * given.minutes:
            print(f"{what}: left out, no time", flush=True)
            continue
        try:
            row = {"what": what, **measure()}
        except Exception as error:  # one that fails must not cost the others
            row = {"what": what, "error": f"{type(error).__name__}: {error}"[:300]}
        rows.append(row)
        print(row, f"after {time.perf_counter() - began:.0f} s", flush=True)
        if given.out:
            save_json(given.out, {"device": str(device), "name": name, "rows": rows})


def make(folder: Path) -> None:
    """Render the pictures that training steps are timed on."""
    from workbench.detect.lite.material import make_pictures

    with tempfile.TemporaryDirectory() as work:
        made = make_pictures(Path(work), SESSIONS, few=True)
        made.rename(folder)


def jobs(
    pictures: Path | None, device: torch.device, workers: int
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """What is measured, the most telling first."""
    trainings = [(device, 4, "off"), (device, 32, "auto"), (device, 32, "off")]
    for where, batch, amp in dict.fromkeys((*trainings, (torch.device("cpu"), 4, "off"))):
        if pictures:
            what = f"lite, training, {where.type}, batch {batch}, amp {amp}"
            yield what, partial(train_steps, pictures, where, batch, amp, workers)
    for is_compiled, precision in ((False, "fp32"), (False, "bf16"), (True, "bf16")):
        for size in SIZES:
            what = f"rf-detr {size}, {precision}{', compiled' * is_compiled}"
            yield what, partial(frame_ms, size, device, precision, is_compiled=is_compiled)


def rf_detr(size: str) -> nn.Module:
    """RF-DETR of a size, with random weights and COCO's 91 classes."""
    transformers: Any = import_module("transformers")  # untyped, and slow to import
    side, layers = SIZES[size]
    backbone = transformers.RfDetrDinov2Config(
        hidden_size=384, num_attention_heads=6, image_size=side, patch_size=16, num_windows=2,
        out_indices=[3, 6, 9, 12],
    )  # fmt: skip
    config = transformers.RfDetrConfig(
        backbone_config=backbone, decoder_layers=layers, decoder_n_points=2, num_labels=91
    )
    network: nn.Module = transformers.RfDetrForObjectDetection(config).eval()
    return network


def frame_ms(
    size: str, device: torch.device, precision: str, *, is_compiled: bool
) -> dict[str, Any]:
    """Milliseconds per picture by batch; with the compiling, where there is any."""
    network, side = rf_detr(size).to(device), SIZES[size][0]
    row: dict[str, Any] = {"parameters": sum(own.numel() for own in network.parameters())}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    see: Any = torch.compile(network) if is_compiled else network
    for batch in BATCHES[-1:] if is_compiled else BATCHES:
        pictures = torch.rand(batch, 3, side, side, device=device)
        began = time.perf_counter()
        with inference(precision, device):
            for _ in range(3):
                see(pixel_values=pictures)
            wait(device)
            row[f"first three, batch {batch}, s"] = round(time.perf_counter() - began, 2)
            began, done = time.perf_counter(), 0
            while time.perf_counter() - began < LEAST_S:
                for _ in range(5 if device.type == "cuda" else 1):
                    see(pixel_values=pictures)
                    done += batch
                wait(device)
            row[f"ms a picture, batch {batch}"] = 1000 * (time.perf_counter() - began) / done
    if device.type == "cuda":
        row["peak MB"] = torch.cuda.max_memory_allocated() // 2**20
    return row


def train_steps(
    pictures: Path, device: torch.device, batch: int, amp: str, workers: int
) -> dict[str, Any]:
    """Steps per second of the lite student's own training."""
    from workbench.detect.lite.training import LiteConfig, pretrain

    config = LiteConfig(
        epochs=1, steps=STEPS, batch_size=batch, device=device.type, amp=amp, workers=workers,
        threads=1 if device.type == "cuda" else max(1, (os.cpu_count() or 2) // 2), ema=0.9,
    )  # fmt: skip
    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        result = pretrain(
            pictures,
            Path(folder) / "run",
            config,
            on_step=lambda _: times.append(time.perf_counter()),
        )
    per_s = (len(times) - FIRST) / (times[-1] - times[FIRST - 1])
    return {
        "steps per s": per_s,
        "pictures per s": per_s * batch,
        "threads": config.threads,
        "workers": workers,
        "AP50 after them": result.best.scores["valid_ap50"],
    }


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
