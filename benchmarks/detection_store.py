"""Detections of a 90-minute match through the store: time, and the memory that it takes.

135,000 frames of 12 detections with masks are written frame by frame, then read back: all of them
in order, and a hundred frames from the middle. Each job runs in a process of its own, for its peak
memory. What matters is that the peak does not grow with the match, and how little of the file a
range of frames takes. CPU time, since other work on the machine stretches the clock.

    python benchmarks/detection_store.py                   # two minutes, 500 MB of disk
    python benchmarks/detection_store.py --frames 13500
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from workbench.detect.detections import Detection, encode_box
from workbench.detect.store import image_row, load_detections, write_detections
from workbench.footage.clips import Clip

EACH, WH = 12, (1920, 1080)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=135_000)
    parser.add_argument("--job", choices=JOBS, help="internal: do one measurement")
    parser.add_argument("--file", type=Path, help="internal: the file of detections")
    options = parser.parse_args()
    if options.job:
        measure(options.job, options.file, options.frames)
        return
    with tempfile.TemporaryDirectory() as folder:
        for job in JOBS:
            command = [sys.executable, __file__, "--job", job, "--file", f"{folder}/match.json"]
            subprocess.run([*command, "--frames", str(options.frames)], check=True)


def measure(job: str, path: Path, frames: int) -> None:
    """Do one job and print what it took."""
    start_mb, start_s = peak_mb(), time.process_time()
    said = JOBS[job](path, frames)
    cpu_s = time.process_time() - start_s
    print(f"{job:6}{cpu_s:8.1f} CPU s, peak {peak_mb():4.0f} MB (at start {start_mb:.0f}); {said}")


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(path: Path, frames: int) -> str:
    found = []
    for place in range(EACH):
        mask = encode_box((100.0 * place, 400, 100 * place + 36, 490), WH[::-1])
        assert mask is not None
        fields = {"score": 0.9, "track_id": place + 1, "found_by": "motion"}
        found.append(Detection.of_mask("person" if place else "ball", mask, **fields))
    with write_detections(path, {"clip": {"teacher": "motion"}}) as out:
        for frame in range(frames):
            out.add(image_row("match", frame, WH), found)
    return f"a file of {path.stat().st_size / 1e6:.0f} MB"


def read(path: Path, frames: int) -> str:
    clip = match_clip(frames)
    return f"{sum(map(len, load_detections(path, clip).frames))} detections"


def middle(path: Path, frames: int) -> str:
    found = load_detections(path, match_clip(frames))
    return f"{sum(map(len, found.frames[frames // 2 : frames // 2 + 100]))} detections"


def match_clip(frames: int) -> Clip:
    return Clip(
        clip_id="match", file="match.mp4", source="match.mp4", session="s", start_frame=0,
        end_frame=frames, start_pts=0, end_pts=frames, time_base=Fraction(1, 25), fps=Fraction(25),
        width=WH[0], height=WH[1],
    )  # fmt: skip


JOBS: dict[str, Callable[[Path, int], str]] = {"write": write, "middle": middle, "read": read}


if __name__ == "__main__":
    main()
