"""What people have settled on: at most one answer per clip, and why the others have none.

The unit is one clip. An adjudicator's word counts before all others; without one, what more people
said than anything else. Ties and "unsure" settle nothing. Knows nothing about datasets.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from workbench.labels.agreement import UNSURE, answer_of
from workbench.labels.lastword import last_words
from workbench.labels.store import LabelStore

_LAST = ""  # no annotator is called so: whose word is the last
By = Literal["the adjudicator", "one person", "all", "most"]


@dataclass(frozen=True)
class Choice:
    """Which of the labelled clips are wanted."""

    only_agreed: bool = False  # clips that two people or more, or the adjudicator, have settled
    least_stars: int | None = None  # median of the ratings; a clip without one is left out


@dataclass(frozen=True)
class Settled:
    """The answers, and what became of the other labelled clips."""

    item_to_classes: Mapping[str, tuple[str, ...]]
    item_to_by: Mapping[str, By]  # of the same items
    item_to_reason: Mapping[str, str]  # of the labelled items that are left out

    @property
    def counts(self) -> dict[str, int]:
        """How many clips were settled by whom, and left out for which reason."""
        settled = Counter(f"settled by {by}" for by in self.item_to_by.values())
        left_out = Counter(f"left out: {why}" for why in self.item_to_reason.values())
        return dict(sorted(settled.items())) | dict(sorted(left_out.items()))


def settle(
    store: LabelStore, items: Collection[str] | None = None, choice: Choice | None = None
) -> Settled:
    """Return the class or classes that people have settled on, of some items or all.

    Skipped clips were not judged.

    Example:
        >>> settle(store, choice=Choice(least_stars=3)).counts  # doctest: +SKIP
        {'settled by all': 212, 'settled by the adjudicator': 9, 'left out: a tie': 4}
    """
    choice = choice or Choice()
    last = {(_LAST, item): entry.value or {} for item, entry in last_words(store, "class").items()}
    item_to_said: dict[str, dict[str, str]] = {}
    names: dict[str, tuple[str, ...]] = {UNSURE: ()}  # by answer
    for (who, item), value in {**store.values("class", items), **last}.items():
        answer = answer_of("class", value)
        if answer is not None and (items is None or item in items):
            names[answer] = tuple(value.get("classes", ()))
            item_to_said.setdefault(item, {})[who] = answer
    stars = _median_stars(store) if choice.least_stars is not None else {}
    classes: dict[str, tuple[str, ...]] = {}
    settled_by: dict[str, By] = {}
    reasons: dict[str, str] = {}
    for item, said in sorted(item_to_said.items()):
        answer, by = _answer(said)
        if choice.least_stars is not None and stars.get(item, 0) < choice.least_stars:
            fewer = f"fewer than {choice.least_stars} stars"
            reasons[item] = fewer if item in stars else "no stars"
        elif answer is None:
            reasons[item] = "a tie"
        elif answer == UNSURE:
            reasons[item] = "unsure"
        elif choice.only_agreed and by not in ("the adjudicator", "all"):
            reasons[item] = "not agreed by two or more"
        else:
            classes[item], settled_by[item] = names[answer], by
    return Settled(classes, settled_by, reasons)


def settle_in(
    database: str | Path, items: Collection[str] | None = None, choice: Choice | None = None
) -> Settled:
    """Do `settle` in the database at this address; where there is none yet, nothing is settled."""
    if "://" not in str(database) and not Path(database).is_file():
        return Settled({}, {}, {})
    with LabelStore(database, create=False) as store:
        return settle(store, items, choice)


def _answer(said: Mapping[str, str]) -> tuple[str | None, By]:
    if _LAST in said:
        return said[_LAST], "the adjudicator"
    counted = Counter(said.values()).most_common()
    if len(counted) == 1:
        return counted[0][0], "all" if len(said) > 1 else "one person"
    is_tie = counted[0][1] == counted[1][1]
    return None if is_tie else counted[0][0], "most"


def _median_stars(store: LabelStore) -> dict[str, float]:
    item_to_stars: dict[str, list[int]] = {}
    for (_, item), value in store.values("rating").items():
        if "stars" in value:
            item_to_stars.setdefault(item, []).append(value["stars"])
    return {item: median(stars) for item, stars in item_to_stars.items()}
