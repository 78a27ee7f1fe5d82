import json
import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from workbench.actions.calibration import calibrate
from workbench.actions.clipset import Clipset
from workbench.actions.figures import (
    draw_class_scores,
    draw_confusion,
    draw_mistakes,
    draw_reliability,
    draw_scores,
)
from workbench.actions.items import Item
from workbench.actions.predict import Predictions
from workbench.actions.testreport import report_on
from workbench.errors import DatasetError
from workbench.style import CLASS_TO_COLOUR, class_colours, rgb
from workbench.training.history import Epoch, TrainingResult, draw_losses

mpl.use("Agg")

CLASSES = ("baseball", "basketball", "soccer", "none")


def predictions_of(labels, called, *, sure=0.8, scorer="slim", sessions=None, **changes):
    """Predictions that call `called`, each with probability `sure`."""
    places = np.array([CLASSES.index(name) for name in called])
    rest = (1 - sure) / (len(CLASSES) - 1)
    probabilities = np.full((len(called), len(CLASSES)), rest)
    probabilities[np.arange(len(called)), places] = sure
    values = {
        "scorer": scorer,
        "classes": CLASSES,
        "clip_ids": tuple(f"c{n:03d}" for n in range(len(called))),
        "sessions": tuple(sessions or (f"s{n % 13}" for n in range(len(called)))),
        "labels": tuple(labels),
        "probabilities": probabilities,
        "dataset_version": "abc123",
    }
    return Predictions(**(values | changes))


def reference(errors=7, seed=1):
    """117 clips of 4 classes, 7 of them called wrongly: the size of the reference's test set."""
    rng = np.random.default_rng(seed)
    labels = [name for name, n in zip(CLASSES, (30, 29, 29, 29), strict=True) for _ in range(n)]
    called = list(labels)
    for clip in rng.choice(len(labels), errors, replace=False):
        others = [name for name in CLASSES if name != labels[clip]]
        called[clip] = others[rng.integers(3)]
    return labels, called


@pytest.mark.parametrize("seed", range(4))
def test_scores_are_those_of_scikit_learn(seed):
    labels, called = reference(errors=25, seed=seed)
    report = report_on(predictions_of(labels, called))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, called, labels=list(CLASSES)
    )
    assert [score.precision.value for score in report.classes] == pytest.approx(precision)
    assert [score.recall.value for score in report.classes] == pytest.approx(recall)
    assert [score.f1.value for score in report.classes] == pytest.approx(f1)
    assert [score.support for score in report.classes] == support.tolist()
    assert report.accuracy.value == pytest.approx(accuracy_score(labels, called))
    assert report.macro_f1.value == pytest.approx(f1_score(labels, called, average="macro"))


def test_reference_accuracy_has_the_published_interval():
    report = report_on(predictions_of(*reference(), sessions=[str(n) for n in range(117)]))
    assert report.accuracy.n == 117
    assert (report.accuracy.low, report.accuracy.high) == pytest.approx((0.882, 0.977), abs=0.007)
    # A bootstrap of independent clips gave [.892, .977] for these very counts.
    assert (report.macro_f1.low, report.macro_f1.high) == pytest.approx((0.892, 0.977), abs=0.01)


def test_every_interval_holds_its_value_and_none_is_a_point():
    for errors in (0, 1, 25, 117):
        labels, called = reference(errors)
        report = report_on(predictions_of(labels, called))
        intervals = [report.accuracy, report.macro_f1]
        for score in report.classes:
            intervals += [score.precision, score.recall, score.f1]
        for interval in intervals:
            assert 0 <= interval.low <= interval.value <= interval.high <= 1
            assert interval.low < interval.high


