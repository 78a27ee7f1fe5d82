"""Rendered pictures the lite student learns from: a folder with a COCO dataset for each session.

`footage/` holds the rendered clips, `pictures/` what is taken of them. Even sessions are shots at a
goal filmed from where the demo's camera stands, odd ones from 9 to 40 m; with each come two places
where people do sports. The number of a session decides all that is in it; one in ten is for
validation. What is there already is kept, so an interrupted making goes on.
"""

import math
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from workbench.detect.dataset.coco import export_dataset
from workbench.detect.store import load_truth
from workbench.footage.clips import Clip
from workbench.simulated.sessions import make_footage
from workbench.training.versions import META

SEED, TEST_SEED = 80_000, 90_000  # of the first session: to learn from, to be tested on
KINDS = {
    "shot": "shots at a goal, 5.5 to 9 m",
    "far": "shots at a goal, 9 to 40 m",
    "act": "actions, hand-held",
}
_EVERY = {"shot": 5, "far": 5, "act": 6}  # frames: one in so many is taken
_FEWER = 4  # times fewer of sessions that nothing is learned from
_FAR_M = (9.0, 40.0)
_VALID_EVERY, _VALID_PLACES = 20, (6, 7)  # a near and a far session
REPLAYED = (0, 1, *_VALID_PLACES)  # sessions that fine-tuning repeats, and is judged on

Progress = Callable[[int, int], None]  # done, of


def make_pictures(
    folder: Path,
    numbers: Iterable[int],
    *,
    seed: int = SEED,
    few: bool = False,
    on_progress: Progress = lambda done, of: None,
) -> Path:
    """Render sessions and take pictures of them; returns the folder of the datasets.

    Args:
        folder: Where all of it goes.
        numbers: Of the sessions; each is two tripods in front of a goal and two places of sports.
        seed: `SEED`, or `TEST_SEED`: then all of it is the split "test".
        few: Half as many clips of each session.
        on_progress: Told how many sessions are done, and of how many.
    """
    every = list(numbers)
    for done, number in enumerate(every, start=1):
        for group in ("far" if number % 2 else "shot", "act"):
            _take(folder, group, number, seed, few)
        on_progress(done, len(every))
    return folder / "pictures"


def split_of(number: int, seed: int = SEED) -> str:
    """Return what a session is for: train, valid or test."""
    if seed == TEST_SEED:
        return "test"
    return "valid" if number % _VALID_EVERY in _VALID_PLACES else "train"


def _take(folder: Path, group: str, number: int, seed: int, few: bool) -> None:
    name = f"{group}_{number:03d}"
    pictures, footage = folder / "pictures" / name, folder / "footage" / name
    if (pictures / META).exists():
        return
    clips = _rendered(footage, group, number, seed, few)
    split = split_of(number, seed)
    export_dataset(
        clips,
        load_truth(clips, footage),
        footage,
        pictures,
        dict.fromkeys((clip.session for clip in clips), split),
        every=_EVERY[group] * (1 if split == "train" else _FEWER),
        min_change=0,
    )


def _rendered(footage: Path, group: str, number: int, seed: int, few: bool) -> list[Clip]:
    """The clips of a session, rendered unless they are there."""
    if group == "act":
        return make_footage(
            footage, sessions=2, clips=2 if few else 4, shooting_sessions=0, shots=0,
            seed=seed + number,
        )  # fmt: skip
    low, high = (math.log(metres) for metres in _FAR_M)
    far_m = round(math.exp(np.random.default_rng([seed, number]).uniform(low, high)), 1)
    return make_footage(
        footage, sessions=0, shooting_sessions=2, shots=1 if few else 2, seed=seed + number,
        camera_m=far_m if group == "far" else None,
    )  # fmt: skip
