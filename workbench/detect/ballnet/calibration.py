"""From the network's logit to a probability that means what it says.

A logistic curve over the logit and the logarithm of the ball's size: a small speck must be surer
than a large one to be believed as much. Fitted on clips that nothing was learned from. Scores so
calibrated can be compared with those of other finders.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """score = σ(bias + slope · logit + size · log2(side / 8 px)), the side in the network's pixels.

    Example:
        >>> Calibration().score(0.0, 8.0)
        0.5
    """

    bias: float = 0.0
    slope: float = 1.0
    size: float = 0.0

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Calibration":
        """The calibration stored with weights; none if there is none."""
        return cls(**facts.get("calibration", {}))

    def score(self, logit: float, side_px: float) -> float:
        """The share of such answers that are a ball."""
        x = self.bias + self.slope * logit + self.size * math.log2(max(side_px, 1.0) / 8)
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, x))))

    def to_facts(self) -> dict[str, float]:
        """As it is stored."""
        return {name: round(value, 5) for name, value in asdict(self).items()}


def fit(logits: Sequence[float], sides_px: Sequence[float], right: Sequence[bool]) -> Calibration:
    """Fit the curve to answers that are known to be right or wrong."""
    from sklearn.linear_model import LogisticRegression

    seen = np.column_stack([logits, np.log2(np.maximum(sides_px, 1.0) / 8)])
    curve = LogisticRegression(C=100.0).fit(seen, np.asarray(right, bool))
    slope, size = curve.coef_[0].tolist()
    return Calibration(float(curve.intercept_[0]), slope, size)


def calibration_error(
    scores: NDArray[np.float64], right: NDArray[np.bool_], bins: int = 10
) -> float:
    """Expected calibration error: mean gap of score and share of right ones over equal bins."""
    place = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        abs(float(scores[place == one].sum() - right[place == one].sum())) for one in range(bins)
    ]
    return sum(gaps) / max(1, len(scores))
