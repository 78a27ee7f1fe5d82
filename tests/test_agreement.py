"""Agreement between annotators, held against published values and other implementations."""

import matplotlib

matplotlib.use("Agg")

import json

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from workbench.labels.agreement import (
    cohen_kappa,
    disagreements,
    estimate,
    judgements,
    krippendorff_alpha,
    measure_agreement,
    observed_agreement,
)
from workbench.labels.figures import draw_agreement, draw_answers, draw_pairs
from workbench.labels.records import Entry
from workbench.labels.values import LabelError
from workbench.stats import Clusters

pytest_plugins = ["label_databases"]

NAN = float("nan")

# Krippendorff (2011), "Computing Krippendorff's alpha-reliability": A and B are the examples of two
# observers with binary and nominal data, C the one of four observers with missing data.
BINARY = [[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]]
NOMINAL = [
    [ord(letter) for letter in "aabbdcccedda"],
    [ord(letter) for letter in "babbbccceddd"],
]
FOUR_OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]


@pytest.mark.parametrize(
    ("codes", "level", "published", "shared"),
    [
        (BINARY, "nominal", 0.095, 10),
        (NOMINAL, "nominal", 0.692, 12),
        (FOUR_OBSERVERS, "nominal", 0.743, 11),
        (FOUR_OBSERVERS, "ordinal", 0.815, 11),
        (FOUR_OBSERVERS, "interval", 0.849, 11),
    ],
)
def test_alpha_gives_the_published_values(codes, level, published, shared):
    alpha = estimate(krippendorff_alpha(codes, level), resamples=200)
    assert alpha.value == pytest.approx(published, abs=5e-4)
    assert alpha.n == shared
    assert alpha.low <= alpha.value <= alpha.high <= 1


@pytest.mark.parametrize(
    ("level", "exact"),
    [("nominal", 0.7434210526), ("ordinal", 0.8153875038), ("interval", 0.8491071429)],
)
def test_alpha_is_exact_to_ten_digits(level, exact):
    alpha = estimate(krippendorff_alpha(FOUR_OBSERVERS, level), resamples=2)
    assert alpha.value == pytest.approx(exact, abs=1e-10)


def test_kappa_gives_cohens_example():
    """Fleiss, Levin and Paik (2003), table 18.1: 100 subjects, three diagnoses, kappa 0.68."""
    counts = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]
    pairs = [(a, b) for a in range(3) for b in range(3) for _ in range(counts[a][b])]
    kappa = estimate(cohen_kappa(*zip(*pairs, strict=True)))
    assert kappa.value == pytest.approx(0.68, abs=5e-3)
    assert kappa.n == 100


PAIRS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=40)


@settings(max_examples=60)
@given(pairs=PAIRS, weights=st.sampled_from(["none", "linear", "quadratic"]))
def test_kappa_agrees_with_scikit_learn(pairs, weights):
    first, second = zip(*pairs, strict=True)
    ours = estimate(cohen_kappa(first, second, weights), resamples=50).value
    theirs = (
        cohen_kappa_score(
            first, second, labels=[1, 2, 3, 4, 5], weights=None if weights == "none" else weights
        )
        if len({*first, *second}) > 1
        else NAN
    )
    assert ours == pytest.approx(theirs, nan_ok=True)


MATRICES = st.integers(2, 5).flatmap(
    lambda annotators: st.lists(
        st.lists(
            st.one_of(st.just(NAN), st.sampled_from([0.0, 1.0, 2.0, 4.0])),
            min_size=annotators,
            max_size=annotators,
        ),
        min_size=1,
        max_size=15,
    )
)


@settings(max_examples=60)
@given(
    items=MATRICES,
    level=st.sampled_from(["nominal", "ordinal", "interval"]),
    random=st.randoms(use_true_random=False),
)
def test_alpha_knows_no_order_and_no_lonely_judgement(items, level, random):
    """Neither who comes first, nor which item, nor an item judged once changes anything."""
    alpha = estimate(krippendorff_alpha(np.array(items).T, level), resamples=50).value
    shuffled = [random.sample(item, len(item)) for item in items]
    random.shuffle(shuffled)
    shuffled.append([3.0] + [NAN] * (len(items[0]) - 1))
    again = estimate(krippendorff_alpha(np.array(shuffled).T, level), resamples=50).value
    assert again == pytest.approx(alpha, nan_ok=True)
    assert np.isnan(alpha) or alpha <= 1


