"""Figures of the evaluation: the chain's stages, what each loses, and verdicts on simulated shots.

Takes the rows of `chain.collect_facts`, `chain.judge_with_truth` and `simulated.judge_seeds`.
Every function answers the question in its title, draws on the axes it is given and returns them.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.actions.figures import draw_reliability
from workbench.shots.evaluation.chain import stage_scores
from workbench.shots.evaluation.simulated import accuracy_table, reliability
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
_ACCURACY_TITLES = {
    "placement": "From where can goal or no goal be told?",
    "kind": "Which shots are hard to tell?",
}
_METHOD_STYLE = {"2d": ("2D rules", ORANGE, "s"), "3d": ("3D fit", BLUE, "o")}


def draw_stage_scores(facts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share that is right at each stage of the chain, one mark per source of labels."""
    ax = axes_or_new(ax, (8, 4.4), layout="constrained")
    marks = {}
    for (labels, rows), (colour, marker) in zip(facts.groupby("labels", sort=False), cycle(_MARKS)):
        scores = stage_scores(rows)
        marks[f"labels: {labels}"] = [scores.get(stage) for stage in _SHARES], colour, marker
    _draw_shares(ax, _SHARES, marks)
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
    _draw_shares(ax, list(right), {"3D fit": (list(right.values()), *_MARKS[0])})
    for place, found in enumerate(right.values()):
        ax.text(1.04, place, f"{found.value:.2f}  n={found.n}", va="center", fontsize=9)
    ax.set(xlabel="share of verdicts that are right")
    ax.set_title("What would knowing the truth of one stage win?", loc="left")
    return ax


def draw_accuracy(
    rows: pd.DataFrame, by: Literal["placement", "kind"], ax: Axes | None = None
) -> Axes:
    """Draw `simulated.accuracy_table`: one mark per method, and what the commoner answer earns."""
    ax = axes_or_new(ax, (6.4, 4.2))
    table = accuracy_table(rows, by)
    labels = [f"{str(name).replace('_', ' ')} (n={n})" for name, n in table["n"].items()]
    marks = {
        name: (table[method], colour, marker)
        for method, (name, colour, marker) in _METHOD_STYLE.items()
        if method in table
    }
    _draw_shares(ax, labels, marks)
    ax.scatter(
        table["majority"], range(len(table)), marker="|", s=400, color=GREY,
        label="always the commoner answer",
    )  # fmt: skip
    ax.set(xlabel="share of right verdicts")
    ax.set_title(_ACCURACY_TITLES[by])
    ax.legend(loc="lower left", fontsize=8)
    return ax


def _draw_shares(
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


def draw_goal_reliability(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how often shots called goals with some probability are goals."""
    found = reliability(rows)
    ax = draw_reliability(found, ax)
    ax.set(
        xlabel="stated probability of a goal",
        ylabel="share of goals (shots per point beside it)",
        title=f"Is 70 % seven in ten?\nECE {found.error:.3f}, {found.null_mean:.3f} if calibrated",
    )
    return ax


def draw_abstention(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of right verdicts against the share of shots decided, surest first."""
    ax = axes_or_new(ax, (4.4, 4.2))
    part = rows[rows["method"] == "3d"]
    sure = (part["goal_probability"] - 0.5).abs().to_numpy()
    order = np.argsort(-sure, kind="stable")
    right = part["right"].to_numpy(float)[order]
    decided = np.arange(1, len(right) + 1)
    ax.plot(decided / len(right), np.cumsum(right) / decided, color=BLUE)
    kept = part[~part["abstained"]]
    ax.plot(len(kept) / len(part), kept["right"].mean(), "o", color="black", label="as it decides")
    ax.set(
        xlabel="share of shots decided, surest first", ylabel="share of right verdicts among them"
    )
    ax.set_ylim(min(0.85, float(right.mean()) - 0.02), 1.005)
    ax.set_title("What does abstaining buy?")
    ax.legend(loc="lower left", fontsize=8)
    return ax


def draw_speed_errors(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the distribution of the speed's absolute error, one curve per method."""
    ax = axes_or_new(ax, (5.6, 4.0))
    for method, (name, colour, _) in _METHOD_STYLE.items():
        part = rows[rows["method"] == method]
        errors = np.sort((part["speed"] - part["true_speed"]).abs().dropna().to_numpy())
        if len(errors) == 0:
            continue
        label = f"{name}: median {np.median(errors):.1f} km/h"
        share = np.arange(1, len(errors) + 1) / len(errors)
        ax.step(errors, share, "-" if method == "3d" else "--", color=colour, label=label)
    ax.set(xlim=(0, 40), ylim=(0, 1), xlabel="error of the speed at the foot in km/h")
    ax.set_ylabel("share of shots at most so far off")
    ax.set_title("How exact is the speed?")
    ax.legend(loc="lower right", fontsize=8)
    return ax
