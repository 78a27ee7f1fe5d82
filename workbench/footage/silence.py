"""Stretches of a video with sound, between silences.

The unit is a stretch [start, end) of frames. Loudness is the RMS of windows of 50 ms, in dB of full
scale; shorter lulls than half a second part nothing.
"""

import math

import numpy as np
from numpy.typing import NDArray

from workbench.footage.sound import Sound
from workbench.footage.video_info import VideoInfo

WINDOW_S = 0.05
LULL_S = 0.5
_FLOOR_DB = -120.0  # of digital silence


def find_sounding(
    info: VideoInfo, start: int, end: int, quiet_db: float, lull_s: float = LULL_S
) -> tuple[tuple[int, int], ...]:
    """Return the stretches of frames [start, end) that are louder than `quiet_db`, in order.

    A stretch begins with the first window that is loud enough and ends with the last before a
    silence of `lull_s` or more.

    Raises:
        FootageError: If the video has no sound that can be read.

    Example:
        >>> find_sounding(probe("training.mp4"), 0, 9000, quiet_db=-45)  # doctest: +SKIP
        ((112, 388), (1204, 1511))
    """
    times = np.append(info.pts, info.end_pts)[start : end + 1]
    begin, last = int(times[0]), int(times[-1])
    sound = Sound(info.path, begin * info.time_base, last * info.time_base)
    loud = _loudness_db(sound) > quiet_db
    lull = max(1, math.ceil(lull_s / WINDOW_S))
    places = np.flatnonzero(loud)
    if not len(places):
        return ()
    gaps = np.flatnonzero(np.diff(places) > lull)
    firsts, lasts = places[np.append(0, gaps + 1)], places[np.append(gaps, len(places) - 1)]
    since_s = (times - begin) * float(info.time_base)
    # The frame that is shown when a window begins, and the one when it ends.
    starts = np.searchsorted(since_s, firsts * WINDOW_S, side="right") - 1
    ends = np.searchsorted(since_s, (lasts + 1) * WINDOW_S, side="left")
    found = zip(starts.tolist(), ends.tolist(), strict=True)
    return tuple((start + first, min(end, start + after)) for first, after in found)


def _loudness_db(sound: Sound) -> NDArray[np.float64]:
    size = round(WINDOW_S * sound.rate_hz)
    power = np.zeros(max(1, math.ceil(sound.sample_count / size)))
    for first, block in sound.heard():
        places = (first + np.arange(block.shape[1])) // size
        np.add.at(power, places, (block.astype(np.float64) ** 2).mean(axis=0))
    return 10 * np.log10(np.maximum(power / size, 10 ** (_FLOOR_DB / 10)))
