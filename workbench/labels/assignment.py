"""Assignment of clips to annotators, with clips of known answers mixed in for everybody.

The unit is one clip. Who gets it is drawn from its name and the annotators' names alone: the same
on every machine, and a clip that comes later changes nobody's share of the others.
"""

import hashlib
from collections.abc import Collection, Sequence

from workbench.labels.values import LabelError, check_text


def assign(
    items: Sequence[str],
    annotators: Sequence[str],
    each: int = 2,
    to_all: Collection[str] = (),
) -> dict[str, tuple[str, ...]]:
    """Return the clips of every annotator, in the order of `items`.

    Args:
        items: The clips.
        annotators: Who labels.
        each: How many people get a clip; agreement is measured where that is two or more.
        to_all: Clips that everybody gets, such as those whose answer is known.

    Raises:
        LabelError: If a name is there twice, or there are fewer annotators than a clip needs.

    Example:
        >>> shares = assign(["a", "b", "c", "d"], ["ann", "ben", "carla"], each=1, to_all=["d"])
        >>> [len(share) for share in shares.values()]
        [2, 2, 2]
    """
    names = [check_text(name, "the name of an annotator") for name in annotators]
    if len(set(names)) < len(names):
        raise LabelError(f"{', '.join(names)}: one is there twice", "name everybody once")
    if not 1 <= each <= len(names):
        raise LabelError(
            f"{each} of {len(names)} annotators cannot label each clip",
            f"give from 1 to {len(names)}, or name more annotators",
        )
    shares: dict[str, list[str]] = {name: [] for name in names}
    for item in items:
        # The highest of one draw per annotator (rendezvous hashing): others' draws do not matter.
        drawn = sorted(names, key=lambda name: _draw(item, name), reverse=True)
        for name in names if item in to_all else drawn[:each]:
            shares[name].append(item)
    return {name: tuple(share) for name, share in shares.items()}


def _draw(item: str, annotator: str) -> bytes:
    return hashlib.sha256(f"{annotator}\n{item}".encode()).digest()
