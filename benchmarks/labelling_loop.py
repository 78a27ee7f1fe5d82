"""Labelling a clip with SAM 2: our windowed loop against the loop of the sam2 notebook.

    python benchmarks/labelling_loop.py                        # about five minutes on one core
    python benchmarks/labelling_loop.py --frames 60 600        # other lengths of the clip

Both run the package `sam2` with the same weights on the same made clip, prompted by the same boxes
in the first frame, each in a process of its own with one thread. The plain loop is the notebook's
(facebookresearch/sam2, video_predictor_example.ipynb): all frames to JPEG files, `init_state` on
the whole folder, prompts, `propagate_in_video`, masks kept in a dictionary. Ours goes window by
window and yields. Weights are random, so that nothing is downloaded and masks mean nothing; the
work per frame is that of real ones of this size.

How to read the table: frames/s by CPU time, from the video file to the last mask, and the peak
memory of the process, of which torch and the model take about 700 MB. `ratio` above 1: ours is
faster or smaller. Look at how memory grows with the clip.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from workbench.detect.teachers.prompts import FilePrompter
from workbench.detect.teachers.sam2_teacher import sam2_teacher
from workbench.footage.frames import iter_frames
from workbench.footage.writer import VideoWriter

CONFIG, SIDE = "configs/sam2.1/sam2.1_hiera_t.yaml", 256
OVERRIDES = [f"++model.image_size={SIDE}"]
BOXES = {"person": [100, 120, 160, 280], "ball": [400, 200, 424, 224]}
SIZE_WH = (640, 360)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, nargs="+", default=[40, 160], help="lengths")
    parser.add_argument("--window", type=int, default=32, help="frames of our windows")
    parser.add_argument("--job", help=argparse.SUPPRESS)  # what a child process does
    options = parser.parse_args()
    if options.job:
        cpu_s = JOBS[options.job](Path.cwd(), options.window)
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps({"cpu_s": cpu_s, "peak_bytes": 1024 * peak_kib}))
        return
    print(f"SAM 2.1 tiny at {SIDE} px, random weights, CPU, one thread, {len(BOXES)} objects")
    print(f"{'frames':>8}{'':10}{'frames/s':>10}{'peak MB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        save_weights(Path(folder))
        for frames in options.frames:
            make_clip(Path(folder) / "clip.mp4", frames)
            found = {job: run(job, folder, options.window) for job in JOBS}
            for job, one in found.items():
                rate = frames / one["cpu_s"]
                print(f"{frames:8}  {job:8}{rate:10.2f}{one['peak_bytes'] / 1e6:10.0f}")
            faster = found["plain"]["cpu_s"] / found["ours"]["cpu_s"]
            smaller = found["plain"]["peak_bytes"] / found["ours"]["peak_bytes"]
            print(f"{'':10}{'ratio':8}{faster:9.2f}×{smaller:9.2f}×")


def run(job: str, folder: str, window: int) -> dict[str, float]:
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--job", job, "--window", str(window)]
    done = subprocess.run(
        command, cwd=folder, env=os.environ | quiet, stdout=subprocess.PIPE, text=True, check=True
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


# --- the loops ------------------------------------------------------------------------------------


def ours(folder: Path, window: int) -> float:
    teacher = sam2_teacher(
        FilePrompter(folder / "prompts.json"),
        weights=folder / "tiny.pt",
        config=CONFIG,
        overrides=OVERRIDES,
        device="cpu",
        window_frames=window,
    )
    list(teacher.label(folder / "warm.mp4"))  # loads the model
    start_s = time.process_time()
    for found in teacher.label(folder / "clip.mp4"):
        assert all(one.mask is not None for one in found)
    return time.process_time() - start_s


def plain(folder: Path, window: int) -> float:
    del window
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    predictor = build_sam2_video_predictor(
        CONFIG, str(folder / "tiny.pt"), device="cpu", hydra_overrides_extra=OVERRIDES
    )
    predictor.fill_hole_area = 0  # needs a compiled kernel; ours does it in its own way

    def loop(clip: Path) -> dict[int, dict[int, Any]]:
        with tempfile.TemporaryDirectory() as jpegs:
            for frame in iter_frames(clip):
                bgr = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
                cv2.imwrite(f"{jpegs}/{frame.index}.jpg", bgr)
            state = predictor.init_state(jpegs)
        for number, box in enumerate(BOXES.values(), start=1):
            predictor.add_new_points_or_box(state, 0, number, box=np.array(box, np.float32))
        video_segments = {}
        for where, numbers, logits in predictor.propagate_in_video(state):
            video_segments[where] = {
                number: (logits[place] > 0.0).cpu().numpy() for place, number in enumerate(numbers)
            }
        return video_segments

    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        loop(folder / "warm.mp4")
        start_s = time.process_time()
        loop(folder / "clip.mp4")
        return time.process_time() - start_s


JOBS = {"ours": ours, "plain": plain}


# --- the clip and the weights ---------------------------------------------------------------------


def make_clip(path: Path, frames: int) -> None:
    with VideoWriter(path, SIZE_WH, Fraction(30)) as video:
        for frame in range(frames):
            image = np.full((*SIZE_WH[::-1], 3), (70, 130, 60), np.uint8)
            for box, colour in zip(BOXES.values(), ((200, 40, 40), (245, 245, 245)), strict=True):
                left, top, right, bottom = box
                image[top:bottom, left + frame % 60 : right + frame % 60] = colour
            video.write(image)


def save_weights(folder: Path) -> None:
    """Random weights, prompts for both clips, and a short clip to warm up with."""
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    torch.manual_seed(0)
    model = build_sam2_video_predictor(CONFIG, None, "cpu", hydra_overrides_extra=OVERRIDES)
    # Objects are there: else all masks are empty and later frames cost less.
    torch.nn.init.constant_(model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias, 5)
    torch.save({"model": model.state_dict()}, folder / "tiny.pt")
    frames = {"0": [{"class": name, "box": box} for name, box in BOXES.items()]}
    content = {"format": "workbench-prompts/1", "clips": {"clip": frames, "warm": frames}}
    (folder / "prompts.json").write_text(json.dumps(content))
    make_clip(folder / "warm.mp4", 4)


if __name__ == "__main__":
    main()
