"""A sweep: one stage run with many settings, every part of the work done once.

The unit is a cell: the stage with some parameters, its own or those of stages it needs, set
otherwise. Stages that a setting does not reach are shared by all cells; the others keep their
products in a folder named by the settings that reach them, `{data}/cells/<hash>`, so that cells do
not overwrite each other, and a stage that two cells have in common runs once. What is unchanged is
skipped as in any run: a sweep that was killed goes on where it was.
"""

import hashlib
import itertools
import json
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from workbench.errors import PipelineError
from workbench.runs.execution import Limits
from workbench.runs.pipeline import Pipeline
from workbench.runs.plan import Plan, PlannedStage, check_reads, make_plan
from workbench.runs.runner import Watcher, run_plan
from workbench.saving import reading, save_json

if TYPE_CHECKING:
    from workbench.runs.nodes import Nodes

CELLS, SWEEP = "cells", "sweep.json"
SWEEP_FORMAT = "workbench-sweep/1"
Settings = Mapping[str, str]  # "stage.parameter" → its value, as written on the command line
How = Literal["grid", "zip", "sample"]
Watch = Callable[[int, Settings, Plan], AbstractContextManager[Watcher]]


@dataclass(frozen=True)
class Cell:
    """One cell of a sweep, and the run that it led to."""

    settings: Settings
    run: str = ""  # folder of the run, relative to the reports; empty until it has ended
    status: str = "waits"
    wall_s: float | None = None  # of the stages that its settings reach


@dataclass(frozen=True)
class Sweep:
    """All cells of one command."""

    stage: str
    profile: str
    axes: Mapping[str, Sequence[str]]  # values of each parameter that varies
    cells: tuple[Cell, ...]

    def save(self, folder: Path) -> Path:
        """Write `sweep.json` into `folder`, and return its path."""
        content = {
            "format": SWEEP_FORMAT,
            "stage": self.stage,
            "profile": self.profile,
            "axes": {name: list(values) for name, values in self.axes.items()},
            "cells": [vars(cell) | {"settings": dict(cell.settings)} for cell in self.cells],
        }
        save_json(folder / SWEEP, content)
        return folder / SWEEP


def load_sweep(path: Path) -> Sweep:
    """Read a saved sweep.

    Raises:
        DatasetError: If the file is absent or is no sweep.
    """
    with reading(path, "a sweep", "run `workbench sweep` or `workbench ablate`") as content:
        if content["format"] != SWEEP_FORMAT:
            raise ValueError("another format")
        cells = tuple(Cell(**cell) for cell in content["cells"])
        return Sweep(content["stage"], content["profile"], content["axes"], cells)


