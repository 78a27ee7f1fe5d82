"""From nothing to weights: material, a first round, hard examples, a second round, calibration.

The unit is a folder of work, in which every step is kept once it is done: a making that was killed
goes on where it was. What comes out is `ball.npz`, which `BallFinder` and the teacher `ballnet`
take, and a card with what it learned from and how well it does.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from torch import nn

from workbench.detect.ballnet.backgrounds import videos_in
from workbench.detect.ballnet.card import card_of
from workbench.detect.ballnet.clicks import Clicked, clicked_crops, load_clicks
from workbench.detect.ballnet.crops import make_crops
from workbench.detect.ballnet.finder import BallFinder, fused
from workbench.detect.ballnet.judging import calibrate, figures, fit_link, look_at_valid, rescored
from workbench.detect.ballnet.learner import HARD, BallConfig, crops_in
from workbench.detect.ballnet.material import Progress, is_valid, make_material, rendered
from workbench.detect.ballnet.mining import mined_clip, mined_video
from workbench.detect.ballnet.network import BallNet
from workbench.detect.ballnet.shipped import save_weights
from workbench.detect.ballnet.training import train_ballnet
from workbench.footage.video_info import content_digest
from workbench.saving import save_text
from workbench.training.compute import choose_device
from workbench.training.folder import BEST, load_checkpoint
from workbench.training.history import Callbacks, TrainingResult

WEIGHTS = "ball.npz"
_FIRST_SHARE = 0.4  # of all epochs, before hard examples are looked for
_SECOND_RATE = 0.75  # of the first round's learning rate
_FRAMES, _WINDOWS = 6, 30  # of a clip, of a video, that are searched for hard examples
_MINED_EVERY = 2  # rendered sessions of which one is searched


@dataclass(frozen=True)
class Sources:
    """What to learn from."""

    sessions: int = 100  # rendered
    backgrounds: Path | None = None  # a folder of own videos
    clicks: Path | None = None  # a file of clicked balls


def train_ball(
    work: Path,
    sources: Sources,
    config: BallConfig | None = None,
    on_progress: Progress = lambda what, done, of: None,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Make weights in a folder of work.

    Raises:
        DatasetError: If there is no video among the backgrounds, or the clicks are broken.
        WorkbenchError: If there is no such device.
    """
    config = config or BallConfig()
    choose_device(config.device)  # mistakes are told before hours of work
    clicked = load_clicks(sources.clicks) if sources.clicks else []
    crops = make_material(work, sources.sessions, sources.backgrounds, on_progress)
    cut_clicks(crops, clicked)
    epochs = max(1, round(_FIRST_SHARE * config.epochs))
    shares = {name: share for name, share in config.shares.items() if name != HARD}
    first = replace(config, epochs=epochs, shares=shares)
    train_ballnet(crops, work / "round1", first, **callbacks)
    mine(work, sources, on_progress)
    second = replace(
        config,
        epochs=max(1, config.epochs - epochs),
        learning_rate=_SECOND_RATE * config.learning_rate,
        start=str(work / "round1" / BEST),
        seed=config.seed + 1,
    )
    result = train_ballnet(crops, work / "round2", second, **callbacks)
    finish(work, work / "round2", sources)
    return result


def cut_clicks(crops: Path, every: Sequence[Clicked]) -> None:
    """Cut crops of clicked balls, a file for each video."""
    for video, frames in groupby(every, key=lambda one: one.video):
        clicked = list(frames)
        name = f"{video.stem}_{content_digest(video)[:8]}"
        rng = np.random.default_rng(list(name.encode()))
        make_crops(
            crops / "clicked" / f"{name}.npy",
            partial(clicked_crops, video, clicked, rng),
        )


def mine(work: Path, sources: Sources, on_progress: Progress = lambda what, done, of: None) -> None:
    """Look for hard examples with the network of the first round."""
    network = fused(trained(work / "round1"))
    hard = work / "crops" / HARD
    numbers = [n for n in range(0, sources.sessions, _MINED_EVERY) if not is_valid(n)]
    for done, number in enumerate(numbers, start=1):
        for group, footage, clips in rendered(work / "footage", number):
            for clip in clips:
                rng = np.random.default_rng([number, *clip.clip_id.encode()])
                make_crops(
                    hard / f"{group}_{number:03d}_{clip.clip_id}.npy",
                    partial(mined_clip, network, clip, footage, _FRAMES, rng),
                )
        on_progress("hard examples", done, len(numbers))
    for video in videos_in(sources.backgrounds) if sources.backgrounds else []:
        name = f"pasted_{video.stem}_{content_digest(video)[:8]}"
        rng = np.random.default_rng(list(name.encode()))
        make_crops(
            hard / f"{name}.npy",
            partial(mined_video, network, video, _WINDOWS, rng),
            unknown=True,
        )


def trained(run_dir: Path) -> nn.Module:
    """The best network of a run, ready to run."""
    network = BallNet()
    network.load_state_dict(load_checkpoint(run_dir / BEST)["network"])
    return network.eval().to(memory_format=torch.channels_last)


def finish(work: Path, run_dir: Path, sources: Sources) -> dict[str, Any]:
    """Calibrate a run's best network on the validation clips; write weights and card."""
    network = trained(run_dir)
    assert isinstance(network, BallNet)
    path = work / WEIGHTS
    facts: dict[str, Any] = {"trained_on": _trained_on(work, sources)}
    facts["epochs"] = [load_checkpoint(folder / BEST)["epoch"] for folder in _rounds(run_dir)]
    save_weights(path, network, facts)
    finder = BallFinder(path, least_score=0.0)
    raw = list(look_at_valid(finder, work / "footage", sources.sessions))
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
        "clicked_frames": {
            video: len(list(frames))
            for video, frames in groupby(clicked, key=lambda one: one.video.name)
        },
    }
