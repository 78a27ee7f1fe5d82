"""Figures of a student: training curves, test scores, and what it misses.

Every function answers the question in its title, draws on the axes it is given and returns them;
none shows or saves anything. What must be told apart differs by line or marker too, not only by
colour.
"""

from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workbench.detect.scores.evaluation import CocoScore
from workbench.detect.scores.matching import ImageMatches
from workbench.detect.student.comparison import Comparison
from workbench.detect.student.crops import read_image
from workbench.style import (
    INK,
    SOFT,
    axes_or_new,
    class_colours,
    draw_cells,
    draw_interval,
    open_frame,
    rgb,
)
from workbench.training.history import Epoch, best_epoch

_DARK_OUTLINE = (24, 24, 24)
_LINES = ("-", "--", ":", "-.")
_APART = 10  # frames of a clip that are nearer show the same thing
_SIZES = (("APs", "small\n< 32² px"), ("APm", "medium\n< 96² px"), ("APl", "large"))


def draw_losses(history: Sequence[Epoch], ax: Axes | None = None) -> Axes:
    """Draw training and validation loss per epoch."""
    ax = axes_or_new(ax, (5.4, 3.4))
    epochs, scores = [row.epoch for row in history], [row.scores for row in history]
    ax.plot(epochs, [row["train_loss"] for row in scores], "--", color=SOFT, label="train")
    ax.plot(epochs, [row["valid_loss"] for row in scores], "-", color=INK, label="validation")
    if history:
        ax.axvline(best_epoch(history, "ap").epoch, color=SOFT, linewidth=0.8, linestyle=":")
    ax.set(xlabel="epoch (dotted: kept)", ylabel="loss", title="Does it overfit?")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False)
    return _tidy(ax)


def draw_class_ap(history: Sequence[Epoch], ax: Axes | None = None) -> Axes:
    """Draw AP of every class and their mean on validation, per epoch."""
    ax = axes_or_new(ax, (5.4, 3.4))
    epochs = [row.epoch for row in history]
    names = [key[3:] for key in history[0].scores if key.startswith("ap ")] if history else []
    colours = class_colours(names)
    for place, name in enumerate(names):
        values = [row.scores[f"ap {name}"] for row in history]
        style = _LINES[(place + 1) % len(_LINES)]
        # Dark outline for contrast: yellow is pale on white.
        ax.plot(epochs, values, style, color=INK, linewidth=3.2, alpha=0.35)
        ax.plot(epochs, values, style, color=colours[name], linewidth=2, label=name, marker="o")
    ax.plot(epochs, [row.scores["ap"] for row in history], "-", color=INK, label="mean", marker="o")
    if history:
        best = best_epoch(history, "ap")
        ax.axvline(best.epoch, color=SOFT, linewidth=0.8, linestyle=":")
    ax.set(xlabel="epoch (dotted: kept)", ylabel="AP@50:95", title="Did it learn, and what?")
    ax.set_ylim(0, max(0.1, ax.get_ylim()[1]))
    ax.legend(frameon=False, ncols=2)
    return _tidy(ax)


def draw_precision_recall(
    score: CocoScore, thresholds: Mapping[str, float], ax: Axes | None = None
) -> Axes:
    """Draw precision against recall of every class at IoU 0.5, the chosen threshold marked."""
    ax = axes_or_new(ax, (5.4, 4.2))
    names = [name for name in score.names if score.count(name)]
    colours = class_colours(names)
    for place, name in enumerate(names):
        curve = score.curve(name)
        style = _LINES[place % len(_LINES)]
        label = f"{name}, AP50 {score.class_stats[name]['AP50']:.2f}, n={curve.objects}"
        ax.plot(curve.recall, curve.precision, style, color=INK, linewidth=3.4, alpha=0.3)
        ax.plot(curve.recall, curve.precision, style, color=colours[name], lw=2.2, label=label)
        above = np.flatnonzero(curve.score >= thresholds.get(name, 0.5))
        if above.size:
            at = above[-1]
            ax.plot(curve.recall[at], curve.precision[at], "o", color=INK, markersize=6)
            ax.annotate(
                f"≥ {thresholds.get(name, 0.5):.2f}",
                (curve.recall[at], curve.precision[at]),
                xytext=(6, 5),
                textcoords="offset points",
                color=INK,
                fontsize=8,
            )
    ax.set(
        xlabel="recall",
        ylabel="precision",
        xlim=(0, 1.02),
        ylim=(0, 1.05),
        title="What does more recall cost?\n(points: thresholds chosen on validation)",
    )
    ax.legend(frameon=False, loc="best", fontsize=8)
    return _tidy(ax, whole_x=False)


