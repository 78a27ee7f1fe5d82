"""One process per run: starting it, following it, and ending it with everything it started.

A run's process is the leader of a session of its own and works in the run's folder, so that runs
side by side share nothing. Kernels leave that session and notebooks may start processes of their
own; all are found again, by descent and by a mark in their environment. Knows nothing about stages.
"""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from workbench.runs.bars import ENVIRONMENT as BARS
from workbench.runs.conclusion import RUN_DIR_VARIABLE
from workbench.runs.engine import MARK_VARIABLE, Family, how_it_ends
from workbench.runs.run_record import LOG, NOTEBOOK, Event
from workbench.saving import save_json

ENGINE = "workbench.runs.engine"  # the module that a run's process executes
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
    keep_open: tuple[int, ...] = (),
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
        keep_open: Files that the process inherits, such as a lock to be held as long as it lives.
    """
    private = Path(tempfile.mkdtemp(prefix="workbench-"))
    mark = secrets.token_hex(16)
    events, writer = Pipe(duplex=False)
    spec = {
        "notebook": str(notebook),
        "save_to": str(run_dir / NOTEBOOK),
        "parameters": dict(parameters),
        "events_fd": writer.fileno(),
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
                pass_fds=[writer.fileno(), *keep_open],
                start_new_session=True,
            )
    finally:
        writer.close()
    family = Family(process.pid, mark)
    try:
        with events:
            _follow(process, family, events, limits.run_s, on_event, stop)
    finally:
        family.end()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
        shutil.rmtree(private, ignore_errors=True)
        with contextlib.suppress(OSError):
            for part in run_dir.glob(f".{Path(NOTEBOOK).stem}.*"):
                part.unlink(missing_ok=True)  # a save that was cut short
            if (run_dir / LOG).stat().st_size == 0:
                (run_dir / LOG).unlink()


def _follow(
    process: subprocess.Popen[bytes],
    family: Family,
    events: Connection,
    timeout_s: float | None,
    on_event: Callable[[Event], None],
    stop: threading.Event,
) -> None:
    """Pass events on until the process has ended; end it when it must."""
    started = time.monotonic()
    ending: tuple[str, str, str] | None = None  # kind, error, message
    kill_at = float("inf")
    told_end = False
    while True:
        if events.poll(_POLL_S):
            try:
                event = json.loads(events.recv_bytes())
            except (OSError, EOFError, ValueError):
                break  # the pipe was closed, at worst within an event
            told_end = told_end or event["event"] in ("end", "failed")
            on_event(event)
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
        if process.poll() is not None and not events.poll():
            break  # a grandchild may hold the pipe open for ever
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE_S)  # the pipe was closed, so the process is on its way out
    if not told_end:
        kind, error, message = ending or ("killed", "ProcessDied", _fate(process.returncode))
        event = {"event": "failed", "index": None, "kind": kind}
        on_event({**event, "error": error, "message": message})


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
