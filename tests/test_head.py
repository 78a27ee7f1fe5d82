"""The head turns features into probabilities and intervals that hold, from a file anybody reads."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ball_tracks import moved
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.shots.ball.track import BallTrack
from workbench.shots.evaluation.head_training import train, vary
from workbench.shots.fit3d.flat_features import flat_features
from workbench.shots.fit3d.head import PLACES, Head, LinearModel, Scale
from workbench.shots.fit3d.question import ask
from workbench.shots.judge import fit_shot
from workbench.shots.verdict import ShotError
from workbench.simulated.shots import STANDARD, simulate_shot
from workbench.simulated.tracked import SIMULATORS


def invented_rows(count: int, seed: int) -> pd.DataFrame:
    """Shots whose goals follow one feature, and whose speeds are off as another says."""
    rng = np.random.default_rng(seed)
    evidence, doubt = rng.normal(0, 3, count), rng.uniform(1, 8, count)
    is_goal = rng.random(count) < 1 / (1 + np.exp(-evidence))
    true = rng.uniform(40, 100, count)
    fitted = true / 1.05 + rng.normal(0, doubt)
    columns: dict[str, Any] = {"evidence": evidence, "doubt": doubt}
    columns |= {"noise": rng.normal(size=count), "is_goal": is_goal}
    columns["world"] = rng.choice(["one", "two", "three"], count)
    for place in PLACES:
        columns |= {f"fitted_{place}": fitted, f"true_{place}": true}
    return pd.DataFrame(columns)


def shots_of(rows: pd.DataFrame) -> list[dict[str, float]]:
    """The features, shot by shot."""
    names = ["evidence", "doubt", "noise"]
    return [dict(zip(names, row, strict=True)) for row in rows[names].to_numpy(float).tolist()]


@pytest.fixture(scope="module")
def head() -> Head:
    return train(invented_rows(900, seed=1))


def test_probabilities_are_calibrated_on_new_shots(head: Head) -> None:
    rows = invented_rows(8000, seed=2)
    said = np.array([head.probability(row) for row in shots_of(rows)])
    for low, high in [(0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)]:
        bin_ = (said >= low) & (said < high)
        assert said[bin_].mean() == pytest.approx(rows["is_goal"][bin_].mean(), abs=0.08)


def test_it_abstains_where_it_would_often_be_wrong(head: Head) -> None:
    rows = invented_rows(4000, seed=3)
    said = np.array([head.probability(row) for row in shots_of(rows)])
    sure = np.array([head.is_sure(p) for p in said])
    right = (said > 0.5) == rows["is_goal"].to_numpy(bool)
    assert sure.mean() == pytest.approx(0.80, abs=0.04)
    assert right[sure].mean() > right[~sure].mean() + 0.2


def test_nine_in_ten_speeds_lie_in_their_interval_whatever_the_doubt(head: Head) -> None:
    rows = invented_rows(4000, seed=4)
    covered = []
    for row, fitted, true in zip(
        shots_of(rows), rows["fitted_foot"], rows["true_foot"],
        strict=True,
    ):  # fmt: skip
        speed = head.correct_kmh(row, fitted, "foot")
        covered.append(abs(speed - true) <= head.half_width_kmh(row, "foot"))
    doubtful = rows["doubt"].to_numpy() > 5
    assert np.mean(covered) == pytest.approx(0.9, abs=0.025)
    assert np.mean(np.array(covered)[doubtful]) == pytest.approx(0.9, abs=0.06)


def test_a_usual_bias_of_the_speed_is_taken_off(head: Head) -> None:
    row = {"evidence": 0.0, "doubt": 3.0, "noise": 0.0}
    assert head.correct_kmh(row, 80.0, "line") == pytest.approx(84.0, abs=1.5)


def test_a_head_survives_its_file(head: Head, tmp_path: Path) -> None:
    path = tmp_path / "head.json"
    head.save(path)
    assert Head.read(path) == head


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": "else"}', '{"format": "workbench-shothead/1"}']
)
def test_what_is_no_head_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "head.json"
    path.write_text(content)
    with pytest.raises(ShotError, match=r"head\.json"):
        Head.read(path)


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_missing_feature_is_named(head: Head, value: float | None) -> None:
    features: dict[str, float] = {"evidence": 1.0, "noise": 0.0}
    if value is not None:
        features["doubt"] = value
    with pytest.raises(ShotError, match="doubt"):
        head.probability(features)


@settings(max_examples=60)
@given(
    value=st.floats(-1e9, 1e9),
    low=st.floats(-10, 0),
    span=st.floats(0.1, 10),
    logarithm=st.booleans(),
)
def test_no_feature_leaves_what_training_saw(
    value: float, low: float, span: float, logarithm: bool
) -> None:
    scale = Scale(low, low + span, mean=low + span / 2, sd=span / 4, logarithm=logarithm)
    assert -2.0001 <= scale.of(value) <= 2.0001


def test_a_line_is_a_weighted_sum() -> None:
    line = LinearModel(0.5, {"a": 2.0, "b": -1.0})
    assert line.at({"a": 1.5, "b": 2.0, "c": 99.0}) == pytest.approx(1.5)


def test_the_head_of_the_package_fits_the_fit() -> None:
    head = Head.load()
    measured = fit_shot(ask(**simulate_shot(100).question()))
    assert measured is not None
    assert set(head.scales) <= set(measured.features)
    assert 0 < head.probability(measured.features) < 1
    assert head.half_width_kmh(measured.features, "foot") > 0
    assert set(head.trained["shots"]) == set(SIMULATORS)
    assert min(head.trained["shots"].values()) >= 300


def test_the_parameters_are_readable(head: Head, tmp_path: Path) -> None:
    head.save(tmp_path / "head.json")
    found = json.loads((tmp_path / "head.json").read_text())
    assert found["goal"]["weights"]["evidence"] > 10 * abs(found["goal"]["weights"].get("noise", 0))


def test_most_training_shots_are_standard_and_some_are_not() -> None:
    standard = [vary(seed) == STANDARD for seed in range(400)]
    assert 0.6 < np.mean(standard) < 0.9


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    shift=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
    scale=st.floats(0.3, 3),
    later=st.integers(0, 500),
)
def test_what_the_picture_says_moves_and_scales_with_it(
    seed: int, shift: tuple[float, float], scale: float, later: int
) -> None:
    shot = simulate_shot(seed)

    def features(factor: float, offset: tuple[float, float], delay: int) -> dict[str, float]:
        track = BallTrack.from_table(shot.track)
        corners = shot.goal_corners_px * factor + np.array(offset)
        asked = ask(
            moved(track, factor=factor, shift=offset, later=delay),
            corners,
            goal_size_m=shot.goal_size_m,
            fps=shot.fps,
            image_wh=shot.image_wh,
        )
        return flat_features(asked, shot.contact_frame + delay)

    plain, other = features(1.0, (0.0, 0.0), 0), features(scale, shift, later)
    assert list(other) == list(plain)
    assert other == pytest.approx(plain, rel=1e-2, abs=2e-2)
