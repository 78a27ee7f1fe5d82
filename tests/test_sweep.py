import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from notebooks_on_disk import write_notebook, write_pipeline

from workbench.errors import PipelineError
from workbench.runs.ablation import measure_effects
from workbench.runs.flags import gather, parse_flags, plan_runs, sweep_of
from workbench.runs.metrics import FILE_NAME, METRICS_FORMAT
from workbench.runs.pipeline import load_pipeline
from workbench.runs.plan import make_plan
from workbench.runs.run_record import load_runs
from workbench.runs.sampler import OptunaSampler
from workbench.runs.sweep import (
    Cell,
    Sweep,
    load_sweep,
    make_cells,
    parse_axes,
    plan_cell,
    run_sweep,
    split_values,
)
from workbench.saving import save_json


class Quiet:
    """Nobody watches."""

    def decided(self, *told): ...
    def started(self, *told): ...
    def event(self, *told): ...
    def finished(self, *told): ...


def quietly(place, settings, plan):
    return nullcontext(Quiet())


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Footage, a model trained on it, and a report on the model."""
    folder = tmp_path_factory.mktemp("sweep")
    write_notebook(
        folder / "make.ipynb",
        "from pathlib import Path",
        "Path(footage_dir).mkdir(parents=True, exist_ok=True)",
        "Path(footage_dir, 'film.txt').write_text('film')",
        parameters='footage_dir: str = "x"  # where\nseed: int = 0  # of footage\n',
    )
    write_notebook(
        folder / "train.ipynb",
        "from pathlib import Path",
        "Path(models_dir).mkdir(parents=True, exist_ok=True)",
        "Path(models_dir, 'last.txt').write_text(f'{warm_up} {seed}')",
        parameters="""
        footage_dir: str = "x"  # of the clips
        models_dir: str = "x"  # where models go
        warm_up: bool = False  # raise the rate slowly
        seed: int = 0  # of weights
        """,
    )
    write_notebook(
        folder / "report.ipynb",
        "from pathlib import Path\nfrom workbench.runs.metrics import count, record, record_items",
        "warm_up, seed = Path(models_dir, 'last.txt').read_text().split()",
        "most = 8 if warm_up == 'True' else 4",
        "right = [int((n * 7 + int(seed)) % 10 < most) for n in range(40)]",
        "names = [f'c{n}' for n in range(40)]",
        "record_items('accuracy', names, [f's{n // 4}' for n in range(40)], right)",
        "Path(report_dir, 'done.txt').write_text(cut)",
        "record({'right': count(sum(right))})",
        parameters="""
        models_dir: str = "x"  # of the model
        report_dir: str = "x"  # where it goes
        cut: str = "a"  # how to cut
        """,
    )
    stages = {
        "make": {
            "notebook": "make.ipynb",
            "params": {"footage_dir": "{data}/footage"},
            "products": ["{footage_dir}"],
        },
        "train": {
            "notebook": "train.ipynb",
            "needs": ["make"],
            "params": {"footage_dir": "{data}/footage", "models_dir": "{root}/models"},
            "reads": ["{footage_dir}"],
            "products": ["{models_dir}/last.txt"],
        },
        "report": {
            "notebook": "report.ipynb",
            "needs": ["train"],
            "params": {"models_dir": "{root}/models", "report_dir": "{data}"},
            "reads": ["{models_dir}/last.txt"],
            "products": ["{report_dir}/done.txt", "{run}/metrics.json"],
        },
    }
    (folder / "pyproject.toml").touch()
    return load_pipeline(write_pipeline(folder, stages))


def test_stages_that_no_setting_reaches_are_shared(project):
    plain = plan_cell(project, "report", {})
    changed = plan_cell(project, "report", {"train.warm_up": "true", "report.cut": "b"})
    assert changed.stages["make"] == plain.stages["make"]
    train, report = changed.stages["train"], changed.stages["report"]
    models = Path(train.values["models_dir"])
    assert models.parent.parent == plain.data / "cells"
    assert train.values["footage_dir"] == plain.stages["train"].values["footage_dir"]
    assert train.reads == plain.stages["train"].reads
    assert report.reads == (models / "last.txt",)
    assert report.values["models_dir"] == str(models)
    assert Path(report.values["report_dir"]).parent == plain.data / "cells"
    other = plan_cell(project, "report", {"train.warm_up": "true", "report.cut": "a"})
    assert other.stages["train"] == train  # trained once for both


def test_a_setting_that_stands_anyway_sets_nothing(project):
    plain = plan_cell(project, "report", {})
    same = plan_cell(project, "report", {"train.warm_up": "false", "train.seed": "0"})
    assert [one.products for one in same.stages.values()] == [
        one.products for one in plain.stages.values()
    ]


def test_a_sweep_runs_each_part_once_and_goes_on_where_it_was(project, tmp_path):
    out, folder = tmp_path / "reports", tmp_path / "reports/sweeps/one"
    plan = make_plan(project, ["report"])
    flags = parse_flags(plan, ["train.warm_up=false,true"])
    plans = plan_runs(plan, flags, "add", seeds=1)
    plans.save(folder, "accuracy")
    sweep = sweep_of("report", "demo", plans)
    assert len(sweep.cells) == 2
    stop = threading.Event()
    data = tmp_path / "data"
    done = run_sweep(project, sweep, out, folder, quietly, stop, data=data)
    assert [cell.status for cell in done.cells] == ["ok"] * 2
    assert load_sweep(folder / "sweep.json") == done
    runs = [run.stage for run in load_runs(out)]
    assert {name: runs.count(name) for name in set(runs)} == {"make": 1, "train": 2, "report": 2}

    with_seeds = plan_runs(plan, flags, "add", seeds=3).runs
    assert [settings["train.seed"] for _, _, settings in with_seeds] == ["0", "1", "2"] * 2

    gathered = gather(folder)
    found = measure_effects(gathered.outcomes, [flag.name for flag in flags], gathered.clusters)
    assert found.verdicts == {"warm_up=true": "keep"}
    assert found.effects[0].difference.value == pytest.approx(0.4)
    assert not gathered.missing

    again = run_sweep(project, sweep, out, folder, quietly, stop, data=data)
    assert [cell.run for cell in again.cells] == [cell.run for cell in done.cells]
    assert len(load_runs(out)) == len(runs)

    settings = [cell.settings for cell in done.cells]
    waiting = iter([*settings, None])
    empty = replace(sweep, cells=())
    chosen = run_sweep(
        project, empty, out, folder, quietly, stop, data=data, propose=lambda _: next(waiting)
    )
    assert [cell.run for cell in chosen.cells] == [cell.run for cell in done.cells]


def test_axes_are_checked_before_anything_runs(project):
    plan = make_plan(project, ["report"])
    assert parse_axes(plan, ["cut=a,b", "train.seed=0,1"]) == {
        "report.cut": ("a", "b"),
        "train.seed": ("0", "1"),
    }
    for given, problem in {
        "warm_up=true,maybe": "bool",
        "cutt=a,b": "no stage has it",
        "seed=0,1": "several stages",
        "other.cut=a,b": "no stage 'other'",
        "train.cut=a,b": "no parameter 'cut'",
        "cut=": "no values",
    }.items():
        with pytest.raises(PipelineError, match=problem):
            parse_axes(plan, [given])


def test_a_flag_needs_two_values(project):
    with pytest.raises(PipelineError, match="changes nothing"):
        parse_flags(make_plan(project, ["report"]), ["train.warm_up=true"])


def test_three_values_are_two_changes_of_one_baseline(project):
    plan = make_plan(project, ["report"])
    flags = parse_flags(plan, ["report.cut=a,b,c"])
    assert [flag.name for flag in flags] == ["cut=b", "cut=c"]
    runs = plan_runs(plan, flags, "add", seeds=1).runs
    assert [settings["report.cut"] for _, _, settings in runs] == ["a", "b", "c"]
    with pytest.raises(PipelineError, match="--design add"):
        plan_runs(plan, flags, "both", seeds=1)


def test_cells_of_a_grid_a_zip_and_a_sample():
    axes = {"s.x": ["1", "2", "3"], "s.y": ["4", "5", "6"]}
    assert len(make_cells(axes)) == 9
    assert make_cells(axes, "zip")[2] == {"s.x": "3", "s.y": "6"}
    sample = make_cells(axes, "sample", 4, seed=1)
    assert sample == make_cells(axes, "sample", 4, seed=1)
    assert len({tuple(cell.items()) for cell in sample}) == 4
    with pytest.raises(PipelineError, match="different length"):
        make_cells({"s.x": ["1"], "s.y": ["4", "5"]}, "zip")


@pytest.mark.parametrize(
    ("listed", "values"),
    [
        ("a,b", ["a", "b"]),
        ("[1, 2],[3, 4]", ["[1, 2]", "[3, 4]"]),
        ('{"a": 1, "b": 2},null', ['{"a": 1, "b": 2}', "null"]),
        ("'a,b',c", ["'a,b'", "c"]),
    ],
)
def test_commas_within_brackets_do_not_part_values(listed, values):
    assert split_values(listed) == values


def test_a_sweep_survives_saving(tmp_path):
    sweep = Sweep(
        "report", "demo", {"a.x": ["1"]}, (Cell({"a.x": "1"}, "report/demo-1", "ok", 2.5),)
    )
    sweep.save(tmp_path)
    assert load_sweep(tmp_path / "sweep.json") == sweep


def test_optuna_goes_by_what_has_come_out_and_repeats_nothing(tmp_path):
    pytest.importorskip("optuna")
    axes = {"s.rate": [str(n) for n in range(12)], "s.depth": [str(n) for n in range(12)]}

    def swept(seed: int) -> list[float]:
        sampler, sweep = OptunaSampler(tmp_path, 30, "score", seed), Sweep("s", "demo", axes, ())
        values = []
        while (settings := sampler(sweep)) is not None:
            assert sampler(sweep) == settings  # asked again after a kill
            values.append(-sum((int(value) - 8) ** 2 for value in settings.values()))
            run = f"s/{seed}-{len(values)}"
            numbers = {"score": {"value": values[-1], "unit": "points"}}
            save_json(tmp_path / run / FILE_NAME, {"format": METRICS_FORMAT, "metrics": numbers})
            sweep = replace(sweep, cells=(*sweep.cells, Cell(settings, run, "ok")))
        assert len({tuple(cell.settings.items()) for cell in sweep.cells}) == 30
        return values

    by_seed = [swept(seed) for seed in range(3)]
    early, late = (np.mean([part[a:b] for part in by_seed]) for a, b in ((0, 5), (20, 30)))
    assert late > early + 5
    assert max(max(values) for values in by_seed) >= -1  # of 144 cells


def test_without_optuna_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(PipelineError, match="needs the package optuna") as error:
        OptunaSampler(tmp_path, 3)
    assert "workbench[optuna]" in error.value.remedy
