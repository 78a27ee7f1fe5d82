"""Progress on the terminal: one line per stage, and the whole story of a failure.

On a terminal the lines move. Elsewhere (a file, a CI log) plain lines are written: as a stage
starts and ends, as a cell ends that took a while, and now and then while one runs. Knows nothing
about how stages run: it is told.
"""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from workbench.pages.page import show_duration
from workbench.runs.run_record import REPORT, Event, Run
from workbench.runs.runner import Decision, Outcome

_MARKS = {
    "ok": ("✓", "green"),
    "unchanged": ("=", "dim"),
    "running": ("▸", "cyan"),
    "failed": ("✗", "red"),
    "killed": ("✗", "red"),
    "timeout": ("✗", "yellow"),
    "skipped": ("–", "dim"),
    "left out": ("–", "dim"),
    "waiting": ("·", "dim"),
}
_LOG_EVERY_S = 30.0
_LOGGED_CELL_S = 1.0  # cells that took less are not worth a line in a log


class Progress:
    """A `Watcher` that shows the stages on a console.

    Use it as a context manager around `run_plan`. `among` names it where others show at the same
    time, on lines of their own.
    """

    def __init__(
        self, console: Console, stages: list[str], why: bool = False, among: str = ""
    ) -> None:
        self._console = console
        self._stages = stages
        self._runs: dict[str, Run] = {}  # as far as each has come
        self._outcomes: dict[str, Outcome] = {}
        self._why = why
        self._ended = threading.Event()
        self._among, self._moves = among, console.is_terminal and not among
        self._live = Live(get_renderable=self._table, console=console, refresh_per_second=8)

    def __enter__(self) -> "Progress":
        if self._moves:
            self._live.start()
        else:
            threading.Thread(target=self._log_now_and_then, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._moves:
            self._live.stop()

    def decided(self, stage: str, decision: Decision) -> None:
        """Say why, if that was asked for."""
        if not self._why:
            return
        if not decision.run:
            self._print(f"[bold]{stage}[/] is unchanged: same key, report and products in place")
            return
        self._print(f"[bold]{stage}[/] runs because")
        for reason in decision.reasons:
            self._print(f"  • {escape(reason)}")

    def started(self, stage: str, run: Run) -> None:
        """Show that a stage has begun."""
        self._runs[stage] = run
        if not self._moves:
            self._print(f"{stage}: started ({len(run.cells)} cells)")

    def event(self, stage: str, event: Event, run: Run) -> None:
        """Move a stage's bar; in a log, say that a cell has ended."""
        self._runs[stage] = run
        if event["event"] == "node":
            again = ", again" if len(run.nodes) > 1 else ""
            self._print(f"{stage}: runs on {event['node']}{again}")
        if event["event"] != "cell_end" or self._moves:
            return
        cell = next(cell for cell in run.cells if cell.index == event["index"])
        if cell.wall_s is not None and cell.wall_s >= _LOGGED_CELL_S:
            took = show_duration(cell.wall_s)
            self._print(f"{stage}: {_done(run)}/{len(run.cells)} {escape(cell.heading)} ({took})")

    def finished(self, outcome: Outcome) -> None:
        """Show how a stage ended, and a failure in full."""
        self._outcomes[outcome.stage] = outcome
        record = outcome.record
        if not self._moves:
            state, took, text = self._look(outcome.stage)
            after = f" after {took}" if outcome.fate == "ran" else ""
            self._print(f"{outcome.stage}: {state}{after}{f' ({escape(text)})' if text else ''}")
        if outcome.fate == "ran" and record is not None and record.status != "ok":
            self._print(_failure(record, outcome.run_dir))

    def _log_now_and_then(self) -> None:
        while not self._ended.wait(_LOG_EVERY_S):
            for name in self._stages:
                state, so_far, text = self._look(name)
                if state == "running":
                    run = self._runs[name]
                    place = min(_done(run) + 1, len(run.cells))  # between cells, all may be done
                    where = f"{place}/{len(run.cells)} {escape(text)}"
                    self._print(f"{name}: {where} ({so_far} so far)")

    def _print(self, content: Any) -> None:
        if self._among and isinstance(content, str):
            content = f"[dim]{escape(self._among)}[/]  {content}"
        self._console.print(content, highlight=False, soft_wrap=isinstance(content, str))

    def _look(self, stage: str) -> tuple[str, str, str]:
        """Return the state of a stage, how long it took so far, and what there is to say."""
        outcome, run = self._outcomes.get(stage), self._runs.get(stage)
        if outcome is not None and outcome.record is not None:
            record = outcome.record
            state = record.status if outcome.fate == "ran" else outcome.fate
            return state, show_duration(record.wall_s), record.reason
        if outcome is not None:
            return outcome.fate, "", outcome.reason or "a stage it needs did not end well"
        if run is not None:
            passed = datetime.now(UTC) - datetime.fromisoformat(run.started)
            return "running", show_duration(passed.total_seconds()), run.doing or "starting"
        return "waiting", "", ""

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(no_wrap=True)
        table.add_column(width=16)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(justify="right", no_wrap=True, min_width=7)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for name in self._stages:
            state, took, text = self._look(name)
            mark, colour = _MARKS.get(state, ("?", "red"))
            show: RenderableType = Text(state, style=colour)
            count = ""
            if state == "running":
                done, cells = _done(self._runs[name]), len(self._runs[name].cells)
                show = ProgressBar(total=max(cells, 1), completed=done, width=16)
                count = f"{done}/{cells}"
            table.add_row(
                Text(mark, style=colour),
                Text(name, style={"running": "bold", "ok": ""}.get(state, colour)),
                show,
                *(Text(words, style="dim") for words in (count, took, text)),
            )
        return table


def _done(run: Run) -> int:
    """Return how many cells have ended."""
    return sum(cell.status in ("ok", "failed") for cell in run.cells)


def _failure(record: Run, run_dir: Path | None) -> Panel:
    """Return the failed cell, the error, and where to read on."""
    parts: list[RenderableType] = []
    failed = record.failed_cell
    title = f"{record.stage}: {record.status}"
    if failed is not None:
        title += f" in code cell {failed.number}"
        code = Syntax(failed.source, "python", theme="ansi_dark", word_wrap=True)
        parts += [code, "", Text.assemble((failed.error, "bold red"), " ", failed.message)]
    else:
        parts.append(Text(record.reason))
    if run_dir is not None:
        parts += ["", Text(f"report: {run_dir / REPORT}", style="dim", overflow="fold")]
    return Panel(Group(*parts), title=escape(title), title_align="left", border_style="red")
