"""A cluster: items and whole stage runs on its nodes, and nodes that die under them."""

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from engine_jobs import log_and_wait
from local_cluster import add_worker, kill_node, local_cluster
from notebooks_on_disk import write_notebook, write_pipeline
from tiny_learner import RECIPE, TinyLearner

from workbench.engines.each import ENGINE_VARIABLE, each
from workbench.engines.engine import EngineError
from workbench.runs.nodes import Nodes
from workbench.runs.pipeline import load_pipeline
from workbench.runs.plan import make_plan
from workbench.runs.run_record import REPORT, load_runs
from workbench.runs.runner import run_plan
from workbench.runs.sweep import Cell, Sweep, make_cells, run_sweep
from workbench.training.folder import identity_of
from workbench.training.loop import train

WORKERS = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
        with local_cluster(WORKERS) as started:
            yield started


class Watching:
    """Calls a function with every event."""

    def __init__(self, on_event=lambda *_: None) -> None:
        self.on_event = on_event

    def decided(self, *told): ...
    def started(self, *told): ...
    def finished(self, *told): ...

    def event(self, stage, event, run) -> None:
        self.on_event(event, run)

    def __enter__(self):
        return self

    def __exit__(self, *_): ...


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    write_notebook(
        folder / "draw.ipynb",
        "import os, time\nfrom pathlib import Path\nimport numpy as np",
        "print('it begins')",
        "time.sleep(wait_s)",
        "Path(out_dir).mkdir(parents=True, exist_ok=True)",
        "np.save(Path(out_dir, 'drawn.npy'), np.random.default_rng(seed).normal(size=50))",
        parameters="""
        out_dir: str = "x"  # where it goes
        seed: int = 0  # of the draw
        wait_s: float = 0.0  # before it is drawn
        """,
    )
    stage = {
        "notebook": "draw.ipynb", "params": {"out_dir": "{data}"}, "gpus": 1,
        "products": ["{out_dir}/drawn.npy"],
    }  # fmt: skip
    (folder / "pyproject.toml").touch()
    return load_pipeline(write_pipeline(folder, {"draw": stage}))


def test_a_sweep_spreads_its_cells_over_the_nodes(cluster, project, tmp_path: Path) -> None:
    cells = tuple(Cell(one) for one in make_cells({"draw.seed": ["1", "2"]}))
    sweep = Sweep("draw", "demo", {"draw.seed": ["1", "2"]}, cells)
    nodes = Nodes("ray", jobs=2, spread=False)
    done = run_sweep(
        project, sweep, tmp_path, tmp_path / "sweeps", lambda *_: Watching(), threading.Event(),
        data=tmp_path / "data", jobs=2, nodes=nodes,
    )  # fmt: skip
    assert [cell.status for cell in done.cells] == ["ok"] * 2
    assert len({node for run in load_runs(tmp_path) for node in run.nodes}) == WORKERS
    drawn = [np.load(path).tolist() for path in (tmp_path / "data").rglob("*.npy")]
    assert sorted(drawn) == sorted(
        np.random.default_rng(seed).normal(size=50).tolist() for seed in (1, 2)
    )


def test_nothing_listens_to_other_hosts(cluster) -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            for one in process.net_connections("inet"):
                if one.status == psutil.CONN_LISTEN:
                    own = ("127.0.0.1", "::1", "::ffff:127.0.0.1")
                    assert one.laddr.ip in own, process.cmdline()


def test_training_in_workers_of_ray_is_that_of_one_process(
    cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it equals `torchrun`'s to the bit was seen once by hand: a batch of 9 as 5 and 4."""
    monkeypatch.setenv(ENGINE_VARIABLE, "ray")
    recipe, steps = replace(RECIPE, epochs=1), []
    make, identity = partial(TinyLearner, recipe), identity_of(recipe)
    one = train(make, tmp_path / "one", recipe, identity)
    shared = replace(recipe, devices=WORKERS)
    two = train(make, tmp_path / "two", shared, identity, on_step=steps.append)
    assert [(step.step, step.steps) for step in steps] == [(1, 3), (2, 3), (3, 3)]
    for name, value in one.best.scores.items():
        assert two.best.scores[name] == pytest.approx(value, abs=1e-5), name


def test_a_stage_that_waits_for_clips_leaves_a_core_to_them(cluster) -> None:
    with pytest.raises(EngineError, match="give --jobs 1 at most"):
        Nodes("ray", jobs=WORKERS, spread=True)


def test_ctrl_c_ends_a_stage_on_the_cluster(cluster, project, tmp_path: Path) -> None:
    plan, stop = make_plan(project, given=["wait_s=60"], data=tmp_path / "data"), threading.Event()

    def once_it_waits(event, run) -> None:
        if event["event"] == "cell" and event["index"] == 4:
            stop.set()

    nodes = Nodes("ray", jobs=1, spread=True)
    (outcome,) = run_plan(plan, tmp_path, Watching(once_it_waits), stop, nodes=nodes)
    assert (outcome.record.status, outcome.record.failed_cell.number) == ("killed", 4)
    assert not list(outcome.run_dir.glob(".heard*"))


def test_a_node_that_dies_takes_no_item_with_it(cluster, tmp_path: Path) -> None:
    log = tmp_path / "log"
    items = {str(number): (number, log) for number in range(8)}
    results, tried_again = {}, 0
    for ended in each(log_and_wait, items.items(), out=tmp_path / "out", engine="ray"):
        results[ended.name] = ended.result
        tried_again += len(ended.lost)
        if len(results) == 1:
            kill_node(next(iter(cluster.worker_nodes)))
    assert results == {str(number): number for number in range(8)}
    assert len(list((tmp_path / "out").glob("*.json"))) == 8
    # Whatever was started twice is told.
    assert len(log.read_text().split()) <= 8 + tried_again
    add_worker(cluster)  # in place of the dead one


def test_a_stage_whose_node_dies_runs_on_another(cluster, project, tmp_path: Path) -> None:
    """The last test: afterwards the cluster has one worker."""
    plan = make_plan(project, given=["wait_s=3"], data=tmp_path / "data")
    killed = []

    def once_it_waits(event, run) -> None:
        if event["event"] == "cell" and event["index"] == 4 and not killed:
            name = run.nodes[-1].rpartition("/")[2]
            killed.extend(one for one in cluster.list_all_nodes() if one.node_id.startswith(name))
            kill_node(killed[0])

    nodes = Nodes("ray", jobs=1, spread=True)
    (outcome,) = run_plan(plan, tmp_path, Watching(once_it_waits), threading.Event(), nodes=nodes)
    record = outcome.record
    assert (record.status, len(record.nodes), len(record.lost)) == ("ok", 2, 1)
    assert record.nodes[0] != record.nodes[1]
    assert [cell.status for cell in record.cells] == ["ok"] * len(record.cells)
    assert [path.name for path in (tmp_path / "data").rglob("*.npy")] == ["drawn.npy"]
    assert f"after {record.nodes[0]}" in (outcome.run_dir / REPORT).read_text()
