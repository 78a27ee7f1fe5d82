"""Execution of the cells of one notebook, and a true account of how each of them ended.

Built on papermill's own manager and client, with what they get wrong put right: a killed kernel and
a timed-out cell are recorded as failures of the cell they happened in, later cells stay pending,
the file is saved in one step, and a fat output does not make every later cell rewrite it. Imports
papermill; `engine`, which papermill itself imports, does not.
"""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async, run_sync
from nbclient.exceptions import (
    CellExecutionComplete,
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.iorw import write_ipynb
from traitlets import Float

from workbench.errors import SavingError
from workbench.runs.bars import read_bar
from workbench.runs.parameters import INJECTED_TAG
from workbench.saving import save_text

SAVE_EVERY_S = 2.0
SAVE_SHARE = 0.05  # of the time may go into saving
TELL_EVERY_S = 0.5  # how far a cell has come
INTERRUPT_GRACE_S = 4  # for a timed-out cell to show where it was
QUIET_S = 60.0  # without a word after a cell's end was reported, its last outputs are given up
NO_LIMIT = 10**9

Tell = Callable[[dict[str, Any]], None]


class Manager(NotebookExecutionManager):  # type: ignore[misc]
    """The state of a notebook under way: cell statuses, saving, and telling others.

    Events are mappings with `event` = `cell`, `items` (how many are done), `cell_end`, `quit` (the
    notebook ended itself) or `failed`.
    A cell is named by its `index` among the cells of the notebook as written.
    """

    def __init__(
        self,
        nb: Any,
        output_path: str | None = None,
        tell: Tell = lambda event: None,
        take_peak_mb: Callable[[], float | None] = lambda: None,
        **options: Any,
    ) -> None:
        self._tell = tell
        self._take_peak_mb = take_peak_mb
        self._saved_at = float("-inf")
        self._save_took_s = 0.0
        self._started_at = time.monotonic()
        self._told_at = float("-inf")
        self._current: int | None = None
        self.failed = False
        self.has_quit = False
        self._indices = _author_indices(nb.cells)
        super().__init__(nb, output_path=output_path, **options)

    def save(self, **kwargs: Any) -> None:
        """Save, unless that was done a moment ago or would take too large a share of the time."""
        pause_s = max(SAVE_EVERY_S, self._save_took_s / SAVE_SHARE)
        if time.monotonic() - self._saved_at >= pause_s:
            self._saved_at = time.monotonic()
            with suppress(SavingError):  # a full disk may have room again at the end
                self.save_now()

    def save_now(self) -> None:
        """Save the notebook as it stands, in one step."""
        if not self.output_path:
            return
        started = time.monotonic()
        is_local = "://" not in self.output_path and self.output_path != "-"
        if is_local:
            text: str = nbformat.writes(self.nb)  # type: ignore[no-untyped-call]
            save_text(Path(self.output_path), text)
        else:
            write_ipynb(self.nb, self.output_path)
        self._saved_at = time.monotonic()
        self._save_took_s = self._saved_at - started
        self.last_save_time = self.now()

    def quit(self, index: int) -> None:
        """Note that a cell has ended the notebook well, and drop what IPython warns of that."""
        self.has_quit = True
        outputs = self.nb.cells[index].outputs
        outputs[:] = [output for output in outputs if output.output_type != "error"]
        self._tell({"event": "quit", "index": self._indices.get(index)})

    def autosave_cell(self, **kwargs: Any) -> None:
        """Save inside a long cell."""
        self.save(**kwargs)

    def cell_start(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Note that a cell begins."""
        self._current = cell_index
        self._started_at = time.monotonic()
        if cell_index in self._indices:
            self._tell({"event": "cell", "index": self._indices[cell_index]})
        self._take_peak_mb()
        super().cell_start(cell, cell_index, **kwargs)

    def cell_said(self, text: str) -> None:
        """Tell how far the cell under way has come, if the text it wrote is a progress bar."""
        index = self._indices.get(self._current)
        too_soon = time.monotonic() - self._told_at < TELL_EVERY_S
        if index is None or (
            too_soon and " 0 s left" not in text
        ):  # the last may be followed by none
            return
        items = read_bar(text)
        if items is not None and (not too_soon or items.done == items.total):
            self._told_at = time.monotonic()
            self._tell({"event": "items", "index": index, "items": asdict(items)})

    def cell_complete(self, cell: Any, cell_index: int | None = None, **kwargs: Any) -> None:
        """Note that a cell has ended, well or not."""
        super().cell_complete(cell, cell_index, **kwargs)
        index = self._indices.get(cell_index)
        if index is None:
            return
        status = "failed" if cell.metadata.papermill["status"] == self.FAILED else "ok"
        wall_s = round(time.monotonic() - self._started_at, 3)
        event = {"event": "cell_end", "index": index, "status": status}
        self._tell({**event, "wall_s": wall_s, "peak_mb": self._take_peak_mb()})

    def fail(self, kind: str, error: str, message: str, index: int | None = None) -> None:
        """Mark a cell, by default the one under way, as the one at which the run ended.

        `kind`, the status of the run, is `failed`, `timeout` or `killed`.
        """
        if self.failed:
            return
        self.failed = True
        index = self._current if index is None else index
        self.nb.metadata.papermill["exception"] = True
        if index is not None:
            cell = self.nb.cells[index]
            cell.metadata.papermill["exception"] = True
            cell.metadata.papermill["status"] = self.FAILED
            if cell.cell_type == "code" and not any(o.output_type == "error" for o in cell.outputs):
                cell.outputs.append(
                    nbformat.v4.new_output(  # type: ignore[no-untyped-call]
                        "error", ename=error, evalue=message, traceback=[f"{error}: {message}"]
                    )
                )
        event = {"event": "failed", "index": self._indices.get(index), "kind": kind}
        self._tell({**event, "error": error, "message": message[:2000]})

    def fail_and_save(self, kind: str, error: str, message: str) -> None:
        """End the cell under way from outside, and save what there is."""
        self.fail(kind, error, message)
        if self._current is not None:
            self.cell_complete(self.nb.cells[self._current], self._current)
        self.save_now()

    def notebook_complete(self, **kwargs: Any) -> None:
        """Close the notebook. Cells that never ran stay pending, unlike in papermill."""
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        self.nb.metadata.papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        self.cleanup_pbar()
        self.save_now()


class _Quit(Exception):  # noqa: N818 - no error
    """A cell has ended the notebook, and well."""


_GOOD_ENDS = {("SystemExit", code) for code in ("", "0", "None")}


class Client(PapermillNotebookClient):  # type: ignore[misc]
    """Runs the cells in order and stops at the first that does not end well."""

    nb_man: Manager
    timeout = Float(None, allow_none=True)  # in seconds; nbclient takes whole ones only

    def execute(self, **kwargs: Any) -> Any:
        """Execute the notebook; how it went is told through the manager, not by an exception."""
        self.reset_execution_trackers()
        # A cell that runs too long is interrupted, so that its traceback shows where it was.
        self.interrupt_on_timeout = True
        self.error_on_timeout = {"ename": "CellTimeout", "evalue": "", "traceback": []}
        self.iopub_timeout = NO_LIMIT
        with self.setup_kernel(**kwargs):
            self.papermill_execute_cells()
            if self.nb_man.failed or self.nb_man.has_quit:
                self.shutdown_kernel = "immediate"
            else:
                with suppress(DeadKernelError):  # every cell is through: nothing is lost
                    info = self.wait_for_reply(self.kc.kernel_info()) or {"content": {}}
                    self.nb.metadata.update(language_info=info["content"].get("language_info", {}))
            self.set_widgets_metadata()
        return self.nb

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Look for progress in what the kernel says."""
        content = msg["content"]
        if msg["msg_type"] == "stream" and content.get("name") == "stderr":
            self.nb_man.cell_said(content["text"])
        return super().process_message(msg, cell, cell_index)

    def papermill_execute_cells(self) -> None:
        """Execute the cells one by one."""
        for index, cell in enumerate(self.nb.cells):
            self.nb_man.cell_start(cell, index)
            try:
                # The injected cell takes no number, so that tracebacks count cells as we do.
                injected = INJECTED_TAG in cell.metadata.get("tags", [])
                self.execute_cell(cell, index, store_history=not injected)
            except _Quit:
                self.nb_man.quit(index)
            except CellExecutionError as error:
                if error.ename == "CellTimeout":
                    self._timed_out(cell, index)
                else:
                    self.nb_man.fail("failed", error.ename, error.evalue, index)
            except CellTimeoutError:
                self._timed_out(cell, index)
            except DeadKernelError:
                self.nb_man.fail("killed", "KernelDied", self._cause_of_death(), index)
            self.nb_man.cell_complete(self.nb.cells[index], index)
            if self.nb_man.failed or self.nb_man.has_quit:
                break

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: Any, cell_index: int) -> None:
        """Take what the cell says until it has said all, however long that takes to read."""
        heard_at = time.monotonic()
        while True:
            try:
                message = await ensure_async(self.kc.iopub_channel.get_msg(timeout=1))
            except Empty:
                has_ended = "shell.execute_reply" in cell.metadata.execution
                if has_ended and time.monotonic() - heard_at > QUIET_S:
                    return
                continue
            heard_at = time.monotonic()
            if message["parent_header"].get("msg_id") == parent_msg_id:
                try:
                    self.process_message(message, cell, cell_index)
                except CellExecutionComplete:
                    return

    async def _async_handle_timeout(self, timeout: int, cell: Any = None) -> Any:
        """Interrupt the cell; only now is there a limit to what it may still say."""
        self.iopub_timeout = INTERRUPT_GRACE_S
        return await super()._async_handle_timeout(timeout, cell)

    async def _check_raise_for_error(self, cell: Any, cell_index: int, exec_reply: Any) -> None:
        """Tell `sys.exit(0)`, `exit()` and `quit()` from errors, as papermill does the first."""
        content = exec_reply["content"] if exec_reply else {}
        asked = any(part.get("source") == "ask_exit" for part in content.get("payload", ()))
        if asked or (content.get("ename"), content.get("evalue")) in _GOOD_ENDS:
            raise _Quit
        await super()._check_raise_for_error(cell, cell_index, exec_reply)

    def _timed_out(self, cell: Any, index: int) -> None:
        message = f"the cell ran longer than {self.timeout:g} s"
        for output in cell.outputs:
            if output.output_type == "error" and output.ename == "KeyboardInterrupt":
                output.ename, output.evalue = "CellTimeout", message
        self.nb_man.fail("timeout", "CellTimeout", message, index)

    def _cause_of_death(self) -> str:
        provisioner = getattr(self.km, "provisioner", None)
        code = run_sync(provisioner.poll)() if provisioner is not None else None
        if code is None:
            return "the kernel ended"
        if code >= 0:
            return f"the kernel ended itself with exit code {code}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = "unknown"
        cause = f"the kernel was ended by signal {-code} ({name})"
        return f"{cause}, as happens when memory runs out" if -code == signal.SIGKILL else cause


def _author_indices(cells: list[Any]) -> dict[int | None, int]:
    """Map the place of each code cell to its index as written, without the injected cell."""
    own = [n for n, cell in enumerate(cells) if INJECTED_TAG not in cell.metadata.get("tags", [])]
    return {n: index for index, n in enumerate(own) if cells[n].cell_type == "code"}
