"""`workbench evaluate`, `dataset`, `detect`: judge detectors, check datasets, use a student."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workbench.detect.ballnet.cli import DEFAULT, VideoByDefault, train_ball
from workbench.detect.lite.cli import train_student
from workbench.engines.cli import EngineOption

if TYPE_CHECKING:
    from workbench.detect.scores.evaluation import CocoScore

app = typer.Typer()
evaluate_app = typer.Typer(
    name="evaluate", help="Judge predictions against ground truth.", no_args_is_help=True
)
dataset_app = typer.Typer(
    name="dataset",
    help="Clip sets of labels in versions; detector datasets, checked or imported.",
    no_args_is_help=True,
)
detect_app = typer.Typer(
    name="detect",
    help="Look at a video, or train the ball network or the lite student.",
    cls=VideoByDefault,
)
app.add_typer(evaluate_app)
app.add_typer(dataset_app)
app.add_typer(detect_app)
detect_app.command("train-ball")(train_ball)
detect_app.command("train-student")(train_student)

BAD_DATASET = 2


@evaluate_app.command()
def coco(
    gt: Annotated[Path, typer.Option("--gt", metavar="FILE", help="Ground truth, COCO JSON.")],
    pred: Annotated[
        Path, typer.Option("--pred", metavar="FILE", help="Predictions, COCO results JSON.")
    ],
    kind: Annotated[
        Literal["bbox", "segm"], typer.Option("--type", help="Whether boxes or masks count.")
    ] = "bbox",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    resamples: Annotated[
        int, typer.Option("--resamples", metavar="N", min=0, help="For the intervals.")
    ] = 300,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Of the intervals.")] = 0,
) -> None:
    """Say how good detections are: COCO's twelve numbers, per class, with 95 % intervals.

    The numbers are those of pycocotools. Intervals resample whole sessions, or clips where there
    are few sessions, if images of the ground truth name them (`session`, `clip_id`); else images.
    Exit code 2 if a file is not what it should be.

    Example: workbench evaluate coco --gt truth.json --pred found.json --type segm
    """
    import json

    from workbench.detect.scores.evaluation import evaluate_coco

    score = evaluate_coco(gt, pred, kind)
    if as_json:
        print(json.dumps(score.to_dict(resamples, seed), indent=1))
        return
    _print_score(score, resamples, seed)


@dataset_app.command("check")
def check_dataset(
    path: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A COCO folder or file.")],
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Where its images are.")
    ] = None,
) -> None:
    """Name every fault of a COCO dataset by file and id: one line each.

    Looks for duplicate ids, unknown categories and images, boxes outside the image, broken masks,
    and images that are missing, of another size, or turned by their EXIF. Folders may be ours or
    exported by Roboflow or CVAT. Exit code 2 if there is a fault.

    Example: workbench dataset check data/demo/detector
    """
    from workbench.detect.dataset.coco_check import check_coco
    from workbench.detect.dataset.coco_file import find_coco

    faults = 0
    for folder in find_coco(path):
        findings = check_coco(folder.file, images or folder.images_dir)
        faults += len(findings)
        for finding in findings:
            print(finding)
        if not findings:
            print(f"{folder.file}: sound")
    if faults:
        typer.echo(f"{faults} fault{'s' * (faults > 1)}", err=True)
        raise typer.Exit(BAD_DATASET)


@dataset_app.command("import")
def import_dataset(
    source: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="COCO, made elsewhere.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The new dataset's folder.")],
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Where its images are.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            metavar="THEIRS=OURS,…",
            help="Map class names; other classes are left out.",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option("--split", metavar="NAME", help="Of images without split or session.")
    ] = "train",
    session: Annotated[
        str,
        typer.Option("--session", metavar="REGEX", help="Its group in a file name is the session."),
    ] = "",
    crowds_are_objects: Annotated[
        bool, typer.Option("--crowds-are-objects", help="Take iscrowd 1 for an object.")
    ] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out what has a fault; it is counted.")
    ] = False,
) -> None:
    """Bring a COCO dataset from Roboflow, CVAT or any other tool into the form of ours.

    Pictures are turned as their EXIF says, boxes that CVAT has turned become the box around. Exit
    code 2 if a row has a fault, unless --skip-bad, or if one picture would replace another.

    Example: workbench dataset import roboflow/ --out data/detector --classes player=person
    """
    from workbench.detect.dataset.coco_import import ImportOptions, import_coco, parse_class_map

    mapping = parse_class_map(classes) if classes else None
    options = ImportOptions(mapping, split, session, crowds_are_objects, skip_bad)
    meta = import_coco(source, out, images, options).meta
    for name, counts in meta["counts"].items():
        print(f"{name}: {', '.join(f'{n} {what}' for what, n in counts.items())}")
    for what, number in meta["left_out"].items():
        print(f"left out: {number} {what}")
    if meta["crowds"]:
        print(f"{meta['crowds']} crowds: trainers skip them (see --crowds-are-objects)")


@detect_app.command(DEFAULT)
def detect(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO…", help="What to look at.")],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="RUN", help="A run's folder, or lite.  [default: the last trained]"
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path(
        "data/detections"
    ),
    batch: Annotated[
        int, typer.Option("--batch", metavar="N", help="Frames, or tiles of one, seen at once.")
    ] = 8,
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score", min=0, max=1, help="For all classes.  [default: as validation chose]"
        ),
    ] = None,
    every: Annotated[
        int, typer.Option("--every", metavar="N", help="Look at one frame out of so many.")
    ] = 1,
    tiles: Annotated[
        bool | None,
        typer.Option("--tiles/--no-tiles", help="Look at tiles, too.  [default: as it learned]"),
    ] = None,
    track: Annotated[
        bool, typer.Option("--track/--no-track", help="Follow objects from frame to frame.")
    ] = True,
    overlay: Annotated[
        bool, typer.Option("--overlay/--no-overlay", help="Write a video with what is seen.")
    ] = True,
    device: Annotated[
        str, typer.Option("--device", metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    models_dir: Annotated[
        Path, typer.Option("--models", metavar="DIR", help="Where runs are.")
    ] = Path("data/models"),
    engine: EngineOption = None,
) -> None:
    """Find people, ball and goal in videos with a trained student.

    Writes VIDEO.coco.json (the format of labels, one image per frame) and VIDEO_overlay.mp4.
    Memory does not grow with the length of the video. Exit code 2 if it cannot be read.
    The model "lite" is the one of the package: it knows rendered footage alone, not real footage.
    `workbench detect train-ball` trains the network that finds balls for the teachers.

    Example: workbench detect match.mp4 --model data/models/tiny-1a2b3c4d --every 2
    """
    from rich.console import Console
    from rich.progress import Progress

    from workbench.detect.student.checkpoint import SHIPPED_NAME
    from workbench.detect.student.predict import PredictOptions, predict_videos
    from workbench.training.compute import choose_device, torch_threads
    from workbench.training.history import last_run

    console = Console(highlight=False, markup=False, soft_wrap=True)
    options = PredictOptions(batch, min_score, tiles, every, track, overlay)
    where = str(choose_device(device))
    is_shipped = model == Path(SHIPPED_NAME) and not model.is_dir()
    run_dir = None if is_shipped else model or last_run(models_dir, "student")
    with torch_threads(1), Progress(console=console) as progress:
        task = progress.add_task("looking", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        found = predict_videos(
            videos, run_dir, out, options, device=where, on_done=show, engine=engine
        )
    for made in found:
        rate = made.frames / made.seconds if made.seconds else 0.0
        console.print(f"{made.detections} detections in {made.frames} frames, {rate:.1f} frames/s")
        for path in (made.coco, made.overlay):
            if path is not None:
                console.print(f"  {path}")


def _print_score(score: "CocoScore", resamples: int, seed: int) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from workbench.detect.scores.evaluation import CLASS_STATS
    from workbench.stats import show_ends

    named = score.intervals(resamples, seed) if resamples else {}
    table = Table("", "value", "95 % interval", "objects", box=None, padding=(0, 2, 0, 0))
    for name, value in score.stats.items():
        ends = show_ends(named[name]) if name in named and value == value else ""
        said = f"{value:.4f}" if value == value else "–"
        table.add_row(name, said, escape(ends), str(score.objects_of(name)))
    per_class = Table("class", *CLASS_STATS, "objects", box=None, padding=(0, 2, 0, 0))
    for name in score.shown_names():
        values = (score.class_stats[name][column] for column in CLASS_STATS)
        shown = (f"{value:.3f}" if value == value else "–" for value in values)
        per_class.add_row(escape(name), *shown, str(score.count(name)))
    console = Console(highlight=False)
    console.print(
        f"{score.detections} detections and {score.objects} objects in {len(score.images)} images; "
        f"intervals resample {score.clusters.count} {score.clusters.by}s"
    )
    console.print(table, per_class, sep="\n\n")
