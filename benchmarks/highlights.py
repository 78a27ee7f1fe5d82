"""Highlights in built-in long sessions: recall, false alarms and oracles; memory, kills and time.

    python benchmarks/highlights.py accuracy --out /tmp/hl   # makes footage, trains, judges
    python benchmarks/highlights.py endurance --out /tmp/hl  # 90 minutes, killed three times
    python benchmarks/highlights.py real --out /tmp/hl --footage DIR --eye yolox_nano_coco.onnx

`accuracy` trains on busy sessions of one seed, chooses thresholds on usual ones of a second, and
judges usual ones of a third once. `endurance` loops a session of the third seed to so many minutes
and runs the command on it: whole, and killed at three random moments and resumed. `real` joins the
videos of a folder to one and draws four frames of each highlight, for precision by eye.
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

import cv2
import numpy as np
import psutil

from workbench.actions.recipe import TrainConfig
from workbench.footage.frames import frames_at, iter_frames
from workbench.footage.packets import read_packets
from workbench.footage.streams import open_video
from workbench.footage.writer import VideoWriter
from workbench.highlights.learning import train_highlighter
from workbench.highlights.misses import next_stage, oracle_table, run_oracles
from workbench.highlights.stages import load_highlighter
from workbench.highlights.truth import built_in_truth
from workbench.highlights.watch import ranked, watch_video
from workbench.simulated.longplay import make_long
from workbench.training.compute import torch_threads

SIZE_WH, REAL_WH = (384, 216), (960, 540)


def accuracy(out: Path, train: int, valid: int, test: int, minutes: float, epochs: int) -> None:
    """Train, and judge sessions of another seed."""
    pairs = {}
    for name, sessions, seed in (("train", train, 1), ("valid", valid, 2), ("test", test, 3)):
        clips = make_long(
            out / name, sessions, minutes, seed,
            size_wh=SIZE_WH, is_busy=name == "train", engine="processes:2",
        )  # fmt: skip
        paths = [out / name / clip.file for clip in clips]
        pairs[name] = [(path, built_in_truth(path) or []) for path in paths]
    config = TrainConfig(frames=12, epochs=epochs)
    with torch_threads(1):
        run = train_highlighter(
            pairs["train"], pairs["valid"], out, out / "models", config, engine="processes:2"
        )
        started = time.process_time()
        found = run_oracles(pairs["test"], load_highlighter(run), out / "watched")
    now = found[""]
    print(f"{run}\n{now.table().to_string()}\n{now.shares().to_string()}")
    assert now.shares()["all"].sum() == len(now.misses)
    print(f"{oracle_table(found).T.to_string()}\n{next_stage(found)[1]}")
    print(f"{time.process_time() - started:.0f} CPU s for {60 * sum(now.hours.values()):.0f} min")


def real(out: Path, footage: Path, eye: str) -> None:
    """Join videos, eight seconds of each, and show what is taken for a highlight."""
    wide, tall = REAL_WH
    joined = out / "joined.mp4"
    out.mkdir(parents=True, exist_ok=True)
    if not joined.is_file():
        with VideoWriter(joined, REAL_WH, 30) as writer:
            for path in sorted(footage.rglob("*.m*")):
                table = read_packets(path)
                scale = min(wide / table.size_wh[0], tall / table.size_wh[1])
                own = round(table.size_wh[0] * scale), round(table.size_wh[1] * scale)
                left, top = (wide - own[0]) // 2, (tall - own[1]) // 2
                # Thirty frames a second are taken for granted: others play faster or slower.
                stop = min(table.frame_count, round(8 * table.fps))
                for frame in iter_frames(path, stop=stop, size_wh=own, skip_lost=True):
                    picture = np.zeros((tall, wide, 3), np.uint8)
                    picture[top : top + own[1], left : left + own[0]] = frame.image
                    writer.write(picture)
    found = watch_video(joined, load_highlighter(None, eye), out / "work")
    found.save(out)
    rows = []
    for place, one in enumerate(ranked(found.highlights), 1):
        times = np.linspace(one.peak_s - 0.6, one.peak_s + 0.6, 4)
        numbers = frames_at(joined, np.clip(times, 0, found.duration_s))
        shown = [next(iter_frames(joined, start=int(n), size_wh=(320, 180))).image for n in numbers]
        row = np.ascontiguousarray(np.hstack(shown)[..., ::-1])
        cv2.putText(
            row, f"{place}  {one.peak_s:.1f} s  {one.score:.2f}", (4, 14), 0, 0.45, (0, 255, 255)
        )
        rows.append(row)
    for first in range(0, len(rows), 15):
        cv2.imwrite(str(out / f"seen{first // 15}.png"), np.vstack(rows[first : first + 15]))
    print(f"{len(rows)} highlights in {found.duration_s:.0f} s; see {out}/seen*.png")


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


def endurance(out: Path, model: Path | None, eye: str, minutes: float) -> None:
    """Measure memory and time, kill three times, and compare."""
    video = loop(out / "test" / "long00.mp4", minutes, out / "looped.mp4")
    started = time.process_time()
    frames = sum(1 for _ in iter_frames(video))
    decoding_s = time.process_time() - started
    print(f"decoding alone: {decoding_s:.0f} CPU s for {frames} frames")
    random.seed(0)
    answers, whole_s = [], 0.0
    for name, kills in (("whole", 0), ("killed", 3)):
        command = [sys.executable, "-m", "workbench.cli", "highlights", str(video), "--no-reel"]
        command += [
            "-o",
            str(out / name),
            "--eye",
            eye,
            *(["--model", str(model)] if model else []),
        ]
        cpu_s, peaks = 0.0, []
        for attempt in range(kills + 1):
            wait_s = random.uniform(0.1, 0.3) * whole_s if attempt < kills else float("inf")
            started = time.monotonic()
            done_s, seen = _run(command, wait_s)
            whole_s = whole_s or time.monotonic() - started
            cpu_s += done_s
            peaks += seen
        quarters = [max(part) / 1e6 for part in np.array_split(peaks, 4)]
        print(
            f"{name}: {cpu_s:.0f} CPU s, {cpu_s / decoding_s:.1f} times decoding; peak in MB by "
            f"quarters of the time: {', '.join(f'{peak:.0f}' for peak in quarters)}",
            flush=True,
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
    parser.add_argument("what", choices=["accuracy", "endurance", "real"])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--eye", default="auto")
    parser.add_argument("--train", type=int, default=8)
    parser.add_argument("--valid", type=int, default=2)
    parser.add_argument("--test", type=int, default=9)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--epochs", type=int, default=16)
    args = parser.parse_args()
    if args.what == "accuracy":
        accuracy(args.out, args.train, args.valid, args.test, args.minutes, args.epochs)
    elif args.what == "real":
        real(args.out, args.footage, args.eye)
    else:
        minutes = 90.0 if args.minutes == 10.0 else args.minutes
        endurance(args.out, args.model, args.eye, minutes)