@pytest.mark.parametrize(
    "codes",
    [
        [[1, 1, 1], [1, 1, 1]],  # nothing to tell apart
        [[1, NAN, 2], [NAN, 1, NAN]],  # nothing shared
        [[], []],
    ],
)
def test_what_cannot_be_measured_is_undefined(codes):
    for undefined in (krippendorff_alpha(codes, "ordinal"), cohen_kappa(*codes, "quadratic")):
        interval = estimate(undefined)
        assert all(np.isnan([interval.value, interval.low, interval.high]))
        assert interval.to_dict()["low"] is None


def test_intervals_narrow_with_items_and_widen_with_clusters():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400)
    noisy = np.where(rng.random(400) < 0.2, 1 - truth, truth)
    few = estimate(krippendorff_alpha([truth[:40], noisy[:40]], "nominal"), resamples=300)
    many = estimate(krippendorff_alpha([truth, noisy], "nominal"), resamples=300)
    assert many.high - many.low < few.high - few.low
    # The same session again and again: forty items, seen ten times each.
    copies = [np.tile(truth[:40], 10), np.tile(noisy[:40], 10)]
    sessions = Clusters("session", tuple(range(40)) * 10)
    alpha = krippendorff_alpha(copies, "nominal")
    honest, naive = estimate(alpha, sessions, resamples=300), estimate(alpha, resamples=300)
    assert honest.high - honest.low > 2 * (naive.high - naive.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)

    def draw(size):
        truth = rng.integers(0, 2, size)
        return [np.where(rng.random(size) < 0.15, 1 - truth, truth) for _ in range(2)]

    expected = krippendorff.alpha(reliability_data=draw(200_000), level_of_measurement="nominal")
    alphas = [krippendorff_alpha(draw(60), "nominal") for _ in range(100)]
    intervals = [estimate(alpha, resamples=200) for alpha in alphas]
    covered = sum(interval.low <= expected <= interval.high for interval in intervals)
    assert 86 <= covered <= 100


