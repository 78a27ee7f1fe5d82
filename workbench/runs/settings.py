"""The runs of a sweep side by side: what was set, what came out, and whether it differs.

The unit is a cell of a sweep with the numbers its run recorded. Knows nothing about running.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from workbench.errors import DatasetError
from workbench.runs.metrics import Exact, load_metrics, paired_differences
from workbench.runs.sweep import Cell, Sweep
from workbench.stats import Interval, show, widened


@dataclass(frozen=True)
class Comparison:
    """The cells of a sweep, judged by one number."""

    sweep: Sweep
    metric: str
    cells: tuple[Cell, ...]  # those whose run recorded the number, the best first
    values: tuple[Interval | Exact, ...]  # of each of them
    against_first: Interval | None  # best − first cell, paired; None where nothing is paired

    @property
    def varied(self) -> list[str]:
        """The parameters that differ between cells."""
        return [name for name, values in self.sweep.axes.items() if len(values) > 1]

    def words(self, cell: Cell) -> str:
        """Return a cell's settings in words: only what differs between cells."""
        return ", ".join(f"{name.partition('.')[2]}={cell.settings[name]}" for name in self.varied)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per cell, the best first: varied settings, the number, seconds, run."""
        rows = []
        for cell, value in zip(self.cells, self.values, strict=True):
            told = show(value) if isinstance(value, Interval) else f"{value.value:g} {value.unit}"
            settings = {name: cell.settings[name] for name in self.varied}
            rows.append({**settings, self.metric: told, "seconds": cell.wall_s, "run": cell.run})
        failed = [cell for cell in self.sweep.cells if cell not in self.cells]
        for cell in failed:
            settings = {name: cell.settings[name] for name in self.varied}
            rows.append({**settings, self.metric: cell.status, "seconds": None, "run": cell.run})
        return pd.DataFrame(rows)

    def answer(self) -> str:
        """Say which settings are best, and whether the first cell is told apart from them."""
        best, value = self.cells[0], self.values[0]
        told = show(value) if isinstance(value, Interval) else f"{value.value:g} {value.unit}"
        said = f"{self.words(best) or 'the only cell'} gives the best {self.metric}, {told}"
        if best.settings == self.sweep.cells[0].settings:
            return f"No: {said}: nothing is better than the first cell."
        first = self.words(self.sweep.cells[0])
        if self.against_first is None:
            return f"Can't tell: {said}; the runs kept no items to compare with {first} in pairs."
        gap = show(self.against_first, signed=True)
        n = self.against_first.n
        # The best of many is best by luck, too: the interval is widened for the number of looks.
        looks = len(self.cells) - 1
        word = "Yes" if _clear(self.against_first, looks) else "Can't tell"
        return f"{word}: {said}; {gap} against {first} (n={n}, best of {looks + 1})."


def compare_settings(sweep: Sweep, reports: Path, metric: str | None = None) -> Comparison:
    """Return the cells of a sweep, the best first.

    Args:
        sweep: With its runs.
        reports: The folder of the runs.
        metric: The number that counts; None: the first that the runs recorded.

    Raises:
        DatasetError: If no run recorded the number.
    """
    found = []
    for cell in sweep.cells:
        recorded = load_metrics(reports / cell.run) if cell.run and cell.status == "ok" else {}
        metric = metric or next(iter(recorded), None)
        if metric in recorded:
            found.append((cell, recorded[metric]))
    if metric is None or not found:
        raise DatasetError(
            f"no run of the sweep recorded {metric or 'a number'}",
            "see why they failed in the reports, or name another number",
        )
    found.sort(key=lambda pair: -pair[1].value)
    first, best = sweep.cells[0], found[0][0]
    gap = None
    if first.run and first != best:
        gap = paired_differences(reports / first.run, reports / best.run).get(metric)
    cells, values = zip(*found, strict=True)
    return Comparison(sweep, metric, cells, values, gap)


def _clear(gap: Interval, looks: int) -> bool:
    """Whether a difference stays above 0 when so many were looked at (Bonferroni)."""
    return gap.value - (gap.value - gap.low) * widened(looks) > 0
