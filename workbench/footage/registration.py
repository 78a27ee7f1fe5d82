"""Registration of frames to a reference view: where its places are in another picture.

The unit is one frame against one reference picture. Points of the reference are followed into the
frame after a warp that the previous frame predicts, never from frame to frame: chained maps drift
by 5–14 px. Two maps come out: of what stands from the goal's foot upwards, and of the ground in
front, which moves differently as soon as the camera changes its place. The error is measured: how
much maps of two halves of the points disagree at the places that matter, and how far off the map
these places and the points around them are seen. A map with too large an error is withheld, with
the reason. Knows nothing about files.

Points are in full-size pixels, the middle of the first pixel at (0.5, 0.5).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from workbench.footage.goalframe import GoalFrame
from workbench.footage.planemaps import (
    INLIER_PX,
    Bools,
    Finder,
    Floats,
    Image,
    find_step,
    fit_ground,
    fit_map,
    follow,
    foot_line,
    is_free,
    line_distance,
    move_points,
    spread_points,
)

METHOD = 3  # raise when the same pictures would give other maps
MOST_ERROR_PX = 2.0  # of a map that is given out, where the picture's short side is 720 or less
SHORT_SIDE_PX = 720  # larger pictures are reduced to it
_PREDICTING_PX = 320  # long side of the pictures that predict
_POINTS = 700
_FEWEST = 25  # points that a map rests on
_FEWEST_UP = 80  # points above the goal's foot; with fewer all count
_NEIGHBOURS = 7  # points that are off together where the camera travels
_LEAST_FITTING = 0.8  # of the points that are found again: one plane explains them
_LEAST_FITTING_WHOLE = 0.65  # the same of a whole picture, in which water, trees and people move
_LEAST_STAYING = 0.25  # the same where they stay in their places, which is no chance
_STAYING_PX = 1.0
_LEAST_VISIBLE = 0.15  # of the reference's points
_FLOOR_PX = 0.3  # no map is believed to be better
_NEAR_POINTS, _FEWEST_NEAR = 15, 6  # points around a place
_NEAR_PERCENTILE = 65  # of how far off they are; some of them may stand at another distance
_NEAR_SHARE = 0.12  # of the picture's width: what is around a place
_MOSTLY_PERCENTILE = 90  # of how far off points of one distance are
_FEWEST_NEARER = 30  # points of the ground
_ONE_PLANE_PX = 0.6  # no farther off, ground and goal move alike: the camera stays in its place
_LOOK_EVERY = 5  # lost frames: finding the view afresh takes as long as five registrations
_EDGE = cv2.BORDER_REPLICATE
_CHECKERBOARDS = ((8, 6), (5, 4))  # cells that part the points into halves


@dataclass(frozen=True)
class Registration:
    """One frame in terms of the reference view."""

    to_frame: Floats | None  # (3, 3): from the reference to the frame, from the goal's foot up
    ground_to_frame: Floats | None  # (3, 3): of the ground in front; the same without a goal
    error_px: float  # of the first, where it matters; inf where nothing is known
    ground_error_px: float  # of the second
    moved_px: float  # how far these places are from where they were, in the median
    reason: str = ""  # why the frame cannot be steadied

    @property
    def is_steady(self) -> bool:
        """Whether the frame may be seen in the reference view."""
        return not self.reason


@dataclass(frozen=True)
class _Fit:
    """A map in working pixels and the points it was made of."""

    to_frame: Floats
    start: Floats  # (N, 2) points that could be followed, in the reference
    there: Floats  # (N, 2) in the frame
    upright: Bools  # (N,) those that the map is for
    holds: Bools  # (N,) those that it explains
    visible: float  # share of the reference's points that are in the picture


class Registrar:
    """Registers frames, best in the order in which they are shown, to one reference picture.

    Args:
        reference: RGB (H, W, 3) or grey (H, W), of the full size or reduced.
        people: Boxes (N, 4) of x0, y0, x1, y1 in the reference, or a mask (H, W) of bool.
        goal_px: Corners (4, 2) of the goal, NaN where one is not seen: the places that matter.
            Without them that is the whole picture, as one plane.
        overlay: Where something is burnt into every picture, (H, W) of bool, any size.
        full_wh: Size that points and boxes are given in; that of the reference by default.

    Example:
        >>> registrar = Registrar(images[0], goal_px=corners)  # doctest: +SKIP
        >>> found = registrar.register(images[1])
        >>> found.is_steady and found.error_px
        0.4
    """

    def __init__(
        self,
        reference: Image,
        people: NDArray[Any] | None = None,
        *,
        goal_px: ArrayLike | None = None,
        overlay: Bools | None = None,
        full_wh: tuple[int, int] | None = None,
    ) -> None:
        full_wh = full_wh or (reference.shape[1], reference.shape[0])
        self._wh = working_wh(full_wh)
        across, down = np.divide(self._wh, full_wh)
        self._working = np.array([[across, 0, -0.5], [0, down, -0.5], [0, 0, 1.0]])
        self._full_px = float(1 / across)  # full-size pixels per working pixel
        self._overlay = None if overlay is None else self._resize(overlay.astype(np.uint8)) > 0
        self._grey, free = self._prepare(reference, people)
        self._everywhere = np.full_like(free, 255)
        self._points = spread_points(self._grey, free, _POINTS)
        corners = np.empty((0, 2)) if goal_px is None else np.asarray(goal_px, float)
        seen = corners[np.isfinite(corners).all(axis=1)]
        self._has_goal = len(seen) > 0
        self._places = move_points(self._working, seen) if len(seen) else _grid(self._wh, (4, 3))
        self._frame: GoalFrame | None = None
        self._upright = np.ones(len(self._points), bool)
        self._foot: Floats | None = None
        if self._has_goal:
            self._seen = np.isfinite(corners).all(axis=1)
            self._frame = GoalFrame(self._grey, free, move_points(self._working, corners))
            self._part_ground(corners)
        self._finder: Finder | None = None
        self._reference = self._small(self._grey), self._small(free), np.eye(3)
        self.restart()

    def restart(self) -> None:
        """Go on from the reference: the next frame is a neighbour of it."""
        self._before: tuple[Image, Image, Floats] = self._reference
        self._lost = 0  # frames in a row

    def register(self, frame: Image, people: NDArray[Any] | None = None) -> Registration:
        """Register a picture of the same video; `people` as in the reference."""
        grey, free = self._prepare(frame, people)
        small, small_free = self._small(grey), self._small(free)
        fit: _Fit | None = None
        for guess in self._guesses(grey, free, small):
            found = self._fit(grey, free, guess)
            if found is not None and (fit is None or found.holds.sum() > fit.holds.sum()):
                fit = found
            if fit is not None and fit.holds.sum() >= 2 * _FEWEST:
                break
        if fit is None or fit.holds.sum() < _FEWEST:
            few = 0 if fit is None else int(fit.holds.sum())
            return _refused(f"only {few} points found again: too dark, blurred, or another view")
        self._before, self._lost = (small, small_free, fit.to_frame), 0
        if _fitting_share(fit) < self._least_fitting(fit):
            return _refused("near and far move differently: the camera travels")
        if fit.visible < _LEAST_VISIBLE:
            return _refused(f"{fit.visible:.0%} of the reference view in sight: it turned away")
        return self._judge(grey, free, fit)

    def _part_ground(self, goal_px: Floats) -> None:
        """Tell the points from the goal's foot up from those of the ground in front."""
        low = move_points(self._working, goal_px[np.argsort(-np.nan_to_num(goal_px[:, 1]))[:2]])
        self._foot = foot_line(low[np.isfinite(low).all(axis=1)])
        wide, high = np.ptp(self._places, axis=0)
        below = line_distance(self._foot, self._points)
        upright = below < 0.2 * max(high, wide / 3)
        if upright.sum() >= _FEWEST_UP:
            self._upright = upright

    def _prepare(
        self, image: Image, people: NDArray[Any] | None
    ) -> tuple[Image, NDArray[np.uint8]]:
        """The grey working picture, and where points may lie: 255, else 0."""
        grey = image
        if image.ndim == 3:
            grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        if (grey.shape[1], grey.shape[0]) != self._wh:
            grey = np.asarray(cv2.resize(grey, self._wh, interpolation=cv2.INTER_AREA), np.uint8)
        free = np.full(grey.shape, 255, np.uint8)
        if people is not None and people.dtype == bool:
            mask = self._resize(people.astype(np.uint8))
            free[cv2.dilate(mask, np.ones((7, 7), np.uint8)) > 0] = 0
        elif people is not None:
            for x0, y0, x1, y1 in np.asarray(people, float).reshape(-1, 4):
                margin = 2 + 0.04 * max(x1 - x0, y1 - y0)
                box = [(x0 - margin, y0 - margin), (x1 + margin, y1 + margin)]
                low, high = np.clip(np.rint(move_points(self._working, box)), 0, None).astype(int)
                free[low[1] : high[1], low[0] : high[0]] = 0
        if self._overlay is not None:
            free[self._overlay] = 0
        return grey, free

    def _resize(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        resized = cv2.resize(mask, self._wh, interpolation=cv2.INTER_NEAREST)
        return np.asarray(resized, np.uint8)

    def _small(self, grey: Image) -> Image:
        scale = min(1.0, _PREDICTING_PX / max(self._wh))
        wh = tuple(max(1, round(side * scale)) for side in self._wh)
        return np.asarray(cv2.resize(grey, wh, interpolation=cv2.INTER_AREA), np.uint8)

    def _guesses(self, grey: Image, free: Image, small: Image) -> Iterator[Floats]:
        """Where the reference may be: moved on from the previous frame, or found afresh."""
        before, small_free, to_before = self._before
        step = find_step(before, small, small_free)
        if step is not None:
            enlarge = np.diag([self._wh[0] / small.shape[1], self._wh[1] / small.shape[0], 1.0])
            yield enlarge @ step @ np.linalg.inv(enlarge) @ to_before
        yield to_before
        self._lost += 1
        if self._lost % _LOOK_EVERY == 1:
            if self._finder is None:
                self._finder = Finder(self._grey, self._everywhere)
            found = self._finder.find(grey, free)
            if found is not None:
                yield found

    def _fit(self, grey: Image, free: Image, guess: Floats) -> _Fit | None:
        """Follow the reference's points into the frame, starting from a guess."""
        fit = None
        for _ in range(2):
            seen = is_free(move_points(guess, self._points), free)
            warped = _warp(grey, guess, self._wh)
            there, kept = follow(self._grey, warped, self._points[seen])
            start, end = self._points[seen][kept], move_points(guess, there[kept])
            upright = self._upright[seen][kept]
            model = fit_map(start[upright], end[upright], self._wh)
            if model is None:
                return fit
            off = np.linalg.norm(move_points(model, start) - end, axis=1)
            visible = float(is_free(move_points(model, self._points), self._everywhere).mean())
            fit = _Fit(model, start, end, upright, upright & (off < INLIER_PX), visible)
            change = move_points(model, self._places) - move_points(guess, self._places)
            if np.linalg.norm(change, axis=1).max() < 3:
                break
            guess = model
        return fit

    def _least_fitting(self, fit: _Fit) -> float:
        if self._has_goal:
            return _LEAST_FITTING
        return _LEAST_STAYING if self._stays(fit) else _LEAST_FITTING_WHOLE

    def _stays(self, fit: _Fit) -> bool:
        """Whether the picture has not moved."""
        moved = move_points(fit.to_frame, self._places) - self._places
        return bool(np.linalg.norm(moved, axis=1).max() < _STAYING_PX)

    def _judge(self, grey: Image, free: Image, fit: _Fit) -> Registration:
        there = move_points(fit.to_frame, self._places)
        inside = is_free(there, self._everywhere)
        if not inside.any():
            return _refused("nothing of the goal is in the picture: it turned away")
        around = self._around(fit, self._places[inside])
        frame = np.full(inside.sum(), np.nan)
        if self._frame is not None:
            frame = self._frame.off_px(grey, free, fit.to_frame)[self._seen][inside]
        unseen = np.isnan(around) & np.isnan(frame)
        is_hidden = self._has_goal and unseen.mean() >= 0.5
        if is_hidden:
            fit = self._of_one_plane(fit)
            there = move_points(fit.to_frame, self._places)
        nearer = self._nearer(fit)
        if is_hidden and not np.isfinite(nearer):
            return _refused("too little around the goal is found again: it is hidden")
        halves = self._disagreement(fit, self._places[inside])
        # Where the goal itself is not seen, what stands behind it says less, unless the ground in
        # front agrees with it: the goal is between them.
        blind = 3 if self._frame and self._frame.sides and np.isnan(frame).all() else 2
        doubt = np.where(unseen, 2, np.where(np.isnan(frame) & self._has_goal, blind, 1))
        beside = np.minimum(around * doubt, np.hypot(around, nearer))
        if is_hidden:
            beside[unseen] = around[unseen] = nearer
        worst = np.nanmax(np.vstack([halves * doubt, beside, frame]), axis=0)
        counts = 100 if self._has_goal else 50 if self._stays(fit) else 75  # of the places
        error = float(np.percentile(worst, counts, method="higher"))
        error_px = self._full_px * float(np.hypot(_FLOOR_PX, error))
        moved_px = self._full_px * float(np.median(np.linalg.norm(there - self._places, axis=1)))
        to_full = np.linalg.inv(self._working)
        to_frame: Floats | None = to_full @ fit.to_frame @ self._working
        ground, ground_error_px = self._ground(fit)
        ground_to_frame: Floats | None = to_full @ ground @ self._working
        reason = ""
        if error_px > MOST_ERROR_PX * max(1.0, self._full_px):
            seen_off = np.nanmax(np.vstack([np.zeros(len(halves)), around, frame]))
            reason = f"{error_px:.1f} px off: the camera travels"
            if halves.max() > seen_off:
                reason = f"uncertain by {error_px:.1f} px: too little that stands still is seen"
            to_frame, ground_to_frame = None, None
        return Registration(to_frame, ground_to_frame, error_px, ground_error_px, moved_px, reason)

    def _of_one_plane(self, fit: _Fit) -> _Fit:
        """The fit to all points, if the ground moves as what stands does; else the same."""
        everything = fit_map(fit.start, fit.there, self._wh)
        if everything is None:
            return fit
        off = np.linalg.norm(move_points(everything, fit.start) - fit.there, axis=1)
        both = replace(fit, to_frame=everything, holds=off < INLIER_PX)
        standing = _mostly_off(everything, fit.start[fit.upright], fit.there[fit.upright])
        return both if max(standing, self._nearer(both)) < _ONE_PLANE_PX else fit

    def _disagreement(self, fit: _Fit, places: Floats) -> Floats:
        """Half the distance (P,) between where two halves of the points put each place."""
        start, there = fit.start[fit.holds], fit.there[fit.holds]
        worst = np.zeros(len(places))
        for half in _halves(start, self._wh):
            maps = [fit_map(start[h], there[h], self._wh) for h in (half, ~half)]
            if maps[0] is None or maps[1] is None:
                return np.full(len(places), np.inf)
            apart = move_points(maps[0], places) - move_points(maps[1], places)
            worst = np.maximum(worst, np.linalg.norm(apart, axis=1) / 2)
        return worst

    def _around(self, fit: _Fit, places: Floats) -> Floats:
        """How far off the map the points around each place are (P,); NaN where there are none."""
        start = fit.start[fit.upright]
        off = fit.there[fit.upright] - move_points(fit.to_frame, start)
        found = np.full(len(places), np.nan)
        for number, place in enumerate(places):
            distance = np.linalg.norm(start - place, axis=1)
            near = np.argsort(distance)[:_NEAR_POINTS]
            near = near[distance[near] < _NEAR_SHARE * self._wh[0]]
            if len(near) >= _FEWEST_NEAR:
                found[number] = np.percentile(np.linalg.norm(off[near], axis=1), _NEAR_PERCENTILE)
        return found

    def _nearer(self, fit: _Fit) -> float:
        """How far off the map the ground in front of the goal is; inf where too little is seen.

        A camera that changes its place moves what is nearer by more, so the goal is off by less.
        """
        if self._foot is None:
            return np.inf
        start, there = self._on_ground(fit)
        if len(start) < _FEWEST_NEARER:
            return np.inf
        return _mostly_off(fit.to_frame, start, there)

    def _on_ground(self, fit: _Fit) -> tuple[Floats, Floats]:
        """Points below the goal's foot, in the reference and in the frame."""
        assert self._foot is not None
        below = line_distance(self._foot, fit.start) > 0.02 * self._wh[1]
        return fit.start[below], fit.there[below]

    def _ground(self, fit: _Fit) -> tuple[Floats, float]:
        """The ground's map in working pixels, and its error in full-size ones."""
        if self._foot is None:
            return fit.to_frame, 0.0
        start, there = self._on_ground(fit)
        ground = fit_ground(fit.to_frame, self._foot, start, there)
        places = _grid(self._wh, (3, 4))
        places = places[line_distance(self._foot, places) > 0]
        if ground is None or not len(places):
            return fit.to_frame, np.inf
        half = next(_halves(start, self._wh))
        maps = [fit_ground(fit.to_frame, self._foot, start[h], there[h]) for h in (half, ~half)]
        if maps[0] is None or maps[1] is None:
            return ground, np.inf
        apart = np.linalg.norm(move_points(maps[0], places) - move_points(maps[1], places), axis=1)
        return ground, self._full_px * float(np.hypot(_FLOOR_PX, apart.max()))


def working_wh(full_wh: tuple[int, int]) -> tuple[int, int]:
    """The size that pictures are registered at."""
    scale = min(1.0, SHORT_SIDE_PX / min(full_wh))
    return max(1, round(full_wh[0] * scale)), max(1, round(full_wh[1] * scale))


def _fitting_share(fit: _Fit) -> float:
    """Share of the upright points around which the map is right."""
    off = _off_together(fit.to_frame, fit.start[fit.upright], fit.there[fit.upright])
    return float((off < INLIER_PX).mean())


def _mostly_off(to_frame: Floats, start: Floats, there: Floats) -> float:
    """How far off a map nearly all points are, each with its neighbours."""
    return float(np.percentile(_off_together(to_frame, start, there), _MOSTLY_PERCENTILE))


def _off_together(to_frame: Floats, start: Floats, there: Floats) -> Floats:
    """How far off a map each point and its neighbours are (N,).

    Single points of a noisy picture are off anyhow; what stands at another distance is off
    together with its neighbours.
    """
    off = there - move_points(to_frame, start)
    near = cKDTree(start).query(start, min(_NEIGHBOURS, len(start)))[1]
    around = np.median(off[near.reshape(len(start), -1)], axis=1)
    return np.asarray(np.linalg.norm(around, axis=1))


def _refused(reason: str) -> Registration:
    return Registration(None, None, np.inf, np.inf, np.inf, reason)


def _warp(image: Image, transform: Floats, wh: tuple[int, int]) -> Image:
    """Look up each pixel of the result where `transform` takes it."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpPerspective(image, transform, wh, flags=flags, borderMode=_EDGE), np.uint8
    )


def _halves(points: Floats, wh: tuple[int, int]) -> Iterator[Bools]:
    """Part points (N, 2) into halves that both cover the picture."""
    for cols, rows in _CHECKERBOARDS:
        yield (points[:, 0] * cols // wh[0] + points[:, 1] * rows // wh[1]) % 2 == 0


def _grid(wh: tuple[int, int], cells_wh: tuple[int, int]) -> Floats:
    """The middles (N, 2) of equal cells."""
    x, y = ((np.arange(n) + 0.5) * side / n for n, side in zip(cells_wh, wh, strict=True))
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
