"""Figures of a student: scores as it trains, scores in the test, and what it misses.

Every function answers the question in its title, draws on the axes it is given and returns them;
none shows or saves anything. What must be told apart differs by line or marker too, not only by
colour.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
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
    draw_sheet,
    open_frame,
    rgb,
)
from workbench.training.history import Epoch, Step, best_epoch, draw_losses

_DARK_OUTLINE = (24, 24, 24)
_LINES = ("-", "--", ":", "-.")
_MOST, _SIDE_PX = 6, 128  # cut-outs per row, and their side
_APART = 10  # frames of a clip that are nearer show the same thing
_SIZES = (("APs", "small\n< 32² px"), ("APm", "medium\n< 96² px"), ("APl", "large"))


class LiveTraining:
    """Shows a run; its methods are the callbacks of `finetune`.

    Example:
        >>> with LiveTraining(epochs=6) as live:  # doctest: +SKIP
        ...     finetune(dataset, run, config, on_step=live.on_step, on_epoch=live.on_epoch)
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs  # at most
        self._history: list[Epoch] = []
        self._handle: Any = None

    def __enter__(self) -> Self:
        from tqdm import tqdm

        self._bar = tqdm(unit="step", mininterval=2)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._bar.close()
        if kind is None and self._handle is not None:
            from IPython.display import HTML

            # The finished curves are the notebook's to draw.
            self._handle.update(HTML(""))  # type: ignore[no-untyped-call]

    def on_step(self, step: Step) -> None:
        """Move the bar on."""
        self._bar.total = self._epochs * step.steps
        self._bar.set_postfix_str(f"loss {step.loss:.2f}", refresh=False)
        self._bar.update((step.epoch - 1) * step.steps + step.step - self._bar.n)

    def on_epoch(self, epoch: Epoch) -> None:
        """Draw the curves again with one more epoch."""
        self._history.append(epoch)
        self._bar.set_description_str(f"AP {epoch.scores['ap']:.3f}")
        from IPython.core.getipython import get_ipython
        from IPython.display import Image, display

        if get_ipython() is None:
            return
        # As PNG: a kernel shows figures as pictures only once pyplot has drawn something.
        picture = Image(data=self._draw())  # type: ignore[no-untyped-call]
        if self._handle is None:
            self._handle = display(picture, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(picture)

    def _draw(self) -> bytes:
        figure = Figure(figsize=(11, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        kept_by = "gain" if "gain" in self._history[0].scores else "ap"
        draw_class_ap(self._history, left, kept_by=kept_by)
        draw_losses(self._history, kept_by, right)
        png = io.BytesIO()
        figure.savefig(png, format="png")
        return png.getvalue()


def draw_class_ap(history: Sequence[Epoch], ax: Axes | None = None, *, kept_by: str = "ap") -> Axes:
    """Draw AP of every class and their mean on validation, per epoch; `kept_by` chose the epoch."""
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
        best = best_epoch(history, kept_by)
        ax.axvline(best.epoch, color=SOFT, linewidth=0.8, linestyle=":")
    ax.set(xlabel="epoch (dotted: kept)", ylabel="average precision")
    ax.set_title("Did it learn, and what?")
    ax.set_ylim(0, max(0.1, ax.get_ylim()[1]))
    ax.legend(frameon=False, ncols=2)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return open_frame(ax)


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
    return open_frame(ax)


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
    return open_frame(ax)


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
) -> Axes:
    """Draw the largest missed objects of a class and its surest mistakes, cut out of their frames.

    Args:
        matches: Of `matching.match_images` at the chosen thresholds.
        split_dir: Where the frames are.
        category: The class: id and name.
        ax: Where to draw.
    """
    misses = _worst_first([(m, m.false_negatives()) for m in matches], category["id"], "area")
    ghosts = _worst_first([(m, m.false_positives()) for m in matches], category["id"], "score")
    kinds = {f"missed\n{len(misses)}": misses, f"not there\n{len(ghosts)}": ghosts}
    rows = {
        caption: [_cut_out(split_dir, match, box) for match, box in wrong[:_MOST]]
        for caption, wrong in kinds.items()
        if wrong
    }
    title = f"Which {category['name']} does it get wrong?"
    return draw_sheet(list(rows.values()), list(rows), title, ax, empty="none")


def _worst_first(
    found: Iterable[tuple[ImageMatches, Iterable[Mapping[str, Any]]]], category_id: int, by: str
) -> list[tuple[ImageMatches, list[float]]]:
    """Boxes of a class, the highest `by` first; those that look like another of their clip last."""
    own = [(m, one) for m, rows in found for one in rows if one["category_id"] == category_id]
    shown: dict[Any, list[int]] = {}
    first: list[tuple[ImageMatches, list[float]]] = []
    last: list[tuple[ImageMatches, list[float]]] = []
    for match, one in sorted(own, key=lambda example: -example[1][by]):
        frames = shown.setdefault(match.image.get("clip_id", match.image["id"]), [])
        frame = int(match.image.get("frame", 0))
        is_new = all(abs(frame - other) >= _APART for other in frames)  # neighbours look alike
        if is_new:
            frames.append(frame)
        (first if is_new else last).append((match, one["bbox"]))
    return first + last


def _cut_out(split_dir: Path, match: ImageMatches, box: list[float]) -> npt.NDArray[np.uint8]:
    """The surroundings of a box, enlarged, with the box on it."""
    image = read_image(split_dir / match.image["file_name"])
    x, y, width, height = box
    side = int(min(max(_SIDE_PX / 2, 1.3 * max(width, height)), *image.shape[:2]))
    x0 = int(np.clip(x + width / 2 - side / 2, 0, image.shape[1] - side))
    y0 = int(np.clip(y + height / 2 - side / 2, 0, image.shape[0] - side))
    part = np.ascontiguousarray(image[y0 : y0 + side, x0 : x0 + side])
    scale = _SIDE_PX / side
    large = cv2.resize(part, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_CUBIC)
    low = round((x - x0) * scale) - 2, round((y - y0) * scale) - 2
    high = round((x + width - x0) * scale) + 2, round((y + height - y0) * scale) + 2
    cv2.rectangle(large, low, high, _DARK_OUTLINE, 3)
    cv2.rectangle(large, low, high, rgb("#FFFFFF"), 1)
    return np.asarray(large, np.uint8)
