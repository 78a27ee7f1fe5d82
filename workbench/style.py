"""The look of all figures: one colour per class, axes, and the marks that many figures share.

The colours are Okabe and Ito's (2008): told apart by readers with any common colour blindness, and
of different lightness, so that most pairs also differ in grey. Servers take colours from here, so
matplotlib is loaded by the first figure, not with this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from workbench.stats import Interval

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
_GAP = 4  # pixels between the pictures of a sheet
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


def axes_or_new(ax: Axes | None, wh_in: tuple[float, float], *, layout: str | None = None) -> Axes:
    """Return the axes given, or those of a new figure.

    Args:
        ax: Where the caller wants the drawing; None: in a figure of its own.
        wh_in: Width and height of that figure in inches.
        layout: Of that figure, say "constrained" for labels that need room.
    """
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    new: Axes = plt.subplots(figsize=wh_in, layout=layout)[1]
    return new


def open_frame(ax: Axes) -> Axes:
    """Leave out the top and right edge of the frame; returns the axes."""
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def draw_sheet(
    rows: Sequence[Sequence[npt.NDArray[np.uint8]]],
    captions: Sequence[str],
    title: str,
    ax: Axes | None = None,
    *,
    empty: str = "nothing",
) -> Axes:
    """Draw rows of pictures (H, W, 3), RGB, below each other, each row with its caption beside it.

    Pictures of a row are of one height. Where a row is shorter than others the sheet is white;
    without rows it says `empty`.
    """

    def padded(picture: npt.NDArray[np.uint8], below: int, beside: int) -> npt.NDArray[np.uint8]:
        return np.pad(picture, ((0, below), (0, beside), (0, 0)), constant_values=255)

    strips = [np.concatenate([padded(one, _GAP, _GAP) for one in row], axis=1) for row in rows]
    heights = np.array([len(strip) for strip in strips])
    width = max((strip.shape[1] for strip in strips), default=1)
    ax = axes_or_new(ax, (10, max(1.5, 0.5 + 9 * heights.sum() / width)))
    if strips:
        ax.imshow(np.concatenate([padded(one, 0, width - one.shape[1]) for one in strips]))
    else:
        ax.text(0.5, 0.5, empty, ha="center", va="center", transform=ax.transAxes, color=SOFT)
    ax.set_title(title, loc="left")
    ax.set_yticks(heights.cumsum() - heights / 2, captions, fontsize=8)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def draw_interval(
    ax: Axes,
    estimate: Interval,
    at: float,
    *,
    colour: str,
    marker: str = "o",
    mark_colour: str = INK,
    upright: bool = False,
) -> None:
    """Draw an estimate as a mark on a bar from the low to the high end of its interval.

    Args:
        ax: Where to draw.
        estimate: What to draw.
        at: Its place on the other axis.
        colour: Of the bar.
        marker: Of the value.
        mark_colour: Of the value.
        upright: Whether values run along y instead of x.
    """
    draw_bar = ax.vlines if upright else ax.hlines
    draw_bar(at, estimate.low, estimate.high, color=colour, linewidth=4, alpha=0.6)
    place = (at, estimate.value) if upright else (estimate.value, at)
    ax.plot(*place, marker, color=mark_colour, markersize=6)


def draw_cells(
    ax: Axes,
    counts: npt.NDArray[np.int64],
    words: Callable[[int, int, float], str],
    names: Sequence[str],
) -> None:
    """Draw a confusion matrix, its cells shaded by the share of their row.

    Args:
        ax: Where to draw.
        counts: (true, called).
        words: What stands in a cell, given row, column and the share of the row.
        names: Of the classes, in the order of rows and columns.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.set(xlabel="called", ylabel="true class", title="What is taken for what?")
    for true, called in np.ndindex(*counts.shape):
        ax.text(
            called,
            true,
            words(true, called, shares[true, called]),
            ha="center",
            va="center",
            color="white" if shares[true, called] > 0.5 else INK,
            fontweight="bold" if true == called else "normal",
        )
