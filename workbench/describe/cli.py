"""`workbench describe`: a few true sentences about clips, and their key frames."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.engines.cli import EngineOption


def describe(
    clips: Annotated[list[Path], typer.Argument(metavar="CLIP…", help="Short videos.")],
    frames: Annotated[
        int, typer.Option("--frames", metavar="N", min=1, help="Key frames of each.")
    ] = 8,
    least: Annotated[
        float, typer.Option("--least", min=0, max=1, help="How likely a fact must be to be said.")
    ] = 0.8,
    models_dir: Annotated[
        Path, typer.Option("--models", metavar="DIR", help="Where classifiers are.")
    ] = Path("data/models"),
    pose_model: Annotated[
        Path, typer.Option("--pose-model", metavar="FILE", help="A .task file, or its folder.")
    ] = Path("data/models/pose"),
    writer: Annotated[
        Path | None,
        typer.Option(
            "--writer", metavar="RUN", help="A writer that was trained, beside the rules."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where key frames and texts go.")
    ] = Path("data/descriptions"),
    engine: EngineOption = None,
) -> None:
    """Say what clips show, as far as it is known, and save their key frames.

    The sport comes from the classifier that was trained last; of footage unlike that which it has
    learned from, nothing is said. What a trained writer says, marked with ~, nobody checks.
    Writes OUT/CLIP.jpg and OUT/descriptions.json.

    Example: workbench describe data/demo/actions/clips/action00_003.mp4
    """
    from dataclasses import replace

    from rich.console import Console

    from workbench.describe.clips import (
        as_clips,
        call_sports,
        describe_clips,
        save_key_frames,
        small_frames,
    )
    from workbench.describe.sure import Sureness
    from workbench.saving import save_json, to_json
    from workbench.shots.players.pose import pose_finder

    pose, learned = pose_finder("auto", pose_model), None
    if writer is not None:
        from workbench.describe.learned import LearnedWriter

        learned = LearnedWriter(writer)
    console, told = Console(highlight=False, markup=False, soft_wrap=True), {}
    for folder, group in as_clips(clips).items():
        called = call_sports(group, folder, models_dir, out / "clipset")
        described = describe_clips(
            group, folder, called, sure=Sureness(least), k=frames, pose=pose, engine=engine
        )
        for clip, one in zip(group, described, strict=True):
            console.print(f"{one.clip_id}: {one.text}")
            if learned is not None:
                one = replace(one, learned=learned.describe(small_frames(clip, folder)))
                console.print(f"{one.clip_id} ~ {one.learned}")
            save_key_frames(clip, folder, one, out / f"{one.clip_id}.jpg")
            told[one.clip_id] = to_json(one)
    save_json(out / "descriptions.json", told)