def test_errors_that_come_by_session_widen_the_interval():
    labels = ["soccer"] * 100
    called = ["none"] * 20 + ["soccer"] * 80
    spread = report_on(predictions_of(labels, called, sessions=[str(n) for n in range(100)]))
    bunched = report_on(predictions_of(labels, called, sessions=[str(n // 20) for n in range(100)]))
    assert bunched.accuracy.value == spread.accuracy.value == 0.8
    width = {
        name: r.accuracy.high - r.accuracy.low
        for name, r in (("spread", spread), ("bunched", bunched))
    }
    assert width["bunched"] > 2 * width["spread"]


def test_the_file_has_the_layout_others_read(tmp_path):
    labels, called = reference()
    path = report_on(predictions_of(labels, called, caveat="rendered footage")).save(tmp_path)
    assert path.name == "video_scorer_testreport.json"
    content = json.loads(path.read_text())
    assert content["dataset_version"] == "abc123"
    assert content["caveat"] == "rendered footage"
    assert content["accuracy"] == pytest.approx(110 / 117)
    assert content["test_clips"] == 117
    assert content["test_sessions"] == 13
    assert list(content["classes"]) == list(CLASSES)
    for row in content["classes"].values():
        assert {"precision", "recall", "f1", "support", "recall_interval"} <= set(row)
    assert content["confusion_matrix"]["labels"] == list(CLASSES)
    rows = np.array(content["confusion_matrix"]["rows"])
    assert rows.sum() == 117
    assert np.trace(rows) == 110
    assert rows.sum(axis=1).tolist() == [30, 29, 29, 29]


def test_a_class_without_test_clips_is_null_not_zero(tmp_path):
    labels, called = ["soccer", "none", "soccer"], ["soccer", "none", "none"]
    report = report_on(predictions_of(labels, called))
    content = json.loads(report.save(tmp_path).read_text())
    assert content["classes"]["baseball"]["recall"] is None
    assert content["classes"]["baseball"]["support"] == 0
    assert report.macro_f1.value == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert report.to_frame().loc["baseball", "recall"] == "–"


def test_comparison_is_paired_on_the_same_clips():
    labels, called = reference()
    rng = np.random.default_rng(5)
    others = [name if rng.random() < 0.5 else "none" for name in labels]
    weak = predictions_of(labels, others, scorer="weak")
    order = rng.permutation(117)
    shuffled = replace(
        weak,
        clip_ids=tuple(weak.clip_ids[n] for n in order),
        labels=tuple(weak.labels[n] for n in order),
        sessions=tuple(weak.sessions[n] for n in order),
        probabilities=weak.probabilities[order],
    )
    row = report_on(predictions_of(labels, called), [shuffled]).comparisons[0]
    right = [a == b for a, b in zip(labels, called, strict=True)]
    theirs = [a == b for a, b in zip(labels, others, strict=True)]
    assert row.paired.gained == sum(a and not b for a, b in zip(right, theirs, strict=True))
    assert row.paired.lost == sum(b and not a for a, b in zip(right, theirs, strict=True))
    assert row.accuracy.value == pytest.approx(np.mean(theirs))
    assert row.accuracy_difference.value == pytest.approx(np.mean(right) - np.mean(theirs))
    assert row.accuracy_difference.low > 0


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"clip_ids": tuple(f"x{n}" for n in range(117))}, "not judged on the same clips"),
        ({"classes": tuple(reversed(CLASSES))}, "not judged on the same clips and classes"),
    ],
)
def test_other_clips_cannot_be_compared(change, problem):
    labels, called = reference()
    other = predictions_of(labels, called, scorer="other", **change)
    with pytest.raises(DatasetError, match=problem):
        report_on(predictions_of(labels, called), [other])


def test_predictions_without_labels_have_no_score():
    labels, called = reference()
    with pytest.raises(DatasetError, match="without labels cannot be scored"):
        report_on(predictions_of([None, *labels[1:]], called))


def test_the_reading_names_pairs_none_and_rivals():
    labels = ["baseball"] * 20 + ["soccer"] * 20 + ["none"] * 20
    called = (
        ["baseball"] * 16 + ["none"] * 4 + ["soccer"] * 18 + ["baseball"] * 2
        + ["none"] * 19 + ["soccer"]
    )  # fmt: skip
    majority = predictions_of(labels, ["none"] * 60, scorer="majority class")
    twin = predictions_of(labels, called, scorer="twin")
    ours = predictions_of(labels, called, caveat="rendered footage")
    reading = report_on(ours, [majority, twin]).reading()
    text = "\n".join(reading)
    assert reading[0] == "Rendered footage."
    assert "53 of 60 clips from 13 held-out sessions are right" in text
    pairs = [line for line in reading if "are called" in line]
    assert pairs[0].startswith("4 of 20 baseball clips are called none (20.0 %")
    assert pairs[1].startswith("2 of 20 soccer clips are called baseball (10.0 %")
    assert "5 of 7 errors involve none: 1 false alarms and 4 misses." in text
    assert "slim is better than majority class: +55.0 pp (+34 −1)" in text
    assert "slim is not told apart from twin: +0.0 pp (+0 −0), p=1." in text


def test_few_sessions_are_named():
    labels, called = reference()
    few = predictions_of(labels, called, sessions=[str(n % 4) for n in range(117)])
    assert any("only 4 test sessions" in line for line in report_on(few).reading())


def test_calibration_error_is_the_textbook_sum_over_bins():
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.65, 0.65])
    right = np.array([True, True, True, False, True, False])
    result = calibrate(confidence, right)
    assert result.error == pytest.approx((4 * abs(0.75 - 0.95) + 2 * abs(0.5 - 0.65)) / 6)
    assert result.counts.tolist() == [2, 4]


def test_few_clips_of_a_calibrated_scorer_show_an_error_and_it_is_told():
    rng = np.random.default_rng(0)
    off = {"honest": 0, "boastful": 0}
    nulls = []
    for trial in range(40):
        confidence = rng.uniform(0.4, 1.0, 117)
        honest = calibrate(confidence, rng.random(117) < confidence, seed=trial)
        nulls.append(honest.null_mean)
        off["honest"] += honest.is_off
        boastful = calibrate(confidence, rng.random(117) < confidence - 0.2)
        off["boastful"] += boastful.is_off
        assert boastful.overconfidence > 0
    assert np.mean(nulls) == pytest.approx(0.08, abs=0.02)  # as measured for 117 clips
    assert off["honest"] <= 6  # 1 in 20 expected
    assert off["boastful"] >= 35


