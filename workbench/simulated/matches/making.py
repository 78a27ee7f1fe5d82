"""Built-in matches on disk, in SoccerNet's form: video, labels, and the path of the ball.

The unit is one match: a folder with `224p.mp4` (or by its height), `Labels-ball.json`, `ball.npy`
(frames, 3) in metres, and `match.json`, which says what made it and is written last: a match that
has it is whole, and is kept. The same seed gives the same bytes.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import DatasetError, FootageError
from workbench.footage.writer import VideoWriter
from workbench.saving import reading, replacing, save_json
from workbench.simulated.matches.film import Box, Film
from workbench.simulated.matches.pitch import FPS, RATES
from workbench.simulated.matches.story import play_match

LABELS, BALL, MADE = "Labels-ball.json", "ball.npy", "match.json"
_VERSION = 1  # of what a seed gives; raise it with every change that moves a pixel
_SIDES = ("left", "right")


@dataclass(frozen=True)
class MatchPlan:
    """What decides a match."""

    seed: int
    minutes: float
    rates: str = "busy"  # of `RATES`
    width: int = 398
    height: int = 224
    every: int = 1  # one frame of so many is kept: 1 gives 25 fps, 2 gives 12.5

    def __post_init__(self) -> None:
        if self.rates not in RATES:
            raise FootageError(f"rates {self.rates!r}", f"choose {' or '.join(RATES)}")
        if self.every < 1 or not 1 / FPS <= self.minutes * 60 <= 4 * 3600:
            raise FootageError(
                f"a match of {self.minutes} minutes, one frame of {self.every}",
                "give up to 240 minutes, and 1 or more",
            )


def make_match(plan: MatchPlan, root: Path, folder: str) -> Path:
    """Play and film a match into `root`/`folder`, unless it is there; return that folder.

    Events in a cut-away are labelled "not shown".

    Raises:
        FootageError: If the video cannot be written.
    """
    target = root / folder
    made_with = {"version": _VERSION, **asdict(plan)}
    if _made_with(target / MADE) == made_with:
        return target
    (target / MADE).unlink(missing_ok=True)
    match = play_match(plan.seed, round(plan.minutes * 60 * FPS), RATES[plan.rates])
    film = Film(match, plan.seed, (plan.width, plan.height))
    rate = Fraction(FPS, plan.every)
    video = target / f"{plan.height}p.mp4"
    with VideoWriter(
        video, film.size_wh, rate, crf=25, preset="superfast", keyframe_every=100
    ) as writer:
        for image in film.images(plan.every):
            writer.write(image)
    rows = []
    for touch in match.touches:
        # The middle of the frame, so that a reader who truncates finds this very frame.
        time_ms = round((touch.frame + 0.5) * 1000 / FPS)
        minute, second = divmod(time_ms // 1000, 60)
        rows.append(
            {
                "gameTime": f"1 - {minute:02d}:{second:02d}",
                "label": touch.label,
                "position": str(time_ms),
                "team": _SIDES[touch.team],
                "visibility": "not shown" if film.direction.away[touch.frame] >= 0 else "visible",
            }
        )
    save_json(target / LABELS, {"UrlLocal": folder, "UrlYoutube": "", "annotations": rows})
    with replacing(target / BALL) as part:
        np.save(part, match.ball)
    save_json(target / MADE, made_with)
    return target


def true_boxes(folder: Path) -> Iterator[list[tuple[str, Box]]]:
    """Yield for every frame of a match's video what is where (see `Film.boxes`).

    Raises:
        DatasetError: If the folder is not that of a built-in match of this version.
    """
    made_with = _made_with(folder / MADE)
    if made_with is None or made_with.pop("version") != _VERSION:
        raise DatasetError(
            f"{folder} is no built-in match of this version", "take a teacher's boxes, or make it"
        )
    plan = MatchPlan(**made_with)
    match = play_match(plan.seed, round(plan.minutes * 60 * FPS), RATES[plan.rates])
    film = Film(match, plan.seed, (plan.width, plan.height))
    for frame in range(0, len(match), plan.every):
        yield film.boxes(frame)


def make_matches(
    root: Path,
    count: int,
    minutes: float,
    seed: int = 0,
    *,
    engine: Engine | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[Path]:
    """Make matches below `root`/simulated/seed_N, in the depth of SoccerNet's folders.

    Args:
        root: Where they go.
        count: How many.
        minutes: How long each is.
        seed: Of all; the first matches of a larger number are those of a smaller one.
        engine: Where they are made (`make_engine`).
        on_progress: Called with matches done and in all.
        options: Further fields of `MatchPlan`.

    Raises:
        FootageError: If they cannot be made like this.
    """
    plans = {
        f"simulated/seed_{seed}/match_{number:03d}": MatchPlan(
            int(np.random.SeedSequence([seed, number]).generate_state(1)[0]), minutes, **options
        )
        for number in range(count)
    }
    jobs = {folder: (plan, root, folder) for folder, plan in plans.items()}
    told = None if on_progress is None else lambda _, done: on_progress(done, count)
    return list(every(_make, jobs, "matches", told, engine=engine).values())


def _make(job: tuple[MatchPlan, Path, str]) -> Path:
    cv2.setNumThreads(1)
    return make_match(*job)


def _made_with(file: Path) -> Any:
    with suppress(DatasetError), reading(file) as content:
        return content
    return None
