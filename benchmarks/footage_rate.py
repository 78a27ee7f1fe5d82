"""How fast the built-in footage is made: frames per CPU second, truth and encoding included.

    python benchmarks/footage_rate.py --clips 12

Renders action clips at 384×216 and shots at 640×360, as `make_footage` does, in one process and
prints the rate of each kind. The aim is 100 and 50 frames per second on an idle core: the demo's
footage in 100 seconds on two.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Literal

import cv2

from workbench.simulated.sessions import ClipJob, make_clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=8, help="clips of each kind")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        sizes_wh: dict[Literal["action", "shooting"], tuple[int, int]]
        sizes_wh = {"action": (384, 216), "shooting": (640, 360)}
        for kind, wh in sizes_wh.items():
            start, frames = time.process_time(), 0
            for number in range(arguments.clips):
                job = ClipJob(kind, number % 4, number, arguments.seed, *wh)
                frames += make_clip(job, Path(folder)).frame_count
            seconds = time.process_time() - start
            print(f"{kind:9} {frames:5} frames, {frames / seconds:5.1f} frames per CPU second")


if __name__ == "__main__":
    main()
