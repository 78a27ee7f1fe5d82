"""The papermill engine of the workbench, and the process that runs one notebook with it.

`papermill --engine workbench in.ipynb out.ipynb` uses the engine alone. `workbench run` starts
`python -m workbench.runs.engine SPEC`, one process per run: it starts a kernel of this very
interpreter, executes the notebook through papermill and sends each event as JSON through a pipe.
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
import traceback
from collections.abc import Iterable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

MARK_VARIABLE = "WORKBENCH_RUN_MARK"  # of all processes of a run
SAMPLE_EVERY_S = 0.2
START_TIMEOUT_S = 600  # of a kernel that lives but does not answer yet, on a machine that is busy
# What a notebook leaves in its folder must not pass for a module while the kernel starts.
_KERNEL = "import sys; del sys.path[0]; from workbench.runs.kernel import main; main()"
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
        shown: dict[str, Any] = {"progress_bar": progress_bar, "log_output": log_output}
        if session is None:
            manager = Manager(nb, output_path, **shown)
        else:
            take_peak_mb = session.memory.take_peak_mb
            manager = Manager(nb, session.save_to, session.tell, take_peak_mb, **shown)
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
        return None if peak is None else round(peak, 1)

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


class Family:
    """All processes that a run has started but this one, as far as they can be found."""

    def __init__(self, pid: int, mark: str) -> None:
        self._mark = mark
        self._looked_at = 0.0
        self._known: set[psutil.Process] = set()
        with contextlib.suppress(psutil.Error):
            self._known.add(psutil.Process(pid))

    def look(self) -> None:
        """Note the descendants there are now, at most twice a second."""
        if time.monotonic() - self._looked_at < 0.5:
            return
        self._looked_at = time.monotonic()
        for process in list(self._known):
            with contextlib.suppress(psutil.Error):
                self._known.update(process.children(recursive=True))

    def end(self) -> None:
        """Kill every one of them, and look again until none is left."""
        for _ in range(5):
            self._looked_at = 0.0
            self.look()
            # psutil compares start times, so that a reused process id is not taken for ours.
            living = [process for process in self._known if process.is_running()]
            living += [process for process in self._marked() if process not in living]
            living = [one for one in living if one.pid != os.getpid() and not _is_zombie(one)]
            if not living:
                return
            for process in living:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(living, timeout=2)

    def _marked(self) -> Iterable[psutil.Process]:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.environ().get(MARK_VARIABLE) == self._mark:
                    yield process


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


class Session:
    """One run in this process: its kernel, its events, and its end from outside."""

    memory: KernelMemory  # once the kernel is started

    def __init__(self, spec: dict[str, Any]) -> None:
        self.save_to = str(spec["save_to"])
        self.manager: Any = None
        self.kernel: Any = None
        self._events = Connection(int(spec["events_fd"]), readable=False)
        self._connection_file = str(spec["connection_file"])
        self._timeout_s = spec.get("timeout_s")

    def tell(self, event: dict[str, Any]) -> None:
        """Send one event; nothing if nobody reads it any more."""
        with contextlib.suppress(OSError):
            self._events.send_bytes(json.dumps(event).encode())

    def start_kernel(self) -> None:
        """Start a kernel of this interpreter, whatever kernel `python3` may name elsewhere."""
        import zmq
        import zmq.asyncio
        from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_core.utils import run_sync

        class ThisInterpreter(KernelSpecManager):
            def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
                argv = [sys.executable, "-c", _KERNEL, "-f", "{connection_file}"]
                return KernelSpec(argv=argv, display_name="Python 3", language="python")

        self.kernel = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=ThisInterpreter(),
            transport="ipc",  # sockets in a folder of our own, which no other user can reach
            connection_file=self._connection_file,
        )
        context = zmq.asyncio.Context()
        context.setsockopt(zmq.RCVHWM, 0)  # see `kernel`
        self.kernel.client = partial(self.kernel.client, context=context)
        run_sync(self.kernel.start_kernel)(
            extra_arguments=[
                "--HistoryManager.hist_file=:memory:",
                "--HistoryManager.enabled=False",
            ]
        )
        self.memory = KernelMemory(self.kernel.provisioner.pid)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: record the cell under way as ended from outside, and leave."""
        for other in STOP_SIGNALS:
            signal.signal(other, signal.SIG_IGN)
        kind, error, message = how_it_ends(number, self._timeout_s)
        try:
            if self.manager is None:
                event = {"event": "failed", "index": None, "kind": kind}
                self.tell({**event, "error": error, "message": message})
            else:
                self.manager.fail_and_save(kind, error, message)
        finally:
            Family(os.getpid(), os.environ[MARK_VARIABLE]).end()
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
    try:
        session.start_kernel()
        _execute(spec, session)
    except Exception as error:
        traceback.print_exc()  # into the log
        event = {"event": "failed", "index": None, "kind": "failed"}
        session.tell({**event, "error": type(error).__name__, "message": str(error)[:2000]})
        return
    session.tell({"event": "end"})  # the process that started this one ends the kernel


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
            start_timeout=START_TIMEOUT_S,
            execution_timeout=spec.get("cell_timeout_s"),
        )


def _leave_with_parent() -> None:
    # However the parent ends, its end of our standard input is closed.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
