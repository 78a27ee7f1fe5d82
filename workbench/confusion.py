"""A confusion matrix as a picture: what was called what, shaded by the share of its row.

Takes counts; where they come from, and what the rows and columns are called, is the caller's.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from workbench.style import INK


def draw_cells(
    ax: Axes, counts: npt.NDArray[np.int64], words: Callable[[int, int, float], str]
) -> None:
    """Draw the cells.

    Args:
        ax: Where to draw.
        counts: (true, called).
        words: What stands in a cell, given row, column and the share of the row.
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Greys", vmin=0, vmax=1)
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
