"""The numbers a notebook stands for, kept as `metrics.json` in the folder of its run.

A measured proportion or score is a `Metric`: value, number of items, 95 % interval. A number that
has no sampling error because it was counted or is a fact of the run says so: `count(n)`,
`measured(value, unit)`. There is no third way, so that no score is recorded without its interval.
Knows nothing about how intervals are made: `intervals` does.
"""

import html
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.saving import save_json

FILE_NAME = "metrics.json"
METRICS_FORMAT = "workbench-metrics/1"
RUN_DIR_VARIABLE = "WORKBENCH_RUN_DIR"  # set by the runner; absent in JupyterLab


class MetricError(WorkbenchError):
    """A number that cannot be recorded as it is."""


@dataclass(frozen=True)
class Metric:
    """An estimate: what was measured on n items, with its 95 % interval."""

    value: float
    n: int
    low: float
    high: float
    unit: str = ""
    note: str = ""  # what the items are, or how the interval was made

    def __post_init__(self) -> None:
        _check_finite(self.value, self.low, self.high)
        if self.n < 0 or not self.low <= self.value <= self.high:
            raise MetricError(
                f"{self.value} with n = {self.n} in [{self.low}, {self.high}] is not an estimate",
                "give low ≤ value ≤ high and n ≥ 0",
            )


@dataclass(frozen=True)
class Exact:
    """A number without sampling error: made by `count` or `measured`."""

    value: float | int
    unit: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _check_finite(self.value)


def count(n: int, note: str = "") -> Exact:
    """Return a number of things that were counted.

    Raises:
        MetricError: If `n` is not a whole number.
    """
    if int(n) != n:
        raise MetricError(f"{n} is not a count", "use measured(value, unit) or a Metric")
    return Exact(int(n), note=note)


def measured(value: float, unit: str, note: str = "") -> Exact:
    """Return a fact of this one run, such as a duration or a size, which is no estimate.

    Raises:
        MetricError: If there is no unit: a bare score is an estimate and wants a `Metric`.
    """
    if not unit:
        raise MetricError(f"{value} has no unit", "give one, or record a Metric with its interval")
    return Exact(float(value), unit, note)


@dataclass(frozen=True)
class Recorded:
    """What `record` kept; shows itself as a table."""

    metrics: Mapping[str, Metric | Exact]
    path: Path | None  # None: nothing was saved, because no run was under way

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th scope=row>{html.escape(name)}</th><td>{html.escape(show_value(metric))}</td>"
            f"<td>{html.escape(show_interval(metric))}</td>"
            f"<td>{metric.n if isinstance(metric, Metric) else ''}</td>"
            f"<td>{html.escape(metric.note)}</td></tr>"
            for name, metric in self.metrics.items()
        )
        columns = ("metric", "value", "95 % interval", "n", "note")
        head = "".join(f"<th scope=col>{column}</th>" for column in columns)
        table = f"<table class=recorded><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"{table}<p>{html.escape(self._fate())}</p>"

    def __repr__(self) -> str:
        lines = [
            f"{name}: {show_value(metric)} {show_interval(metric)}".rstrip()
            for name, metric in self.metrics.items()
        ]
        return "\n".join([*lines, self._fate()])

    def _fate(self) -> str:
        if self.path is None:
            return "Not saved: this notebook was not started by `workbench run`."
        return f"Saved in {self.path.name}."


def record(metrics: Mapping[str, Metric | Exact]) -> Recorded:
    """Keep the numbers of this notebook; the first ones are its headline.

    In a run the numbers go to `metrics.json`; in JupyterLab, where no run is under way, nothing is
    saved and the table says so. Call it once, in the last cell.

    Raises:
        MetricError: If a bare number is among them.

    Example:
        >>> record({"accuracy": Metric(0.9, n=40, low=0.77, high=0.96), "clips": count(40)})
        accuracy: 0.900 [0.770, 0.960]
        clips: 40
        Not saved: this notebook was not started by `workbench run`.
    """
    for name, metric in metrics.items():
        if not isinstance(metric, Metric | Exact):
            raise MetricError(
                f"{name} = {metric!r} is a bare number",
                "record a Metric with n and interval, count(n), or measured(value, unit)",
            )
    folder = os.environ.get(RUN_DIR_VARIABLE)
    path = Path(folder, FILE_NAME) if folder else None
    if path is not None:
        rows = {name: _to_row(metric) for name, metric in metrics.items()}
        save_json(path, {"format": METRICS_FORMAT, "metrics": rows})
    return Recorded(dict(metrics), path)


def load_metrics(run_dir: Path) -> dict[str, Metric | Exact]:
    """Return the recorded numbers of a run, in their order; none if it recorded none.

    Raises:
        MetricError: If the file is not a record of metrics.
    """
    path = run_dir / FILE_NAME
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        return {name: Metric(**row) if "n" in row else Exact(**row) for name, row in rows.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MetricError(f"{path} is not a record of metrics ({error})", "use record()") from None


def show_value(metric: Metric | Exact) -> str:
    """Return the value with its unit, rounded as far as it can be read."""
    number = f"{metric.value:,}" if isinstance(metric.value, int) else _rounded(metric.value)
    return f"{number} {metric.unit}".rstrip()


def show_interval(metric: Metric | Exact) -> str:
    """Return the 95 % interval as [low, high]; nothing for an exact number."""
    if isinstance(metric, Exact):
        return ""
    return f"[{_rounded(metric.low)}, {_rounded(metric.high)}]"


def _rounded(value: float) -> str:
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    if 1e-3 <= abs(value) <= 1:
        return f"{value:.3f}"  # scores: always the same width
    return f"{value:.2f}" if abs(value) > 1 else f"{value:.1e}"


def _to_row(metric: Metric | Exact) -> dict[str, Any]:
    """Return JSON values; numbers may come as NumPy scalars."""
    if isinstance(metric, Exact):
        whole = isinstance(metric.value, int)
        value: Any = int(metric.value) if whole else float(metric.value)
        return {"value": value, "unit": metric.unit, "note": metric.note}
    row: dict[str, Any] = {"value": float(metric.value), "n": int(metric.n)}
    row |= {"low": float(metric.low), "high": float(metric.high)}
    return row | {"unit": metric.unit, "note": metric.note}


def _check_finite(*values: float) -> None:
    if not all(math.isfinite(value) for value in values):
        raise MetricError(f"{values[0]} is not a finite number", "record it only where it exists")