def parse_axes(plan: Plan, given: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the values of each parameter that varies, by `stage.parameter`.

    A name without a stage means the stage that was asked for, else the only one that has it. Commas
    within brackets or quotes do not part values.

    Raises:
        PipelineError: If a parameter is unknown or ambiguous, named twice, or has a value that it
            cannot take.

    Example:
        >>> parse_axes(plan, ["epochs=10,20", "seed=0,1,2"])  # doctest: +SKIP
        {'train_classifier.epochs': ('10', '20'), 'train_classifier.seed': ('0', '1', '2')}
    """
    axes: dict[str, tuple[str, ...]] = {}
    for text in given:
        target, equals, listed = text.partition("=")
        values = split_values(listed)
        if not equals or not all(values):
            raise PipelineError(f"{text!r} names no values", "write it as NAME=A,B,C")
        name = _full_name(plan, target, text)
        stage, _, parameter = name.partition(".")
        for value in values:
            plan.stages[stage].parameters[parameter].parse(value, text)
        if name in axes:
            raise PipelineError(f"{name} is given twice", "give all its values in one list")
        axes[name] = tuple(dict.fromkeys(values))
    return axes


def split_values(listed: str) -> list[str]:
    """Split at commas that stand outside of brackets and quotes.

    Example:
        >>> split_values("[1, 2],[3, 4]")
        ['[1, 2]', '[3, 4]']
    """
    parts, depth, quote = [""], 0, ""
    for letter in listed:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        depth += (letter in "[{(") - (letter in "]})") if not quote else 0
        if letter == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def make_cells(
    axes: Mapping[str, Sequence[str]], how: How = "grid", count: int = 0, seed: int = 0
) -> list[Settings]:
    """Return the settings of every cell: all combinations, pairs in order, or some at random.

    Raises:
        PipelineError: If lists to be zipped differ in length.

    Example:
        >>> [dict(cell) for cell in make_cells({"a.x": ["1", "2"], "a.y": ["3", "4"]}, "zip")]
        [{'a.x': '1', 'a.y': '3'}, {'a.x': '2', 'a.y': '4'}]
    """
    if how == "zip":
        lengths = {name: len(values) for name, values in axes.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} has {n}" for name, n in lengths.items())
            raise PipelineError(f"lists of different length cannot be zipped: {said}", "use --grid")
        rows: Iterable[tuple[str, ...]] = zip(*axes.values(), strict=True)
    else:
        rows = itertools.product(*axes.values())
    cells = [dict(zip(axes, row, strict=True)) for row in rows]
    if how == "sample" and count < len(cells):
        chosen = sorted(random.Random(seed).sample(range(len(cells)), count))
        cells = [cells[place] for place in chosen]
    return list(cells)


def plan_cell(
    pipeline: Pipeline,
    stage: str,
    settings: Settings,
    profile: str | None = None,
    given: Sequence[str] = (),
    data: Path | None = None,
) -> Plan:
    """Return the plan of one cell: stages its settings reach work in folders of their own.

    Args:
        pipeline: The pipeline file, read.
        stage: The stage that is asked for.
        settings: Of this cell.
        profile: A profile's name; None for the default one.
        given: What all cells have in common, as `workbench run -p` takes it.
        data: What `{data}` stands for, instead of what the pipeline file says.

    Raises:
        PipelineError: If anything is unknown or of the wrong type.
    """
    own = [f"{name}={value}" for name, value in settings.items()]
    plain = make_plan(pipeline, [stage], profile, given, data)
    plan = make_plan(pipeline, [stage], profile, [*given, *own], data)
    moved = _Moves(plan)
    reached: dict[str, Settings] = {}
    for name, planned in plan.stages.items():
        # A value that stands anyway sets nothing: that cell is the plain run.
        reach = {
            key: value
            for key, value in settings.items()
            if key.partition(".")[0] == name
            and planned.values[key.partition(".")[2]]
            != plain.stages[name].values[key.partition(".")[2]]
        }
        for need in planned.needs:
            reach |= reached[need]
        reached[name] = reach
        if reach:
            moved.add(name, reach)
    return replace(plan, stages={name: moved.apply(one) for name, one in plan.stages.items()})


def run_sweep(
    pipeline: Pipeline,
    sweep: Sweep,
    out: Path,
    folder: Path,
    watch: Watch,
    stop: threading.Event,
    *,
    given: Sequence[str] = (),
    data: Path | None = None,
    jobs: int = 1,
    limits: Limits | None = None,
    propose: Callable[[Sweep], Settings | None] = lambda sweep: None,
    nodes: "Nodes | None" = None,
) -> Sweep:
    """Bring every cell up to date, and keep what became of them in `folder`.

    A cell that fails is recorded, and the others go on.

    Args:
        pipeline: The pipeline file, read.
        sweep: Its cells.
        out: Where the folders of the runs lie.
        folder: Where `sweep.json` goes, written anew after every cell.
        watch: Given a cell's place, settings and plan, what is told of its stages.
        stop: Set from elsewhere to end everything.
        given: What all cells have in common.
        data: What `{data}` stands for, instead of what the pipeline file says.
        jobs: How many cells may be at work at the same time.
        limits: What each run may take.
        propose: Given the sweep when all its cells are done, one more; None: no more.
        nodes: The cluster that stages run on; None for this machine.
    """

    def run(place: int) -> Cell | None:
        cell = sweep.cells[place]
        if stop.is_set():
            return None
        plan = plan_cell(pipeline, sweep.stage, cell.settings, sweep.profile, given, data)
        check_reads(plan)
        with watch(place, cell.settings, plan) as watcher:
            ended = run_plan(plan, out, watcher, stop, limits=limits, nodes=nodes)
        outcomes = {one.stage: one for one in ended}
        outcome = outcomes.get(sweep.stage)
        if outcome is None:
            return None  # stopped
        own = [outcomes[name].record for name, one in plan.stages.items() if _is_moved(one, plan)]
        walls = [record.wall_s for record in own if record and record.wall_s is not None]
        return replace(
            cell,
            run=f"{sweep.stage}/{outcome.run_dir.name}" if outcome.run_dir else "",
            status=outcome.record.status if outcome.record else "skipped",
            wall_s=round(sum(walls), 1) if walls else None,
        )

    waiting = range(len(sweep.cells))
    while True:
        with ThreadPoolExecutor(jobs) as pool:
            places = {pool.submit(run, place): place for place in waiting}
            try:
                for task in as_completed(places):
                    if (done := task.result()) is not None:
                        place = places[task]
                        cells = (*sweep.cells[:place], done, *sweep.cells[place + 1 :])
                        sweep = replace(sweep, cells=cells)
                        sweep.save(folder)
            except BaseException:
                stop.set()  # or leaving the pool would wait for cells that nobody ends
                raise
        if stop.is_set() or (more := propose(sweep)) is None:
            return sweep
        waiting = range(len(sweep.cells), len(sweep.cells) + 1)
        sweep = replace(sweep, cells=(*sweep.cells, Cell(more)))


def _is_moved(planned: PlannedStage, plan: Plan) -> bool:
    return any(f"/{CELLS}/" in product for product in planned.products) or planned.stage.name in (
        plan.named
    )


def _full_name(plan: Plan, target: str, text: str) -> str:
    stage, dot, name = target.rpartition(".")
    having = [one for one, planned in plan.stages.items() if name in planned.parameters]
    if dot:
        if stage not in plan.stages:
            known = ", ".join(plan.stages)
            raise PipelineError(
                f"{text!r}: this run has no stage {stage!r}", f"name one of {known}"
            )
        if stage not in having:
            raise PipelineError(
                f"{text!r}: {stage} has no parameter {name!r}", f"see workbench params {stage}"
            )
        return target
    named = [one for one in having if one in plan.named]
    if len(named or having) != 1:
        remedy = f"write {having[0]}.{name}" if having else "see workbench params STAGE"
        several = f"several stages have the parameter {name!r}" if having else "no stage has it"
        raise PipelineError(f"{text!r}: {several}", remedy)
    return f"{(named or having)[0]}.{name}"


class _Moves:
    """Where the stages that a cell's settings reach keep their products."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._folders: dict[str, Path] = {}

    def add(self, stage: str, reach: Settings) -> None:
        """Give a stage the folder of the settings that reach it."""
        text = json.dumps([self._plan.profile.name, sorted(reach.items())])
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        self._folders[stage] = self._plan.data / CELLS / digest

    def apply(self, planned: PlannedStage) -> PlannedStage:
        """Return a stage that reads and writes where it should."""
        name = planned.stage.name
        own = self._folders.get(name)
        if own is None:
            return planned
        makers = [(name, planned)]
        upstream = [(one, self._plan.stages[one]) for one in self._above(name)]
        makers += [(one, stage) for one, stage in upstream if one in self._folders]

        def move(path: str, owners: Sequence[tuple[str, PlannedStage]]) -> str:
            for owner, stage in owners:
                if any(_touch(path, product) for product in stage.products):
                    return str(self._folders[owner] / self._below(path))
            return path

        values = {
            key: move(value, makers) if isinstance(value, str) and value.startswith("/") else value
            for key, value in planned.values.items()
        }
        reads = {str(read): move(str(read), makers[1:]) for read in planned.reads}
        products = {product: move(product, makers[:1]) for product in planned.products}
        both = reads | products
        return replace(
            planned,
            values=values,
            reads=tuple(Path(read) for read in reads.values()),
            products=tuple(products.values()),
            optional=frozenset(both.get(path, path) for path in planned.optional),
        )

    def _above(self, stage: str) -> list[str]:
        """Return the stages that one needs, however indirectly, the nearest first."""
        found: dict[str, None] = {}
        waiting = list(self._plan.stages[stage].needs)
        while waiting:
            name = waiting.pop(0)
            found.setdefault(name)
            waiting += self._plan.stages[name].needs
        return list(found)

    def _below(self, path: str) -> Path:
        """Return where a path lies within the folder of a cell."""
        for base in (self._plan.data, self._plan.pipeline.root):
            if Path(path) == base or base in Path(path).parents:
                return Path(path).relative_to(base)
        return Path(path.lstrip("/"))


def _touch(path: str, product: str) -> bool:
    """Whether a path is a product, lies in it, or holds it."""
    if "{run}" in product or "{run}" in path:
        return False
    one, other = Path(path), Path(product)
    return one == other or other in one.parents or one in other.parents
