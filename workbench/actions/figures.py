"""Figures of a training run of the classifier and of its test report.

Every function answers the question in its title, draws on the axes it is given and returns them;
none shows or saves anything. Colours of classes come from the palette; what else must be told apart
differs by marker or shade as well, for readers of grey prints.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workbench.actions.augment import plain_view
from workbench.actions.calibration import Calibration
from workbench.actions.clipset import Clipset
from workbench.actions.operating import Boundary, SureAnswers
from workbench.actions.predict import Predictions
from workbench.actions.slices import Slice
from workbench.actions.testreport import ClipTestReport
from workbench.style import (
    GREY,
    INK,
    SOFT,
    axes_or_new,
    class_colours,
    draw_cells,
    draw_interval,
    draw_sheet,
    open_frame,
)
from workbench.training.history import TrainingResult


def draw_scores(result: TrainingResult, ax: Axes | None = None) -> Axes:
    """Draw accuracy and the score that chose the epoch, macro-F1 or mAP, the epoch marked."""
    ax = axes_or_new(ax, (6, 3.6))
    epochs = [row.epoch for row in result.history]
    ax.plot(epochs, [row.scores["train_accuracy"] for row in result.history], "--", color=SOFT)
    ax.plot(epochs, [row.scores[result.best_by] for row in result.history], "-", color=INK)
    best, is_single = result.best, result.best_by == "valid_macro_f1"
    score = best.scores[result.best_by]
    ax.plot(best.epoch, score, "o", color=INK)
    ax.annotate(
        f"kept: epoch {best.epoch}, {score:.3f}",
        (best.epoch, score),
        xytext=(best.epoch, 0.45),
        ha="right" if best.epoch > len(epochs) / 2 else "left",
        arrowprops={"arrowstyle": "-", "color": SOFT, "linewidth": 0.8},
    )
    if is_single:
        chance = 1 / len(result.classes)
        ax.axhline(chance, color=GREY, linewidth=0.8, linestyle=":")
        ax.text(epochs[-1], chance, "chance", color=SOFT, ha="right", va="bottom", fontsize="small")
    labels = ["train accuracy (varied views)", f"validation {'macro-F1' if is_single else 'mAP'}"]
    ax.legend(ax.lines[:2], labels, frameon=False, loc="lower right")
    ax.set(xlabel="epoch", ylabel="score", ylim=(0, 1.02), title="Did it learn, and when?")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return open_frame(ax)


def draw_confusion(report: ClipTestReport, ax: Axes | None = None) -> Axes:
    """Draw the confusion matrix: counts and the share of each true class, shaded by the share."""
    ax = axes_or_new(ax, (5, 4.4))
    counts, names = report.confusion, [score.name for score in report.classes]

    def words(true: int, called: int, share: float) -> str:
        return f"{counts[true, called]}\n{100 * share:.0f} %"

    draw_cells(ax, counts, words, names)
    rows = [f"{score.name}\nn={score.support}" for score in report.classes]
    ax.set_yticks(range(len(names)), rows)
    colours = class_colours(names)
    for tick, name in zip(ax.get_xticklabels(), names, strict=True):
        tick.set_bbox({"facecolor": "none", "edgecolor": colours[name], "boxstyle": "round"})
    return ax


def draw_class_scores(report: ClipTestReport, ax: Axes | None = None) -> Axes:
    """Draw precision, recall and F1 per class with 95 % intervals."""
    ax = axes_or_new(ax, (6, 3.6))
    names = [score.name for score in report.classes]
    colours = class_colours(names)
    measures = (("precision", "s", -0.22), ("recall", "o", 0.0), ("f1", "D", 0.22))
    for measure, marker, offset in measures:
        for place, score in enumerate(report.classes):
            interval = getattr(score, measure)
            if not interval.n:
                continue
            colour = colours[score.name]
            draw_interval(ax, interval, place + offset, colour=colour, marker=marker, upright=True)
        ax.plot([], [], marker, color=INK, markersize=5, label=measure.replace("f1", "F1"))
    labels = [f"{score.name}\nn={score.support}" for score in report.classes]
    ax.set_xticks(range(len(names)), labels)
    bottom = max(0.0, ax.get_ylim()[0] - 0.12)  # points, not bars: the axis need not start at 0
    ax.set(
        ylabel="score, 95 % interval",
        ylim=(bottom, 1.02),
        title="How sure is each class's score?\n",
    )
    ax.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.legend(frameon=False, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 0.98))
    return open_frame(ax)


def draw_reliability(calibration: Calibration, ax: Axes | None = None) -> Axes:
    """Draw accuracy against stated probability, with the band that chance alone explains."""
    ax = axes_or_new(ax, (4.4, 4.2))
    c = calibration
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
    low, high = c.confidence - c.band_low, c.band_high - c.confidence
    ax.errorbar(
        c.confidence,
        c.confidence,
        yerr=np.maximum([low, high], 0),
        fmt="none",
        ecolor="#CCCCCC",
        elinewidth=9,
        label="95 % band if calibrated",
    )
    ax.plot(c.confidence, c.accuracy, "o-", color=INK, label="observed")
    for x, y, count in zip(c.confidence, c.accuracy, c.counts, strict=True):
        ax.annotate(f"{count}", (x, y), xytext=(5, -11), textcoords="offset points", color=SOFT)
    ax.set(
        xlabel="stated probability of the call",
        ylabel="share right (clips per point beside it)",
        xlim=(0, 1.02),
        ylim=(0, 1.02),
        title=f"Are its probabilities true?\nECE {c.error:.3f}, {c.null_mean:.3f} if calibrated",
    )
    ax.legend(frameon=False, loc="lower right")
    return open_frame(ax)


def draw_coverage(
    predictions: Predictions, sure: SureAnswers | None, ax: Axes | None = None
) -> Axes:
    """Draw the share right against the share answered, the surest calls first."""
    ax = axes_or_new(ax, (5, 3.8))
    order = np.argsort(-predictions.probabilities.max(axis=1), kind="stable")
    answered = np.arange(1, len(order) + 1)
    right = np.cumsum(predictions.is_right()[order]) / answered
    ax.plot(answered / len(order), right, color=INK, drawstyle="steps-post")
    if sure:
        ax.plot(sure.answered.value, sure.right.value, "o", color=INK)
        ax.vlines(sure.answered.value, sure.right.low, sure.right.high, color=SOFT, linewidth=4)
        ax.annotate(
            f"from {sure.threshold:.2f} on",
            (sure.answered.value, sure.right.value),
            xytext=(-8, -18),
            textcoords="offset points",
            ha="right",
        )
    ax.set(
        xlabel=f"share of the {len(order)} test clips answered",
        ylabel="share of those right",
        xlim=(0, 1.02),
        ylim=(max(0.0, min(right[len(right) // 20 :].min(), 0.8) - 0.1), 1.02),
        title="What if it answered only when sure?",
    )
    return open_frame(ax)


def draw_boundary(boundary: Boundary, ax: Axes | None = None) -> Axes:
    """Draw actions found against false alarms on clips of none, the chosen line marked."""
    ax = axes_or_new(ax, (5, 3.8))
    alarms, found = boundary.curve
    ax.plot(alarms, found, color=INK, drawstyle="steps-pre")
    point = boundary.alarms, boundary.found
    ax.plot(point[0].value, point[1].value, "o", color=INK)
    ax.vlines(point[0].value, point[1].low, point[1].high, color=SOFT, linewidth=3)
    ax.hlines(point[1].value, point[0].low, point[0].high, color=SOFT, linewidth=3)
    ax.set(
        xlabel=f"share of {point[0].n} clips of none called a class",
        ylabel=f"share of {point[1].n} clips of a class found",
        xlim=(-0.02, 1.02),
        ylim=(0, 1.02),
        title="How much does it find, for how many false alarms?",
    )
    return open_frame(ax)


def draw_slices(slices: Sequence[Slice], ax: Axes | None = None) -> Axes:
    """Draw the accuracy of every slice with its interval, one row each."""
    shown = [one for one in slices if one.accuracy.n]
    ax = axes_or_new(ax, (7, 0.8 + 0.27 * len(shown)), layout="constrained")
    for row, one in enumerate(shown):
        draw_interval(ax, one.accuracy, row, colour=GREY)
    names = [f"{one.by}: {one.part}  (n={one.accuracy.n})" for one in shown]
    ax.set_yticks(range(len(shown)), names)
    for row in range(1, len(shown)):
        if shown[row].by != shown[row - 1].by:
            ax.axhline(row - 0.5, color=GREY, linewidth=0.6)
    ax.set(
        xlabel="accuracy, 95 % interval",
        xlim=(-0.02, 1.02),
        ylim=(len(shown) - 0.5, -0.5),
        title="Where is it weak?",
    )
    return open_frame(ax)


def draw_confidence(predictions: Predictions, ax: Axes | None = None) -> Axes:
    """Draw how sure the calls are, one row of points per called class."""
    ax = axes_or_new(ax, (8, 0.6 + 0.55 * len(predictions.classes)))
    colours = class_colours(predictions.classes)
    table = predictions.to_frame()
    for row, name in enumerate(predictions.classes):
        sure = table.loc[table["predicted"] == name, "probability"].to_numpy(dtype=float)
        ax.plot(sure, np.full(len(sure), row), "|", color=colours[name], markersize=16, mew=2)
        ax.text(1.02, row, f"n={len(sure)}", va="center")
    ax.axvline(1 / len(predictions.classes), color=GREY, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(predictions.classes)), predictions.classes)
    ax.set(
        xlabel="probability of the call (dotted: chance)",
        xlim=(0, 1.01),
        ylim=(len(predictions.classes) - 0.5, -0.5),
        title="How sure is it of each clip?",
    )
    return open_frame(ax)


def draw_mistakes(
    predictions: Predictions, clipset: Clipset, ax: Axes | None = None, *, limit: int = 8
) -> Axes:
    """Draw the surest mistakes, one row each: the frames the network was fed, and what it said."""
    wrong = predictions.mistakes().head(limit)
    count, width, height = predictions.view or (8, 64, 64)
    rows = [
        list(plain_view(clipset.frames_of(str(clip_id)), count, (width, height)))
        for clip_id in wrong.index
    ]
    captions = [
        f"{clip_id}\n{row['label']}, called {row['predicted']}\n"
        + "  ".join(f"{name} {row[f'p({name})']:.2f}" for name in predictions.classes)
        for clip_id, row in wrong.iterrows()
    ]
    title = f"Which clips does it get wrong? {len(wrong)} of {len(predictions.mistakes())}"
    return draw_sheet(rows, captions, title, ax, empty="no mistakes")