@pytest.mark.parametrize("measure", ["alpha", "kappa", "observed"])
def test_perfect_agreement_on_few_items_is_not_certain(measure):
    def interval(items):
        codes = [[1, 2] * (items // 2)] * 2
        if measure == "alpha":
            return estimate(krippendorff_alpha(codes, "ordinal"))
        return estimate(cohen_kappa(*codes) if measure == "kappa" else observed_agreement(codes))

    few, many = interval(10), interval(200)
    assert few.value == few.high == many.value == 1
    assert few.low < 0.75 < 0.95 < many.low < 1


def test_observed_agreement_counts_pairs():
    codes = [[1, 1, 2, 3], [1, 2, 2, NAN], [1, 2, NAN, NAN]]
    share = estimate(observed_agreement(codes), resamples=2)
    assert share.value == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert share.n == 3


def rate(store, item_id, **annotator_to_value):
    for annotator, value in annotator_to_value.items():
        if isinstance(value, int):
            value = {"stars": value}
        store.append(Entry("rating", item_id, value, annotator=annotator, tool="t"))


def judge(store, item_id, **annotator_to_verdict):
    for annotator, verdict in annotator_to_verdict.items():
        value = {"verdict": verdict}
        store.append(Entry("verdict", item_id, value, annotator=annotator, tool="t"))


UNSURE, SKIPPED = {"unsure": True}, {"skipped": True}


@pytest.fixture
def rated(store):
    """The four observers of the published example, and what it does not have."""
    for column in range(12):
        stars = {
            f"observer {row}": int(values[column])
            for row, values in enumerate(FOUR_OBSERVERS)
            if not np.isnan(values[column])
        }
        rate(store, f"clip_{column:02d}", **stars)
    rate(store, "skipped", **{"observer 0": SKIPPED, "observer 1": SKIPPED})
    rate(store, "unsure", **{"observer 0": UNSURE, "observer 1": 3})
    return store


def test_labels_in_the_database_give_the_published_values(rated):
    agreement = measure_agreement(rated, "rating", resamples=200)
    sure = {
        measure.name: round(measure.interval.value, 3)
        for measure in agreement.overall
        if measure.unsure == "left out"
    }
    assert sure == {
        "observed agreement": pytest.approx(0.818),
        "Krippendorff's alpha, nominal": 0.743,
        "Krippendorff's alpha, ordinal": 0.815,
        "Krippendorff's alpha, interval": 0.849,
    }
    assert (agreement.items, agreement.shared) == (13, 12)
    assert (agreement.judgements, agreement.unsure) == (43, 1)
    with_unsure = [m for m in agreement.overall if m.unsure == "a category"]
    assert [m.name for m in with_unsure] == ["observed agreement", "Krippendorff's alpha, nominal"]
    assert with_unsure[1].interval.n == 12
    assert json.loads(json.dumps(agreement.to_dict()))["shared"] == 12


def test_pairs_are_compared_by_weighted_kappa_where_stars_are_ordered(rated):
    agreement = measure_agreement(rated, "rating", resamples=50)
    assert len(agreement.pairs) == 2 * 6
    pair = next(
        m
        for m in agreement.pairs
        if m.annotators == ("observer 0", "observer 1") and m.unsure == "left out"
    )
    assert pair.name == "Cohen's kappa, quadratic weights"
    first, second = np.array(FOUR_OBSERVERS)[:2, :9].astype(int)
    expected = cohen_kappa_score(first, second, weights="quadratic")
    assert pair.interval.value == pytest.approx(expected)


def test_the_queue_for_review_has_the_worst_first(store):
    judge(store, "agreed", ann="goal", bob="goal", cid="goal")
    judge(store, "half", ann="goal", bob="unsure")
    judge(store, "worst", ann="goal", bob="no_goal")
    judge(store, "one of three", ann="goal", bob="goal", cid="no_goal")
    judge(store, "alone", ann="unsure")
    queue = disagreements(store, "verdict")
    assert list(queue) == ["worst", "one of three", "half"]
    assert queue["one of three"] == {"ann": "goal", "bob": "goal", "cid": "no_goal"}
    judge(store, "worst", bob="goal")
    assert list(disagreements(store, "verdict")) == ["one of three", "half"]
    assert list(disagreements(store, "verdict", {"half", "agreed"})) == ["half"]


def test_stars_further_apart_come_first(store):
    rate(store, "near", ann=4, bob=5)
    rate(store, "far", ann=1, bob=5)
    rate(store, "same", ann=2, bob=2)
    rate(store, "skipped", ann=2, bob=SKIPPED)
    rate(store, "doubt", ann=2, bob=UNSURE)
    assert list(disagreements(store, "rating")) == ["far", "doubt", "near"]
    assert disagreements(store, "rating", ["doubt"]) == {"doubt": {"ann": "2", "bob": "unsure"}}


def test_kinds_without_a_scale_are_refused(store):
    for measure in (measure_agreement, disagreements):
        with pytest.raises(LabelError, match="choose rating or verdict"):
            measure(store, "cut")


def test_nothing_labelled_is_no_error(store):
    agreement = measure_agreement(store, "verdict")
    assert (agreement.items, agreement.shared, agreement.pairs) == (0, 0, ())
    assert disagreements(store, "verdict") == {}


def test_figures_answer_the_question_in_their_title(rated):
    agreement = measure_agreement(rated, "rating", resamples=50)
    judged = judgements(rated, "rating")
    answers = draw_answers(judged)
    heights = sum(patch.get_height() for patch in answers.patches)
    assert heights == agreement.judgements
    assert len(draw_agreement(agreement).get_yticklabels()) == len(agreement.overall)
    pairs = draw_pairs(agreement)
    assert len(pairs.get_yticklabels()) == 6
    for axes in (answers, pairs):
        assert axes.get_title().endswith("?")


def test_figures_bear_having_nothing_to_show(store):
    rate(store, "clip", ann=3, bob=3)
    agreement = measure_agreement(store, "rating", resamples=50)
    axes = draw_agreement(agreement)
    assert any("undefined" in text.get_text() for text in axes.texts)
    draw_pairs(agreement)
    draw_answers(judgements(store, "verdict"))


def test_only_the_items_that_are_asked_for_count(store):
    for number in range(6):
        judge(store, f"ours {number}", ann="goal", bob="goal" if number else "no_goal")
        judge(store, f"theirs {number}", ann="goal", cid="no_goal")
    ours = {f"ours {number}" for number in range(6)}
    judged = judgements(store, "verdict", ours)
    assert set(judged.items) == ours
    assert judged.annotators == ("ann", "bob")
    agreement = measure_agreement(store, "verdict", items=ours, resamples=50)
    assert (agreement.items, agreement.shared, agreement.judgements) == (6, 6, 12)
    assert measure_agreement(store, "verdict", resamples=50).items == 12
