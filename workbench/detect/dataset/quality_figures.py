"""The pictures of the label-quality page: how large objects are, what is odd.

Every function answers the question in its title, draws on the axes it is given and returns them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from workbench.detect.dataset.quality import Oddity, object_sizes_px
from workbench.detect.detections import CLASSES
from workbench.detect.figures import paint_labels
from workbench.detect.store import ClipDetections
from workbench.footage.clips import Clip
from workbench.footage.frames import sample_frames
from workbench.style import axes_or_new, class_colours

_SOFT = "#767676"
_BINS_PX = np.geomspace(1, 1024, 41)  # four bins per doubling
_TICKS_PX = [2.0**power for power in range(11)]


def draw_sizes(labels: Sequence[ClipDetections], ax: Axes | None = None) -> Axes:
    """Draw for each class how many objects there are of each size, on a log scale."""
    ax = axes_or_new(ax, (6.4, 3.2))
    colours = class_colours(CLASSES)
    for row, name in enumerate(CLASSES):
        sizes = object_sizes_px(labels, name)
        counts = np.histogram(np.clip(sizes, _BINS_PX[0], _BINS_PX[-1]), _BINS_PX)[0]
        heights = 0.8 * counts / max(counts.max(), 1)
        ax.bar(
            _BINS_PX[:-1], -heights, np.diff(_BINS_PX), bottom=row + 0.4, align="edge",
            color=colours[name], edgecolor="white", linewidth=0.3,
        )  # fmt: skip
        if sizes.size:
            median = float(np.median(sizes))
            ax.plot([median, median], [row + 0.4, row + 0.48], color="black", linewidth=1.5)
        said = f"n={sizes.size}" + (f", median {median:.0f} px" if sizes.size else "")
        ax.text(1100, row, said, va="center", fontsize=8)
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(_TICKS_PX))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticklabels([f"{tick:.0f}" for tick in _TICKS_PX])
    ax.set_yticks(range(len(CLASSES)), CLASSES)
    ax.set(xlim=(1, 1024), ylim=(len(CLASSES) - 0.5, -0.5))
    ax.set_xlabel("side of a square as large, px (tick below: median)")
    ax.set_title("How large are the objects?", loc="left")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def draw_oddities(
    oddities: Sequence[Oddity],
    clips: Sequence[Clip],
    labels: Sequence[ClipDetections],
    footage_dir: Path,
    ax: Axes | None = None,
    *,
    most: int = 6,
) -> Axes:
    """Draw odd frames, one kind after the other in turn, with what was found."""
    chosen = _in_turn(oddities, most)
    clip_of = {clip.clip_id: clip for clip in clips}
    labels_of = {own.clip_id: own for own in labels}
    columns = 3
    rows = max(1, -(-len(chosen) // columns))
    ax = axes_or_new(ax, (10, 0.4 + 2.2 * rows))
    ax.set_title("What looks wrong?", loc="left", pad=8)
    ax.axis("off")
    if not chosen:
        ax.text(0.5, 0.5, "nothing", ha="center", va="center", color=_SOFT)
    for place, oddity in enumerate(chosen):
        clip = clip_of[oddity.clip_id]
        image = sample_frames(footage_dir / clip.file, [oddity.frame])[0]
        painted = paint_labels(image, labels_of[oddity.clip_id], oddity.frame)
        row, column = divmod(place, columns)
        inset = ax.inset_axes((column / columns, 1 - (row + 1) / rows, 0.97 / columns, 0.86 / rows))
        inset.imshow(painted)
        inset.set_title(
            f"{oddity.kind} ({oddity.clip_id}, frame {oddity.frame})\n{oddity.said}",
            fontsize=7, loc="left", pad=2,
        )  # fmt: skip
        inset.set_xticks([])
        inset.set_yticks([])
    return ax


def _in_turn(oddities: Sequence[Oddity], most: int) -> list[Oddity]:
    """Some of each kind, from different clips where there are."""
    chosen: list[Oddity] = []
    seen: set[tuple[str, str]] = set()
    for is_new in (True, False):
        for oddity in oddities:
            key = oddity.kind, oddity.clip_id
            if len(chosen) < most and (key not in seen) is is_new and oddity not in chosen:
                seen.add(key)
                chosen.append(oddity)
    return sorted(chosen, key=lambda oddity: oddity.kind)
