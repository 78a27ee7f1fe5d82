"""The record of a run while it runs.

From the first line (`new_record`) over each event (`Recorder`) to the last word on whether it went
well (`finish`). Knows nothing about how runs are started, nor about why.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.runs.bars import ItemsDone
from workbench.runs.conclusion import load_conclusion
from workbench.runs.execution import Event
from workbench.runs.parameters import read_notebook
from workbench.runs.plan import Plan, PlannedStage
from workbench.runs.provenance import Digests, KeyParts, files_in, fingerprint, portable
from workbench.runs.run_record import Cell, FailedCell, Product, Run, now, save_run, this_process

_EXCERPT_LINES = 12
_SAVE_EVERY_S = 2.0  # while items are done; cells that begin or end are saved at once


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
        key_parts=parts.to_json(),
        started=now(),
        cells=_cells(read_notebook(stage.notebook)),
        fingerprint=fingerprint(root),
        parent=this_process(),
    )


class Recorder:
    """The record of a run under way, kept up with its events, in memory and on disk."""

    def __init__(self, record: Run, notebook: Path, run_dir: Path) -> None:
        self.record = record
        self._run_dir = run_dir
        self._saved_at = float("-inf")
        self._sources = {cell["index"]: cell["source"] for cell in read_notebook(notebook)}

    def take(self, event: Event) -> None:
        """Note one event."""
        if event["event"] == "cell":
            self._set_cell(event, status="running")
        elif event["event"] == "items":
            self._set_cell(event, items=ItemsDone(**event["items"]))
            if time.monotonic() - self._saved_at < _SAVE_EVERY_S:
                return
        elif event["event"] == "cell_end":
            known = {key: event[key] for key in ("status", "wall_s", "peak_mb")}
            self._set_cell(event, **known, items=None)
        elif event["event"] == "failed":
            self._fail(event)
        elif event["event"] == "end" and self.record.status == "running":
            self.record = replace(self.record, status="ok")
        if self.record.status == "running":  # how it ended is saved once everything is known
            save_run(self._run_dir, self.record)
            self._saved_at = time.monotonic()

    def _fail(self, event: Event) -> None:
        if self.record.status != "running":
            return
        under_way = [cell for cell in self.record.cells if cell.status == "running"]
        if event.get("index") is not None:
            index, number, cell_id = event["index"], event["number"], event["id"]
        elif under_way:
            index, number, cell_id = under_way[0].index, under_way[0].number, under_way[0].id
        else:
            index = number = cell_id = None
        lines = self._sources.get(index, "").splitlines()
        rest = len(lines) - _EXCERPT_LINES
        excerpt = lines[:_EXCERPT_LINES] + ([f"… {rest} more lines"] if rest > 0 else [])
        error, message = event["error"], event["message"]
        where = f"code cell {number}: " if number is not None else ""
        failed = FailedCell(index, number, cell_id, "\n".join(excerpt), error, message)
        self.record = replace(
            self.record,
            status=event["kind"],
            reason=f"{where}{error}: {message}" if message else f"{where}{error}",
            failed_cell=failed if number is not None else None,
        )
        if number is not None:
            self._set_cell({"index": index}, status="failed")

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
    absent = [product.path for product in products if not product.present]
    if status == "ok":
        reason = ""
        if absent:
            status, reason = "failed", f"the declared product {absent[0]} was not written"
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
            headings = re.findall(r"^#{1,6}\s+(.+)$", cell["source"], re.M)
            heading = re.sub(r"[*_`]", "", headings[-1]).strip() if headings else heading
        elif cell["type"] == "code":
            first = _first_line(cell["source"])
            cells.append(Cell(cell["index"], len(cells) + 1, cell["id"], first, heading=heading))
    return cells


def _first_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    return lines[0][:120] if lines else ""
