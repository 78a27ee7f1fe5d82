"""The record of a run: `run.json` in the folder `<out>/<stage>/<profile>-<key8>`.

The unit is one execution of one stage's notebook. `new_record` opens its record, a `Recorder` keeps
it up with each event, `finish` closes it. The record says how the run ended, never better than it
did: a run whose process vanished reads as killed. Knows nothing about how runs are started.
"""

import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import psutil

from workbench.errors import DatasetError, SavingError
from workbench.runs.bars import ItemsDone
from workbench.runs.conclusion import Conclusion, load_conclusion
from workbench.runs.parameters import read_notebook
from workbench.runs.plan import Plan, PlannedStage
from workbench.runs.provenance import Digests, KeyParts, files_in, fingerprint, portable
from workbench.saving import reading, save_json

if TYPE_CHECKING:
    from pydantic import TypeAdapter

RUN_FORMAT = "workbench-run/1"
RECORD, NOTEBOOK, REPORT, LOG = "run.json", "notebook.ipynb", "report.html", "log.txt"

_EXCERPT_LINES = 12
_SAVE_EVERY_S = 2.0  # while items are done; cells that begin or end are saved at once

Event = dict[str, Any]  # of a run under way, as `notebook_client` tells it
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

    index: int
    number: int
    id: str
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
    nodes: Sequence[str] = ()  # of a cluster that it was started on, one after the other
    lost: Sequence[str] = ()  # why all but the last of them came to nothing
    parent: Sequence[float] = ()  # process id and start time of the `workbench run` under way

    @property
    def is_empty(self) -> bool:
        """Whether the run went well and had nothing to look at."""
        seen = self.conclusion is None or self.conclusion.verdict != "nothing to see"
        return self.status == "ok" and not seen

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
    run = None
    with suppress(DatasetError), reading(run_dir / RECORD) as content:
        if content["format"] != RUN_FORMAT:
            return None
        run = _reader().validate_python(content)
    if run and run.status == "running" and not _is_alive(run.parent):
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


def new_record(
    planned: PlannedStage, plan: Plan, parts: KeyParts, run_dir: Path, reasons: Sequence[str]
) -> Run:
    """Open the record of a run: what it is, with nothing run yet."""
    stage, root = planned.stage, plan.pipeline.root
    return Run(
        stage=stage.name,
        run=run_dir.name,
        profile=plan.profile.name,
        title=stage.title,
        notebook=portable(str(stage.notebook), root),
        status="running",
        reason="; ".join(reasons),
        params=portable(planned.values_in(run_dir), root),
        parameters=[
            {
                "name": parameter.name,
                "type": parameter.annotation,
                "default": parameter.default,
                "help": parameter.help,
                "source": planned.sources[parameter.name],
            }
            for parameter in planned.parameters.values()
        ],
        key=parts.key,
        key_parts=asdict(parts),
        started=now(),
        cells=_cells(read_notebook(stage.notebook)),
        fingerprint=fingerprint(root),
        parent=this_process(),
    )


def heading_in(markdown: str) -> str:
    """Return the last heading of a Markdown cell as plain text; empty if it has none."""
    headings = re.findall(r"^#{1,6}\s+(.+)$", markdown, re.M)
    return re.sub(r"[*_`#]", "", headings[-1]).strip() if headings else ""


