"""A Ray cluster of one machine: a head without cores, and workers, each a set of processes.

For benchmarks and tests. All listen on the loopback address; a machine where much else runs gets
more time to start them than Ray gives.
"""

import functools
import inspect
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

# A node gives its agents 15 s to say where they listen. We need one of them, and say it first.
_UNUSED = (
    "METRICS_AGENT_PORT_NAME",
    "METRICS_EXPORT_PORT_NAME",
    "DASHBOARD_AGENT_LISTEN_PORT_NAME",
)
ENVIRONMENT = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # 0: on the loopback address
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",  # 15 by default: next to nothing, where much else runs
}


class _Patient:
    """The module `time`, but that the 30 s a node has to start in are 300."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def monotonic(self) -> float:
        return time.monotonic() / 10


@contextmanager
def _patiently() -> Iterator[None]:
    from ray import _raylet
    from ray._private import services

    start = services.start_raylet

    @functools.wraps(start)  # also of this one, where it is patched already
    def start_raylet(*args: Any, **named: Any) -> Any:
        known = inspect.signature(start).bind(*args, **named).arguments
        said = dict.fromkeys((getattr(_raylet, name) for name in _UNUSED), -1)
        said[_raylet.RUNTIME_ENV_AGENT_PORT_NAME] = known["runtime_env_agent_port"]
        for name, port in said.items():
            _raylet.persist_port(known["session_dir"], known["node_id"], name, port)
        return start(*args, **named)

    with (
        mock.patch("ray._private.node.time", _Patient()),
        mock.patch("ray._private.services.start_raylet", start_raylet),
    ):
        yield


@contextmanager
def local_cluster(workers: int) -> Iterator[Any]:
    """Run a cluster while the block lasts, and name it in RAY_ADDRESS; yield it."""
    with mock.patch.dict(os.environ, ENVIRONMENT):
        import ray
        from ray.cluster_utils import Cluster

        # In case Ray was imported before the environment said so.
        loopback = mock.patch("ray._private.ray_constants.ENABLE_RAY_CLUSTER", False)
        loopback.start()
        with _patiently():
            cluster = Cluster(initialize_head=True, head_node_args=_node(0))
            for _ in range(workers):
                add_worker(cluster)
        os.environ["RAY_ADDRESS"] = cluster.address
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()
            loopback.stop()


def add_worker(cluster: Any) -> None:
    """Add a node with one core."""
    with _patiently():
        cluster.add_node(**_node(1))


def kill_node(node: Any) -> None:
    """End a node as a power cut does, as far as Ray can tell."""
    os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)


def _node(cpus: int) -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    node: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": 80_000_000}
    return node | {"include_dashboard": False, "runtime_env_agent_port": port}
