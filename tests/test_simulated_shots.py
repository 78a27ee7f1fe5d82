"""The evaluation of shots counts right, pairs right, and gives every figure its interval."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_shots import (
    EVERYWHERE,
    HELD_OUT_SEEDS,
    accuracy_table,
    certainty_table,
    draw_abstention,
    draw_accuracy,
    draw_goal_reliability,
    draw_speed_errors,
    judge_seeds,
    left_out_rows,
    left_out_table,
    reliability,
    speed_table,
)

from workbench.shots.evaluation.head_training import FIRST_TRAINING_SEED, TRAINING_SHOTS
from workbench.stats import median_interval


def row(seed: int, method: str, *, goal: bool, said: float, **more: object) -> dict[str, object]:
    speeds = dict.fromkeys(("speed", "speed_low", "speed_high"), 50.0)
    line = dict.fromkeys(("true_line_speed", "line_speed", "line_low", "line_high"), math.nan)
    return {
        "seed": seed, "method": method, "placement": "behind", "kind": "goal" if goal else "wide",
        "true_goal": goal, "goal_probability": said, "called": said > 0.5,
        "right": (said > 0.5) == goal, "abstained": 0.2 < said < 0.8, "true_speed": 50.0,
        **speeds, **line, **more,
    }  # fmt: skip


def cell(table: pd.DataFrame, row: str, column: str) -> Any:
    """One cell of a table."""
    return table[column].to_dict()[row]


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Ten shots: the 2D rules have four right, the 3D fit eight, all of the four among them."""
    made = []
    for seed in range(10):
        goal = seed % 2 == 0
        good, bad = (0.9, 0.3) if goal else (0.1, 0.7)
        placement = "behind" if seed < 6 else "side"
        flat, spatial = good if seed < 4 else bad, good if seed < 8 else bad
        made.append(row(seed, "2d", goal=goal, said=flat, placement=placement))
        made.append(row(seed, "3d", goal=goal, said=spatial, placement=placement))
    return pd.DataFrame(made)


def test_accuracy_is_counted_by_placement_and_compared_in_pairs(rows: pd.DataFrame) -> None:
    table = accuracy_table(rows, "placement")
    assert list(table.index) == [EVERYWHERE, "behind", "side"]
    assert cell(table, EVERYWHERE, "2d").value == pytest.approx(0.4)
    assert cell(table, EVERYWHERE, "3d").value == pytest.approx(0.8)
    assert cell(table, "side", "3d").n == 4
    paired = cell(table, EVERYWHERE, "paired")
    assert (paired.gained, paired.lost) == (4, 0)
    assert cell(table, EVERYWHERE, "majority") == 0.5


def test_the_order_of_rows_changes_no_pair(rows: pd.DataFrame) -> None:
    shuffled = rows.sample(frac=1, random_state=3).sort_values("method", kind="stable")
    paired = cell(accuracy_table(shuffled, "placement"), EVERYWHERE, "paired")
    assert (paired.gained, paired.lost) == (4, 0)


def test_certainty_separates_what_is_sure(rows: pd.DataFrame) -> None:
    table = certainty_table(rows)
    everywhere = {str(name): cell(table, EVERYWHERE, str(name)) for name in table}
    assert everywhere["abstains"].value == pytest.approx(0.2)
    assert everywhere["right_if_sure"].value == 1.0
    assert everywhere["right_if_not"].value == 0.0
    assert everywhere["brier"] == pytest.approx((8 * 0.01 + 2 * 0.49) / 10)


def test_kinds_are_told_apart(rows: pd.DataFrame) -> None:
    table = accuracy_table(rows, "kind")
    assert set(table.index) == {"goal", "wide"}
    assert cell(table, "goal", "n") == 5


def test_speed_counts_only_what_has_one() -> None:
    made = [
        row(0, "3d", goal=True, said=0.9, speed=52.0, speed_low=49.0, speed_high=55.0),
        row(1, "3d", goal=True, said=0.9, speed=60.0, speed_low=58.0, speed_high=62.0),
        row(2, "3d", goal=True, said=0.9, true_speed=math.nan),
        row(3, "3d", goal=True, said=0.9, speed=math.nan),
    ]
    score = speed_table(pd.DataFrame(made)).loc[(EVERYWHERE, "3d")]
    assert score["median error"].n == 2
    assert score["median error"].value == pytest.approx(6.0)
    assert score["within 5"].value == 0.5
    assert score["in 90 % interval"].value == 0.5
    assert score["interval"] == pytest.approx(5.0)
    assert speed_table(pd.DataFrame(made), at_line=True).empty


@settings(max_examples=40)
@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=60))
def test_the_median_lies_in_its_interval(values: list[float]) -> None:
    found = median_interval(np.array(values))
    assert min(values) <= found.low <= found.value <= found.high <= max(values)


def test_a_world_is_judged_by_a_head_that_never_saw_it() -> None:
    rng = np.random.default_rng(0)
    count = 600
    evidence, world = rng.normal(0, 3, count), rng.choice(["one", "two", "odd"], count)
    is_goal = rng.random(count) < 1 / (1 + np.exp(-np.where(world == "odd", -1, 1) * evidence))
    true = rng.uniform(40, 100, count)
    table = pd.DataFrame(
        {
            "seed": range(count), "world": world, "is_goal": is_goal, "kind": "held",
            "caught_m": rng.uniform(0, 1, count), "boxes": 9, "flight_observations": 9.0,
            "evidence": evidence,
        }
    )  # fmt: skip
    for place in ("foot", "line"):
        table[f"fitted_{place}"], table[f"true_{place}"] = true + rng.normal(0, 3, count), true
    judged = left_out_rows(table)
    found = left_out_table(judged)
    assert cell(found, "all", "n") == count
    assert cell(found, "odd", "3D right").value < 0.4  # where the evidence means the opposite
    assert cell(found, "one", "speed in, foot").value == pytest.approx(0.9, abs=0.08)
    near = table["caught_m"] < 0.5
    assert cell(found, "all", "held on the line").n == int(near.sum())


def test_seeds_of_training_are_not_reported_on() -> None:
    training = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + TRAINING_SHOTS)
    assert not set(training) & set(HELD_OUT_SEEDS)
    assert len(HELD_OUT_SEEDS) >= 600


def test_figures_take_the_rows(rows: pd.DataFrame) -> None:
    drawn = [
        draw_accuracy(rows, "placement"),
        draw_accuracy(rows, "kind"),
        draw_goal_reliability(rows),
        draw_abstention(rows),
        draw_speed_errors(rows),
    ]
    assert all(ax.get_title().count("?") == 1 for ax in drawn)
    assert reliability(rows).counts.sum() == 10


def test_both_methods_judge_the_same_shots() -> None:
    found = judge_seeds(range(100, 104))
    assert found.groupby("method")["seed"].apply(list).to_dict() == {
        "2d": [100, 101, 102, 103],
        "3d": [100, 101, 102, 103],
    }
    assert found["goal_probability"].between(0, 1).all()
    assert (found["right"] == (found["called"] == found["true_goal"])).all()
    assert set(speed_table(found).index.get_level_values(1)) == {"2d", "3d"}
