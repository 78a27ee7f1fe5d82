"""`workbench labels`: labels in and out as text, and how far people agree."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from workbench.labels.agreement import Agreement
    from workbench.labels.timing import TimeAgreement

app = typer.Typer(
    name="labels",
    help="Export and import labels, or see how far people agree.",
    no_args_is_help=True,
)

clicks_app = typer.Typer(
    name="clicks",
    help="The goal's corners, and kicks, feet and balls that people corrected.",
    no_args_is_help=True,
)
app.add_typer(clicks_app)

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="sqlite:///…, postgresql://…, or a file.  "
        "[default: WORKBENCH_DB, else data/labels.sqlite]",
        show_default=False,
    ),
]


@app.command("export")
def export_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON file to write.")],
    db: DatabaseOption = None,
) -> None:
    """Write all labels, their history and their videos to a text file that git can compare.

    The same labels give the same bytes.

    Example: workbench labels export labels.json
    """
    from workbench.labels.exchange import export_labels
    from workbench.labels.store import LabelStore

    with LabelStore(db, create=False) as store:
        count = export_labels(store, file)
    print(f"{_spell(count)} in {file}")


@app.command("import")
def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="JSON files; see --classes.")],
    db: DatabaseOption = None,
    annotator: Annotated[
        str | None,
        typer.Option("--annotator", metavar="NAME", help="Who labelled, if the file cannot say."),
    ] = None,
    footage: Annotated[
        Path | None,
        typer.Option("--footage", metavar="DIR", help="Of the clips that the file names."),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option("--video", metavar="FILE", help="What cuts are of, if the file cannot say."),
    ] = None,
    classes: Annotated[
        bool,
        typer.Option("--classes", help="They say what clips show: .csv, .json, or folders."),
    ] = False,
    settles: Annotated[
        bool, typer.Option("--settles", help="The classes are an adjudicator's last word.")
    ] = False,
) -> None:
    """Take in labels: of our own export, or of other projects, which needs --annotator.

    Of other projects: a list of cuts; an object from clip to stars; an object from clip to goal,
    no_goal or unsure. With --classes: a table with columns clip and class (and annotator), an
    object from clip to class, or a folder whose videos lie in folders named by class. A clip is
    named by its id or its file; without --footage the name less .mp4 is taken for the id.
    Importing a file twice adds nothing.

    Example: workbench labels import ratings.json --annotator ann --footage data/clips
    """
    from workbench.labels.classfiles import import_classes
    from workbench.labels.exchange import import_foreign, import_labels
    from workbench.labels.store import LabelStore

    with LabelStore(db) as store:
        for file in files:
            if classes:
                made = import_classes(store, file, annotator, footage, settles=settles)
                count, unknown = made.new, made.unknown
            elif annotator is None:
                count, unknown = import_labels(store, file), tuple[str, ...]()
            else:
                made = import_foreign(store, file, annotator, video, footage)
                count, unknown = made.new, made.unknown
            print(f"{_spell(count)} new from {file}")
            if unknown:
                shown = ", ".join(unknown[:10]) + (" …" if len(unknown) > 10 else "")
                print(f"{len(unknown)} names are no clip's in {footage}, and left out: {shown}")


@app.command()
def agreement(
    kind: Annotated[str, typer.Option("--kind", help="rating, class or verdict.")] = "verdict",
    db: DatabaseOption = None,
    tolerance: Annotated[
        int | None,
        typer.Option(
            "--tolerance",
            metavar="FRAMES",
            min=0,
            help="Events of verdicts so far apart are one event.  [default: 12]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of the intervals.")] = 0,
) -> None:
    """Say how far annotators agree, with 95 % intervals, and on which items they do not.

    Of verdicts, also how near in time people see the event, and whether events with labels match.

    Example: workbench labels agreement --kind rating
    """
    import json

    from rich.console import Console

    from workbench.labels.agreement import disagreements, measure_agreement
    from workbench.labels.store import LabelStore
    from workbench.labels.timing import TOLERANCE_FRAMES, measure_timing

    frames = TOLERANCE_FRAMES if tolerance is None else tolerance
    with LabelStore(db, create=False) as store:
        measured = measure_agreement(store, kind, seed=seed)
        timing = measure_timing(store, tolerance_frames=frames) if kind == "verdict" else None
        queue = list(disagreements(store, kind, tolerance_frames=frames))
    if as_json:
        in_time = {} if timing is None else {"timing": timing.to_dict()}
        print(json.dumps({**measured.to_dict(), **in_time, "disagreements": queue}, indent=1))
        return
    console = Console(highlight=False, markup=False)
    console.print(
        f"{_spell(measured.judgements, kind)} of {len(measured.annotators)} annotators on "
        f"{measured.items} items, {measured.shared} of them shared; {measured.unsure} unsure"
    )
    if not measured.shared:
        console.print("no item was labelled by two: nothing to compare")
        return
    console.print(_measure_table(measured))
    if timing is not None:
        console.print()
        console.print(_timing_table(timing))
    if queue:
        shown = ", ".join(queue[:10]) + (" …" if len(queue) > 10 else "")
        console.print(f"\n{len(queue)} items to review, worst first: {shown}", soft_wrap=True)


@app.command("score")
def score_people(
    kind: Annotated[str, typer.Option("--kind", help="rating, class or verdict.")] = "verdict",
    truth: Annotated[
        str | None,
        typer.Option(
            "--truth",
            metavar="NAME",
            help="Whose answers are known to be right.  [default: what was settled in review]",
            show_default=False,
        ),
    ] = None,
    db: DatabaseOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score annotators on the clips whose answer is known.

    Known answers come in by import, under a name: labels import truth.json --annotator truth.

    Example: workbench labels score --truth truth
    """
    import json

    from rich.console import Console
    from rich.table import Table

    from workbench.labels.knownanswers import known_answers, score_annotators
    from workbench.labels.store import LabelStore
    from workbench.stats import show

    with LabelStore(db, create=False) as store:
        known = known_answers(store, kind, truth)
        scores = score_annotators(store, kind, known, truth)
    if as_json:
        rows = [score.to_dict() for score in scores]
        print(json.dumps({"known": len(known), "annotators": rows}, indent=1))
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    columns = ("annotator", "right where sure", "clips", "unsure", "commonest answer")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for score in scores:
        right = show(score.right) if score.right.n else "undefined"
        base = show(score.base_rate) if score.right.n else ""
        table.add_row(score.annotator, right, str(score.right.n), str(score.unsure), base)
    console.print(f"{_spell(len(known), 'clip')} with a known answer")
    if scores:
        console.print(table)


