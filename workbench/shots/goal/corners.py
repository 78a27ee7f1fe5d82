"""The goal's corners in the picture: the four inner corners of posts, bar and ground.

They come from the goal's mask (from several frames of a fixed camera), from clicks of a person, and
can be sharpened to a fraction of a pixel on the white edges of a picture. Corners are (4, 2) pixels
in the order left bottom, left top, right top, right bottom as seen, counted as in `track`. Knows
nothing about the goal's size and the camera.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import Detection
from workbench.detect.store import ClipDetections
from workbench.footage.pinhole import Floats
from workbench.shots.verdict import ShotError

_LEAST_HEIGHT_PX = 8.0
_LEAST_OVERLAP = 0.8  # of a mask with its quadrilateral
_MOST_FRAMES = 15  # of a fixed camera that are looked at


@dataclass(frozen=True)
class GoalView:
    """Where the goal is in the picture, or why that is not known."""

    corners_px: Floats | None  # (4, 2) left bottom, left top, right top, right bottom
    method: str  # mask, edges, clicks; none
    reason: str  # what the corners rest on, or why there are none; one sentence
    spread_px: float = float("nan")  # median deviation between frames or along edges


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
    if _area(ordered) < 1e-6 * float(np.ptp(corners, axis=0).max()) ** 2:
        raise ShotError("the goal's corners lie on a line", "give the corners of the goal's mouth")
    return np.asarray(ordered)


def inside_goal(xy: Floats, corners: Floats, margin: float = 0.0) -> NDArray[np.bool_]:
    """Which points (N, 2) lie inside the goal's outline, enlarged about its middle.

    Args:
        xy: Points in pixels.
        corners: The goal's corners (4, 2), ordered.
        margin: What is added, as a share of the goal's half size.
    """
    grown = corners.mean(axis=0) + (1 + margin) * (corners - corners.mean(axis=0))
    sides = np.roll(grown, -1, axis=0) - grown
    turns = _cross(sides, xy[:, None] - grown)
    return np.asarray((turns >= 0).all(axis=1) | (turns <= 0).all(axis=1))


def find_corners(labels: ClipDetections, *, fixed_camera: bool = True) -> GoalView:
    """Find the goal's corners from the masks of a clip.

    Args:
        labels: Labels of the clip; of several goals in a frame the surest, then largest, counts.
        fixed_camera: Take the median over frames spread across the clip. Otherwise only frames in
            the middle of the clip count: corners move with the camera.
    """
    goals = {
        frame: max(found, key=lambda goal: (goal.score or 0.0, goal.area_px))
        for frame in range(len(labels.frames))
        if (found := labels.of_class(frame, "goal"))
    }
    frames = sorted(goals)
    if not fixed_camera:
        frames = [frame for frame in frames if abs(frame - len(labels.frames) / 2) <= 2]
    if not frames:
        when = "in no frame" if fixed_camera else "not in the middle of the clip"
        return GoalView(None, "none", f"The goal is seen {when}.")
    chosen = np.unique(np.linspace(0, len(frames) - 1, _MOST_FRAMES).round().astype(int))
    quads: list[Floats] = []
    reasons: list[str] = []
    for place in chosen:
        try:
            quads.append(_fit_quad(_mask_of(goals[frames[place]])))
        except _NoCornersError as error:
            reasons.append(str(error))
    if not quads:
        return GoalView(None, "none", reasons[0])
    corners = np.median(np.array(quads), axis=0)
    spread = float(np.median(np.abs(np.array(quads) - corners)))
    return GoalView(corners, "mask", f"The goal's mask in {len(quads)} frames.", spread)


def clicked_goals(path: Path | None) -> dict[str, GoalView]:
    """Read where people clicked the goal, by clip id or session; nothing without a file.

    The file: `{"format": "workbench-goal-corners/1", "corners_px": {"clip": [[x, y], …4]}}`.

    Raises:
        ShotError: If the file is absent or holds something else.
    """
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = dict(content["corners_px"])
    except FileNotFoundError:
        raise ShotError(f"{path} does not exist", "click the goal's corners first") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ShotError(f"{path} holds no goal corners ({error})", "click them anew") from None
    try:
        corners = {name: order_corners(np.array(four, float)) for name, four in entries.items()}
    except (ShotError, ValueError, TypeError) as error:
        raise ShotError(f"{path}: {error}", "give four [x, y] for each clip") from None
    return {
        str(name): GoalView(four, "clicks", "Clicked by a person.")
        for name, four in corners.items()
    }


class _NoCornersError(Exception):
    """A mask that gives no corners; says why in one sentence."""


def _mask_of(goal: Detection) -> NDArray[np.uint8]:
    pixels = goal.pixels()
    if pixels is None:
        raise _NoCornersError("The goal has a box but no mask: corners cannot be told.")
    return np.ascontiguousarray(pixels, np.uint8)


def _fit_quad(mask: NDArray[np.uint8]) -> Floats:
    """Corners (4, 2) of a mask (H, W), in order; raises `_NoCornersError`.

    Sides that lie on the picture's edge are not the goal's: its own sides are extended beyond.
    """
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
            meeting = lines_meet(a, b - a, d, c - d)
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
        vx, vy, x, y = (
            float(v)
            for v in cv2.fitLine(
                rim[near].astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01
            ).ravel()
        )
        point, direction = np.array([x, y]), np.array([vx, vy])
        normal = np.array([-vy, vx])
        normal = normal * np.sign(normal @ (point - middle))
        lines.append((point + 0.5 * float(np.abs(normal).max()) * normal, direction))
    corners = [lines_meet(*lines[k - 1], *lines[k]) for k in range(4)]
    return None if any(c is None for c in corners) else np.array(corners)


def lines_meet(p: Floats, along_p: Floats, q: Floats, along_q: Floats) -> Floats | None:
    """Where two lines, each a point and a direction, meet; None where they are nearly parallel."""
    turn = _cross(along_p, along_q)
    if abs(turn) < 1e-9 * max(1e-9, float(np.hypot(*along_p) * np.hypot(*along_q))):
        return None
    return np.asarray(p + along_p * (_cross(q - p, along_q) / turn))


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _area(corners: Iterable[Floats]) -> float:
    points = np.array(list(corners))
    return abs(float(_cross(points, np.roll(points, -1, axis=0)).sum())) / 2


def _on_edge(a: Floats, b: Floats, wh: tuple[int, int]) -> bool:
    """Whether a side lies along the picture's edge."""
    low, high = np.array([1.0, 1.0]), np.array(wh) - 1.0
    both = np.stack([a, b])
    return bool(((both <= low).all(axis=0) | (both >= high).all(axis=0)).any())
