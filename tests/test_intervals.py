import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.stats import (
    Clusters,
    EstimateError,
    Interval,
    bootstrap,
    choose_clusters,
    cluster_weights,
    f1_interval,
    mcnemar,
    median_interval,
    pooled_difference,
    pooled_share,
    show,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (110, 117, 0.882, 0.971),
        (27, 29, 0.780, 0.981),
        (29, 29, 0.883, 1.0),
        (0, 29, 0.0, 0.117),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_gives_published_intervals(successes, n, low, high):
    interval = wilson(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-4)


@given(n=st.integers(1, 5000), data=st.data())
def test_wilson_agrees_with_scipy_and_holds_the_value(n, data):
    successes = data.draw(st.integers(0, n))
    ours = wilson(successes, n)
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= ours.low <= ours.value <= ours.high <= 1


def test_wilson_refuses_more_successes_than_items():
    with pytest.raises(ValueError, match="5 successes out of 4"):
        wilson(5, 4)


@given(hits=st.integers(0, 400), errors=st.integers(0, 400), each=st.integers(1, 4))
def test_f1_interval_holds_f1_and_is_never_a_point(hits, errors, each):
    n = hits + errors
    if n == 0:
        return
    clusters = Clusters("session", tuple(item // each for item in range(n)))
    interval = f1_interval([1] * hits + [0] * errors, [1] * n, clusters)
    assert interval.value == pytest.approx(2 * hits / (2 * hits + errors))
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.low < interval.high


@given(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=40), st.integers(0, 99))
def test_resampling_takes_whole_clusters(clusters, seed):
    weights = cluster_weights(Clusters("session", tuple(clusters)), resamples=50, seed=seed)
    assert weights.shape == (50, len(clusters))
    for name in set(clusters):
        members = weights[:, [place for place, c in enumerate(clusters) if c == name]]
        assert (members == members[:, :1]).all()
    first_of_each = [clusters.index(name) for name in dict.fromkeys(clusters)]
    assert (weights[:, first_of_each].sum(axis=1) == len(first_of_each)).all()


def test_bootstrap_of_independent_items_has_the_width_theory_gives():
    right = np.arange(400) % 5 > 0  # 0.8 of 400
    interval = bootstrap(
        lambda weights: weights @ right / weights.sum(axis=1),
        Clusters("item", tuple(range(400))),
        seed=1,
    )
    half = 1.96 * np.sqrt(0.8 * 0.2 / 400)
    assert interval.value == pytest.approx(0.8)
    assert (interval.low, interval.high) == pytest.approx((0.8 - half, 0.8 + half), abs=0.005)


def test_clusters_of_alike_items_widen_the_interval_by_their_size():
    # 400 items in 20 clusters, alike within each: as unsure as 20 items, √20 times as wide.
    right = np.repeat(np.arange(20) % 5 > 0, 20)

    def share(weights):
        return weights @ right / weights.sum(axis=1)

    alone = bootstrap(share, Clusters("item", tuple(range(400))))
    grouped = bootstrap(share, Clusters("session", tuple(item // 20 for item in range(400))))
    ratio = (grouped.high - grouped.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(20), rel=0.15)


def test_clustered_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        session_rate = np.clip(rng.normal(0.8, 0.1, 25), 0, 1)
        right = rng.random((25, 8)) < session_rate[:, None]
        interval = bootstrap(
            lambda weights, right=right: weights @ right.ravel() / weights.sum(axis=1),
            Clusters("session", tuple(np.repeat(np.arange(25), 8).tolist())),
            resamples=500,
            seed=trial,
        )
        held += interval.low <= 0.798 <= interval.high  # clipping at 1 costs 0.002
    assert 0.88 <= held / 200 <= 0.99


def test_bootstrap_is_the_same_for_the_same_seed_and_refuses_nothing():
    right = np.array([1, 0, 1, 1, 0, 1])

    def share(weights):
        return weights @ right / weights.sum(axis=1)

    clusters = Clusters("session", tuple("aabbcc"))
    assert bootstrap(share, clusters, seed=3) == bootstrap(share, clusters, seed=3)
    with pytest.raises(ValueError, match="no items"):
        bootstrap(share, Clusters("session", ()))


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [(0, 0, 1.0), (5, 0, 0.0625), (6, 0, 0.03125), (6, 1, 0.125), (10, 2, 0.0385742), (3, 3, 1.0)],
)
def test_mcnemar_gives_the_exact_binomial_tail(gained, lost, p_value):
    both = 117 - gained - lost
    first = [1] * both + [0] * gained + [1] * lost
    second = [1] * both + [1] * gained + [0] * lost
    test = mcnemar(first, second)
    assert (test.gained, test.lost, test.n) == (gained, lost, 117)
    assert test.p_value == pytest.approx(p_value, abs=1e-6)
    assert test.difference == pytest.approx((gained - lost) / 117)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_does_not_care_who_comes_first(pairs):
    first, second = zip(*pairs, strict=True)
    there, back = mcnemar(first, second), mcnemar(second, first)
    assert there.p_value == pytest.approx(back.p_value)
    assert (there.gained, there.lost) == (back.lost, back.gained)


def test_mcnemar_refuses_other_items():
    with pytest.raises(ValueError, match="3 items against 2"):
        mcnemar([1, 1, 0], [1, 1])


def test_a_paired_difference_is_surer_than_its_two_sides():
    rng = np.random.default_rng(2)
    first = rng.random(300) < 0.7
    second = first | (rng.random(300) < 0.2)  # never loses
    every = np.ones(300)
    sessions = Clusters("session", tuple(item // 10 for item in range(300)))
    gain = pooled_difference((first, every), (second, every), sessions)
    assert gain.value == pytest.approx(second.mean() - first.mean())
    assert gain.low > 0
    alone = pooled_share(first, every, sessions)
    assert gain.high - gain.low < alone.high - alone.low


def test_linearised_differences_and_shares_agree_with_the_bootstrap():
    rng = np.random.default_rng(3)
    sessions = Clusters("session", tuple(item // 10 for item in range(600)))
    rate = rng.uniform(0.5, 0.9, 60)[np.arange(600) // 10]
    wholes = rng.integers(1, 6, 600)
    first, second = rng.binomial(wholes, rate), rng.binomial(wholes, rate - 0.1)

    def gain(weights):
        return (weights @ second - weights @ first) / (weights @ wholes)

    ours = pooled_difference((first, wholes), (second, wholes), sessions)
    theirs = bootstrap(gain, sessions, seed=1)
    assert (ours.value, ours.low, ours.high) == pytest.approx(
        (theirs.value, theirs.low, theirs.high), abs=0.003
    )
    share = pooled_share(first, wholes, sessions)
    drawn = bootstrap(lambda weights: weights @ first / (weights @ wholes), sessions, seed=1)
    assert (share.low, share.high) == pytest.approx((drawn.low, drawn.high), abs=0.005)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=30), st.integers(0, 99))
def test_the_median_of_a_resample_is_that_of_its_items(values, seed):
    clusters = Clusters("clip", tuple(item // 2 for item in range(len(values))))
    found = median_interval(np.array(values, float), clusters)
    assert found.value == np.median(values)
    assert min(values) <= found.low <= found.value <= found.high <= max(values)


@pytest.mark.parametrize(("sessions", "least"), [(5, 0.93), (12, 0.93)])
def test_intervals_hold_the_truth_about_as_often_as_they_say(sessions, least):
    rng = np.random.default_rng(0)
    clusters = Clusters("session", tuple(range(sessions)))
    held = 0
    for _ in range(400):
        rate, clips = rng.beta(7, 3, sessions), rng.poisson(12, sessions) + 1
        share = pooled_share(rng.binomial(clips, rate), clips, clusters)
        held += share.low <= 0.7 <= share.high
    assert least <= held / 400 <= 0.995


def test_an_interval_of_nothing_is_json():
    assert wilson(0, 0).to_dict() == {"value": None, "low": 0.0, "high": 1.0, "n": 0}
    assert str(wilson(110, 117)) == "0.940 [0.882, 0.971] n=117"


@pytest.mark.parametrize(("value", "low", "high", "n"), [(0.5, 0.6, 0.9, 4), (0.5, 0.4, 0.9, -1)])
def test_what_is_no_estimate_is_refused(value, low, high, n):
    with pytest.raises(EstimateError, match="not an estimate"):
        Interval(value, low, high, n)


@pytest.mark.parametrize(
    ("estimate", "options", "said"),
    [
        (Interval(0.9, 0.77, 1.0, 40), {}, "0.900 [0.770, 1.000]"),
        (Interval(0.925, 0.873, 0.961, 40), {"percent": True}, "92.5 % [87.3, 96.1]"),
        (Interval(0.05, -0.01, 0.11, 40), {"signed": True}, "+0.050 [−0.010, +0.110]"),
        (Interval(92.35, 80.1, 110.7, 40, unit="km/h"), {}, "92.35 km/h [80.10, 111]"),
        (wilson(0, 0), {}, "–"),
        (None, {}, "–"),
    ],
)
def test_an_estimate_is_written_in_one_way(estimate, options, said):
    assert show(estimate, **options) == said


def test_clusters_are_sessions_where_there_are_enough_else_clips():
    clips = [f"c{n}" for n in range(20)]
    assert choose_clusters([n // 2 for n in range(20)], clips).note == "resampled by session (10)"
    assert choose_clusters([n // 10 for n in range(20)], clips).note == "resampled by clip (20)"
    assert choose_clusters([n // 10 for n in range(20)], [None] * 20).by == "session"
    assert choose_clusters([None] * 20, [None] * 20, "image").note == "resampled by image (20)"


def test_pooled_counts_give_a_share_that_is_open_at_its_ends():
    clusters = Clusters("clip", tuple("aabbccdd"))
    some = pooled_share([3, 1, 0, 2, 4, 1, 2, 2], [4] * 8, clusters)
    assert (some.value, some.n) == (15 / 32, 32)
    assert some.low < some.value < some.high
    perfect = pooled_share([4] * 8, [4] * 8, clusters)
    assert (perfect.value, perfect.high, perfect.low) == (1, 1, wilson(4, 4).low)
    assert pooled_share([0] * 8, [0] * 8, clusters) is None
    # Three of ten in every clip: no spread to learn from, so each clip counts as one item.
    alike = pooled_share([3] * 8, [10] * 8, clusters)
    assert alike.high - alike.low > 0.5
    gain = pooled_difference(([1] * 8, [4] * 8), ([2] * 8, [4] * 8), clusters)
    assert (gain.value, gain.low, gain.high) == (0.25, 0.25, 0.25)
