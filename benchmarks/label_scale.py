"""What a label database answers, and how soon, with very many labels in it.

Fills a new PostgreSQL database with ratings, verdicts and events of many annotators, some of them
said twice and some undone, then times what the tools and reports ask for, beside what reading the
whole history takes.

    python benchmarks/label_scale.py postgresql://user@host/empty --labels 1000000
"""

import argparse
import contextlib
import json
import resource
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import psutil
import sqlalchemy as sa

from workbench.labels import standing
from workbench.labels.agreement import disagreements, measure_agreement
from workbench.labels.records import Entry, current
from workbench.labels.schema import entry_table, source_table
from workbench.labels.settled import settle
from workbench.labels.store import LabelStore
from workbench.labels.timing import differing_events, measure_timing

_PER_ITEM, _PER_VIDEO = 10, 50  # judgements of a clip; clips of a video
_START = datetime(2026, 1, 1, tzinfo=UTC)


def make_entries(labels: int, annotators: int, seed: int = 0) -> Iterator[Entry]:
    """Yield ratings, verdicts and events; the first two said twice, one in fifty undone."""
    rng = np.random.default_rng(seed)
    random_bytes = rng.bytes(16 * labels)
    before: Entry | None = None
    for number in range(labels):
        entry_id = str(uuid.UUID(bytes=random_bytes[16 * number : 16 * number + 16], version=4))
        kind = ("rating", "verdict", "event", "rating", "verdict")[number % 5]
        clip, place = divmod(number, 5 * _PER_ITEM)
        draw = rng.random(3)
        truth = clip * 2654435761 % 5
        frame = int(truth * 30 + draw[1] * 20)
        stars = int(truth + 1 if draw[0] < 0.6 else 1 + draw[1] * 5)
        verdict = "goal" if (truth < 2) == (draw[0] < 0.9) else "no_goal"
        item, value = f"clip {clip}", {"stars": stars}
        if kind == "verdict":
            value = {"verdict": verdict, "event_frame": frame}
        elif kind == "event":
            item, value = entry_id, {"label": "PASS", "frame": frame}
        who = f"annotator {(clip * _PER_ITEM + place // 5) % annotators:03d}"
        undoes = None
        if before is not None and draw[2] < 0.02 and before.undoes is None:
            kind, item, value, who = before.kind, before.item_id, None, before.annotator
            undoes = before.entry_id
        elif before is not None and draw[2] < 0.12 and before.kind == kind != "event":
            item, who = before.item_id, before.annotator
        before = Entry(
            kind, item, value, annotator=who, tool="benchmark", entry_id=entry_id, undoes=undoes,
            source_id=None if undoes else f"video {clip // _PER_VIDEO}",
            created_at=_START + timedelta(milliseconds=20 * number),
        )  # fmt: skip
        yield before


def fill(url: str, labels: int, annotators: int) -> None:
    """Copy labels into the tables, then let what stands be worked out, as for an older database."""
    LabelStore(url).close()
    made = make_entries(labels, annotators)
    clips = labels // (5 * _PER_ITEM) + 1
    videos = range(clips // _PER_VIDEO + 1)
    names = [column.name for column in entry_table.c if column.name != "seq"]
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    began = time.perf_counter()
    with engine.begin() as connection:
        rows = [("30", 100_000, 256, 144, 3333.3, f"video {n}", f"video {n}.mp4") for n in videos]
        columns = ("fps", "frame_count", "width", "height", "duration_s", "source_id", "name")
        connection.execute(
            source_table.insert(), [dict(zip(columns, row, strict=True)) for row in rows]
        )
        cursor = connection.connection.cursor()
        with cursor.copy(f"COPY entries ({', '.join(names)}) FROM STDIN") as copy:
            for entry in made:
                row = {name: getattr(entry, name) for name in names}
                value = None if entry.value is None else json.dumps(entry.value)
                copy.write_row(list((row | {"value": value}).values()))
        print(f"copied in {time.perf_counter() - began:.0f} s", flush=True)
        began, cpu = time.perf_counter(), time.process_time()
        standing.fill(connection)
        own = time.process_time() - cpu
        print(f"standing in {time.perf_counter() - began:.0f} s, {own:.0f} CPU s", flush=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()


def server_cpu_s() -> float:
    """CPU seconds so far of all PostgreSQL processes of this machine."""
    total = 0.0
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres":
            with contextlib.suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
    return total


def timed(what: str, work: Callable[[], object]) -> None:
    """Print how long something took, on the clock and of this process's and the server's CPU."""
    began, cpu, theirs = time.perf_counter(), time.process_time(), server_cpu_s()
    found = work()
    wall, own = time.perf_counter() - began, time.process_time() - cpu
    size = len(found) if hasattr(found, "__len__") else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    row = {"what": what, "wall_s": round(wall, 3), "cpu_s": round(own, 3), "n": size}
    row["server_cpu_s"] = round(server_cpu_s() - theirs, 2)
    print(json.dumps(row | {"peak_mb": round(peak)}), flush=True)


def main() -> None:
    """Fill a database where it is empty, and time every question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database")
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--annotators", type=int, default=200)
    asked = parser.parse_args()
    fill(asked.database, asked.labels, asked.annotators)
    with LabelStore(asked.database) as store:
        who, video = "annotator 007", "video 3"
        clips = {f"clip {number}" for number in range(150, 200)}  # of that video
        said = {"annotator": who, "tool": "benchmark"}
        timed("one more label", lambda: store.append(Entry("rating", "new", {"stars": 3}, **said)))
        timed("one annotator's labels of a video", lambda: store.history(None, None, who, video))
        timed("one annotator's verdicts", lambda: store.current("verdict", who))
        timed("verdicts on 50 clips", lambda: store.current("verdict", items=clips))
        timed("events of a video", lambda: store.current("event", source_id=video))
        timed("queue of 50 clips", lambda: disagreements(store, "verdict", clips))
        timed("differing events of a video", lambda: differing_events(store, sources=[video]))
        timed("digest of all labels", store.digest)
        timed("values of all ratings", lambda: store.values("rating"))
        timed("all ratings", lambda: store.current("rating"))
        timed("queue of all ratings", lambda: disagreements(store, "rating"))
        timed("queue of all verdicts", lambda: disagreements(store, "verdict"))
        timed("classes settled", lambda: settle(store).item_to_classes)
        timed("agreement in ratings", lambda: measure_agreement(store, "rating").pairs)
        timed("agreement in verdicts", lambda: measure_agreement(store, "verdict").pairs)
        timed("agreement in time", lambda: measure_timing(store).gaps)
        timed("as before: history of ratings", lambda: current(store.history("rating")))


if __name__ == "__main__":
    main()
