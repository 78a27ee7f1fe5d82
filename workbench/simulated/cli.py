"""The command `workbench footage make`, which renders built-in footage."""

from pathlib import Path
from typing import Annotated

import typer


def make(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the footage.")],
    sessions: Annotated[int, typer.Option(metavar="N", help="Places where people do sports.")] = 4,
    clips: Annotated[
        int, typer.Option(metavar="N", help="Clips per session: the four classes in equal shares.")
    ] = 8,
    shooting_sessions: Annotated[
        int, typer.Option(metavar="N", help="Tripods in front of a goal, on top.")
    ] = 1,
    shots: Annotated[int, typer.Option(metavar="N", help="Shots per shooting session.")] = 4,
    seed: Annotated[int, typer.Option(metavar="S", help="Same seed, same footage.")] = 0,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="W×H",
            help="Both even; action clips get 0.6 of it.  [default: 640x360; matches 398x224, "
            "long 256x144]",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes.  [default: cores]")
    ] = None,
    matches: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Football matches to spot actions in, and no more."),
    ] = None,
    long: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Long sessions to find highlights in, and no more."),
    ] = None,
    minutes: Annotated[
        float,
        typer.Option(metavar="M", help="Length of each match or session; ten take a CPU minute."),
    ] = 5.0,
    rates: Annotated[
        str, typer.Option(metavar="busy|real", help="Matches with many rare actions, or as real.")
    ] = "busy",
    busy: Annotated[
        bool, typer.Option("--busy", help="Long sessions with act after act: to learn from.")
    ] = False,
) -> None:
    """Render filmed-looking sessions whose truth is known to the pixel.

    Writes clips/*.mp4, truth/*.json (COCO with masks, track ids, joints, camera and the ball in 3D)
    and clips.json. What is there already is kept: run it again to go on. With --matches, writes
    matches instead: video, Labels-ball.json as SoccerNet has it, and the ball's path in metres.
    With --long, writes sessions in which acts of all sports come between idle play, with truth.

    Example: workbench footage make --out data/mine --sessions 6 --clips 12 --seed 1
    """
    import os

    from rich.console import Console
    from rich.progress import Progress

    from workbench.engines.each import ENGINE_VARIABLE
    from workbench.simulated.sessions import make_footage

    console = Console()
    engine = f"processes:{workers}" if workers else os.environ.get(ENGINE_VARIABLE, "processes")
    if matches:
        from workbench.simulated.matches.making import make_matches

        width, height = _size(size or "398x224")
        with Progress(console=console) as progress:
            task = progress.add_task("filming", total=matches)
            folders = make_matches(
                out,
                matches,
                minutes,
                seed,
                engine=engine,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
                rates=rates,
                width=width,
                height=height,
            )
        console.print(f"{len(folders)} matches in {out}", highlight=False, markup=False)
        return
    if long:
        from workbench.simulated.longplay import make_long

        with Progress(console=console) as progress:
            task = progress.add_task("filming", total=long)
            clips_made = make_long(
                out,
                long,
                minutes,
                seed,
                size_wh=_size(size or "256x144"),
                is_busy=busy,
                engine=engine,
                on_progress=lambda done, total: progress.update(task, completed=done, total=total),
            )
        console.print(f"{len(clips_made)} sessions in {out}", highlight=False, markup=False)
        return
    with Progress(console=console) as progress:
        task = progress.add_task("rendering", total=None)
        made = make_footage(
            out,
            sessions=sessions,
            clips=clips,
            shooting_sessions=shooting_sessions,
            shots=shots,
            seed=seed,
            size_wh=_size(size or "640x360"),
            engine=engine,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(f"{len(made)} clips in {out}", highlight=False, markup=False)


def _size(text: str) -> tuple[int, int]:
    from workbench.errors import FootageError

    try:
        width, height = (int(side) for side in text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise FootageError(f"--size {text!r} is not a size", "write it as 640x360") from None
    return width, height
