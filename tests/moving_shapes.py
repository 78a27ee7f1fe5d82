"""Tiny clips whose class is a direction of motion: no single frame and no mean frame tells it."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from workbench.footage.clips import Clip

CLASSES = ("left", "right", "none")  # moves left, moves right, moves up or down
SIZE_WH, FRAMES = (72, 48), 18


def write_shape_clip(path: Path, label: str, rng: np.random.Generator) -> None:
    """A disc crosses a blurred background; where it starts and what it looks like says nothing."""
    width, height = SIZE_WH
    backdrop = cv2.resize(rng.integers(80, 170, (4, 6, 3), dtype=np.uint8), SIZE_WH)
    colour = rng.integers(0, 40, 3).tolist()  # dark or, below, bright: always to be seen
    colour = colour if rng.random() < 0.5 else [255 - value for value in colour]
    middle = np.array([width, height]) * rng.uniform(0.42, 0.58, 2)
    reach = rng.uniform(9, 14)
    heading = {"left": (-1, 0), "right": (1, 0), "none": (0, rng.choice([-1, 1]))}[label]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=30, options={"crf": "18", "preset": "ultrafast"}
        )
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for time in np.linspace(-1, 1, FRAMES):
            image = backdrop.copy()
            spot = (middle + reach * time * np.array(heading)).round().astype(int)
            cv2.circle(image, spot.tolist(), 6, colour, -1)
            noisy = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(noisy, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def shape_clip(clip_id: str, session: str, label: str | None, **changes: object) -> Clip:
    """The row of a clip in `clip_id`.mp4."""
    values: dict[str, object] = {
        "clip_id": clip_id,
        "file": f"{clip_id}.mp4",
        "source": f"{clip_id}.mp4",
        "session": session,
        "start_frame": 0,
        "end_frame": FRAMES,
        "start_pts": 0,
        "end_pts": FRAMES,
        "time_base": Fraction(1, 30),
        "fps": Fraction(30),
        "width": SIZE_WH[0],
        "height": SIZE_WH[1],
        "sport": label,
    }
    return Clip(**(values | changes))


def film_shapes(folder: Path, sessions: int, per_class: int, seed: int = 0) -> list[Clip]:
    """Write clips of every class in every session, and return their rows."""
    rng = np.random.default_rng(seed)
    clips = []
    for session in range(sessions):
        for label in CLASSES:
            for number in range(per_class):
                clip_id = f"s{session:02d}-{label}-{number}"
                write_shape_clip(folder / f"{clip_id}.mp4", label, rng)
                clips.append(shape_clip(clip_id, f"s{session:02d}", label))
    return clips
