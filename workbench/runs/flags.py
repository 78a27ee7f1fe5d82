"""Flags of an ablation: two values of a parameter each, the runs they ask for, what those brought.

The unit is a run of the target stage with some flags on and one seed. `sweep` runs them and
`ablation` judges them; here stands which run is which cell, and how the items that a run has kept
(`record_items`) become the outcomes of a cell.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from workbench.errors import DatasetError, PipelineError
from workbench.runs.ablation import Design, Flags, Outcomes, design_cells
from workbench.runs.metrics import ITEMS
from workbench.runs.plan import Plan
from workbench.runs.sweep import SWEEP, Cell, Settings, Sweep, load_sweep, parse_axes
from workbench.saving import read_object, reading, save_json
from workbench.stats import Clusters, choose_clusters

ABLATION = "ablation.json"
ABLATION_FORMAT = "workbench-ablation/1"


@dataclass(frozen=True)
class Flag:
    """One change: a parameter's value instead of another."""

    name: str  # in reports
    parameter: str  # stage.parameter
    off: str
    on: str


def parse_flags(plan: Plan, given: Iterable[str]) -> list[Flag]:
    """Return the flags of `STAGE.NAME=OFF,ON`; more values are changes of their own.

    Raises:
        PipelineError: If a parameter is unknown, or has a single value.
    """
    flags = []
    for parameter, (off, *others) in parse_axes(plan, given).items():
        if not others:
            raise PipelineError(
                f"--flag {parameter}={off} changes nothing", "give two values: OFF,ON"
            )
        short = parameter.partition(".")[2]
        flags += [Flag(f"{short}={on}", parameter, off, on) for on in others]
    if not flags:
        raise PipelineError("there is no flag to ablate", "name one: --flag STAGE.NAME=OFF,ON")
    return flags


@dataclass(frozen=True)
class Plans:
    """Which runs an ablation asks for: the settings of each cell and seed, in running order."""

    flags: tuple[Flag, ...]
    runs: tuple[tuple[Flags, int, Settings], ...]  # flags that are on, seed, settings

    def save(self, folder: Path, metric: str) -> Path:
        """Write `ablation.json` beside the sweep, and return its path."""
        runs = [
            {"on": sorted(on), "seed": seed, "settings": dict(settings)}
            for on, seed, settings in self.runs
        ]
        flags = [vars(flag) for flag in self.flags]
        content = {"format": ABLATION_FORMAT, "metric": metric, "flags": flags, "runs": runs}
        save_json(folder / ABLATION, content)
        return folder / ABLATION


def plan_runs(plan: Plan, flags: Sequence[Flag], design: Design, seeds: int) -> Plans:
    """Return the runs of a design; every cell is run with the same seeds.

    Seeds go to the parameter `seed` of every stage that a flag reaches: the stages of the flags and
    those that need them.

    Raises:
        PipelineError: If two flags change one parameter in a design that sets both.
        DatasetError: If the design does not suit the number of flags.
    """
    by_name = {flag.name: flag for flag in flags}
    shared = {flag.parameter for flag in flags}
    if len(shared) < len(flags) and design != "add":
        raise PipelineError(
            "a parameter with more than two values cannot be on and off at once",
            "use --design add, or give two values",
        )
    reached: dict[str, None] = {}
    for name, planned in plan.stages.items():
        own = any(flag.parameter.partition(".")[0] == name for flag in flags)
        if own or any(need in reached for need in planned.needs):
            reached[name] = None
    seeded = {
        f"{name}.seed": int(plan.stages[name].values["seed"])
        for name in reached
        if isinstance(plan.stages[name].values.get("seed"), int)
    }
    runs = []
    for on in design_cells(list(by_name), design):
        settings = {flag.parameter: flag.off for flag in flags}
        settings |= {by_name[name].parameter: by_name[name].on for name in sorted(on)}
        for seed in range(seeds):
            own_seeds = {name: str(first + seed) for name, first in seeded.items()}
            runs.append((on, seed, settings | own_seeds))
    return Plans(tuple(flags), tuple(runs))


