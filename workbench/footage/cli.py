"""`workbench footage`: render built-in footage, look into video files."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="footage",
    help="Render built-in footage, or look into video files.",
    no_args_is_help=True,
)


@app.command()
def make(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the footage.")],
    sessions: Annotated[
        int, typer.Option("--sessions", metavar="N", help="Places where people do sports.")
    ] = 4,
    clips: Annotated[
        int,
        typer.Option(
            "--clips", metavar="N", help="Clips per session: the four classes in equal shares."
        ),
    ] = 8,
    shooting_sessions: Annotated[
        int,
        typer.Option(
            "--shooting-sessions", metavar="N", help="Tripods in front of a goal, on top."
        ),
    ] = 1,
    shots: Annotated[
        int, typer.Option("--shots", metavar="N", help="Shots per shooting session.")
    ] = 4,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Same seed, same footage.")] = 0,
    size: Annotated[
        str, typer.Option("--size", metavar="W×H", help="Pixels, both even: 640x360.")
    ] = "640x360",
    workers: Annotated[
        int | None, typer.Option("--workers", metavar="N", help="Processes.  [default: cores]")
    ] = None,
) -> None:
    """Render filmed-looking sessions whose truth is known to the pixel.

    Writes clips/*.mp4, truth/*.json (COCO with masks, track ids, joints, camera and the ball in 3D)
    and clips.json. What is there already is kept: run it again to go on.

    Example: workbench footage make --out data/mine --sessions 6 --clips 12 --seed 1
    """
    import os

    from rich.console import Console
    from rich.progress import Progress

    from workbench.simulated.sessions import make_footage

    console = Console()
    with Progress(console=console) as progress:
        task = progress.add_task("rendering", total=None)
        made = make_footage(
            out,
            sessions=sessions,
            clips=clips,
            shooting_sessions=shooting_sessions,
            shots=shots,
            seed=seed,
            size_wh=_size(size),
            workers=workers if workers is not None else os.cpu_count() or 1,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    console.print(f"{len(made)} clips in {out}", highlight=False, markup=False)


@app.command()
def probe(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Videos.")],
    decode: Annotated[
        bool, typer.Option("--decode", help="Also decode every frame, to find broken ones.")
    ] = False,
) -> None:
    """Say what video files really hold, and what is odd about them.

    Example: workbench footage probe match.mp4 --decode
    """
    from rich.console import Console

    from workbench.footage.video_info import probe as look

    console = Console(highlight=False, markup=False, soft_wrap=True)
    for file in files:
        info = look(file, decode=decode)
        sound = "with sound" if info.has_audio else "no sound"
        console.print(
            f"{file}: {info.width}×{info.height}, {info.frame_count} frames at "
            f"{float(info.fps):.3f} fps ({info.fps}), {info.duration_s:.2f} s, "
            f"{info.codec} in {info.container}, {sound}"
        )
        for oddity in info.oddities:
            console.print(f"  {oddity}")
        if info.frames_lost:
            first = ", ".join(str(frame) for frame in info.frames_lost[:8])
            console.print(f"  {len(info.frames_lost)} frames cannot be decoded whole: {first} …")


def _size(text: str) -> tuple[int, int]:
    from workbench.errors import FootageError

    try:
        width, height = (int(side) for side in text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise FootageError(f"--size {text!r} is not a size", "write it as 640x360") from None
    return width, height
