"""The papermill engine of the workbench, and the process that runs one notebook with it.

`papermill --engine workbench in.ipynb out.ipynb` uses the engine alone. `workbench run` starts
`python -m workbench.runs.engine SPEC`, one process per run: it starts a kernel of this very
interpreter, executes the notebook through papermill and writes one JSON line per event to a pipe.
Whatever happens to it, the process that started it knows how far it came.

Does not import papermill at the top: papermill imports this module while it is being imported.
"""

import contextlib
import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

SAMPLE_EVERY_S = 0.2
# What the process that started this one sends to end it; the last one when the time is up.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class WorkbenchEngine:
    """The engine papermill knows as `workbench`."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str,
        output_path: str | None = None,
        progress_bar: bool | dict[str, Any] = True,
        log_output: bool = False,
        start_timeout: float = 60,
        execution_timeout: float | None = None,
        **options: Any,
    ) -> Any:
        """Execute `nb` in place and return it; called by papermill.

        Timeouts are in seconds: of the kernel's first answer, and of one cell. `options` holds
        `session`, from our own process, and papermill's `stdout_file` and `stderr_file`.
        """
        from papermill.log import logger

        from workbench.runs.notebook_client import Client, Manager

        session: Session | None = options.get("session")
        manager = Manager(
            nb,
            output_path=output_path if session is None else session.save_to,
            tell=session.tell if session is not None else None,
            memory=session.memory if session is not None else None,
            progress_bar=progress_bar,
            log_output=log_output,
        )
        if session is not None:
            session.manager = manager
        manager.notebook_start()
        try:
            Client(
                manager,
                km=session.kernel if session is not None else None,
                kernel_name=kernel_name,
                timeout=execution_timeout,
                startup_timeout=start_timeout,
                log=logger,
                log_output=log_output,
                stdout_file=options.get("stdout_file"),
                stderr_file=options.get("stderr_file"),
            ).execute()
        finally:
            manager.notebook_complete()
        return manager.nb

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Return the kernel's name as papermill finds it."""
        from papermill.utils import nb_kernel_name

        return str(nb_kernel_name(nb, name))

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Return the language as papermill finds it."""
        from papermill.utils import nb_language

        return str(nb_language(nb, language))


class KernelMemory:
    """Samples the resident memory of the kernel and all its children in a thread."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak_mb: float | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._watch, name="memory", daemon=True).start()

    def take_peak_mb(self) -> float | None:
        """Return the peak since the last call in MB (10⁶ bytes); None if the kernel is gone."""
        self._sample()
        with self._lock:
            peak, self._peak_mb = self._peak_mb, None
        return peak

    def _watch(self) -> None:
        while self._process.is_running():
            self._sample()
            time.sleep(SAMPLE_EVERY_S)

    def _sample(self) -> None:
        total = 0
        try:
            for process in (self._process, *self._process.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.Error:
            pass  # ended between being listed and being asked
        if total:
            with self._lock:
                self._peak_mb = max(self._peak_mb or 0.0, total / 1e6)


class Session:
    """One run in this process: its kernel, its events, and its end from outside."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.save_to = str(spec["save_to"])
        self.manager: Any = None
        self.kernel: Any = None
        self.memory: KernelMemory | None = None
        self._events = int(spec["events_fd"])
        self._connection_file = str(spec["connection_file"])
        self._timeout_s = spec.get("timeout_s")

    def tell(self, event: dict[str, Any]) -> None:
        """Write one event to the pipe; nothing if nobody reads it any more."""
        line = (json.dumps(event, ensure_ascii=False) + "\n").encode()
        try:
            while line:
                line = line[os.write(self._events, line) :]
        except OSError:
            pass

    def start_kernel(self) -> None:
        """Start a kernel of this interpreter, whatever kernel `python3` may name elsewhere."""
        from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_core.utils import run_sync

        class ThisInterpreter(KernelSpecManager):
            def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
                argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
                return KernelSpec(argv=argv, display_name="Python 3", language="python")

        self.kernel = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=ThisInterpreter(),
            transport="ipc",  # sockets in a folder of our own, which no other user can reach
            connection_file=self._connection_file,
        )
        run_sync(self.kernel.start_kernel)(
            extra_arguments=[
                "--HistoryManager.hist_file=:memory:",
                "--HistoryManager.enabled=False",
            ]
        )
        pid = self.kernel.provisioner.pid
        self.memory = KernelMemory(pid)
        self.tell({"event": "kernel", "pid": pid})

    def end_kernel(self) -> None:
        """Kill the kernel and all that it started."""
        provisioner = getattr(self.kernel, "provisioner", None)
        if provisioner is None or provisioner.pid is None:
            return
        try:
            kernel = psutil.Process(provisioner.pid)
            family = [*kernel.children(recursive=True), kernel]
        except psutil.Error:
            return
        for process in family:
            with contextlib.suppress(psutil.Error):
                process.kill()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: record the cell under way as ended from outside, and leave."""
        for other in STOP_SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        kind, error, message = how_it_ends(number, self._timeout_s)
        try:
            if self.manager is None:
                self.tell({"event": "failed", "kind": kind, "error": error, "message": message})
            else:
                self.manager.fail_and_save(kind, error, message)
        finally:
            self.end_kernel()
            os._exit(1)


def how_it_ends(number: int, timeout_s: float | None) -> tuple[str, str, str]:
    """Return status, error and message of a run that one of the stop signals ends."""
    if number == signal.SIGUSR1:
        return "timeout", "RunTimeout", f"the run took longer than {timeout_s:g} s"
    return "killed", "Interrupted", "the run was stopped from outside"


def skip_iri_grammar() -> None:
    """Keep jsonschema from compiling a grammar that nothing here uses.

    Where `rfc3987_syntax` is installed (Jupyter's servers want it), importing jsonschema, and so
    nbformat, builds a parser for international resource identifiers: one second of CPU in each
    process that reads a notebook. The notebook schema has no such field; jsonschema takes the
    package as optional. For our own processes only, never on import: it changes what other code in
    the same process gets.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def main() -> None:
    """Run the notebook that the specification file on the command line names."""
    skip_iri_grammar()
    spec = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    session = Session(spec)
    for number in STOP_SIGNALS:
        signal.signal(number, session.stop)
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    # The kernel takes as long to start as papermill takes to import: do both at once.
    session.start_kernel()
    try:
        _execute(spec, session)
        session.tell({"event": "end"})
    finally:
        session.end_kernel()


def _execute(spec: dict[str, Any], session: Session) -> None:
    import papermill
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError

    # It warns of parameters that it cannot parse, such as any with a union type.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    papermill_engines.register("workbench", WorkbenchEngine)
    # papermill takes braces in a path for parameters.
    notebook = str(spec["notebook"]).replace("{", "{{").replace("}", "}}")
    # Of a failure the manager has told already: which cell, and how.
    with contextlib.suppress(PapermillExecutionError):
        papermill.execute_notebook(
            notebook,
            None,  # the engine saves; papermill would add banner cells, and not in one step
            parameters=spec["parameters"],
            engine_name="workbench",
            kernel_name="python3",
            language="python",
            progress_bar=False,
            session=session,
            execution_timeout=spec.get("cell_timeout_s"),
        )


def _leave_with_parent() -> None:
    # However the parent ends, its end of our standard input is closed.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
