"""From nothing to weights: material, a first round, hard examples, a second round, calibration.

The unit is a folder of work, in which every step is kept once it is done: a making that was killed
goes on where it was. What comes out is `ball.npz`, which `BallFinder` and the teacher `ballnet`
take, and a card with what it learned from and how well it does. It is judged on whole rendered
clips of held-out sessions: a candidate is right if its middle lies within a ball's size (at least
three pixels) of a true one's, however well its box fits.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from torch import nn

from workbench.detect.ballchoice import Candidate, Link, chain, choose, without_statics
from workbench.detect.ballnet.crops import Scene, make_crops
from workbench.detect.ballnet.finder import BallFinder, fused
from workbench.detect.ballnet.material import Progress, is_valid, make_material, rendered
from workbench.detect.ballnet.mining import mined_clicks, mined_clip, mined_video
from workbench.detect.ballnet.network import Boxes
from workbench.detect.ballnet.ownvideos import (
    Clicked,
    clicked_crops,
    load_clicks,
    name_of,
    videos_in,
)
from workbench.detect.ballnet.stored import (
    Calibration,
    card_of,
    fit,
    load_weights,
    logistic,
    save_weights,
)
from workbench.detect.ballnet.training import (
    CLICKED_HARD,
    HARD,
    BallConfig,
    Tally,
    crops_in,
    network_of,
    train_ballnet,
)
from workbench.engines.each import every
from workbench.footage.frames import iter_frames
from workbench.saving import save_text
from workbench.training.compute import choose_device
from workbench.training.folder import BEST, load_checkpoint
from workbench.training.history import Callbacks, TrainingResult

_PRECISION = 0.8  # at which recall is told
_LEAST_SIDE = 3.0  # pixels


@dataclass(frozen=True)
class Seen:
    """What the network sees in a clip, and what is there."""

    group: str  # shots or actions
    width: int
    candidates: list[list[Candidate]]  # by frame
    balls: Sequence[Boxes]


def look_at_valid(weights: Path, footage: Path, number: int) -> list[Seen]:
    """All that weights find in the clips of a validation session, on one thread."""
    finder, seen = BallFinder(weights, least_score=0.0, device="cpu"), []
    for group, folder, clips in rendered(footage, number):
        for clip in clips:
            assert clip.truth is not None
            frames = (frame.image for frame in iter_frames(folder / clip.file))
            balls = Scene.load(folder / clip.truth).balls
            seen.append(Seen(group, clip.width, list(finder.look(frames)), balls))
    return seen


def is_right(one: Candidate, balls: Boxes) -> bool:
    """Whether a candidate lies on a true ball."""
    if not len(balls):
        return False
    away = (balls[:, :2] + balls[:, 2:]) / 2 - np.array(one.middle)
    near = np.maximum(_LEAST_SIDE, (balls[:, 2:] - balls[:, :2]).max(axis=1))
    return bool((np.hypot(*away.T) <= near).any())


def calibrate(seen: Sequence[Seen]) -> Calibration:
    """The curve from logit and size to the share of right candidates, over all frames."""
    pairs = [
        (one, is_right(one, balls))
        for clip in seen
        for found, balls in zip(clip.candidates, clip.balls, strict=True)
        for one in found
    ]
    logits, sides = [one.logit for one, _ in pairs], [one.size for one, _ in pairs]
    return fit(logits, sides, [right for _, right in pairs])


def rescored(seen: Seen, calibration: Calibration) -> Seen:
    """The same with calibrated scores."""
    again = [
        sorted(
            (replace(one, score=calibration.score(one.logit, one.size)) for one in found),
            key=lambda one: -one.score,
        )
        for found in seen.candidates
    ]
    return replace(seen, candidates=again)


def fit_link(seen: Sequence[Seen]) -> Link:
    """How much more often what lies on a chain is right, given its score; from shots alone."""
    rows, right = [], []
    for clip in seen:
        if clip.group != "shots":
            continue
        moving = without_statics(clip.candidates)
        chained = chain(moving, clip.width)
        for frame, (found, balls) in enumerate(zip(moving, clip.balls, strict=True)):
            if found:
                on_chain = frame in chained
                one = found[chained[frame]] if on_chain else found[0]
                share = min(max(one.score, 1e-4), 1 - 1e-4)
                rows.append((np.log(share / (1 - share)), float(on_chain)))
                right.append(is_right(one, balls))
    if len(set(right)) < 2:
        return Link()
    return Link(*(round(value, 5) for value in logistic(rows, right)))


def figures(seen: Sequence[Seen], link: Link) -> dict[str, dict[str, float]]:
    """By group: balls, recall at precision .8 (IoU .5), best F1 (IoU .5).

    On shots one ball per frame is chosen; on actions every candidate counts.
    """
    told = {}
    for group in sorted({clip.group for clip in seen}):
        tally = Tally()
        for clip in (one for one in seen if one.group == group):
            frames: Sequence[Sequence[Candidate]] = clip.candidates
            if group == "shots":
                chosen = choose(clip.candidates, clip.width, link)
                frames = [[one] if one else [] for one in chosen]
            for found, true in zip(frames, clip.balls, strict=True):
                rows = [(one.score, *one.xyxy) for one in found]
                tally.add(np.array(rows, np.float32).reshape(-1, 5), true)
        told[group] = tally.figures(_PRECISION)
    return told


WEIGHTS = "ball.npz"
_FIRST_SHARE = 0.4  # of all epochs, before hard examples are looked for
_SECOND_RATE = 0.75  # of the first round's learning rate
_GOING_ON_RATE = 0.25  # of the learning rate, where there are weights to go on from
_FRAMES, _WINDOWS = 6, 30  # of a clip, of a video, that are searched for hard examples
_MINED_EVERY = 2  # rendered sessions of which one is searched


@dataclass(frozen=True)
class Sources:
    """What to learn from."""

    sessions: int = 100  # rendered
    backgrounds: Path | None = None  # a folder of own videos
    clicks: Path | None = None  # a file of clicked balls
    start: Path | None = None  # weights to go on from; None: random ones


def train_ball(
    work: Path,
    sources: Sources,
    config: BallConfig | None = None,
    on_progress: Progress = lambda what, done, of: None,
    *,
    engine: str | None = None,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Make weights in a folder of work.

    `engine` says where sessions and videos are worked on (`engines.each.make_engine`); the training
    itself takes the device of the settings.

    Raises:
        DatasetError: If there is no video among the backgrounds, or the clicks are broken.
        WeightsError: If the weights to go on from are another network's.
        WorkbenchError: If there is no such device or engine.
    """
    config = config or BallConfig()
    choose_device(config.device)  # mistakes are told before hours of work
    start = start_of(work, sources)
    if sources.start:
        network_of(start)
    clicked = load_clicks(sources.clicks) if sources.clicks else []
    crops = make_material(work, sources.sessions, sources.backgrounds, on_progress, engine=engine)
    cut_clicks(crops, clicked)
    epochs, rate = 0, _GOING_ON_RATE
    if not sources.start:
        epochs, rate = max(1, round(_FIRST_SHARE * config.epochs)), _SECOND_RATE
        mined = (HARD, CLICKED_HARD)
        shares = {name: share for name, share in config.shares.items() if name not in mined}
        first = replace(config, epochs=epochs, shares=shares)
        train_ballnet(crops, work / "round1", first, **callbacks)
    mine(work, sources, on_progress, engine=engine)
    second = replace(
        config,
        epochs=max(1, config.epochs - epochs),
        learning_rate=rate * config.learning_rate,
        start=str(start),
        seed=config.seed + 1,
    )
    result = train_ballnet(crops, work / "round2", second, **callbacks)
    finish(work, work / "round2", sources, engine=engine)
    return result


