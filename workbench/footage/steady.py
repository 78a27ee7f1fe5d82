"""A steady picture: the frames of a take in terms of one of them, or the reason why not.

The unit is one take of a video and its reference frame. Maps go from the reference to the frames
(see `registration`); whoever finds people hands their boxes in, for nothing is followed on them.
The reference and the previous frame are held in memory; of what lies before the reference, a few
frames more, since video is read forwards. Whether a camera stands still, can be steadied or cannot
is judged from a few frames, as one picture without a goal or around one.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import FootageError
from workbench.footage.clips import Camera, Clip
from workbench.footage.cuts import Takes, find_takes
from workbench.footage.frames import check_interval, iter_frames, sample_readable, uniform_indices
from workbench.footage.overlays import FRAMES as OVERLAY_FRAMES
from workbench.footage.overlays import LONG_SIDE_PX, find_overlay
from workbench.footage.packets import read_packets
from workbench.footage.registration import Registrar, Registration, working_wh

PeopleBoxes = NDArray[Any] | None
People = Callable[[int], PeopleBoxes] | Sequence[PeopleBoxes]
"""Boxes (N, 4) or masks (H, W) of bool: by frame number, or one per frame from `start` on."""

STILL_SHARE, STILL_PX = 1 / 640, 1.0  # of the long side, at least: a fixed camera moves no more
STEADY_SHARE = 0.8  # of the frames looked at, for the take to count as steadied
_LOOKED_AT = 24  # frames of a take
_AT_ONCE = 32  # frames held while reading backwards


@dataclass(frozen=True)
class Steadiness:
    """How steady a camera is, and what stands against it."""

    camera: Camera
    reason: str  # a sentence
    reference: int  # the frame that the others were compared with
    share: float  # of the frames looked at that can be seen in its view
    error_px: float  # of nine of ten of these, at most; NaN without any
    moved_px: float  # at most, since the reference, in these
    takes: Takes


def steady(
    path: Path | str,
    reference: int,
    *,
    start: int = 0,
    stop: int | None = None,
    step: int = 1,
    people: People | None = None,
    goal_px: ArrayLike | None = None,
) -> Iterator[tuple[int, Registration]]:
    """Register frames [start, stop) to the reference frame; yield them in presentation order.

    Frames before the reference are registered backwards from it and kept back until all are done.
    Frames that cannot be decoded are passed over.

    Args:
        path: The video.
        reference: A frame of the same take, best from the middle: what clicks refer to.
        start: First frame. No cut may lie within; see `cuts.find_takes`.
        stop: The frame to stop before; the end by default.
        step: Take every step-th frame before and after the reference.
        people: Who is in the pictures; see `People`.
        goal_px: Corners (4, 2) of the goal in the reference, NaN where one is not seen.

    Raises:
        FootageError: If the file, or the reference frame, cannot be read.
        FrameRangeError: If it has no such frames.

    Example:
        >>> for frame, found in steady("penalty.mp4", 28, stop=85):  # doctest: +SKIP
        ...     print(frame, found.error_px, found.reason)
    """
    table = read_packets(path)
    stop = table.frame_count if stop is None else stop
    check_interval(table, start, stop)
    check_interval(table, max(start, reference), min(stop, reference + 1))
    wh = working_wh(table.size_wh)
    boxes = _boxes_at(people, start)
    first = next(iter_frames(path, start=reference, stop=reference + 1, size_wh=wh))
    registrar = Registrar(
        first.image,
        boxes(reference),
        goal_px=goal_px,
        overlay=_overlay(path, start, stop),
        full_wh=table.size_wh,
    )
    earlier = [
        (frame, registrar.register(image, boxes(frame)))
        for frame, image in _backwards(path, range(reference - step, start - 1, -step), wh)
    ]
    yield from reversed(earlier)
    registrar.restart()
    for frame in iter_frames(
        path, start=reference, stop=stop, step=step, size_wh=wh, skip_lost=True
    ):
        yield frame.index, registrar.register(frame.image, boxes(frame.index))


def steadiness(
    path: Path | str,
    *,
    start: int = 0,
    stop: int | None = None,
    reference: int | None = None,
    people: People | None = None,
    goal_px: ArrayLike | None = None,
    takes: Takes | None = None,
) -> Steadiness:
    """Judge whether frames [start, stop) come from a fixed camera, can be steadied, or cannot.

    Without `goal_px` the picture is judged as a whole. Across a cut nothing is steady.

    Args:
        path: The video.
        start: First frame.
        stop: The frame to stop before; the end by default.
        reference: The frame to compare with; the middle one by default.
        people: Who is in the pictures; see `People`. Without them a crowd may look unsteady.
        goal_px: Corners (4, 2) of the goal in the reference.
        takes: What `find_takes` found in these frames, if somebody has looked.

    Raises:
        FootageError: If the file cannot be read.
        FrameRangeError: If it has no such frames.

    Example:
        >>> steadiness("penalty.mp4", stop=85).reason  # doctest: +SKIP
        'The camera moves by 6 px; steadied to 0.6 px.'
    """
    table = read_packets(path)
    stop = table.frame_count if stop is None else stop
    takes = takes or find_takes(path, start, stop)
    reference = (start + stop) // 2 if reference is None else reference
    cuts = takes.cuts_within(start, stop)
    if cuts:
        others = f" and {len(cuts) - 1} more times" if len(cuts) > 1 else ""
        reason = f"The picture cuts at frame {cuts[0]} ({table.time_s(cuts[0]):.1f} s){others}."
        return Steadiness("unsteady", reason, reference, 0.0, np.nan, np.nan, takes)
    step = max(1, (stop - start) // _LOOKED_AT)
    looked = list(
        steady(path, reference, start=start, stop=stop, step=step, people=people, goal_px=goal_px)
    )
    found = [registration for _, registration in looked]
    good = [registration for registration in found if registration.is_steady]
    share = len(good) / max(1, len(found))
    error_px = float(np.percentile([one.error_px for one in good], 90)) if good else np.nan
    moved_px = max((one.moved_px for one in good), default=np.nan)
    if share < STEADY_SHARE or len(found) < 2:
        reason = _why_not(looked, share)
        return Steadiness("unsteady", reason, reference, share, error_px, moved_px, takes)
    if share == 1 and moved_px <= max(STILL_PX, STILL_SHARE * max(table.size_wh)):
        reason = f"The camera stands still to {moved_px:.1f} px."
        return Steadiness("fixed", reason, reference, share, error_px, moved_px, takes)
    reason = f"The camera moves by {moved_px:.0f} px; steadied to {error_px:.1f} px."
    return Steadiness("steadied", reason, reference, share, error_px, moved_px, takes)


def with_camera(clip: Clip, video: Path) -> Clip:
    """Return the row of a clip with what its video says of the camera."""
    try:
        found = steadiness(video, reference=clip.reference_frame)
    except FootageError as error:
        return replace(clip, camera="unsteady", camera_reason=f"Cannot be steadied: {error}.")
    error_px = round(found.error_px, 2) if np.isfinite(found.error_px) else None
    return replace(clip, camera=found.camera, camera_reason=found.reason, steady_error_px=error_px)


def _why_not(looked: Sequence[tuple[int, Registration]], share: float) -> str:
    """The most common reason, with its first frame."""
    if len(looked) < 2:
        return "Cannot be steadied: there are too few frames."
    parted = [(frame, *one.reason.rpartition(": ")[::2]) for frame, one in looked if one.reason]
    (why, _), *_ = Counter(why for _, _, why in parted).most_common(1)
    frame, what = next((frame, what) for frame, what, other in parted if other == why)
    return f"Cannot be steadied in {1 - share:.0%} of the frames: {why} (frame {frame}: {what})."


def _boxes_at(people: People | None, start: int) -> Callable[[int], PeopleBoxes]:
    if people is None:
        return lambda frame: None
    if callable(people):
        return people
    given: Sequence[PeopleBoxes] = people
    return lambda frame: given[frame - start] if frame - start < len(given) else None


def _overlay(path: Path | str, start: int, stop: int) -> NDArray[np.bool_] | None:
    """What is burnt into frames [start, stop), in a reduced size."""
    width, height = read_packets(path).size_wh
    scale = min(1.0, LONG_SIDE_PX / max(width, height))
    wanted = np.unique(start + uniform_indices(stop - start, OVERLAY_FRAMES))
    wh = max(1, round(width * scale)), max(1, round(height * scale))
    images = sample_readable(path, wanted, wh).images
    return find_overlay(
        [np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8) for image in images]
    )


def _backwards(
    path: Path | str, frames: range, wh: tuple[int, int]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield `(frame, grey picture)` for falling frame numbers, a few held at a time."""
    for at in range(0, len(frames), _AT_ONCE):
        part = frames[at : at + _AT_ONCE][::-1]
        greys = [
            (frame.index, np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8))
            for frame in iter_frames(
                path, start=part.start, stop=part[-1] + 1, step=part.step, size_wh=wh,
                skip_lost=True,
            )
        ]  # fmt: skip
        yield from reversed(greys)
