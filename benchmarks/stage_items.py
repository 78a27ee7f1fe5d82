"""What an item of each stage costs, and whether every engine makes the same bytes of it.

Works through the stages that spread their items, on tiny built-in footage: first in this process,
one item after the other, counting its CPU seconds and the bytes that it reads and writes; then with
the engines that are named, whose files are compared byte by byte with the first ones.

    python benchmarks/stage_items.py --engines processes:2 ray

Bytes are those of system calls: what the page cache serves counts, too. The first item of a stage
bears what is loaded once (`first`); costs are the median of the others. `ray` runs on a cluster of
two workers of this machine.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from local_cluster import local_cluster

from workbench.actions.clipset import build_clipset, load_clipset
from workbench.actions.frozen import clip_features
from workbench.actions.predict import Predictions
from workbench.actions.probes import lite0_probe
from workbench.actions.spotting.greyframes import fill_cache
from workbench.actions.spotting.matches import load_matches
from workbench.actions.spotting.network import Spotter
from workbench.actions.spotting.training import match_scores
from workbench.describe.clips import describe_clips
from workbench.detect.dataset.coco import export_dataset
from workbench.detect.labelling import label_clips
from workbench.detect.store import load_truth
from workbench.detect.student.predict import PredictOptions, predict_videos
from workbench.detect.teachers.registry import make_teacher
from workbench.engines.engine import Ended, Needs, Task, call
from workbench.footage.clips import BUILT_IN_FOOTAGE, Clip, load_clips
from workbench.footage.ingest import ingest_folder
from workbench.labels.events import load_class_map
from workbench.saving import save_json, to_json
from workbench.shots.analyse import analyse_shots, labelled_clips
from workbench.shots.pictures.page import save_pictures
from workbench.simulated.matches.making import make_matches
from workbench.simulated.sessions import make_footage

_SHOOTING, _ACTIONS, _MATCHES = "shooting", "actions", "matches"


@dataclass
class Counting:
    """The engine here, which counts what each item costs: CPU s, bytes read, bytes written."""

    rows: list[tuple[float, int, int]] = field(default_factory=list)

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Task],
        needs: Needs = Needs(),  # noqa: B008
        timeout_s: float | None = None,
    ) -> Iterator[Ended]:
        """Yield how each task ended; see `Engine`."""
        own = psutil.Process()
        for task in tasks:
            before, cpu = own.io_counters(), time.process_time()
            result, took_s = call(function, task.value)
            after, cpu_s = own.io_counters(), time.process_time() - cpu
            read = after.read_chars - before.read_chars
            self.rows.append((cpu_s, read, after.write_chars - before.write_chars))
            yield Ended(task.name, result, took_s)


def stages(made: Path, models: Path) -> dict[str, Callable[[Path, Any], Any]]:
    """What each stage does, by name: its products go to a folder, by way of an engine.

    Args:
        made: A folder with footage, labels, shots and a clip set of an earlier turn.
        models: Where MediaPipe's model is, or not.
    """
    shooting, actions = made / "footage" / _SHOOTING, made / "footage" / _ACTIONS
    shots, acts = load_clips(shooting), load_clips(actions)
    names, sports = sorted({str(clip.sport) for clip in acts}), [clip.sport for clip in acts]
    ids = tuple(clip.clip_id for clip in acts)
    sure = np.eye(len(names))[[names.index(str(sport)) for sport in sports]]
    sessions = tuple(clip.session for clip in acts)
    known = Predictions("truth", tuple(names), ids, sessions, tuple(sports), sure, "1")
    sizes = {clip.clip_id: (7.32, 2.44) for clip in shots}
    splits = {clip.session: "train" for clip in shots}
    matches = load_matches(made / "footage" / _MATCHES, load_class_map("ball"))
    torch.manual_seed(0)
    spotter = Spotter("dense", len(matches[0].events.classes), pretrained=False).eval()

    def clipset(out: Path, engine: Any) -> None:
        build_clipset(
            unlabelled(acts), actions, out / "set", origin=BUILT_IN_FOOTAGE, engine=engine
        )

    def shoot(out: Path, engine: Any) -> None:
        labels = labelled_clips(shots, made / "labels")
        analyse_shots(shots, shooting, labels, sizes, out, engine=engine)

    def draw(out: Path, engine: Any) -> None:
        truth = {own.clip_id: own for own in load_truth(shots, shooting)}
        analysed = analyse_shots(shots, shooting, truth, sizes, made / "analysed", engine="here")
        save_pictures(analysed.shots, shooting, out, engine=engine)

    def feature(out: Path, engine: Any) -> None:
        found = clip_features(lite0_probe(2), load_clipset(made / "set"), 8, (96, 96), engine)
        np.save(out / "features.npy", found)

    def spot(out: Path, engine: Any) -> None:
        for name, raw in match_scores(spotter, matches, made / "grey", engine).items():
            np.save(out / f"{name.replace('/', '_')}.npy", raw)

    def describe(out: Path, engine: Any) -> None:
        from workbench.shots.players.pose import pose_finder

        pose = pose_finder("auto", models)
        told = describe_clips(acts, actions, known, pose=pose, engine=engine)
        save_json(out / "told.json", to_json(told))

    return {
        "cut": lambda out, engine: ingest_folder(
            actions / "clips", out, window_s=1.5, engine=engine
        ),
        "label, motion": lambda out, engine: label_clips(
            shots, shooting, out, make_teacher("motion"), engine=engine
        ),
        "detector dataset": lambda out, engine: export_dataset(
            shots, load_truth(shots, shooting), shooting, out / "set", splits, engine=engine
        ),
        "detect, lite student": lambda out, engine: predict_videos(
            [shooting / clip.file for clip in shots], None, out,
            PredictOptions(overlay=False), engine=engine,
        ),
        "shot": shoot,
        "page of a shot": draw,
        "clip set": clipset,
        "features, Lite0": feature,
        "grey frames of a match": lambda out, engine: fill_cache(
            [match.video for match in matches], out, engine=engine
        ),
        "spotter's scores of a match": spot,
        "description": describe,
    }  # fmt: skip


def unlabelled(clips: Iterable[Clip]) -> list[Clip]:
    """Clips without a class: those of one session make no splits."""
    return [replace(clip, sport=None) for clip in clips]


def prepare(made: Path, size: dict[str, int]) -> dict[str, list[tuple[float, int, int]]]:
    """Make what stages work on; return what the items of making it cost."""
    costs = {}
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        (_SHOOTING, {"sessions": 0, "shooting_sessions": 1, "shots": size["clips"]}),
        (_ACTIONS, {"sessions": 1, "clips": size["clips"], "shooting_sessions": 0}),
    )
    for name, options in kinds:
        counting = Counting()
        make_footage(made / "footage" / name, **options, engine=counting)
        costs[f"render, {name}"] = counting.rows
    counting = Counting()
    folder = made / "footage" / _MATCHES
    make_matches(folder, size["matches"], 0.5, every=2, width=256, height=144, engine=counting)
    costs["render, a match of 30 s"] = counting.rows
    return costs


def contents(folder: Path) -> dict[Path, bytes]:
    """All files of a folder but caches."""
    return {path.relative_to(folder): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}  # fmt: skip


def row(name: str, costs: list[tuple[float, int, int]]) -> str:
    """A line of the table."""
    later = costs[1:] or costs
    cpu, read, written = (statistics.median(column) for column in zip(*later, strict=True))
    least, most = min(later)[0], max(later)[0]
    return (f"| {name} | {len(costs)} | {cpu:.2f} [{least:.2f}, {most:.2f}] | {costs[0][0]:.2f} | "
            f"{read / 1e6:.1f} | {written / 1e6:.2f} |")  # fmt: skip


def main() -> None:
    """Print the table, then whether each engine makes the same bytes, and how long it takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="*", default=["processes:2"])
    parser.add_argument("--only", nargs="*", metavar="STAGE")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--matches", type=int, default=3)
    parser.add_argument("--models", type=Path, default=Path("data/models/pose"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root, made = Path(folder), Path(folder) / "made"
        costs = prepare(made, {"clips": asked.clips, "matches": asked.matches})
        print("| item | n | CPU s | first | MB read | MB written |\n|---|---|---|---|---|---|")
        for name, measured in costs.items():
            print(row(name, measured), flush=True)
        shooting = made / "footage" / _SHOOTING
        actions = made / "footage" / _ACTIONS
        label_clips(
            load_clips(shooting), shooting, made / "labels", make_teacher("motion"), engine="here"
        )
        acts = unlabelled(load_clips(actions))
        build_clipset(acts, actions, made / "set", origin=BUILT_IN_FOOTAGE)
        works, wall = stages(made, asked.models), {}
        works = {name: work for name, work in works.items() if name in (asked.only or works)}
        for name, work in works.items():
            counting, out = Counting(), root / "here" / name
            out.mkdir(parents=True)
            fresh(made)
            began = time.perf_counter()
            work(out, counting)
            wall[name] = time.perf_counter() - began
            print(row(name, counting.rows), flush=True)
        for engine in asked.engines:
            with local_cluster(2) if engine == "ray" else nullcontext():
                compare(root, made, works, engine, wall)


def fresh(made: Path) -> None:
    """Remove features that an earlier turn has kept beside the clip set."""
    for path in (made / "features").rglob("*.npy"):
        path.unlink()


def compare(
    root: Path, made: Path, works: dict[str, Any], engine: str, wall: dict[str, float]
) -> None:
    """Say of each stage whether an engine makes the files that were made here."""
    for name, work in works.items():
        out = root / engine.replace(":", "") / name
        out.mkdir(parents=True)
        fresh(made)
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        work(out, engine)
        took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        here, there = contents(root / "here" / name), contents(out)
        other = [str(path) for path in here | there if here.get(path) != there.get(path)]
        same = f"{len(here)} files, the same" if not other else f"OTHER: {', '.join(other[:4])}"
        cpu = after.ru_utime - before.ru_utime
        print(f"{engine}, {name}: {same}; {took:.1f} s ({wall[name]:.1f} here), {cpu:.1f} CPU s; "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
