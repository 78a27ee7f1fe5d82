"""The goal's corners in the picture: the four inner corners of posts, bar and ground.

They come from the goal's mask (from several frames of a fixed camera) or from clicks of a person,
and can be sharpened to a fraction of a pixel: across each post and the bar, the inner edge of the
white stroke is located; lines through these edges meet in the upper corners, and posts end where
their white ends. Corners are (4, 2) pixels in the order left bottom, left top, right top, right
bottom as seen, counted as in `track`. Knows nothing about the goal's size and the camera.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import theilslopes

from workbench.detect.store import ClipDetections
from workbench.footage.pinhole import Floats
from workbench.footage.steadyview import SteadyView
from workbench.shots.verdict import ShotError

_LEAST_HEIGHT_PX = 8.0
_LEAST_OVERLAP = 0.8  # of a mask with its quadrilateral
_MOST_FRAMES = 15  # of a fixed camera that are looked at
_SAMPLES = 40  # across each post and the bar
_STEP_PX = 0.25
_REACH = 0.12  # of a post's height, that a corner may be off …
_LEAST_REACH_PX = 5.0  # … and at least
_LEAST_CONTRAST = 30.0  # grey levels of white against its surroundings
_LEAST_SHARE = 0.4  # of the samples that must find an edge
_MOST_SPREAD_PX = 1.5  # of these around their line
_GROUND_REACH = 0.15  # of a post's height, that its foot may be off along the post

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class GoalView:
    """Where the goal is in the picture, or why that is not known."""

    corners_px: Floats | None  # (4, 2) left bottom, left top, right top, right bottom; steady view
    method: str  # mask, edges, clicks; none
    reason: str  # what the corners rest on, or why there are none; one sentence

    @property
    def foot_px(self) -> Floats | None:
        """The middle of the goal line (2,), between the posts."""
        return None if self.corners_px is None else self.corners_px[[0, 3]].mean(axis=0)


def order_corners(corners_px: NDArray[np.float64]) -> Floats:
    """Return four corners in the order left bottom, left top, right top, right bottom.

    Raises:
        ShotError: If they are not four finite points that span an area.
    """
    corners = np.asarray(corners_px, float)
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise ShotError("the goal's corners are not four points", "give (4, 2) pixels")
    from_middle = corners - corners.mean(axis=0)
    around = corners[np.argsort(np.arctan2(from_middle[:, 1], from_middle[:, 0]))]
    # Clockwise on the screen; of the four possible starts, the one whose posts go up.
    turned = [np.roll(around, shift, axis=0) for shift in range(4)]
    ordered = max(turned, key=lambda c: float(c[0, 1] - c[1, 1] + c[3, 1] - c[2, 1]))
    area = abs(float(_cross(ordered, np.roll(ordered, -1, axis=0)).sum())) / 2
    if area < 1e-6 * float(np.ptp(corners, axis=0).max()) ** 2:
        raise ShotError("the goal's corners lie on a line", "give the corners of the goal's mouth")
    return np.asarray(ordered)


def is_convex(ordered_px: Floats) -> bool:
    """Whether corners (4, 2) are those of a quadrilateral that a goal can be seen as."""
    sides = np.roll(ordered_px, -1, axis=0) - ordered_px
    turns, lengths = _cross(sides, np.roll(sides, -1, axis=0)), np.hypot(*sides.T)
    return bool(lengths.min() > 2.0 and turns.min() > 0.02 * lengths.min() * lengths.max())


def inside_goal(xy: Floats, corners: Floats, margin: float = 0.0) -> NDArray[np.bool_]:
    """Which points (N, 2) lie inside the goal's ordered corners, enlarged about their middle.

    `margin` is what is added, as a share of the goal's half size.
    """
    grown = corners.mean(axis=0) + (1 + margin) * (corners - corners.mean(axis=0))
    sides = np.roll(grown, -1, axis=0) - grown
    turns = _cross(sides, xy[:, None] - grown)
    return np.asarray((turns >= 0).all(axis=1) | (turns <= 0).all(axis=1))


def distance_to_goal(xy: Floats, corners: Floats) -> Floats:
    """How far points (N, 2) are outside the goal's ordered corners; 0 inside."""
    polygon = np.asarray(corners, np.float32)
    points = np.asarray(xy, float).reshape(-1, 2).tolist()
    return np.array([max(0.0, -cv2.pointPolygonTest(polygon, one, True)) for one in points])


