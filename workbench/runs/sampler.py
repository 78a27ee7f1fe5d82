"""Which settings a sweep tries next, judged by what has come out: Optuna's Parzen trees.

The unit is a sweep with some cells done. Nothing is stored: asked again after a kill, the same
results give the same settings. Knows nothing about running.
"""

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workbench.errors import DatasetError, PipelineError
from workbench.runs.settings import compare_settings
from workbench.runs.sweep import Settings, Sweep

_AT_RANDOM = 5  # the first cells: before them there is nothing to go by
_TRIES = 30


class OptunaSampler:
    """Proposes one cell after another, none twice; a higher number is better.

    Args:
        reports: The folder of the runs.
        count: Of the cells.
        metric: The number that counts; None: the first that the runs recorded.
        seed: Same seed and results, same settings.

    Raises:
        PipelineError: If Optuna is not installed.
    """

    def __init__(self, reports: Path, count: int, metric: str | None = None, seed: int = 0) -> None:
        try:
            import optuna
        except ImportError:
            raise PipelineError(
                "the sampler optuna needs the package optuna",
                "install it: pip install 'workbench[optuna]', or leave --sampler out",
            ) from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna: Any = optuna
        self.count = count
        self._reports, self._metric, self._seed = reports, metric, seed

    def __call__(self, sweep: Sweep) -> Settings | None:
        """Return the settings of the next cell; None where there are enough."""
        done, optuna = len(sweep.cells), self._optuna
        if done >= min(self.count, math.prod(len(one) for one in sweep.axes.values())):
            return None
        kinds = {name: self._kind(values) for name, values in sweep.axes.items()}
        sampler = optuna.samplers.TPESampler(n_startup_trials=_AT_RANDOM, seed=self._seed + done)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        for settings, value in self._results(sweep):
            places = {name: values.index(settings[name]) for name, values in sweep.axes.items()}
            study.add_trial(
                optuna.trial.create_trial(params=places, distributions=kinds, value=value)
            )
        tried = [dict(cell.settings) for cell in sweep.cells]
        dice = random.Random(self._seed + done)
        for attempt in range(2 * _TRIES):
            places = study.ask(kinds).params
            if attempt >= _TRIES:  # it keeps to what it knows
                places = {name: dice.randrange(len(values)) for name, values in sweep.axes.items()}
            settings = {name: sweep.axes[name][place] for name, place in places.items()}
            if settings not in tried:
                return settings
        return None

    def _kind(self, values: Sequence[str]) -> Any:
        """Places in the list: numbers in order are near each other, words are not."""
        try:
            numbers = [float(value) for value in values]
        except ValueError:
            numbers = []
        if numbers and numbers == sorted(numbers):
            return self._optuna.distributions.IntDistribution(0, len(values) - 1)
        return self._optuna.distributions.CategoricalDistribution(range(len(values)))

    def _results(self, sweep: Sweep) -> list[tuple[Settings, float]]:
        try:
            found = compare_settings(sweep, self._reports, self._metric)
        except DatasetError:
            return []  # nothing ended well yet
        return [
            (cell.settings, value.value)
            for cell, value in zip(found.cells, found.values, strict=True)
        ]
