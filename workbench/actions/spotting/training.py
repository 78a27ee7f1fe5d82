"""A spotter's training on matches: its settings, its clips, its judge.

The unit is a folder of matches with labels. Half of the clips are drawn around an event, rare
classes more often than their share; the others anywhere. Every clip depends on the seed, the epoch
and its place alone, so that a run survives being killed. Matches are never divided: those that
choose the epoch and the decisions are not learned from.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from workbench.actions.spotting.decide import choose_decisions, decide
from workbench.actions.spotting.encoders import SLIM
from workbench.actions.spotting.greyframes import SIZE_WH, STACK, STEP_S, Grey, cached_grey
from workbench.actions.spotting.network import NAMES, Spotter, spotting_losses
from workbench.actions.spotting.predict import (
    DECISIONS,
    load_network,
    raw_scores,
    save_decisions,
)
from workbench.actions.spotting.scores import metric, score_spots
from workbench.errors import DatasetError, WorkbenchError
from workbench.footage.video_info import content_digest, probe
from workbench.labels.events import ClassMap, Events, load_class_map
from workbench.labels.soccernet import LABELS_BALL, find_matches, read_events
from workbench.simulated.matches.making import MADE
from workbench.training.compute import torch_threads
from workbench.training.folder import identity_of, run_name
from workbench.training.history import Callbacks, TrainingResult, shelve
from workbench.training.loop import train
from workbench.training.recipe import Recipe

_VIDEOS = ("*.mp4", "*.mkv", "*.mov")
_NEAR = 1.5  # steps around an event that are labelled with it
JUDGED_BY = metric("at1")

Arrays = npt.NDArray[np.float32]
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class SpotterConfig(Recipe):
    """Everything a spotter depends on, besides its matches."""

    epochs: int = 2
    batch_size: int = 3
    learning_rate: float = 2e-3
    warmup: float = 0.05
    ema: float = 0.98
    spotter: str = "dense"  # one of network.NAMES
    encoder: str = SLIM  # of stacks, by name; see `encoders`
    frozen: bool = False  # whether the encoder keeps the weights it begins with
    class_map: str = "ball"  # a set of classes, or a file that maps them
    steps: int = 950  # per epoch
    clip_steps: int = 24  # of 0.24 s each
    size_wh: tuple[int, int] = SIZE_WH  # of frames
    crop_share: float = 0.76  # of width and height of a frame that a clip shows
    gamma: float = 1.0  # of the focal loss
    around_events: float = 0.5  # share of clips drawn around one

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spotter not in NAMES:
            raise WorkbenchError(f"spotter {self.spotter!r}", f"choose one of {', '.join(NAMES)}")


@dataclass(frozen=True, eq=False)
class LabelledMatch:
    """A match to learn from or to judge on."""

    name: str
    video: Path
    events: Events


def load_matches(root: Path, class_map: ClassMap, *, skip_bad: bool = False) -> list[LabelledMatch]:
    """Read the matches below a folder, each with its one video.

    Raises:
        DatasetError: If there is none, a video is missing or one too many, a label has a fault or
            lies outside its video, or a match has a second half in the same video.
    """
    matches = []
    for name, file in find_matches(root, LABELS_BALL).items():
        videos = sorted(video for pattern in _VIDEOS for video in file.parent.glob(pattern))
        if len(videos) != 1:
            raise DatasetError(
                f"{file.parent} has {len(videos)} videos", "leave one beside its labels"
            )
        length_ms = round(probe(videos[0]).duration_s * 1000)
        read = read_events(file, class_map, skip_bad=skip_bad, length_ms=length_ms)
        if (read.events.half != 1).any():
            raise DatasetError(f"{file} has a second half", "give each half a folder of its own")
        matches.append(LabelledMatch(name, videos[0], read.events))
    return matches


def count_events(parts: Mapping[str, Sequence[LabelledMatch]]) -> pd.DataFrame:
    """Return how often each class happens in each part, one row per class."""
    counts = {}
    for part, matches in parts.items():
        labels = np.concatenate([match.events.label for match in matches])
        classes = matches[0].events.classes
        counts[f"{part} ({len(matches)})"] = np.bincount(labels, minlength=len(classes))
    return pd.DataFrame(counts, index=pd.Index(classes, name="actions in … matches"))


class SpotterLearner:
    """A spotter as the loop trains it."""

    best_by = "valid_map"

    def __init__(
        self,
        config: SpotterConfig,
        train_on: Sequence[LabelledMatch],
        valid: Sequence[LabelledMatch],
        cache_dir: Path,
    ) -> None:
        self.config = config
        self.classes = train_on[0].events.classes
        network = Spotter(config.spotter, len(self.classes), config.encoder, config.size_wh)
        network.encoder.requires_grad_(not config.frozen)
        self.network: nn.Module = network.to(memory_format=torch.channels_last)
        # What knows pictures already shall not forget them at once.
        self.rates = {} if config.encoder == SLIM else {"encoder.": 0.2}
        self.clips = Clips(config, [*train_on], cache_dir)
        self.valid, self.cache_dir = valid, cache_dir
        self.built_in = all((match.video.parent / MADE).exists() for match in train_on)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return places in the epoch; what is drawn there, the seed decides."""
        size = self.config.batch_size
        return [list(range(step * size, (step + 1) * size)) for step in range(self.config.steps)]

    def load(self, epoch: int, batches: Sequence[Sequence[int]]) -> "DataLoader[Batch]":
        """Return clips with their targets."""
        return DataLoader(
            _Epoch(self.clips, epoch),
            batch_sampler=batches,  # type: ignore[arg-type]
            num_workers=self.config.workers,
        )

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        clips, target, offset = batch
        return spotting_losses(network(clips), target, offset, self.config.gamma)

    def judge(self, network: nn.Module) -> dict[str, float]:
        """Return mAP@1 over the classes that validation matches have, as decided by default."""
        assert isinstance(network, Spotter)
        raws = match_scores(network, self.valid, self.cache_dir)
        found = {name: decide(raw, self.classes, {}) for name, raw in raws.items()}
        score = score_spots({match.name: match.events for match in self.valid}, found)
        there = np.array(list(score.labels.values())) > 0
        ap = float(score.class_ap(JUDGED_BY)[0, there].mean()) if there.any() else 0.0
        return {"valid_map": ap}

    def describe(self) -> dict[str, Any]:
        """Return what the network is built from."""
        config = self.config
        return {
            "spotter": config.spotter,
            "encoder": config.encoder,
            "size_wh": list(config.size_wh),
            "classes": list(self.classes),
            "built_in": self.built_in,
        }


