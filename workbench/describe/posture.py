"""Which foot or hand acts in a rendered clip, told by the performer's pose around the moment.

The unit is one clip with its act and its decisive moment. The performer is where most moves; a pose
finder looks there every other frame. What changes its sign in a mirror (which foot is higher, which
way the shoulders turn) goes to a logistic regression per act, learned on rendered clips and their
mirror images; a side is told only where it was right often enough in sessions left out. Of real
footage it knows nothing, and guessed joints are not asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.describe.keyframes import DescribeError, haar_low
from workbench.footage.pinhole import Floats
from workbench.saving import reading, save_json
from workbench.shots.players.pose import Find, Pose

Side = Literal["left", "right"]
BEFORE_S, AFTER_S = 0.45, 0.35  # around the moment, looked at
_SHIPPED = Path(__file__).with_name("posture.json")
_TIMES_S = (-0.4, -0.27, -0.13, 0.0, 0.13, 0.27)
_PAIRS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe")
_STEP, _REACH = 2, 5  # frames between poses; frames around one in which motion says where to look
_BUSY, _EDGE = 0.95, 0.05  # quantiles: of cells that move, of their mass that a box leaves out
_RIGHT, _FEWEST = 0.9, 10  # share right from which on a side is told, of so many at least
_FIRMNESS = 0.03  # inverse strength of the regularisation


def find_side_features(
    frames: NDArray[np.uint8], first_s: float, fps: float, moment_s: float, find: Find
) -> Floats | None:
    """Return what a mirror would turn round (D,), or None where too few poses are found.

    Args:
        frames: RGB (T, H, W, 3), from `BEFORE_S` before the moment to `AFTER_S` after it.
        first_s: When the first is, in seconds since the clip's start.
        fps: Frames per second.
        moment_s: The decisive moment.
        find: Of a pose finder's session.
    """
    low = haar_low(frames)
    found = []
    for number in range(0, len(frames), _STEP):
        pose = find(frames[number], _busy_box(low, number), None)
        if pose is not None and pose.world_m is not None:
            found.append((first_s + number / fps - moment_s, pose))
    return _odd(found) if len(found) >= len(_TIMES_S) else None


@dataclass(frozen=True)
class SideFinder:
    """Weights (D,) per act, and from which |score| on a side is told."""

    weights: Mapping[str, tuple[float, ...]]
    least: Mapping[str, float]

    def find(self, features: Floats | None, act: str) -> Side | None:
        """Return the foot of a shot, else the hand; None where it cannot be told."""
        if features is None or act not in self.weights:
            return None
        score = float(features @ np.array(self.weights[act]))
        return None if abs(score) < self.least[act] else "left" if score > 0 else "right"

    def save(self, path: Path) -> None:
        """Write the finder as JSON."""
        weights = {act: [round(one, 5) for one in row] for act, row in self.weights.items()}
        save_json(path, {"weights": weights, "least": dict(self.least)}, indent=None)


@cache
def shipped_sides() -> SideFinder:
    """Return the finder of the package."""
    content: Any
    with reading(_SHIPPED, "the finder of sides", error=DescribeError) as content:
        weights = {act: tuple(row) for act, row in content["weights"].items()}
        return SideFinder(weights, content["least"])


def fit_sides(
    features: Sequence[Floats], acts: Sequence[str], sides: Sequence[str], sessions: Sequence[str],
    folds: int = 6,
) -> tuple[SideFinder, Floats]:  # fmt: skip
    """Learn a finder; with it come the scores (N,) in sessions left out, positive where right."""
    seen, left = np.array(features), np.array([1.0 if one == "left" else -1.0 for one in sides])
    order = {name: number for number, name in enumerate(dict.fromkeys(sessions))}
    fold = np.array([order[name] % folds for name in sessions])
    scores, weights, least = np.zeros(len(acts)), {}, {}
    for act in dict.fromkeys(acts):
        own = np.array([one == act for one in acts])
        for left_out in range(folds):
            learn, judge = own & (fold != left_out), own & (fold == left_out)
            scores[judge] = left[judge] * (seen[judge] @ _mirrored_fit(seen[learn], left[learn]))
        weights[act] = tuple(_mirrored_fit(seen[own], left[own]).tolist())
        least[act] = _least_score(scores[own])
    return SideFinder(weights, least), scores


def _least_score(scores: Floats) -> float:
    """The |score| from which on enough are right; out of reach where there is none."""
    order = np.argsort(-np.abs(scores))
    right = np.cumsum(scores[order] > 0) / np.arange(1, len(scores) + 1)
    good = np.flatnonzero((right >= _RIGHT) & (np.arange(len(scores)) >= _FEWEST - 1))
    return round(float(np.abs(scores[order[good[-1]]])), 4) if len(good) else 1e6


def _mirrored_fit(features: Floats, left: Floats) -> Floats:
    """Weights of a logistic regression on clips and their mirror images: no side is commoner."""
    from sklearn.linear_model import LogisticRegression

    scale = np.sqrt(np.square(features).mean(0)) + 1e-6
    both = np.concatenate([features, -features]) / scale
    model = LogisticRegression(C=_FIRMNESS, fit_intercept=False, max_iter=2000)
    return np.asarray(model.fit(both, np.concatenate([left, -left])).coef_[0] / scale)


def _busy_box(low: NDArray[np.float32], around: int) -> Floats:
    """Where most moves around a frame, as tall as a person: (4,) pixels of the frames."""
    near = low[max(0, around - _REACH) : around + _REACH + 1]
    moved = np.abs(np.diff(near, axis=0))
    moved = np.clip(moved - np.median(moved, axis=(1, 2), keepdims=True), 0, None).sum(0)
    moved = moved * (moved > np.quantile(moved, _BUSY)) + 1e-9
    ends = []
    for axis in (0, 1):  # columns, then rows
        share = np.cumsum(moved.sum(axis)) / moved.sum()
        ends.append(4.0 * np.searchsorted(share, (_EDGE, 1 - _EDGE)) + (0, 4))
    (left, right), (top, bottom) = ends
    height = max(bottom - top, 0.9 * (right - left), 50.0)
    x, y = (left + right) / 2, (top + bottom) / 2
    return np.array([x - height / 3, y - height / 2, x + height / 3, y + height / 2])


def _odd(found: Sequence[tuple[float, Pose]]) -> Floats:
    """What changes its sign when left and right, and the picture, are exchanged."""
    times = [time_s for time_s, _ in found]
    names = [f"{side}_{pair}" for side in "lr" for pair in _PAIRS]
    flat = np.array([[pose.joints[name] for name in names] for _, pose in found])
    world = np.array([[(pose.world_m or {})[name] for name in names] for _, pose in found])
    tall = np.median(np.ptp(flat[..., 1], axis=1)) + 1e-6
    hips = np.median(flat[:, [3, 10]].mean(1), axis=0)
    both = np.concatenate([(flat - hips) / tall, world], axis=2).reshape(len(found), -1)
    at = np.stack([np.interp(_TIMES_S, times, column) for column in both.T], axis=1)
    left, right = at.reshape(len(_TIMES_S), 2, len(_PAIRS), 5).transpose(1, 0, 2, 3)
    apart = right - left  # across in the picture: the same in a mirror; the others turn round
    middle_x = (left[..., 0] + right[..., 0]) / 2
    facing = np.sign(np.median(apart[:, 0, 0]))
    speeds = [np.linalg.norm(np.diff(one[:, 2:, :2], axis=0), axis=2) for one in (left, right)]
    turns = np.unwrap(np.arctan2(apart[:, [0, 3], 4], apart[:, [0, 3], 2]), axis=0)
    moves = np.diff(middle_x, axis=0)
    parts = [apart[..., 1], apart[..., 3], apart[..., 4], speeds[1] - speeds[0],
             np.diff(turns, axis=0), moves, facing * moves, facing * middle_x]  # fmt: skip
    return np.concatenate([one.ravel() for one in parts])
