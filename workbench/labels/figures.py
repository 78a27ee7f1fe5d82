"""Figures of a labelling round: answers, and agreement between annotators.

Every function answers the question in its title, draws on the axes it is given and returns them;
none shows or saves anything. What must be told apart differs by shade or marker, for grey prints.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from workbench.labels.agreement import UNSURE, Agreement, Judgements, Measure
from workbench.style import BLUE, GREY, INK, SOFT, axes_or_new, draw_interval, open_frame

_SCALE_TITLES = {
    "rating": "How were the clips rated?",
    "class": "What do the clips show?",
    "verdict": "How were the shots judged?",
}


def draw_answers(judged: Judgements, ax: Axes | None = None) -> Axes:
    """Draw how often each annotator gave each answer, annotators side by side."""
    count = max(len(judged.annotators), 1)
    ax = axes_or_new(ax, (max(5.0, 0.9 * len(judged.scale) * count**0.5), 3.6))
    width = 0.8 / count
    shades = np.linspace(0.25, 0.75, count)
    for place, (name, codes) in enumerate(zip(judged.annotators, judged.codes, strict=True)):
        counts = [int((codes == code).sum()) for code in range(len(judged.scale))]
        x = np.arange(len(counts)) + (place - (count - 1) / 2) * width
        ax.bar(x, counts, width * 0.94, color=plt.get_cmap("Greys")(shades[place]), label=name)
    names = [_spell(judged.kind, answer) for answer in judged.scale]
    ax.set_xticks(range(len(names)), names)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(ylabel="items", title=_SCALE_TITLES[judged.kind])
    if 1 < count <= 8:
        ax.legend(frameon=False)
    return open_frame(ax)


def draw_agreement(agreement: Agreement, ax: Axes | None = None) -> Axes:
    """Draw every coefficient over all annotators with its 95 % interval."""
    return _draw_measures(agreement.overall, "How far do the annotators agree?", ax)


def draw_pairs(agreement: Agreement, ax: Axes | None = None) -> Axes:
    """Draw Cohen's kappa of each two annotators, "unsure" left out, the lowest at the bottom."""
    pairs = [pair for pair in agreement.pairs if pair.unsure == "left out"]
    pairs.sort(key=lambda pair: -np.nan_to_num(pair.interval.value, nan=-np.inf))
    return _draw_measures(pairs, "Who agrees with whom?", ax)


def _draw_measures(
    measures: "tuple[Measure, ...] | list[Measure]", title: str, ax: Axes | None
) -> Axes:
    ax = axes_or_new(ax, (7, 1.2 + 0.42 * max(len(measures), 1)))
    for place, measure in enumerate(measures):
        interval = measure.interval
        if np.isnan(interval.value):
            ax.text(0, place, "undefined: nothing to tell apart", color=SOFT, va="center")
            continue
        counts_unsure = measure.unsure != "left out"
        draw_interval(ax, interval, place, colour=GREY if counts_unsure else BLUE)
        if counts_unsure:
            ax.lines[-1].set_markerfacecolor("white")
    ax.plot([], [], "o", color=INK, markerfacecolor="white", label="unsure is a category")
    ax.plot([], [], "o", color=INK, label="unsure left out")
    ax.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_yticks(range(len(measures)), [_name(measure) for measure in measures])
    ax.set_ylim(len(measures) - 0.5, -0.5)
    left = min([0.0, *(m.interval.low for m in measures if not np.isnan(m.interval.low))])
    ax.set(
        xlim=(left - 0.05, 1.05),
        xlabel="95 % interval; 1 is perfect, and 0 of alpha and kappa is chance",
        title=title,
    )
    ax.grid(axis="x", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    if any(measure.unsure != "left out" for measure in measures):
        ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return open_frame(ax)


def _name(measure: Measure) -> str:
    name = " – ".join(measure.annotators) if measure.annotators else measure.name
    return f"{name}  (n={measure.interval.n})"


def _spell(kind: str, answer: str) -> str:
    if answer == UNSURE:
        return "unsure"
    if kind == "class":
        return answer  # as people have named it
    return f"{answer} ★" if kind == "rating" else answer.replace("_", " ")
