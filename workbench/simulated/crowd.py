"""Boxes of the people around a simulated shot, frame by frame, as a detector gives them.

The unit is one shot's table of boxes: the shooter, the goalkeeper, and people who stand about.
Bodies are a few points each (feet, shoulders, head, hands); `staging` choreographs whole bodies for
rendered footage. The goalkeeper reaches the ball where somebody touches it and keeps it where it is
held; else he dives late, or too short. Draws nothing and knows nothing about verdicts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench.footage.pinhole import Camera, Floats
from workbench.simulated.kicks import StagedShot

BOX_COLUMNS = ("frame", "player", "x0", "y0", "x1", "y1")
KEEPER, SHOOTER = "keeper", "shooter"

_PAD_M = 0.09  # half the thickness of a limb
_NEAREST_M = 3.0  # to the camera; who is nearer is not given
_DIVE_S = 0.45
_REACH_M = 0.75  # from the feet to the hands of somebody who stands
_RELAXED_S = 0.6  # after a touch


@dataclass(frozen=True)
class Watched:
    """How well a detector sees people; pairs are the least and the greatest value of a shot."""

    share: float = 0.8  # of the shots, in which anybody is found
    seen: tuple[float, float] = (0.75, 1.0)  # of the frames
    noise_px: tuple[float, float] = (1.5, 5.0)  # standard deviation of a box's edges


def standing_body(feet_m: Floats, tall_m: Floats | float = 1.78) -> Floats:
    """Points (…, 5, 3) of people whose feet (…, 3) are given."""
    tall = np.asarray(tall_m)[..., None] - _PAD_M
    offsets = np.array([[-0.16, 0, 0], [0.16, 0, 0], [-0.26, 0, 0.6], [0.26, 0, 0.6], [0, 0, 1.0]])
    scale = np.stack([np.ones_like(tall), np.ones_like(tall), tall], axis=-1)
    return np.asarray(feet_m[..., None, :] + offsets * scale)


def draw_keeper(
    rng: np.random.Generator, staged: StagedShot, times_s: Floats, share: float
) -> Floats | None:
    """Points (N, 6, 3) of who touches the ball, or fails to, at seconds (N,) since the contact.

    None where there is no goalkeeper; without a touch he is there in this share of the shots.
    """
    flight = staged.flight
    touches = [at for name, at in flight.events if name in ("held", "parried", "blocked")]
    if not touches and rng.random() >= share:
        return None
    half = staged.goal.width_m / 2
    if touches:
        touch_s = touches[0]
        target = staged.positions_at(touch_s).astype(float)
        late = 1.0
    else:
        behind = np.flatnonzero(flight.positions_m[:, 1] <= 0.4)
        touch_s = float(flight.times_s[behind[0]]) if len(behind) else 1.0
        target = staged.positions_at(touch_s).astype(float)
        target[0] = np.clip(target[0], -half - 0.3, half + 0.3)
        target[1:] = rng.uniform(0.1, 1.5), np.clip(target[2] + rng.normal(0, 0.4), 0.2, 2.2)
        late = rng.uniform(0.2, 0.85)
    stands = np.array([rng.normal(0, 0.08 * half) + 0.3 * target[0], target[1], 0.0])
    goes = late * (target[0] - stands[0])
    side = np.sign(goes) or 1.0
    step = side * max(abs(goes) - min(abs(goes), rng.uniform(0.2, 1.7)), 0.0)
    lies = min(1.0, max(abs(goes - step) - 0.2, 0.0) / 1.3)  # 1 for a full dive
    share_in = _ease((times_s - touch_s) / _DIVE_S + 1.0)[:, None]
    feet = stands + np.array([step, 0.0, 0.0]) * share_in
    feet = feet + np.array([0, 0, 1.0]) * _hop(times_s - touch_s, 0.35 * lies)
    hand = stands + np.array([0.3 * side, 0.0, 1.0]) * (1 - share_in)
    hand = hand + (np.array([goes, 0.0, target[2]])) * share_in
    tall = 1.8 - _PAD_M - share_in * np.clip(1.3 * lies, 0.0, 1.25)
    head = feet + np.concatenate(
        [side * 0.8 * abs(goes - step) * share_in, 0 * share_in, tall], axis=1
    )
    if touches and flight.happened("held"):
        ball = staged.positions_at(times_s)
        kept = (times_s >= touch_s)[:, None]
        gone = ball - target
        hand = np.where(kept, ball, hand)
        ease = _ease((times_s - touch_s) / _RELAXED_S)[:, None]
        near = ball + np.array([-0.25 * side, -0.15, 0.0])
        feet = np.where(kept, feet + gone * [1, 1, 0] * (1 - ease) + (near - feet) * ease, feet)
        feet[:, 2] = np.maximum(feet[:, 2] * (1 - ease[:, 0]), 0.0)
        up = np.concatenate([near[:, :2], np.maximum(ball[:, 2:] + 0.45, 0.6)], axis=1)
        head = np.where(kept, head + (up - head) * ease, head)
    body = standing_body(feet, _PAD_M)
    body[:, 2:4] += 0.6 * (head - feet)[:, None]
    body[:, 4] = head
    return np.concatenate([body, hand[:, None]], axis=1)


def draw_shooter(rng: np.random.Generator, staged: StagedShot, times_s: Floats) -> Floats:
    """Points (N, 5, 3) of who kicks: a run-up, then a few steps on."""
    ahead = staged.velocity_mps * [1, 1, 0]
    ahead = ahead / max(float(np.linalg.norm(ahead)), 1e-6)
    run_mps, after_mps = rng.uniform(2.0, 4.5), rng.uniform(0.0, 1.8)
    pace = np.where(times_s < 0, run_mps, after_mps)[:, None] * times_s[:, None]
    return standing_body(staged.start_m * [1, 1, 0] + ahead * (pace - 0.45), rng.normal(1.75, 0.07))


def boxes_of(
    rng: np.random.Generator, camera: Camera, people: dict[str, Floats], watched: Watched
) -> pd.DataFrame:
    """The table of boxes (`BOX_COLUMNS`) of people's points (N, P, 3), by name, in N frames.

    Boxes that the picture's edge cuts are cut; who is out of the picture is left out.
    """
    wh = np.array([camera.width, camera.height], float)
    noise_px, seen = rng.uniform(*watched.noise_px), rng.uniform(*watched.seen)
    rows = []
    for name, points in people.items():
        pixels, depths = camera.project(points.reshape(-1, 3))
        pixels = pixels.reshape(*points.shape[:2], 2)
        pad = _PAD_M * camera.focal_px / np.maximum(depths.reshape(points.shape[:2]), 1.0)
        # Points are in the middle of limbs; the feet alone stand on the ground.
        low, high = (pixels - pad[..., None]).min(axis=1), pixels.max(axis=1)
        high[:, 0] = (pixels[..., 0] + pad).max(axis=1)
        boxes = np.concatenate([low, high], axis=1) + rng.normal(0, noise_px, (len(points), 4))
        boxes = np.clip(boxes, 0, np.tile(wh, 2))
        large = (boxes[:, 2:] - boxes[:, :2] > 4).all(axis=1)
        near = depths.reshape(points.shape[:2]).min(axis=1) > _NEAREST_M
        kept = np.flatnonzero(large & near & (rng.random(len(points)) < seen))
        rows.append(pd.DataFrame(boxes[kept], columns=list(BOX_COLUMNS[2:])))
        rows[-1].insert(0, "frame", kept)
        rows[-1].insert(1, "player", name)
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(BOX_COLUMNS))


def _ease(share: Floats) -> Floats:
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share * share * (3 - 2 * share))


def _hop(since_s: Floats, high_m: float) -> Floats:
    """Heights (N, 1) of feet that leave the ground about a touch."""
    return np.asarray(high_m * np.maximum(0.0, 1 - (since_s / 0.3) ** 2)[:, None])
