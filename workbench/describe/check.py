"""Whether a text about a clip is true: its facts, read by one parser and held against the truth.

The unit is one text with one clip's true facts. A fact is a kind with a value: sport, act, side,
phases (two or more of preparation, execution and follow-through; right in their order and where the
act is right), when the execution starts and the decisive moment is (right within 0.15 s), an angle
(10°), the ball's speed (10 %), the result. What the literature on sports descriptions (SV3.3B,
arXiv 2507.17844) names without a definition is defined here so:

- truthfulness: true facts / stated facts;
- coverage: kinds of fact that are known and stated truly / kinds that are known (angles are one);
- information density: true facts per ten words;
- action complexity: of preparation, execution and follow-through, those that are named, 0–3; 0
  where they come in the wrong order or the act is another one;
- measurement precision: numbers that are right / numbers stated.

A text that states nothing has no truthfulness (NaN) and a coverage of 0. What the parser does not
know is no fact: it reads English about the three acts and must be taught more.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from workbench.describe.facts import ClipFacts
from workbench.describe.writers import OTHERS
from workbench.stats import Interval, bootstrap, choose_clusters

WITHIN_S, WITHIN_DEG, WITHIN_SHARE = 0.15, 10.0, 0.10
_SPORTS = {"soccer": r"soccer|football", "baseball": r"baseball|batter",
           "basketball": r"basketball"}  # fmt: skip
_ACTS = {
    "shot": r"\bshoots?\b|\bshot\b|strikes? the ball|kicks?\b",
    "swing": r"\bswings?\b(?! of the leg)",
    "layup": r"\blay-?ups?\b",
}
_NO_ACT = re.compile(r"no (?:shot, swing or lay-?up|highlight)|none of these")
_SIDE = re.compile(r"\b(left|right)[- ](?:foot(?:ed)?|hand(?:ed)?)\b")
_WORD = re.compile(r"[\w.]*\w|[^\w\s]")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec(?:ond)?s?|°|deg(?:ree)?s?|km/h|kph)(?!\w)")
_NOT_GOAL = re.compile(r"\bno goal|not a goal|\bmiss(?:es|ed)?\b|\bsaved?\b")
_GOAL = re.compile(r"\bgoal\b|\bscores?d?\b")
_STARTS = ("until ", "from ")  # what stands before the time at which the execution starts
_PHASES = (
    ("preparation", r"runs? up|approach|waits? in the stance|loads?|runs? in|dribbles? in|run-up"),
    (
        "execution",
        r"\bshoots?\b|strikes?|takes? a|swings? (?:the|at)|lay-?up|contact at|take-off at",
    ),
    ("follow-through", r"follow(?:s|ing)?[- ]through|lands?\b"),
)


@dataclass(frozen=True)
class Stated:
    """One fact that a text states."""

    kind: str  # sport, act, side, phases, start, moment, speed, result, or an angle's name
    value: str | float


@dataclass(frozen=True)
class FactCheck:
    """What of a text is true."""

    stated: tuple[Stated, ...]
    true: tuple[bool, ...]  # of each
    coverage: float
    phases: int  # 0–3
    words: int

    @property
    def truthfulness(self) -> float:
        """True facts / stated facts; NaN where none is stated."""
        return float(np.mean(self.true)) if self.true else float("nan")

    @property
    def density(self) -> float:
        """True facts per ten words."""
        return 10 * sum(self.true) / max(1, self.words)

    @property
    def numbers(self) -> tuple[int, int]:
        """Numbers that are right, and numbers stated."""
        right = [ok for one, ok in zip(self.stated, self.true, strict=True)
                 if isinstance(one.value, float)]  # fmt: skip
        return sum(right), len(right)


def read_facts(text: str) -> tuple[list[Stated], list[str]]:
    """Return the facts that a text states, each once, and the phases in the order it names them."""
    low = " ".join(text.lower().split())
    found: list[Stated] = []
    if _NO_ACT.search(low):
        found.append(Stated("sport", "none"))
        low = _NO_ACT.sub("", low)
        found += [Stated("act", act) for act, words in OTHERS.items() if words in low]
    else:
        found += [Stated("sport", name) for name, form in _SPORTS.items() if re.search(form, low)]
        acts = [name for name, form in _ACTS.items() if re.search(form, low)]
        found += [Stated("act", name) for name in acts]
        if not acts:
            found += [Stated("act", act) for act, words in OTHERS.items() if words in low]
    found += [Stated("side", side) for side in _SIDE.findall(low)]
    for number in _NUMBER.finditer(low):
        value, unit = float(number[1]), number[2]
        if unit.startswith("k"):
            found.append(Stated("speed", value))
        elif unit.startswith("s"):
            kind = "start" if low[: number.start()].endswith(_STARTS) else "moment"
            found.append(Stated(kind, value))
        else:
            named = re.findall(r"(\w+(?:-off)? knee bend|trunk lean)", low[: number.start()])
            found.append(Stated(named[-1] if named else "an angle", value))
    if _NOT_GOAL.search(low):
        found.append(Stated("result", "no goal"))
    elif _GOAL.search(low):
        found.append(Stated("result", "goal"))
    first = {name: match.start() for name, form in _PHASES if (match := re.search(form, low))}
    phases = sorted(first, key=lambda name: first[name])
    if len(phases) > 1:
        found.append(Stated("phases", " ".join(phases)))
    return list(dict.fromkeys(found)), phases


def check_text(text: str, truth: ClipFacts) -> FactCheck:
    """Hold a text against the truth.

    Example:
        >>> check = check_text("A left-footed soccer player shoots.", ClipFacts("soccer", "shot"))
        >>> [(one.kind, ok) for one, ok in zip(check.stated, check.true)]
        [('sport', True), ('act', True), ('side', False)]
    """
    stated, phases = read_facts(text)
    order = [name for name, _ in _PHASES if name in phases]
    same_act = Stated("act", truth.act or "") in stated
    is_in_order = truth.is_act and same_act and phases == order
    true = tuple(is_in_order if one.kind == "phases" else _is_true(one, truth) for one in stated)
    angles = set(truth.degrees)
    right = {
        "degrees" if one.kind in angles else one.kind
        for one, ok in zip(stated, true, strict=True)
        if ok
    }
    known = truth.known()
    return FactCheck(
        stated=tuple(stated),
        true=true,
        coverage=len(right & known) / max(1, len(known)),
        phases=len(phases) if is_in_order else 0,
        words=len(text.split()),
    )


def _is_true(one: Stated, truth: ClipFacts) -> bool:
    if isinstance(one.value, str):
        told = {"sport": truth.sport, "act": truth.act, "side": truth.side, "result": truth.result}
        return told.get(one.kind) == one.value
    if one.kind in ("moment", "start"):
        true_s = truth.moment_s if one.kind == "moment" else truth.start_s
        return true_s is not None and abs(one.value - true_s) <= WITHIN_S
    if one.kind == "speed":
        true_kmh = truth.speed_kmh
        return true_kmh is not None and abs(one.value - true_kmh) <= WITHIN_SHARE * true_kmh
    return one.kind in truth.degrees and abs(one.value - truth.degrees[one.kind]) <= WITHIN_DEG


@dataclass(frozen=True)
class WordScores:
    """How many words agree with the reference; not whether they are true."""

    bleu: float  # BLEU-4 of the corpus, 0–100
    rouge_l: float  # F, 0–100
    cider: float  # CIDEr-D, 0–10


@dataclass(frozen=True)
class WriterScore:
    """How true one writer is over clips."""

    truthfulness: Interval
    coverage: Interval
    density: Interval
    precision: Interval | None  # None where no number is stated
    phases: Interval | None  # of clips that show an act
    words: WordScores


def score_writer(
    texts: Sequence[str],
    truths: Sequence[ClipFacts],
    references: Sequence[str],
    sessions: Sequence[str],
    clip_ids: Sequence[str],
) -> WriterScore:
    """Score the texts of one writer, with 95 % intervals by session where there are enough.

    `references` are what is true, said by the rules: what words are compared with.
    """
    checks = [check_text(text, truth) for text, truth in zip(texts, truths, strict=True)]
    clusters = choose_clusters(sessions, clip_ids)

    def pooled(top: Sequence[float], bottom: Sequence[float]) -> Interval:
        a, b = np.array(top, float), np.array(bottom, float)
        return bootstrap(lambda w: (w @ a) / np.maximum(w @ b, 1e-9), clusters, within=(0, np.inf))

    ones = [1.0] * len(checks)
    numbers = [check.numbers for check in checks]
    acts = [float(truth.is_act) for truth in truths]
    right = [sum(check.true) for check in checks]
    return WriterScore(
        truthfulness=pooled(right, [len(check.true) for check in checks]),
        coverage=pooled([check.coverage for check in checks], ones),
        density=pooled([10 * one for one in right], [check.words for check in checks]),
        precision=pooled([a for a, _ in numbers], [b for _, b in numbers])
        if any(b for _, b in numbers)
        else None,
        phases=pooled([check.phases for check in checks], acts) if any(acts) else None,
        words=word_scores(texts, references),
    )


def score_table(scores: dict[str, WriterScore]) -> pd.DataFrame:
    """Return one row per writer."""
    rows = {
        name: {
            "true / stated": str(one.truthfulness),
            "coverage": str(one.coverage),
            "true per 10 words": str(one.density),
            "numbers right": "" if one.precision is None else str(one.precision),
            "phases of 3": "" if one.phases is None else str(one.phases),
            "BLEU": f"{one.words.bleu:.1f}",
            "ROUGE-L": f"{one.words.rouge_l:.1f}",
            "CIDEr-D": f"{one.words.cider:.2f}",
        }
        for name, one in scores.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("writer")
    return table.loc[:, (table != "").any()]


def word_scores(texts: Sequence[str], references: Sequence[str]) -> WordScores:
    """Compare texts with one reference each, by their words alone: a lie costs next to nothing."""
    from torchmetrics.functional.text import bleu_score, rouge_score

    ours, theirs = ([" ".join(_WORD.findall(one.lower())) for one in own]
                    for own in (texts, references))  # fmt: skip
    rouge: Any = rouge_score(ours, theirs, rouge_keys="rougeL", tokenizer=str.split)
    bleu: Any = bleu_score(ours, [[one] for one in theirs])
    return WordScores(
        100 * float(bleu),
        100 * float(rouge["rougeL_fmeasure"]),
        cider(ours, theirs),
    )


def cider(texts: Sequence[str], references: Sequence[str]) -> float:
    """Return CIDEr-D, 0–10, of texts in words apart (Vedantam et al. 2015, arXiv:1411.5726).

    Cosine of TF-IDF of n-grams, n up to 4, clipped and punished for another length. No library of
    it is kept up: the reference, pycocoevalcap, is of 2020 and 104 MB with its Java.
    """
    scores = np.zeros(len(texts))
    for n in range(1, 5):
        ours, theirs = ([_ngrams(one, n) for one in own] for own in (texts, references))
        seen_in = Counter(gram for one in theirs for gram in one)
        most = float(np.log(len(texts)))
        rare = {gram: most - float(np.log(count)) for gram, count in seen_in.items()}
        for row, (own, true) in enumerate(zip(ours, theirs, strict=True)):
            a, b = ({g: c * rare.get(g, most) for g, c in one.items()} for one in (own, true))
            length = np.sqrt(sum(v * v for v in a.values()) * sum(v * v for v in b.values()))
            alike = sum(min(value, b[gram]) * b[gram] for gram, value in a.items() if gram in b)
            off = sum(own.values()) - sum(true.values())
            scores[row] += alike / length * np.exp(-(off**2) / 72) if length else 0.0
    return float(10 * scores.mean() / 4)


def _ngrams(text: str, n: int) -> Counter[tuple[str, ...]]:
    words = text.split()
    return Counter(tuple(words[start : start + n]) for start in range(len(words) - n + 1))
