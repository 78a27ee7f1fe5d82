"""Whether a cluster gives what one machine gives, and loses nothing when nodes die.

A head and three workers, each a set of processes of this machine, and the same stages by the same
commands with `--engine ray` and without: labels and shots of tiny built-in footage, and a sweep of
twelve cells. Products are compared byte by byte. Then, in each of some rounds, one worker is killed
(SIGKILL) at a random moment, and the records are asked what they say of it.

    python benchmarks/cluster_truth.py --rounds 3
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import yaml
from local_cluster import add_worker, kill_node, local_cluster

from workbench.runs.provenance import Digests
from workbench.simulated.sessions import make_footage

_WORKERS = 3
_PARAMETERS = 'footage_dir: str = "x"  # clips\nout_dir: str = "x"  # where it goes\nseed: int = 0'
_STAGES = {
    "label": """
        label_clips(load_clips(footage), footage, out / "labels", make_teacher("motion"))""",
    "shots": """
        clips = load_clips(footage)
        labels = {c.clip_id: load_detections(out / "labels" / f"{c.clip_id}.json", c)
                  for c in clips}
        sizes = dict.fromkeys(labels, (7.32, 2.44))
        analyse_shots(clips, footage, labels, sizes, out / "shots")""",
    "draw": """
        found = np.random.default_rng(seed).normal(size=100_000)
        for _ in range(20):
            found = np.sort(np.sin(found * 7 + seed))
        (out / "drawn.npy").write_bytes(found.tobytes())""",
}
_IMPORTS = """
from pathlib import Path
import numpy as np
from workbench.detect.labelling import label_clips
from workbench.detect.store import load_detections
from workbench.detect.teachers.registry import make_teacher
from workbench.footage.clips import load_clips
from workbench.shots.analyse import analyse_shots
footage, out = Path(footage_dir), Path(out_dir)
out.mkdir(parents=True, exist_ok=True)"""


def write_project(folder: Path, footage: Path) -> Path:
    """Write the notebooks and their pipeline file, and return its path."""
    params = {"footage_dir": str(footage), "out_dir": "{data}"}
    stages: dict[str, Any] = {}
    for name, work in _STAGES.items():
        lines = [line.removeprefix("        ") for line in work.strip("\n").splitlines()]
        cells = [nbformat.v4.new_markdown_cell(f"# {name}?")]
        cells.append(nbformat.v4.new_code_cell(_PARAMETERS, metadata={"tags": ["parameters"]}))
        cells += [nbformat.v4.new_code_cell(text) for text in (_IMPORTS.strip(), "\n".join(lines))]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
        product = {"label": "labels", "shots": "shots", "draw": "drawn.npy"}[name]
        stages[name] = {
            "notebook": f"{name}.ipynb", "params": params, "products": [f"{{out_dir}}/{product}"],
            "needs": ["label"] if name == "shots" else [],
            "reads": ["{footage_dir}", *(["{out_dir}/labels"] if name == "shots" else [])],
        }  # fmt: skip
    (folder / "pyproject.toml").touch()
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump({"stages": stages, "profiles": {"tiny": {}}}, sort_keys=False))
    return path


def run_all(pipeline: Path, name: str, engine: str | None) -> dict[str, str]:
    """Run labels, shots and the sweep in folders of their own; return digests of all products."""
    root = pipeline.parent
    data, out = root / "data" / name, root / "reports" / name
    common = ["--pipeline", pipeline, "--data", data, "--out", out, "--jobs", str(_WORKERS - 1)]
    common += ["--engine", engine] if engine else []
    axis = "draw.seed=" + ",".join(map(str, range(12)))
    for command in (["run", "shots", *common], ["sweep", "draw", "-p", axis, *common]):
        words = [sys.executable, "-m", "workbench.cli", *map(str, command)]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode:
            print(ended.stdout[-3000:], ended.stderr[-3000:])
            raise SystemExit(f"{name}: exit code {ended.returncode}")
    known = Digests(root / "unsaved.json")
    files = [path for path in data.rglob("*") if path.is_file()]
    return {str(path.relative_to(data)): known.of(path) for path in files}


def kill_one(cluster: Any, within_s: float, seed: int) -> threading.Thread:
    """Kill a worker node at a random moment."""

    def work() -> None:
        rng = random.Random(seed)
        time.sleep(rng.uniform(0.1, 0.9) * within_s)
        node = rng.choice(sorted(cluster.worker_nodes, key=lambda one: one.node_id))
        print(f"  killed {node.node_id[:8]}", flush=True)
        kill_node(node)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def told(pipeline: Path, name: str) -> list[str]:
    """What the records say of stages that were started more than once."""
    found = []
    for path in sorted((pipeline.parent / "reports" / name).glob("*/*/run.json")):
        run = json.loads(path.read_text())
        if len(run["nodes"]) > 1:
            nodes, lost = " → ".join(run["nodes"]), "; ".join(run["lost"])
            found.append(f"{run['stage']}/{run['run']} {run['status']}: {nodes} ({lost[:90]})")
    return found


def timed(work: Callable[[], dict[str, str]]) -> tuple[dict[str, str], float, float]:
    """Return what it returns, and its seconds on the clock and of its processes' CPU."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    found = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return found, time.monotonic() - began, cpu


def main() -> None:
    """Run it all and say what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=4)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, footage = Path(folder), Path(folder) / "footage"
        make_footage(
            footage, sessions=0, shooting_sessions=1, shots=asked.clips, size_wh=(256, 144)
        )
        pipeline = write_project(root, footage)
        here, took_s, cpu_s = timed(lambda: run_all(pipeline, "here", None))
        print(f"here: {len(here)} products in {took_s:.0f} s, {cpu_s:.0f} CPU s", flush=True)
        with local_cluster(_WORKERS) as cluster:
            compare(pipeline, cluster, here, took_s, asked.rounds)


def compare(pipeline: Path, cluster: Any, here: dict[str, str], took_s: float, rounds: int) -> None:
    """Run it on the whole cluster, then in rounds with a node killed, and say what differs."""
    for number in range(rounds + 1):
        name = f"round {number}" if number else "whole cluster"
        killer = kill_one(cluster, took_s, seed=number) if number else None
        made, took_s, _ = timed(lambda name=name: run_all(pipeline, name, "ray"))  # type: ignore[misc]
        same = "the same" if made == here else "DIFFERENT"
        print(f"{name}: {len(made)} products, {same}, in {took_s:.0f} s", flush=True)
        for path in sorted(here.keys() | made.keys()):
            if here.get(path) != made.get(path):
                print(f"  {path}: {here.get(path)} here, {made.get(path)} there")
        for line in told(pipeline, name):
            print(f"  {line}", flush=True)
        if killer is not None:
            killer.join()
            add_worker(cluster)


if __name__ == "__main__":
    main()