ClipsOption = Annotated[
    Path, typer.Option("--footage", metavar="DIR", help="The folder of clips.json.")
]


@clicks_app.command("list")
def list_clicks(footage: ClipsOption, db: DatabaseOption = None) -> None:
    """Say of every clip whose goal, kick, foot or ball was clicked, by whom and when.

    Example: workbench labels clicks list --footage data/own/footage
    """
    from rich.console import Console
    from rich.table import Table

    from workbench.footage.clips import load_clips
    from workbench.labels.shotclicks import click_rows
    from workbench.labels.store import LabelStore

    ids = [clip.clip_id for clip in load_clips(footage)]
    with LabelStore(db, create=False) as store:
        rows, others = click_rows(store, ids)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    table = Table("clip", "clicked", "by", "when", box=None, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    if rows:
        console.print(table)
    console.print(f"{len({row[0] for row in rows})} of {len(ids)} clips have clicks")
    if others:
        console.print(f"clicks on {others} clips that are not in {footage} are not used here")


@clicks_app.command("export")
def export_clicks(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The JSON file to write.")],
    footage: ClipsOption,
    db: DatabaseOption = None,
) -> None:
    """Write the clicks that count on the clips of a folder.

    Example: workbench labels clicks export clicks.json --footage data/own/footage
    """
    from workbench.footage.clips import load_clips
    from workbench.labels.shotclicks import save_clicks
    from workbench.labels.store import LabelStore

    clips = load_clips(footage)
    with LabelStore(db, create=False) as store:
        count = save_clicks(store, clips, file)
    print(f"clicks on {_spell(count, 'clip')} in {file}")


@clicks_app.command("import")
def take_clicks(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JSON file of clicks.")],
    footage: ClipsOption,
    db: DatabaseOption = None,
    annotator: Annotated[
        str | None,
        typer.Option("--annotator", metavar="NAME", help="Who clicked, if the file cannot say."),
    ] = None,
) -> None:
    """Take in clicks on the clips of a folder; importing a file twice adds nothing.

    Example: workbench labels clicks import clicks.json --footage data/own/footage --annotator ann
    """
    from workbench.labels.shotclicks import import_clicks
    from workbench.labels.store import LabelStore

    with LabelStore(db) as store:
        count = import_clicks(store, file, footage, annotator)
    print(f"{_spell(count)} new from {file}")


def _measure_table(measured: "Agreement") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from workbench.stats import show_ends, show_number

    columns = ("measure", "unsure is", "value", "95 % interval", "items")
    table = Table(*columns, box=None, padding=(0, 2, 0, 0))
    for measure in (*measured.overall, *measured.pairs):
        interval = measure.interval
        is_known = interval.value == interval.value
        who = f"{measure.name}: {' – '.join(measure.annotators)}"
        table.add_row(
            Text(who if measure.annotators else measure.name),
            measure.unsure,
            show_number(interval.value) if is_known else "undefined",
            Text(show_ends(interval) if is_known else ""),
            str(interval.n),
        )
    return table


def _timing_table(timing: "TimeAgreement") -> "Table":
    from rich.table import Table
    from rich.text import Text

    from workbench.stats import Interval, show_ends, show_number

    table = Table("in time", "value", "95 % interval", "n", box=None, padding=(0, 2, 0, 0))
    within = f"event frames at most {timing.tolerance_frames} apart"
    rows: list[tuple[str, Interval, str]] = [
        (within, timing.within, "pairs"),
        ("median distance in frames", timing.gap_frames, "pairs"),
        ("events with labels, F1", timing.events, "events"),
        *((f"  {label}, F1", found, "events") for label, found in timing.label_to_events.items()),
    ]
    for what, found, unit in rows:
        is_known = found.value == found.value
        table.add_row(
            Text(what),
            show_number(found.value) if is_known else "undefined",
            Text(show_ends(found) if is_known else ""),
            f"{found.n} {unit}",
        )
    return table


def _spell(count: int, kind: str = "label") -> str:
    return f"{count} {kind}{'' if count == 1 else 'es' if kind.endswith('s') else 's'}"