def draw_size_ap(score: CocoScore, ax: Axes | None = None) -> Axes:
    """Draw AP of every class by the size of objects, with their number."""
    ax = axes_or_new(ax, (5.4, 3.4))
    names = [name for name in score.names if score.count(name)]
    colours, width = class_colours(names), 0.8 / max(1, len(names))
    for place, name in enumerate(names):
        for column, (stat, size) in enumerate(_SIZES):
            ap = score.class_stats[name][stat]
            if isnan(ap):
                continue
            x = column + (place - (len(names) - 1) / 2) * width
            ax.bar(x, ap, width * 0.9, color=colours[name], edgecolor=INK, linewidth=0.6)
            count = score.count(name, size.split("\n")[0])
            ax.text(x, ap, f"{ap:.2f}\nn={count}", ha="center", va="bottom", fontsize=8)
        ax.bar(0, 0, color=colours[name], edgecolor=INK, linewidth=0.6, label=name)
    ax.set_xticks(range(len(_SIZES)), [label for _, label in _SIZES])
    ax.set(ylabel="AP@50:95", title="Does it see small things?")
    ax.set_xlim(-0.6, len(_SIZES) - 0.4)
    ax.set_ylim(0, min(1.15, max(0.1, ax.get_ylim()[1]) * 1.3))
    ax.legend(frameon=False, ncols=len(names), loc="upper left", fontsize=8)
    return _tidy(ax, whole_x=False)


