"""Figures of sweeps and ablations: what the settings gave, and what each change does.

Every function answers the question in its title, draws on the axes it is given and returns them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from workbench.runs.ablation import Ablation, Effect, Outcomes
from workbench.runs.settings import Comparison
from workbench.stats import Clusters, Interval, pooled_share
from workbench.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    SOFT,
    VERMILION,
    axes_or_new,
    draw_interval,
    open_frame,
)

_VERDICT_COLOURS = {"keep": GREEN, "drop": VERMILION, "inconclusive": GREY}


def draw_settings(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw the number of every cell with its interval, the best on top."""
    cells = comparison.cells
    ax = axes_or_new(ax, (8, 0.9 + 0.32 * len(cells)), layout="constrained")
    for row, value in enumerate(comparison.values):
        colour = GREEN if row == 0 else VERMILION if row == len(cells) - 1 else GREY
        if isinstance(value, Interval):
            draw_interval(ax, value, row, colour=colour)
        else:
            ax.plot(value.value, row, "o", color=INK)
    ax.set_yticks(range(len(cells)), [comparison.words(cell) for cell in cells])
    ax.set(
        xlabel=f"{comparison.metric}, 95 % interval",
        ylim=(len(cells) - 0.5, -0.5),
        title="Which settings are best?",
    )
    return open_frame(ax)


def draw_parallel(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw every cell as a line across its settings to its number, darker is better."""
    varied = comparison.varied
    ax = axes_or_new(ax, (2.2 + 1.6 * (len(varied) + 1), 3.6), layout="constrained")
    numbers = np.array([value.value for value in comparison.values])
    spread = float(np.ptp(numbers)) or 1.0
    plate = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
    told: dict[str, Any] = {"va": "center", "color": INK, "bbox": plate, "zorder": 5}
    for cell, number in zip(reversed(comparison.cells), reversed(numbers), strict=True):
        share = (number - numbers.min()) / spread
        heights = [_height(comparison.sweep.axes[name], cell.settings[name]) for name in varied]
        alpha = 0.25 + 0.75 * share
        ax.plot([*heights, share], "-", color=BLUE, alpha=alpha, linewidth=1 + 2 * share)
    for place, name in enumerate(varied):
        for value in comparison.sweep.axes[name]:
            height = _height(comparison.sweep.axes[name], value)
            ax.text(place + 0.03, height, value, **told)
    for height, number in ((0, numbers.min()), (1, numbers.max())):
        ax.text(len(varied) + 0.03, height, f"{number:.3g}", **told)
    ax.vlines(range(len(varied) + 1), 0, 1, color=SOFT, linewidth=0.8)
    names = [name.partition(".")[2] for name in varied]
    ax.set_xticks(range(len(varied) + 1), [*names, comparison.metric])
    ax.set_yticks([])
    ax.set(ylim=(-0.08, 1.08), title="Which way do good settings lie?")
    ax.spines[:].set_visible(False)
    return ax


def draw_effects(ablation: Ablation, ax: Axes | None = None) -> Axes:
    """Draw every effect with its interval: of a flag, of pairs, of all at once."""
    effects = [*_grouped(ablation), *ablation.interactions]
    effects += [ablation.batch] if ablation.batch else []
    ax = axes_or_new(ax, (9, 0.9 + 0.34 * len(effects)), layout="constrained")
    for row, effect in enumerate(effects):
        draw_interval(ax, effect.difference, row, colour=_VERDICT_COLOURS[effect.verdict])
    ax.axvline(0, color=INK, linewidth=0.8)
    names = [f"{one.name}, {one.measured}" for one in effects]
    ax.set_yticks(range(len(effects)), names)
    for kind, colour in _VERDICT_COLOURS.items():
        ax.plot([], [], "-", color=colour, linewidth=4, alpha=0.6, label=kind)
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    ax.set(
        xlabel="change of the mean over test items, 95 % interval",
        ylim=(len(effects) - 0.5, -0.5),
        title="What does each change do?",
    )
    return open_frame(ax)


def draw_cells_of(
    outcomes: Outcomes,
    clusters: Clusters,
    flags: Sequence[str],
    culprit: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean of every cell: baseline, each change alone, the batch; the culprit in red."""
    order = sorted(outcomes, key=lambda cell: (len(cell), sorted(map(flags.index, cell))))
    ax = axes_or_new(ax, (8, 0.9 + 0.32 * len(order)), layout="constrained")
    for row, cell in enumerate(order):
        share = pooled_share(outcomes[cell].mean(axis=0), None, clusters)
        if share is not None:
            ends = BLUE if len(cell) in (0, len(flags)) else GREY
            draw_interval(ax, share, row, colour=VERMILION if cell == {culprit} else ends)
    names = [" + ".join(sorted(cell, key=flags.index)) or "the baseline" for cell in order]
    if culprit:
        names = [f"{name} (the culprit)" if name == culprit else name for name in names]
    ax.set_yticks(range(len(order)), names)
    ax.axvline(float(outcomes[order[0]].mean()), color=SOFT, linewidth=0.8, linestyle=":")
    ax.set(
        xlabel="mean over test items and seeds, 95 % interval",
        ylim=(len(order) - 0.5, -0.5),
        title="The baseline, each change, and all at once",
    )
    return open_frame(ax)


def _grouped(ablation: Ablation) -> list[Effect]:
    """Effects with their parts below them."""
    found = []
    for effect in ablation.effects:
        found += [effect, *(part for part in ablation.parts if part.name == effect.name)]
    return found


def _height(values: Sequence[str], value: str) -> float:
    """Where a value stands on its axis: numbers by size, words in their order."""
    try:
        numbers = [float(one) for one in values]
        least, span = min(numbers), max(numbers) - min(numbers)
        return (float(value) - least) / span if span else 0.5
    except ValueError:
        return list(values).index(value) / max(1, len(values) - 1)
