"""The clock of a video file, made trustworthy: in which order and when its frames are shown.

The unit is one packet, of which only the stamps are known here. A stamp that is missing, repeated
or far off its neighbours is put between them. Where the clock jumps (recordings joined, a stream
that restarts, hours without a picture) a new *stretch* begins; stretches are set end to end.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

NO_STAMP = np.iinfo(np.int64).min
FARTHEST = 1 << 60  # stamps beyond it are nonsense, and their differences would overflow
JUMP_S = 10.0  # a longer step is a jump of the clock, as FFmpeg has it (dts_delta_threshold)
JUMP_STEPS = 100  # unless the steps are usually that long, as in a time lapse
LONGEST_STEP_S = 3600.0  # no camera waits longer
LOOK_AHEAD_PACKETS = 16  # a clock that comes back this soon has not jumped: those stamps are wrong
FEWEST_GOOD = 0.5  # with fewer stamps in order, the nominal rate tells more

Integers = NDArray[np.int64]
Order = tuple[Integers, Integers]  # the rank of every packet, and the packets that have none


@dataclass(frozen=True, eq=False)
class Clock:
    """When the shown frames of a video are due, and what was done to make that so."""

    rank: Integers  # (packets,) grows in presentation order
    orderless: Integers  # packets whose place among their neighbours is not certain
    position: Integers  # (frames,) the packet of each shown frame, in presentation order
    pts: Integers  # (frames,) when each is due; growing
    shift: Integers  # (frames,) what the file's own clock says more than `pts`; by stretch
    repaired: int  # frames whose stamp was put between its neighbours'
    is_timed: bool  # the stamps give the order; else it was learnt


def read_clock(
    dts: Integers,
    pts: Integers,
    is_key: NDArray[np.bool_],
    is_shown: NDArray[np.bool_],
    *,
    tick: Fraction,
    rate: Fraction,
    stores_pts: bool,
    learn_order: Callable[[], Order],
) -> Clock:
    """Find order and times of the shown frames.

    Args:
        dts: Of each packet in decode order, `NO_STAMP` for none.
        pts: The same.
        is_key: Whether it is a keyframe.
        is_shown: Whether it is shown; at least one is.
        tick: Seconds per unit of the stamps.
        rate: Frames per second where the stamps do not say.
        stores_pts: Whether the container stores when frames are shown, not only their decoding.
        learn_order: Tells the order from decoding, where the stamps do not.
    """
    step = max(1, round(1 / (rate * tick)))
    limit = _limit(dts, pts, tick)
    stretch, is_wrong = _stretches(dts, pts, is_key, limit)
    stamps = np.where(is_wrong, NO_STAMP, pts)
    in_order = np.lexsort((stamps, stretch))
    repeats = (np.diff(stamps[in_order]) == 0) & (np.diff(stretch[in_order]) == 0)
    is_whole = NO_STAMP not in stamps and not repeats.any()
    is_timed = stores_pts and is_whole
    orderless = np.empty(0, np.int64)
    if is_timed:
        rank = np.empty(len(pts), np.int64)
        rank[in_order] = np.arange(len(pts))
    else:
        rank, orderless = learn_order()
    shown = np.flatnonzero(is_shown)
    position = shown[np.argsort(rank[shown], kind="stable")]
    due, number = stamps[position], np.maximum.accumulate(stretch[position])
    if is_whole and not stores_pts:  # FFmpeg hands out times of decoding: right, but unsorted
        due = due[np.lexsort((due, number))]
    times, shift, repaired = _set_end_to_end(due, number, step, limit)
    return Clock(rank, orderless, position, times, shift, repaired, is_timed)


def _times_of(dts: Integers, pts: Integers) -> Integers:
    """The stamps that grow in decode order, where the file has them."""
    return dts if (dts != NO_STAMP).any() else pts


def _limit(dts: Integers, pts: Integers, tick: Fraction) -> int:
    """The longest step that is no jump, in ticks."""
    when = _times_of(dts, pts)
    steps = np.diff(when[_is_sound(when)])
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    most = min(FARTHEST, int(LONGEST_STEP_S / tick))
    return max(1, min(most, max(int(JUMP_S / tick), int(JUMP_STEPS * usual))))


def _is_sound(stamps: Integers) -> NDArray[np.bool_]:
    return (stamps > -FARTHEST) & (stamps < FARTHEST)


def _stretches(
    dts: Integers, pts: Integers, is_key: NDArray[np.bool_], limit: int
) -> tuple[Integers, NDArray[np.bool_]]:
    """Number the stretches of the clock, and tell which packets' stamps are missing or wrong."""
    when = _times_of(dts, pts)
    known = np.flatnonzero(_is_sound(when))
    is_wrong = _far_off(dts, pts, known, limit)
    stretch = np.zeros(len(when), np.int64)
    times = when[known]
    steps = np.diff(times)
    # Without stamps of decoding, B-frames go back a little.
    back = 0 if when is dts else -limit
    if not ((steps < back) | (steps > limit)).any():
        return stretch, is_wrong
    last, number = int(times[0]), 0
    for place, (packet, time) in enumerate(zip(known.tolist(), times.tolist(), strict=True)):
        if not back <= time - last <= limit:
            ahead = times[place + 1 : place + 1 + LOOK_AHEAD_PACKETS] - last
            # A keyframe back in time begins a recording, unless the clock goes on without it.
            if time < last and is_key[packet]:
                returns = len(ahead) > 0 and 0 < ahead[0] <= limit
            else:
                returns = bool(((ahead >= back) & (ahead <= limit)).any())
            if returns:
                is_wrong[packet] = True
                stretch[packet] = number
                continue
            number += 1
        last, stretch[packet] = time, number
    return np.maximum.accumulate(stretch), is_wrong


