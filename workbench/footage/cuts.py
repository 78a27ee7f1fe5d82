"""Takes of a video: its hard cuts, and frames that repeat the one before.

The unit is one video, looked through once in small pictures. A cut is where the picture cannot be
followed from one frame to the next, and its colours change at once or it was followed well until
then; a jump within one view is one where far more changes than before and far less is followed. A
repeated frame shows the picture before it once more, as screen recordings do: a speed across it is
wrong. Fades and wipes are no hard cuts; registration to a reference fails there.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from workbench.footage.frames import iter_frames
from workbench.footage.packets import read_packets
from workbench.footage.planemaps import Floats, Image, follow

_SHORT_SIDE_PX = 180
_CUT_COLOURS = 0.45  # median over nine fields of the share of pixels with another colour
_CUT_FOLLOWED = 0.20  # share of corners that still fit one motion
_JUMP_TIMES, _JUMP_LEVELS = 6.0, 2.0  # mean difference against that usual before, in grey levels
_CHANGE_TIMES = 1.5  # the same where nothing can be followed any more
_JUMP_FOLLOWED = 0.25  # by so much less is followed than just before
_FEWEST_OF_FIELD = 3  # corners
_BEFORE = 12  # changes that say what is usual
_AROUND = 6  # changes before and after a repeat that say what is usual
_USUAL = 80  # their percentile: in half of a recording's changes nothing may change
_REPEAT_SHARE = 0.1  # of what usually changes, over the picture and in its most changing field
_MOVING_LEVELS = 0.5  # what usually changes where anything moves


@dataclass(frozen=True)
class Takes:
    """What a look through frames [start, end) of a video found."""

    start: int
    end: int
    cuts: tuple[int, ...]  # the first frame of each further take
    repeats: tuple[int, ...]  # frames that show the picture before them again

    @property
    def takes(self) -> tuple[tuple[int, int], ...]:
        """Frames [start, end) of each take, in order."""
        return tuple(pairwise((self.start, *self.cuts, self.end)))

    def take_of(self, frame: int) -> tuple[int, int]:
        """Frames [start, end) of the take that holds a frame."""
        return next(take for take in self.takes if take[0] <= frame < take[1])

    def cuts_within(self, start: int, end: int) -> tuple[int, ...]:
        """Cuts that part frames [start, end)."""
        return tuple(cut for cut in self.cuts if start < cut < end)


@dataclass(frozen=True)
class _Change:
    """How a frame differs from the one before."""

    frame: int
    difference: float  # mean, in grey levels
    field: float  # the same of the field, of 16 × 9, that differs most
    is_cut: bool


def find_takes(path: Path | str, start: int = 0, stop: int | None = None) -> Takes:
    """Look through frames [start, stop) of a video for cuts and repeated frames.

    Frames that cannot be decoded are passed over.

    Raises:
        FootageError: If the file cannot be read.
        FrameRangeError: If it has no such frames.

    Example:
        >>> find_takes("penalty.mp4").takes  # doctest: +SKIP
        ((0, 85), (85, 87))
    """
    table = read_packets(path)
    stop = table.frame_count if stop is None else stop
    scale = min(1.0, _SHORT_SIDE_PX / min(table.size_wh))
    width, height = (max(1, round(side * scale)) for side in table.size_wh)
    frames = iter_frames(path, start=start, stop=stop, size_wh=(width, height), skip_lost=True)
    changes = list(_changes((frame.index, frame.image) for frame in frames))
    cuts = tuple(change.frame for change in changes if change.is_cut)
    return Takes(start, stop, cuts, _repeats(changes))


def find_cuts(frames: Iterable[tuple[int, Image]]) -> list[int]:
    """Return the numbers of those frames, RGB (H, W, 3) in order, at which a take begins."""
    return [change.frame for change in _changes(frames) if change.is_cut]


def _changes(frames: Iterable[tuple[int, Image]]) -> Iterator[_Change]:
    """Compare each frame with the one before; holds three small pictures."""
    greys: deque[Image] = deque(maxlen=3)
    usual: deque[float] = deque(maxlen=_BEFORE)
    colours_before: Floats | None = None
    for number, image in frames:
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        greys.append(grey)
        colours = _colours(image)
        if colours_before is not None:
            apart = cv2.absdiff(greys[-2], grey).astype(np.float32)
            difference = float(apart.mean())
            field = float(cv2.resize(apart, (16, 9), interpolation=cv2.INTER_AREA).max())
            changed = float(np.median(1 - np.minimum(colours, colours_before).sum(axis=1)))
            is_cut = _is_cut(greys, difference, changed, usual)
            if is_cut:
                usual.clear()
            else:
                usual.append(difference)
            yield _Change(number, difference, field, is_cut)
        colours_before = colours


def _is_cut(greys: Sequence[Image], difference: float, changed: float, usual: deque[float]) -> bool:
    if changed > _CUT_COLOURS:
        return _followed(greys[-2], greys[-1]) < _CUT_FOLLOWED
    if len(usual) < _BEFORE // 2:  # nobody knows yet what is usual
        return False
    before = float(np.percentile(usual, _USUAL))
    if difference < _CHANGE_TIMES * before + _JUMP_LEVELS:
        return False
    # Compared with two frames before, since the one before may be a repeat.
    followed, as_before = _followed(greys[-2], greys[-1]), _followed(greys[-3], greys[-2])
    is_jump = difference > _JUMP_TIMES * before + _JUMP_LEVELS
    return followed < as_before - _JUMP_FOLLOWED and (is_jump or followed < _CUT_FOLLOWED)


def _colours(image: Image) -> Floats:
    """Histograms (9, 96) of hue and value in nine fields, each summing to 1."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    counted = [
        cv2.calcHist([np.ascontiguousarray(field)], [0, 2], None, [12, 8], [0, 180, 0, 256]).ravel()
        for band in np.array_split(hsv, 3, axis=0)
        for field in np.array_split(band, 3, axis=1)
    ]
    return np.asarray([counts / max(1.0, counts.sum()) for counts in counted], np.float64)


