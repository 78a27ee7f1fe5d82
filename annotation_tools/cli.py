"""`workbench serve`: the browser tools, each at one address with a token.

Thin: reads options and starts a server; what a tool needs is imported when it is started.
"""

import getpass
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from click.core import ParameterSource

from workbench.labels.cli import DatabaseOption
from workbench.shots.cli import (
    WORK,
    ModelOption,
    PatienceOption,
    SeesOption,
    ServerOption,
    TeacherOption,
    WorkOption,
)

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from annotation_tools.serving import MediaIndex
    from annotation_tools.serving.guard import Guard
    from annotation_tools.serving.server import MakeApp

FRONT_PORT, CLIPPER_PORT, GOALS_PORT, COACH_PORT = 8800, 8801, 8802, 8803
# Where footage is looked for if none is named: one's own first, then what `make demo` has made.
CLIPS, VIDEOS = Path("data/clips"), (Path("data/raw"), Path("data/own/footage"))
BUILT_IN = (Path("data/demo/footage"), Path("data/scratch/footage"))
# Written for jupyter-server-proxy, which starts the tools without options.
FOOTAGE_VARIABLE, ANNOTATOR_VARIABLE = "WORKBENCH_FOOTAGE", "WORKBENCH_ANNOTATOR"

app = typer.Typer(name="serve", invoke_without_command=True)

_TYPED = ParameterSource.COMMANDLINE

FootageOption = Annotated[
    Path | None,
    typer.Option(
        "--footage",
        metavar="DIR",
        envvar=FOOTAGE_VARIABLE,
        help="The videos.  [default: your own below data/, else the demo's]",
        show_default=False,
    ),
]
AnnotatorOption = Annotated[
    str | None,
    typer.Option(
        "--annotator",
        metavar="NAME",
        envvar=ANNOTATOR_VARIABLE,
        help="Who labels.  [default: your login name]",
        show_default=False,
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=0, max=65_535, help="Fail if this port is taken."),
]
HostOption = Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")]
RemoteOption = Annotated[
    bool, typer.Option("--allow-remote", help="Let other computers in. Not encrypted.")
]
AllowHostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-host",
        metavar="NAME",
        help="Answer to this name, too, such as a proxy's. Repeatable.",
    ),
]
BrowserOption = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")
]
KeysOption = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="FILE",
        help="Your own keys, as JSON.  [default: ~/.config/workbench/keys.json]",
        show_default=False,
    ),
]
CacheOption = Annotated[
    Path, typer.Option("--cache", metavar="DIR", help="Thumbnails and timelines.")
]
VerdictsOption = Annotated[
    Path | None,
    typer.Option(
        "--verdicts",
        metavar="FILE",
        help="A model's verdicts, for review.  [default: of the run beside the clips]",
        show_default=False,
    ),
]
SocketOption = Annotated[
    Path | None, typer.Option("--socket", metavar="FILE", hidden=True, help="For Jupyter.")
]


OutOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Exported clips and clips.json.")
]


