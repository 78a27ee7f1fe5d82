"""Scores of annotators on clips whose answer is known.

The unit is one clip with a known answer: an adjudicator's last word, or what a named annotator has
said (labels of a trusted file are imported under a name such as `truth`). Mixed in among the
others, such clips show who has read the guide; they are not counted against the one who knew.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench.labels.agreement import UNSURE, answer_of, judgements
from workbench.labels.lastword import last_words
from workbench.labels.store import LabelStore
from workbench.labels.values import LabelError
from workbench.stats import Interval, wilson


@dataclass(frozen=True)
class AnnotatorScore:
    """How often one annotator gives the known answer."""

    annotator: str
    right: Interval  # of the clips on which the annotator decides
    unsure: int  # clips with a known answer on which the annotator does not
    base_rate: Interval  # of the commonest known answer on the same clips as `right`

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        intervals = {"right": self.right.to_dict(), "base_rate": self.base_rate.to_dict()}
        return {**asdict(self), **intervals}


def known_answers(store: LabelStore, kind: str, truth: str | None = None) -> dict[str, str]:
    """Return the answer to each item that has a known one, as `Judgements.scale` spells it.

    Args:
        store: The labels.
        kind: Of the labels, such as "verdict".
        truth: Whose answers are known to be right; None: the last words of adjudicators.

    Raises:
        LabelError: If this annotator has said nothing.
    """
    if truth is None:
        words = last_words(store, kind).items()
        said = {item: answer_of(kind, entry.value or {}) for item, entry in words}
        known = {item: answer for item, answer in said.items() if answer is not None}
    else:
        judged = judgements(store, kind)
        if truth not in judged.annotators:
            raise LabelError(
                f"{truth} has given no clip a {kind}",
                f"import the known answers with --annotator {truth}",
            )
        codes = judged.codes[judged.annotators.index(truth)]
        pairs = zip(judged.items, codes, strict=True)
        known = {item: judged.scale[int(code)] for item, code in pairs if np.isfinite(code)}
    return {item: answer for item, answer in known.items() if answer != UNSURE}


def score_annotators(
    store: LabelStore, kind: str, known: Mapping[str, str], truth: str | None = None
) -> list[AnnotatorScore]:
    """Score every annotator but `truth` on the clips whose answer is known, by name.

    Example:
        >>> score_annotators(store, "verdict", known_answers(store, "verdict"))  # doctest: +SKIP
        [AnnotatorScore(annotator='ann', right=…)]
    """
    judged = judgements(store, kind, set(known))
    scores = []
    for name, codes in zip(judged.annotators, judged.codes, strict=True):
        said = {
            item: judged.scale[int(code)]
            for item, code in zip(judged.items, codes, strict=True)
            if np.isfinite(code)
        }
        if name == truth or not said:
            continue
        decided = {item: answer for item, answer in said.items() if answer != UNSURE}
        right = sum(answer == known[item] for item, answer in decided.items())
        answers = [known[item] for item in decided]
        commonest = max((answers.count(answer) for answer in set(answers)), default=0)
        n = len(decided)
        scores.append(AnnotatorScore(name, wilson(right, n), len(said) - n, wilson(commonest, n)))
    return scores