def find_corners(labels: ClipDetections, view: SteadyView | None = None) -> GoalView:
    """Find the goal's corners in the steady view from the masks of a clip.

    Of several goals in a frame the surest, then largest, counts. Corners are the median over frames
    spread across the clip, of which those count that are steady.
    """
    view = view or SteadyView()
    goals = {
        frame: max(found, key=lambda goal: (goal.score or 0.0, goal.area_px))
        for frame in range(len(labels.frames))
        if (found := labels.of_class(frame, "goal"))
    }
    frames = sorted(goals)
    if not frames:
        return GoalView(None, "none", "The goal is seen in no frame.")
    chosen = np.unique(np.linspace(0, len(frames) - 1, _MOST_FRAMES).round().astype(int))
    quads: list[Floats] = []
    reasons: list[str] = []
    for place in chosen:
        try:
            quad = _fit_quad(goals[frames[place]].pixels())
            quads.append(view.to_reference(frames[place], quad))
        except _NoCornersError as error:
            reasons.append(str(error))
    quads = [quad for quad in quads if np.isfinite(quad).all()]
    if not quads:
        why = reasons[0] if reasons else "No frame with a goal can be steadied."
        return GoalView(None, "none", why)
    corners = np.median(np.array(quads), axis=0)
    return GoalView(corners, "mask", f"The goal's mask in {len(quads)} frames.")


