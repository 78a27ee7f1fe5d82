"""Many annotators and huge videos at one server: nothing lost, nothing twice, memory as before."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import httpx
import psutil
import pytest
from videos import make_video

from workbench.labels.store import open_store

pytest_plugins = ["label_databases"]

ANNOTATORS = 50
LABELS = int(os.environ.get("WORKBENCH_LOAD_LABELS", "20"))  # of each annotator


class Server:
    """`workbench serve goals` in a process of its own."""

    def __init__(self, folder: Path, database: str, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.command = [sys.executable, "-m", "workbench.cli", "serve", "goals", "--no-browser"]
        self.command += ["--port", str(self.port), "--footage", str(folder), "--db", database]
        self.command += ["--cache", str(home / "cache")]
        self.env = os.environ | {"XDG_STATE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        self.process: subprocess.Popen[str] | None = None
        self.token = ""

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, env=self.env, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        found = re.search(r"token=(\S+)", self.process.stdout.readline())
        assert found is not None
        self.token = found[1]
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.05)
        raise AssertionError("the server does not start")

    def client(self) -> httpx.Client:
        base = f"http://127.0.0.1:{self.port}"
        headers = {"authorization": f"token {self.token}", "origin": base}
        return httpx.Client(base_url=base, headers=headers, timeout=60)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    make_video(tmp_path / "clips/shot.mp4", 20, fps=Fraction(25))
    return tmp_path / "clips"


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.kill()


def label_of(annotator: str, number: int) -> dict[str, object]:
    return {
        "kind": "verdict",
        "item_id": f"clip_{number:03d}",
        "value": {"verdict": ("goal", "no_goal", "unsure")[number % 3], "event_frame": None},
        "annotator": annotator,
        "entry_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{annotator}/{number}")),
    }


def test_fifty_annotators_at_one_server(folder: Path, database: str, tmp_path: Path) -> None:
    with running(Server(folder, database, tmp_path)) as server:

        def work(annotator: str) -> None:
            with server.client() as client:
                for number in range(LABELS):
                    label = label_of(annotator, number)
                    # Some answers get lost on the way: the page sends the label again.
                    for _ in range(2 if number % 10 == 0 else 1):
                        assert client.post("/api/labels", json=label).status_code == 201

        names = [f"annotator_{number:02d}" for number in range(ANNOTATORS)]
        with ThreadPoolExecutor(ANNOTATORS) as pool:
            list(pool.map(work, names))
    with open_store(database) as store:
        stored = Counter((entry.annotator, entry.item_id) for entry in store.history("verdict"))
    assert set(stored.values()) == {1}
    assert len(stored) == ANNOTATORS * LABELS


def test_what_was_acknowledged_survives_the_servers_death(
    folder: Path, database: str, tmp_path: Path
) -> None:
    server, acknowledged = Server(folder, database, tmp_path), set()
    for death in range(3):
        server.start()

        def work(annotator: str) -> list[str]:
            done = []
            with server.client() as client, contextlib.suppress(httpx.HTTPError):
                for number in range(1000):
                    label = label_of(annotator, number)
                    if client.post("/api/labels", json=label).status_code == 201:
                        done.append(str(label["entry_id"]))
            return done

        with ThreadPoolExecutor(8) as pool:
            work_under_way = [pool.submit(work, f"a{death}_{n}") for n in range(8)]
            time.sleep(0.4 + 0.37 * death)
            server.kill()
            for task in work_under_way:
                acknowledged.update(task.result())
    assert len(acknowledged) > 20
    with open_store(database) as store:
        stored = [entry.entry_id for entry in store.history("verdict")]
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))


def test_memory_does_not_grow_with_the_video(folder: Path, tmp_path: Path) -> None:
    """A video with 2 GB behind its end is read to the last byte."""
    video, size = folder / "shot.mp4", 2 << 30
    with video.open("r+b") as file:
        file.truncate(size)  # sparse: takes no room on the disk
    with running(Server(folder, f"sqlite:///{tmp_path / 'l.sqlite'}", tmp_path)) as server:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        with server.client() as client:
            url = f"/media/{client.get('/api/media').json()[0]['media_id']}"
            client.get(url, headers={"range": "bytes=0-1048575"})
            before, seen = process.memory_info().rss, 0
            with client.stream("GET", url) as answer:
                assert answer.status_code == 200
                for chunk in answer.iter_bytes():
                    seen += len(chunk)
            tail = client.get(url, headers={"range": "bytes=-10"})
            assert process.memory_info().rss - before < 64 << 20
        assert seen == size
        assert tail.headers["content-range"] == f"bytes {size - 10}-{size - 1}/{size}"
