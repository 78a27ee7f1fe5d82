"""A second look at the frames of a window, once it is known roughly where and how the ball is.

The ball's colours are learned from the chain of blobs found first; then whatever has changed and
has these colours is a candidate: in front of a body, between legs, in the net, where a difference
from the background alone melts the ball with what it touches. The unit is a frame and its
`Change`. Knows nothing about chains: which candidate is the ball is decided by `ballpath`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from workbench.detect.motion.change import Blob, Change, Mask

_BINS = 16  # per axis of L*a*b*; lightness over its range, a and b over the half that occurs
_LIKELY = 0.35  # evidence that makes a pixel part of a candidate
_FULL_CONTRAST = 40.0  # difference from the background, in grey levels, that counts in full

Colours = NDArray[np.int64]  # bin of each pixel


def colours_of(pixels: NDArray[np.uint8]) -> Colours:
    """Colour bins of RGB pixels (N, 3)."""
    if not len(pixels):
        return np.zeros(0, np.int64)
    lab = cv2.cvtColor(pixels[None], cv2.COLOR_RGB2LAB)[0].astype(np.int64)
    lightness = lab[:, 0] * _BINS // 256
    a, b = np.clip((lab[:, 1:] - 64) * _BINS // 128, 0, _BINS - 1).T
    return np.asarray((lightness * _BINS + a) * _BINS + b)


def count_colours(samples: Iterable[Colours]) -> NDArray[np.float64]:
    """How many pixels of each colour there are."""
    counts = np.zeros(_BINS**3)
    for sample in samples:
        counts += np.bincount(sample, minlength=_BINS**3)
    return counts


@dataclass(frozen=True)
class BallLook:
    """The colours of one ball against those of everything else that moves."""

    likelihood: NDArray[np.float32]  # (bins,) that a changed pixel of this colour is the ball's

    @classmethod
    def learn(cls, ball: Sequence[Colours], changed: NDArray[np.float64]) -> "BallLook":
        """Learn from the ball's pixels in some frames and the colour counts of all that changed."""
        own = _spread(count_colours(ball))
        all_changed = _spread(changed)
        return cls(np.asarray(own / (own + all_changed + 1e-6), np.float32))

    def of(self, colours: Colours) -> float:
        """Mean likelihood of some pixels."""
        return float(self.likelihood[colours].mean())


def look_again(change: Change, look: BallLook) -> list[Blob]:
    """Regions of a frame that have changed and look like the ball, however they lie."""
    evidence = np.zeros(change.weak.shape, np.float32)
    contrast = np.minimum(change.difference[change.weak] / _FULL_CONTRAST, 1)
    evidence[change.weak] = look.likelihood[colours_of(change.image[change.weak])] * contrast
    evidence = np.asarray(cv2.GaussianBlur(evidence, (3, 3), 0.8), np.float32)
    likely = np.asarray(evidence > _LIKELY, np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(likely, connectivity=8)
    height, width = likely.shape
    found = []
    for number in range(1, count):
        x, y, columns, rows, area = (int(value) for value in boxes[number])
        if not 3 <= area <= 0.003 * height * width or max(rows, columns) > 0.1 * height:
            continue
        own: Mask = labels[y : y + rows, x : x + columns] == number
        found.append(Blob(x, y, own, float(evidence[y : y + rows, x : x + columns][own].mean())))
    return found


def _spread(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of colours, each bin's shared out to its neighbours: nearby colours are alike."""
    smooth = gaussian_filter(counts.reshape(_BINS, _BINS, _BINS), 0.7).ravel()
    return np.asarray(smooth / max(smooth.sum(), 1e-9))