def _far_off(dts: Integers, pts: Integers, known: Integers, limit: int) -> NDArray[np.bool_]:
    """Tell which packets are shown far from when they, or else their neighbours, are decoded.

    `known` are the packets whose time is.
    """
    is_wrong = ~_is_sound(pts)
    both = _is_sound(dts) & ~is_wrong
    is_wrong[both] = np.abs(pts[both] - dts[both]) > limit
    alone = np.setdiff1d(np.flatnonzero(~is_wrong), known)
    if len(known):
        after = np.searchsorted(known, alone)
        near = known[np.stack([np.maximum(after - 1, 0), np.minimum(after, len(known) - 1)])]
        is_wrong[alone] = (np.abs(pts[alone] - _times_of(dts, pts)[near]) > limit).all(axis=0)
    return is_wrong


def _set_end_to_end(
    due: Integers, number: Integers, step: int, limit: int
) -> tuple[Integers, Integers, int]:
    """Mend the times of each stretch and let it begin where the one before ends.

    Returns:
        The times, what was taken off them, and how many were mended.
    """
    times, shift, repaired = np.empty_like(due), np.zeros_like(due), 0
    borders = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(due)]
    off, usual = 0, step
    for start, end in pairwise(borders):
        own, mended = _mend(due[start:end], step)
        repaired += mended
        if start:
            gap = int(own[0]) - off - int(times[start - 1])
            if not 0 < gap <= limit:  # else only hidden frames lay where the clock jumped
                off += gap - usual
        times[start:end], shift[start:end] = own - off, off
        usual = int(np.median(np.diff(own))) if len(own) > 1 else usual
    return times, shift, repaired


def _mend(due: Integers, step: int) -> tuple[Integers, int]:
    """Return the times of one stretch so that they grow, and how many were put in place."""
    if NO_STAMP not in due and (np.diff(due) > 0).all():
        return due, 0
    kept = _growing(due)
    places = np.arange(len(due))
    known = due != NO_STAMP
    if len(kept) < max(2, FEWEST_GOOD * len(due)):
        begin = int(due[known].min()) if known.any() else 0
        return begin + places * step, int(known.any()) * (len(due) - len(kept))
    inside = np.interp(places, kept, (due[kept] - due[kept[0]]).astype(np.float64))
    # Before the first and after the last good stamp the nominal rate goes on.
    inside -= step * np.maximum(0, kept[0] - places)
    inside += step * np.maximum(0, places - kept[-1])
    times = due[kept[0]] + np.round(inside).astype(np.int64)
    times[kept] = due[kept]
    times = np.maximum.accumulate(times - places) + places  # no two are the same
    return times, len(due) - len(kept)


def _growing(due: Integers) -> Integers:
    """The places of the longest growing series of stamps; of equal ones the first counts."""
    ends: list[int] = []  # the smallest last stamp of a series of each length
    places: list[int] = []
    before = np.full(len(due), -1, np.int64)
    for place, stamp in enumerate(due.tolist()):
        length = bisect_left(ends, stamp)
        if stamp == NO_STAMP or (length < len(ends) and ends[length] == stamp):
            continue
        before[place] = places[length - 1] if length else -1
        ends[length : length + 1], places[length : length + 1] = [stamp], [place]
    found = []
    place = places[-1] if places else -1
    while place >= 0:
        found.append(place)
        place = int(before[place])
    return np.array(found[::-1], dtype=np.int64)
