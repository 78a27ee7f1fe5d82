"""V-DWT-JEPA and a language model with LoRA on a GPU, four minutes each, beside the CPU's rules.

Runs the steps of `description_truth.py` on cached footage, with longer rounds: the encoder is
probed against pixel differences, random weights and the classifier's trunk; the language model is
held against the truth beside rules and small decoder, on the same held-out clips. What is done is
kept in SCRATCH: carry its `footage` there, or it is rendered first.

    python benchmarks/gpu_words.py --scratch out --llm FOLDER --pose pose_landmarker_lite.task
    python benchmarks/gpu_words.py --scratch out --tiny      # tries the script on a CPU, a minute
"""

import argparse
import time
from pathlib import Path

import description_truth
import torch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--llm", default="", help="name or folder of a language model")
    parser.add_argument("--pose", type=Path, help="MediaPipe's .task file")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() and not given.tiny else "cpu"
    sizes = {"sessions": 5, "clips": 4, "epochs": 1, "rounds": 1, "llm_rounds": 1}
    if not given.tiny:
        sizes = {"sessions": 20, "clips": 20, "epochs": 30, "rounds": 400, "llm_rounds": 30}
    more = {"device": device, "save": None, "seed": 0, "fractions": (0.5, 0.1, 0.4), "views": 1}
    options = argparse.Namespace(**vars(given), **sizes, **more)
    for step in (description_truth.encoders, description_truth.writers):
        began = time.perf_counter()
        step(options)
        print(f"{step.__name__}: {time.perf_counter() - began:.0f} s on {device}", flush=True)


if __name__ == "__main__":
    main()
