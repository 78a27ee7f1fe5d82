"""The ball's track: one row per frame in which the ball is seen, made from a clip's labels.

Pixels are counted as COCO counts them: pixel i reaches from i to i + 1, so the middle of the top
left pixel is (0.5, 0.5). Frames without a ball have no row. Outliers are flagged in a column of
their own and never removed: the 3D fit wants the track as it was seen, because a Hampel filter
takes the first points of a flight for teleports of a ball at rest. Knows nothing about goals.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.detect.ballpath import Spot, best_path
from workbench.detect.detections import Detection
from workbench.detect.store import ClipDetections
from workbench.shots.ball.pieces import Piece, cut_into_pieces, estimate_noise_px, handovers_s
from workbench.shots.verdict import ShotError

TRACK_COLUMNS = ("frame", "x", "y", "width_px", "height_px", "diameter_px", "score")

_REACH = 0.12  # of the picture's width: how far a ball moves from one frame to the next
_LEAST_NOISE = 0.05  # of a ball; a mask's middle is no better, and no flight is quite a parabola
_SIZE_ROWS = 15  # whose median is the ball's size in the middle one
_GAUSSIAN = 1.4826  # standard deviation of a Gaussian over its median absolute deviation

Floats = NDArray[np.float64]


def ball_track(labels: ClipDetections) -> pd.DataFrame:
    """Choose one ball per frame and return its track.

    Where several balls are labelled, the chain that moves most like one ball wins
    (`detect.ballpath`); before and after it, the best chains of the frames that are left go on.

    Returns:
        `TRACK_COLUMNS`, in order of frames. `x`, `y`: middle of the mask, of the box where there is
        no mask. `width_px`, `height_px`: of the box. `diameter_px`: of the disc that has the
        mask's smaller spread, so that motion blur, which lengthens a ball, does not enlarge it.
    """
    balls = [labels.of_class(frame, "ball") for frame in range(len(labels.frames))]
    spots = [[_as_spot(ball) for ball in found] for found in balls]
    chosen = _chain(spots, 0, len(spots), _REACH * labels.width)
    rows = [_as_row(frame, balls[frame][index]) for frame, index in sorted(chosen.items())]
    track = pd.DataFrame(rows, columns=list(TRACK_COLUMNS), dtype=float)
    return track.astype({"frame": int})


def check_track(track: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a track that hold numbers, in order of frames, one per frame.

    Of several rows of one frame the one with the best score stays.

    Raises:
        ShotError: If a column is missing.
    """
    missing = [column for column in TRACK_COLUMNS if column not in track]
    if missing:
        raise ShotError(
            f"the track has no column {missing[0]!r}", f"give {', '.join(TRACK_COLUMNS)}"
        )
    usable = track[np.isfinite(track[["frame", "x", "y"]].to_numpy(float)).all(axis=1)]
    best_last = usable.sort_values(["frame", "score"], kind="stable", na_position="first")
    one_each: pd.DataFrame = best_last.drop_duplicates("frame", keep="last")
    return one_each.reset_index(drop=True)


def ball_size_px(track: pd.DataFrame) -> float:
    """Median diameter of the ball, the unit that makes rules independent of the picture's scale."""
    return float(np.nanmedian(track["diameter_px"].to_numpy(float)))


def sizes_px(track: pd.DataFrame) -> NDArray[np.float64]:
    """The whole ball's size in each row (N,): median of the longer sides in the rows around.

    Legs and posts hide a part of the ball, mostly from one side: the longer side is still the
    ball's. A median over half a second does not follow the streaks of motion blur.
    """
    longer = track[["width_px", "height_px"]].max(axis=1)
    around = longer.rolling(_SIZE_ROWS, center=True, min_periods=1).median()
    whole = around.fillna(ball_size_px(track)).to_numpy(float)
    return np.asarray(np.maximum(whole, 1.0))


def flag_outliers(
    track: pd.DataFrame, *, half_window: int = 3, mads: float = 4.0, floor: float = 0.5
) -> NDArray[np.bool_]:
    """Flag teleports by a Hampel filter: median and MAD in a sliding window of frames.

    A ball at rest has a MAD of zero, which would make teleports of its first moves; the deviation
    is therefore never taken smaller than `floor` balls plus the window's own median step.

    Args:
        track: Ball track; frames need not be consecutive.
        half_window: Frames on either side that a row is compared with.
        mads: How many (Gaussian) deviations from the median make an outlier.
        floor: Least deviation in ball diameters.

    Returns:
        One flag per row (N,). For 2D rules and pictures only: do not feed it to the 3D fit.
    """
    frames = track["frame"].to_numpy(float)
    xy = track[["x", "y"]].to_numpy(float)
    flags = np.zeros(len(track), bool)
    if len(track) < 3:
        return flags
    size_px = ball_size_px(track)
    for row, frame in enumerate(frames):
        near = np.abs(frames - frame) <= half_window
        window = xy[near]
        if len(window) < 3:
            continue
        # Against the window's own straight line, so that a fast ball is not its own outlier.
        drift = _median_velocity(frames[near], window)
        level = window - drift * (frames[near] - frame)[:, None]
        middle = np.median(level, axis=0)
        distance = np.hypot(*(level - middle).T)
        spread = _GAUSSIAN * float(np.median(distance))
        step = float(np.hypot(*drift))
        off = float(np.hypot(*(xy[row] - middle)))
        flags[row] = off > mads * max(spread, floor * size_px / 2) + step
    return flags


