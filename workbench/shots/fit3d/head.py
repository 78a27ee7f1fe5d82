"""The head of the 3D fit: a calibrated goal probability and speeds with calibrated intervals.

The unit is one shot's features, a dict of finite numbers. The fit's own posterior calls too few
goals and its intervals are too narrow, because the fit does not model fading spin, nets and lenses.
Linear models of the features correct that: one for the log-odds of a goal and, for the speed at the
foot and at the line, one for the log of the correction factor and one for the log of the interval's
half width. They are trained on simulated shots alone (`evaluation.head_training`); `head.json`
beside this module has the coefficients. Knows nothing about where features come from.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from workbench.saving import reading, save_json
from workbench.shots.verdict import ShotError

HEAD_FORMAT = "workbench-shothead/1"
Place = Literal["foot", "line"]

PLACES: tuple[Place, ...] = ("foot", "line")
LOG_FROM = 0.01  # added before a logarithm is taken
_TRAINING = "workbench.shots.evaluation.head_training"
_MOST_CORRECTION = 1.25


@dataclass(frozen=True)
class Scale:
    """How one feature is made comparable: clipped to what training saw, centred, scaled."""

    low: float
    high: float
    mean: float
    sd: float
    logarithm: bool = False  # taken first

    def of(self, value: float) -> float:
        """The feature in standard deviations."""
        if self.logarithm:
            value = math.log(max(value, 0.0) + LOG_FROM)
        return (min(self.high, max(self.low, value)) - self.mean) / self.sd


@dataclass(frozen=True)
class LinearModel:
    """A sum of features in standard deviations, each with its weight."""

    start: float
    weights: dict[str, float]  # feature to weight; those without one do not count

    def at(self, scaled: Mapping[str, float]) -> float:
        """The sum for one shot."""
        return self.start + sum(weight * scaled[name] for name, weight in self.weights.items())


@dataclass(frozen=True)
class Head:
    """The linear models that are applied to the features of a shot.

    All that take features raise a `ShotError` where one is missing or not finite.

    Example:
        >>> head = Head.load()
        >>> 0 < head.probability(dict.fromkeys(head.scales, 1.0)) < 1
        True
    """

    scales: dict[str, Scale]  # feature to scale
    goal: LinearModel  # log-odds of a goal
    correction: dict[Place, LinearModel]  # log of true over fitted speed
    spread: dict[Place, LinearModel]  # log of half the width of the speed's 90 % interval, km/h
    sure_from: float  # least probability of the likelier answer; below it the verdict abstains
    trained: dict[str, Any]  # seeds, shots, and cross-validated scores

    @classmethod
    @cache
    def load(cls) -> "Head":
        """Return the head that comes with the package."""
        return cls.read(Path(__file__).with_name("head.json"))

    @classmethod
    def read(cls, path: Path) -> "Head":
        """Read a head from a file.

        Raises:
            ShotError: If the file is not a head.
        """
        remedy = f"train one: python -m {_TRAINING}"
        with reading(path, "a head of this version", remedy, ShotError) as found:
            if found["format"] != HEAD_FORMAT:
                raise ValueError(found["format"])
            return TypeAdapter(cls).validate_python(found)

    def save(self, path: Path) -> None:
        """Write the head for `read`."""
        save_json(path, {"format": HEAD_FORMAT, **asdict(self)})

    def probability(self, features: Mapping[str, float]) -> float:
        """Return the calibrated probability that the whole ball crossed the line in the frame."""
        log_odds = self.goal.at(self._scaled(features))
        return 1 / (1 + math.exp(-min(30.0, max(-30.0, log_odds))))

    def is_sure(self, probability: float) -> bool:
        """Whether a verdict with this probability of a goal is to be relied upon."""
        return max(probability, 1 - probability) >= self.sure_from

    def correct_kmh(self, features: Mapping[str, float], speed_kmh: float, place: Place) -> float:
        """Return the fit's speed, corrected for the bias expected from the features."""
        factor = math.exp(self.correction[place].at(self._scaled(features)))
        return speed_kmh * min(_MOST_CORRECTION, max(1 / _MOST_CORRECTION, factor))

    def half_width_kmh(self, features: Mapping[str, float], place: Place) -> float:
        """Return half the width of the 90 % interval around the corrected speed."""
        return math.exp(min(6.0, self.spread[place].at(self._scaled(features))))

    def _scaled(self, features: Mapping[str, float]) -> dict[str, float]:
        scaled = {}
        for name, scale in self.scales.items():
            value = features.get(name, math.nan)
            if not math.isfinite(value):
                raise ShotError(f"feature {name!r} is {value}", "train the head anew for this fit")
            scaled[name] = scale.of(value)
        return scaled
