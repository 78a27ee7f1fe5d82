"""A long video as chunks of small frames, and how much moves in every part of each frame.

The unit is a chunk: a minute of one video with some seconds on either side, decoded once. Memory is
that of a chunk, however long the video. Motion is what is left between neighbouring frames after
the camera's own shift is taken out; nothing moves across a hard cut.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, uniform_filter

from workbench.footage.cuts import find_cuts
from workbench.footage.frames import iter_frames
from workbench.footage.packets import PacketTable, read_packets

CHUNK_S, MARGIN_S = 60.0, 4.0
CELLS_WH = (32, 18)  # parts of a frame
LOOK_S = 1.0  # between the larger frames in which people are looked for
_RATE = 15  # frames per second, about
_HEIGHT_PX, _LOOK_HEIGHT_PX = 216, 540  # at most
_MOTION_WH = (256, 144)
_NOISE = 2.0  # medians of a difference that are noise
_SMOOTH_S = 0.13  # in time

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Frames around [start_s, end_s) of a video."""

    start_s: float
    end_s: float
    frames: Image  # (N, h, w, 3) RGB
    times_s: Floats  # (N,)
    numbers: npt.NDArray[np.int64]  # (N,) in the video
    cuts: tuple[int, ...]  # places of first frames of takes
    looks: dict[int, Image]  # larger frames by place
    lost: int  # frames that could not be decoded

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the frames."""
        return self.frames.shape[2], self.frames.shape[1]

    def near(self, time_s: float) -> int:
        """Place of the frame nearest to a time."""
        return int(np.abs(self.times_s - time_s).argmin())

    def take_of(self, place: int) -> tuple[int, int]:
        """Places [start, end) of the take that holds a frame."""
        start = max((cut for cut in self.cuts if cut <= place), default=0)
        return start, min((cut for cut in self.cuts if cut > place), default=len(self.frames))

    @cached_property
    def motion(self) -> npt.NDArray[np.float32]:
        """How much moves (N, 18, 32), in grey levels, smoothed over a few frames and parts."""
        raw = np.zeros((len(self.frames), *CELLS_WH[::-1]), np.float32)
        window = cv2.createHanningWindow(_MOTION_WH, cv2.CV_32F)
        before: npt.NDArray[np.float32] | None = None
        for place, frame in enumerate(self.frames):
            small = cv2.resize(frame, _MOTION_WH, interpolation=cv2.INTER_AREA)
            grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
            if before is not None and place not in self.cuts:
                raw[place] = _moved(before, grey, np.asarray(window, np.float32))
            before = grey
        step_s = float(np.median(np.diff(self.times_s))) if len(self.times_s) > 1 else 1.0
        spread = uniform_filter(raw, (1, 3, 3))
        return np.asarray(gaussian_filter1d(spread, _SMOOTH_S / step_s, axis=0), np.float32)


def _moved(
    before: npt.NDArray[np.float32], grey: npt.NDArray[np.float32], window: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    (x, y), _ = cv2.phaseCorrelate(before.copy(), grey.copy(), window)  # it writes into them
    shift = np.array([[1, 0, x], [0, 1, y]])
    still = cv2.warpAffine(before, shift, _MOTION_WH, borderMode=cv2.BORDER_REPLICATE)
    apart = cv2.blur(cv2.absdiff(still, grey), (3, 3))
    apart = np.maximum(apart - _NOISE * float(np.median(apart)), 0)
    return np.asarray(cv2.resize(apart, CELLS_WH, interpolation=cv2.INTER_AREA), np.float32)


def chunk_starts(table: PacketTable) -> list[float]:
    """Seconds at which the chunks of a video begin."""
    return [float(start) for start in np.arange(0, max(table.duration_s, 1e-3), CHUNK_S)]


def read_chunk(path: Path, start_s: float) -> Chunk:
    """Decode a chunk of a video, some fifteen frames a second.

    Raises:
        FootageError: If the video cannot be read.
    """
    table = read_packets(path)
    times = (table.pts - table.pts[0]) * float(table.time_base)
    first, last = np.searchsorted(times, [start_s - MARGIN_S, start_s + CHUNK_S + MARGIN_S])
    step = max(1, round(float(table.fps) / _RATE))
    first = -(-int(first) // step) * step  # the same frames whatever the chunk
    wanted = range(first, int(last), step)
    large, small = (_even(*table.size_wh, most) for most in (_LOOK_HEIGHT_PX, _HEIGHT_PX))
    frames = np.empty((len(wanted), small[1], small[0], 3), np.uint8)
    looks: dict[int, Image] = {}
    numbers: list[int] = []
    looked = -np.inf
    for frame in iter_frames(
        path, start=first, stop=int(last), step=step, size_wh=large, skip_lost=True
    ):
        second = times[frame.index] // LOOK_S
        if second != looked:
            looked, looks[len(numbers)] = second, frame.image
        cv2.resize(frame.image, small, frames[len(numbers)], interpolation=cv2.INTER_AREA)
        numbers.append(frame.index)
    frames, kept = frames[: len(numbers)], np.array(numbers, np.int64)
    place_of = {number: place for place, number in enumerate(numbers)}
    cuts = [place_of[number] for number in find_cuts(zip(numbers, frames, strict=True))]
    return Chunk(
        start_s, start_s + CHUNK_S, frames, times[kept], kept, tuple(cuts), looks,
        len(wanted) - len(numbers),
    )  # fmt: skip


def read_chunks(path: Path) -> Iterator[Chunk]:
    """Yield the chunks of a video, one after the other."""
    for start_s in chunk_starts(read_packets(path)):
        yield read_chunk(path, start_s)


def _even(width: int, height: int, most: int) -> tuple[int, int]:
    scale = min(1.0, most / height)
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
