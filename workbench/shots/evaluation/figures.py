"""Figures of the evaluation: the chain's stages, what each loses, and verdicts on simulated shots.

Takes the rows of `chain.collect_facts`, `chain.judge_with_truth` and `simulated.judge_seeds`.
Every function answers the question in its title, draws on the axes it is given and returns them.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from workbench.actions.figures import draw_reliability
from workbench.shots.evaluation.chain import share_right, stage_scores
from workbench.shots.evaluation.simulated import accuracy_table, reliability
from workbench.shots.verdict import Method
from workbench.stats import Interval
from workbench.style import BLUE, GREY, ORANGE, PURPLE, axes_or_new, draw_interval, open_frame

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
_METHOD_STYLE = {"2d": ("2D rules", ORANGE, "s"), "3d": ("3D fit", BLUE, "o")}


def draw_stage_scores(facts: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share that is right at each stage of the chain, one mark per source of labels."""
    ax = axes_or_new(ax, (8, 4.4), layout="constrained")
    sources = list(facts.groupby("labels", sort=False))
    for row, (labels, rows) in enumerate(sources):
        scores, mark = stage_scores(rows), _MARKS[row % len(_MARKS)]
        shares = [scores.get(stage) for stage in _SHARES]
        _draw_shares(ax, shares, 0.22 * (row - (len(sources) - 1) / 2), f"labels: {labels}", *mark)
    ax.set_yticks(range(len(_SHARES)), _SHARES)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(_SHARES) - 0.5, -0.5), xlabel="share, with 95 % interval")
    ax.set_title("Where does the chain lose?", loc="left", x=-0.6)
    ax.legend(frameon=False, ncols=len(sources), loc="lower right", bbox_to_anchor=(1, 1))
    ax.grid(axis="x", color="#ECECEC")
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def _draw_shares(
    ax: Axes,
    shares: Iterable[Interval | None],
    shift: float,
    name: str,
    colour: str,
    marker: str,
    *,
    upright: bool = False,
) -> None:
    """Draw one mark per place, each moved by `shift`, and an entry of the legend for all."""
    for place, share in enumerate(shares):
        if share is not None:
            draw_interval(
                ax, share, place + shift, colour=colour, marker=marker, mark_colour=colour,
                upright=upright,
            )  # fmt: skip
    ax.plot([], [], marker, color=colour, label=name)


def draw_loss(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of right verdicts for each replacement with its 95 % interval."""
    ax = axes_or_new(ax, (6.4, 2.6), layout="constrained")
    for place, (_, own) in enumerate(rows.groupby("given", sort=False)):
        found = share_right(own)
        draw_interval(ax, found, place, colour=BLUE)
        ax.text(1.02, place, f"{found.value:.2f}  n={found.n}", va="center", fontsize=9)
    given = list(dict.fromkeys(rows["given"]))
    ax.set_yticks(range(len(given)), given)
    ax.set(xlim=(0, 1), ylim=(len(given) - 0.5, -0.5), xlabel="share of verdicts that are right")
    ax.set_title("What would knowing the truth of one stage win?", loc="left")
    return open_frame(ax)


def draw_accuracy(rows: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share of right verdicts by placement, one mark per method, with 95 % intervals."""
    ax = axes_or_new(ax, (6.4, 4.0))
    table = accuracy_table(rows)
    places = np.arange(len(table))
    methods = [name for name in _METHOD_STYLE if name in table]
    for step, method in enumerate(methods):
        offset = 0.16 * (step - (len(methods) - 1) / 2)
        _draw_shares(ax, table[method], offset, *_METHOD_STYLE[method], upright=True)
    ax.scatter(
        places, table["majority"], marker="_", s=400, color=GREY, label="always the commoner answer"
    )
    labels = [f"{str(name).replace('_', ' ')}\nn={n}" for name, n in table["n"].items()]
    ax.set_xticks(places, labels)
    ax.axvline(0.5, color=GREY, lw=0.5)
    ax.set(ylabel="share of right verdicts", ylim=(min(0.5, ax.get_ylim()[0]), 1.0))
    ax.set_title("From where can goal or no goal be told?")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncol=3, frameon=False, fontsize=8)
    return ax


def draw_goal_reliability(
    rows: pd.DataFrame, ax: Axes | None = None, method: Method = "3d"
) -> Axes:
    """Draw how often shots called goals with some probability are goals."""
    found = reliability(rows, method)
    ax = draw_reliability(found, ax)
    ax.set(
        xlabel="stated probability of a goal",
        ylabel="share of goals (shots per point beside it)",
        title=f"Is 70 % seven in ten?\nECE {found.error:.3f}, {found.null_mean:.3f} if calibrated",
    )
    return ax


def draw_abstention(rows: pd.DataFrame, ax: Axes | None = None, method: Method = "3d") -> Axes:
    """Draw the share of right verdicts against the share of shots decided, surest first."""
    ax = axes_or_new(ax, (4.4, 4.2))
    part = rows[rows["method"] == method]
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


def draw_kinds(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw `simulated.kind_table`: the share of right verdicts by what happened."""
    ax = axes_or_new(ax, (6.0, 4.2))
    rows = table.iloc[::-1]
    for step, (method, style) in enumerate(_METHOD_STYLE.items()):
        if method in rows:
            _draw_shares(ax, rows[method], 0.2 * (step - 0.5), *style)
    labels = [f"{str(kind).replace('_', ' ')} (n={n})" for kind, n in rows["n"].items()]
    ax.set_yticks(range(len(rows)), labels)
    ax.set(xlabel="share of right verdicts", xlim=(0, 1.02))
    ax.set_title("Which shots are hard to tell?")
    ax.legend(loc="lower left", fontsize=8)
    return ax