def track_pieces(track: pd.DataFrame, *, fps: float) -> tuple[pd.DataFrame, list[Piece]]:
    """Return the rows of a track that are no outliers, and the pieces of motion they make up."""
    kept = track[~flag_outliers(track)].reset_index(drop=True)
    if kept.empty:
        return kept, []
    times_s, xy = kept["frame"].to_numpy(float) / fps, kept[["x", "y"]].to_numpy(float)
    noise_px = max(estimate_noise_px(times_s, xy), _LEAST_NOISE * ball_size_px(kept))
    return kept, cut_into_pieces(times_s, xy, noise_px)


def smooth_track(track: pd.DataFrame, *, fps: float, max_gap_s: float = 0.35) -> pd.DataFrame:
    """Smooth a track and fill its short gaps, sharp at the kick and at every other touch.

    Args:
        track: Ball track, see `TRACK_COLUMNS`.
        fps: Frames per second.
        max_gap_s: Gaps up to here are filled; frames of longer ones stay absent.

    Returns:
        One row per frame: `frame`, `time_s`, `x`, `y` (pixels), `vx`, `vy` (pixels per second),
        `diameter_px` (median of neighbours), `sigma_px` (standard deviation of the position along
        one axis) and `state`, "seen" or "filled".
    """
    kept, pieces = track_pieces(check_track(track), fps=fps)
    columns = ["frame", "time_s", "x", "y", "vx", "vy", "diameter_px", "sigma_px", "state"]
    if not pieces:
        return pd.DataFrame(columns=columns)
    seen = kept["frame"].to_numpy(int)
    frames = np.arange(seen[0], seen[-1] + 1)
    after = np.searchsorted(seen, frames)
    known = np.isin(frames, seen)
    gap = seen[after] - seen[np.maximum(after - 1, 0)]
    frames, after = (
        frames[known | (gap <= max_gap_s * fps)],
        after[known | (gap <= max_gap_s * fps)],
    )
    owner = np.searchsorted(handovers_s(pieces, seen / fps), frames / fps, side="right")
    parts = [(pieces[p], frames[owner == p] / fps) for p in range(len(pieces))]
    xy = np.concatenate([piece.at(times) for piece, times in parts])
    velocity = np.concatenate([piece.velocity(times) for piece, times in parts])
    sizes = kept["diameter_px"].rolling(7, center=True, min_periods=1).median().to_numpy(float)
    return pd.DataFrame(
        {
            "frame": frames,
            "time_s": frames / fps,
            "x": xy[:, 0],
            "y": xy[:, 1],
            "vx": velocity[:, 0],
            "vy": velocity[:, 1],
            "diameter_px": np.interp(frames, seen, sizes),
            "sigma_px": np.concatenate([piece.sigma_px(times) for piece, times in parts]),
            "state": np.where(np.isin(frames, seen), "seen", "filled"),
        }
    )


def _median_velocity(frames: Floats, xy: Floats) -> Floats:
    """Median of the steps between neighbouring rows, pixels per frame (2,)."""
    steps = np.diff(xy, axis=0) / np.diff(frames)[:, None]
    return np.asarray(np.median(steps, axis=0))


def _chain(spots: list[list[Spot]], start: int, stop: int, reach_px: float) -> dict[int, int]:
    """Best chain in [start, stop), and the best ones before and after it."""
    # Labels are trusted more than blobs: kicks and saves are sharp, and a weak shot is a shot.
    found = best_path(spots[start:stop], reach_px, most_turn_cost=0.2, least_travel=2.0)
    chain = {start + frame: i for frame, i in found.items()}
    if not chain:
        return {}
    before = _chain(spots, start, min(chain), reach_px)
    return before | chain | _chain(spots, max(chain) + 1, stop, reach_px)


def _as_spot(ball: Detection) -> Spot:
    x, y, width, height = ball.xywh
    # Every ball that is named is worth a look, the sure ones more.
    likeness = 0.6 + 0.4 * _score(ball)
    return Spot(x + width / 2, y + height / 2, float(np.sqrt(max(width * height, 1.0))), likeness)


def _as_row(frame: int, ball: Detection) -> tuple[float, ...]:
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
