"""The sentences that notebooks conclude with: each begins with the verdict its numbers call for."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_chain import made_up
from test_testreport import predictions_of

from workbench.actions.testreport import report_on
from workbench.detect.scores.matching import LabelScore
from workbench.detect.student.comparison import ClassComparison, Comparison, Share, judge_student
from workbench.detect.student.comparison import answer as student_answer
from workbench.footage.inventory import Inventory
from workbench.labels.agreement import Agreement, Measure
from workbench.runs.conclusion import conclude
from workbench.shots.evaluation.chain import answer as shots_answer
from workbench.shots.evaluation.people import PeopleScore
from workbench.stats import Clusters, Interval, wilson


def student(recall: Interval | None, precision: Interval | None) -> Comparison:
    """A student beside a teacher that finds 71 of 100 people."""
    nothing, teacher = Share(None, None, None), wilson(71, 100)
    shares = Share(teacher, precision, None), Share(teacher, recall, None)
    one = ClassComparison("person", 100, nothing, nothing, *shares, None)
    return Comparison((one,), "the truth", Clusters("clip", ("a",)), 40)


@pytest.mark.parametrize(
    ("recall", "precision", "verdict"),
    [
        (wilson(7, 1000), wilson(7, 9), "no"),  # learned nothing
        (None, None, "no"),
        (wilson(300, 1000), wilson(900, 1000), "no"),  # passes, and finds less than half
        (wilson(500, 1000), wilson(900, 1000), "yes"),
        (wilson(900, 1000), wilson(10, 1000), "no"),  # sees people everywhere
    ],
)
def test_a_student_that_learned_nothing_reads_no(
    recall: Interval | None, precision: Interval | None, verdict: str
) -> None:
    comparison = student(recall, precision)
    said = student_answer(comparison, judge_student(comparison))
    assert conclude(said).verdict == verdict
    assert "of people where its teacher finds 71.0 %" in said
    if recall is not None and recall.value < 0.01:
        assert said.startswith("No: the student finds 0.7 % [")


def test_a_student_with_nothing_to_find_cannot_be_judged() -> None:
    empty = Comparison((), "the truth", Clusters("clip", ()), 0)
    assert conclude(student_answer(empty, judge_student(empty))).verdict == "can't tell"


@pytest.mark.parametrize(
    ("ball", "clips", "verdict"),
    [
        ([40, 1, 9], 60, "yes"),
        ([10, 40, 9], 60, "no"),  # most balls are none
        ([40, 1, 9], 6, "can't tell"),  # too few clips to be sure
        (None, 60, "nothing to see"),
    ],
)
def test_labels_are_trusted_by_their_precision(
    ball: list[int] | None, clips: int, verdict: str
) -> None:
    rows = [[95, 5, 30], ball, [50, 0, 0]] if ball else [[0, 0, 9]] * 3
    counts = np.tile(np.array(rows), (clips, 1, 1))  # right, wrong, missed of each class
    score = LabelScore(Clusters("clip", tuple(range(clips))), counts, 0.5)
    assert conclude(score.answer()).verdict == verdict


@pytest.mark.parametrize(
    ("items", "shared", "alpha", "verdict"),
    [
        (0, 0, None, "nothing to see"),
        (40, 0, None, "can't tell"),
        (40, 40, Interval(0.8, 0.7, 0.9, 40), "yes"),
        (40, 40, Interval(0.3, 0.1, 0.5, 40), "no"),
        (40, 40, Interval(0.7, 0.5, 0.8, 40), "can't tell"),
        (40, 40, Interval(float("nan"), float("nan"), float("nan"), 40), "can't tell"),
    ],
)
def test_agreement_is_judged_by_alpha(
    items: int, shared: int, alpha: Interval | None, verdict: str
) -> None:
    measures = (Measure("Krippendorff's alpha, ordinal", "left out", alpha),) if alpha else ()
    found = Agreement("rating", ("a", "b"), items, shared, 0, 2 * items, measures, ())
    assert conclude(found.answer()).verdict == verdict


def test_a_classifier_is_judged_against_the_best_of_the_others() -> None:
    labels = ["soccer", "none"] * 40
    wrong = ["none", "soccer"] * 40

    def called(right: int) -> list[str]:
        return labels[:right] + wrong[right:]

    def verdict(ours: int, *others: int) -> Any:
        rows = [predictions_of(labels, called(n), scorer=f"other {n}") for n in others]
        said = report_on(predictions_of(labels, called(ours)), rows).answer()
        assert not others or f"other {max(others)}" in said
        return conclude(said).verdict

    assert verdict(70, 50, 20) == "yes"
    assert verdict(40, 20, 70) == "no"
    assert verdict(70, 69) == "can't tell"
    assert verdict(70) == "can't tell"


def _shots(count: int, abstained: int = 0) -> list[Any]:
    return [
        SimpleNamespace(verdict=SimpleNamespace(abstained=n < abstained, is_goal=n % 2 == 0))
        for n in range(count)
    ]


def test_verdicts_on_shots_are_judged_by_truth_else_by_people() -> None:
    none, many = pd.DataFrame(), [True] * 12
    facts = {right: made_up("a", many, [n < right for n in range(12)]) for right in (1, 6, 12)}
    nobody_decided = facts[12].assign(right_3d=False, abstained_3d=True)

    def people(right: int) -> PeopleScore:
        return PeopleScore({"3d": wilson(right, 12)}, {"3d": 0}, wilson(7, 12), 12, 0)

    cases = [
        (_shots(0), none, None, "nothing to see"),
        (_shots(12), none, None, "can't tell"),
        (_shots(12), none, people(12), "yes"),
        (_shots(12), none, people(1), "no"),
        (_shots(12, 3), facts[12], None, "yes"),
        (_shots(12), facts[6], people(12), "can't tell"),
        (_shots(12), facts[1], None, "no"),
        (_shots(12, 12), nobody_decided, None, "can't tell"),
    ]
    for shots, rows, said, verdict in cases:
        assert conclude(shots_answer(shots, rows, said)).verdict == verdict
    told = shots_answer(_shots(12, 3), facts[12])
    assert "3 of 12 abstain" in told
    assert "the commoner answer is right in 0.50" in told


def test_footage_is_sound_where_every_file_could_be_read() -> None:
    stock = Inventory((), {}, {"a.mp4": ("rotated",)})
    assert conclude(stock.answer()).verdict == "yes"
    assert "odd files: 1" in stock.answer()
    assert conclude(stock.answer(unreadable=2)).verdict == "no"
