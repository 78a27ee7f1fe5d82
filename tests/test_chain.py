"""The evaluation of the chain: counts what it says it counts, and knows what it compares."""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from filmed_shots import FilmedShot, film_shot
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.labels.records import Entry
from workbench.labels.store import LabelStore
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.evaluation.chain import (
    AS_FOUND,
    BASE_RATE,
    REPLACED,
    collect_facts,
    compare_stages,
    headlines_first,
    judge_with_truth,
    loss_table,
    splits_of,
    stage_scores,
    stage_table,
)
from workbench.shots.evaluation.figures import draw_stage_scores
from workbench.shots.evaluation.people import people_verdicts, score_against_people
from workbench.shots.evaluation.truth import goal_sizes


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


def facts_of(shot: FilmedShot, *analyses: ShotAnalysis) -> pd.DataFrame:
    return collect_facts(analyses, shot.folder, {shot.clip.session: "test"})


class TestFacts:
    def test_of_perfect_labels_are_near_perfect(self, shot: FilmedShot) -> None:
        row = facts_of(shot, shot.analysis).iloc[0]
        assert row["split"] == "test"
        assert row["ball_found"] == len(shot.analysis.track)
        assert row["ball_false"] == 0
        assert row["corners_px"] < 3
        assert row["shooter"]
        assert abs(row["kick_frames"]) <= 2

    @given(order=st.permutations(range(4)), shift=st.floats(-20, 20))
    @settings(max_examples=10)
    def test_know_corners_in_any_order(self, order: list[int], shift: float) -> None:
        shot = film_shot()
        moved = shot.truth.corners_px[order] + [shift, 0]
        found = replace(shot.analysis, goal=replace(shot.analysis.goal, corners_px=moved))
        assert facts_of(shot, found)["corners_px"][0] == pytest.approx(abs(shift), abs=1e-6)

    def test_count_what_was_not_told_as_wrong(self, shot: FilmedShot) -> None:
        silent = replace(shot.analysis, shooter=None, foot=None, pose=None)
        row = facts_of(shot, silent).iloc[0]
        assert not row["shooter"]
        assert not row["foot"]
        assert np.isnan(row["kick_frames"])
        assert stage_scores(facts_of(shot, silent))["kick within 2 frames"].value == 0

    def test_do_not_take_the_goalkeeper_for_the_shooter(self, shot: FilmedShot) -> None:
        assert shot.analysis.shooter is not None
        [other] = set(shot.analysis.people.players) - {shot.analysis.shooter.player}
        swapped = replace(shot.analysis, shooter=replace(shot.analysis.shooter, player=other))
        assert not facts_of(shot, swapped)["shooter"][0]

    def test_see_a_ball_that_is_another_thing(self, shot: FilmedShot) -> None:
        track = replace(shot.analysis.track, xy=np.add(shot.analysis.track.xy, [50, 0]))
        row = facts_of(shot, replace(shot.analysis, track=track)).iloc[0]
        assert row["ball_found"] == 0
        assert row["ball_false"] == len(track)

    def test_of_footage_without_truth_are_none(self, shot: FilmedShot) -> None:
        real = replace(shot.analysis, clip=replace(shot.clip, truth=None))
        assert facts_of(shot, real).empty
        assert judge_with_truth([real], shot.folder).empty


def made_up(labels: str, right_2d: list[bool], right_3d: list[bool]) -> pd.DataFrame:
    """Facts of so many shots, each of its own session, that differ in verdicts only."""
    n = len(right_2d)
    goal = [place % 2 == 0 for place in range(n)]
    return pd.DataFrame(
        {
            "clip_id": [f"c{place}" for place in range(n)],
            "session": [f"s{place}" for place in range(n)],
            "split": "test", "labels": labels, "true_goal": goal,
            "ball_seen": 10, "ball_found": 8, "ball_false": 0, "corners_px": 1.0,
            "kick_frames": 0.5, "shooter": True, "foot": True, "foot_told": True,
            "pose_found": 3, "pose_asked": 9,
            "right_2d": right_2d, "right_3d": right_3d, "p_2d": 0.5,
            "p_3d": [0.9 if a == b else 0.1 for a, b in zip(right_3d, goal, strict=True)],
            "abstained_2d": False, "abstained_3d": False,
            "speed_2d": np.nan, "speed_3d": 4.0, "holds_2d": np.nan, "holds_3d": 1.0,
        }
    )  # fmt: skip


