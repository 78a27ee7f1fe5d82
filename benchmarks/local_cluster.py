"""A Ray cluster of one machine: a head without cores, and workers, each a set of processes.

For benchmarks and tests. All listen on the loopback address; a machine where much else runs gets
more time to start them than Ray gives.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

# Without ports given, a node's agents must start within 15 s.
_AGENTS = (
    "metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port",
    "runtime_env_agent_port",
)  # fmt: skip
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
def local_cluster(workers: int) -> Iterator[Any]:
    """Run a cluster while the block lasts, and name it in RAY_ADDRESS; yield it."""
    with mock.patch.dict(os.environ, ENVIRONMENT):
        import ray
        from ray.cluster_utils import Cluster

        with mock.patch("ray._private.node.time", _Patient()):
            cluster = Cluster(initialize_head=True, head_node_args=_node(0))
            for _ in range(workers):
                add_worker(cluster)
        os.environ["RAY_ADDRESS"] = cluster.address
        try:
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


def add_worker(cluster: Any) -> None:
    """Add a node with one core."""
    with mock.patch("ray._private.node.time", _Patient()):
        cluster.add_node(**_node(1))


def kill_node(node: Any) -> None:
    """End a node as a power cut does, as far as Ray can tell."""
    os.kill(node.all_processes["raylet"][0].process.pid, signal.SIGKILL)


def _node(cpus: int) -> dict[str, Any]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in _AGENTS]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    node: dict[str, Any] = {"num_cpus": cpus, "object_store_memory": 80_000_000}
    return node | {"include_dashboard": False} | dict(zip(_AGENTS, ports, strict=True))