@app.callback()
def front(
    context: typer.Context,
    footage: FootageOption = None,
    out: OutOption = CLIPS,
    reports: Annotated[
        Path, typer.Option("--reports", metavar="DIR", help="What workbench run has written.")
    ] = Path("reports"),
    db: DatabaseOption = None,
    annotator: AnnotatorOption = None,
    port: PortOption = None,
    host: HostOption = "127.0.0.1",
    allow_remote: RemoteOption = False,
    allow_host: AllowHostOption = None,
    browser: BrowserOption = True,
    keys: KeysOption = None,
    cache: CacheOption = Path("data/cache/serving"),
    unix_socket: SocketOption = None,
) -> None:
    """Open the tools in a browser: all on one page, or one of them by name.

    Alone it opens the front page: the tools, what waits for you, the reports.

    Example: workbench serve
    """
    if context.invoked_subcommand is not None:
        given = [one for one in context.params if context.get_parameter_source(one) is _TYPED]
        if given:
            name = f"--{given[0].replace('_', '-')}"
            raise typer.BadParameter(f"write {name} after {context.invoked_subcommand}")
        return
    from annotation_tools.clipper import make_clipper
    from annotation_tools.coach import make_coach_page
    from annotation_tools.front import Place, make_front
    from annotation_tools.goals import make_goals
    from annotation_tools.serving.guard import Guard as Inside
    from workbench.errors import WorkbenchError
    from workbench.labels.store import LabelStore
    from workbench.shots.coach.coaches import make_coach

    def make(guard: "Guard") -> "Starlette":
        store, who = LabelStore(db), annotator or _login()
        inside, own_keys = Inside.behind_proxy(), _keys(keys)

        def clipper_place() -> Place:
            folder, media = _find(footage, (*VIDEOS, *BUILT_IN), cache, leave_out=out)
            made = make_clipper(
                media=media, store=store, guard=inside, out_dir=out, annotator=who, keys=own_keys
            )
            return Place(folder, media, made)

        def goals_place() -> Place:
            folder, media = _find(footage, (CLIPS, *reversed(VIDEOS), *BUILT_IN), cache)
            made = make_goals(
                media=media, store=store, guard=inside, folder=folder, annotator=who, keys=own_keys
            )
            return Place(folder, media, made)

        def coach_place() -> Place:
            folder, media = _find(footage, (*VIDEOS, CLIPS, *BUILT_IN), cache, leave_out=WORK)
            made = make_coach_page(
                media=media, store=store, guard=inside, work_dir=WORK.absolute(),
                coaches={"Rules": make_coach("rules")},
            )  # fmt: skip
            return Place(folder, media, made)

        places = {}
        made_by = {"clipper": clipper_place, "goals": goals_place, "coach": coach_place}
        for name, place in made_by.items():
            try:
                places[name] = place()
            except WorkbenchError as error:
                places[name] = Place(problem=error)
        return make_front(
            places=places,
            store=store,
            guard=guard,
            clips_out=out,
            reports=reports,
            annotator=who,
        )

    _serve(make, FRONT_PORT, port, host, allow_remote, allow_host, browser, unix_socket)


@app.command()
def clipper(
    footage: FootageOption = None,
    out: OutOption = CLIPS,
    db: DatabaseOption = None,
    annotator: AnnotatorOption = None,
    port: PortOption = None,
    host: HostOption = "127.0.0.1",
    allow_remote: RemoteOption = False,
    allow_host: AllowHostOption = None,
    browser: BrowserOption = True,
    keys: KeysOption = None,
    cache: CacheOption = Path("data/cache/serving"),
    unix_socket: SocketOption = None,
) -> None:
    """Cut clips out of long videos, to the frame.

    Every cut is in the label database the moment it is made; exporting writes DIR/clips/*.mp4 and
    DIR/clips.json.

    Example: workbench serve clipper --footage ~/matches --out data/clips
    """
    from annotation_tools.clipper import make_clipper
    from workbench.labels.store import LabelStore

    def make(guard: "Guard") -> "Starlette":
        _, media = _find(footage, (*VIDEOS, *BUILT_IN), cache, leave_out=out)
        return make_clipper(
            media=media,
            store=LabelStore(db),
            guard=guard,
            out_dir=out,
            annotator=annotator or _login(),
            keys=_keys(keys),
        )

    _serve(make, CLIPPER_PORT, port, host, allow_remote, allow_host, browser, unix_socket)


@app.command()
def goals(
    footage: FootageOption = None,
    db: DatabaseOption = None,
    verdicts: VerdictsOption = None,
    annotator: AnnotatorOption = None,
    port: PortOption = None,
    host: HostOption = "127.0.0.1",
    allow_remote: RemoteOption = False,
    allow_host: AllowHostOption = None,
    browser: BrowserOption = True,
    keys: KeysOption = None,
    cache: CacheOption = Path("data/cache/serving"),
    blind: Annotated[
        bool,
        typer.Option("--blind", help="No names of clips, another order for each, no review."),
    ] = False,
    events: Annotated[
        str, typer.Option("--events", metavar="A,B", help="Labels of events, such as kick,save.")
    ] = "",
    tolerance: Annotated[
        int | None,
        typer.Option(
            "--tolerance",
            metavar="FRAMES",
            min=0,
            help="Events farther apart are two.  [default: 12]",
            show_default=False,
        ),
    ] = None,
    team: Annotated[
        str, typer.Option("--team", metavar="A,B", help="Share the clips out among these people.")
    ] = "",
    each: Annotated[
        int, typer.Option("--each", metavar="N", min=1, help="People to a clip, of the team.")
    ] = 2,
    truth: Annotated[
        str | None,
        typer.Option(
            "--truth",
            metavar="NAME",
            help="Whose answers are known: the team gets all those clips.  [default: settled ones]",
            show_default=False,
        ),
    ] = None,
    unix_socket: SocketOption = None,
) -> None:
    """Say for every clip whether it shows a goal, and in which frame.

    Example: workbench serve goals --footage data/clips
    """
    from annotation_tools.goals import Round, make_goals
    from workbench.labels.store import LabelStore

    labelling = Round(
        blind=blind,
        team=_names(team),
        each=each,
        truth=truth,
        events=_names(events),
        tolerance_frames=tolerance,
    )

    def make(guard: "Guard") -> "Starlette":
        folder, media = _find(footage, (CLIPS, *reversed(VIDEOS), *BUILT_IN), cache)
        return make_goals(
            media=media,
            store=LabelStore(db),
            guard=guard,
            folder=folder,
            annotator=annotator or _login(),
            keys=_keys(keys),
            verdicts=verdicts,
            labelling=labelling,
        )

    _serve(make, GOALS_PORT, port, host, allow_remote, allow_host, browser, unix_socket)


