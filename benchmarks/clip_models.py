"""What each clip classifier costs: parameters, operations and time per clip, at its own input.

Every model by name (`workbench.actions.models`), random weights, one clip at a time, one thread,
fp32, turn by turn in one run. GFLOPs count a multiplication and an addition as two. Time is CPU
time, the median. Heads that learn on frozen transformers are built with the published encoder's
sizes and random weights.

    python benchmarks/clip_models.py                       # all: some minutes
    python benchmarks/clip_models.py --models slim s3d
"""

import argparse
import statistics
import tempfile
import time

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import VideoMAEConfig, VideoMAEModel, VJEPA2Config, VJEPA2Model

from workbench.actions.models import ARCHITECTURES, build_model

# V-JEPA 2 ViT-L is the smallest published; VideoMAE's is ViT-B. transformers' defaults are theirs.
ENCODERS = {
    "videomae": lambda: VideoMAEModel(VideoMAEConfig()),
    "vjepa2": lambda: VJEPA2Model(VJEPA2Config()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", default=list(ARCHITECTURES))
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("| model | input | M parameters | GFLOPs | CPU ms per clip |\n|---|---|---|---|---|")
    for name in options.models:
        made_for = ARCHITECTURES[name]
        network = built(name).eval()
        width, height = made_for.size_wh
        clips = torch.randint(0, 256, (1, made_for.frames, height, width, 3), dtype=torch.uint8)
        with torch.inference_mode():
            with FlopCounterMode(display=False) as flops:
                network(clips)
            spent = [timed(network, clips) for _ in range(options.rounds)]
        count = sum(one.numel() for one in network.parameters())
        if made_for.is_frozen:
            count += sum(one.numel() for one in network.body.parameters())
        print(
            f"| {name} | {made_for.frames}×{height}×{width} | {count / 1e6:.1f} | "
            f"{flops.get_total_flops() / 1e9:.1f} | {1000 * statistics.median(spent):.0f} |",
            flush=True,
        )


def built(name: str) -> nn.Module:
    if name not in ENCODERS:
        return build_model(name, 4)
    with tempfile.TemporaryDirectory() as folder:
        ENCODERS[name]().save_pretrained(folder)
        return build_model(name, 4, checkpoint=folder)


def timed(network: nn.Module, clips: torch.Tensor) -> float:
    start = time.process_time()
    network(clips)
    return time.process_time() - start


if __name__ == "__main__":
    main()
