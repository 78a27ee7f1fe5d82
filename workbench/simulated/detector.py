"""A simulated ball detector: the track it reports of a ball whose true path is known.

Noise, motion blur, gaps that come in bursts, and false detections, some of which recur at one fixed
place. Knows the ball's true path and the camera; knows nothing about goals.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.footage.pinhole import BALL_RADIUS_M, Camera, Floats


@dataclass(frozen=True)
class DetectorQuality:
    """How well the ball is seen in one shot."""

    noise_px: float  # standard deviation of the centre along each axis
    gap_share: float  # frames without any detection
    gap_frames: float  # mean length of a gap
    outlier_share: float  # detections that are not the ball
    decoy_share: float  # of those, the ones at one fixed place
    diameter_noise: float  # relative, frame by frame
    diameter_bias: float  # relative, the whole shot
    exposure_s: float


def observe(
    rng: np.random.Generator,
    camera: Camera,
    times_s: Floats,
    before_m: Floats,
    after_m: Floats,
    quality: DetectorQuality,
) -> pd.DataFrame:
    """Return the track of a ball as shots are judged from it: one row per frame with a detection.

    Args:
        rng: Draws everything that is not told.
        camera: Sees the ball.
        times_s: Of the frames (N,).
        before_m: Ball centre (N, 3) when the first row of each frame is read.
        after_m: The same for the last row. Between the two the ball moves straight.
        quality: Of the detector.
    """
    centre_px, streak_px, depths = _streaks(camera, before_m, after_m, times_s, quality)
    count, wh = len(times_s), np.array([camera.width, camera.height])
    diameter = 2 * BALL_RADIUS_M * camera.focal_px / np.maximum(depths, 0.3)
    diameter *= 1 + quality.diameter_bias
    size_px = diameter[:, None] * (1 + rng.normal(0, quality.diameter_noise, (count, 2)))
    size_px = np.maximum(size_px + np.abs(streak_px), 1.5)
    # A streak is found somewhere along its length: its ends fade.
    along = rng.normal(0, 0.12, (count, 1)) * streak_px
    x_y = centre_px + along + rng.normal(0, quality.noise_px, (count, 2))
    score = rng.beta(6, 2, count)

    false = rng.random(count) < quality.outlier_share
    fixed = false & (rng.random(count) < quality.decoy_share)
    decoy = rng.uniform([0, 0], wh) * [1, 0.5] + [0, 0.3 * wh[1]]
    elsewhere = rng.uniform([0, 0], wh, (count, 2))
    x_y[false] = elsewhere[false]
    x_y[fixed] = decoy + rng.normal(0, quality.noise_px, (int(fixed.sum()), 2))
    size_px[false] = np.median(diameter) * rng.lognormal(0, 0.35, (int(false.sum()), 2))
    score[false] = rng.beta(3, 3, int(false.sum()))

    visible = (depths > 0.3) & (x_y > 0).all(axis=1) & (x_y < wh).all(axis=1)
    seen = visible & ~_bursts(rng, count, quality)
    track = pd.DataFrame(
        {
            "frame": np.arange(count),
            "x": x_y[:, 0],
            "y": x_y[:, 1],
            "width_px": size_px[:, 0],
            "height_px": size_px[:, 1],
            "diameter_px": size_px.min(axis=1),
            "score": score,
        }
    )
    return track[seen].reset_index(drop=True)


def _streaks(
    camera: Camera,
    before_m: Floats,
    after_m: Floats,
    times_s: Floats,
    quality: DetectorQuality,
) -> tuple[Floats, Floats, Floats]:
    """Middle (N, 2) and extent (N, 2) of the blurred ball in pixels, and depths (N,)."""
    first_px, first_depth = camera.project(before_m)
    last_px, last_depth = camera.project(after_m)
    # The row at which the ball is found says when in the readout it was seen.
    share = np.clip((first_px[:, 1] + last_px[:, 1]) / 2 / camera.height, 0, 1)
    centre = first_px + (last_px - first_px) * share[:, None]
    depths = first_depth + (last_depth - first_depth) * share
    frame_s = float(np.median(np.diff(times_s)))
    streak = np.gradient(centre, axis=0) * quality.exposure_s / frame_s
    return centre, streak, depths


def _bursts(rng: np.random.Generator, count: int, quality: DetectorQuality) -> NDArray[np.bool_]:
    """Frames that are missed, in runs (a two-state chain)."""
    end = 1 / max(quality.gap_frames, 1.0)
    begin = min(1.0, end * quality.gap_share / max(1e-6, 1 - quality.gap_share))
    draws = rng.random(count)
    missed = np.empty(count, bool)
    state = bool(rng.random() < quality.gap_share)
    for place in range(count):
        missed[place] = state
        state = draws[place] >= end if state else draws[place] < begin
    return missed
