"""The `workbench` command.

Thin: every command reads its options, calls one function and prints. Whatever a command needs
beyond Typer and Rich is imported inside it, so that `workbench --help` answers at once.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from annotation_tools.cli import app as serve_app
from workbench import __version__
from workbench.actions.cli import add as add_version
from workbench.actions.cli import diff as diff_versions
from workbench.actions.cli import list_versions
from workbench.actions.spotting.cli import evaluate_spotting, spot_app
from workbench.describe.cli import describe
from workbench.detect.cli import app as detect_app
from workbench.detect.cli import dataset_app, evaluate_app
from workbench.errors import PipelineError, WorkbenchError
from workbench.footage.cli import app as footage_app
from workbench.highlights.cli import highlights_app
from workbench.labels.cli import app as labels_app
from workbench.runs.log_cli import log
from workbench.runs.sweep_cli import ablate, sweep
from workbench.shots.cli import coach
from workbench.simulated.cli import make as make_footage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console
    from rich.text import Text

    from workbench.runs.pipeline import Pipeline
    from workbench.runs.run_record import Run
    from workbench.runs.runner import Outcome

STAGE_FAILED, BAD_INPUT = 1, 2
TABLE: Any = {"box": None, "padding": (0, 2, 0, 0)}  # columns without lines

app = typer.Typer(
    name="workbench",
    help="From raw sports footage to trusted answers, one notebook at a time.",
    epilog="Start with: workbench doctor, then: workbench run",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

footage_app.command("make")(make_footage)
dataset_app.command("add")(add_version)
dataset_app.command("list")(list_versions)
dataset_app.command("diff")(diff_versions)
app.add_typer(footage_app)
app.add_typer(labels_app)
evaluate_app.command("spotting")(evaluate_spotting)
app.add_typer(detect_app)
app.add_typer(spot_app)
app.command()(describe)
app.command()(coach)
app.add_typer(highlights_app)
app.add_typer(serve_app)

PipelineOption = Annotated[
    Path | None,
    typer.Option(
        "--pipeline",
        metavar="FILE",
        help="The pipeline file.  [default: notebooks/pipeline.yaml]",
        show_default=False,
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME", help="Size of the run, as the file names them."),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Where reports go.  [default: reports]", show_default=False
    ),
]


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"workbench {__version__}")
        raise typer.Exit


@app.command()
def run(
    stages: Annotated[
        list[str] | None,
        typer.Argument(metavar="STAGE", help="Stages to bring up to date. Default: all."),
    ] = None,
    pipeline: PipelineOption = None,
    profile: ProfileOption = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            "--param",
            metavar="NAME=VALUE",
            help="A parameter of the stages named; STAGE.NAME=VALUE for one stage. Repeatable.",
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", metavar="N", min=1, help="Stages at the same time.")
    ] = 1,
    out: OutOption = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DIR|URL", help="Where stages keep products."),
    ] = None,
    footage: Annotated[
        str | None,
        typer.Option("--footage", metavar="DIR|URL", help="A folder of your own videos."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Run the stages named even if unchanged.")
    ] = False,
    like: Annotated[
        str | None,
        typer.Option("--like", metavar="STAGE/RUN", help="As an earlier run was, but for -p."),
    ] = None,
    why: Annotated[
        bool, typer.Option("--why", help="Say for each stage why it runs, or does not.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", metavar="S", min=0.1, help="Seconds a stage may take."),
    ] = None,
    cell_timeout: Annotated[
        float | None,
        typer.Option("--cell-timeout", metavar="S", min=0.1, help="Seconds a cell may take."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option("--threads", metavar="N", min=1, help="Threads per stage.  [default: 1]"),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            metavar="ENGINE",
            help="Where clips are worked on: here, processes:N; ray, ray://HOST:PORT: stages, too.",
        ),
    ] = None,
    item_timeout: Annotated[
        float | None,
        typer.Option("--item-timeout", metavar="S", min=0.1, help="Seconds a clip may take."),
    ] = None,
) -> None:
    """Run stages and make their reports; what is unchanged is skipped.

    A stage runs with all the stages it needs. Exit code: 0 all up to date, 1 a stage failed, 2 bad
    input (nothing was started), 130 stopped by Ctrl-C.

    **Examples**

    - `workbench run`: everything, in the default profile
    - `workbench run train_classifier -p epochs=12 --why`: one stage, with one change
    - `workbench run -p train_classifier.seed=3`: everything, with one change in one stage
    - `workbench run --footage ~/videos`: your own videos
    - `workbench run --engine processes:8`: the clips of a stage on eight processes
    - `workbench run --engine ray://head:10001 --jobs 4`: stages and clips on a cluster
    - `workbench run --data s3://bucket/match-7`: products in an object store
    - `workbench run --like confusion_report/demo-1a2b3c4d --data data/other`: this report again
    - `workbench run --pipeline my/pipeline.yaml --jobs 2`: your own notebooks
    """
    from workbench.engines.each import use_engine
    from workbench.runs.plan import check_reads, make_plan

    use_engine(engine, item_timeout)
    loaded = _load(pipeline)
    if like is not None:
        from workbench.runs.log import load_example

        stage, example, settings = load_example(_out(out, loaded), like)
        stages, profile = stages or [stage], profile or (None if footage else example)
        param = [*settings, *(param or [])]
    out = _out(out, loaded)
    stored, videos, folder = None, _fetched(footage, loaded), Path(data) if data else None
    if data is not None and "://" in data:
        from workbench.runs.mirror import Mirror

        stored = Mirror(data, loaded.root, out)
        stored.pull()
        folder = stored.data
    plan = make_plan(loaded, stages or [], profile, param or [], folder, videos)
    check_reads(plan)
    if videos is not None:
        _check_footage(videos)
    _check_eyes([planned.values for planned in plan.stages.values()])

    from rich.console import Console

    from workbench.runs.engine import skip_iri_grammar
    from workbench.runs.execution import Limits
    from workbench.runs.progress import Progress
    from workbench.runs.runner import run_plan
    from workbench.runs.stopping import stop_on_signals

    skip_iri_grammar()
    console = Console()
    limits = Limits(run_s=timeout, cell_s=cell_timeout, threads=threads)
    nodes = None
    if engine is not None and engine.startswith("ray"):
        from workbench.runs.nodes import Nodes

        nodes = Nodes(engine, jobs, spread=True)
    with stop_on_signals() as stop, Progress(console, list(plan.stages), why) as progress:
        keep = stored.push if stored is not None else None
        outcomes = run_plan(plan, out, progress, stop.event, jobs, force, limits, nodes, keep)
    _print_paths(console, outcomes, out)
    for name, reason in plan.left_out.items():
        console.print(f"left out: {name}, {reason}", markup=False, highlight=False, soft_wrap=True)
    if stop.exit_code is not None:
        raise typer.Exit(stop.exit_code)
    if not all(outcome.is_good for outcome in outcomes):
        raise typer.Exit(STAGE_FAILED)


@app.command("list")
def list_stages(
    pipeline: PipelineOption = None, profile: ProfileOption = None, out: OutOption = None
) -> None:
    """Show the stages, what they need, and how their newest run went.

    **Example**: `workbench list --profile ci`
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workbench.pages.page import show_duration, show_time
    from workbench.runs.run_record import load_runs

    loaded = _load(pipeline)
    chosen = loaded.profile(profile)
    folder = _out(out, loaded)
    columns = ("stage", "question", "needs", "newest run", "answer", "when", "took")
    table = Table(*columns, title=f"profile {chosen.name}", title_justify="left", **TABLE)
    colours = {"ok": "green", "timeout": "yellow", "skipped": "dim", "running": "cyan"}
    for stage in loaded.stages_of(chosen):
        runs = [run for run in load_runs(folder, stage.name) if run.profile == chosen.name]
        newest = [Text("–", style="dim")]
        if runs:
            colour = "dim" if runs[0].is_empty else colours.get(runs[0].status, "red")
            status = Text(runs[0].status, style=colour)
            took = show_duration(runs[0].wall_s)
            newest = [status, _answer(runs[0]), Text(show_time(runs[0].started)), Text(took)]
        name = Text(stage.name, style="bold")
        table.add_row(name, stage.title, ", ".join(stage.needs), *newest)
    console = Console()
    console.print(table)
    others = [name for name in loaded.profiles if name != chosen.name]
    if others:
        console.print(f"[dim]other profiles: {', '.join(others)}[/]", highlight=False)


