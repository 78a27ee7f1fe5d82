"""Tasks on a Ray cluster: one that is there already, or one started on this machine.

The package and the files must be on every node under the same paths (`docs/scale.md`). Nothing is
opened to other hosts: a cluster started here listens on the loopback address, without a dashboard.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from workbench.engines.engine import Ended, EngineError, Failure, Needs, Task, call, keep_busy

_ON_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: as on a Mac, Ray listens on 127.0.0.1 alone
_GRACE_S = 10.0  # for a task over its time that no signal reaches, before its process is ended
_LOOK_EVERY_S = 0.25  # while tasks run


class Ray:
    """The processes of a Ray cluster.

    Args:
        address: As `ray.init` takes it; without one, that in RAY_ADDRESS, else a cluster is started
            on this machine, which ends with this process.
        while_waiting: Called now and then while tasks run; what it raises ends them.
        spread: Whether tasks go to nodes in turn; else a node is filled before the next.

    Raises:
        EngineError: If Ray is not installed, or no cluster answers.
    """

    def __init__(
        self,
        address: str | None = None,
        while_waiting: Callable[[], None] | None = None,
        spread: bool = False,
    ) -> None:
        address = address or os.environ.get("RAY_ADDRESS")
        if address is None:
            os.environ.setdefault(_ON_LOOPBACK, "0")  # is read when Ray is imported
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports to its makers else
        elif address.startswith("ray://") and _has_token():
            os.environ.setdefault("RAY_AUTH_MODE", "token")  # else Ray shows it inside alone
        try:
            import ray
        except ImportError:
            raise EngineError(
                "the engine ray needs the package ray", "install it: pip install 'workbench[ray]'"
            ) from None
        self._ray: Any = ray
        self._while_waiting, self._spread = while_waiting, spread
        if not ray.is_initialized():
            _join(ray, address)

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Task],
        needs: Needs = Needs(),  # noqa: B008
        timeout_s: float | None = None,
    ) -> Iterator[Ended]:
        """Yield how each task ended, as it does; see `Engine`. Function and values are pickled."""
        ray = self._ray
        # Tried again by us and not by Ray, so that the record can tell.
        options: dict[str, Any] = {"num_cpus": needs.cpus, "num_gpus": needs.gpus}
        options |= {"max_retries": 0, "scheduling_strategy": "SPREAD" if self._spread else None}
        remote, shared = ray.remote(**options)(_call_there), ray.put(function)
        running: dict[Any, tuple[Task, Ended]] = {}

        def at_once() -> int:
            return max(1, int(self.resources().get("CPU", 1.0) / max(needs.cpus, 0.01)))

        def start(task: Task) -> Any:
            return remote.remote(shared, task.value, timeout_s)

        def wait(references: list[Any]) -> list[Any]:
            while True:
                done = list(ray.wait(references, timeout=_LOOK_EVERY_S)[0])
                if self._while_waiting is not None:
                    self._while_waiting()
                if done:
                    return done

        try:
            yield from keep_busy(tasks, running, at_once, start, wait, self._ended)
        finally:
            for force in (False, True):  # what does not leave when it is asked to is killed
                for reference in running:
                    ray.cancel(reference, force=force)
                if running and not force:
                    ray.wait(list(running), num_returns=len(running), timeout=2 * _GRACE_S)

    def resources(self) -> dict[str, float]:
        """Return what the nodes that live have, in all: CPU, GPU, and more."""
        return dict(self._ray.cluster_resources())

    def _ended(self, reference: Any, so_far: Ended) -> Ended:
        try:
            result, took_s, node = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:  # what cannot be pickled
            return replace(so_far, result=Failure(str(error).splitlines()[-1]))
        except self._ray.exceptions.RayError as error:
            lost = (*so_far.lost, f"{type(error).__name__}: {str(error).splitlines()[0]}")
            return replace(so_far, result=Failure(f"its process died: {lost[-1]}"), lost=lost)
        return replace(so_far, result=result, took_s=took_s, node=node)


def node_name() -> str:
    """Return the name of the node that this process works on: the machine's, and Ray's."""
    import ray

    return f"{socket.gethostname()}/{ray.get_runtime_context().get_node_id()[:8]}"


def _call_there(
    function: Callable[[Any], Any], value: Any, timeout_s: float | None
) -> tuple[Any | Failure, float, str]:
    node = node_name()
    with _at_most(timeout_s):
        return *call(function, value), node


@contextmanager
def _at_most(timeout_s: float | None) -> Iterator[None]:
    """End the block after so many seconds; where no signal gets through, end the process."""
    if timeout_s is None:
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it took more than {timeout_s:g} s")

    last = threading.Timer(timeout_s + _GRACE_S, os._exit, [1])
    last.daemon = True
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, timeout_s)
    last.start()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        last.cancel()


def _has_token() -> bool:
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return given or (Path.home() / ".ray" / "auth_token").exists()


def _join(ray: Any, address: str | None) -> None:
    settings: dict[str, Any] = {} if address else {"include_dashboard": False}
    if address is None:  # Ray may have been imported before we said so
        ray._private.ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(address=address, logging_level=logging.ERROR, **settings)
    except (ConnectionError, RuntimeError, ValueError, ImportError) as error:
        said = " ".join(str(error).split())
        raise EngineError(
            f"no Ray cluster answers at {address or 'this machine'} ({said})",
            "start one: ray start --head, and give ray://HOST:10001; if it asks for a token, "
            "copy its ~/.ray/auth_token here",
        ) from None
