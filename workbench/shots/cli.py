"""`workbench coach`: what a coach says about the shot in a video."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Name = Literal["rules", "server", "local"]
WORK = Path("data/coach")

# What `workbench coach` and the coach's page are asked alike.
ServerOption = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="A model, OpenAI-compatible, up to /v1."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME", help="The server's, or a local name or folder."),
]
SeesOption = Annotated[bool, typer.Option("--sees", help="Send pictures of the strike along, too.")]
TeacherOption = Annotated[
    str, typer.Option("--teacher", metavar="NAME", help="Who finds people and balls.")
]
PatienceOption = Annotated[
    float, typer.Option("--patience", metavar="S", help="How long a server may be silent.")
]
WorkOption = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Where uploads, analyses and pictures go.")
]


def coach(
    shot: Annotated[
        Path, typer.Argument(metavar="VIDEO|SHOT", help="A video, or a shot that was analysed.")
    ],
    by: Annotated[
        Name | None, typer.Option("--coach", help="Who talks.  [default: rules, or as given]")
    ] = None,
    server: ServerOption = None,
    model: ModelOption = None,
    sees: SeesOption = False,
    patience: PatienceOption = 10.0,
    out: WorkOption = WORK,
    teacher: TeacherOption = "auto",
    facts_only: Annotated[
        bool, typer.Option("--facts", help="Print what was measured and nothing else.")
    ] = False,
) -> None:
    """Coach a shot: Verdict, Fix, Fix, Drill, of nothing but what was measured.

    Every sentence of a model is checked before it is printed; one that is not true to the facts is
    replaced by the rules' own and marked with *.

    Example: workbench coach my_shot.mp4 --server http://127.0.0.1:8080/v1 --model qwen
    """
    from rich.console import Console

    from workbench.shots.coach.advice import advise
    from workbench.shots.coach.coaches import make_coach
    from workbench.shots.coach.facts import facts_of, facts_words, read_facts
    from workbench.shots.coach.strike import strike_pictures
    from workbench.shots.onevideo import analyse_video

    console = Console(highlight=False, markup=False)
    name = by or ("server" if server else "local" if model else "rules")
    talks = make_coach(name, url=server, model=model, sees=sees, patience_s=patience)
    pictures: list[bytes] = []
    if shot.suffix == ".json":
        facts = read_facts(shot)
    else:
        with console.status("") as status:
            done = analyse_video(shot, out, teacher=teacher, on_stage=status.update)
        facts = facts_of(done.shot)
        pictures = strike_pictures(done.shot, done.video) if sees else []
        console.print(f"{done.page}\n", soft_wrap=True)
    if facts_only:
        console.print(facts_words(facts))
        return
    part = ""
    for one in advise(facts, talks, pictures):
        if one.part != part:
            part = one.part
            console.print(part)
        console.print(f"  {one.text}{f'  * {one.replaced}' if one.replaced else ''}")
