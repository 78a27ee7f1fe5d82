"""Calibration of stated probabilities: expected calibration error and its null distribution.

The unit is a clip's top probability and whether the call was right. With few clips even a perfectly
calibrated classifier shows an expected calibration error (about 0.08 at 117 clips), so every figure
stands beside that null: outcomes drawn from the stated probabilities themselves.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from workbench.actions.predict import LEAST_PROBABILITY, Predictions
from workbench.errors import DatasetError
from workbench.stats import RESAMPLES

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Expected calibration error and its bins; empty bins are left out."""

    error: float  # ECE: mean |accuracy − confidence| over bins, weighted by clips
    null_mean: float  # ECE that a perfectly calibrated scorer shows with these clips
    null_high: float  # exceeded by 1 in 20 of such scorers
    counts: npt.NDArray[np.int64]  # clips per bin
    confidence: Floats  # mean per bin
    accuracy: Floats  # share right per bin
    band_low: Floats  # 95 % band of the accuracy under the null
    band_high: Floats

    @property
    def is_off(self) -> bool:
        """Whether the error is more than few clips explain."""
        return self.error > self.null_high

    @property
    def overconfidence(self) -> float:
        """Mean stated probability minus share right: above 0, probabilities are too high."""
        return float((self.confidence - self.accuracy) @ self.counts / self.counts.sum())


def calibrate(
    confidence: npt.ArrayLike, right: npt.ArrayLike, *, bins: int = 10, seed: int = 0
) -> Calibration:
    """Measure the calibration of top probabilities (n,) against outcomes (n,), in equal bins.

    Example:
        >>> round(calibrate([0.9] * 10, [True] * 9 + [False]).error, 6)
        0.0
    """
    said, was = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    place = np.clip(np.ceil(said * bins).astype(int) - 1, 0, bins - 1)
    member = (place[:, None] == np.unique(place)).astype(float)  # (n, bins that hold a clip)
    counts = member.sum(axis=0)
    stated = said @ member / counts
    drawn = np.random.default_rng(seed).random((RESAMPLES, len(said))) < said
    null_accuracy = drawn.astype(float) @ member / counts  # (RESAMPLES, bins)
    null_errors = np.abs(null_accuracy - stated) @ counts / len(said)
    accuracy = was @ member / counts
    low, high = np.quantile(null_accuracy, [0.025, 0.975], axis=0)
    return Calibration(
        float(np.abs(accuracy - stated) @ counts / len(said)),
        float(null_errors.mean()),
        float(np.quantile(null_errors, 0.95)),
        counts.astype(np.int64),
        stated,
        accuracy,
        low,
        high,
    )


def fit_temperature(valid: Predictions) -> float:
    """Return the temperature that makes probabilities fit labelled clips best; 1 leaves them.

    Above 1 the scorer was too sure, below 1 not sure enough. Least negative log-likelihood, after
    Guo et al. (2017), "On calibration of modern neural networks".

    Raises:
        DatasetError: If a clip has no label.
    """
    if not len(valid) or not valid.is_labelled:
        raise DatasetError("clips without labels fit no temperature", "predict a labelled split")
    logits = np.log(np.maximum(valid.probabilities, LEAST_PROBABILITY))
    true = [valid.classes.index(str(label)) for label in valid.labels]

    def surprise(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(axis=1, keepdims=True)
        chosen = scaled[np.arange(len(true)), true]
        return float((np.log(np.exp(scaled).sum(axis=1)) - chosen).mean())

    found = minimize_scalar(surprise, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found.x))