def test_scores_derive_from_the_rows() -> None:
    facts = made_up("truth", [True, False, False, True], [True, True, True, False])
    scores = stage_scores(facts)
    assert scores["goal right, 2D rules"].value == 0.5
    assert scores["goal right, 3D fit"].value == 0.75
    assert scores[BASE_RATE].value == 0.5
    assert scores["ball found, of frames"].value == pytest.approx(0.8)
    assert scores["pose captured, of frames"].n == 36
    assert scores["Brier score, 3D fit"].value == pytest.approx((3 * 0.01 + 0.81) / 4)
    assert scores["speed off, km/h (median), 3D fit"].value == 4
    assert "speed off, km/h (median), 2D rules" not in scores  # none was told
    for score in scores.values():
        assert score.low <= score.value <= score.high
    ordered = headlines_first(scores)
    assert next(iter(ordered)) == "goal right, 3D fit"
    assert ordered == scores  # the same, in another order


def test_comparisons_are_paired_by_clip() -> None:
    truth = made_up("truth", [True, False, False], [True, True, False])
    student = made_up("student", [True, False], [False, True]).iloc[::-1]
    table = compare_stages(pd.concat([truth, student])).set_index(["from", "to"], append=True)
    found = table["change"].to_dict()
    against_rules = found["goal right (truth)", "2D rules", "3D fit"]
    assert (against_rules.gained, against_rules.lost, against_rules.n) == (1, 0, 3)
    swapped = found["goal right, 3D fit", "truth", "student"]
    assert (swapped.gained, swapped.lost, swapped.n) == (0, 1, 2)  # the clips both have
    assert len(compare_stages(truth)) == 1
    assert list(stage_table(pd.concat([truth, student])).columns) == ["truth", "student"]


def test_the_figure_has_a_mark_for_every_source_and_stage() -> None:
    facts = pd.concat([made_up(name, [True], [False]) for name in ("truth", "motion")])
    ax = draw_stage_scores(facts)
    assert ax.get_title(loc="left").endswith("?")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "labels: truth",
        "labels: motion",
    ]
    plt.close("all")


def test_replacing_by_truth_judges_every_shot_in_every_way(shot: FilmedShot) -> None:
    rows = judge_with_truth([shot.analysis], shot.folder)
    assert list(rows["given"]) == list(REPLACED)
    assert rows["p_3d"].iloc[0] == shot.analysis.verdict.goal_probability
    assert loss_table(rows).loc[AS_FOUND, "against as found"].startswith("+0.0 pp")
    blind = replace(shot.analysis, goal=replace(shot.analysis.goal, corners_px=None))
    given = judge_with_truth([blind], shot.folder).set_index("given")
    assert given.loc["true kick", "abstained_3d"]
    assert given.loc["true corners", "p_3d"] == rows.set_index("given").loc["true corners", "p_3d"]


def test_people_who_disagree_or_cannot_tell_are_left_out(shot: FilmedShot, tmp_path: Path) -> None:
    said = {
        "one": [("ann", "goal"), ("bob", "goal")],
        "two": [("ann", "goal"), ("bob", "no_goal")],
        "three": [("ann", "unsure")],
        "four": [("bob", "no_goal")],
    }
    with LabelStore(tmp_path / "labels.sqlite") as store:
        for item, answers in said.items():
            for name, verdict in answers:
                store.append(
                    Entry("verdict", item, {"verdict": verdict}, annotator=name, tool="test")
                )
        verdicts = people_verdicts(store)
    assert verdicts == {"one": True, "two": None, "three": None, "four": False}
    goal = replace(shot.analysis.verdict, is_goal=True)
    shots = [
        replace(
            shot.analysis, clip=replace(shot.clip, clip_id=name), verdicts={"3d": goal, "2d": goal}
        )
        for name in [*said, "five"]
    ]
    score = score_against_people(shots, verdicts)
    assert (score.judged, score.unsure) == (2, 2)
    assert score.right["3d"].value == 0.5
    unsure = {method: replace(goal, abstained=True) for method in ("3d", "2d")}
    silent = score_against_people([replace(shots[0], verdicts=unsure)], verdicts)
    assert (silent.right["3d"].n, silent.abstained["3d"]) == (0, 1)
    assert silent.to_frame().loc["3d", "abstains"] == "1 of 1"


def test_goal_sizes_are_measured_or_known(shot: FilmedShot, tmp_path: Path) -> None:
    real = replace(shot.clip, clip_id="real", truth=None)
    sizes = goal_sizes([shot.clip, real], shot.folder, (5.0, 2.0))
    assert sizes == {shot.clip.clip_id: shot.truth.goal_wh_m, "real": (5.0, 2.0)}
    assert splits_of(tmp_path) == {}