def sharpen_corners(view: GoalView, image: Image) -> GoalView:
    """Move corners onto the inner edges of posts and bar.

    Where post or bar are not white enough to be followed, the corners stay as they are, and the
    view's reason says so. The image is RGB (H, W, 3), best without people in front of the goal: the
    median of a few frames of a fixed camera.
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
        return GoalView(corners, view.method, reason)
    left, bar, right = (line for line in found if line is not None)
    tops = [_lines_meet(*post, *bar) for post in (left, right)]
    feet = [_foot(light, line, corners[index]) for line, index in ((left, 0), (right, 3))]
    if any(point is None for point in tops):
        return view
    sharpened = order_corners(np.array([feet[0], tops[0], tops[1], feet[1]], float))
    return GoalView(sharpened, "edges", f"{view.reason} Sharpened on white edges.")


class _NoCornersError(Exception):
    """A mask that gives no corners; says why in one sentence."""


def _fit_quad(pixels: NDArray[np.bool_] | None) -> Floats:
    """Corners (4, 2) of a mask (H, W), in order; raises `_NoCornersError`.

    Sides that lie on the picture's edge are not the goal's: its own sides are extended beyond.
    """
    if pixels is None:
        raise _NoCornersError("The goal has a box but no mask: corners cannot be told.")
    mask = np.ascontiguousarray(pixels, np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        raise _NoCornersError("The goal's mask is empty.")
    # Middles of the pixels along the rim; their outer edges are half a pixel further out.
    rim = np.concatenate(contours)[:, 0].astype(float) + 0.5
    if np.ptp(rim[:, 1]) < _LEAST_HEIGHT_PX:
        raise _NoCornersError("The goal is too small in the picture.")
    height, width = mask.shape
    free = ((rim > 1) & (rim < [width - 1, height - 1])).all(axis=1)
    rough = _reduce(cv2.convexHull(rim.astype(np.float32))[:, 0].astype(float), (width, height))
    refined = None if rough is None else _fit_sides(rim[free], rough)
    if refined is None and not free.all():
        raise _NoCornersError("The goal is cut off by the picture's edge.")
    if refined is not None:
        corners = order_corners(refined)
        painted = np.zeros(mask.shape, np.uint8)
        cv2.fillPoly(painted, [np.round(corners - 0.5).astype(np.int32)], (1,))
        if (painted & mask).sum() >= _LEAST_OVERLAP * (painted | mask).sum():
            return corners
    raise _NoCornersError("The goal's mask has no four straight sides: it is partly hidden.")


def _reduce(hull: Floats, wh: tuple[int, int]) -> Floats | None:
    """Take sides off a convex polygon until four are left, those that add the least area first."""
    polygon = list(hull)
    while len(polygon) > 4:
        best: tuple[float, int, Floats] | None = None
        for index in range(len(polygon)):
            a, b, c, d = (np.array(polygon[(index + k) % len(polygon)]) for k in range(4))
            meeting = _lines_meet(a, b - a, d, c - d)
            if meeting is None or (meeting - b) @ (b - a) < 0 or (meeting - c) @ (c - d) < 0:
                continue
            added = abs(float(_cross(c - b, meeting - b))) / 2
            if _on_edge(b, c, wh):  # not a side of the goal
                added = 0.0
            if best is None or added < best[0]:
                best = added, index, meeting
        if best is None:
            return None
        _, index, meeting = best
        gone = (index + 2) % len(polygon)
        polygon[(index + 1) % len(polygon)] = meeting
        del polygon[gone]
    return np.array(polygon) if len(polygon) == 4 else None


def _fit_sides(rim: Floats, rough: Floats) -> Floats | None:
    """Fit a line to the rim points of each side, half a pixel outwards, and intersect them."""
    middle = rough.mean(axis=0)
    lines: list[tuple[Floats, Floats]] = []
    for start, end in zip(rough, np.roll(rough, -1, axis=0), strict=True):
        along = end - start
        length = float(np.hypot(*along))
        along = along / max(length, 1e-9)
        share = (rim - start) @ along / max(length, 1e-9)
        distance = np.abs(_cross(along, rim - start))
        # The ends of a side bend into the next one and are left out.
        near = (distance < max(2.0, 0.06 * length)) & (share > 0.06) & (share < 0.94)
        if near.sum() < max(3, 0.25 * length * np.abs(along).max()):
            return None
        line = cv2.fitLine(rim[near].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01)
        direction, point = line.ravel().astype(float).reshape(2, 2)
        normal = np.array([-direction[1], direction[0]])
        normal = normal * np.sign(normal @ (point - middle))
        lines.append((point + 0.5 * float(np.abs(normal).max()) * normal, direction))
    corners = [_lines_meet(*lines[k - 1], *lines[k]) for k in range(4)]
    return None if any(c is None for c in corners) else np.array(corners)


def _lines_meet(p: Floats, along_p: Floats, q: Floats, along_q: Floats) -> Floats | None:
    """Where two lines, each a point and a direction, meet; None where they are nearly parallel."""
    turn = _cross(along_p, along_q)
    if abs(turn) < 1e-9 * max(1e-9, float(np.hypot(*along_p) * np.hypot(*along_q))):
        return None
    return np.asarray(p + along_p * (_cross(q - p, along_q) / turn))


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _on_edge(a: Floats, b: Floats, wh: tuple[int, int]) -> bool:
    """Whether a side lies along the picture's edge."""
    low, high = np.array([1.0, 1.0]), np.array(wh) - 1.0
    both = np.stack([a, b])
    return bool(((both <= low).all(axis=0) | (both >= high).all(axis=0)).any())


def _edge_line(light: Image, corners: Floats, side: int) -> tuple[Floats, Floats] | None:
    """Line through the inner edge of side 0 (left post), 1 (bar) or 2 (right post).

    Returns:
        A point and a direction (2,) each; None where too few edges lie on one line.
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
    return start + middle * inwards, along + slope * inwards


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


def _foot(light: Image, line: tuple[Floats, Floats], rough: Floats) -> Floats:
    """Where a post meets the ground: where its white ends, else level with `rough`."""
    point, along = line
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
