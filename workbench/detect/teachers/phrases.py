"""The words that stand for our classes when a model is asked by text.

The unit is a phrase. Models answer in their own words ("a soccer ball"), which are read back into
a class here. Knows nothing about models.
"""

from collections.abc import Mapping, Sequence

from workbench.detect.detections import CLASSES
from workbench.detect.teacher import TeacherError

Phrases = Mapping[str, Sequence[str]]  # class name to what it is asked for by

DEFAULT_PHRASES: Phrases = {"person": ("person",), "ball": ("ball",), "goal": ("goal post",)}


def checked_phrases(phrases: Phrases) -> dict[str, tuple[str, ...]]:
    """Phrases per class in one spelling: lower case, single spaces.

    Raises:
        TeacherError: If a class is not ours, or a phrase is empty or stands for two classes.
    """
    clean: dict[str, tuple[str, ...]] = {}
    for name, own in phrases.items():
        if name not in CLASSES:
            raise TeacherError(f"no class is called {name!r}", f"choose from {', '.join(CLASSES)}")
        clean[name] = tuple(_plain(phrase) for phrase in own)
    every = [phrase for own in clean.values() for phrase in own]
    if not every or "" in every or len(set(every)) < len(every):
        raise TeacherError(
            f"the phrases {every} cannot be told apart", "give each class words of its own"
        )
    return clean


def class_of(answer: str, phrases: Mapping[str, Sequence[str]]) -> str | None:
    """The class that a model's words mean; None if they name none of ours, or two of them.

    Args:
        answer: For example "Soccer balls", "goal post" or "a person".
        phrases: From `checked_phrases`.

    Example:
        >>> class_of("A Ball", DEFAULT_PHRASES)
        'ball'
    """
    words = _plain(answer)
    for name, own in phrases.items():
        if words in own:
            return name
    said = words.split()
    matches = {name for name, own in phrases.items() for phrase in own if _says(said, phrase)}
    return matches.pop() if len(matches) == 1 else None


def _says(said: Sequence[str], phrase: str) -> bool:
    wanted = phrase.split()
    singular = [word.removesuffix("s") for word in said]
    return any(
        words[place : place + len(wanted)] == wanted
        for words in (list(said), singular)
        for place in range(len(words) - len(wanted) + 1)
    )


def _plain(text: str) -> str:
    return " ".join(text.lower().replace(".", " ").split())
