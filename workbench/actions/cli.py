"""`workbench dataset add|list|diff`: versions of a clip set made of people's labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.labels.cli import DatabaseOption

if TYPE_CHECKING:
    import pandas as pd

Versions = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder of versions: v1, v2 and so on.")
]


def add(
    folder: Versions,
    footage: Annotated[
        Path, typer.Option("--footage", metavar="DIR", help="The folder of clips.json.")
    ],
    db: DatabaseOption = None,
    least_stars: Annotated[
        int | None,
        typer.Option("--stars", metavar="K", min=1, max=5, help="Only clips of K stars or more."),
    ] = None,
    only_agreed: Annotated[
        bool,
        typer.Option("--agreed", help="Only what two people, or the adjudicator, have settled."),
    ] = False,
    source: Annotated[
        str | None, typer.Option("--source", metavar="TEXT", help="Where the footage is from.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="TEXT", help="What may be done with it.")
    ] = None,
    note: Annotated[
        str | None,
        typer.Option("--note", metavar="TEXT", help="What it cannot show; heads every report."),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Whose frames are stored.")
    ] = "lite0",
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of the split.")] = 0,
) -> None:
    """Make the next version of a clip set from the labels that stand.

    A clip has the class that the adjudicator says, else what most people say; ties and "unsure" are
    left out and counted. Whole sessions go to train, valid or test, and stay there in all versions.
    Where nothing has changed, no version is added.

    Example: workbench dataset add data/own/clipsets --footage data/own/footage
    """
    from dataclasses import replace

    from workbench.actions.models import stored_for
    from workbench.actions.versions import add_version, with_labels
    from workbench.footage.clips import load_clips, origin_of
    from workbench.labels.settled import Choice, settle
    from workbench.labels.store import LabelStore
    from workbench.training.versions import version_names

    clips = load_clips(footage)
    ids = {clip.clip_id for clip in clips}
    with LabelStore(db, create=False) as store:
        settled = settle(store, ids, Choice(only_agreed, least_stars))
    said = {"source": source, "licence": licence, "caveat": note}
    origin = replace(origin_of(clips), **{name: text for name, text in said.items() if text})
    before = version_names(folder)
    settings = {"origin": origin, "seed": seed, **stored_for(model)}
    made = add_version(folder, with_labels(clips, settled), footage, settled, **settings)
    word = "unchanged" if made.folder.name in before else "added"
    print(f"{made.folder.name} {word}: {len(made)} clips, content {made.version}")
    for what, count in made.meta["labels"].items():
        print(f"  {count} clips {what}")
    for warning in made.meta["warnings"]:
        print(f"  {warning}")
    _print_table(made.to_frame())


def list_versions(folder: Versions) -> None:
    """Show the versions of a clip set: clips, sessions and classes of each.

    Example: workbench dataset list data/own/clipsets
    """
    from workbench.actions.versions import version_table

    _print_table(version_table(folder))


def diff(
    folder: Versions,
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="Such as v1.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Such as v2.")],
) -> None:
    """Say what was added, removed and relabelled between two versions, with counts per class.

    Example: workbench dataset diff data/own/clipsets v1 v2
    """
    from workbench.actions.versions import compare_versions, load_version

    found = compare_versions(load_version(folder, before), load_version(folder, after))
    print(found)
    for word, clips in (("added", found.added), ("removed", found.removed)):
        for name, label in clips.items():
            print(f"  {word} {name}: {label}")
    for word, pairs in (("relabelled", found.relabelled), ("moved", found.moved)):
        for name, (was, now) in pairs.items():
            print(f"  {word} {name}: {was} → {now}")
    _print_table(found.counts)


def _print_table(frame: "pd.DataFrame") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(str(frame.index.name), *map(str, frame.columns), box=None, padding=(0, 2, 0, 0))
    for name, *row in frame.itertuples():
        table.add_row(str(name), *map(str, row))
    Console(highlight=False, markup=False).print(table)
