"""The colours of a shot's pictures: one for each player, and a scale for the ball's speed.

The same on the video, in the figures and on the page. Knows names and numbers only.
"""

from collections.abc import Iterable
from itertools import cycle

import matplotlib
from matplotlib.colors import to_hex

from workbench.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION

PLAYER_COLOURS = (ORANGE, BLUE, PURPLE, GREEN, VERMILION)
FASTEST_KMH = 120.0  # the end of the colour scale
_DARKEST, _BRIGHTEST = 0.15, 0.95  # of the scale: its ends are hard to see on grass and sky


def player_colours(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for every player, the same wherever that player is drawn.

    Example:
        >>> player_colours(["P2", "P1", "P2"])["P1"] == PLAYER_COLOURS[0]
        True
    """
    in_order = sorted(set(names), key=lambda name: (len(name), name))  # P2 before P10
    return dict(zip(in_order, cycle(PLAYER_COLOURS), strict=False))


def speed_colour(speed_kmh: float) -> str:
    """Return the colour of a speed: dark is slow, bright is fast, also in grey."""
    share = min(1.0, max(0.0, speed_kmh) / FASTEST_KMH)
    place = _DARKEST + (_BRIGHTEST - _DARKEST) * share
    return to_hex(matplotlib.colormaps["plasma"](place)).upper()
