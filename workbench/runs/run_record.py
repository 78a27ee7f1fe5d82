"""The record of a run: `run.json` in the folder `<out>/<stage>/<profile>-<key8>`.

The unit is one execution of one stage's notebook. The record says how it ended, never better than
it did: a run whose process vanished reads as killed. Knows nothing about how runs are started.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from workbench.runs.bars import ItemsDone
from workbench.runs.conclusion import Conclusion
from workbench.saving import save_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RUN_FORMAT = "workbench-run/1"
RECORD, NOTEBOOK, REPORT, LOG = "run.json", "notebook.ipynb", "report.html", "log.txt"

Status = Literal["running", "ok", "failed", "timeout", "killed", "skipped"]


@dataclass(frozen=True)
class Cell:
    """How one code cell went. `index` and `number` count as the notebook's author does."""

    index: int  # among all cells of the notebook, from 0
    number: int  # among its code cells, from 1
    id: str
    source: str  # first line
    status: str = "pending"  # pending, running, ok, failed
    wall_s: float | None = None
    peak_mb: float | None = None  # resident memory of the kernel and its children, 10⁶ bytes
    heading: str = ""  # of the section it stands in
    items: ItemsDone | None = None  # while it runs


@dataclass(frozen=True)
class FailedCell:
    """The cell at which a run ended, and why."""

    index: int | None
    number: int | None
    id: str | None
    source: str  # excerpt
    error: str  # name
    message: str


@dataclass(frozen=True)
class Product:
    """A file or folder that the stage declares to leave."""

    path: str  # relative to the project where it lies below it
    present: bool
    size: int = 0  # bytes; of all files in a folder
    digest: str = ""
    written: bool = False  # False: it was there before the run, which left it as it was


@dataclass(frozen=True)
class Run:
    """Everything `run.json` holds."""

    stage: str
    run: str  # <profile>-<key8>, the folder's name
    profile: str
    title: str
    notebook: str
    status: Status
    reason: str
    params: Mapping[str, Any]
    parameters: Sequence[Mapping[str, Any]]  # name, type, default, help, source of each
    key: str
    key_parts: Mapping[str, Any]
    started: str  # ISO 8601, UTC
    ended: str | None = None
    wall_s: float | None = None
    peak_mb: float | None = None
    cells: Sequence[Cell] = ()
    failed_cell: FailedCell | None = None
    products: Sequence[Product] = ()
    conclusion: Conclusion | None = None  # what the notebook answered
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    parent: Sequence[float] = ()  # process id and start time of the `workbench run` under way

    @property
    def doing(self) -> str:
        """What the cell under way does and how far it has come; empty if none is."""
        for cell in self.cells:
            if cell.status == "running":
                items = f": {cell.items}" if cell.items is not None else ""
                return f"{cell.heading or cell.source}{items}"
        return ""

    @property
    def chosen(self) -> dict[str, Any]:
        """The parameters that the profile or the command sets to something else than the default.

        What the pipeline file sets for every profile, mostly paths, tells runs apart no further.
        """
        return {
            parameter["name"]: self.params[parameter["name"]]
            for parameter in self.parameters
            if parameter["source"] in ("profile", "command")
            and parameter["default"] != self.params[parameter["name"]]
        }


def now() -> str:
    """Return the time as run.json writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def this_process() -> tuple[float, float]:
    """Return what tells this process from any later one with the same id."""
    return float(os.getpid()), psutil.Process().create_time()


def save_run(run_dir: Path, run: Run) -> None:
    """Write `run.json` in one step."""
    save_json(run_dir / RECORD, {"format": RUN_FORMAT, **asdict(run)})


def load_run(run_dir: Path) -> Run | None:
    """Return the record in a run's folder; None where there is none that can be read."""
    try:
        content = json.loads((run_dir / RECORD).read_text(encoding="utf-8"))
        if content["format"] != RUN_FORMAT:
            return None
        run = _reader().validate_python(content)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if run.status == "running" and not _is_alive(run.parent):
        reason = "`workbench run` itself was ended before the notebook was through"
        return replace(run, status="killed", reason=reason)
    return run


def load_runs(out: Path, stage: str | None = None) -> list[Run]:
    """Return all recorded runs below `out`, of one stage or of all, newest first."""
    pattern = f"{stage or '*'}/*/{RECORD}"
    runs = [load_run(path.parent) for path in out.glob(pattern)]
    return sorted(
        (run for run in runs if run is not None), key=lambda run: run.started, reverse=True
    )


@cache
def _reader() -> "TypeAdapter[Run]":
    from pydantic import TypeAdapter

    return TypeAdapter(Run)


def _is_alive(parent: Sequence[float]) -> bool:
    try:
        pid, started = parent
        return abs(psutil.Process(int(pid)).create_time() - started) < 1
    except (psutil.Error, ValueError):
        return False
