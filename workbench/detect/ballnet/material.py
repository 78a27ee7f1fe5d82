"""Everything the ball network learns from, made in a folder: rendered sessions and their crops.

`footage/` holds rendered sessions, from cameras 5.5 to 40 m away and hand-held; `crops/` a folder
for each group. What is there already is kept, so an interrupted making goes on. One session in ten
is for validation. The number of a session decides all that is in it, so any engine makes the same.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from workbench.detect.ballnet.crops import crops_of_clip, make_crops
from workbench.detect.ballnet.ownvideos import name_of, pasted_crops, videos_in
from workbench.detect.ballnet.training import VALID
from workbench.engines.each import every
from workbench.footage.clips import Clip
from workbench.simulated.sessions import make_footage

# Where the camera stands, in metres from the spot, session after session; None: 5.5 to 9.
CAMERAS_M = (None, 10, 20, 40, 30, 14, None, 40, 10, 20, 30, 40)
_VALID_EVERY, _VALID_PLACE = 10, 7
_ACTIONS_EVERY, _ACTIONS_PLACE = 3, 2  # with these comes a hand-held session
_SHOT_SEED, _ACTION_SEED = 70_000, 71_000
_PER_CLIP = {"shots": 24, "actions": 12}  # crops with a ball
_PER_VALID_CLIP = 8
_WINDOWS, _PER_WINDOW = 30, 3  # of an own video, and crops of each

Progress = Callable[[str, int, int], None]  # what, done, of


def make_material(
    folder: Path,
    sessions: int,
    backgrounds: Path | None = None,
    on_progress: Progress = lambda what, done, of: None,
    *,
    engine: str | None = None,
) -> Path:
    """Render sessions and cut crops; returns the folder of the crops.

    Args:
        folder: Where all of it goes.
        sessions: Shooting sessions, each filmed from two places; a third come with hand-held ones.
        backgrounds: Videos of one's own into which balls are pasted.
        on_progress: Told what is done and of how much.
        engine: Where sessions and videos are worked on (`engines.each.make_engine`).

    Raises:
        DatasetError: If there is no video among the backgrounds.
        ItemsFailedError: If some cannot be made; the others are.
    """
    videos = videos_in(backgrounds) if backgrounds else []
    numbers = {f"session {number}": number for number in range(sessions)}
    every(
        partial(_make_session, folder),
        numbers,
        "sessions",
        lambda _, done: on_progress("sessions", done, sessions),
        engine=engine,
    )
    every(
        partial(_paste_into, folder),
        {str(video): video for video in videos},
        "own videos",
        lambda _, done: on_progress("own videos", done, len(videos)),
        engine=engine,
    )
    return folder / "crops"


def _make_session(folder: Path, number: int) -> None:
    for group, footage, clips in rendered(folder / "footage", number):
        _cut(folder / "crops", group, number, footage, clips)


def _paste_into(folder: Path, video: Path) -> None:
    name = name_of(video)
    rng = np.random.default_rng([_SHOT_SEED, *name.encode()])
    make_crops(
        folder / "crops" / "pasted" / f"{name}.npy",
        partial(pasted_crops, video, _WINDOWS, _PER_WINDOW, rng),
        unknown=True,
    )


def rendered(footage: Path, number: int) -> list[tuple[str, Path, list[Clip]]]:
    """The clips of a session by group, with their folders; rendered unless they are there."""
    camera_m = CAMERAS_M[number % len(CAMERAS_M)]
    groups = []
    if number % _ACTIONS_EVERY == _ACTIONS_PLACE:
        folder = footage / f"act{number:03d}"
        clips = make_footage(
            folder, sessions=2, clips=2, shooting_sessions=0, shots=0, seed=_ACTION_SEED + number
        )
        groups.append(("actions", folder, clips))
    folder = footage / f"shot{number:03d}_{camera_m or 0:g}m"
    clips = make_footage(
        folder, sessions=0, shooting_sessions=2, shots=1, seed=_SHOT_SEED + number,
        camera_m=camera_m,
    )  # fmt: skip
    return [*groups, ("shots", folder, clips)]


def is_valid(number: int) -> bool:
    """Whether a session is for validation."""
    return number % _VALID_EVERY == _VALID_PLACE


def _cut(crops: Path, group: str, number: int, footage: Path, clips: Sequence[Clip]) -> None:
    count = _PER_VALID_CLIP if is_valid(number) else _PER_CLIP[group]
    for clip in clips:
        rng = np.random.default_rng([_SHOT_SEED, number, *clip.clip_id.encode()])
        make_crops(
            crops
            / (VALID if is_valid(number) else group)
            / f"{group}_{number:03d}_{clip.clip_id}.npy",
            partial(crops_of_clip, clip, footage, count, rng),
        )
