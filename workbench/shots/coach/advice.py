"""A coach's words as they may be shown: four parts, every sentence checked, none missing.

The unit is one sentence. What a coach says is cut into parts and sentences while it comes; one that
the guard rejects is replaced by that of the rules and marked, and where a coach is silent, stops or
never ends, the rules say the rest. Whatever talks, the form is the same and nothing else is shown.
"""

import queue
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workbench.shots.coach.coaches import Coach, CoachError, RulesCoach
from workbench.shots.coach.facts import ShotFacts
from workbench.shots.coach.guard import LONGEST, why_not
from workbench.shots.coach.rules import PARTS, Part, coach_by_rules

LONGEST_ANSWER_S = 60.0
_LONGEST_ANSWER = 2400  # characters
_SENTENCES = 2  # of a part that are shown
_INLINE = re.compile(r"(?<=\S)[ \t]+(?=\W{0,3}(?:Verdict|Fix ?[12]?|Drill)\W{0,3}:)")
_HEADING = re.compile(r"^[\s*_#\-\d.]*(verdict|fix|drill)\s*([12]?)[\s*_]*:[\s*_]*", re.I)
_END = re.compile(r"(?<=[.!?])\s+(?=\W?[A-Z]|\d[.)]\s)|\n+")
_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+")  # of a list
_LETTER = re.compile(r"[^\W\d]")
_PARTS_OF = {"verdict": 0, "fix1": 1, "fix2": 2, "drill": 3}


@dataclass(frozen=True)
class Sentence:
    """One sentence of a part."""

    part: Part
    text: str
    coach: str  # who said it
    replaced: str = ""  # why the coach's own was not shown; empty where it was


def advise(
    facts: ShotFacts,
    coach: Coach | None = None,
    pictures: Sequence[bytes] = (),
    *,
    longest_s: float = LONGEST_ANSWER_S,
) -> Iterator[Sentence]:
    """Yield a coach's sentences in the order of the parts, each checked; all four parts come.

    Args:
        facts: Of the shot.
        coach: Who talks; the rules by default.
        pictures: JPEGs of the strike, for a coach who sees.
        longest_s: How long it may talk.
    """
    coach, rules = coach or RulesCoach(), coach_by_rules(facts)
    if isinstance(coach, RulesCoach):
        yield from (Sentence(part, text, coach.name) for part, text in rules.items())
        return
    done, shown, stopped = 0, 0, "the coach left this out"  # parts that are over; sentences of it
    told = _placed(_lines(_pieces(coach, facts, pictures, longest_s)))
    while True:
        try:
            part, text = next(told)
        except StopIteration:
            break
        except CoachError as error:
            stopped = error.problem
            break
        for place in range(done, part):  # the coach is past them
            if place > done or not shown:
                yield Sentence(PARTS[place], rules[PARTS[place]], RulesCoach.name, stopped)
        done, shown = (part, 0) if part > done else (done, shown)
        if part < done or shown >= _SENTENCES:
            continue
        problem = why_not(text, facts)
        if problem is None:
            shown += 1
            yield Sentence(PARTS[part], text, coach.name)
        else:  # the rest of this part may rest on what was wrong
            shown = _SENTENCES
            yield Sentence(PARTS[part], rules[PARTS[part]], RulesCoach.name, problem)
    for place in range(done, len(PARTS)):
        if place > done or not shown:
            yield Sentence(PARTS[place], rules[PARTS[place]], RulesCoach.name, stopped)


def _placed(lines: Iterator[tuple[int | None, str]]) -> Iterator[tuple[int, str]]:
    """Sentences with their part: as headings say, or one after the other where there are none."""
    before: list[str] = []  # the first heading
    part: int | None = None
    for heading, text in lines:
        part = heading if heading is not None else part
        if part is None:
            before.append(text)
        elif text:
            yield part, text
    if part is None:
        yield from ((min(place, len(PARTS) - 1), text) for place, text in enumerate(before))


def _lines(pieces: Iterator[str]) -> Iterator[tuple[int | None, str]]:
    """Whole sentences as soon as they are there, with the part that a heading before them names."""
    text, length, fixes = "", 0, 0

    def read(sentence: str) -> tuple[int | None, str]:
        nonlocal fixes
        sentence = _ITEM.sub("", sentence)
        found = _HEADING.match(sentence)
        if found is None:
            return None, sentence.strip()
        name, number = found[1].lower(), found[2]
        if name == "fix":
            fixes += 1
            name += number or str(min(fixes, 2))
        return _PARTS_OF[name], sentence[found.end() :].strip()

    for piece in pieces:
        text, length = _INLINE.sub("\n", text + piece), length + len(piece)
        *whole, text = _END.split(text)
        yield from (read(sentence) for sentence in whole if _LETTER.search(sentence))
        if length > _LONGEST_ANSWER or len(text) > 2 * LONGEST:
            raise CoachError("the coach did not come to an end", "ask again")
    if _LETTER.search(text):
        yield read(text)


def _pieces(
    coach: Coach, facts: ShotFacts, pictures: Sequence[bytes], longest_s: float
) -> Iterator[str]:
    """What the coach says, from a thread of its own, so that its silence holds up nobody."""
    heard: queue.Queue[str | Exception | None] = queue.Queue()
    over = threading.Event()

    def listen() -> None:
        try:
            for piece in coach.stream(facts, pictures):
                heard.put(piece)
                if over.is_set():
                    return
            heard.put(None)
        except Exception as error:  # said in place of the rest, whatever it is
            heard.put(error)

    threading.Thread(target=listen, daemon=True).start()
    ends_at = time.monotonic() + longest_s
    silent_at = time.monotonic() + coach.patience_s
    try:
        while True:
            try:
                piece = heard.get(timeout=max(0.0, min(silent_at, ends_at) - time.monotonic()))
                if piece == "" and time.monotonic() >= min(silent_at, ends_at):
                    raise queue.Empty
            except queue.Empty:
                if time.monotonic() >= ends_at:
                    raise CoachError("the coach did not come to an end", "ask again") from None
                problem = f"the coach was silent for {coach.patience_s:g} s"
                raise CoachError(problem, "ask again") from None
            if piece is None:
                return
            if isinstance(piece, CoachError):
                raise piece
            if isinstance(piece, Exception):
                problem = f"the coach failed ({type(piece).__name__})"
                raise CoachError(problem, "ask another") from piece
            silent_at = time.monotonic() + coach.patience_s if piece else silent_at
            yield piece
    finally:
        over.set()