def _followed(before: Image, after: Image) -> float:
    """The share of corners of one grey picture that one motion takes to the other.

    The median of nine fields, so that a score board, which stays across a cut, does not count.
    """
    corners = cv2.goodFeaturesToTrack(before, 200, 0.01, 5)
    if corners is None or len(corners) < 9 * _FEWEST_OF_FIELD:
        return 0.0
    start = corners.reshape(-1, 2).astype(float)
    there, kept = follow(before, after, start, window=15, levels=4)
    if kept.sum() < 6:
        return 0.0
    fit = cv2.estimateAffinePartial2D(start[kept], there[kept], ransacReprojThreshold=1.5)
    follows = np.zeros(len(corners))
    follows[np.flatnonzero(kept)] = np.ravel(fit[1])
    columns, rows = (start * 3 // before.shape[::-1]).astype(int).T
    fields = [follows[(3 * rows + columns) == field] for field in range(9)]
    return float(np.median([found.mean() for found in fields if len(found) >= _FEWEST_OF_FIELD]))


def _repeats(changes: Sequence[_Change]) -> tuple[int, ...]:
    """Frames in which next to nothing changes although things move before and after."""
    measures = np.array([(c.difference, c.field) for c in changes if not c.is_cut]).reshape(-1, 2)
    numbers = [change.frame for change in changes if not change.is_cut]
    found = []
    for place, number in enumerate(numbers):
        around = measures[max(0, place - _AROUND) : place + _AROUND + 1]
        usual = np.percentile(around, _USUAL, axis=0)
        moves = usual[0] > _MOVING_LEVELS
        if moves and (measures[place] < _REPEAT_SHARE * usual).all():
            found.append(number)
    return tuple(found)
