"""The decisive moment of an act, guessed from how motion rises and falls in its clip.

The unit is one clip's motion curve (`keyframes.local_motion`). A ridge regression per act, learned
on rendered clips, tells when in the clip contact or take-off is, as a share of its length, with the
error that it made on sessions it had not seen. Of real footage it knows nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from workbench.describe.keyframes import Curve, DescribeError
from workbench.saving import reading, save_json

_SHIPPED = Path(__file__).with_name("moment.json")
_POINTS = 32  # of a curve, whatever the length of its clip
_RIDGE = 30.0


@dataclass(frozen=True)
class Moment:
    """When it happens, in seconds since the clip's start."""

    time_s: float
    low_s: float  # nine in ten lie between this …
    high_s: float  # … and this


@dataclass(frozen=True)
class MomentFinder:
    """Weights (33,) per act, and the error in seconds that nine in ten do not exceed."""

    weights: Mapping[str, tuple[float, ...]]
    error_s: Mapping[str, float]

    def find(self, energy: Curve, act: str, duration_s: float) -> Moment | None:
        """Return the moment in a clip; None for an act that has none."""
        if act not in self.weights:
            return None
        share = float(curve_features(energy) @ np.array(self.weights[act]))
        time_s, error_s = float(np.clip(share, 0, 1)) * duration_s, self.error_s[act]
        return Moment(time_s, max(0.0, time_s - error_s), min(duration_s, time_s + error_s))

    def save(self, path: Path) -> None:
        """Write the finder as JSON."""
        weights = {act: [round(one, 6) for one in row] for act, row in self.weights.items()}
        save_json(path, {"weights": weights, "error_s": dict(self.error_s)}, indent=None)


@cache
def shipped_finder() -> MomentFinder:
    """Return the finder of the package."""
    content: Any
    with reading(_SHIPPED, "the finder of moments", error=DescribeError) as content:
        weights = {act: tuple(row) for act, row in content["weights"].items()}
        return MomentFinder(weights, content["error_s"])


def fit_moments(
    energies: Sequence[Curve],
    acts: Sequence[str],
    times_s: Sequence[float],
    durations_s: Sequence[float],
    sessions: Sequence[str],
    folds: int = 5,
) -> tuple[MomentFinder, Curve]:
    """Learn a finder, and return it with its errors (N,) in seconds on sessions left out."""
    features = np.array([curve_features(one) for one in energies])
    shares = np.array(times_s) / np.array(durations_s)
    order = {name: number for number, name in enumerate(dict.fromkeys(sessions))}
    fold = np.array([order[name] % folds for name in sessions])
    errors, weights, error_s = np.full(len(acts), np.nan), {}, {}
    for act in dict.fromkeys(acts):
        own = np.array([one == act for one in acts])
        for left_out in range(folds):
            learn, judge = own & (fold != left_out), own & (fold == left_out)
            if learn.any() and judge.any():
                told = features[judge] @ _ridge(features[learn], shares[learn])
                off = np.clip(told, 0, 1) - shares[judge]
                errors[judge] = off * np.array(durations_s)[judge]
        weights[act] = tuple(_ridge(features[own], shares[own]).tolist())
        error_s[act] = round(float(np.nanquantile(np.abs(errors[own]), 0.9)), 3)
    return MomentFinder(weights, error_s), errors


def curve_features(energy: Curve) -> Curve:
    """The curve at `_POINTS` places, in shares of its sum, and a one."""
    places = np.linspace(0, len(energy) - 1, _POINTS)
    curve = np.interp(places, np.arange(len(energy)), energy)
    return np.append(_POINTS * curve / max(float(curve.sum()), 1e-9), 1.0)


def _ridge(features: Curve, target: Curve) -> Curve:
    penalty = _RIDGE * np.eye(features.shape[1])
    penalty[-1, -1] = 1e-6
    return np.asarray(np.linalg.solve(features.T @ features + penalty, features.T @ target))
