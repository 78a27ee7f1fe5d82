"""`workbench sweep` and `workbench ablate`: one stage run with many settings, and the report on it.

Thin: reads options, runs the cells, then the notebook that compares them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.errors import PipelineError

if TYPE_CHECKING:
    from workbench.runs.pipeline import Pipeline
    from workbench.runs.plan import Plan
    from workbench.runs.progress import Progress
    from workbench.runs.sampler import OptunaSampler
    from workbench.runs.sweep import How, Settings, Sweep

STAGE_FAILED = 1
SWEEPS, ABLATIONS = "sweeps", "ablations"  # folders beside those of the stages
PROFILE = "compare"  # of the stages whose notebooks report, and the parameter that takes the folder
COMPARE, ABLATE = ("compare_settings", "sweep_dir"), ("ablate", "ablation_dir")

StageArgument = Annotated[
    str, typer.Argument(metavar="STAGE", help="The stage whose numbers are compared.")
]
PipelineOption = Annotated[
    Path | None,
    typer.Option("--pipeline", metavar="FILE", help="The pipeline file.", show_default=False),
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="Size of the runs, as the file names them."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where reports go.", show_default=False)
]
DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Where stages keep products.")
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Cells at the same time.")
]
EngineOption = Annotated[
    str | None,
    typer.Option("--engine", metavar="ENGINE", help="Where cells run: here, ray, ray://HOST:PORT."),
]
CommonOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="What all cells have in common. Repeatable."),
]


def sweep(
    stage: StageArgument,
    param: Annotated[
        list[str],
        typer.Option(
            "-p", "--param", metavar="NAME=A,B,C", help="Values of a parameter. Repeatable."
        ),
    ],
    grid: Annotated[bool, typer.Option("--grid", help="All combinations (the default).")] = False,
    zipped: Annotated[
        bool, typer.Option("--zip", help="First with first, second with second.")
    ] = False,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", min=1, help="So many combinations at random."),
    ] = None,
    sampler: Annotated[
        Literal["random", "optuna"],
        typer.Option(help="Who chooses them: optuna goes by what has come out so far."),
    ] = "random",
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help="What optuna raises.  [default: the first number that STAGE records]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the sample.")] = 0,
    common: CommonOption = None,
    pipeline: PipelineOption = None,
    profile: ProfileOption = None,
    out: OutOption = None,
    data: DataOption = None,
    jobs: JobsOption = 1,
    engine: EngineOption = None,
) -> None:
    """Run a stage with many settings, each part of the work once, and compare the runs.

    A parameter of a stage that STAGE needs is written STAGE.NAME. What is unchanged is skipped: a
    sweep that was stopped goes on where it was. Exit code as of `workbench run`.

    **Example**: `workbench sweep confusion_report -p train_classifier.epochs=10,30 --profile demo`
    """
    from workbench.runs.sampler import OptunaSampler
    from workbench.runs.sweep import Cell, Sweep, make_cells, parse_axes

    if sum((grid, zipped, sample is not None)) > 1:
        raise PipelineError("--grid, --zip and --sample exclude each other", "give one of them")
    if sampler == "optuna" and sample is None:
        raise PipelineError("--sampler optuna without a number of cells", "add --sample N")
    how: How = "zip" if zipped else "sample" if sample else "grid"
    loaded, folder_of, plan = _open(pipeline, stage, profile, out, data, common)
    axes = parse_axes(plan, param)
    chooser = None
    if sampler == "optuna":
        chooser = OptunaSampler(folder_of.reports, sample or 0, metric, seed)
    cells = [] if chooser else make_cells(axes, how, sample or 0, seed)
    planned = Sweep(stage, plan.profile.name, axes, tuple(Cell(one) for one in cells))
    folder = folder_of(SWEEPS, planned, seed)
    planned.save(folder)
    _run(loaded, planned, folder, common, data, jobs, engine, COMPARE, chooser)


def ablate(
    stage: StageArgument,
    flag: Annotated[
        list[str],
        typer.Option(
            "--flag", metavar="NAME=OFF,ON", help="A change: two values or more. Repeatable."
        ),
    ],
    design: Annotated[
        Literal["add", "drop", "both", "full", "half"],
        typer.Option(
            help="add: each change alone; drop: all but each; both; full: every combination, with "
            "Shapley values and pairs; half: half of those."
        ),
    ] = "both",
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", metavar="N", min=1, help="Of every cell. Fewer than 3 prove little."
        ),
    ] = 3,
    metric: Annotated[
        str,
        typer.Option("--metric", metavar="NAME", help="What counts: a number STAGE keeps by item."),
    ] = "accuracy",
    common: CommonOption = None,
    pipeline: PipelineOption = None,
    profile: ProfileOption = None,
    out: OutOption = None,
    data: DataOption = None,
    jobs: JobsOption = 1,
    engine: EngineOption = None,
) -> None:
    """Find out which change helped: each alone, on the same test items, over the same seeds.

    Effects are paired, their intervals take sessions and seeds, p values are Holm's for all flags.
    Stages that no flag reaches run once; a flag re-runs only what it touches.

    **Example**: `workbench ablate confusion_report --flag train_classifier.balance=true,false
    --flag train_classifier.epochs=30,60 --seeds 3`
    """
    from workbench.runs.flags import parse_flags, plan_runs, sweep_of

    loaded, folder_of, plan = _open(pipeline, stage, profile, out, data, common)
    plans = plan_runs(plan, parse_flags(plan, flag), design, seeds)
    planned = sweep_of(stage, plan.profile.name, plans)
    folder = folder_of(ABLATIONS, planned)
    plans.save(folder, metric)
    planned.save(folder)
    _run(loaded, planned, folder, common, data, jobs, engine, ABLATE)


def _open(
    given: Path | None,
    stage: str,
    profile: str | None,
    out: Path | None,
    data: Path | None,
    common: Sequence[str] | None,
) -> "tuple[Pipeline, _FolderOf, Plan]":
    """Return the pipeline, where a sweep's files go, and the plan without any setting."""
    from workbench.runs.pipeline import find_pipeline, load_pipeline
    from workbench.runs.plan import make_plan

    loaded = load_pipeline(given if given is not None else find_pipeline(Path.cwd()))
    reports = (out if out is not None else loaded.root / "reports").absolute()
    plan = make_plan(loaded, [stage], profile, common or [], data)
    return loaded, _FolderOf(reports), plan


