"""`workbench detect train-ball`, and the group that lets `workbench detect VIDEO` stay as it is."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from workbench.engines.cli import EngineOption

DEFAULT = "video"


class VideoByDefault(TyperGroup):
    """A group whose first word is a command or else the argument of `video`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before what names no other."""
        if not args or args[0] not in self.commands:
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


def train_ball(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of work.")] = Path(
        "data/models/ball"
    ),
    sessions: Annotated[
        int, typer.Option("--sessions", metavar="N", min=20, help="Rendered sessions.")
    ] = 100,
    backgrounds: Annotated[
        Path | None,
        typer.Option("--backgrounds", metavar="DIR", help="Own videos; balls are pasted in."),
    ] = None,
    clicks: Annotated[
        Path | None,
        typer.Option("--clicks", metavar="FILE", help="Clicked balls: video,frame,x,y,size."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--start",
            metavar="FILE",
            help="Weights to go on from, such as `shipped`: a fourth of the rate, one round.",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option("--epochs", metavar="N", min=2, help="Of 250 steps each.")
    ] = 20,
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", min=2, help="Crops of a step.")
    ] = 16,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=0, help="Processes that prepare batches.")
    ] = 0,
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, help="CPU threads of torch.")
    ] = 1,
    engine: EngineOption = None,
) -> None:
    """Train the ball network on rendered footage and on videos of your own.

    Renders sessions, cuts crops, trains, looks for hard examples, trains on, calibrates; writes
    DIR/ball.npz and DIR/ball.md. What is done already is kept: run it again to go on. Use it with
    the teacher "ballnet" and its option weights. Exit code 2 if an input cannot be used.

    **Examples**

    - `workbench detect train-ball --backgrounds my_videos --clicks balls.csv`
    - `workbench detect train-ball --start shipped --clicks balls.csv --sessions 30 --epochs 6`: the
      weights of the package on footage like yours
    - `workbench detect train-ball --device cuda --batch 128 --workers 15 --engine processes:16`: on
      a GPU, which waits for its crops
    """
    from rich.console import Console

    from workbench.detect.ballnet.making import Sources, train_ball
    from workbench.detect.ballnet.training import BallConfig
    from workbench.training.bar import training_bar

    console = Console(highlight=False, markup=False, soft_wrap=True)
    config = BallConfig(
        epochs=epochs, batch_size=batch, device=device, threads=threads, workers=workers
    )
    with training_bar(console, "material", score="valid_ap", score_name="AP") as bar:
        made = train_ball(
            out,
            Sources(sessions, backgrounds, clicks, _weights(start)),
            config,
            bar.on_part,
            engine=engine,
            on_step=bar.on_step,
            on_epoch=bar.on_epoch,
        )
    console.print(
        f"valid AP {made.best.scores['valid_ap']:.3f}, F1 {made.best.scores['valid_f1']:.3f}"
    )
    for path in (out / "ball.npz", out / "ball.md"):
        console.print(f"  {path}")


def _weights(name: str | None) -> Path | None:
    from workbench.detect.ballnet.stored import SHIPPED

    return SHIPPED if name == "shipped" else Path(name) if name else None