@app.command()
def params(
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="A stage of the pipeline.")],
    pipeline: PipelineOption = None,
    profile: ProfileOption = None,
) -> None:
    """Show the parameters of a stage: type, default, value in the profile, meaning.

    **Example**: `workbench params train_classifier --profile ci`
    """
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    from workbench.pages.page import show_parameter
    from workbench.runs.plan import make_plan
    from workbench.runs.provenance import portable

    loaded = _load(pipeline)
    plan = make_plan(loaded, [stage], profile or loaded.profile_with(stage).name)
    planned = plan.stages[stage]
    values = portable(planned.values, loaded.root)
    titles = ("name", "type", "default", f"in profile {plan.profile.name}", "meaning")
    table = Table(*(Column(title, overflow="fold") for title in titles), **TABLE)
    for name, parameter in planned.parameters.items():
        changed = "" if values[name] == parameter.default else "cyan"
        table.add_row(
            Text(name, style="bold"),
            Text(parameter.annotation, style="dim"),
            Text(show_parameter(parameter.default)),
            Text(show_parameter(values[name]), style=changed),
            Text(parameter.help),
        )
    Console().print(table if planned.parameters else f"{stage} has no parameters")


@app.command()
def doctor(pipeline: PipelineOption = None, out: OutOption = None) -> None:
    """Check that this machine can run the workbench, and say what to do where it cannot.

    Exit code 1 if a check fails; warnings do not count.

    **Example**: `workbench doctor`
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from workbench.runs.doctor import examine

    loaded = _load(pipeline)
    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    table = Table.grid(padding=(0, 2, 0, 0))
    console = Console()
    with console.status("Examining …"):
        findings = list(examine(loaded, _out(out, loaded)))
        for finding in findings:
            said = Text(finding.said)
            if finding.remedy:
                said.append(f"\n→ {finding.remedy}", style="bold")
            level = Text(finding.level, style=colours[finding.level])
            table.add_row(level, Text(finding.subject), said)
    console.print(table)
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(STAGE_FAILED)


app.command()(sweep)
app.command()(ablate)
app.command()(log)


def main() -> None:
    """Run the command; errors a user can put right are one line and exit code 2."""
    try:
        app()
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)


def _load(given: Path | None) -> "Pipeline":
    from workbench.runs.pipeline import find_pipeline, load_pipeline

    return load_pipeline(given if given is not None else find_pipeline(Path.cwd()))


def _out(given: Path | None, pipeline: "Pipeline") -> Path:
    return (given if given is not None else pipeline.root / "reports").absolute()


def _check_eyes(stages: "Iterable[Mapping[str, Any]]") -> None:
    """Refuse a teacher or a detector that is none before any stage starts.

    A path in the environment counts from here, and stages run elsewhere: it becomes absolute.
    """
    import os

    variable = "WORKBENCH_DETECTOR"
    if (path := Path(os.environ.get(variable, ""))).is_file():
        os.environ[variable] = str(path.resolve())
    for values in stages:
        if teacher := values.get("teacher_name"):
            from workbench.detect.teacher_names import check_teacher

            check_teacher(teacher)
        named = values.get("detector") or os.environ.get(variable)
        if named and values.get("teacher_name") in ("auto", "coco"):
            from workbench.detect.detectors import check_detector

            check_detector(named)


def _fetched(footage: str | None, pipeline: "Pipeline") -> Path | None:
    """Return the folder of videos, brought here where it is in a store."""
    if footage is None or "://" not in footage:
        return Path(footage) if footage is not None else None
    from workbench.runs.mirror import fetch_folder

    return fetch_folder(footage, pipeline.root)


def _check_footage(folder: Path) -> None:
    """Refuse a folder without one video that can be read, before any stage starts."""
    from workbench.footage.video_info import probe
    from workbench.runs.provenance import files_in

    files = files_in(folder)
    for path in files:
        try:
            probe(path)
        except WorkbenchError:
            continue
        return
    problem = f"--footage {folder} holds no video that can be read ({len(files)} files looked at)"
    raise PipelineError(problem, "give a folder of videos such as .mp4, .mov or .mkv")


def _print_paths(console: "Console", outcomes: "list[Outcome]", out: Path) -> None:
    from workbench.runs.index import INDEX
    from workbench.runs.run_record import REPORT

    lines = [
        f"{outcome.stage}: {_near(outcome.run_dir / REPORT)}"
        for outcome in outcomes
        if outcome.run_dir is not None and (outcome.run_dir / REPORT).is_file()
    ]
    # Never wrapped: a path is there to be copied.
    text = "\n".join(["", *lines, f"all runs: {_near(out / INDEX)}"])
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def _answer(run: "Run") -> "Text":
    """Return what a run concluded, in the colour of its verdict."""
    from rich.text import Text

    if run.conclusion is None:
        return Text("")
    colours = {"yes": "green", "no": "red", "can't tell": "yellow", "nothing to see": "dim"}
    return Text(run.conclusion.sentence, style=colours[run.conclusion.verdict])


def _near(path: Path) -> Path:
    """Return a path relative to where one stands, if it lies below."""
    here = Path.cwd()
    return path.relative_to(here) if here in path.parents else path


if __name__ == "__main__":
    main()