class _FolderOf:
    """Names the folder of a sweep: the same cells meet again and go on."""

    def __init__(self, reports: Path) -> None:
        self.reports = reports

    def __call__(self, kind: str, planned: "Sweep", seed: int = 0) -> Path:
        import hashlib
        import json

        cells = [sorted(cell.settings.items()) for cell in planned.cells]
        # Cells that are chosen on the way are those of their axes and seed.
        text = json.dumps([planned.profile, cells or [sorted(planned.axes.items()), seed]])
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return self.reports / kind / f"{planned.stage}-{digest}"


def _run(
    pipeline: "Pipeline",
    planned: "Sweep",
    folder: Path,
    common: Sequence[str] | None,
    data: Path | None,
    jobs: int,
    engine: str | None,
    report: tuple[str, str],
    chooser: "OptunaSampler | None" = None,
) -> None:
    """Run the cells and then the notebook that compares them, and say where its report is."""
    from rich.console import Console

    from workbench.engines.each import use_engine
    from workbench.runs.engine import skip_iri_grammar
    from workbench.runs.plan import make_plan
    from workbench.runs.progress import Progress
    from workbench.runs.run_record import REPORT
    from workbench.runs.runner import run_plan
    from workbench.runs.stopping import stop_on_signals
    from workbench.runs.sweep import run_sweep

    skip_iri_grammar()
    console, reports = Console(), folder.parents[1]
    total = chooser.count if chooser else len(planned.cells)
    nodes = None
    if use_engine(engine).startswith("ray"):
        from workbench.runs.nodes import Nodes

        nodes = Nodes(str(engine), jobs, spread=False)

    @contextmanager
    def watch(place: int, settings: "Settings", plan: "Plan") -> "Iterator[Progress]":
        words = ", ".join(f"{name.partition('.')[2]}={value}" for name, value in settings.items())
        title = f"{place + 1} of {total}: {words}"
        if jobs == 1:
            console.rule(title, style="dim", align="left")
        with Progress(console, list(plan.stages), among="" if jobs == 1 else title) as progress:
            yield progress

    with stop_on_signals() as stop:
        done = run_sweep(
            pipeline, planned, reports, folder, watch, stop.event,
            given=common or [], data=data, jobs=jobs, propose=chooser or (lambda sweep: None),
            nodes=nodes,
        )  # fmt: skip
        if stop.exit_code is not None:
            raise typer.Exit(stop.exit_code)
        outcomes = []
        stage, parameter = report
        if stage in pipeline.stages:
            plan = make_plan(pipeline, [stage], PROFILE, [f"{parameter}={folder}"], data)
            with Progress(console, list(plan.stages)) as progress:
                outcomes = run_plan(plan, reports, progress, stop.event)
    for outcome in outcomes:
        if outcome.run_dir is not None and (outcome.run_dir / REPORT).is_file():
            said = f"\n{stage}: {outcome.run_dir / REPORT}"
            console.print(said, highlight=False, markup=False, soft_wrap=True)
    if stop.exit_code is not None:
        raise typer.Exit(stop.exit_code)
    cells_are_good = all(cell.status == "ok" for cell in done.cells)
    if not (cells_are_good and all(outcome.is_good for outcome in outcomes)):
        raise typer.Exit(STAGE_FAILED)
