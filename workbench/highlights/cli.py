"""`workbench highlights`: the highlights of a video as a list, a reel and a timeline; training."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.detect.ballnet.cli import DEFAULT, VideoByDefault

highlights_app = typer.Typer(
    name="highlights", help="Find the highlights of a long video.", cls=VideoByDefault
)


@highlights_app.command(DEFAULT)
def highlights(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="Of any length and frame rate.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="[default: VIDEO_highlights]"),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="RUN",
            help="A run of `workbench highlights train`, or of any clip classifier. Without one "
            "actions are found and not told apart.",
        ),
    ] = None,
    sport: Annotated[
        list[str] | None,
        typer.Option("--sport", metavar="CLASS", help="Only this one. Repeatable."),
    ] = None,
    least: Annotated[
        list[str] | None,
        typer.Option(
            "--least",
            metavar="[CLASS=]SCORE",
            help="Least score, of one class or all; lower finds more. Repeatable.",
        ),
    ] = None,
    least_motion: Annotated[
        float | None,
        typer.Option("--least-motion", metavar="LEVELS", min=0, help="Of what is looked at."),
    ] = None,
    most: Annotated[
        int | None, typer.Option("--most", metavar="N", min=1, help="Only the N best.")
    ] = None,
    eye: Annotated[
        str,
        typer.Option(
            "--eye", metavar="NAME|FILE", help="Who sees people: a detector, auto, or none."
        ),
    ] = "auto",
    reel: Annotated[bool, typer.Option("--reel/--no-reel", help="Whether to cut a reel.")] = True,
    db: Annotated[
        str | None,
        typer.Option("--db", metavar="FILE|URL", help="Labels: people's cuts are the truth."),
    ] = None,
) -> None:
    """Find what is worth seeing in a long video, and say what became of everything else.

    Four stages: proposals (where something moves, never across a cut), check (does a person move as
    in a sport?), classes (which sport, or none), merge. Writes into DIR: highlights.json (start,
    end, class, score, reasons), reel.mp4 with a chapter for each, timeline.html to click, and
    candidates.json with the stage and reason of all that was dropped. Memory does not grow with the
    video; what was killed goes on where it was. Where the truth is known (built-in sessions, or
    cuts with a sport in the labels of --db) it says which stage lost what. `workbench serve
    clipper` proposes these highlights as cuts; what you keep there is truth for the next version.

    Example: workbench highlights match.mp4 --model data/models/slim-1a2b --sport soccer --least 0.7
    """
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import Progress

    from workbench.highlights.misses import assess, next_stage
    from workbench.highlights.reel import make_reel
    from workbench.highlights.stages import load_highlighter
    from workbench.highlights.timeline import save_timeline
    from workbench.highlights.truth import built_in_truth, truth_of_people
    from workbench.highlights.watch import ranked, watch_video
    from workbench.training.compute import torch_threads

    console = Console(highlight=False, markup=False, soft_wrap=True)
    folder = out or video.with_name(f"{video.stem}_highlights")
    by = load_highlighter(model, eye)
    scores = _least(least or [], sport or by.sports, by.sports, by.settings.least_score or {})
    settings = replace(by.settings, least_score=scores)
    if least_motion is not None:
        settings = replace(settings, least_motion=least_motion)
    with torch_threads(1), Progress(console=console) as progress:
        task = progress.add_task("watching", total=None)
        found = watch_video(
            video,
            by,
            folder / "work",
            settings=settings,
            on_chunk=lambda done, total: progress.update(task, completed=done, total=total),
        )
        if most is not None:
            best = set(ranked(found.highlights)[:most])
            kept = tuple(one for one in found.highlights if one in best)
            found = replace(found, highlights=kept)
        paths = [found.save(folder), save_timeline(found, folder / "timeline.html")]
        if reel and found.highlights:
            cutting = progress.add_task("cutting", total=len(found.highlights))
            make_reel(
                video,
                found.highlights,
                folder / "reel.mp4",
                lambda done, total: progress.update(cutting, completed=done, total=total),
            )
            paths.append(folder / "reel.mp4")
    names = [one.sport for one in found.highlights]
    counts = ", ".join(f"{names.count(name)} {name}" for name in by.sports if name in names)
    console.print(
        f"{len(names)} highlights in {found.duration_s / 60:.1f} minutes: {counts or 'none'}"
    )
    for row in found.counts():
        console.print(f"  {row['stage']}: {row['passed']} of {row['got']} passed")
    for note in found.notes:
        console.print(f"  {note}")
    truth = built_in_truth(video)
    if truth is None and db is not None:
        from workbench.labels.store import LabelStore

        with LabelStore(db, create=False) as store:
            truth = truth_of_people(video, store)
    if truth:
        judged = assess([(found, truth)], tuple(scores))
        console.print(f"  recall {judged.recall()}, false alarms {judged.false_alarms_per_hour()}")
        console.print(f"  {next_stage({'': judged})[1]}")
    for path in paths:
        console.print(f"  {path}")


@highlights_app.command("train")
def train(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR...", help="Long videos with truth: built-in, or cut by you."),
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="slim, lite0 or r2plus1d_18.")
    ] = "slim",
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", min=1, help="At most.")] = 40,
    valid: Annotated[
        int, typer.Option("--valid", metavar="N", min=1, help="Videos that choose thresholds.")
    ] = 2,
    eye: Annotated[
        str, typer.Option("--eye", metavar="NAME|FILE", help="Who sees people, or none.")
    ] = "lite",
    db: Annotated[
        str | None, typer.Option("--db", metavar="FILE|URL", help="Labels: people's cuts.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", metavar="N", min=1, help="Processes.")] = 1,
    models_dir: Annotated[
        Path, typer.Option("--models", metavar="DIR", help="Where runs go.")
    ] = Path("data/models"),
) -> None:
    """Train on long videos whose highlights are known; the last N of them choose the thresholds.

    Built-in ones: `workbench footage make --long 8 --minutes 10 --out DIR`, with --busy for those
    to learn from. Your own: cut highlights and give them a sport in the clipper, then name the
    database.

    Example: workbench highlights train data/busy data/long --epochs 40
    """
    from rich.console import Console

    from workbench.actions.recipe import TrainConfig
    from workbench.errors import DatasetError
    from workbench.footage.clips import VIDEO_SUFFIXES
    from workbench.highlights.learning import train_highlighter
    from workbench.highlights.truth import built_in_truth, truth_of_people
    from workbench.training.bar import training_bar

    console = Console(highlight=False, markup=False, soft_wrap=True)
    videos = [
        path
        for folder in folders
        for path in sorted(folder.glob("*"))
        if path.suffix.lower() in VIDEO_SUFFIXES
    ]
    pairs = [(path, built_in_truth(path)) for path in videos]
    if db is not None:
        from workbench.labels.store import LabelStore

        with LabelStore(db, create=False) as store:
            pairs = [(path, acts or truth_of_people(path, store)) for path, acts in pairs]
    known = [(path, acts) for path, acts in pairs if acts]
    if len(known) <= valid:
        raise DatasetError(
            f"{len(known)} of {len(videos)} videos in {', '.join(map(str, folders))} have known "
            "highlights",
            f"give more than {valid}, the number that choose thresholds",
        )
    config = TrainConfig(model=model, frames=12 if model == "slim" else None, epochs=epochs)
    with training_bar(console, "windows", score="valid_macro_f1", score_name="F1") as bar:
        run = train_highlighter(
            known[:-valid], known[-valid:], models_dir.parent / "highlights", models_dir, config,
            eye, engine=f"processes:{workers}", on_step=bar.on_step, on_epoch=bar.on_epoch,
        )  # fmt: skip
    console.print(f"  {run}")


def _least(
    given: list[str], sports: "list[str] | tuple[str, ...]", known: tuple[str, ...], own: object
) -> dict[str, float]:
    """The least score of each class that is asked for.

    Raises:
        WorkbenchError: If a class is unknown or a score is none.
    """
    from workbench.errors import WorkbenchError

    scores = {name: dict(own).get(name, 0.6) for name in sports}  # type: ignore[call-overload]
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            score = float(number)
        except ValueError:
            score = -1.0
        if not 0 <= score <= 1:
            raise WorkbenchError(f"--least {text!r} gives no score", "write 0.7 or soccer=0.7")
        scores |= dict.fromkeys([name] if name else list(scores), score)
    for name in scores:
        if name not in known:
            raise WorkbenchError(
                f"no class is called {name!r} here", f"name one of {', '.join(known)}"
            )
    return scores