@dataclass(frozen=True, eq=False)
class Gathered:
    """What an ablation's runs brought."""

    flags: tuple[Flag, ...]
    metric: str
    outcomes: Outcomes
    clusters: Clusters
    wall_s: Mapping[Flags, float]  # of all seeds of a cell
    missing: tuple[str, ...]  # cells left out, because a run of theirs did not end well


def gather(folder: Path) -> Gathered:
    """Read what the runs of a saved ablation brought.

    Args:
        folder: Of `ablation.json` and `sweep.json`, two below that of the runs.

    Raises:
        DatasetError: If a file is no ablation, a run kept no items of the metric, or two runs
            judged different items.
    """
    with reading(folder / ABLATION, "an ablation", "run `workbench ablate`") as content:
        if content["format"] != ABLATION_FORMAT:
            raise ValueError("another format")
        flags = tuple(Flag(**flag) for flag in content["flags"])
        metric, rows = str(content["metric"]), list(content["runs"])
    sweep = load_sweep(folder / SWEEP)
    cells = {_key(cell.settings): cell for cell in sweep.cells}
    found: dict[Flags, list[list[float]]] = {}
    walls: dict[Flags, float] = {}
    missing: set[Flags] = set()
    sessions: dict[str, str] = {}
    for row in rows:
        on, cell = frozenset(row["on"]), cells.get(_key(row["settings"]))
        if cell is None or cell.status != "ok":
            missing.add(on)
            continue
        items = _items(folder.parents[1] / cell.run, metric)
        sessions = sessions or {clip: session for clip, (session, _) in items.items()}
        if items.keys() != sessions.keys():
            raise DatasetError(
                f"{cell.run} judged other items than the baseline",
                "ablate parameters that leave the test items as they are",
            )
        found.setdefault(on, []).append([items[clip][1] for clip in sessions])
        walls[on] = walls.get(on, 0.0) + (cell.wall_s or 0.0)
    whole = {on: np.array(parts) for on, parts in found.items() if on not in missing}
    clusters = choose_clusters(list(sessions.values()), list(sessions))
    names = tuple(" + ".join(sorted(on)) or "the baseline" for on in missing)
    return Gathered(flags, metric, whole, clusters, walls, names)


def gather_calls(
    changes: Sequence[str], judge: Callable[[Flags], Any], clusters: Clusters, metric: str
) -> Gathered:
    """Ablate a function in this process: each change alone, and all but each.

    Args:
        changes: Their names.
        judge: Returns what each test item brings (S, N) with some of them on.
        clusters: Of the items.
        metric: What the items bring.
    """
    outcomes: dict[Flags, Any] = {}
    walls: dict[Flags, float] = {}
    for on in design_cells(changes):
        started = time.monotonic()
        outcomes[on] = judge(on)
        walls[on] = round(time.monotonic() - started, 2)
    flags = tuple(Flag(name, "", "no", "yes") for name in changes)
    return Gathered(flags, metric, outcomes, clusters, walls, ())


def sweep_of(stage: str, profile: str, plans: Plans) -> Sweep:
    """Return the runs of an ablation as a sweep, equal settings once."""
    unique = {_key(settings): settings for _, _, settings in plans.runs}
    axes: dict[str, list[str]] = {}
    for settings in unique.values():
        for name, value in settings.items():
            values = axes.setdefault(name, [])
            if value not in values:
                values.append(value)
    return Sweep(stage, profile, axes, tuple(Cell(settings) for settings in unique.values()))


def _items(run_dir: Path, metric: str) -> dict[str, tuple[str, float]]:
    kept: Any = read_object(run_dir / ITEMS) or {}
    if metric not in kept:
        known = f"it has {', '.join(kept)}" if kept else "it kept none"
        raise DatasetError(
            f"{run_dir.name} kept no items of {metric!r}",
            f"{known}: name one with --metric, or call record_items in the notebook",
        )
    return {clip: (str(session), float(part)) for clip, (session, part) in kept[metric].items()}


def _key(settings: Settings) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(settings.items()))