def start_of(work: Path, sources: Sources) -> Path:
    """What finds the hard examples, and is trained on with them."""
    return sources.start or work / "round1" / BEST


def cut_clicks(crops: Path, clicked: Sequence[Clicked]) -> None:
    """Cut crops of clicked balls, a file for each video."""
    for video, frames in by_video(clicked).items():
        rng = np.random.default_rng(list(name_of(video).encode()))
        make_crops(
            crops / "clicked" / f"{name_of(video)}.npy",
            partial(clicked_crops, video, frames, rng),
        )


def mine(
    work: Path,
    sources: Sources,
    on_progress: Progress = lambda what, done, of: None,
    *,
    engine: str | None = None,
) -> None:
    """Look for hard examples with the network of the first round."""
    hard = work / "crops" / HARD
    jobs: dict[str, Callable[[nn.Module], object]] = {}
    for number in range(0, sources.sessions, _MINED_EVERY):
        if not is_valid(number):
            jobs[f"session {number}"] = partial(_mine_session, work / "footage", hard, number)
    for video in videos_in(sources.backgrounds) if sources.backgrounds else []:
        jobs[f"{video}, unlabelled"] = partial(_mine_video, hard, video)
    for video, clicked in by_video(load_clicks(sources.clicks) if sources.clicks else []).items():
        jobs[f"{video}, clicked"] = partial(_mine_clicks, work / "crops", video, clicked)
    every(
        partial(_mined, start_of(work, sources)),
        jobs,
        "sessions and videos",
        lambda _, done: on_progress("hard examples", done, len(jobs)),
        engine=engine,
    )


