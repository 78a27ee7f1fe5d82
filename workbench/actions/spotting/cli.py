"""`workbench spot` and `workbench evaluate spotting`: find actions in a video, judge spots."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.detect.ballnet.cli import DEFAULT, VideoByDefault
from workbench.engines.cli import EngineOption
from workbench.labels.cli import DatabaseOption

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.actions.spotting.predict import Spotted, TrainedSpotter
    from workbench.labels.events import Events


spot_app = typer.Typer(
    name="spot", help="Spot actions in a video, or train a spotter.", cls=VideoByDefault
)


@spot_app.command(DEFAULT)
def spot(
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO…", help="Of any length and frame rate.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="[default: VIDEO_spots.json]"),
    ] = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            "--model", metavar="RUN", help="A run, or folds; several: their mean.  [default: last]"
        ),
    ] = None,
    csv: Annotated[
        bool, typer.Option("--csv", help="Also write a table of the likely events.")
    ] = False,
    flip: Annotated[
        bool, typer.Option("--flip", help="Look at the mirrored video, too: twice the time.")
    ] = False,
    precision: Annotated[
        str, typer.Option("--amp", metavar="auto|off|bf16|fp16", help="Mixed precision.")
    ] = "off",
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    models_dir: Annotated[
        Path, typer.Option("--models", metavar="DIR", help="Where runs are.")
    ] = Path("data/models"),
    review: Annotated[
        bool, typer.Option("--review", help="Offer the likely events in the goal labeller.")
    ] = False,
    any_rate: Annotated[
        bool, typer.Option("--any-rate", help="Also where there are few frames a second.")
    ] = False,
    db: DatabaseOption = None,
    engine: EngineOption = None,
) -> None:
    """Say which actions happen when in videos, as SoccerNet's results_spotting.json.

    The file holds every candidate, as evaluators want it. What is counted here, in the table and on
    the page to click through are the likely ones, as validation matches chose. Raw scores stay
    beside the result; what was killed goes on where it was. Memory does not grow with the length of
    the video. With --review, `workbench serve goals` offers the likely events to be accepted, moved
    or refused, and `workbench spot labels` writes what people said. Exit code 2 if the video cannot
    be read, or has fewer frames a second than a spotter looks at. `workbench spot train` trains.

    Example: workbench spot match.mp4 -o results_spotting.json
    """
    from rich.console import Console
    from rich.progress import Progress

    from workbench.actions.spotting.greyframes import check_rate
    from workbench.actions.spotting.predict import loaded_spotter, spot_videos
    from workbench.errors import DatasetError
    from workbench.training.compute import choose_device, choose_precision, torch_threads
    from workbench.training.history import last_run

    console = Console(highlight=False, markup=False, soft_wrap=True)
    where = choose_device(device)
    runs = tuple(model or [last_run(models_dir, "spotter", "workbench spot train MATCHES")])
    if out is not None and len(videos) > 1:
        raise DatasetError(f"{out} is one file, for {len(videos)} videos", "leave out --out")
    for video in videos:
        if not any_rate:
            check_rate(video)
    files = {video: out or video.with_name(f"{video.stem}_spots.json") for video in videos}
    work_dirs = {video: file.with_name(f"{file.stem}_raw") for video, file in files.items()}
    with torch_threads(1), Progress(console=console) as progress:
        task = progress.add_task("watching", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        spotted = spot_videos(
            work_dirs, runs, str(where), precision=choose_precision(precision, where),
            flip=flip, on_done=show, engine=engine,
        )  # fmt: skip
    spotter = loaded_spotter(runs, str(where))
    if spotter.built_in:
        console.print(
            "trained on built-in matches alone: of real footage it says little that is right"
        )
    for (video, file), found in zip(files.items(), spotted, strict=True):
        likely = _write(console, spotter, video, file, found, csv=csv)
        if review:
            from workbench.actions.spotting.timeline import offer_for_review
            from workbench.labels.store import LabelStore

            with LabelStore(db) as store:
                new = offer_for_review(store, video, likely)
            folder = video.parent
            where_to = f"workbench serve goals --footage {folder}, then V (review) and W (events)"
            console.print(f"  {new} new events to review: {where_to}")


def _write(
    console: "Console", spotter: "TrainedSpotter", video: Path, file: Path, found: "Spotted", *,
    csv: bool,
) -> "Events":  # fmt: skip
    """Write what was spotted in a video, say what it is, and return the likely events."""
    from workbench.actions.spotting.decide import likely_events
    from workbench.actions.spotting.timeline import save_timeline
    from workbench.labels.events import write_csv
    from workbench.labels.soccernet import write_results

    write_results(file, found.events, video.parent.name)
    likely = likely_events(found.events, spotter.decisions)
    names = [row["label"] for row in likely.rows()]
    counts = ", ".join(f"{names.count(name)} {name}" for name in spotter.classes if name in names)
    lost = f"; {found.lost_frames} frames could not be decoded" if found.lost_frames else ""
    console.print(
        f"{len(likely)} likely events of {len(found.events)} candidates in "
        f"{found.duration_s / 60:.1f} minutes{lost}: {counts or 'none'}\n"
        f"  {file}\n  {file.with_name(f'{file.stem}_raw')} (raw scores)"
    )
    console.print(f"  {save_timeline(video, found, likely, file.with_suffix('.html'))}")
    if csv:
        write_csv(file.with_suffix(".csv"), likely)
        console.print(f"  {file.with_suffix('.csv')}")
    return likely


@spot_app.command("labels")
def write_reviewed(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="That people marked events in.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="[default: Labels-ball.json beside it]"),
    ] = None,
    annotator: Annotated[
        str | None, typer.Option("--annotator", metavar="NAME", help="Whose.  [default: people's]")
    ] = None,
    classes: Annotated[
        str, typer.Option("--classes", metavar="NAME|FILE", help="Which classes count.")
    ] = "ball",
    db: DatabaseOption = None,
) -> None:
    """Write the events that people marked in a video as labels to train and judge by.

    A model's events count once somebody has accepted them. Exit code 2 if nobody marked any.

    Example: workbench spot labels match.mp4
    """
    from workbench.actions.spotting.timeline import MODEL_NAME
    from workbench.errors import DatasetError
    from workbench.labels.events import from_entries, load_class_map
    from workbench.labels.records import read_source
    from workbench.labels.soccernet import LABELS_BALL, write_labels
    from workbench.labels.store import LabelStore

    source = read_source(video)
    with LabelStore(db, create=False) as store:
        said = store.current("event").values()
    kept = [one for one in said if one.annotator == annotator or not annotator]
    people = [one for one in kept if one.annotator != MODEL_NAME]
    events = from_entries(load_class_map(classes).classes, people, source)
    if not len(events):
        raise DatasetError(
            f"nobody marked an event of these classes in {video}",
            "mark or accept some: workbench serve goals --footage DIR",
        )
    file = out or video.with_name(LABELS_BALL)
    write_labels(file, events, video.parent.name)
    typer.echo(f"{len(events)} events in {file}")


@spot_app.command("train")
def train(
    matches: Annotated[Path, typer.Argument(metavar="DIR", help="Matches: labels beside videos.")],
    spotter: Annotated[
        str, typer.Option("--spotter", metavar="NAME", help="dense, slow_fusion, tdeed, …")
    ] = "dense",
    encoder: Annotated[
        str, typer.Option("--encoder", metavar="NAME", help="slim, or lite0 for a GPU.")
    ] = "slim",
    epochs: Annotated[int, typer.Option("--epochs", metavar="N", min=1, help="At most.")] = 2,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=1, help="Per epoch.")] = 1250,
    classes: Annotated[
        str, typer.Option("--classes", metavar="NAME|FILE", help="Which classes count.")
    ] = "ball",
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what has a fault; it is told.")
    ] = False,
    folds: Annotated[
        int,
        typer.Option("--folds", metavar="N", min=0, help="Networks, each without some matches."),
    ] = 0,
    rounds: Annotated[
        int, typer.Option("--rounds", metavar="N", min=1, help="Of folds: later ones see mistakes.")
    ] = 1,
    also: Annotated[
        Path | None,
        typer.Option("--also", metavar="DIR", help="Matches with other labels to learn from, too."),
    ] = None,
    also_classes: Annotated[
        str, typer.Option("--also-classes", metavar="NAME|FILE", help="Their classes.")
    ] = "ball",
    settings: Annotated[
        list[str] | None,
        typer.Option("-p", metavar="NAME=VALUE", help="Any other setting: mixup, start, sides …"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of clips and weights.")] = 0,
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    models_dir: Annotated[
        Path, typer.Option("--models", metavar="DIR", help="Where runs go.")
    ] = Path("data/models"),
    cache_dir: Annotated[
        Path, typer.Option("--cache", metavar="DIR", help="Grey frames; safe to delete.")
    ] = Path("data/cache/grey"),
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Decode clips as they are drawn; set -p workers=N.")
    ] = False,
) -> None:
    """Train a spotter on matches with labels; the last fifth of them validates.

    Labels are SoccerNet's Labels-ball.json, one in each match's folder, which also holds its video.
    The small spotter takes about five minutes of one CPU core. An unfinished run goes on. With
    --folds every network is judged on matches that it has not learned from, and `workbench spot`
    takes the mean of all; with --rounds 2 they learn once more, and what looked like an event where
    nobody labelled one is shown more often. Exit code 2 if a label or a video cannot be used.

    Example: workbench spot train data/matches --spotter dense
    """
    from rich.console import Console

    from workbench.actions.spotting.recipe import SpotterConfig, with_settings
    from workbench.actions.spotting.training import train_in
    from workbench.training.bar import training_bar

    console = Console(highlight=False, markup=False, soft_wrap=True)
    config = SpotterConfig(
        epochs=epochs,
        steps=steps,
        spotter=spotter,
        encoder=encoder,
        class_map=classes,
        seed=seed,
        device=device,
    )
    config = with_settings(config, settings or [])
    first = "reading the matches"
    with training_bar(console, first, score="valid_map", score_name="mAP@1") as bar:
        run_dir, scores = train_in(
            matches, models_dir, config, None if no_cache else cache_dir, skip_bad=skip_bad,
            folds=folds, rounds=rounds, also=also, also_classes=also_classes,
            on_step=bar.on_step, on_epoch=bar.on_epoch,
        )  # fmt: skip
    console.print(f"valid mAP@1 {', '.join(f'{one:.3f}' for one in scores)}\n  {run_dir}")


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
