"""Accuracy, calibration and speed error of verdicts on simulated shots.

The unit is one row per shot and method: what was said beside what was true. Counts once, derives
every table from the rows, and compares methods on the same shots only. Simulated shots are
independent, so shares carry Wilson intervals. Knows nothing of how a method judges.
"""

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from workbench.actions.calibration import Calibration, calibrate
from workbench.actions.figures import draw_reliability
from workbench.engines.each import every
from workbench.shots.evaluation.figures import draw_shares
from workbench.shots.evaluation.head_training import number_or_nan, train
from workbench.shots.fit3d.head import PLACES, Head
from workbench.shots.fit3d.question import ask
from workbench.shots.judge import is_seen, judge_shot
from workbench.shots.verdict import METHODS, ShotVerdict
from workbench.simulated.cameras import PLACEMENTS
from workbench.simulated.shots import SimulatedShot
from workbench.simulated.tracked import SIMULATORS, STRANGE
from workbench.stats import Interval, mcnemar, median_interval, wilson
from workbench.style import BLUE, GREY, ORANGE, axes_or_new

HELD_OUT_SEEDS = range(50_000, 51_000)  # nothing is tuned or trained on these shots
WORLDS = SIMULATORS | STRANGE
EVERYWHERE = "all"  # the row of a table that holds all placements

_CLOSE_KMH = 5.0
_TOLD_OFF = 0.015  # of a distance that is told, relative
_ON_LINE_M = 0.5
_ACCURACY_TITLES = {
    "placement": "From where can goal or no goal be told?",
    "kind": "Which shots are hard to tell?",
}
_METHOD_STYLE = {"2d": ("2D rules", ORANGE, "s"), "3d": ("3D fit", BLUE, "o")}


def judge_seeds(
    seeds: Sequence[int], engine: str | None = None, world: str = "usual", *, told: bool = False
) -> pd.DataFrame:
    """Simulate a world's shots of these seeds, judge each by every method, return a row for each.

    With `told`, the verdict knows from how far the shot was taken, to 1.5 %.

    Columns: seed, method, placement, kind, view_angle_deg, distance_m, true_goal,
    goal_probability, called, right, abstained, true_speed, speed, speed_low, speed_high,
    true_line_speed, line_speed, line_low, line_high (km/h, NaN where absent), cpu_s, reason.
    Rows come in the order of the seeds, whatever the engine.
    """
    shots = {str(seed): (world, seed, told) for seed in seeds}
    found = every(_judge_seed, shots, "shots", engine=engine)
    return pd.DataFrame([row for rows in found.values() for row in rows])


def _judge_seed(shot_of: tuple[str, int, bool]) -> list[dict[str, Any]]:
    world, seed, told = shot_of
    shot, rows = WORLDS[world](seed), []
    off = 1 + _TOLD_OFF * float(np.random.default_rng([seed, 4]).standard_normal())
    distance_m = max(0.5, off * shot.from_m) if told else None
    for method in reversed(METHODS):
        begin = time.process_time()
        verdict = judge_shot(ask(**shot.question(), distance_m=distance_m), method)
        rows.append(_as_row(shot, verdict, time.process_time() - begin))
    return rows


def _as_row(shot: SimulatedShot, verdict: ShotVerdict, cpu_s: float) -> dict[str, Any]:
    speed_low, speed_high = verdict.speed_interval_kmh or (np.nan, np.nan)
    line_low, line_high = verdict.line_speed_interval_kmh or (np.nan, np.nan)
    return {
        "seed": shot.seed,
        "method": verdict.method,
        "placement": shot.placement,
        "kind": shot.kind,
        "view_angle_deg": shot.view_angle_deg,
        "distance_m": shot.camera_distance_m,
        "true_goal": shot.is_goal,
        "goal_probability": verdict.goal_probability,
        "called": verdict.is_goal,
        "right": verdict.is_goal == shot.is_goal,
        "abstained": verdict.abstained,
        "true_speed": shot.speed_kmh if shot.has_speed else np.nan,
        "speed": number_or_nan(verdict.speed_kmh),
        "speed_low": speed_low,
        "speed_high": speed_high,
        "true_line_speed": number_or_nan(shot.line_speed_kmh),
        "line_speed": number_or_nan(verdict.line_speed_kmh),
        "line_low": line_low,
        "line_high": line_high,
        "cpu_s": cpu_s,
        "reason": verdict.reason,
    }


