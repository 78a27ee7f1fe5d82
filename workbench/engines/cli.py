"""The option that says where a command works on its items."""

from typing import Annotated

import typer

EngineOption = Annotated[
    str | None,
    typer.Option(
        "--engine",
        metavar="ENGINE",
        help="Where several videos are worked on: here, processes:N, ray, ray://HOST:PORT.",
    ),
]
