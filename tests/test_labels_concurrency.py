"""Many who label at once, and processes that die while they write: no label lost, none twice."""

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest
import sqlalchemy as sa

from workbench.labels.records import Entry
from workbench.labels.store import LabelStore

pytest_plugins = ["label_databases"]

ANNOTATORS, LABELS, PROCESSES = 50, 10, 5

ANNOTATE = dedent("""
    import json, random, sys, threading, uuid
    from workbench.labels.records import Entry
    from workbench.labels.store import LabelStore

    url, first, count, labels = sys.argv[1], *map(int, sys.argv[2:])
    store = LabelStore(url)
    acknowledged, lock = [], threading.Lock()

    def annotate(number):
        rng = random.Random(number)
        for item in range(labels):
            said = dict(annotator=f"annotator {number}", tool="test", entry_id=str(uuid.uuid4()))
            value = {"stars": rng.randint(1, 5)}
            entry = store.append(Entry("rating", f"clip {item}", value, **said))
            if rng.random() < 0.05:  # the answer was lost on the way: send it again
                assert store.append(Entry("rating", f"clip {item}", value, **said)) == entry
            with lock:
                acknowledged.append([entry.entry_id, number, item, value])

    threads = [threading.Thread(target=annotate, args=[first + n]) for n in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print(json.dumps(acknowledged))
""")

WRITE_UNTIL_KILLED = dedent("""
    import os, sys, threading
    from workbench.labels.records import Entry
    from workbench.labels.store import LabelStore

    store, round_number = LabelStore(sys.argv[1]), sys.argv[2]

    def write(thread):
        for item in range(1_000_000):
            name = f"{thread} of round {round_number}"
            entry = store.append(Entry("event", f"{item}", {"label": "PASS", "frame": item},
                                 annotator=name, tool="test"))
            os.write(1, f"{entry.entry_id} {item}\\n".encode())

    for thread in range(3):
        threading.Thread(target=write, args=[thread]).start()
""")


def test_fifty_annotators_lose_nothing_and_store_nothing_twice(database):
    LabelStore(database).close()
    share = ANNOTATORS // PROCESSES
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ANNOTATE, database, str(first), str(share), str(LABELS)],
            stdout=subprocess.PIPE,
        )
        for first in range(0, ANNOTATORS, share)
    ]
    outputs = [process.communicate(timeout=280)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES
    acknowledged = [row for output in outputs for row in json.loads(output)]
    with LabelStore(database) as store:
        history = store.history()
        current = store.current("rating")
    assert len(acknowledged) == len(history) == ANNOTATORS * LABELS
    assert {row[0] for row in acknowledged} == {entry.entry_id for entry in history}
    said = {(f"annotator {who}", f"clip {item}"): value for _, who, item, value in acknowledged}
    assert {key: entry.value for key, entry in current.items()} == said
    assert set(Counter(entry.annotator for entry in history).values()) == {LABELS}
    # Each annotator's labels are in the order in which they were said.
    for who in range(ANNOTATORS):
        items = [entry.item_id for entry in history if entry.annotator == f"annotator {who}"]
        assert items == [f"clip {item}" for item in range(LABELS)]


def test_databases_are_made_once_by_many_openers(database):
    opening = f"from workbench.labels.store import LabelStore; LabelStore({database!r}).close()"
    processes = [subprocess.Popen([sys.executable, "-c", opening]) for _ in range(6)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 6
    with LabelStore(database) as store:
        assert store.history() == []


@pytest.mark.parametrize("seed", [0, 1])
def test_a_killed_writer_loses_no_acknowledged_label(database, seed):
    rng, acknowledged = random.Random(seed), {}
    LabelStore(database).close()
    for round_number in range(4):
        command = [sys.executable, "-c", WRITE_UNTIL_KILLED, database, str(round_number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            heard = [writer.stdout.readline() for _ in range(rng.randint(1, 40))]
            writer.send_signal(signal.SIGKILL)  # in the middle of other labels
            output = b"".join([*heard, writer.stdout.read()]).decode()
        assert writer.returncode == -signal.SIGKILL
        lines = [line.split() for line in output.splitlines()]
        acknowledged |= {entry_id: int(frame) for entry_id, frame in lines}
        with LabelStore(database) as store:
            history = store.history()
        stored = {entry.entry_id: entry.value["frame"] for entry in history}
        assert len(stored) == len(history)
        assert acknowledged.items() <= stored.items()
        # At most the label that each thread was about to hear of is there without having been
        # acknowledged.
        assert len(stored) <= len(acknowledged) + 3 * (round_number + 1)
    assert len(acknowledged) >= 4
    with LabelStore(database) as store:
        store.append(Entry("rating", "after all", {"stars": 5}, annotator="ann", tool="test"))
        assert len(store.history()) == len(stored) + 1
    if database.startswith("sqlite"):
        engine = sa.create_engine(database)
        with engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        engine.dispose()
        assert not Path(f"{engine.url.database}-journal").exists()
