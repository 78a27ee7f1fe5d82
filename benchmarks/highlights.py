"""Highlights in built-in long sessions: recall, false alarms and oracles; memory, kills and time.

    python benchmarks/highlights.py accuracy --out /tmp/hl   # makes footage, trains, judges
    python benchmarks/highlights.py endurance --out /tmp/hl  # 90 minutes, killed three times

`accuracy` trains on sessions of one seed, chooses thresholds on further ones of it, and judges
sessions of another seed once. `endurance` loops a session of the second seed to so many minutes and
runs the command on it: whole, and killed at three random moments and resumed.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from workbench.actions.recipe import TrainConfig
from workbench.footage.frames import iter_frames
from workbench.footage.streams import open_video
from workbench.highlights.learning import train_highlighter
from workbench.highlights.misses import next_stage, oracle_table, run_oracles
from workbench.highlights.stages import load_highlighter
from workbench.highlights.truth import built_in_truth
from workbench.simulated.longplay import make_long
from workbench.training.compute import torch_threads


def accuracy(out: Path, train: int, valid: int, test: int, minutes: float, epochs: int) -> None:
    """Train, and judge sessions of another seed."""
    known = make_long(out / "train", train + valid, minutes, 1, engine="processes:2")
    held = make_long(out / "test", test, minutes, 3, engine="processes:2")
    pairs = [
        (folder / clip.file, built_in_truth(folder / clip.file) or [])
        for folder, clips in ((out / "train", known), (out / "test", held))
        for clip in clips
    ]
    config = TrainConfig(frames=12, epochs=epochs)
    split = train, train + valid
    with torch_threads(1):
        run = train_highlighter(
            pairs[: split[0]],
            pairs[split[0] : split[1]],
            out,
            out / "models",
            config,
            engine="processes:2",
        )
        started = time.process_time()
        found = run_oracles(pairs[split[1] :], load_highlighter(run), out / "watched")
    now = found[""]
    print(f"{run}\n{now.table().to_string()}\n{now.shares().to_string()}")
    assert now.shares()["all"].sum() == len(now.misses)
    print(f"{oracle_table(found).T.to_string()}\n{next_stage(found)[1]}")
    print(f"{time.process_time() - started:.0f} CPU s for {60 * sum(now.hours.values()):.0f} min")


def loop(video: Path, minutes: float, out: Path) -> Path:
    """Repeat a video's packets until it is so long."""
    import av

    if out.is_file():
        return out
    with open_video(video) as (source, stream), av.open(str(out), "w") as looped:
        packets: list[Any] = [packet for packet in source.demux(stream) if packet.dts is not None]
        length = max(packet.pts + packet.duration for packet in packets)
        times = [(packet.pts, packet.dts) for packet in packets]
        track, time_base = looped.add_stream_from_template(stream), packets[0].time_base
        round_s = float(length * time_base)
        for turn in range(max(1, round(minutes * 60 / round_s))):
            for packet, (pts, dts) in zip(packets, times, strict=True):
                packet.pts, packet.dts = pts + turn * length, dts + turn * length
                packet.time_base, packet.stream = time_base, track
                looped.mux(packet)
    return out


def endurance(out: Path, model: Path | None, minutes: float) -> None:
    """Measure memory and time, kill three times, and compare."""
    video = loop(out / "test" / "long00.mp4", minutes, out / "looped.mp4")
    started = time.process_time()
    frames = sum(1 for _ in iter_frames(video))
    decoding_s = time.process_time() - started
    print(f"decoding alone: {decoding_s:.0f} CPU s for {frames} frames")
    random.seed(0)
    answers = []
    for name, kills in (("whole", 0), ("killed", 3)):
        command = [sys.executable, "-m", "workbench.cli", "highlights", str(video), "--no-reel"]
        command += ["-o", str(out / name), *(["--model", str(model)] if model else [])]
        cpu_s, peaks = 0.0, []
        for attempt in range(kills + 1):
            wait_s = random.uniform(20, 90) if attempt < kills else float("inf")
            done_s, seen = _run(command, wait_s)
            cpu_s += done_s
            peaks += seen
        half = len(peaks) // 2
        print(
            f"{name}: {cpu_s:.0f} CPU s, {cpu_s / decoding_s:.1f} times decoding; peak "
            f"{max(peaks) / 1e6:.0f} MB, of the first half {max(peaks[:half]) / 1e6:.0f} MB"
        )
        answers.append(json.loads((out / name / "highlights.json").read_text()))
    same = answers[0]["highlights"] == answers[1]["highlights"]
    print(f"the same {len(answers[0]['highlights'])} highlights: {same}")


def _run(command: list[str], wait_s: float) -> tuple[float, list[int]]:
    """Run a command for so long at most; CPU seconds, and resident memory by half seconds."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    process, seen, cpu_s = psutil.Process(child.pid), [], 0.0
    started = time.monotonic()
    while child.poll() is None:
        try:
            seen.append(process.memory_info().rss)
            cpu_s = sum(process.cpu_times()[:2])
        except psutil.Error:
            break
        if time.monotonic() - started > wait_s:
            child.send_signal(signal.SIGKILL)
        time.sleep(0.5)
    child.wait()
    return cpu_s, seen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["accuracy", "endurance"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--train", type=int, default=6)
    parser.add_argument("--valid", type=int, default=2)
    parser.add_argument("--test", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--epochs", type=int, default=20)
    args = parser.parse_args()
    if args.what == "accuracy":
        accuracy(args.out, args.train, args.valid, args.test, args.minutes, args.epochs)
    else:
        endurance(args.out, args.model, 90.0 if args.minutes == 10.0 else args.minutes)