def _mined(start: Path, job: Callable[[nn.Module], object]) -> None:
    job(fused(network_of(start)))


def _mine_session(footage: Path, hard: Path, number: int, network: nn.Module) -> None:
    for group, folder, clips in rendered(footage, number):
        for clip in clips:
            rng = np.random.default_rng([number, *clip.clip_id.encode()])
            make_crops(
                hard / f"{group}_{number:03d}_{clip.clip_id}.npy",
                partial(mined_clip, network, clip, folder, _FRAMES, rng),
            )


def _mine_video(hard: Path, video: Path, network: nn.Module) -> None:
    name = f"pasted_{name_of(video)}"
    rng = np.random.default_rng(list(name.encode()))
    make_crops(
        hard / f"{name}.npy", partial(mined_video, network, video, _WINDOWS, rng), unknown=True
    )


def _mine_clicks(crops: Path, video: Path, clicked: list[Clicked], network: nn.Module) -> None:
    path = crops / CLICKED_HARD / f"{name_of(video)}.npy"
    rng = np.random.default_rng(list(path.name.encode()))
    make_crops(path, partial(mined_clicks, network, video, clicked, rng))


def by_video(clicked: Sequence[Clicked]) -> dict[Path, list[Clicked]]:
    """The clicked frames of each video."""
    return {video: list(frames) for video, frames in groupby(clicked, key=lambda one: one.video)}


def finish(
    work: Path, run_dir: Path, sources: Sources, *, engine: str | None = None
) -> dict[str, Any]:
    """Calibrate a run's best network on the validation clips; write weights and card."""
    network = network_of(run_dir / BEST)
    path = work / WEIGHTS
    facts: dict[str, Any] = {"trained_on": _trained_on(work, sources)}
    if sources.start:
        before = load_weights(sources.start).facts
        facts["start"] = {name: before.get(name) for name in ("trained_on", "epochs", "start")}
    facts["epochs"] = [load_checkpoint(folder / BEST)["epoch"] for folder in _rounds(run_dir)]
    save_weights(path, network, facts)
    found = every(
        partial(look_at_valid, path, work / "footage"),
        {f"session {number}": number for number in filter(is_valid, range(sources.sessions))},
        "validation sessions",
        engine=engine,
    )
    raw = [clip for clips in found.values() for clip in clips]
    calibration = calibrate(raw)
    seen = [rescored(clip, calibration) for clip in raw]
    link = fit_link(seen)
    facts |= {"calibration": calibration.to_facts(), "link": asdict(link)}
    facts["valid"] = figures(seen, link)
    save_weights(path, network, facts)
    save_text(path.with_suffix(".md"), card_of(facts, path.stat().st_size))
    return facts


def _rounds(run_dir: Path) -> list[Path]:
    return [folder for folder in (run_dir.parent / "round1", run_dir) if (folder / BEST).exists()]


def _trained_on(work: Path, sources: Sources) -> dict[str, Any]:
    """What the weights come from, by name, so that nobody tests on it unknowingly."""
    videos = videos_in(sources.backgrounds) if sources.backgrounds else []
    clicked = load_clicks(sources.clicks) if sources.clicks else []
    groups = {path.name for path in (work / "crops").iterdir() if path.is_dir()}
    return {
        "sessions": sum(not is_valid(number) for number in range(sources.sessions)),
        "crops": {name: len(crops_in(work / "crops" / name)) for name in sorted(groups)},
        "backgrounds": [video.name for video in videos],
        "clicked_frames": {video.name: len(frames) for video, frames in by_video(clicked).items()},
    }
