"""Frames as RGB images: one after another, or just the ones asked for.

The unit is one shown frame, counted from 0 in presentation order; time runs from the first frame.
Frames come at the size needed, turned the way the camera was held, and exactly the ones asked for,
whatever the keyframe distance, B-frames, edit lists or frame times. A frame that cannot be decoded
is an error or is reported as lost, never replaced by a black or a repeated one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import ArrayLike, NDArray

from workbench.errors import FootageError
from workbench.footage.decoder import decode_frames
from workbench.footage.packets import PacketTable, read_packets

# Scaling and colour conversion in one pass. AREA averages every pixel that a smaller one covers;
# the other two stop swscale from rounding colours down, which costs little at small sizes.
SCALED = Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
UNSCALED = Interpolation.BILINEAR
SAME_SHAPE = 0.02  # sizes are rounded to even numbers, and to blocks


class FrameRangeError(FootageError, IndexError):
    """A frame or time the video does not have."""


class PartialReadError(FootageError):
    """Some of the frames asked for cannot be decoded whole.

    `iter_frames` raises it at the first lost frame and knows of no others.
    """

    lost: tuple[int, ...]  # presentation indices, growing


@dataclass(frozen=True)
class Frame:
    """One shown frame."""

    index: int  # presentation order, from 0
    pts: int  # in the video's time_base
    time_s: float  # from the first frame
    image: NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True)
class ReadableFrames:
    """The frames that could be decoded whole, and those that could not."""

    images: NDArray[np.uint8]  # (N, H, W, 3) RGB, in the order asked for, lost ones left out
    frames: tuple[int, ...]  # the presentation index of each image
    lost: tuple[int, ...]  # presentation indices asked for and lost, growing, each once


def iter_frames(
    path: Path | str,
    *,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    size_wh: tuple[int, int] | None = None,
    skip_lost: bool = False,
) -> Iterator[Frame]:
    """Yield frames in presentation order, holding only a few at a time.

    Args:
        path: The video.
        start: First frame, counted from 0.
        stop: The frame to stop before; the end by default.
        step: Take every step-th frame.
        size_wh: Width and height of the images as shown; the video's own by default.
        skip_lost: Leave out frames that cannot be decoded whole (the indices show the gap) instead
            of raising.

    Raises:
        FootageError: If the file cannot be read.
        FrameRangeError: If `start` or `stop` lies outside the video.
        PartialReadError: At the first frame that cannot be decoded whole.

    Example:
        >>> for frame in iter_frames("match.mp4", step=5, size_wh=(640, 360)):  # doctest: +SKIP
        ...     print(frame.index, frame.time_s, frame.image.shape)
    """
    table = read_packets(path)
    stop = table.frame_count if stop is None else stop
    if step < 1:
        raise FrameRangeError(f"a step of {step} frames", "give a step of 1 or more")
    check_interval(table, start, stop, fewest=0)
    return _iterate(table, range(start, stop, step), Developer(table, size_wh), skip_lost)


def sample_frames(
    path: Path | str,
    frames: Sequence[int] | NDArray[np.integer],
    size_wh: tuple[int, int] | None = None,
) -> NDArray[np.uint8]:
    """Read just these frames, in the order given; repeats are allowed.

    Frames are counted from 0 in presentation order; `size_wh` is that of `iter_frames`.

    Returns:
        (N, H, W, 3) RGB.

    Raises:
        FootageError: If the file cannot be read.
        FrameRangeError: If a frame number lies outside the video.
        PartialReadError: If one of the frames cannot be decoded whole.

    Example:
        >>> info = probe("clip.mp4")  # doctest: +SKIP
        >>> sample_frames("clip.mp4", uniform_indices(info.frame_count, 16), (112, 112)).shape
        (16, 112, 112, 3)
    """
    got = sample_readable(path, frames, size_wh)
    if got.lost:
        raise partial_read(read_packets(path), got.lost, asked=len(frames))
    return got.images


def sample_readable(
    path: Path | str,
    frames: Sequence[int] | NDArray[np.integer],
    size_wh: tuple[int, int] | None = None,
) -> ReadableFrames:
    """Read those of these frames that can be decoded whole, and say which cannot.

    Takes the arguments of `sample_frames` and raises what it raises, except `PartialReadError`.
    """
    table = read_packets(path)
    asked = np.asarray(frames, dtype=np.int64)
    outside = asked[(asked < 0) | (asked >= table.frame_count)]
    if len(outside):
        raise FrameRangeError(
            f"{path} has no frame {outside[0]}",
            f"it has {table.frame_count} frames, from 0 to {table.frame_count - 1}",
        )
    develop = Developer(table, size_wh)
    width, height = develop.size_wh
    images = np.empty((len(asked), height, width, 3), dtype=np.uint8)
    lost = []
    for index, picture in decode_frames(table, np.unique(asked).tolist()):
        if picture is None:
            lost.append(index)
        else:
            images[asked == index] = develop(picture)
    kept = ~np.isin(asked, lost)
    if lost:
        images = images[kept]
    return ReadableFrames(images, tuple(asked[kept].tolist()), tuple(lost))


def frames_at(path: Path | str, times_s: ArrayLike) -> NDArray[np.int64]:
    """Translate seconds from the first frame into frame numbers.

    The frame shown at a time is the last one that is due by then; the last frame stays until the
    video ends. Times are compared in the video's own units after rounding to a thousandth of a
    unit, so that `frame.time_s`, and a time written with three decimals, find their frame again
    where the unit is coarse enough to allow it.

    Raises:
        FrameRangeError: If a time lies before the first frame or after the end of the last.
    """
    table = read_packets(path)
    times = np.atleast_1d(np.asarray(times_s, dtype=np.float64))
    due = table.pts[0] + np.round(times / float(table.time_base), 3)
    is_shown = (due >= table.pts[0]) & (due <= table.end_pts)  # False for NaN, too
    if not is_shown.all():
        wrong_s = times[~is_shown][0]
        raise FrameRangeError(
            f"{path} shows nothing at {wrong_s:g} s",
            f"give times from 0 to {table.duration_s:.3f} s",
        )
    return np.asarray(np.searchsorted(table.pts, due, side="right"), dtype=np.int64) - 1


def check_interval(table: PacketTable, start: int, end: int, *, fewest: int = 1) -> None:
    """Check that frames [start, end) are frames of the video, and not fewer than asked for.

    Raises:
        FrameRangeError: If they are not.
    """
    if not 0 <= start <= end - fewest <= table.frame_count - fewest:
        raise FrameRangeError(
            f"{table.path} has {table.frame_count} frames, not [{start}, {end})",
            f"give 0 ≤ start < end ≤ {table.frame_count}",
        )


def uniform_indices(frame_count: int, n: int) -> NDArray[np.int64]:
    """`n` frame numbers spread evenly over `frame_count` frames: the middle of n equal parts.

    Shorter videos repeat frames, so that there are always `n`.

    Example:
        >>> uniform_indices(90, 4).tolist()
        [11, 33, 56, 78]
    """
    if frame_count < 1 or n < 1:
        raise FrameRangeError(
            f"{n} frames of {frame_count}", "take at least one frame of a video that has one"
        )
    return (2 * np.arange(n, dtype=np.int64) + 1) * frame_count // (2 * n)


def spell_runs(frames: Sequence[int]) -> str:
    """Frame numbers as words: `frames 3–7, 12`, shortened after four runs."""
    ordered = np.sort(frames)
    runs = np.split(ordered, np.flatnonzero(np.diff(ordered) > 1) + 1)
    spelled = [str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs[:4]]
    more = f" and {len(runs) - 4} more runs" if len(runs) > 4 else ""
    return f"frame{'s' if len(frames) > 1 else ''} {', '.join(spelled)}{more}"


class Developer:
    """Turns decoded pictures into RGB images of one size, sharing one scaler.

    Args:
        table: The video the pictures come from.
        size_wh: Width and height of the images as shown; the video's own by default.
        exact_colour: Round colours exactly also where nothing is scaled. Costs three times as much
            there; without it images come out one level of 255 darker, as OpenCV's do.
    """

    def __init__(
        self,
        table: PacketTable,
        size_wh: tuple[int, int] | None = None,
        exact_colour: bool = False,
    ) -> None:
        self.size_wh = width, height = size_wh or table.size_wh
        if min(width, height) < 1:
            raise FootageError(f"{width}×{height} is not an image size", "give positive sizes")
        self._orientation = table.orientation
        self._table = table
        self._stored_wh = table.orientation.swap(self.size_wh)
        is_scaled = self._stored_wh != table.coded_wh
        self._interpolation = SCALED if is_scaled or exact_colour else UNSCALED
        self._reformatter = VideoReformatter()

    def __call__(self, picture: VideoFrame) -> NDArray[np.uint8]:
        """Scale, convert and turn one picture: uint8 (H, W, 3).

        Where a film goes over to another shape (a call whose caller turns the phone), the rest of
        the image is black.
        """
        width, height = self._inner_wh(picture)
        rgb = self._reformatter.reformat(
            picture,
            width=width,
            height=height,
            format="rgb24",
            interpolation=self._interpolation,
            threads=1,
        )
        image: NDArray[np.uint8] = rgb.to_ndarray().astype(np.uint8, copy=False)
        right, down = (self._stored_wh[0] - width) // 2, (self._stored_wh[1] - height) // 2
        if (width, height) != self._stored_wh:
            inner, image = image, np.zeros((*self._stored_wh[::-1], 3), np.uint8)
            image[down : down + height, right : right + width] = inner
        return self._orientation.apply(image)

    def _inner_wh(self, picture: VideoFrame) -> tuple[int, int]:
        """The part of the stored image that a picture takes: all, but for one of another shape."""
        width, height = self._stored_wh
        if (picture.width, picture.height) == self._table.coded_wh:
            return width, height
        film = self._table.square_wh[0] / self._table.square_wh[1]
        square = picture.width / picture.height
        own_pixels = square * float(self._table.pixel_aspect)
        if any(abs(shape / film - 1) < SAME_SHAPE for shape in (own_pixels, square)):
            return width, height
        if square < film:
            return max(1, round(width * square / film)), height
        return width, max(1, round(height * film / square))


def _iterate(
    table: PacketTable, wanted: range, develop: Developer, skip_lost: bool
) -> Iterator[Frame]:
    for index, picture in decode_frames(table, wanted):
        if picture is not None:
            pts = int(table.pts[index])
            yield Frame(index, pts, table.time_s(index), develop(picture))
        elif not skip_lost:
            raise partial_read(table, (index,), asked=len(wanted))


def partial_read(table: PacketTable, lost: tuple[int, ...], asked: int) -> PartialReadError:
    """The error that names these lost frames and the time of the first."""
    error = PartialReadError(
        f"{table.path}: {len(lost)} of {asked} frames cannot be decoded ({spell_runs(lost)};"
        f" first at {table.time_s(lost[0]):.2f} s)",
        "choose other frames, or take what is there with `sample_readable`",
    )
    error.lost = lost
    return error
