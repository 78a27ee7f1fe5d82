"""The command `workbench footage`: what video files really hold."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="footage", help="Render built-in footage, or look into video files.", no_args_is_help=True
)


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