@app.command()
def coach(
    footage: FootageOption = None,
    out: WorkOption = WORK,
    server: ServerOption = None,
    model: ModelOption = None,
    sees: SeesOption = False,
    patience: PatienceOption = 10.0,
    teacher: TeacherOption = "auto",
    pose_model: Annotated[
        Path, typer.Option("--pose-model", metavar="FILE", help="A .task file, or its folder.")
    ] = Path("data/models/pose"),
    upload_mb: Annotated[
        int, typer.Option("--upload-mb", metavar="N", min=1, help="Largest video to be sent.")
    ] = 100,
    db: DatabaseOption = None,
    port: PortOption = None,
    host: HostOption = "127.0.0.1",
    allow_remote: RemoteOption = False,
    allow_host: AllowHostOption = None,
    browser: BrowserOption = True,
    cache: CacheOption = Path("data/cache/serving"),
    unix_socket: SocketOption = None,
) -> None:
    """See what was measured of a shot, and hear a coach who says nothing else.

    With --server or --model a second coach is at the toggle; whatever it says is checked first.

    Example: workbench serve coach --footage ~/shots --server http://127.0.0.1:8080/v1 --model qwen
    """
    from annotation_tools.coach import make_coach_page
    from workbench.labels.store import LabelStore
    from workbench.shots.coach.coaches import make_coach

    coaches = {"Rules": make_coach("rules")}
    if server or model:
        name = "server" if server else "local"
        other = make_coach(name, url=server, model=model, sees=sees, patience_s=patience)
        coaches[f"{other.name} ({name})"] = other

    def make(guard: "Guard") -> "Starlette":
        _, media = _find(footage, (*VIDEOS, CLIPS, *BUILT_IN), cache, leave_out=out)
        return make_coach_page(
            media=media,
            store=LabelStore(db),
            guard=guard,
            work_dir=out.absolute(),
            coaches=coaches,
            settings={"teacher": teacher, "pose_model": pose_model},
            upload_bytes=upload_mb << 20,
        )

    _serve(make, COACH_PORT, port, host, allow_remote, allow_host, browser, unix_socket)


def _find(
    footage: Path | None, places: Sequence[Path], cache: Path, leave_out: Path | None = None
) -> "tuple[Path, MediaIndex]":
    """Return the folder that was named, else the first of the places with a video, and its index.

    Raises:
        ServingError: If there is no video.
    """
    from annotation_tools.serving import MediaIndex
    from annotation_tools.serving.problem import ServingError

    if footage is not None:
        return footage, MediaIndex.from_folder(footage, cache, leave_out)
    for folder in places:
        with suppress(ServingError):
            return folder, MediaIndex.from_folder(folder, cache, leave_out)
    raise ServingError(
        f"there is no footage below {Path('data').absolute()} yet",
        f"copy videos to {VIDEOS[0]}, or make some: workbench run make_footage",
    )


def _serve(
    make: "MakeApp",
    default_port: int,
    port: int | None,
    host: str,
    allow_remote: bool,
    allow_host: list[str] | None,
    browser: bool,
    unix_socket: Path | None,
) -> None:
    from rich.console import Console

    from annotation_tools.serving.server import run, run_on_socket

    if unix_socket is not None:
        run_on_socket(make, unix_socket)
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    run(
        make,
        host=host,
        port=default_port if port is None else port,
        port_is_fixed=port is not None,
        allow_remote=allow_remote,
        allow_hosts=allow_host or (),
        open_browser=browser,
        say=lambda url: console.print(url),
    )


def _names(text: str) -> list[str]:
    """What stands between commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user database
        return "annotator"


def _keys(given: Path | None) -> Path:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return given if given is not None else config / "workbench" / "keys.json"
