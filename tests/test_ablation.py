from itertools import product

import numpy as np
import pytest

from workbench.errors import DatasetError
from workbench.runs.ablation import design_cells, measure_effects, run_cells
from workbench.stats import Clusters, holm

ITEMS, SEEDS = 120, 3
BY_SESSION = Clusters("session", tuple(n // 6 for n in range(ITEMS)))


def world(effects, *, pairs=(), seed=0, items=ITEMS):
    """A judge: items differ in difficulty, seeds in luck; flags move the odds of being right."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(1.2, 1.6, items)

    def judge(on):
        number = sum(2**place for place, name in enumerate(effects) if name in on)
        logits = hard + sum(effects[name] for name in on)
        logits = logits + sum(size for names, size in pairs if set(names) <= on)
        found = []
        for run in range(SEEDS):
            own = np.random.default_rng([seed, number, run])
            luck = own.normal(0, 0.15)
            found.append(own.random(items) < 1 / (1 + np.exp(-logits - luck)))
        return np.array(found, float)

    return judge


def test_the_one_bad_flag_of_four_is_named():
    named = []
    for seed in range(20):
        effects = {"a": 0.9, "b": 0.9, "video_mode": -1.4, "d": 0.9}
        found = run_cells(list(effects), "both", world(effects, seed=seed), BY_SESSION)
        named.append(found.culprit())
    assert named.count("video_mode") >= 19


def test_flags_that_do_nothing_are_rarely_kept():
    kept = 0
    for seed in range(40):
        found = run_cells(["a", "b"], "add", world({"a": 0.0, "b": 0.0}, seed=seed), BY_SESSION)
        kept += "keep" in found.verdicts.values()
    assert kept <= 3


def test_flags_that_hurt_only_together_are_found_by_a_factorial():
    judge = world({"a": 0.0, "b": 0.0, "c": 0.0}, pairs=[(("a", "c"), -3.0)], seed=4)
    found = run_cells(["a", "b", "c"], "full", judge, BY_SESSION)
    assert [one.name for one in found.interactions if one.verdict == "drop"] == ["a × c"]
    assert "a × c hurt together" in found.answer()
    assert found.answer().startswith("Yes")


def test_shapley_values_are_those_of_the_definition():
    # v = 2·a + 1·b + 3·(a and b): a gets 2 + 1.5, b 1 + 1.5, c nothing.
    def judge(on):
        value = 2 * ("a" in on) + ("b" in on) + 3 * ({"a", "b"} <= on)
        return np.full((2, 10), value / 10)

    found = run_cells(["a", "b", "c"], "full", judge, Clusters("clip", tuple(range(10))))
    assert [one.difference.value for one in found.shapley] == pytest.approx([0.35, 0.25, 0.0])
    assert [one.difference.value for one in found.effects] == pytest.approx([0.35, 0.25, 0.0])
    assert {one.name: one.difference.value for one in found.interactions} == pytest.approx(
        {"a × b": 0.3, "a × c": 0.0, "b × c": 0.0}
    )
    together = sum(one.difference.value for one in found.shapley)
    assert together == pytest.approx(found.batch.difference.value)


def test_a_flag_whose_worth_depends_on_the_others_is_inconclusive():
    judge = world({"a": 1.5, "b": 0.0, "c": 0.0, "d": 0.0}, pairs=[(("a", "b"), -3.5)], seed=1)
    found = run_cells(list("abcd"), "both", judge, BY_SESSION)
    told = [one.verdict for one in found.parts if one.name == "a"]
    assert told == ["keep", "drop"]
    assert found.verdicts["a"] == "inconclusive"


@pytest.mark.parametrize(
    ("design", "count"), [("add", 5), ("drop", 6), ("both", 10), ("full", 16), ("half", 8)]
)
def test_designs_have_their_cells(design, count):
    cells = design_cells(list("abcd"), design)
    assert len(cells) == len(set(cells)) == count
    if design == "half":  # every flag, and every pair, is seen in all its settings equally often
        for pair in ("ab", "ad", "cd"):
            seen = [tuple(name in cell for name in pair) for cell in cells]
            assert all(seen.count(one) == 2 for one in product((False, True), repeat=2))


def test_half_a_factorial_measures_main_effects():
    effects = {"a": 2.0, "b": -2.0, "c": 0.0, "d": 0.0}
    found = run_cells(list("abcd"), "half", world(effects, seed=3), BY_SESSION)
    assert found.verdicts == {
        "a": "keep", "b": "drop", "c": "inconclusive", "d": "inconclusive"
    }  # fmt: skip
    assert found.effects[0].measured == "mean over 8 cells"


def test_half_a_factorial_of_three_is_refused():
    with pytest.raises(DatasetError, match="mixes"):
        design_cells(list("abc"), "half")


def test_cells_judged_on_other_items_are_refused():
    outcomes = {frozenset(): np.zeros((3, 5)), frozenset("a"): np.zeros((3, 6))}
    with pytest.raises(DatasetError, match="same seeds and items"):
        measure_effects(outcomes, ["a"], Clusters("clip", tuple(range(5))))


def test_holm_is_that_of_statsmodels():
    # statsmodels 0.14: multipletests(p, method="holm")[1]
    p_values = [0.011, 0.02, 0.8, 0.001, 0.04]
    assert holm(p_values) == pytest.approx([0.044, 0.06, 0.8, 0.005, 0.08])
    assert holm([]) == []
