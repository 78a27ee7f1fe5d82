"""The ball's track, one row per frame in which the ball is seen, and its pieces of smooth motion.

Pixels are counted as COCO counts them: pixel i reaches from i to i + 1, so the middle of the top
left pixel is (0.5, 0.5). Frames without a ball have no row. Outliers stay in the track, flagged:
the 3D fit uses all rows, because a Hampel filter may flag the first points of a flight as jumps of
a ball at rest.

A piece of smooth motion is a parabola in time along x and along y, a good approximation of a flight
in the picture. Tracks are cut into pieces by optimal partitioning (Jackson et al. 2005, "An
algorithm for optimal partitioning of data on an interval"), so that smoothing never reaches across
a kick. `kick` finds which of the cuts is one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.detect.ballpath import Spot, best_path, without_bystanders
from workbench.detect.detections import Detection
from workbench.detect.store import ClipDetections
from workbench.footage.pinhole import Floats
from workbench.footage.steadyview import SteadyView
from workbench.labels.values import Point
from workbench.shots.verdict import ShotError

TRACK_COLUMNS = ("frame", "x", "y", "width_px", "height_px", "diameter_px", "score")

_REACH = 0.12  # of the picture's width: how far a ball moves from one frame to the next
_LEAST_NOISE = 0.05  # of a ball; a mask's middle is no better, and no flight is quite a parabola
_LONGEST_GAP_S = 0.35  # that smoothing fills
_MOST_TRIES = 3  # at a path without bystanders
_SIZE_ROWS = 15  # whose median is the ball's size in the middle one
_DIAMETER_ROWS = 7  # whose median is the diameter that is drawn
_GAUSSIAN = 1.4826  # standard deviation of a Gaussian over its median absolute deviation
_HAMPEL_FRAMES = 3  # on either side, that a row is compared with
_HAMPEL_DEVIATIONS = 4.0  # Gaussian ones from the median, that make an outlier
_HAMPEL_FLOOR = 0.25  # of a ball: no deviation is taken for smaller
_LONGEST_PIECE_S = 2.0
_CUT_COST = 22.0  # of a new piece, in squared deviations
_HANDOVER_STEPS = 21
_LOOSE = 1e-6  # ridge, so that pieces of one or two rows have an answer


@dataclass(frozen=True, eq=False)
class BallTrack:
    """Where the ball of one clip is seen, N rows in order of frames.

    Raises:
        ShotError: If rows are missing in a column, frames do not increase, or a place is not
            finite.

    Example:
        >>> lies = BallTrack(np.arange(3), np.full((3, 2), 50.0), np.full((3, 2), 9.0),
        ...                  np.full(3, 9.0), np.ones(3))
        >>> len(lies), lies.size_px
        (3, 9.0)
    """

    frames: NDArray[np.int64]  # (N,)
    xy: Floats  # (N, 2) middle of the mask, of the box where there is no mask; pixels
    box_wh: Floats  # (N, 2) pixels
    # Of the disc that has the mask's smaller spread, so that motion blur, which lengthens a ball,
    # does not enlarge it.
    diameter_px: Floats  # (N,)
    score: Floats  # (N,) 0–1

    def __post_init__(self) -> None:
        count = len(self.frames)
        shapes = ((count,), (count, 2), (count, 2), (count,), (count,))
        columns = (self.frames, self.xy, self.box_wh, self.diameter_px, self.score)
        if any(column.shape != shape for column, shape in zip(columns, shapes, strict=True)):
            raise ShotError("the columns of the track differ in length", "give each frame one row")
        if (np.diff(self.frames) <= 0).any() or not np.isfinite(self.xy).all():
            raise ShotError(
                "the track's frames do not increase, or a place is not finite",
                "sort the rows and leave out those without a ball, as BallTrack.from_table does",
            )

    @classmethod
    def from_table(cls, table: pd.DataFrame) -> "BallTrack":
        """Return the track of a table with `TRACK_COLUMNS`, its rows in any order.

        Rows without a number for the frame or the place are left out; of several rows of one frame
        the one with the best score stays.

        Raises:
            ShotError: If it is no table, or a column is missing.
        """
        if not isinstance(table, pd.DataFrame):
            raise ShotError(f"track is a {type(table).__name__}", "give a pandas DataFrame")
        missing = [column for column in TRACK_COLUMNS if column not in table]
        if missing:
            raise ShotError(
                f"the track has no column {missing[0]!r}", f"give {', '.join(TRACK_COLUMNS)}"
            )
        usable = table[np.isfinite(table[["frame", "x", "y"]].to_numpy(float)).all(axis=1)]
        best_last = usable.sort_values(["frame", "score"], kind="stable", na_position="first")
        rows = best_last.drop_duplicates("frame", keep="last")
        return cls(
            rows["frame"].to_numpy(np.int64),
            rows[["x", "y"]].to_numpy(float),
            rows[["width_px", "height_px"]].to_numpy(float),
            rows["diameter_px"].to_numpy(float),
            rows["score"].to_numpy(float),
        )

    def to_table(self) -> pd.DataFrame:
        """Return the track as a table with `TRACK_COLUMNS`."""
        columns = (self.frames, *self.xy.T, *self.box_wh.T, self.diameter_px, self.score)
        return pd.DataFrame(dict(zip(TRACK_COLUMNS, columns, strict=True)))

    def placed(self, places: Sequence[tuple[int, Point | None]], size_px: float) -> "BallTrack":
        """Return the track with the ball where a person has seen it; without a place, it is gone.

        `size_px` is taken where the ball's size is not known from other frames.
        """
        frames = np.array([frame for frame, _ in places], np.int64)
        left = self.take(~np.isin(self.frames, frames))
        known = left.take(np.isfinite(left.diameter_px) & (left.box_wh > 0).all(axis=1))
        rows = [left.to_table()]
        for frame, place in places:
            if place is not None:
                width, height, diameter = (
                    float(np.interp(frame, known.frames, sizes)) if len(known) else size_px
                    for sizes in (*known.box_wh.T, known.diameter_px)
                )
                row = (frame, *place, width, height, diameter, 1.0)
                rows.append(pd.DataFrame([row], columns=list(TRACK_COLUMNS), dtype=float))
        return BallTrack.from_table(pd.concat([table for table in rows if len(table)] or rows[:1]))

    def __len__(self) -> int:
        return len(self.frames)

    def take(self, rows: NDArray[Any] | slice) -> "BallTrack":
        """Return some of the rows: a slice, indices or flags (N,)."""
        xy, box_wh = self.xy[rows], self.box_wh[rows]
        return BallTrack(self.frames[rows], xy, box_wh, self.diameter_px[rows], self.score[rows])

    @property
    def size_px(self) -> float:
        """The ball's median diameter: a unit in which the picture's scale does not matter."""
        return float(np.nanmedian(self.diameter_px))

    @cached_property
    def is_outlier(self) -> NDArray[np.bool_]:
        """Flags (N,) of jumps, by a Hampel filter: median and MAD of the frames around.

        A ball at rest has a MAD of zero, so that its first moves would be flagged; the deviation is
        therefore at least a share of the ball plus the window's median step. For 2D rules and
        pictures; the 3D fit uses all rows.
        """
        flags = np.zeros(len(self), bool)
        if len(self) < 3:
            return flags
        least = _HAMPEL_FLOOR * self.size_px
        for row, frame in enumerate(self.frames):
            near = np.abs(self.frames - frame) <= _HAMPEL_FRAMES
            window = self.xy[near]
            if len(window) < 3:
                continue
            # Against the window's own straight line, so that a fast ball is not its own outlier.
            steps = np.diff(window, axis=0) / np.diff(self.frames[near])[:, None]
            drift = np.median(steps, axis=0)
            level = window - drift * (self.frames[near] - frame)[:, None]
            middle = np.median(level, axis=0)
            spread = _GAUSSIAN * float(np.median(np.hypot(*(level - middle).T)))
            off = float(np.hypot(*(self.xy[row] - middle)))
            flags[row] = off > _HAMPEL_DEVIATIONS * max(spread, least) + float(np.hypot(*drift))
        return flags

    @cached_property
    def without_outliers(self) -> "BallTrack":
        """The rows that are not flagged."""
        return self.take(~self.is_outlier)

    def whole_sizes_px(self) -> Floats:
        """The whole ball's size in each row (N,): median of the longer sides in the rows around.

        Legs and posts hide a part of the ball, mostly from one side: the longer side is still the
        ball's. A median over half a second does not follow the streaks of motion blur.
        """
        longer = pd.DataFrame(self.box_wh).max(axis=1)
        around = longer.rolling(_SIZE_ROWS, center=True, min_periods=1).median()
        return np.asarray(np.maximum(around.fillna(self.size_px).to_numpy(float), 1.0))

    def frames_with_short_gaps(self, longest: float) -> NDArray[np.int64]:
        """Frames in which the ball is seen, and those between two that are so many frames apart."""
        frames = np.arange(self.frames[0], self.frames[-1] + 1)
        after = np.searchsorted(self.frames, frames)
        gap = self.frames[after] - self.frames[np.maximum(after - 1, 0)]
        return frames[np.isin(frames, self.frames) | (gap <= longest)]


@dataclass(frozen=True)
class Piece:
    """Smooth motion between two cuts; times in seconds from `origin_s`."""

    start: int  # first row
    stop: int  # one past the last row
    origin_s: float
    terms: Floats  # (3, 2) pixels, pixels per second, half of pixels per second squared

    def at(self, time_s: Floats | float) -> Floats:
        """Positions (…, 2) in pixels."""
        return np.asarray(_powers(np.asarray(time_s, float) - self.origin_s) @ self.terms)


class SmoothTrack(NamedTuple):
    """A track as it is drawn: without noise, short gaps filled; M rows in order of frames."""

    frames: NDArray[np.int64]  # (M,)
    xy: Floats  # (M, 2) pixels
    diameter_px: Floats  # (M,)


def ball_track(labels: ClipDetections, view: SteadyView | None = None) -> BallTrack:
    """Choose one ball per frame and return its track, in the frames' own pixels.

    Where several balls are labelled, the chain that moves most like one ball wins
    (`detect.ballpath`), as seen in the steady view; before and after it, the best chains of the
    frames that are left go on.
    """
    view = view or SteadyView()
    balls = [labels.of_class(frame, "ball") for frame in range(len(labels.frames))]
    spots = [[_as_spot(ball, frame, view) for ball in found] for frame, found in enumerate(balls)]
    reach_px = _REACH * labels.width
    for _ in range(_MOST_TRIES):  # other balls lie about, and what is taken for one
        spots, before = without_bystanders(spots, _best(spots, reach_px)), spots
        if spots == before:
            break
    chosen = _chain(spots, 0, len(spots), reach_px)
    rows = [track_row(frame, balls[frame][index]) for frame, index in sorted(chosen.items())]
    return BallTrack.from_table(pd.DataFrame(rows, columns=list(TRACK_COLUMNS), dtype=float))


def steady_track(seen: BallTrack, view: SteadyView) -> BallTrack:
    """Return a track in the steady view; where a frame is not steady there is no row."""
    if view.frames is None or not len(seen):
        return seen
    pairs = list(zip(seen.frames.tolist(), seen.xy, strict=True))
    xy = np.concatenate([view.to_reference(frame, place) for frame, place in pairs])
    scale = np.array([view.scale(frame, place) for frame, place in pairs])
    steady = np.isfinite(xy).all(axis=1) & np.isfinite(scale)
    table = seen.to_table()
    table[["x", "y"]] = xy
    table[["width_px", "height_px", "diameter_px"]] *= scale[:, None]
    return BallTrack.from_table(table[steady])


def track_pieces(track: BallTrack, *, fps: float) -> tuple[BallTrack, list[Piece]]:
    """Return the rows of a track that are no outliers, and the pieces of motion they make up."""
    kept = track.without_outliers
    if not len(kept):
        return kept, []
    times_s = kept.frames / fps
    noise_px = max(_estimate_noise_px(times_s, kept.xy), _LEAST_NOISE * kept.size_px)
    return kept, _cut_into_pieces(times_s, kept.xy, noise_px)


def handovers_s(pieces: list[Piece], times_s: Floats) -> Floats:
    """When each of P pieces hands over to the next (P − 1,), given the times of their rows."""
    return np.array([_handover_s(before, after, times_s) for before, after in pairwise(pieces)])


def smooth_track(track: BallTrack, *, fps: float) -> SmoothTrack:
    """Smooth a track and fill its short gaps, sharp at the kick and at every other touch.

    Frames of longer gaps stay absent.
    """
    kept, pieces = track_pieces(track, fps=fps)
    if not pieces:
        return SmoothTrack(np.zeros(0, np.int64), np.zeros((0, 2)), np.zeros(0))
    frames = kept.frames_with_short_gaps(_LONGEST_GAP_S * fps)
    owner = np.searchsorted(handovers_s(pieces, kept.frames / fps), frames / fps, side="right")
    xy = [piece.at(frames[owner == number] / fps) for number, piece in enumerate(pieces)]
    around = pd.Series(kept.diameter_px).rolling(_DIAMETER_ROWS, center=True, min_periods=1)
    diameters = np.interp(frames, kept.frames, around.median().to_numpy(float))
    return SmoothTrack(frames, np.concatenate(xy), np.asarray(diameters))


def _cut_into_pieces(times_s: Floats, xy: Floats, noise_px: float) -> list[Piece]:
    """Cut positions (N, 2), without outliers, where their motion changes.

    `noise_px` is the standard deviation of a position along one axis, deviations of a flight from a
    parabola included.
    """
    count = len(times_s)
    cost = np.full(count + 1, np.inf)
    cost[0] = -_CUT_COST
    best_start = np.zeros(count + 1, int)
    for stop in range(1, count + 1):
        low = int(np.searchsorted(times_s, times_s[stop - 1] - _LONGEST_PIECE_S))
        starts = np.arange(low, stop)
        misfit = _misfits(times_s[low:stop], xy[low:stop]) / noise_px**2
        total = cost[starts] + _CUT_COST + misfit
        choice = int(np.argmin(total))
        cost[stop], best_start[stop] = total[choice], starts[choice]
    pieces = []
    stop = count
    while stop > 0:
        start = int(best_start[stop])
        pieces.append(_fit(times_s, xy, start, stop))
        stop = start
    return pieces[::-1]


def _estimate_noise_px(times_s: Floats, xy: Floats) -> float:
    """Standard deviation of a position along one axis, from how neighbours disagree.

    Each row is compared with the line between its neighbours; the median leaves kicks out.
    """
    if len(times_s) < 3:
        return 0.0
    left = (times_s[2:] - times_s[1:-1]) / (times_s[2:] - times_s[:-2])
    weights = np.stack([left, -np.ones_like(left), 1 - left])
    bend = weights[0, :, None] * xy[:-2] - xy[1:-1] + weights[2, :, None] * xy[2:]
    scaled = np.abs(bend) / np.sqrt((weights**2).sum(axis=0))[:, None]
    return float(_GAUSSIAN * np.median(scaled))


def _handover_s(before: Piece, after: Piece, times_s: Floats) -> float:
    """Where, between their rows, two pieces come closest."""
    candidates = np.linspace(times_s[before.stop - 1], times_s[after.start], _HANDOVER_STEPS)
    apart = np.hypot(*(before.at(candidates) - after.at(candidates)).T)
    return float(candidates[int(np.argmin(apart))])


def _misfits(times_s: Floats, xy: Floats) -> Floats:
    """Squared residuals (N,) of parabolas through rows i … N − 1, for every i."""
    # From the last row on: large pixel numbers would cancel badly.
    powers, xy = _powers(times_s - times_s[-1]), xy - xy[-1]
    normal = _from_the_end(powers[:, :, None] * powers[:, None, :])
    normal = normal + _LOOSE * np.eye(powers.shape[1])
    right = _from_the_end(powers[:, :, None] * xy[:, None, :])
    squares = _from_the_end((xy**2).sum(axis=1))
    terms = np.linalg.solve(normal, right)
    return np.asarray(np.maximum(squares - (terms * right).sum(axis=(1, 2)), 0.0))


def _from_the_end(values: Floats) -> Floats:
    return np.asarray(np.cumsum(values[::-1], axis=0)[::-1])


def _fit(times_s: Floats, xy: Floats, start: int, stop: int) -> Piece:
    origin = float(times_s[start:stop].mean())
    powers = _powers(times_s[start:stop] - origin)
    normal = powers.T @ powers + _LOOSE * np.eye(powers.shape[1])
    terms = np.asarray(np.linalg.solve(normal, powers.T @ xy[start:stop]), np.float64)
    return Piece(start, stop, origin, terms)


def _powers(since_s: Floats) -> Floats:
    return np.stack([np.ones_like(since_s), since_s, since_s**2], axis=-1)


def _best(spots: list[list[Spot]], reach_px: float) -> dict[int, int]:
    # Milder than for blobs, because labels are more reliable: sharp turns and slow balls are real.
    return best_path(spots, reach_px, most_turn_cost=0.2, least_travel=2.0)


def _chain(spots: list[list[Spot]], start: int, stop: int, reach_px: float) -> dict[int, int]:
    """Best chain in [start, stop), and the best ones before and after it."""
    found = _best(spots[start:stop], reach_px)
    chain = {start + frame: i for frame, i in found.items()}
    if not chain:
        return {}
    before = _chain(spots, start, min(chain), reach_px)
    return before | chain | _chain(spots, max(chain) + 1, stop, reach_px)


def _as_spot(ball: Detection, frame: int, view: SteadyView) -> Spot:
    """Where a label may be the ball in the steady view; in a frame that is not, where it is."""
    there = view.to_reference(frame, ball.centre)[0]
    x, y = there.tolist() if np.isfinite(there).all() else ball.centre
    likeness = 0.6 + 0.4 * _score(ball)  # labels of low score stay candidates
    return Spot(x, y, float(np.sqrt(max(ball.xywh[2] * ball.xywh[3], 1.0))), likeness)


def track_row(frame: int, ball: Detection) -> tuple[float, ...]:
    """The row of a ball in a table with `TRACK_COLUMNS`."""
    left, top, width, height = (float(value) for value in ball.xywh)
    x, y, diameter = left + width / 2, top + height / 2, min(width, height)
    mask = ball.pixels()
    if mask is not None:
        pixels = np.argwhere(mask)
        if len(pixels) >= 3:
            y, x = pixels.mean(axis=0) + 0.5
            # A disc of radius r spreads r²/4 along any axis; a pixel is itself 1/12 wide.
            spread = np.linalg.eigvalsh(np.cov(pixels.T, bias=True))[0] + 1 / 12
            diameter = 4 * float(np.sqrt(spread))
    return frame, x, y, width, height, diameter, _score(ball)


def _score(ball: Detection) -> float:
    """How sure the labeller is; 1 where it does not say, as people and the truth do not."""
    return 1.0 if ball.score is None else ball.score
