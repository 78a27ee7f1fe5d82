"""Our prediction of a video against rfdetr's own `predict` in a loop: time and memory.

The same tiny network and weights, whole frames, one thread. The loop is what one writes first:
frames from OpenCV, `model.predict(frame)`, detections in a list, JSON at the end. Ours decodes,
shrinks, sees a batch at once, writes and forgets. Each way runs in a process of its own, for its
peak memory. CPU time, since other work on the machine stretches the clock but hardly that.

    python benchmarks/detector_prediction.py                  # 1080p, 10 s and 60 s: minutes
    python benchmarks/detector_prediction.py --seconds 60 600 --every 10 --who ours
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

SIZE_WH = (1920, 1080)
FPS = 30
LOOP_S = 10  # longer videos repeat themselves


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60])
    parser.add_argument("--every", type=int, default=5, help="look at one frame out of so many")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--overlay", action="store_true", help="ours writes the video, too")
    parser.add_argument("--who", nargs="+", choices=("loop", "ours"), default=["loop", "ours"])
    parser.add_argument("--work", type=Path, help="internal: do one measurement here")
    options = parser.parse_args()
    if options.work:
        _measure(options)
        return
    with tempfile.TemporaryDirectory() as folder:
        _make_run(Path(folder) / "run")
        print(f"{'':6}{'video':>8}{'frames':>8}{'CPU ms/frame':>14}{'peak MB':>9}")
        for seconds in options.seconds:
            make_video(Path(folder) / "video.mp4", seconds)
            for who in options.who:
                found = _in_child(folder, who, options)
                print(
                    f"{who:6}{seconds:6} s{found['frames']:8}{found['cpu_ms']:14.1f}"
                    f"{found['peak_mb']:9.0f}"
                )


def make_video(path: Path, seconds: int) -> None:
    """Write a 1080p video: squares that move for some seconds, then again and again."""
    import av

    once_s = min(seconds, LOOP_S)
    part = path.with_stem("once")
    _encode(part, once_s)
    with av.open(str(part)) as source, av.open(str(path), "w") as target:
        theirs = source.streams.video[0]
        ours = target.add_stream_from_template(theirs)
        assert theirs.time_base is not None
        length = round(once_s / theirs.time_base)
        for turn in range(seconds // once_s):
            source.seek(0)
            for packet in source.demux(theirs):
                if packet.pts is not None and packet.dts is not None:
                    packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                    packet.stream = ours
                    target.mux(packet)


def _encode(path: Path, seconds: int) -> None:
    from workbench.footage.writer import VideoWriter

    rng = np.random.default_rng(0)
    background = np.repeat(np.repeat(rng.integers(60, 140, (27, 48, 3)), 40, 0), 40, 1)
    with VideoWriter(path, SIZE_WH, Fraction(FPS), preset="ultrafast", crf=30) as video:
        for number in range(seconds * FPS):
            image = background.astype(np.uint8)
            for place in range(6):
                x, y = 7 * number * (place + 1) % 1800, 150 * place + 40
                image[y : y + 60, x : x + 60] = 255
            video.write(image)


def _make_run(run_dir: Path) -> None:
    """A run whose network has random weights: what it sees does not matter here."""
    import torch
    from rfdetr import RFDETRNano

    from workbench.detect.student.checkpoint import BEST, save_student
    from workbench.detect.student.recipe import model_config, quiet, variant_named
    from workbench.saving import save_json

    names = ["person", "ball", "goal"]
    torch.manual_seed(0)
    config = model_config(variant_named("tiny"), len(names))
    with quiet():
        network: Any = RFDETRNano(**config.model_dump()).model.model
    save_student(run_dir / BEST, network.state_dict(), config, "RFDETRNano", names)
    identity = {"classes": names, "masks": False, "tile_px": None, "dataset_version": "none"}
    save_json(run_dir / "config.json", identity)


def _in_child(folder: str, who: str, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, __file__, "--work", folder, "--who", who]
    command += ["--every", str(options.every), "--batch", str(options.batch)]
    command += ["--overlay"] * options.overlay
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def _measure(options: argparse.Namespace) -> None:
    import torch

    from workbench.detect.student.checkpoint import load_student

    torch.set_num_threads(1)
    student = load_student(options.work / "run")
    start = time.process_time()
    if options.who == ["loop"]:
        frames = _loop(student.eye.model, options.work / "video.mp4", options.every)
    else:
        from workbench.detect.student.predict import PredictOptions, predict_video

        how = PredictOptions(options.batch, 0.05, False, options.every, True, options.overlay)
        frames = predict_video(options.work / "video.mp4", student, options.work, how).frames
    cpu_ms = 1000 * (time.process_time() - start) / frames
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"frames": frames, "cpu_ms": cpu_ms, "peak_mb": peak_mb}))


def _loop(model: Any, path: Path, every: int) -> int:
    import cv2

    capture, found, number = cv2.VideoCapture(str(path)), [], 0
    while True:
        there, frame = capture.read()
        if not there:
            break
        if number % every == 0:
            image = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            found.append(model.predict(image, threshold=0.05))
        number += 1
    rows = [
        {"frame": place * every, "boxes": one.xyxy.tolist(), "scores": one.confidence.tolist()}
        for place, one in enumerate(found)
    ]
    path.with_suffix(".json").write_text(json.dumps(rows))
    return len(found)


if __name__ == "__main__":
    main()
