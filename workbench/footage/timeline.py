"""The times at which the pictures of a clip were taken, where its file tells something else.

The unit is one clip. Its pictures are numbered on an even beat, so that speeds are right.
Recordings of a screen show pictures again: where they do so at a beat, pictures came at a lower
rate and only they are numbered; where they do not, the recorder stuttered, and the number of a
frame that shows an old picture has no picture. The same where the file left pictures out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_REPEATS = 0.05  # of the frames; fewer tell no other rate
_LEAST_BEAT = 0.8  # of the repeats that follow each other at the usual distance, give or take one
_SHORTEST_BEAT, _LEAST_BEATS = 3, 5  # frames from repeat to repeat, and how many, among stutters
_OFF_BEAT = 0.25  # of a step, that time stamps may be off an even beat
_MOST_OFF = 0.1  # of the frames that may be farther off


@dataclass(frozen=True)
class Timeline:
    """Which frame of a clip shows which picture."""

    frames: tuple[int, ...]  # of each picture, the first frame that shows it; −1: left out
    fps: float  # pictures per second

    @classmethod
    def of_frames(cls, count: int, fps: float) -> "Timeline":
        """Every frame is a picture."""
        return cls(tuple(range(count)), fps)

    def picture(self, frame: int) -> int:
        """The picture that a frame shows."""
        seen = [number for number, first in enumerate(self.frames) if 0 <= first <= frame]
        return seen[-1] if seen else 0

    def frame(self, picture: float) -> int:
        """The frame that shows a picture, or the last one before."""
        wanted = min(max(0, round(picture)), len(self.frames) - 1)
        return max(self.frames[: wanted + 1])


def read_timeline(times_s: NDArray[np.float64], repeats: Sequence[int], fps: float) -> Timeline:
    """Number the pictures of a clip.

    Args:
        times_s: When each frame is shown (F,).
        repeats: Frames that show the picture before them once more, as `cuts.find_takes` says.
        fps: Frames per second where nothing is odd.
    """
    count = len(times_s)
    if len(repeats) < _LEAST_REPEATS * count:
        repeats = ()
    if _is_beat(repeats):
        frames = sorted(set(range(count)) - set(repeats))
        length_s = float(times_s[frames[-1]] - times_s[frames[0]])
        return Timeline(tuple(frames), (len(frames) - 1) / length_s)
    if repeats:
        on_beat, old = _beat_among(repeats, count), set(repeats)
        frames = [frame for frame in range(count) if frame not in on_beat]
        length_s = float(times_s[frames[-1]] - times_s[frames[0]])
        rate = (len(frames) - 1) / length_s if on_beat else fps
        return Timeline(tuple(-1 if frame in old else frame for frame in frames), rate)
    steps = np.diff(times_s)
    if count < 3 or not (usual := float(np.median(steps))) > 0:
        return Timeline.of_frames(count, fps)
    beats = (times_s - times_s[0]) / usual
    places = np.rint(beats).astype(int)
    off = np.abs(beats - places) > _OFF_BEAT
    if off.mean() > _MOST_OFF or (np.diff(places) < 1).any() or places[-1] == count - 1:
        return Timeline.of_frames(count, fps)
    pictures = np.full(places[-1] + 1, -1)
    pictures[places] = np.arange(count)
    return Timeline(tuple(pictures.tolist()), 1 / usual)


def _beat_among(repeats: Sequence[int], count: int) -> set[int]:
    """The repeats between two rates, where the recorder stutters besides; none without a beat."""
    old, best = set(repeats), set[int]()
    for period in range(_SHORTEST_BEAT, count // _LEAST_BEATS + 1):
        for first in range(period):
            expected = range(first, count, period)
            found = old.intersection(expected)
            if len(found) > max(len(best), _LEAST_BEATS - 1, _LEAST_BEAT * len(expected)):
                best = found
    return best


def _is_beat(repeats: Sequence[int]) -> bool:
    """Whether pictures repeat again and again at the same distance, as between two rates."""
    gaps = np.diff(repeats)
    if len(gaps) < 2:
        return False
    usual = Counter(gaps.tolist()).most_common(1)[0][0]
    return bool(usual > 1 and (np.abs(gaps - usual) <= 1).mean() >= _LEAST_BEAT)