# ---------------------------------------------------------------- figures


def texts(ax):
    return " | ".join(text.get_text() for text in ax.texts)


def test_confusion_figure_shows_counts_shares_and_n():
    labels, called = reference()
    report = report_on(predictions_of(labels, called))
    ax = draw_confusion(report)
    first = report.confusion[0, 0]
    assert f"{first}\n{100 * first / 30:.0f} %" in texts(ax)
    assert ax.get_yticklabels()[0].get_text() == "baseball\nn=30"
    assert ax.get_title()


def test_class_figure_draws_a_point_and_an_interval_per_score():
    report = report_on(predictions_of(*reference()))
    ax = draw_class_scores(report)
    spans = [path.get_segments()[0][:, 1].tolist() for path in ax.collections]
    assert len(spans) == 12
    score = report.classes[2].recall
    assert [score.low, score.high] in [pytest.approx(span) for span in spans]


def test_curves_mark_the_kept_epoch():
    history = tuple(
        Epoch(n, 1e-3, "fp32", 1.0, {
            "train_loss": 1.0 / n, "train_accuracy": 0.3 + 0.1 * n, "valid_loss": 1.2 / n,
            "valid_macro_f1": score,
        })
        for n, score in enumerate((0.4, 0.8, 0.6), start=1)
    )  # fmt: skip
    result = TrainingResult(None, CLASSES, history, "valid_macro_f1", 1000)
    assert "kept: epoch 2, 0.800" in texts(draw_scores(result))
    assert len(draw_losses(result.history, result.best_by).lines) == 3


def test_reliability_figure_shows_every_bin():
    labels, called = reference()
    calibration = report_on(predictions_of(labels, called)).calibration
    ax = draw_reliability(calibration)
    assert "117" in texts(ax)
    assert f"{calibration.error:.3f}" in ax.get_title()


def test_mistakes_show_the_frames_that_were_fed(tmp_path):
    labels, called = reference(errors=3)
    predictions = predictions_of(labels, called, view=(4, 16, 16))
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (117, 8, 20, 24, 3), dtype=np.uint8)
    items = tuple(Item(f"c{n:03d}", "s", "v", "test", labels[n], str(n)) for n in range(117))
    clipset = Clipset(tmp_path, {"classes": CLASSES}, items, tuple(range(117)), blocks)
    ax = draw_mistakes(predictions, clipset)
    captions = [label.get_text() for label in ax.get_yticklabels()]
    assert len(captions) == 3
    wrong = int(predictions.mistakes().index[0][1:])
    assert captions[0].startswith(f"c{wrong:03d}\n{labels[wrong]}, called {called[wrong]}")
    shown = ax.images[0].get_array()
    np.testing.assert_array_equal(shown[:16, :16], blocks[wrong, 1, 2:18, 4:20])
    perfect = predictions_of(labels, labels)
    assert "no mistakes" in texts(draw_mistakes(perfect, clipset))


def test_palette_keeps_a_class_its_colour():
    assert class_colours(["none", "soccer"])["soccer"] == class_colours(CLASSES)["soccer"]
    own = class_colours(["soccer", "tennis", "chess"])
    assert len(set(own.values())) == 3
    assert len(set(CLASS_TO_COLOUR.values())) == len(CLASS_TO_COLOUR)
    assert rgb("#D55E00") == (213, 94, 0)


def test_servers_take_colours_without_loading_matplotlib():
    code = "import sys, workbench.style; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"labels": ("a", "z", None)}, "clip 'c001' has the label 'z'"),
        (
            {"probabilities": np.array([[1, 0], [0.5, 0.5], [np.nan, 1]])},
            "clip 'c002' has the prob",
        ),
        ({"probabilities": np.array([[1, 0], [-1, 2], [0, 1.0]])}, "clip 'c001' has the prob"),
        ({"probabilities": np.array([[np.inf, 0], [0, 1], [0, 1.0]])}, "clip 'c000' has the prob"),
        ({"probabilities": np.zeros((2, 2))}, "a clip lacks"),
        ({"sessions": ("s", "s")}, "a clip lacks"),
        ({"clip_ids": ("c0", "c1", "c0")}, "clip 'c0' is there twice"),
    ],
)
def test_rows_that_cannot_be_scored_are_refused_by_name(changes, problem):
    values = {"classes": ("a", "b"), "clip_ids": ("c000", "c001", "c002"), "sessions": ("s",) * 3}
    values |= {"labels": ("a", "b", None), "probabilities": np.array([[1, 0], [0, 1], [0, 1.0]])}
    Predictions("net", **values, dataset_version="v")
    with pytest.raises(DatasetError, match=problem) as caught:
        Predictions("net", **(values | changes), dataset_version="v")
    assert caught.value.remedy
