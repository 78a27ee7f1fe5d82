"""How sure one must be of a fact: chosen on validation clips, kept by what is said of others."""

from dataclasses import replace

import numpy as np
import pytest

from workbench.describe.check import check_text
from workbench.describe.facts import ClipFacts
from workbench.describe.sure import Sureness, choose_sureness
from workbench.describe.writers import write_by_rules

TRUE = ClipFacts("soccer", "shot", "left", moment_s=0.8, start_s=0.3)
CALLED_OTHERWISE = ClipFacts("baseball", "swing", "left", moment_s=0.8, start_s=0.3)


def clips(count, seed):
    """Facts that are the righter the likelier their sport, times off in every fifth, and truths."""
    rng = np.random.default_rng(seed)
    probabilities = rng.uniform(0.3, 1, count).round(3).tolist()
    found = [TRUE if rng.random() < one else CALLED_OTHERWISE for one in probabilities]
    found = [replace(one, moment_s=1.3) if rng.random() < 0.2 else one for one in found]
    return found, probabilities, [TRUE] * count


def share_true(facts, truths):
    checks = [check_text(write_by_rules(one), truth)
              for one, truth in zip(facts, truths, strict=True)]  # fmt: skip
    said = [ok for check in checks for ok in check.true]
    return np.mean(said), np.mean([check.coverage for check in checks])


@pytest.mark.parametrize("share", [0.8, 0.9])
def test_what_is_said_of_other_clips_is_true_as_often_as_was_asked_for(share):
    sure = choose_sureness(*clips(2000, 1), share)
    found, probabilities, truths = clips(2000, 2)
    kept = [sure.keep(*one) for one in zip(found, probabilities, strict=True)]
    true, covered = share_true(kept, truths)
    assert true == pytest.approx(share, abs=0.03)
    assert covered > 0.3
    assert sure.right["side"] > 0.95 > sure.right["moment"] > 0.7


def test_a_kind_that_is_often_wrong_is_left_out_before_its_sport_is():
    sure = Sureness(0.7, {"moment": 0.8, "start": 0.95, "side": 1.0})
    assert sure.keep(TRUE, 0.9) == TRUE
    assert sure.keep(TRUE, 0.8) == replace(TRUE, moment_s=None)
    assert sure.keep(TRUE, 0.72) == replace(TRUE, moment_s=None, start_s=None)
    assert sure.keep(TRUE, 0.6) == ClipFacts()


def test_where_nothing_is_true_often_enough_nothing_is_chosen():
    assert choose_sureness([CALLED_OTHERWISE] * 20, [0.9] * 20, [TRUE] * 20) is None
    assert choose_sureness([TRUE] * 3, [0.9] * 3, [TRUE] * 3) is None  # too few to go by
    assert choose_sureness([TRUE] * 20, [0.9] * 20, [TRUE] * 20).least <= 0.9
