"""The numbers a notebook stands for, kept in the folder of its run.

`metrics.json` holds the numbers, `items.json` what single test clips bring to them.

A measured proportion or score is an `Interval`: value, number of items, 95 % interval. A number
that has no sampling error because it was counted or is a fact of the run says so: `count(n)`,
`measured(value, unit)`. There is no third way, so that no score is recorded without its interval.
How intervals are made and written is the business of `stats`.
"""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.runs.conclusion import Nothing, current_run
from workbench.saving import read_object, reading, save_json
from workbench.stats import (
    Interval,
    choose_clusters,
    pooled_difference,
    show_ends,
    show_number,
)

FILE_NAME, ITEMS = "metrics.json", "items.json"
METRICS_FORMAT = "workbench-metrics/1"


class MetricError(WorkbenchError):
    """A number that cannot be recorded as it is."""


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
        raise MetricError(f"{n} is not a count", "use measured(value, unit) or an Interval")
    return Exact(int(n), note=note)


def measured(value: float, unit: str, note: str = "") -> Exact:
    """Return a fact of this one run, such as a duration or a size, which is no estimate.

    Raises:
        MetricError: If there is no unit: a bare score is an estimate and wants an `Interval`.
    """
    if not unit:
        raise MetricError(f"{value} has no unit", "give one, or record an Interval")
    return Exact(float(value), unit, note)


@dataclass(frozen=True)
class Recorded:
    """What `record` kept; shows itself as a table."""

    metrics: Mapping[str, Interval | Exact]
    is_saved: bool  # only while a run is under way

    def _repr_html_(self) -> str:
        if not self.metrics:
            return Nothing("No number was recorded.")._repr_html_()
        columns = {"name": "metric", "value": "value", "interval": "95 % interval"}
        columns |= {"n": "n", "note": "note"}
        head = "".join(f"<th scope=col>{title}</th>" for title in columns.values())
        rows = ""
        for row in metric_rows(self.metrics):
            name, *cells = (html.escape(row[column] or "") for column in columns)
            rows += f"<tr><th scope=row>{name}</th>{''.join(f'<td>{c}</td>' for c in cells)}</tr>"
        table = f"<table class=recorded><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        return f"{table}<p>{html.escape(self._fate())}</p>"

    def __repr__(self) -> str:
        rows = metric_rows(self.metrics)
        lines = [f"{row['name']}: {row['value']} {row['interval']}".rstrip() for row in rows]
        return "\n".join([*lines, self._fate()])

    def _fate(self) -> str:
        if self.is_saved:
            return f"Saved in {FILE_NAME}."
        return "Not saved: this notebook was not started by `workbench run`."


def record(metrics: Mapping[str, Interval | Exact]) -> Recorded:
    """Keep the numbers of this notebook; the first ones are its headline.

    In a run the numbers go to `metrics.json`; in JupyterLab, where no run is under way, nothing is
    saved and the table says so. Call it once, in the last cell.

    Raises:
        MetricError: If a bare number is among them, or an estimate of nothing.

    Example:
        >>> record({"accuracy": Interval(0.9, 0.77, 0.96, n=40), "clips": count(40)})
        accuracy: 0.900 [0.770, 0.960]
        clips: 40
        Not saved: this notebook was not started by `workbench run`.
    """
    for name, metric in metrics.items():
        if not isinstance(metric, Interval | Exact):
            raise MetricError(
                f"{name} = {metric!r} is a bare number",
                "record an Interval, count(n), or measured(value, unit)",
            )
        if isinstance(metric, Interval):
            _check_finite(metric.value, metric.low, metric.high)
    run_dir = current_run()
    if run_dir is not None:
        rows = {name: _to_row(metric) for name, metric in metrics.items()}
        save_json(run_dir / FILE_NAME, {"format": METRICS_FORMAT, "metrics": rows})
    return Recorded(dict(metrics), run_dir is not None)


def load_metrics(run_dir: Path) -> dict[str, Interval | Exact]:
    """Return the recorded numbers of a run, in their order; none if it recorded none.

    Raises:
        MetricError: If the file is not a record of metrics.
    """
    path = run_dir / FILE_NAME
    if not path.exists():
        return {}
    with reading(path, "a record of metrics", "use record()", MetricError) as content:
        rows = content["metrics"].items()
        return {name: Interval(**row) if "n" in row else Exact(**row) for name, row in rows}


def metric_rows(metrics: Mapping[str, Interval | Exact]) -> list[dict[str, str | None]]:
    """Return metrics as a page shows them: name, value with unit, interval, n and note."""
    return [
        {
            "name": name.replace("_", " "),
            "value": f"{show_number(metric.value)} {metric.unit}".rstrip(),
            "interval": show_ends(metric) if isinstance(metric, Interval) else "",
            "n": f"{metric.n:,}" if isinstance(metric, Interval) else None,
            "note": metric.note,
        }
        for name, metric in metrics.items()
    ]


def record_items(
    metric: str, clips: Sequence[str], sessions: Sequence[str], parts: Sequence[float]
) -> None:
    """Keep what each test clip brings to a recorded number that is the mean of `parts`.

    Two runs that judged the same clips can then be compared pair by pair, which tells smaller
    differences from noise than comparing two averages does. Outside a run nothing is saved. A
    second call with another metric adds to the file.

    Args:
        metric: The number's name in `record`.
        clips: The id of each clip.
        sessions: The session of each clip, which intervals resample whole.
        parts: 1 for right, 0 for wrong, or a share of the clip.
    """
    run_dir = current_run()
    if run_dir is not None:
        rows = zip(clips, sessions, parts, strict=True)
        own = {str(clip): [str(session), float(part)] for clip, session, part in rows}
        save_json(run_dir / ITEMS, (read_object(run_dir / ITEMS) or {}) | {metric: own})


def paired_differences(first: Path, second: Path) -> dict[str, Interval]:
    """Return run folder `second` − `first`, per number of which both judged the same clips."""
    before, after = (read_object(folder / ITEMS) or {} for folder in (first, second))
    found = {}
    for metric in before.keys() & after.keys():
        old, new = before[metric], after[metric]
        if not old or old.keys() != new.keys():
            continue
        clusters = choose_clusters([session for session, _ in old.values()], list(old))
        ones = [1.0] * len(old)
        shares = ([part for _, part in old.values()], ones), ([new[clip][1] for clip in old], ones)
        found[metric] = pooled_difference(*shares, clusters)
    return found


def _to_row(metric: Interval | Exact) -> dict[str, Any]:
    """Return JSON values; numbers may come as NumPy scalars."""
    if isinstance(metric, Exact):
        return asdict(metric)
    ends = {"low": float(metric.low), "high": float(metric.high)}
    row = {"value": float(metric.value), "n": int(metric.n)} | ends
    return row | {"unit": metric.unit, "note": metric.note}


def _check_finite(*values: float) -> None:
    if not all(math.isfinite(value) for value in values):
        raise MetricError(f"{values[0]} is not a finite number", "record it only where it exists")
