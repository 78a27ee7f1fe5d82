"""Figures of labels: overlays, scores with intervals, missing balls, sizes and oddities.

Every function answers the question in its title, draws on the axes it is given and returns them.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import supervision as sv
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import Patch
from numpy.typing import NDArray

from workbench.detect.dataset.quality import Oddity, object_sizes_px
from workbench.detect.detections import CLASSES
from workbench.detect.drawing import paint_detections, readable_on
from workbench.detect.scores.matching import LabelScore
from workbench.detect.store import ClipDetections
from workbench.footage.clips import Clip
from workbench.footage.frames import sample_frames
from workbench.style import (
    INK,
    SOFT,
    axes_or_new,
    class_colours,
    draw_interval,
    draw_sheet,
    open_frame,
)

_FRAMES = 4  # of each clip among the overlays
_ODDITIES = 6  # drawn at most
_BINS_PX = np.geomspace(1, 1024, 41)  # four bins per doubling
_TICKS_PX = [2.0**power for power in range(11)]


def draw_overlays(
    clips: Sequence[Clip],
    labels: Sequence[ClipDetections],
    footage_dir: Path,
    ax: Axes | None = None,
) -> Axes:
    """Draw labelled frames, one row per clip."""
    rows = []
    for clip, own in zip(clips, labels, strict=True):
        chosen = np.linspace(0, len(own.frames) - 1, _FRAMES + 2).round().astype(int)[1:-1]
        images = sample_frames(footage_dir / clip.file, chosen)
        rows.append(
            [_fit(_paint(image, own, frame)) for image, frame in zip(images, chosen, strict=True)]
        )
    ax = draw_sheet(rows, [clip.clip_id for clip in clips], "What did the teacher see?", ax)
    colours = class_colours(CLASSES)
    patches = [Patch(color=colours[name], label=name) for name in CLASSES]
    ax.legend(handles=patches, ncols=3, frameon=False, loc="lower right", bbox_to_anchor=(1, 1))
    return ax


def draw_label_scores(score: LabelScore, ax: Axes | None = None) -> Axes:
    """Draw precision and recall of every class with their 95 % intervals."""
    ax = axes_or_new(ax, (6.4, 3.2))
    colours = class_colours(CLASSES)
    for shift, of_class, marker in ((-0.13, score.precision, "o"), (0.13, score.recall, "s")):
        for place, name in enumerate(CLASSES):
            if found := of_class(name):
                at = place + shift
                draw_interval(ax, found, at, colour=colours[name], marker=marker)
                ax.text(1.03, at, f"{found.value:.2f}  n={found.n}", va="center", fontsize=9)
        ax.plot([], [], marker, color=INK, label=of_class.__name__)
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    ax.set_yticks(range(len(CLASSES)), CLASSES)
    ax.set(xlim=(0, 1), ylim=(len(CLASSES) - 0.5, -0.5), xlabel=f"score at IoU {score.iou:g}")
    ax.set_title("How right is the teacher?", loc="right")
    return open_frame(ax)


def draw_ball_presence(labels: Sequence[ClipDetections], ax: Axes | None = None) -> Axes:
    """Draw for each clip the frames in which a ball is labelled."""
    ax = axes_or_new(ax, (8, 0.8 + 0.22 * len(labels)))
    colour = class_colours(CLASSES)["ball"]
    for row, clip in enumerate(labels):
        has = [frame for frame in range(len(clip.frames)) if clip.of_class(frame, "ball")]
        bar = ax.barh(row, len(clip.frames), height=0.7, color="#E6E6E6")
        ax.bar_label(bar, [f"{len(has)}/{len(clip.frames)}"], padding=3, fontsize=8)
        spans = [(frame, 1) for frame in has]
        ax.broken_barh(spans, (row - 0.35, 0.7), facecolors=colour, edgecolor="none")
    ax.set_yticks(range(len(labels)), [clip.clip_id for clip in labels], fontsize=8)
    ax.invert_yaxis()
    ax.set(xlabel="frame", title="Where is the ball labelled?")
    return open_frame(ax)


def draw_found_by(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the table of `quality.found_by`: per class, the share of frames each teacher found."""
    ax = axes_or_new(ax, (7.2, 0.9 + 0.55 * len(table)))
    teachers = [name for name in table.columns if name not in ("nobody", "frames")]
    shares = table.div(table["frames"].clip(lower=1), axis=0)
    left = np.zeros(len(table))
    # From dark to light, so that the order of asking is seen in grey too.
    shades = plt.get_cmap("viridis")(np.linspace(0.15, 0.85, max(2, len(teachers))))
    for name, shade in [*zip(teachers, shades, strict=False), ("nobody", "#E6E6E6")]:
        bars = ax.barh(table.index, shares[name], left=left, color=shade, height=0.6, label=name)
        counts = table[name].where(shares[name] > 0.06, "")
        ax.bar_label(bars, counts, label_type="center", color=readable_on(to_hex(shade)))
        left += shares[name].to_numpy()
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xlabel=f"share of {int(table['frames'].iloc[0])} frames")
    ax.xaxis.set_major_formatter("{x:.0%}")
    ax.set_title("Who found it?", loc="left")
    ax.legend(
        frameon=False, ncols=len(teachers) + 1, fontsize=9, handlelength=1, columnspacing=1,
        loc="lower right", bbox_to_anchor=(1, 1),
    )  # fmt: skip
    return open_frame(ax)


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
    ax.set_xticks(_TICKS_PX, [f"{tick:.0f}" for tick in _TICKS_PX])
    ax.minorticks_off()
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
) -> Axes:
    """Draw odd frames, one kind after the other in turn, with what was found."""
    chosen = _in_turn(oddities, _ODDITIES)
    clip_of = {clip.clip_id: clip for clip in clips}
    labels_of = {own.clip_id: own for own in labels}
    columns = 3
    rows = max(1, -(-len(chosen) // columns))
    ax = axes_or_new(ax, (10, 0.4 + 2.2 * rows))
    ax.set_title("What looks wrong?", loc="left", pad=8)
    ax.axis("off")
    if not chosen:
        ax.text(0.5, 0.5, "nothing", ha="center", va="center", color=SOFT)
    for place, oddity in enumerate(chosen):
        clip = clip_of[oddity.clip_id]
        image = sample_frames(footage_dir / clip.file, [oddity.frame])[0]
        row, column = divmod(place, columns)
        inset = ax.inset_axes((column / columns, 1 - (row + 1) / rows, 0.97 / columns, 0.86 / rows))
        inset.imshow(_paint(image, labels_of[oddity.clip_id], oddity.frame))
        inset.set_title(
            f"{oddity.kind} ({oddity.clip_id}, frame {oddity.frame})\n{oddity.said}",
            fontsize=7, loc="left", pad=2,
        )  # fmt: skip
        inset.set_xticks([])
        inset.set_yticks([])
    return ax


def _in_turn(oddities: Sequence[Oddity], most: int) -> list[Oddity]:
    """Some of each kind, from different clips where there are."""
    first: dict[tuple[str, str], Oddity] = {}
    for oddity in oddities:
        first.setdefault((oddity.kind, oddity.clip_id), oddity)
    chosen = list(dict.fromkeys([*first.values(), *oddities]))[:most]
    return sorted(chosen, key=lambda oddity: oddity.kind)


def _paint(image: NDArray[np.uint8], labels: ClipDetections, frame: int) -> NDArray[np.uint8]:
    return paint_detections(image, labels.frames[frame], CLASSES, names=False)


def _fit(image: NDArray[np.uint8], height_px: int = 270) -> NDArray[np.uint8]:
    """Image of a common size 16:9, so that clips of any shape fit one sheet."""
    width_px = round(height_px * 16 / 9)
    return np.asarray(sv.letterbox_image(image, (width_px, height_px), color=(255, 255, 255)))
