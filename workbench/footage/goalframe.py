"""The goal's frame in a registered picture: whether posts and bar are where the map puts them.

The unit is one grey picture against the reference. What stands behind a goal moves otherwise than
it as soon as the camera travels, and then only the frame itself tells: grey levels across posts and
bar are found again, each some pixels off. Along a post or bar nothing tells where one is.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

from workbench.footage.planemaps import Floats, Image, is_free, move_points

_SAMPLES, _FEWEST = 24, 6  # places along a side that are looked at, and that are found again
_REACH_PX, _STEP_PX = 16.0, 0.5  # across a side
_ALIKE, _LEAST_CONTRAST = 0.9, 4.0  # of what is found again
_STRAIGHT_PX = 0.75  # that such places are off one line, in the median; more is blur
_BEYOND = 0.2  # of a side: no farther than this, what is seen of it tells about its ends


class GoalFrame:
    """Posts and bar of the goal in the reference picture.

    Args:
        grey: The reference (H, W).
        free: 255 where nobody stands before it.
        corners: (4, 2) in order around the goal, NaN where one is not seen.
    """

    def __init__(self, grey: Image, free: Image, corners: Floats) -> None:
        self._grey, self._free, self._corners = grey, free, corners
        seen = np.asarray(np.isfinite(corners).all(axis=1))
        pairs = [(first, (first + 1) % 4) for first in range(4)]
        self.sides = [pair for pair in pairs if seen[list(pair)].all()]
        if len(self.sides) == 4:  # without the ground between the posts
            self.sides.remove(max(self.sides, key=lambda pair: corners[list(pair), 1].sum()))
        self.sides.sort(key=lambda pair: -abs(corners[pair[0], 1] - corners[pair[1], 1]))

    def off_px(self, grey: Image, free: Image, to_frame: Floats) -> Floats:
        """How far off the map the frame is seen at each corner (4,); NaN without its post."""
        found = np.full(4, np.nan)
        for pair in self.sides:  # posts before the bar
            ends = self._corners[list(pair)]
            wide, high = np.abs(ends[1] - ends[0])
            for end, off in zip(pair, self._side_off(grey, free, to_frame, ends), strict=True):
                if high > wide:
                    found[end] = off
                elif np.isfinite(off):
                    found[end] = np.hypot(found[end], off)
        return found

    def _side_off(self, grey: Image, free: Image, to_frame: Floats, ends: Floats) -> Floats:
        """How far off both ends (2,) of a side are, told from what is seen between them."""
        unknown: Floats = np.full(2, np.nan)
        along = ends[1] - ends[0]
        across = np.array([-along[1], along[0]]) / max(1e-9, float(np.hypot(*along)))
        shares = np.linspace(0.06, 0.94, _SAMPLES)
        middles = ends[0] + shares[:, None] * along
        here = is_free(middles, self._free) & is_free(move_points(to_frame, middles), free)
        if here.sum() < _FEWEST:
            return unknown
        offsets = np.arange(-_REACH_PX, _REACH_PX + _STEP_PX, _STEP_PX)
        places = middles[here][:, None] + offsets[:, None] * across
        there = move_points(to_frame, places).reshape(places.shape)
        reach, seen = len(offsets) // 4, []
        pairs = zip(_profiles(self._grey, places), _profiles(grey, there), strict=True)
        for share, (before, after) in zip(shares[here], pairs, strict=True):
            window = np.ascontiguousarray(before[None, reach:-reach])
            alike = cv2.matchTemplate(after[None], window, cv2.TM_CCOEFF_NORMED)[0]
            best = int(np.argmax(alike))
            if window.std() > _LEAST_CONTRAST and alike[best] > _ALIKE:
                seen.append((share, _STEP_PX * (best - reach)))
        if len(seen) < _FEWEST:
            return unknown
        at, shifts = np.array(seen).T
        slope, start, *_ = theilslopes(shifts, at)
        if np.median(np.abs(shifts - start - slope * at)) > _STRAIGHT_PX:
            return unknown
        ends_at = np.clip([0.0, 1.0], at.min() - _BEYOND, at.max() + _BEYOND)
        return np.asarray(np.abs(start + slope * ends_at))


def _profiles(grey: Image, places: Floats) -> NDArray[np.float32]:
    """Grey levels (K, N) at places (K, N, 2), each averaged with its neighbours along the side."""
    at = places.astype(np.float32)
    edge = cv2.BORDER_REPLICATE
    sharp = cv2.remap(grey, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=edge)
    return np.asarray(cv2.blur(sharp.astype(np.float32), (1, 3)), np.float32)
