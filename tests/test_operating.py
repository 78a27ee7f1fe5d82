import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.actions import report_from_confusion
from workbench.actions.calibration import fit_temperature
from workbench.actions.comparison import accuracy_drop, shared_clips, won_and_lost
from workbench.actions.doubts import queue_to_label
from workbench.actions.operating import answer_when_sure, draw_the_line, price_mistakes
from workbench.actions.predict import Predictions
from workbench.errors import DatasetError

CLASSES = ("serve", "volley", "none")


def scored(n, seed=0, *, logit_scale=1.0, first=0, scorer="net"):
    """`n` clips whose labels are drawn from their probabilities; the scorer scales the logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, len(CLASSES)))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = [CLASSES[rng.choice(len(CLASSES), p=row)] for row in true]
    stated = np.exp(logits * logit_scale)
    ids = tuple(f"c{number:05d}" for number in range(first, first + n))
    return Predictions(
        scorer,
        CLASSES,
        ids,
        tuple(f"s{number // 8}" for number in range(first, first + n)),
        tuple(labels),
        stated / stated.sum(axis=1, keepdims=True),
        "v1",
    )


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_temperature_undoes_a_scale_of_the_logits(scale):
    predictions = scored(4000, logit_scale=scale)
    temperature = fit_temperature(predictions)
    assert temperature == pytest.approx(scale, rel=0.08)
    assert predictions.at_temperature(temperature).predicted == predictions.predicted


@given(st.integers(20, 200), st.integers(0, 50), st.sampled_from([0.6, 0.8, 0.95]))
def test_the_threshold_is_the_lowest_that_validation_allows(n, seed, target):
    valid = scored(n, seed)
    found = answer_when_sure(valid, scored(40, seed + 1), target)
    sure, right = valid.probabilities.max(axis=1), valid.is_right()
    allowed = [
        t for t in np.unique(sure) if (sure >= t).sum() >= 10 and right[sure >= t].mean() >= target
    ]
    assert (found.threshold if found else None) == (min(allowed) if allowed else None)


def test_the_operating_point_is_judged_on_the_test_clips_alone():
    valid, test = scored(400, 1), scored(400, 2)
    found = answer_when_sure(valid, test, 0.9)
    kept = test.probabilities.max(axis=1) >= found.threshold
    assert found.answered.value == pytest.approx(kept.mean())
    assert found.right.value == pytest.approx(test.is_right()[kept].mean())
    assert found.right.n == kept.sum()
    assert "chosen on validation" in str(found)


def test_false_alarms_stay_below_the_limit_on_validation():
    valid, test = scored(600, 3), scored(600, 4)
    line = draw_the_line(valid, test, 0.1)
    none = np.array(valid.labels) == "none"
    alarms = (1 - valid.probabilities[:, 2] >= line.threshold)[none].mean()
    assert alarms <= 0.1
    assert line.alarms.n == (np.array(test.labels) == "none").sum()
    assert 0.3 < line.found.value < 1
    found_at, alarms_at = line.curve[1], line.curve[0]
    assert (np.diff(alarms_at) <= 0).all()
    assert (np.diff(found_at) <= 0).all()


def test_without_none_there_is_no_line():
    one = scored(50)
    only = one.take(
        [i for i, label in zip(one.clip_ids, one.labels, strict=True) if label != "none"]
    )
    assert draw_the_line(only, only) is None


def test_dear_misses_make_the_cheapest_calls_differ():
    predictions = scored(2000, 5)
    even = price_mistakes(predictions)
    assert even.changed == 0
    assert even.probable == pytest.approx(1 - predictions.is_right().mean())
    dear = price_mistakes(predictions, {"missed": 10.0})
    assert dear.cheapest < dear.probable
    assert dear.changed > 100


@pytest.mark.parametrize("prices", [{"typo": 1.0}, {"missed": -1.0}, {"missed": float("nan")}])
def test_prices_that_make_no_sense_are_named(prices):
    with pytest.raises(DatasetError, match=next(iter(prices))):
        price_mistakes(scored(30), prices)


def test_versions_are_compared_on_the_clips_they_share():
    before, ours = scored(80, 6, scorer="v1"), scored(120, 6, scorer="v2", first=40)
    mine, theirs = shared_clips(ours, before)
    assert mine.clip_ids == theirs.clip_ids == ours.clip_ids[:40]
    assert mine.labels == theirs.labels
    changed = won_and_lost(mine, theirs)
    won = mine.is_right() & ~theirs.is_right()
    assert (changed["outcome"] == "won").sum() == won.sum()
    assert (changed["now"] != changed["before"]).all()


def test_versions_without_a_clip_in_common_are_refused():
    with pytest.raises(DatasetError, match="no clip in common"):
        shared_clips(scored(10, first=100), scored(10))


def test_a_drop_on_other_footage_has_an_interval_that_holds_it():
    here, there = scored(400, 7), scored(400, 8, first=1000)
    noise = there.probabilities[:, [1, 2, 0]]  # as good as chance
    worse = Predictions("net", CLASSES, there.clip_ids, there.sessions, there.labels, noise, "v1")
    drop = accuracy_drop(here, worse)
    assert drop.high < 0
    same = accuracy_drop(here, there)
    assert same.low < 0 < same.high


def test_the_published_matrix_gives_the_published_figures():
    labels = ["baseball", "basketball", "soccer", "none"]
    matrix = [[34, 0, 1, 0], [0, 17, 1, 0], [0, 3, 45, 1], [0, 0, 1, 14]]
    report = report_from_confusion(labels, matrix)
    assert round(report.accuracy.value, 3) == 0.940
    printed = {
        "baseball": (1.000, 0.971, 0.986, 35),
        "basketball": (0.850, 0.944, 0.895, 18),
        "soccer": (0.938, 0.918, 0.928, 49),
        "none": (0.933, 0.933, 0.933, 15),
    }
    for score in report.classes:
        found = score.precision.value, score.recall.value, score.f1.value, score.support
        assert [round(value, 3) for value in found] == pytest.approx(printed[score.name])
    assert report.confusion.tolist() == matrix
    assert not any("alibration" in line for line in report.reading())
    assert report.to_dict()["calibration"] is None


@pytest.mark.parametrize(
    "matrix", [[[1, 2]], [[1, 2], [3, -1]], [[0, 0], [0, 0]], [[1.5, 0], [0, 1]]]
)
def test_what_is_no_confusion_matrix_is_refused(matrix):
    with pytest.raises(DatasetError):
        report_from_confusion(["serve", "none"], matrix)


def test_the_queue_begins_with_what_the_scorer_doubts_most():
    ids = ("sure", "wrong", "open", "settled")
    labels = ("serve", "serve", None, "none")
    rows = np.array([[0.9, 0.05, 0.05], [0.02, 0.9, 0.08], [0.4, 0.39, 0.21], [0.0, 0.0, 1.0]])
    queue = queue_to_label(Predictions("net", CLASSES, ids, ids, labels, rows, "v1"))
    assert list(queue.index) == ["open", "wrong", "sure", "settled"]
    assert queue.loc["wrong", "likeliest"] == "volley"
