"""How sure one must be of a fact to say it, chosen on validation clips by the fact checker.

The unit is one clip's found facts with the probability of its sport. A fact is as likely true as
its sport, times the share of its kind that is true where the act is called rightly. One likelihood
from which on facts are said serves all kinds: no other choice says more at the same share of truth.
Knows nothing about how facts are found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workbench.describe.check import check_text
from workbench.describe.facts import ClipFacts
from workbench.describe.writers import write_by_rules

FEWEST = 30  # facts of validation clips: the share true of fewer chooses nothing
PROMISED = 0.9  # of a kind that nothing was measured of: what the finders of times and sides aim at
_FOUND = {"moment": "moment_s", "start": "start_s", "side": "side"}  # apart from the act; by kind


@dataclass(frozen=True)
class Sureness:
    """From which likelihood on a fact is said, and how often each kind is true in a right act."""

    least: float = 0.5
    right: Mapping[str, float] = field(default_factory=dict)

    def says(self, kind: str, probability: float) -> bool:
        """Whether a fact of this kind is said of a clip whose sport has this probability."""
        share = self.right.get(kind, PROMISED) if kind in _FOUND else 1.0
        return probability * share >= self.least

    def keep(self, facts: ClipFacts, probability: float) -> ClipFacts:
        """Return the facts that are sure enough.

        Example:
            >>> facts = ClipFacts("soccer", "shot", "left", moment_s=0.8)
            >>> sure = Sureness(0.7, {"moment": 0.9, "side": 0.8})
            >>> sure.keep(facts, 0.8)
            ClipFacts(sport='soccer', act='shot', side=None, moment_s=0.8, degrees={}, ...)
        """
        if not self.says("sport", probability):
            return ClipFacts()
        unsure: Any = {
            name: None for kind, name in _FOUND.items() if not self.says(kind, probability)
        }
        return replace(facts, **unsure)


def choose_sureness(
    found: Sequence[ClipFacts],
    probabilities: Sequence[float],
    truths: Sequence[ClipFacts],
    share: float = 0.85,
) -> Sureness | None:
    """Choose from which likelihood on `share` of what is said of validation clips is true.

    Args:
        found: All that was found, however unsure.
        probabilities: Of the sport of each.
        truths: Of each.
        share: See there; the lowest such likelihood is taken. None where none reaches it.
    """
    checks = [check_text(write_by_rules(one), truth)
              for one, truth in zip(found, truths, strict=True)]  # fmt: skip
    right = {}
    for kind in _FOUND:
        held = [ok for check, one, truth in zip(checks, found, truths, strict=True)
                for stated, ok in zip(check.stated, check.true, strict=True)
                if stated.kind == kind and one.act == truth.act]  # fmt: skip
        if held:
            right[kind] = (sum(held) + PROMISED) / (len(held) + 1)
    likely, true = [], []
    for check, probability in zip(checks, probabilities, strict=True):
        for stated, ok in zip(check.stated, check.true, strict=True):
            likely.append(probability * right.get(stated.kind, 1.0))
            true.append(ok)
    order = np.argsort(-np.array(likely), kind="stable")
    ranked, said = np.array(likely)[order], np.arange(1, len(order) + 1)
    is_last = np.append(np.diff(ranked) < 0, True)  # at equal likelihoods all are said, or none
    shares = np.cumsum(np.array(true)[order]) / said
    good = np.flatnonzero((shares >= share) & (said >= FEWEST) & is_last)
    return Sureness(float(ranked[good[-1]]), right) if len(good) else None
