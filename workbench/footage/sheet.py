"""Contact sheets: what a list of clips looks like, one row of frames each.

The unit is a clip's strip of evenly spread frames. Knows nothing about classes or scores: what is
written beside a strip is given.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from workbench.footage.clips import Clip
from workbench.footage.frames import sample_frames, uniform_indices
from workbench.style import axes_or_new

SHEET_WIDTH_IN = 9.0
_GAP_PX = 4


def strip(clip: Clip, folder: Path, frames: int = 6, height_px: int = 108) -> NDArray[np.uint8]:
    """Frames of a clip side by side, RGB (height_px, …, 3).

    Args:
        clip: Which clip.
        folder: Of its `clips.json`.
        frames: How many, spread evenly over the clip.
        height_px: Of the strip; the width follows the clip's shape.
    """
    width_px = max(1, round(clip.width * height_px / clip.height))
    count = min(frames, clip.frame_count)
    chosen = uniform_indices(clip.frame_count, count)
    images = sample_frames(folder / clip.file, chosen, (width_px, height_px))
    gap = np.full((height_px, _GAP_PX, 3), 255, np.uint8)
    parts = [part for image in images for part in (image, gap)]
    return np.concatenate(parts[:-1], axis=1)


def draw_contact_sheet(
    clips: Sequence[Clip],
    folder: Path,
    captions: Sequence[str] | None = None,
    ax: Axes | None = None,
    *,
    frames: int = 6,
    title: str = "What does the footage look like?",
) -> Axes:
    """Draw one strip per clip, below each other.

    Args:
        clips: In the order they are to be shown.
        folder: Of their `clips.json`.
        captions: What is written left of each strip; the clip's id and sport by default.
        ax: Where to draw.
        frames: Per clip.
        title: The question the sheet answers.
    """
    strips = [strip(clip, folder, frames) for clip in clips]
    if captions is None:
        captions = [f"{clip.clip_id}\n{clip.sport or ''}".rstrip() for clip in clips]
    height, width = strips[0].shape[0], max(image.shape[1] for image in strips)
    sheet = np.full((len(strips) * (height + _GAP_PX) - _GAP_PX, width, 3), 255, np.uint8)
    for row, image in enumerate(strips):
        top = row * (height + _GAP_PX)
        sheet[top : top + height, : image.shape[1]] = image
    height_in = 0.35 + SHEET_WIDTH_IN * sheet.shape[0] / sheet.shape[1] * 0.86
    ax = axes_or_new(ax, (SHEET_WIDTH_IN, height_in))
    ax.imshow(sheet)
    ax.set_title(title, loc="left")
    ax.set_xticks([])
    centers = [row * (height + _GAP_PX) + height / 2 for row in range(len(strips))]
    ax.set_yticks(centers, captions, fontsize=8)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def one_per_group(clips: Sequence[Clip], keys: Sequence[str], most: int = 12) -> list[Clip]:
    """The first clip of each group, in order, at most `most`.

    Args:
        clips: To choose from.
        keys: The group of each clip.
        most: Groups shown; evenly spread where there are more.
    """
    first = {key: clip for clip, key in zip(reversed(clips), reversed(keys), strict=True)}
    chosen = [first[key] for key in dict.fromkeys(keys)]
    places = np.unique(np.linspace(0, len(chosen) - 1, min(most, len(chosen))).round().astype(int))
    return [chosen[place] for place in places]
