"""`workbench evaluate spotting`: how good spots are."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from workbench.labels.events import Events


def evaluate_spotting(
    gt: Annotated[Path, typer.Option("--gt", metavar="DIR|ZIP", help="Labels, as SoccerNet's.")],
    pred: Annotated[
        Path, typer.Option("--pred", metavar="DIR|ZIP", help="results_spotting.json, same folders.")
    ],
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="at1, at0.4 …, tight, loose or team.")
    ] = "at1",
    fps: Annotated[
        float, typer.Option("--fps", metavar="N", min=1, max=1000, help="Bins per second.")
    ] = 25,
    classes: Annotated[
        str,
        typer.Option("--classes", metavar="NAME|FILE", help="ball, ball-10, ball-2, soccernet-v2."),
    ] = "ball",
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="FILE", help="Name of the label files.")
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what has a fault; it is told.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    resamples: Annotated[
        int, typer.Option("--resamples", metavar="N", min=0, help="For the intervals.")
    ] = 300,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of the intervals.")] = 0,
) -> None:
    """Say how good spotted events are: SoccerNet's mAP, per class, with 95 % intervals.

    The numbers are those of the SoccerNet package. `at1` accepts a spot within half a second of its
    label, not a second; the window is said. Intervals resample whole matches, or 30-s blocks where
    there are few. Exit code 2 if a file is not what it should be, a match has no spots, or spots
    are of a match that is not there.

    Example: workbench evaluate spotting --gt data/matches --pred spots --metric tight
    """
    import json

    from workbench.actions.spotting.report import score_to_dict
    from workbench.actions.spotting.scores import metric as named
    from workbench.actions.spotting.scores import score_spots, score_teams
    from workbench.labels.events import load_class_map
    from workbench.labels.soccernet import LABELS_BALL, LABELS_V2, RESULTS

    chosen = named("at1" if metric == "team" else metric)
    class_map = load_class_map(classes)
    name = labels or (LABELS_V2 if classes == "soccernet-v2" else LABELS_BALL)
    options = {"class_map": class_map, "skip_bad": skip_bad, "fps": fps}
    truth, faults = _read(gt, name, options)
    found, more = _read(pred, RESULTS, options)
    faults += more + _pair(truth, found, skip_bad)
    for fault in faults:
        typer.echo(f"left out: {fault}", err=True)
    score = (score_teams if metric == "team" else score_spots)(truth, found, fps)
    said = score_to_dict(score, chosen, resamples, seed)
    if as_json:
        print(json.dumps(said | {"faults": len(faults)}, indent=1))
    else:
        _print(said)


def _read(
    root: Path, name: str, options: Mapping[str, Any]
) -> tuple[dict[str, "Events"], list[str]]:
    from workbench.labels.soccernet import find_matches, read_events

    match_to_events: dict[str, Events] = {}
    faults: list[str] = []
    for match, file in find_matches(root, name).items():
        read = read_events(file, **options)
        match_to_events[match] = read.events
        faults += read.faults
    return match_to_events, faults


def _pair(truth: Mapping[str, Any], found: dict[str, Any], skip_bad: bool) -> list[str]:
    """Refuse matches that only one side has; where faults are left out, say which those are."""
    from workbench.errors import DatasetError

    strangers = [f"spots of {name}, a match without labels" for name in found if name not in truth]
    silent = [f"no spots of {name}: all missed" for name in truth if name not in found]
    if (strangers or silent) and not skip_bad:
        raise DatasetError(
            (strangers + silent)[0], "give both folders the same matches, or --skip-bad"
        )
    for name in set(found) - set(truth):
        del found[name]
    return strangers + silent


def _print(said: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("class", "AP", "95 % interval", "labels", box=None, padding=(0, 2, 0, 0))
    for name, row in said["per_class"].items():
        is_there = row["value"] is not None
        ends = (
            escape(_ends(row["low"], row["high"])) if is_there and said["intervals"]["mAP"] else ""
        )
        table.add_row(escape(name), f"{row['value']:.4f}" if is_there else "–", ends, str(row["n"]))
    console = Console(highlight=False, soft_wrap=True)
    window = ", ".join(f"±{ms:.0f}" for ms in said["window_ms"])
    means = []
    for key, what in (("mAP", "all classes"), ("mAP_present", "classes with labels")):
        ends = said["intervals"][key]
        value = "–" if said[key] is None else f"{said[key]:.4f}"
        means.append(
            f"{value}{' ' + _ends(*ends) if ends and said[key] is not None else ''} over {what}"
        )
    console.print(
        f"mAP ({said['metric']}): {', '.join(means)}\n"
        f"{said['spots']} spots and {said['n']} labels in {said['matches']} matches; a spot counts "
        f"within {window} ms of its label (bins of {1000 / said['fps']:.0f} ms); intervals "
        f"resample {said['resampled']['groups']} {said['resampled']['by']}s",
        markup=False,
    )
    console.print(table)
    if said.get("mistakes"):
        kinds = list(next(iter(said["mistakes"].values())))
        errors = Table("class", *kinds, box=None, padding=(0, 2, 0, 0))
        for name, row in said["mistakes"].items():
            errors.add_row(escape(name), *map(str, row.values()))
        console.print(
            "\nOf each class the surest spots, as many as it has labels:", errors, sep="\n"
        )


def _ends(low: float, high: float) -> str:
    return f"[{low:.3f}, {high:.3f}]"
