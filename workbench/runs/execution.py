"""One process per run: starting it, following it, and ending it with everything it started.

A run's process is the leader of a session of its own and works in the run's folder, so that runs
side by side share nothing. Kernels leave that session and notebooks may start processes of their
own; all are found again, by descent and by a mark in their environment. Knows nothing about stages.
"""

import contextlib
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from workbench.runs.bars import ENVIRONMENT as BARS
from workbench.runs.conclusion import RUN_DIR_VARIABLE
from workbench.runs.engine import how_it_ends
from workbench.runs.run_record import LOG, NOTEBOOK, Event
from workbench.saving import save_json

ENGINE = "workbench.runs.engine"  # the module that a run's process executes
MARK_VARIABLE = "WORKBENCH_RUN_MARK"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GRACE_S = 8.0  # for the process to save the notebook after it was told to stop
_POLL_S = 0.2


@dataclass(frozen=True)
class Limits:
    """What a run may take."""

    run_s: float | None = None
    cell_s: float | None = None
    threads: int | None = None  # per process; None: what the environment says, else 1


def execute(
    notebook: Path,
    run_dir: Path,
    parameters: Mapping[str, Any],
    limits: Limits,
    on_event: Callable[[Event], None],
    stop: threading.Event,
) -> None:
    """Run a notebook in a process of its own and return when nothing of it is left.

    Args:
        notebook: The notebook as written.
        run_dir: The run's folder, which takes the executed notebook and is the working directory.
        parameters: What is injected into it.
        limits: Time limits and threads.
        on_event: Called with each event (see `notebook_client`). The last one is `end`, or `failed`
            however the run ended, even if its process was killed.
        stop: Set from another thread to end the run.
    """
    private = Path(tempfile.mkdtemp(prefix="workbench-"))
    mark = secrets.token_hex(16)
    read_end, write_end = os.pipe()
    spec = {
        "notebook": str(notebook),
        "save_to": str(run_dir / NOTEBOOK),
        "parameters": dict(parameters),
        "events_fd": write_end,
        "connection_file": str(private / "kernel.json"),
        "timeout_s": limits.run_s,
        "cell_timeout_s": limits.cell_s,
    }
    save_json(private / "spec.json", spec)
    try:
        with (run_dir / LOG).open("wb") as log:
            process = subprocess.Popen(
                # -P: what notebooks leave in the folder must not pass for a module.
                [sys.executable, "-P", "-m", ENGINE, str(private / "spec.json")],
                cwd=run_dir,
                env=_environment(notebook, run_dir, private, mark, limits.threads),
                stdin=subprocess.PIPE,  # closed by our end, whatever ends us
                stdout=log,
                stderr=log,
                pass_fds=[write_end],
                start_new_session=True,
            )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    family = _Family(process.pid, mark)
    try:
        _follow(process, family, read_end, limits.run_s, on_event, stop)
    finally:
        family.end()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        shutil.rmtree(private, ignore_errors=True)
        for part in run_dir.glob(f".{Path(NOTEBOOK).stem}.*"):
            part.unlink(missing_ok=True)  # a save that was cut short
        if (run_dir / LOG).exists() and (run_dir / LOG).stat().st_size == 0:
            (run_dir / LOG).unlink()


def _follow(
    process: subprocess.Popen[bytes],
    family: "_Family",
    read_end: int,
    timeout_s: float | None,
    on_event: Callable[[Event], None],
    stop: threading.Event,
) -> None:
    """Pass events on until the process has ended; end it when it must."""
    events: queue.Queue[Event | None] = queue.Queue()
    threading.Thread(target=_read_events, args=(read_end, events), daemon=True).start()
    started = time.monotonic()
    ending: tuple[str, str, str] | None = None  # kind, error, message
    kill_at = float("inf")
    told_end = False

    def take(event: Event) -> None:
        nonlocal told_end
        told_end = told_end or event["event"] in ("end", "failed")
        on_event(event)

    while True:
        with contextlib.suppress(queue.Empty):
            event = events.get(timeout=_POLL_S)
            if event is None:
                break
            take(event)
            if not events.empty():
                continue
        family.look()
        elapsed_s = time.monotonic() - started
        if ending is None and (stop.is_set() or (timeout_s is not None and elapsed_s > timeout_s)):
            number = signal.SIGTERM if stop.is_set() else signal.SIGUSR1
            ending = how_it_ends(number, timeout_s)
            kill_at = time.monotonic() + GRACE_S
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
        if time.monotonic() > kill_at:
            family.end()
        if process.poll() is not None and events.empty():
            # A grandchild may hold the pipe open for ever.
            with contextlib.suppress(queue.Empty):
                while (event := events.get(timeout=_POLL_S)) is not None:
                    take(event)
            break
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE_S)  # the pipe was closed, so the process is on its way out
    if not told_end:
        kind, error, message = ending or ("killed", "ProcessDied", _fate(process.returncode))
        on_event({"event": "failed", "kind": kind, "error": error, "message": message})


class _Family:
    """All processes that a run has started, as far as they can be found."""

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
            living = [process for process in living if not _is_zombie(process)]
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


def _read_events(read_end: int, events: "queue.Queue[Event | None]") -> None:
    with os.fdopen(read_end, "rb") as pipe:
        for line in pipe:
            # A process killed while writing leaves half a line.
            with contextlib.suppress(ValueError):
                events.put(json.loads(line))
    events.put(None)


def _fate(code: int | None) -> str:
    if code is not None and code < 0:
        cause = "as happens when memory runs out" if -code == signal.SIGKILL else "from outside"
        return f"the process of the run was ended by signal {-code}, {cause}"
    return f"the process of the run ended with exit code {code}; see {LOG}"


def _environment(
    notebook: Path, run_dir: Path, private: Path, mark: str, threads: int | None
) -> dict[str, str]:
    environment = dict(os.environ)
    for name in THREAD_VARIABLES:
        # Several runs, each with a thread per core, slow one another down many times over.
        if threads is not None:
            environment[name] = str(threads)
        else:
            environment.setdefault(name, "1")
    beside = [str(notebook.parent)]
    if environment.get("PYTHONPATH"):
        beside.append(environment["PYTHONPATH"])
    return {
        **environment,
        RUN_DIR_VARIABLE: str(run_dir),
        MARK_VARIABLE: mark,
        "PYTHONHASHSEED": "0",
        **BARS,
        "PYTHONPATH": os.pathsep.join(beside),  # modules beside the notebook, as in JupyterLab
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        # The settings and start-up files of the person at the keyboard are no part of a run.
        "IPYTHONDIR": str(private / "ipython"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
    }
