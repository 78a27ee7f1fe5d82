"""`workbench log`: an entry of the engineering log from two sets of runs."""

from pathlib import Path
from typing import Annotated

import typer

RunsOption = Annotated[
    list[str] | None,
    typer.Option(metavar="STAGE[/RUN]", help="Repeatable.  [default: the last two of each stage]"),
]


def log(
    before: RunsOption = None,
    after: RunsOption = None,
    title: Annotated[str, typer.Option("--title", metavar="TEXT", help="What was done.")] = "",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where reports are.")] = Path(
        "reports"
    ),
) -> None:
    """Write a dated entry: what changed between two sets of runs, and what to make of it.

    Numbers before and after with intervals, paired where both runs judged the same items; what got
    worse; asterisks (the footage's caveat, batched changes, few items); the confusion matrix in
    words. Each number links to its metrics.json. The entry goes to DIR/log as Markdown and HTML.

    **Example**: `workbench log --before confusion_report/demo-1a2b3c4d --after confusion_report`
    """
    from rich.console import Console

    from workbench.runs.log import find_pairs, write_entry

    pairs = find_pairs(out.absolute(), before or (), after or ())
    for path in write_entry(out.absolute(), pairs, title):
        Console().print(str(path), highlight=False, markup=False, soft_wrap=True)
