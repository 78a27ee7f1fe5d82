"""Refinement of a goal's corners to a fraction of a pixel, on the white edges of posts and bar.

The unit is one picture and corners that are a few pixels off, as from masks and clicks. Across each
post and the bar, the inner edge of the white stroke is located; lines through these edges meet in
the upper corners, and posts end where their white ends. Knows nothing about how the corners were
found.
"""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

from workbench.footage.pinhole import Floats
from workbench.shots.goal.corners import GoalView, lines_meet, order_corners

_SAMPLES = 40  # across each post and the bar
_STEP_PX = 0.25
_REACH = 0.12  # of a post's height, that a corner may be off …
_LEAST_REACH_PX = 5.0  # … and at least
_LEAST_CONTRAST = 30.0  # grey levels of white against its surroundings
_LEAST_SHARE = 0.4  # of the samples that must find an edge
_MOST_SPREAD_PX = 1.5  # of these around their line
_GROUND_REACH = 0.15  # of a post's height, that its foot may be off along the post

Image = NDArray[np.uint8]


def sharpen_corners(view: GoalView, image: Image) -> GoalView:
    """Move corners onto the inner edges of posts and bar.

    Args:
        view: Corners a few pixels off; a view without corners is returned as it is.
        image: RGB (H, W, 3), best without people in front of the goal: the median of a few frames
            of a fixed camera.

    Returns:
        The sharpened view, or the one given where post or bar are not white enough to be followed;
        `reason` says which.
    """
    if view.corners_px is None:
        return view
    corners = order_corners(view.corners_px)
    # White is bright in every channel.
    light = image.min(axis=2).astype(np.float32)
    found = [_edge_line(light, corners, side) for side in range(3)]
    if any(line is None for line in found):
        names = ("left post", "bar", "right post")
        lost = [name for name, line in zip(names, found, strict=True) if line is None]
        reason = f"{view.reason} Not sharpened: no white edge along the {' and the '.join(lost)}."
        return GoalView(corners, view.method, reason, view.spread_px)
    left, bar, right = (line for line in found if line is not None)
    tops = [lines_meet(post[0], post[1], bar[0], bar[1]) for post in (left, right)]
    feet = [_foot(light, line, corners[index]) for line, index in ((left, 0), (right, 3))]
    if any(point is None for point in tops):
        return view
    sharpened = order_corners(np.array([feet[0], tops[0], tops[1], feet[1]], float))
    spread = float(np.median([left[2], bar[2], right[2]]))
    return GoalView(sharpened, "edges", f"{view.reason} Sharpened on white edges.", spread)


def _edge_line(light: Image, corners: Floats, side: int) -> tuple[Floats, Floats, float] | None:
    """Line through the inner edge of side 0 (left post), 1 (bar) or 2 (right post).

    Returns:
        A point and a direction (2,) each, and the median deviation of the edges from the line.
    """
    start, end = corners[side], corners[side + 1]
    along = (end - start) / np.hypot(*(end - start))
    inwards = np.array([-along[1], along[0]])
    inwards = inwards * np.sign(inwards @ (corners.mean(axis=0) - start))
    height = float(np.hypot(*(corners[1] - corners[0])) + np.hypot(*(corners[3] - corners[2]))) / 2
    reach = max(_LEAST_REACH_PX, _REACH * height)
    shares = np.linspace(0.1, 0.9, _SAMPLES)
    offsets = np.arange(-reach, reach + _STEP_PX, _STEP_PX)
    places = (start + shares[:, None] * (end - start))[:, None] + offsets[:, None] * inwards
    sharp = _sample(light, places)
    # Smoothed along the post, which removes the threads of the net.
    profiles = np.asarray(cv2.blur(sharp, (3, 5)), np.float64)
    edges = [_inner_edge(profile) for profile in profiles]
    kept = np.array([place for place, edge in enumerate(edges) if edge is not None], int)
    if len(kept) < _LEAST_SHARE * _SAMPLES:
        return None
    off = np.array([offsets[0] + _STEP_PX * edge for edge in edges if edge is not None])
    way = shares[kept] * float(np.hypot(*(end - start)))
    slope, middle, *_ = theilslopes(off, way)
    spread = float(np.median(np.abs(off - middle - slope * way)))
    if spread > _MOST_SPREAD_PX:
        return None
    return start + middle * inwards, along + slope * inwards, spread


def _inner_edge(profile: Floats) -> float | None:
    """Where white ends on the inner side of the brightest stroke, in steps, or None."""
    peak = int(np.argmax(profile))
    surroundings = float(np.percentile(profile, 20))
    if profile[peak] - surroundings < _LEAST_CONTRAST:
        return None
    half = (profile[peak] + surroundings) / 2
    below = np.flatnonzero(profile[peak:] < half)
    if len(below) == 0:
        return None
    last = peak + int(below[0])
    fall = float(profile[last - 1] - profile[last])
    return last - 1 + float(profile[last - 1] - half) / max(fall, 1e-6)


def _foot(light: Image, line: tuple[Floats, Floats, float], rough: Floats) -> Floats:
    """Where a post meets the ground: where its white ends, else level with `rough`."""
    point, along, _ = line
    along = along / np.hypot(*along)
    along = along * np.sign(along[1])  # downwards
    abreast = point + along * float((rough - point) @ along)
    outwards = np.array([-along[1], along[0]])
    outwards = outwards * np.sign(outwards @ (rough - abreast) or 1.0)
    length = _GROUND_REACH * max(float(np.hypot(*(abreast - point))), 20.0)
    ways = np.arange(-length, length, _STEP_PX)
    stroke = [
        _sample(light, (abreast + ways[:, None] * along + shift * outwards)[None])[0]
        for shift in (-1.5, 1.5)
    ]
    profile = np.maximum(*stroke)
    post, ground = float(np.median(profile[:8])), float(np.median(profile[-8:]))
    if post - ground < _LEAST_CONTRAST:
        return np.asarray(abreast)
    below = np.flatnonzero(profile > (post + ground) / 2)
    return np.asarray(abreast + ways[below[-1]] * along)


def _sample(light: Image, places: Floats) -> NDArray[np.float32]:
    """Brightness at places (n, m, 2), where the middle of the first pixel is (0.5, 0.5)."""
    maps = (places - 0.5).astype(np.float32)
    sampled = cv2.remap(
        light, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(sampled, np.float32)