def accuracy_table(rows: pd.DataFrame, by: Literal["placement", "kind"]) -> pd.DataFrame:
    """Share of right verdicts by placement, or by what happened, the commonest first.

    Columns: n, majority (share of the commoner answer), one per method (`Interval`) and `paired`
    (`PairedTest`), the last method against the first. A verdict that abstains counts with its
    better guess.
    """
    table = {}
    for name, part in _by_placement(rows) if by == "placement" else _by_kind(rows):
        goals = part.drop_duplicates("seed")["true_goal"]
        cells: dict[str, Any] = {"n": len(goals), "majority": max(goals.mean(), 1 - goals.mean())}
        by_method = {name: some.set_index("seed")["right"] for name, some in _by_method(part)}
        cells |= {name: _share(right) for name, right in by_method.items()}
        judged = list(by_method.values())
        first, last = judged[0], judged[-1]
        cells["paired"] = mcnemar(first.to_numpy(bool), last.loc[first.index].to_numpy(bool))
        table[name] = cells
    return pd.DataFrame.from_dict(table, orient="index")


def _share(flags: ArrayLike) -> Interval:
    """The share of items that are true."""
    held = np.asarray(flags, bool)
    return wilson(int(held.sum()), len(held))


def certainty_table(rows: pd.DataFrame) -> pd.DataFrame:
    """By placement: how often the 3D fit commits itself, and how often it is right then.

    Columns: n, abstains, right_if_sure, right_if_not (`Interval`), brier.
    """
    table = {}
    for place, part in _by_placement(rows[rows["method"] == "3d"]):
        unsure = part["abstained"].to_numpy(bool)
        right = part["right"].to_numpy(bool)
        miss = part["goal_probability"] - part["true_goal"].astype(float)
        table[place] = {
            "n": len(part),
            "abstains": _share(unsure),
            "right_if_sure": _share(right[~unsure]),
            "right_if_not": _share(right[unsure]),
            "brier": float((miss**2).mean()),
        }
    return pd.DataFrame.from_dict(table, orient="index")


