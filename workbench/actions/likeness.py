"""Near-duplicate clips: the same film encoded anew, cropped a little, or mirrored.

The unit is one clip's stored frames. Its print is the low frequencies of brightness in space and
time (a three-dimensional cosine transform); mirroring only turns the sign of every second one. What
stands still and what moves are compared apart: clips of one fixed camera share their scene and are
no duplicates, clips in which nothing moves have nothing else. The same action cut at another
moment is not found: whole source videos stay on one side for that.

Source: Coskun, Sankur and Memon (2006), "Spatio-temporal transform based video hashing". Limits:
`tests/test_likeness.py` plants copies, docs/LOG.md has the figures on real clips.
"""

from collections.abc import Callable, Iterable

import cv2
import numpy as np
import numpy.typing as npt
from scipy.fft import dctn

from workbench.actions.augment import Frames

_SIDE_PX, _MOMENTS = 32, 16  # a clip's frames before the transform
_LOW, _LOW_IN_TIME = 8, 4  # frequencies kept per side, and in time
_SCENE_ALIKE, _MOTION_ALIKE = 0.85, 0.75  # correlation from which two clips show the same
_STILL = 0.08  # motion by scene, of square roots of energies: noise 0.05, real clips 0.13 and more
_CROPS = (0.0, 0.025, 0.05)  # of each side; a crop of one side alone is met half way
_MIRROR = np.tile([1.0, -1.0], _LOW // 2).astype(np.float32)  # signs of the cosines across
_BLOCK = 512  # clips compared at a time

Prints = npt.NDArray[np.float32]


def clip_print(frames: Frames) -> Prints:
    """Return a clip's low frequencies in time, down and across (4, 8, 8); the mean is left out."""
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) for frame in frames]
    moments = np.linspace(0, len(gray) - 1, _MOMENTS).round().astype(int)
    size = (_SIDE_PX, _SIDE_PX)
    cube = np.stack([cv2.resize(gray[m], size, interpolation=cv2.INTER_AREA) for m in moments])
    low = dctn(cube, norm="ortho")[:_LOW_IN_TIME, :_LOW, :_LOW].astype(np.float32)
    low[0, 0, 0] = 0  # the exposure
    compressed: Prints = np.sign(low) * np.sqrt(np.abs(low))  # no single one decides
    return compressed


def near_duplicates(count: int, frames: Callable[[int], Frames]) -> list[tuple[int, int]]:
    """Return the pairs of clips, by number, that show the same film; `frames` reads one of them.

    Example:
        >>> near_duplicates(len(clipset), clipset.frames)  # doctest: +SKIP
        [(3, 17)]
    """
    if count < 2:
        return []
    prints = np.stack([[clip_print(part) for part in _middles(frames(n))] for n in range(count)])
    whole = prints[:, 0]
    # A copy is the clip, or its middle, as it is or mirrored.
    ways = [prints[:, crop] * turn for crop in range(len(_CROPS)) for turn in (1.0, _MIRROR)]
    return sorted({pair for way in ways for pair in _pairs(way, whole)})


def _middles(frames: Frames) -> Iterable[Frames]:
    height, width = frames.shape[1:3]
    for share in _CROPS:
        down, across = round(share * height), round(share * width)
        yield frames[:, down : height - down, across : width - across]


def likeness(way: Prints, others: Prints) -> tuple[Prints, Prints]:
    """Return how alike scenes and motions are, correlations of each with each (N, M)."""
    return _correlation(way[:, 0], others[:, 0]), _correlation(way[:, 1:], others[:, 1:])


def _pairs(way: Prints, others: Prints) -> Iterable[tuple[int, int]]:
    is_still = _strength(others) < _STILL
    for first in range(0, len(way), _BLOCK):
        rows = slice(first, first + _BLOCK)
        scene, motion = likeness(way[rows], others)
        moves_alike = (motion >= _MOTION_ALIKE) | (is_still[rows, None] & is_still[None])
        for row, other in np.argwhere((scene >= _SCENE_ALIKE) & moves_alike).tolist():
            if first + row != other:
                yield min(first + row, other), max(first + row, other)


def _strength(prints: Prints) -> Prints:
    scene, motion = (part.reshape(len(prints), -1) for part in (prints[:, 0], prints[:, 1:]))
    found: Prints = np.linalg.norm(motion, axis=1) / (np.linalg.norm(scene, axis=1) + 1e-6)
    return found


def _correlation(some: Prints, others: Prints) -> Prints:
    flat = [one.reshape(len(one), -1) for one in (some, others)]
    units = [one / (np.linalg.norm(one, axis=1, keepdims=True) + 1e-6) for one in flat]
    found: Prints = units[0] @ units[1].T
    return found