class Recorder:
    """The record of a run under way, kept up with its events, in memory and on disk."""

    def __init__(self, record: Run, notebook: Path, run_dir: Path) -> None:
        self.record = record
        self._run_dir = run_dir
        self._saved_at = float("-inf")
        self._note = ""
        self._sources = {cell["index"]: cell["source"] for cell in read_notebook(notebook)}

    def take(self, event: Event) -> None:
        """Note one event."""
        if event["event"] == "cell":
            self._set_cell(event, status="running")
        elif event["event"] == "items":
            items = ItemsDone(**event["items"])
            self._set_cell(event, items=items)
            too_soon = time.monotonic() - self._saved_at < _SAVE_EVERY_S
            if too_soon and items.done != items.total:
                return
        elif event["event"] == "cell_end":
            known = {key: event[key] for key in ("status", "wall_s", "peak_mb")}
            self._set_cell(event, **known, items=None)
        elif event["event"] == "node":
            self._move(event)
        elif event["event"] == "lost":
            self.record = replace(self.record, lost=event["lost"])
        elif event["event"] == "quit":
            cell = next(cell for cell in self.record.cells if cell.index == event["index"])
            self._note = f"code cell {cell.number} ended the notebook"
        elif event["event"] == "failed":
            self._fail(event)
        elif event["event"] == "end" and self.record.status == "running":
            self.record = replace(self.record, status="ok", reason=self._note)
        if self.record.status == "running":  # how it ended is saved once everything is known
            self._saved_at = time.monotonic()
            with suppress(SavingError):  # a full disk may have room again at the end
                save_run(self._run_dir, self.record)

    def _move(self, event: Event) -> None:
        """Note the node that starts the run, from its first cell on."""
        cells = [
            replace(cell, status="pending", wall_s=None, peak_mb=None, items=None)
            for cell in self.record.cells
        ]
        nodes = (*self.record.nodes, event["node"])
        self.record = replace(
            self.record, cells=cells, nodes=nodes, fingerprint=event["fingerprint"]
        )

    def _fail(self, event: Event) -> None:
        if self.record.status != "running":
            return
        cells = {cell.index: cell for cell in self.record.cells}
        under_way = (cell for cell in cells.values() if cell.status == "running")
        cell = cells.get(event["index"]) or next(under_way, None)
        error, message = event["error"], event["message"]
        said = f"{error}: {message}" if message else error
        failed = None
        if cell is not None:
            said = f"code cell {cell.number}: {said}"
            lines = self._sources[cell.index].splitlines()
            rest = len(lines) - _EXCERPT_LINES
            excerpt = lines[:_EXCERPT_LINES] + ([f"… {rest} more lines"] if rest > 0 else [])
            shown = "\n".join(excerpt)
            failed = FailedCell(cell.index, cell.number, cell.id, shown, error, message)
        self.record = replace(self.record, status=event["kind"], reason=said, failed_cell=failed)
        if cell is not None:
            self._set_cell({"index": cell.index}, status="failed")

    def _set_cell(self, event: Event, **values: Any) -> None:
        cells = [
            replace(cell, **values) if cell.index == event["index"] else cell
            for cell in self.record.cells
        ]
        self.record = replace(self.record, cells=cells)


def finish(record: Run, planned: PlannedStage, plan: Plan, run_dir: Path, digests: Digests) -> Run:
    """Close the record: products, times, conclusion, and whether the run went well."""
    ended = now()
    started_s = datetime.fromisoformat(record.started).timestamp()
    wall_s = datetime.fromisoformat(ended).timestamp() - started_s
    products = []
    for path in planned.products_in(run_dir):
        files = files_in(path) if path.is_dir() else [path] if path.exists() else []
        products.append(
            Product(
                path=portable(str(path), plan.pipeline.root),
                present=path.exists(),
                size=sum(file.stat().st_size for file in files),
                digest=digests.of(path) if path.exists() else "",
                # File systems keep coarser times than the clock tells.
                written=any(file.stat().st_mtime >= started_s - 0.1 for file in files),
            )
        )
    status, reason = record.status, record.reason
    absent = [
        product.path
        for product, template in zip(products, planned.products, strict=True)
        if not product.present and template not in planned.optional
    ]
    if status == "ok" and absent:
        said = f"; {reason}" if reason else ""
        status, reason = "failed", f"the declared product {absent[0]} was not written{said}"
    peaks = [cell.peak_mb for cell in record.cells if cell.peak_mb is not None]
    return replace(
        record,
        status=status,
        reason=reason,
        products=products,
        conclusion=load_conclusion(run_dir),
        ended=ended,
        wall_s=round(wall_s, 3),
        peak_mb=max(peaks, default=None),
        parent=(),
    )


def _cells(notebook: Sequence[dict[str, Any]]) -> list[Cell]:
    """Return the code cells, each with the heading it stands under."""
    cells: list[Cell] = []
    heading = ""
    for cell in notebook:
        if cell["type"] == "markdown":
            heading = heading_in(cell["source"]) or heading
        elif cell["type"] == "code":
            lines = (line.strip() for line in cell["source"].splitlines())
            first = next((line[:120] for line in lines if line), "")
            cells.append(Cell(cell["index"], len(cells) + 1, cell["id"], first, heading=heading))
    return cells


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
