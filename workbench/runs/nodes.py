"""Stage runs on the nodes of a Ray cluster, followed from here.

The unit is one run's notebook. A node starts its process in the run's folder, which all machines
see under the same path; what it tells goes through a file there, so that the record is kept here,
as of a run on this machine. A run whose node dies is started on another; the record names both.
"""

import contextlib
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.engines.cluster import Ray, node_name
from workbench.engines.each import ENGINE_VARIABLE
from workbench.engines.engine import EngineError, Failure, Needs, Task
from workbench.runs.engine import MARK_VARIABLE
from workbench.runs.execution import GRACE_S, Limits, execute
from workbench.runs.provenance import fingerprint
from workbench.runs.run_record import Event

_HEARD = ".heard-*.jsonl"  # what the tries of a run tell, a file each
_LOCK = ".node.lock"  # held by all processes of a try, wherever they are
_NOT_TAKEN_ALONG = (ENGINE_VARIABLE, MARK_VARIABLE)


@dataclass(frozen=True)
class Job:
    """What a node needs to know of a run."""

    notebook: Path
    run_dir: Path
    parameters: Mapping[str, Any]
    limits: Limits
    root: Path  # of the project
    versions: Mapping[str, str]  # of the packages that the run's key was made with
    environment: Mapping[str, str]  # WORKBENCH_… of the command
    spread: bool  # whether its clips go to the whole cluster, too


class StoppedError(Exception):
    """The command was told to stop."""


class Nodes:
    """The nodes of a cluster, as places where stages run.

    Args:
        engine: "ray" or "ray://HOST:PORT", see `make_engine`.
        jobs: How many stages run at the same time.
        spread: Whether their clips go to the whole cluster, too; else each stays on its node.

    Raises:
        EngineError: If there is no cluster, or too small a one for stages that wait for clips.
    """

    def __init__(self, engine: str, jobs: int, spread: bool) -> None:
        self._address = engine if "://" in engine else None
        self._spread = spread
        resources = Ray(self._address).resources()
        self._has_gpus, cpus = resources.get("GPU", 0) > 0, int(resources.get("CPU", 0))
        if spread and jobs >= cpus:  # each holds a core while its clips wait for one
            raise EngineError(
                f"the cluster has {cpus} cores, and {jobs} stages would wait for its clips",
                f"give --jobs {cpus - 1} at most" if cpus > 1 else "add a node, or leave --engine",
            )

    def execute(
        self,
        notebook: Path,
        run_dir: Path,
        parameters: Mapping[str, Any],
        limits: Limits,
        on_event: Callable[[Event], None],
        stop: threading.Event,
        *,
        root: Path,
        gpus: float = 0,
    ) -> None:
        """Run a notebook on a node, as `execution.execute` does here, and return when it is over.

        `gpus` are asked for where the cluster has any. Besides its events, `on_event` is told of
        every try: `node`, with the node's name and fingerprint, and of how it came to be `lost`.
        """
        taken = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("WORKBENCH_") and name not in _NOT_TAKEN_ALONG
        }
        versions = fingerprint(root)["packages"]
        job = Job(notebook, run_dir, parameters, limits, root, versions, taken, self._spread)
        heard = _Heard(run_dir, on_event)

        def look() -> None:
            heard.pass_on()
            if stop.is_set():
                raise StoppedError

        needs = Needs(gpus=gpus if self._has_gpus else 0)
        reason = "the run was stopped from outside"
        try:
            engine = Ray(self._address, look, spread=True)
            for ended in engine.run(run_on_node, [Task(run_dir.name, job)], needs):
                heard.pass_on()
                on_event({"event": "lost", "lost": ended.lost})
                reason = ended.result.reason if isinstance(ended.result, Failure) else ""
        except StoppedError:
            heard.pass_on()
        finally:
            heard.clear()
        if not heard.told_end:
            event = {"event": "failed", "index": None, "kind": "killed", "error": "NodeLost"}
            on_event({**event, "message": reason or "the run told nothing of its end"})


class _Heard:
    """Reads what the tries of a run tell, and passes on what is new."""

    def __init__(self, run_dir: Path, on_event: Callable[[Event], None]) -> None:
        self.told_end = False
        self._run_dir, self._on_event = run_dir, on_event
        self._read: dict[Path, int] = {}  # bytes
        self.clear()

    def pass_on(self) -> None:
        """Tell whole lines that are new, of tries in the order in which they were found."""
        for path in self._run_dir.glob(_HEARD):
            self._read.setdefault(path, 0)
        newest = next(reversed(self._read), None)
        if newest is None:
            return
        with newest.open("rb") as lines:  # anew, or a network drive shows what it showed before
            lines.seek(self._read[newest])
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                self._read[newest] += len(line)
                event = json.loads(line)
                self.told_end = event["event"] in ("end", "failed")
                self._on_event(event)

    def clear(self) -> None:
        """Remove the files."""
        for path in self._run_dir.glob(_HEARD):
            path.unlink(missing_ok=True)


def run_on_node(job: Job) -> None:
    """Run a notebook in a process of this node, once no earlier try of it is alive any more.

    Raises:
        EngineError: If the node has other versions of the packages.
    """
    import ray

    here = fingerprint(job.root)
    node = node_name()
    for name, version in job.versions.items():
        if (ours := here["packages"].get(name)) != version:
            raise EngineError(
                f"the node {node} has {name} {ours}, and not {version}",
                "install the same lock on every node",
            )
    os.environ.update(job.environment)
    os.environ[ENGINE_VARIABLE] = "ray" if job.spread else "here"
    os.environ["RAY_ADDRESS"] = ray.get_runtime_context().gcs_address
    told = job.run_dir / _HEARD.replace("*", uuid.uuid4().hex)

    def tell(event: Event) -> None:
        with contextlib.suppress(FileNotFoundError), told.open("r+") as lines:  # until it is gone
            lines.seek(0, os.SEEK_END)
            lines.write(json.dumps(event) + "\n")

    stop = threading.Event()
    with _after_earlier(job.run_dir) as held:
        told.touch()
        tell({"event": "node", "node": node, "fingerprint": here})
        arguments = (job.notebook, job.run_dir, job.parameters, job.limits, tell, stop, (held,))
        work = threading.Thread(target=execute, args=arguments)
        work.start()
        try:
            while work.is_alive():
                work.join(0.2)
        except KeyboardInterrupt:  # the driver cancels: let the notebook be saved
            stop.set()
            work.join()
            raise


@contextlib.contextmanager
def _after_earlier(run_dir: Path) -> Iterator[int]:
    """Wait until the processes of an earlier try have ended; yield a file that ours shall hold."""
    with (run_dir / _LOCK).open("w") as lock:
        deadline = time.monotonic() + 4 * GRACE_S  # a node cut off from the network never ends
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.2)
        yield lock.fileno()
    (run_dir / _LOCK).unlink(missing_ok=True)