def draw_confusion(
    counts: npt.NDArray[np.int64], names: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Draw what objects are called: counts, shaded by the share of each true class.

    Args:
        counts: Of `matching.confusion`: (true, called), the last row and column for nothing.
        names: Classes, in its order.
        ax: Where to draw.
    """
    ax = axes_or_new(ax, (4.8, 4.2))
    nothing = len(names)  # what was neither there nor called is not counted

    def words(true: int, called: int, share: float) -> str:
        return "" if true == called == nothing else f"{counts[true, called]}"

    draw_cells(ax, counts, words, [*names, "nothing"])
    ax.tick_params(axis="x", labelrotation=20)
    return ax


def draw_comparison(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw precision and recall of teacher and student with their 95 % intervals."""
    ax = axes_or_new(ax, (7, 0.9 + 0.95 * len(comparison.classes)))
    colours = class_colours([one.name for one in comparison.classes])
    labels, row = [], 0.0
    for one in comparison.classes:
        for measure, share in (("precision", one.precision), ("recall", one.recall)):
            for shift, found, marker in ((-0.16, share.teacher, "s"), (0.16, share.student, "o")):
                if found is None:
                    continue
                y = row + shift
                draw_interval(ax, found, y, colour=colours[one.name], marker=marker)
                ax.text(1.03, y, f"{found.value:.2f}", va="center", fontsize=8)
            labels.append((row, f"{one.name} {measure}"))
            row += 1
    ax.plot([], [], "s", color=INK, label="teacher")
    ax.plot([], [], "o", color=INK, label="student")
    ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    ax.set_yticks([place for place, _ in labels], [label for _, label in labels])
    ax.set(xlim=(0, 1), ylim=(row - 0.5, -0.5), xlabel=f"at IoU 0.5, against {comparison.against}")
    ax.set_title("Does the student beat its teacher?", loc="right")
    return open_frame(ax)


def draw_misses(
    matches: Sequence[ImageMatches],
    split_dir: Path,
    category: Mapping[str, Any],
    ax: Axes | None = None,
    *,
    limit: int = 6,
    side_px: int = 128,
) -> Axes:
    """Draw the largest missed objects of a class and its surest mistakes, cut out of their frames.

    Args:
        matches: Of `matching.match_images` at the chosen thresholds.
        split_dir: Where the frames are.
        category: The class: id and name.
        ax: Where to draw.
        limit: Pictures per row.
        side_px: Of a cut-out at least; a larger object gets more.
    """
    misses, ghosts = _worst(matches, category["id"])
    kinds = {f"missed\n{len(misses)}": misses, f"not there\n{len(ghosts)}": ghosts}
    shown = {caption: wrong for caption, wrong in kinds.items() if wrong} or kinds
    rows = []
    for wrong in shown.values():
        cut = [_cut_out(split_dir, match, box, side_px) for match, box in wrong[:limit]]
        blank = [np.full((side_px, side_px, 3), 255, np.uint8)] * (limit - len(cut))
        tiles = [cv2.copyMakeBorder(one, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(255,) * 3)
                 for one in (*cut, *blank)]  # fmt: skip
        rows.append(np.concatenate(tiles, axis=1))
    size = 1.7 * limit, 0.2 + 1.7 * len(rows)
    ax = axes_or_new(ax, size, layout="constrained")
    ax.imshow(np.concatenate(rows))
    step = rows[0].shape[0]
    ax.set_yticks([step * (place + 0.5) for place in range(len(rows))], list(shown))
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.set_title(f"Which {category['name']} does it get wrong?", loc="left")
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def _worst(
    matches: Sequence[ImageMatches], category_id: int
) -> tuple[list[tuple[ImageMatches, list[float]]], list[tuple[ImageMatches, list[float]]]]:
    """Missed objects, largest first, and wrong detections, surest first; alike ones last."""
    misses = [
        (one["area"], match, one["bbox"])
        for match in matches
        for one in match.false_negatives()
        if one["category_id"] == category_id
    ]
    ghosts = [
        (one["score"], match, one["bbox"])
        for match in matches
        for one in match.false_positives()
        if one["category_id"] == category_id
    ]
    return _spread(misses), _spread(ghosts)


def _spread(
    examples: list[tuple[float, ImageMatches, list[float]]],
) -> list[tuple[ImageMatches, list[float]]]:
    """Worst first, those that look like a worse one of the same clip last: neighbouring frames."""
    shown: dict[Any, list[int]] = {}
    first: list[tuple[ImageMatches, list[float]]] = []
    last: list[tuple[ImageMatches, list[float]]] = []
    for _, match, box in sorted(examples, key=lambda one: -one[0]):
        frames = shown.setdefault(match.image.get("clip_id", match.image["id"]), [])
        frame = int(match.image.get("frame", 0))
        is_new = all(abs(frame - other) >= _APART for other in frames)
        if is_new:
            frames.append(frame)
        (first if is_new else last).append((match, box))
    return first + last


def _cut_out(
    split_dir: Path, match: ImageMatches, box: list[float], side_px: int
) -> npt.NDArray[np.uint8]:
    """The surroundings of a box, enlarged to `side_px`, with the box on it."""
    image = read_image(split_dir / match.image["file_name"])
    x, y, width, height = box
    side = int(min(max(side_px / 2, 1.3 * max(width, height)), *image.shape[:2]))
    x0 = int(np.clip(x + width / 2 - side / 2, 0, image.shape[1] - side))
    y0 = int(np.clip(y + height / 2 - side / 2, 0, image.shape[0] - side))
    part = np.ascontiguousarray(image[y0 : y0 + side, x0 : x0 + side])
    scale = side_px / side
    large = cv2.resize(part, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    low = round((x - x0) * scale) - 2, round((y - y0) * scale) - 2
    high = round((x + width - x0) * scale) + 2, round((y + height - y0) * scale) + 2
    cv2.rectangle(large, low, high, _DARK_OUTLINE, 3)
    cv2.rectangle(large, low, high, rgb("#FFFFFF"), 1)
    return np.asarray(large, np.uint8)


def _tidy(ax: Axes, *, whole_x: bool = True) -> Axes:
    if whole_x:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return open_frame(ax)