def left_out_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Judge the shots of each world by a head that was trained on the others.

    Args:
        rows: As `head_training.collect` gives them.

    Returns:
        One row per shot: world, kind, n (observations of the flight), right, sure, held_near (held
        by a goalkeeper within half a metre of the line whose boxes are known), and whether the 90 %
        intervals hold the true speeds: holds_foot, holds_line (NaN where there is no speed).
    """
    tables = []
    for world, own in rows.groupby("world", sort=False):
        head = train(rows[rows["world"] != world])
        tables.append(pd.DataFrame([_left_out(row, head) for row in own.to_dict("records")]))
    return pd.concat(tables, ignore_index=True)


def _left_out(row: dict[Any, Any], head: Head) -> dict[str, Any]:
    said = head.probability(row)
    found = {
        "world": row["world"],
        "kind": row["kind"],
        "n": row["flight_observations"],
        "right": (said > 0.5) == row["is_goal"],
        "sure": head.is_sure(said) and is_seen(row),
        "held_near": row["kind"] == "held" and abs(row["caught_m"]) < _ON_LINE_M
        and row["boxes"] > 0,
    }  # fmt: skip
    for place in PLACES:
        fitted, true = row[f"fitted_{place}"], row[f"true_{place}"]
        off = abs(head.correct_kmh(row, fitted, place) - true)
        known = np.isfinite(off) and is_seen(row)
        held = off <= head.half_width_kmh(row, place)
        found[f"holds_{place}"] = float(held) if known else np.nan
    return found


def left_out_table(judged: pd.DataFrame, by: Sequence[str] = ("world",)) -> pd.DataFrame:
    """What holds in a world that was left out, from `left_out_rows`, as shares."""
    table = {}
    for name, part in [*judged.groupby(list(by), sort=False, observed=True), (("all",), judged)]:
        sure = part["sure"].to_numpy(bool)
        cells = {
            "3D right": _share(part["right"]),
            "sure": _share(sure),
            "right if sure": _share(part["right"][sure]),
            "held on the line": _share(part["right"][part["held_near"].to_numpy(bool)]),
        }
        for place in PLACES:
            cells[f"speed in, {place}"] = _share(part[f"holds_{place}"].dropna())
        table[" ".join(map(str, name))] = {"n": len(part), **cells}
    return pd.DataFrame.from_dict(table, orient="index")


def reliability(rows: pd.DataFrame) -> Calibration:
    """Whether of the shots that the 3D fit calls goals with 70 % seven in ten are goals."""
    part = rows[rows["method"] == "3d"]
    return calibrate(part["goal_probability"], part["true_goal"])


def speed_table(rows: pd.DataFrame, *, at_line: bool = False) -> pd.DataFrame:
    """By placement and method: errors of the speed at the foot, or at the line, in km/h.

    Columns: median error (`Interval`), mean, within 5, in 90 % interval (`Interval`; NaN for a
    method without intervals), interval (median width). Shots without a true speed do not count;
    placements without a speed are left out.
    """
    names = ("true_speed", "speed", "speed_low", "speed_high")
    if at_line:
        names = ("true_line_speed", "line_speed", "line_low", "line_high")
    table = {}
    for place, part in _by_placement(rows):
        for method, some in _by_method(part):
            answered = some[list(names)].dropna(subset=list(names[:2]))
            truth, said, low, high = answered.to_numpy(float).T
            errors, bounded = np.abs(said - truth), np.isfinite(low) & np.isfinite(high)
            if not len(errors):
                continue
            covered = ((low <= truth) & (truth <= high))[bounded]
            table[place, method] = {
                "median error": median_interval(errors),
                "mean": errors.mean(),
                "within 5": _share(errors <= _CLOSE_KMH),
                "in 90 % interval": _share(covered) if len(covered) else np.nan,
                "interval": np.median((high - low)[bounded]) if len(covered) else np.nan,
            }
    return pd.DataFrame.from_dict(table, orient="index")


def _by_placement(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    parts = [(name, rows[rows["placement"] == name]) for name in PLACEMENTS]
    return [(EVERYWHERE, rows), *((name, part) for name, part in parts if len(part))]


def _by_method(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows of each method, in the order in which methods first come."""
    return [(str(name), part) for name, part in rows.groupby("method", sort=False)]


def _by_kind(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Rows of each kind of shot, the commonest first."""
    kinds = rows.drop_duplicates("seed")["kind"].value_counts(sort=True)
    return [(str(kind), rows[rows["kind"] == kind]) for kind in kinds.index]


def draw_accuracy(
    rows: pd.DataFrame, by: Literal["placement", "kind"], ax: Axes | None = None
) -> Axes:
    """Draw `accuracy_table`: one mark per method, and what the commoner answer earns."""
    ax = axes_or_new(ax, (6.4, 4.2))
    table = accuracy_table(rows, by)
    labels = [f"{str(name).replace('_', ' ')} (n={n})" for name, n in table["n"].items()]
    marks = {
        name: (table[method], colour, marker)
        for method, (name, colour, marker) in _METHOD_STYLE.items()
        if method in table
    }
    draw_shares(ax, labels, marks)
    ax.scatter(
        table["majority"], range(len(table)), marker="|", s=400, color=GREY,
        label="always the commoner answer",
    )  # fmt: skip
    ax.set(xlabel="share of right verdicts")
    ax.set_title(_ACCURACY_TITLES[by])
    ax.legend(loc="lower left", fontsize=8)
    return ax


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
