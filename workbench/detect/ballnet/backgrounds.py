"""Windows of five frames cut from videos of one's own that nobody has labelled.

Sizes are those that the finder looks at. What is cut is given balls (`pasting`) or shown to a
network that says what it takes for one (`mining`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workbench.detect.ballnet.crops import SIDE, Crop, Image
from workbench.detect.ballnet.pasting import pasted_crop
from workbench.errors import DatasetError
from workbench.footage.frames import sample_readable, uniform_indices
from workbench.footage.video_info import probe

SHORT_SIDES = (360, 540)  # pixels; a video is never enlarged
_MOST_CHANGE = 35.0  # grey levels between the first and the last frame: more is a cut
_SUFFIXES = {".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"}


def videos_in(folder: Path) -> list[Path]:
    """The videos of a folder, also deeper ones.

    Raises:
        DatasetError: If there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise DatasetError(f"no video in {folder}", "give a folder with videos of your own")
    return found


@dataclass(frozen=True)
class Window:
    """Five frames of a video at one of its sizes."""

    frame: int  # the middle one
    images: tuple[Image, ...]  # (H, W, 3) each


def windows_of(path: Path, count: int) -> Iterator[Window]:
    """Yield windows spread over a video, at each of its sizes; none across a cut."""
    info = probe(path)
    if info.frame_count < 5:
        return
    middles = np.clip(uniform_indices(info.frame_count, count), 2, info.frame_count - 3)
    for middle in np.unique(middles).tolist():
        for size_wh in sizes_of(info.width, info.height):
            asked = range(middle - 2, middle + 3)
            images = sample_readable(path, list(asked), size_wh).images
            if len(images) == 5 and not _is_cut(images):
                yield Window(middle, tuple(images))


def sizes_of(width: int, height: int) -> list[tuple[int, int]]:
    """Width and height for each short side, even, or the video's own where that is smaller.

    Example:
        >>> sizes_of(1280, 720)
        [(640, 360), (960, 540)]
    """
    short = min(width, height)
    scales = sorted({min(1.0, side / short) for side in SHORT_SIDES})
    return [(2 * round(width * scale / 2), 2 * round(height * scale / 2)) for scale in scales]


def _is_cut(images: Image) -> bool:
    first, last = images[0].astype(int), images[-1].astype(int)
    return bool(np.abs(first - last).mean() > _MOST_CHANGE)


def pasted_crops(path: Path, windows: int, per_window: int, rng: np.random.Generator) -> list[Crop]:
    """Crops of a video with balls pasted in."""
    crops = []
    for window in windows_of(path, windows):
        height, width = window.images[0].shape[:2]
        if min(height, width) >= SIDE:
            for _ in range(per_window):
                y, x = (int(rng.integers(0, side - SIDE + 1)) for side in (height, width))
                square = [image[y : y + SIDE, x : x + SIDE] for image in window.images]
                crops.append(pasted_crop(square, rng))
    return crops
