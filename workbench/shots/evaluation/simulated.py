"""Accuracy, calibration and speed error of verdicts on simulated shots.

The unit is one row per shot and method: what was said beside what was true. Counts once, derives
every table from the rows, and compares methods on the same shots only. Simulated shots are
independent, so shares carry Wilson intervals. Knows nothing of how a method judges.
"""

import multiprocessing
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from workbench.actions.calibration import Calibration, calibrate
from workbench.shots.fit3d.question import ask
from workbench.shots.judge import judge_shot
from workbench.shots.verdict import METHODS, ShotVerdict
from workbench.simulated.cameras import PLACEMENTS
from workbench.simulated.shots import SimulatedShot, simulate_shot
from workbench.stats import Interval, mcnemar, median_interval, wilson

HELD_OUT_SEEDS = range(50_000, 51_000)  # nothing is tuned or trained on these shots
EVERYWHERE = "all"  # the row of a table that holds all placements

_CLOSE_KMH = 5.0

Item = TypeVar("Item")
Result = TypeVar("Result")


def judge_seeds(seeds: Sequence[int], workers: int = 1) -> pd.DataFrame:
    """Simulate the shots of these seeds, judge each by every method, return one row for each.

    Columns: seed, method, placement, kind, view_angle_deg, distance_m, true_goal,
    goal_probability, called, right, abstained, true_speed, speed, speed_low, speed_high,
    true_line_speed, line_speed, line_low, line_high (km/h, NaN where absent), cpu_s, reason.
    Rows come in the order of the seeds, whatever the number of processes (`workers`).
    """
    found = for_each(_judge_seed, seeds, workers)
    return pd.DataFrame([row for rows in found for row in rows])


def for_each(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int = 1
) -> list[Result]:
    """Results of `work`, in the order of the items, from this process or from several."""
    if workers <= 1:
        return [work(item) for item in items]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return pool.map(work, items, chunksize=8)


def _judge_seed(seed: int) -> list[dict[str, Any]]:
    shot, rows = simulate_shot(seed), []
    for method in reversed(METHODS):
        begin = time.process_time()
        verdict = judge_shot(ask(**shot.question()), method)
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


def number_or_nan(value: float | None) -> float:
    """The value; NaN where there is none."""
    return float("nan") if value is None else value


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
