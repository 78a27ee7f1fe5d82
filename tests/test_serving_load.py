"""Many annotators and huge videos at one server: nothing lost, nothing twice, memory as before."""

import contextlib
import os
import threading
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import httpx
import psutil
import pytest
from served import Served
from videos import make_video

from workbench.labels.store import LabelStore

pytest_plugins = ["label_databases"]

ANNOTATORS = 50
LABELS = int(os.environ.get("WORKBENCH_LOAD_LABELS", "8"))  # of each annotator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    make_video(tmp_path / "clips/shot.mp4", 20, fps=Fraction(25))
    return tmp_path / "clips"


def label_of(annotator: str, number: int) -> dict[str, object]:
    return {
        "kind": "verdict",
        "item_id": f"clip_{number:03d}",
        "value": {"verdict": ("goal", "no_goal", "unsure")[number % 3], "event_frame": None},
        "annotator": annotator,
        "entry_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{annotator}/{number}")),
    }


def test_fifty_annotators_at_one_server(folder: Path, database: str, tmp_path: Path) -> None:
    with Served("goals", folder, tmp_path, database=database).running() as server:

        def work(annotator: str) -> None:
            with server.client() as client:
                for number in range(LABELS):
                    label = label_of(annotator, number)
                    # Some answers get lost on the way: the page sends the label again.
                    for _ in range(2 if number % 5 == 0 else 1):
                        assert client.post("/api/labels", json=label).status_code == 201

        names = [f"annotator_{number:02d}" for number in range(ANNOTATORS)]
        with ThreadPoolExecutor(ANNOTATORS) as pool:
            list(pool.map(work, names))
    with LabelStore(database) as store:
        stored = Counter((entry.annotator, entry.item_id) for entry in store.history("verdict"))
    assert set(stored.values()) == {1}
    assert len(stored) == ANNOTATORS * LABELS


def test_what_was_acknowledged_survives_the_servers_death(
    folder: Path, database: str, tmp_path: Path
) -> None:
    server, acknowledged = Served("goals", folder, tmp_path, database=database), set()
    for death in range(3):
        enough = threading.Semaphore(0)  # released once for every acknowledged label

        def work(annotator: str, enough: threading.Semaphore = enough) -> list[str]:
            done = []
            with server.client() as client, contextlib.suppress(httpx.HTTPError):
                for number in range(1000):
                    label = label_of(annotator, number)
                    if client.post("/api/labels", json=label).status_code == 201:
                        done.append(str(label["entry_id"]))
                        enough.release()
            return done

        with server.running(), ThreadPoolExecutor(8) as pool:
            work_under_way = [pool.submit(work, f"a{death}_{n}") for n in range(8)]
            for _ in range(12 + 7 * death):
                assert enough.acquire(timeout=60)
            server.kill()  # in the middle of other labels
            for task in work_under_way:
                acknowledged.update(task.result())
    assert len(acknowledged) > 20
    with LabelStore(database) as store:
        stored = [entry.entry_id for entry in store.history("verdict")]
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))


def test_memory_does_not_grow_with_the_video(folder: Path, tmp_path: Path) -> None:
    """A video with half a gigabyte behind its end is read to the last byte."""
    video, size = folder / "shot.mp4", 512 << 20
    with video.open("r+b") as file:
        file.truncate(size)  # sparse: takes no room on the disk
    with Served("goals", folder, tmp_path).running() as server:
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
