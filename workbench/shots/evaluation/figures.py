"""Figures of the chain: how often each stage is right, and what knowing the truth would win.

Takes the rows of `chain.collect_facts` and `chain.judge_with_truth`.
Every function answers the question in its title, draws on the axes it is given and returns them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle

import pandas as pd
from matplotlib.axes import Axes

from workbench.shots.evaluation.chain import stage_scores
from workbench.stats import Interval
from workbench.style import BLUE, GREY, ORANGE, PURPLE, axes_or_new, draw_interval

_MARKS = ((BLUE, "o"), (ORANGE, "s"), (PURPLE, "^"), (GREY, "D"))
_SHARES = (
    "ball found, of frames",
    "kick within 2 frames",
    "shooter right",
    "pose captured, of frames",
    "foot right",
    "goal right, 2D rules",
    "goal right, 3D fit",
    "goal right, 3D fit where it does not abstain",
)


def draw_stage_scores(facts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share that is right at each stage of the chain, one mark per source of labels."""
    ax = axes_or_new(ax, (8, 4.4), layout="constrained")
    marks = {}
    for (labels, rows), (colour, marker) in zip(facts.groupby("labels", sort=False), cycle(_MARKS)):
        scores = stage_scores(rows)
        marks[f"labels: {labels}"] = [scores.get(stage) for stage in _SHARES], colour, marker
    draw_shares(ax, _SHARES, marks)
    ax.set(xlabel="share, with 95 % interval")
    ax.set_title("Where does the chain lose?", loc="left", x=-0.6)
    ax.legend(frameon=False, ncols=len(marks), loc="lower right", bbox_to_anchor=(1, 1))
    return ax


def draw_loss(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of right verdicts for each replacement with its 95 % interval."""
    ax = axes_or_new(ax, (6.4, 2.6), layout="constrained")
    right = {
        str(given): stage_scores(own)["goal right, 3D fit"]
        for given, own in rows.groupby("given", sort=False)
    }
    draw_shares(ax, list(right), {"3D fit": (list(right.values()), *_MARKS[0])})
    for place, found in enumerate(right.values()):
        ax.text(1.04, place, f"{found.value:.2f}  n={found.n}", va="center", fontsize=9)
    ax.set(xlabel="share of verdicts that are right")
    ax.set_title("What would knowing the truth of one stage win?", loc="left")
    return ax


def draw_shares(
    ax: Axes,
    rows: Sequence[str],
    marks: Mapping[str, tuple[Iterable[Interval | None], str, str]],
) -> None:
    """Draw shares in named rows: for each name of the legend those of all rows, colour, marker."""
    for step, (name, (shares, colour, marker)) in enumerate(marks.items()):
        shift = 0.22 * (step - (len(marks) - 1) / 2)
        for place, share in enumerate(shares):
            if share is not None:
                draw_interval(
                    ax, share, place + shift, colour=colour, marker=marker, mark_colour=colour
                )
        ax.plot([], [], marker, color=colour, label=name)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5))
    ax.grid(axis="x", color="#ECECEC")
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
