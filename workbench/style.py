"""One colour per class, the same in every figure and overlay.

The colours are Okabe and Ito's (2008): told apart by readers with any common colour blindness, and
of different lightness, so that most pairs also differ in grey. Knows names and colours only;
drawing is left to the figures.
"""

from collections.abc import Iterable

ORANGE, SKY, GREEN, YELLOW = "#E69F00", "#56B4E9", "#009E73", "#F0E442"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#8C8C8C"
INK, SOFT = "#222222", "#767676"  # words, and words that matter less

CLASS_TO_COLOUR = {
    # the sports of the clip classifier
    "baseball": VERMILION,
    "basketball": ORANGE,
    "soccer": GREEN,
    "none": GREY,
    # the things a detector finds
    "person": BLUE,
    "ball": YELLOW,
    "goal": SKY,
    "player_with_ball": PURPLE,
}
_SPARE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW)


def class_colours(classes: Iterable[str]) -> dict[str, str]:
    """Return a hex colour for every class, in the order given.

    Known classes keep their colour whatever stands beside them; others take the colours that are
    left, and start over when there are more classes than colours.

    Example:
        >>> class_colours(["soccer", "none"])
        {'soccer': '#009E73', 'none': '#8C8C8C'}
    """
    names = list(classes)
    taken = {CLASS_TO_COLOUR[name] for name in names if name in CLASS_TO_COLOUR}
    spare = [colour for colour in _SPARE if colour not in taken] or list(_SPARE)
    unknown = [name for name in names if name not in CLASS_TO_COLOUR]
    colours = {name: spare[place % len(spare)] for place, name in enumerate(unknown)}
    return {name: CLASS_TO_COLOUR.get(name) or colours[name] for name in names}


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a hex colour as red, green and blue in 0–255, for drawing on frames.

    Example:
        >>> rgb("#0072B2")
        (0, 114, 178)
    """
    value = int(colour.removeprefix("#"), 16)
    return value >> 16, (value >> 8) & 255, value & 255
