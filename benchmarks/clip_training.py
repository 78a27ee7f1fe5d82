"""Clips per CPU second: loading, model, both; torchvision's reference training against ours.

R(2+1)D-18 at 16×112×112, the same rendered clips, one thread, turn by turn in one run, CPU time.
The reference does what torchvision's `references/video_classification` does: decode the clip's
frames, resize to 128×171, flip, normalise and crop in float, forward and backward in fp32 (on a CPU
it has no other precision), a step of SGD. Its decoder left torchvision; PyAV, which that wrapped,
stands in. Ours loads from a clip set (made once: told apart), varies the views more, and computes
as `workbench.actions` does, in fp32 and, where the processor multiplies it, in bf16. Gradients of
the whole network against those of the reference in fp64.

    python benchmarks/clip_training.py            # some minutes
"""

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.video import r2plus1d_18
from torchvision.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, Resize

from workbench.actions.augment import Augmentation, varied_view
from workbench.actions.clipset import Clipset, build_clipset
from workbench.actions.models import build_model
from workbench.actions.r2plus1d import KINETICS_MEAN, KINETICS_STD
from workbench.footage.clips import BUILT_IN_FOOTAGE, Clip
from workbench.simulated.sessions import make_footage
from workbench.training.compute import autocast, choose_precision

CPU = torch.device("cpu")
FRAMES, SIDE_PX, STORED = 16, 112, {"frames": 32, "size_wh": (144, 126)}
REFERENCE = Compose(
    [
        Resize((128, 171), antialias=False),
        RandomHorizontalFlip(),
        Normalize(KINETICS_MEAN, KINETICS_STD),
        RandomCrop(SIDE_PX),
    ]
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clips = make_footage(folder, sessions=4, clips=4, shooting_sessions=0)
        start = time.process_time()
        clipset = build_clipset(clips, folder, folder / "set", origin=BUILT_IN_FOOTAGE, **STORED)
        made_ms = 1000 * (time.process_time() - start) / len(clips)
        measure(folder, clips, clipset, options.batch, options.rounds, made_ms)
    measure_gradients()


def measure(
    folder: Path, clips: list[Clip], clipset: Clipset, batch: int, rounds: int, made_ms: float
) -> None:
    rng = np.random.default_rng(0)
    native = choose_precision("auto", CPU)
    torch.manual_seed(0)
    plain = r2plus1d_18(num_classes=4)
    ours = build_model("r2plus1d_18", 4)
    networks: dict[str, tuple[nn.Module, str]] = {"reference": (plain, "fp32")}
    networks["ours, fp32"] = (ours, "fp32")
    if native != "fp32":
        networks[f"ours, {native}"] = (ours, native)

    def load(who: str) -> torch.Tensor:
        chosen = rng.integers(len(clips), size=batch)
        if who == "reference":
            return torch.stack([reference_clip(folder / clips[n].file, rng) for n in chosen])
        size = (SIDE_PX, SIDE_PX)
        views = [
            varied_view(clipset.frames(n % len(clipset)), FRAMES, size, Augmentation(), rng)
            for n in chosen
        ]
        return torch.from_numpy(np.stack(views))

    spent: dict[str, dict[str, list[float]]] = {who: {"load": [], "model": []} for who in networks}
    for turn in range(rounds + 1):  # the first warms up
        for who, (network, precision) in networks.items():
            start = time.process_time()
            frames = load(who)
            loaded = time.process_time()
            train_step(network, frames, precision)
            if turn:
                spent[who]["load"].append((loaded - start) / batch)
                spent[who]["model"].append((time.process_time() - loaded) / batch)
    print(f"16×112×112, {batch} clips a step, medians of {rounds}; native precision: {native}")
    print(f"{'clips per CPU s':20}{'load':>10}{'model':>10}{'both':>10}")
    both = {}
    for who, parts in spent.items():
        load_s, model_s = (statistics.median(parts[part]) for part in ("load", "model"))
        both[who] = model_s
        rates = (1 / load_s, 1 / model_s, 1 / (load_s + model_s))
        print(f"{who:20}" + "".join(f"{rate:10.3f}" for rate in rates))
    for who in list(networks)[1:]:
        print(f"model, {who}: {both['reference'] / both[who]:.2f}× the reference")
    print(f"a clip's frames are stored once: {made_ms:.0f} CPU ms")


def reference_clip(path: Path, rng: np.random.Generator) -> torch.Tensor:
    """Sixteen frames, as the reference's loader: the clip decoded, frames at its clip's rate."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    step = max(1, len(frames) // FRAMES)
    start = int(rng.integers(max(1, len(frames) - step * (FRAMES - 1))))
    chosen = np.stack(frames[start : start + step * FRAMES : step][:FRAMES])
    video = torch.from_numpy(chosen).permute(0, 3, 1, 2).float() / 255
    return torch.as_tensor(REFERENCE(video)).permute(1, 0, 2, 3)


def train_step(network: nn.Module, frames: torch.Tensor, precision: str) -> None:
    network.train()
    network.zero_grad(set_to_none=True)
    targets = torch.arange(len(frames)) % 4
    with autocast(precision, CPU):
        scores = network(frames)
    loss: Any = F.cross_entropy(scores.float(), targets)
    loss.backward()
    with torch.no_grad():
        for weights in network.parameters():
            weights -= 1e-5 * weights.grad


def measure_gradients(clips: int = 2, side_px: int = 56) -> None:
    """The whole gradient of one batch against fp64's, relative error, at a quarter of the area.

    Normalisation keeps its running statistics: over a batch of two it would amplify rounding until
    nothing could be compared (fp32 is then off by .02, bf16 by 1).
    """
    torch.manual_seed(0)
    plain = r2plus1d_18(num_classes=4)
    ours = build_model("r2plus1d_18", 4)
    ours.backbone.load_state_dict(plain.state_dict())
    frames = torch.randint(0, 256, (clips, FRAMES, side_px, side_px, 3), dtype=torch.uint8)
    mean, std = (torch.tensor(one).view(3, 1, 1, 1) for one in (KINETICS_MEAN, KINETICS_STD))
    floats = (frames.movedim(-1, 1) / 255 - mean) / std
    exact = gradient(copy.deepcopy(plain).double(), floats.double(), "fp32")
    rows: dict[str, Callable[[], torch.Tensor]] = {
        "reference, fp32": lambda: gradient(plain, floats, "fp32"),
        "ours, fp32": lambda: gradient(ours, frames, "fp32"),
        "plain Conv3d, bf16": lambda: gradient(plain, floats, "bf16"),
        "ours, bf16": lambda: gradient(ours, frames, "bf16"),
    }
    print("gradient of all weights, relative error against fp64")
    for name, made in rows.items():
        error = float((made().double() - exact).norm() / exact.norm())
        print(f"{name:20}{error:10.2g}")


def gradient(network: nn.Module, frames: torch.Tensor, precision: str) -> torch.Tensor:
    network.eval()
    network.zero_grad(set_to_none=True)
    with autocast(precision, CPU):
        scores = network(frames)
    scores = scores if scores.dtype == torch.float64 else scores.float()
    loss: Any = F.cross_entropy(scores, torch.arange(len(frames)) % 4)
    loss.backward()
    return torch.cat([one.grad.flatten() for one in network.parameters() if one.grad is not None])


if __name__ == "__main__":
    main()
