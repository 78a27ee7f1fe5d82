"""The evaluator of spots gives SoccerNet's numbers, and says what is wrong with what it judges."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spotted_matches import judge_matches, write_matches
from typer.testing import CliRunner

from workbench.actions.spotting.mistakes import KINDS, count_kinds, find_mistakes
from workbench.actions.spotting.report import (
    MEAN,
    MEAN_PRESENT,
    estimates,
    paired_difference,
    score_to_dict,
    window_ms,
)
from workbench.actions.spotting.scores import metric, score_spots, score_teams
from workbench.cli import app
from workbench.errors import DatasetError
from workbench.labels.events import BALL, Events
from workbench.labels.soccernet import LABELS_BALL, RESULTS, write_labels, write_results

UNSHOWN = 17 / 13  # what the package multiplies the mean of several tolerances by
# seed, metric, fps: mAP of all labels, of those shown, of those not shown, by SoccerNet 0.2.0
PUBLISHED = [
    (0, "at1", 25, 0.03853438228438228, 0.0909090909090909, 0.03314393939393939),
    (0, "tight", 25, 0.060156857031857025, 0.16382575757575757, 0.04334207459207459),
    (0, "loose", 2, 0.11229994752722026, 0.2803030303030303, 0.10014333309787857),
    (1, "at1", 25, 0.2219041059950151, 0.25631313131313127, 0.16792929292929293),
    (1, "tight", 25, 0.33516742096287544, 0.3684501262626263, 0.37996552059052063),
    (1, "loose", 2, 0.35372795248828304, 0.39185606060606054, 0.40287490287490285),
    (2, "at1", 25, 0.03861416361416361, 0.049404761904761896, 0.01388888888888889),
    (2, "tight", 25, 0.04035027472527472, 0.05305059523809524, 0.018162393162393164),
    (2, "loose", 2, 0.09302112029384757, 0.13257575757575757, 0.07925407925407926),
]


@pytest.mark.parametrize(("seed", "name", "fps", "everything", "shown", "unshown"), PUBLISHED)
def test_the_numbers_are_those_of_the_package(
    tmp_path: Path,
    seed: int,
    name: str,
    fps: float,
    everything: float,
    shown: float,
    unshown: float,
) -> None:
    write_matches(tmp_path, seed)
    score, chosen = judge_matches(tmp_path, fps), metric(name)
    factor = UNSHOWN if len(chosen.deltas_s) > 1 else 1
    values = [score.mean_ap(chosen, part) for part in ("all", "shown", "unshown")]  # type: ignore[arg-type]
    values[2] *= factor
    assert values == pytest.approx([everything, shown, unshown], abs=1e-12)


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(3, 10_000), way=st.sampled_from([("at1", 25), ("tight", 5), ("at3", 2)]))
def test_the_package_agrees_on_anything(seed: int, way: tuple[str, int]) -> None:
    package = pytest.importorskip("SoccerNet.Evaluation.ActionSpotting")
    name, fps = way
    with tempfile.TemporaryDirectory() as folder:
        write_matches(Path(folder), seed)
        theirs = package.evaluate(
            f"{folder}/labels", f"{folder}/spots", framerate=fps, metric=name, dataset=None,
            label_files=LABELS_BALL, prediction_file=RESULTS,
            EVENT_DICTIONARY={label: place for place, label in enumerate(BALL)},
        )  # fmt: skip
        ours = judge_matches(Path(folder), fps).class_ap(metric(name))[0]
    assert ours == pytest.approx(np.array(theirs["a_mAP_per_class"]), abs=1e-12)


def events(*rows: tuple[Any, ...], **more: Any) -> Events:
    names = ("label", "position_ms", "score", "team")
    return Events.of_rows(BALL, [dict(zip(names, row, strict=False)) | more for row in rows])


def test_labels_said_back_are_perfect_and_classes_without_labels_count_nothing() -> None:
    truth = {"a": events(("PASS", 1000), ("DRIVE", 4000), ("PASS", 9000))}
    score = score_spots(
        truth, {"a": events(("PASS", 1000, 1), ("DRIVE", 4000, 1), ("PASS", 9000, 1))}
    )
    named = estimates(score, metric("at1"), resamples=20)
    assert named[MEAN_PRESENT].value == 1
    assert named[MEAN].value == pytest.approx(2 / 12)
    assert (named["PASS"].n, named[MEAN].n) == (2, 3)
    assert np.isnan(named["GOAL"].value)


@pytest.mark.parametrize(("off_ms", "value"), [(480, 1.0), (-480, 1.0), (560, 0.0), (-560, 0.0)])
def test_at1_means_half_a_second_either_way(off_ms: int, value: float) -> None:
    score = score_spots({"a": events(("PASS", 5020))}, {"a": events(("PASS", 5020 + off_ms, 0.9))})
    assert score.class_ap(metric("at1"))[0, 0] == value
    assert window_ms(1.0, 25) == 480


@pytest.mark.parametrize("name", ["at", "at0", "at-1", "best", "atnan", "at1e9"])
def test_a_metric_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(DatasetError, match="metric"):
        metric(name)


def test_intervals_hold_the_value_and_shrink_with_more_of_the_same() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for minutes in (5, 80):
        times = np.arange(minutes * 20) * 3000 + 500
        off = rng.normal(0, 500, len(times)).astype(int)
        truth = events(*(("PASS", int(time)) for time in times))
        spots = events(*(("PASS", max(0, int(time)), 0.5) for time in times + off))
        named = estimates(score_spots({"a": truth}, {"a": spots}), metric("at1"))["PASS"]
        assert named.low < named.value < named.high
        assert named.note == f"resampled by 30-s block ({minutes * 2})"
        widths.append(named.high - named.low)
    assert widths[1] < widths[0] / 2


def test_intervals_resample_matches_where_there_are_enough(tmp_path: Path) -> None:
    truth = {str(match): events(("PASS", 1000)) for match in range(5)}
    found = {str(match): events(("PASS", 1000, 0.5)) for match in range(3)}
    assert "match (5)" in estimates(score_spots(truth, found), metric("at1"))["PASS"].note


def test_a_better_spotter_is_better_in_the_same_blocks() -> None:
    times = [int(time) for time in np.arange(60) * 3000 + 500]
    truth = {"a": events(*(("PASS", time) for time in times))}
    worse = {
        "a": events(*(("PASS", time + 2000 * (place % 2), 0.5) for place, time in enumerate(times)))
    }
    first, second = (
        score_spots(truth, worse),
        score_spots(truth, {"a": events(*(("PASS", t, 1) for t in times))}),
    )
    gain = paired_difference(first, second, metric("at1"))
    assert gain.low > 0
    assert gain.value == pytest.approx(
        second.class_ap(metric("at1"))[0, 0] - first.class_ap(metric("at1"))[0, 0]
    )


def test_every_kind_of_mistake_has_its_name() -> None:
    truth = events(
        ("PASS", 10_000, np.nan, "left"), ("PASS", 20_000, np.nan, "left"), ("PASS", 30_000),
        ("PASS", 40_000), ("PASS", 60_000), ("PASS", 80_000), ("SHOT", 50_000),
    )  # fmt: skip
    spots = events(
        ("PASS", 10_000, 0.9, "left"), ("PASS", 20_100, 0.8, "right"), ("PASS", 10_300, 0.7),
        ("PASS", 41_500, 0.6), ("PASS", 50_100, 0.5), ("PASS", 70_000, 0.4), ("PASS", 30_000, 0.1),
    )  # fmt: skip
    found = find_mistakes(score_spots({"a": truth}, {"a": spots}))
    counts = count_kinds(found)
    kinds = ("right", "wrong side", "double", "wrong class", "mistimed", "ghost", "missed")
    assert tuple(counts["PASS"].values()) == (1, 1, 1, 1, 1, 1, 4)  # the surest six
    assert kinds == KINDS
    assert counts["SHOT"]["missed"] == 1
    [wrong] = [one for one in found if one.kind == "wrong class"]
    assert (wrong.truth, wrong.time_s, wrong.match, wrong.half) == ("SHOT", 50.1, "a", 1)


def test_a_team_must_be_right_where_teams_are_judged() -> None:
    truth = {"a": events(("PASS", 1000, np.nan, "left"), ("PASS", 5000, np.nan, "right"))}
    found = {"a": events(("PASS", 1000, 0.9, "left"), ("PASS", 5000, 0.9, "left"))}
    assert score_teams(truth, truth_as_found(truth)).class_ap(metric("at1"))[0, 0] == 1
    # Left: the one label found, one spot of two wrong; right: nothing.
    assert score_teams(truth, found).class_ap(metric("at1"))[0, 0] == pytest.approx((0.5 + 0) / 2)
    with pytest.raises(DatasetError, match="a: 1 spots without a side"):
        score_teams(truth, {"a": events(("PASS", 1000, 0.9))})


def truth_as_found(truth: dict[str, Events]) -> dict[str, Events]:
    return {
        name: Events.of_rows(BALL, [row | {"score": 1.0} for row in one.rows()])
        for name, one in truth.items()
    }


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    truth = events(("PASS", 1000, np.nan, "left"), ("DRIVE", 3000, np.nan, "right"))
    found = events(("PASS", 1100, 0.7, "left"))
    write_labels(tmp_path / "gt/l/s/one" / LABELS_BALL, truth)
    write_results(tmp_path / "pred/l/s/one" / RESULTS, found)
    return ["evaluate", "spotting", "--gt", str(tmp_path / "gt"), "--pred", str(tmp_path / "pred")]


def test_the_command_prints_what_the_functions_say(folders: list[str]) -> None:
    run = CliRunner().invoke(app, [*folders, "--json", "--resamples", "10"])
    assert run.exit_code == 0
    said = json.loads(run.stdout)
    assert (said["mAP"], said["mAP_present"]) == (pytest.approx(1 / 12), 0.5)
    assert (said["n"], said["window_ms"], said["faults"]) == (2, [480.0], 0)
    assert said["per_class"]["PASS"]["value"] == 1
    table = CliRunner().invoke(app, folders)
    assert "within ±480 ms" in table.stdout
    team = CliRunner().invoke(app, [*folders, "--metric", "team", "--json"])
    assert json.loads(team.stdout)["per_class"]["PASS"]["value"] == 1


def test_matches_that_only_one_side_has_are_refused_or_told(
    tmp_path: Path, folders: list[str]
) -> None:
    write_results(tmp_path / "pred/l/s/two" / RESULTS, events(("PASS", 1000, 0.5)))
    run = CliRunner().invoke(app, folders)
    assert isinstance(run.exception, DatasetError)
    assert "spots of l/s/two, a match without labels" in str(run.exception)
    run = CliRunner().invoke(app, [*folders, "--skip-bad", "--json"])
    assert json.loads(run.stdout)["mAP_present"] == 0.5
    assert "left out: spots of l/s/two" in run.stderr
    write_labels(tmp_path / "gt/l/s/three" / LABELS_BALL, events(("PASS", 1000)))
    run = CliRunner().invoke(app, [*folders, "--skip-bad", "--json"])
    assert "no spots of l/s/three: all missed" in run.stderr
    assert json.loads(run.stdout)["n"] == 3


def test_everything_said_is_json(tmp_path: Path) -> None:
    write_matches(tmp_path, 1)
    json.dumps(score_to_dict(judge_matches(tmp_path, 25), metric("tight"), 5), allow_nan=False)
