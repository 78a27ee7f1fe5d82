"""The pictures of the chain's evaluation: every stage's score for every source of labels.

Every function answers the question in its title, draws on the axes it is given and returns them.
"""

import pandas as pd
from matplotlib.axes import Axes

from workbench.shots.evaluation.chain import stage_scores
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
    sources = list(facts.groupby("labels", sort=False))
    for row, (labels, rows) in enumerate(sources):
        colour, mark = _MARKS[row % len(_MARKS)]
        shift = 0.22 * (row - (len(sources) - 1) / 2)
        scores = stage_scores(rows)
        for place, stage in enumerate(_SHARES):
            if stage not in scores:
                continue
            at = place + shift
            draw_interval(ax, scores[stage], at, colour=colour, marker=mark, mark_colour=colour)
        ax.plot([], [], mark, color=colour, label=f"labels: {labels}")
    ax.set_yticks(range(len(_SHARES)), _SHARES)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(_SHARES) - 0.5, -0.5), xlabel="share, with 95 % interval")
    ax.set_title("Where does the chain lose?", loc="left", x=-0.6)
    ax.legend(frameon=False, ncols=len(sources), loc="lower right", bbox_to_anchor=(1, 1))
    ax.grid(axis="x", color="#ECECEC")
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax
