"""Slices of the test clips: is the classifier worse in the dark, in blur, from afar, in a session?

The unit is one clip and what can be measured of its frames alone, so that any footage can be
sliced. How far away the action is shows in the size of what moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.actions.clipset import Clipset, Frames
from workbench.actions.predict import Predictions
from workbench.stats import (
    Interval,
    choose_clusters,
    pooled_difference,
    pooled_share,
    widened,
    wilson,
)

# What is measured, and what its lowest and highest third are called.
MEASURES: Mapping[str, tuple[str, str]] = {
    "light": ("dark", "bright"),
    "sharpness": ("blurred", "sharp"),
    "size of what moves": ("small or far", "large or near"),
}
_MOVES = 0.25  # of the largest change in a clip: what counts as moving


@dataclass(frozen=True)
class Slice:
    """Accuracy on some of the test clips."""

    by: str
    part: str
    accuracy: Interval


def measure_clips(clipset: Clipset) -> pd.DataFrame:
    """Return light (mean luma, 0–255), sharpness and size of what moves (share of the height).

    Sharpness is the variance of the Laplacian, after Pech-Pacheco et al. (2000), in units of the
    clip's own contrast, so that dark clips do not count as blurred.
    """
    rows = [_measure(clipset.frames(place)) for place in range(len(clipset))]
    index = pd.Index(clipset.clip_ids, name="clip_id")
    return pd.DataFrame(rows, index=index, columns=list(MEASURES))


def _measure(frames: Frames) -> tuple[float, float, float]:
    gray = np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames])
    middle = gray[len(gray) // 2].astype(np.float32)
    sharpness = float(cv2.Laplacian(middle, cv2.CV_32F).var() / (middle.var() + 1.0))
    change = np.abs(np.diff(gray.astype(np.float32), axis=0)).max(axis=0)
    change = cv2.blur(change, (3, 3))  # noise moves everywhere, and nowhere twice
    rows = np.flatnonzero((change > _MOVES * change.max()).any(axis=1))  # none: a still picture
    height = (rows[-1] - rows[0] + 1) / gray.shape[1] if len(rows) else 0.0
    return float(gray.mean()), sharpness, float(height)


def slice_accuracy(predictions: Predictions, measures: pd.DataFrame) -> list[Slice]:
    """Return accuracy in the lowest, middle and highest third of each measure, and per session."""
    right = predictions.is_right()
    found = []
    for name in measures:
        thirds = _thirds(measures[name].loc[list(predictions.clip_ids)].to_numpy(float))
        low, high = MEASURES.get(str(name), ("low", "high"))
        for third, part in enumerate((low, "between", high)):
            found.append(Slice(str(name), part, _accuracy(predictions, right, thirds == third)))
    sessions = np.array(predictions.sessions)
    for session in dict.fromkeys(predictions.sessions):
        found.append(Slice("session", session, _accuracy(predictions, right, sessions == session)))
    return found


def find_weak_slices(predictions: Predictions, measures: pd.DataFrame) -> list[str]:
    """Return a sentence for each measure whose outer thirds differ beyond chance.

    The intervals are widened for the number of measures looked at (Bonferroni, by a normal factor).
    """
    right = predictions.is_right()
    clusters = choose_clusters(predictions.sessions, predictions.clip_ids)
    lines = []
    for name in measures:
        thirds = _thirds(measures[name].loc[list(predictions.clip_ids)].to_numpy(float))
        first, last = thirds == 0, thirds == 2
        if not (first.any() and last.any()):
            continue
        gap = pooled_difference((right & first, first), (right & last, last), clusters)
        half = (gap.high - gap.low) / 2 * widened(len(measures.columns))
        if abs(gap.value) > half:
            low, high = MEASURES.get(str(name), ("low", "high"))
            worse, better = (high, low) if gap.value < 0 else (low, high)
            lines.append(
                f"{name}: {100 * abs(gap.value):.0f} points worse where it is {worse} than where "
                f"it is {better} (95 % interval ± {100 * half:.0f}, n={first.sum() + last.sum()})."
            )
    return lines


def _accuracy(
    predictions: Predictions, right: npt.NDArray[np.bool_], kept: npt.NDArray[np.bool_]
) -> Interval:
    clusters = choose_clusters(
        [one for one, is_kept in zip(predictions.sessions, kept, strict=True) if is_kept],
        [one for one, is_kept in zip(predictions.clip_ids, kept, strict=True) if is_kept],
    )
    return pooled_share(right[kept], None, clusters) or wilson(0, 0)


def _thirds(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Third that each value is in; equal values are never parted."""
    return np.searchsorted(np.quantile(values, [1 / 3, 2 / 3]), values, side="right")