def match_scores(
    network: Spotter, matches: Sequence[LabelledMatch], cache_dir: Path
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the raw scores (T, 2 K) of matches by name; their grey frames are kept in a cache."""
    return {
        match.name: _of_grey(cached_grey(match.video, cache_dir, network.size_wh), network)
        for match in matches
    }


def _of_grey(grey: Grey, network: Spotter) -> npt.NDArray[np.float32]:
    steps = len(grey) // STACK
    stacks = grey[: steps * STACK].reshape(steps, STACK, *grey.shape[1:])
    return raw_scores(lambda first, end: iter(stacks[first:end]), steps, network)


class Clips:
    """Clips of matches, drawn at random."""

    def __init__(
        self, config: SpotterConfig, matches: Sequence[LabelledMatch], cache_dir: Path
    ) -> None:
        self.config = config
        self.classes = matches[0].events.classes
        self.grey = [cached_grey(match.video, cache_dir, config.size_wh) for match in matches]
        # Steps, and places of classes, of what a picture shows.
        shown = [match.events.take(match.events.is_shown) for match in matches]
        self.when = [one.position_ms / 1000 / STEP_S for one in shown]
        self.label = [one.label for one in shown]
        self.by_class = [
            [
                (at, when)
                for at, label in enumerate(self.label)
                for when in self.when[at][label == k]
            ]
            for k in range(len(self.classes))
        ]
        counts = np.sqrt([len(rows) for rows in self.by_class])
        if not counts.any():
            raise DatasetError("matches without an event", "give matches with labels")
        self.shares = counts / counts.sum()
        shortest = min(len(grey) // STACK for grey in self.grey)
        if shortest <= config.clip_steps:
            raise DatasetError(
                f"a match of {shortest * STEP_S:.1f} s, shorter than a clip", "set clip_steps lower"
            )

    def draw(self, epoch: int, place: int) -> tuple[npt.NDArray[np.uint8], Arrays, Arrays]:
        """Return a clip (T, 3, h, w) with its targets and offsets (T, K)."""
        config, steps = self.config, self.config.clip_steps
        rng = np.random.default_rng([config.seed, epoch, place])
        if rng.random() < config.around_events:
            rows = self.by_class[int(rng.choice(len(self.shares), p=self.shares))]
            at, when = rows[int(rng.integers(len(rows)))]
            start = when - steps / 2 + rng.uniform(-0.4, 0.4) * steps
        else:
            at = int(rng.integers(len(self.grey)))
            start = rng.uniform(0, len(self.grey[at]) / STACK - steps)
        grey = self.grey[at]
        # At any frame, not at whole steps: thrice as many clips.
        first = int(np.clip(round(start * STACK), 0, len(grey) - steps * STACK))
        wide, high = (round(config.crop_share * side / 16) * 16 for side in config.size_wh)
        top = int(rng.integers(grey.shape[1] - high + 1))
        left = int(rng.integers(grey.shape[2] - wide + 1))
        clip = grey[first : first + steps * STACK, top : top + high, left : left + wide]
        if rng.random() < 0.5:
            clip = clip[..., ::-1]
        light = clip * np.float32(rng.uniform(0.8, 1.2)) + np.float32(rng.uniform(-20, 20))
        image = np.clip(light, 0, 255).astype(np.uint8).reshape(steps, STACK, high, wide)
        return image, *self._targets(at, first / STACK, steps)

    def _targets(self, at: int, first: float, steps: int) -> tuple[Arrays, Arrays]:
        middles = first + np.arange(steps) + 0.5
        target = np.zeros((steps, len(self.classes)), np.float32)
        offset = np.zeros_like(target)
        best = np.full(target.shape, np.inf)
        is_near = (self.when[at] > middles[0] - 2) & (self.when[at] < middles[-1] + 2)
        for when, label in zip(self.when[at][is_near], self.label[at][is_near], strict=True):
            gap = when - middles
            closer = (np.abs(gap) <= _NEAR) & (np.abs(gap) < best[:, label])
            target[closer, label], offset[closer, label] = 1, gap[closer]
            best[closer, label] = np.abs(gap[closer])
        return target, offset


@dataclass(frozen=True)
class _Epoch(Dataset[Batch]):
    clips: Clips
    epoch: int

    def __getitem__(self, place: int) -> Batch:
        image, target, offset = self.clips.draw(self.epoch, place)
        return torch.from_numpy(image), torch.from_numpy(target), torch.from_numpy(offset)


def train_spotter(
    train_on: Sequence[LabelledMatch],
    valid: Sequence[LabelledMatch],
    run_dir: Path,
    config: SpotterConfig,
    cache_dir: Path,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Train until the run in a folder is finished, then decide on the validation matches.

    An unfinished run goes on where it was.

    Args:
        train_on: What is learned from.
        valid: What chooses the epoch, and how scores become events.
        run_dir: The run's folder.
        config: The settings.
        cache_dir: Where grey frames are kept; deleting it is safe.
        callbacks: As the loop's.

    Raises:
        DatasetError: If there are no events to learn from, or matches are on both sides.
        WorkbenchError: If the run's folder holds another run.
    """
    names = {match.name for match in train_on} & {match.name for match in valid}
    if names or not train_on or not valid:
        raise DatasetError(
            f"{sorted(names)} to learn from and to judge on" if names else "no match on a side",
            "give matches to learn from, and others to choose by",
        )
    made_of = {
        part: [(content_digest(match.video), match.events.rows()) for match in matches]
        for part, matches in (("train", train_on), ("valid", valid))
    }
    classes = list(train_on[0].events.classes)
    identity = identity_of(config, classes=classes, matches=_digest(made_of))
    make_learner = partial(SpotterLearner, config, train_on, valid, cache_dir)
    result = train(make_learner, run_dir, config, identity, **callbacks)
    if not (run_dir / DECISIONS).exists():
        network, _ = load_network(run_dir)
        with torch_threads(config.threads):
            raws = match_scores(network, valid, cache_dir)
        truth = {match.name: match.events for match in valid}
        save_decisions(run_dir, choose_decisions(raws, truth, JUDGED_BY))
    return result


def _digest(made_of: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


def run_dir_of(
    models_dir: Path,
    config: SpotterConfig,
    train_on: Sequence[LabelledMatch],
    valid: Sequence[LabelledMatch],
) -> Path:
    """Return the folder of the run with these settings and matches."""
    names = [[match.name for match in part] for part in (train_on, valid)]
    return models_dir / run_name("spotter", {**asdict(config), "matches": names})


def train_in(
    root: Path,
    models_dir: Path,
    config: SpotterConfig,
    cache_dir: Path,
    valid_share: float = 0.2,
    *,
    skip_bad: bool = False,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Train on the matches below a folder; the last share of them, one at least, validates.

    Raises:
        DatasetError: As `load_matches` and `train_spotter`; or if there is but one match.
    """
    matches = load_matches(root, load_class_map(config.class_map), skip_bad=skip_bad)
    if len(matches) < 2:
        raise DatasetError(f"one match below {root}", "give two at least: one must validate")
    kept = max(1, round(valid_share * len(matches)))
    train_on, valid = matches[:-kept], matches[-kept:]
    run_dir = run_dir_of(models_dir, config, train_on, valid)
    result = train_spotter(train_on, valid, run_dir, config, cache_dir, **callbacks)
    shelve(result, "spotter")
    return result
