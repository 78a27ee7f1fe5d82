"""What a clip classifier brings to the training loop: its batches, its loss, its judge.

The unit is a clip set. Every view's randomness comes from the run's seed, the epoch and its place
in it alone, so that a resumed run, or one with more loading workers, sees the very same views.
Never looks at the test split.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score, f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from workbench.actions.augment import plain_view, varied_view
from workbench.actions.clipset import Clipset, load_clipset
from workbench.actions.losses import class_weights, clip_loss, mixed
from workbench.actions.models import architecture_of, build_model
from workbench.actions.predict import is_tracked, score_views
from workbench.actions.recipe import TrainConfig
from workbench.errors import WorkbenchError

Draw = tuple[int, int]  # place in the epoch, clip
# Frames (N, T, H, W, 3) uint8, tracks (N, T', D) where the network takes them, marks (N, K).
Batch = tuple[Tensor, ...]


class ClipLearner:
    """A clip classifier as the loop trains it, on the clip set in a folder."""

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        clipset, made_for = load_clipset(folder), architecture_of(config.model)
        self.config, self.classes, self.version = config, clipset.classes, clipset.version
        self.frames = config.frames or made_for.frames
        self.size_wh = config.size_wh or made_for.size_wh
        self.train, self.valid = clipset.take("train"), clipset.take("valid")
        self.several = clipset.several
        self.best_by = "valid_map" if self.several else "valid_macro_f1"
        marks = torch.from_numpy(self.train.marks())
        self.weights = class_weights(marks) if config.class_weights else None
        self.network: nn.Module = build_model(
            config.model, len(self.classes), weights=config.weights, **config.model_settings
        )
        if config.compile:
            self.network.compile()
        self.tracked = is_tracked(self.network)
        if self.tracked and (config.mixup or config.cutmix):
            raise WorkbenchError("mixup and cutmix mix pictures, not tracks", "leave them out")

    def batches(self, epoch: int) -> list[list[Draw]]:
        """Return an epoch's draws, classes in equal shares."""
        config = self.config
        # Where clips show several classes there is no order in which each comes equally often.
        balance = config.balance and not self.several
        targets = self.train.targets() if balance else np.zeros(len(self.train), np.int64)
        return epoch_draws(
            targets, config.batch_size, balance=balance, seed=config.seed, epoch=epoch
        )

    def load(self, epoch: int, batches: Sequence[Sequence[Draw]]) -> Iterable[Batch]:
        """Return varied views of the clips of each batch, prepared ahead by `workers` processes."""
        shown = self.train.marks()
        tracks = self.train.tracks() if self.tracked else None
        views = _Views(self.train, self.frames, self.size_wh, self.config, epoch, shown, tracks)
        return DataLoader(
            views,  # yields what makes a Batch
            batch_sampler=batches,  # type: ignore[arg-type]  # lists of draws, not of places
            num_workers=self.config.workers,
            worker_init_fn=_one_thread,
            pin_memory=torch.cuda.is_available(),
        )

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the loss, and accuracy (of each class by itself, if several), on varied views."""
        (frames, *tracks, marks), config = batch, self.config
        if config.mixup or config.cutmix:
            frames, marks = mixed(frames, marks, config.mixup, config.cutmix)
        scores = network(frames, *tracks).float()
        loss = clip_loss(
            scores,
            marks,
            several=self.several,
            gamma=config.focal_gamma,
            smoothing=config.label_smoothing,
            shown=config.shown_weight,
            weights=None if self.weights is None else self.weights.to(scores.device),
        )
        right = scores.argmax(dim=1) == marks.argmax(dim=1)
        if self.several:
            right = (scores > 0) == (marks > 0.5)
        return {"loss": loss, "accuracy": right.double().mean()}

    def judge(self, network: nn.Module) -> dict[str, float]:
        """Return loss (hard labels), accuracy and macro-F1 on plain views of validation clips.

        Of clips that show several classes the loss and mAP over the classes that are shown.
        """
        scores = self.scores(network)
        if self.several:
            marks = torch.from_numpy(self.valid.marks()).double()
            shown = marks.any(dim=0)
            return {
                "valid_loss": float(clip_loss(scores, marks, several=True)),
                "valid_map": float(
                    average_precision_score(marks[:, shown], scores[:, shown], average="macro")
                ),
            }
        targets = torch.from_numpy(self.valid.targets())
        called = scores.argmax(dim=1)
        present = sorted(set(targets.tolist()))
        return {
            "valid_loss": float(F.cross_entropy(scores, targets)),
            "valid_accuracy": float((called == targets).double().mean()),
            "valid_macro_f1": float(f1_score(targets, called, labels=present, average="macro")),
        }

    def scores(self, network: nn.Module) -> Tensor:
        """Score plain views of the validation clips (N, K)."""
        views = (
            plain_view(self.valid.frames(clip), self.frames, self.size_wh)
            for clip in range(len(self.valid))
        )
        tracks = self.valid.tracks() if self.tracked else None
        return score_views(network, views, tracks, batch_size=self.config.batch_size)

    def describe(self) -> dict[str, Any]:
        """Return what `load_classifier` builds the network from."""
        return {
            "model": self.config.model,
            "model_settings": dict(self.config.model_settings),
            "classes": list(self.classes),
            "frames": self.frames,
            "size_wh": list(self.size_wh),
            "dataset_version": self.version,
        }


def _one_thread(worker: int) -> None:
    """Keep OpenCV of a loading worker from taking every core: the workers are the cores' share."""
    del worker
    cv2.setNumThreads(1)


@dataclass(frozen=True)
class _Views(Dataset[tuple[npt.NDArray[Any], ...]]):
    """Varied views of a clip set, for one epoch."""

    clipset: Clipset
    frames: int
    size_wh: tuple[int, int]
    config: TrainConfig
    epoch: int
    marks: npt.NDArray[np.float32]
    tracks: npt.NDArray[np.float32] | None = None

    def __getitem__(self, draw: Draw) -> tuple[npt.NDArray[Any], ...]:
        place, clip = draw
        rng = np.random.default_rng([self.config.seed, self.epoch, place])
        frames = self.clipset.frames(clip)
        view = varied_view(frames, self.frames, self.size_wh, self.config.augmentation, rng)
        if self.tracks is None:
            return view, self.marks[clip]
        return view, self.tracks[clip], self.marks[clip]


def balanced_order(
    targets: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return as many clips as there are, every class equally often, in random order.

    A class with too few clips shows each of them before it repeats one; a class with too many
    leaves some for another epoch.

    Example:
        >>> order = balanced_order(np.array([0, 0, 0, 1]), np.random.default_rng(0))
        >>> sorted(np.array([0, 0, 0, 1])[order].tolist())
        [0, 0, 1, 1]
    """
    present = rng.permutation(np.unique(targets))  # so that no class always gets the odd clip
    shares = np.full(len(present), len(targets) // len(present))
    shares[: len(targets) % len(present)] += 1
    drawn = []
    for name, share in zip(present, shares, strict=True):
        clips = np.flatnonzero(targets == name)
        rounds = -(-share // len(clips))
        drawn.append(np.concatenate([rng.permutation(clips) for _ in range(rounds)])[:share])
    return rng.permutation(np.concatenate(drawn))


def epoch_draws(
    targets: npt.NDArray[np.int64], batch_size: int, *, balance: bool, seed: int, epoch: int
) -> list[list[Draw]]:
    """Return the batches of an epoch, all of nearly the same size.

    A short last batch would give batch normalisation little to go by, so none is made.
    """
    rng = np.random.default_rng([seed, epoch])
    order = balanced_order(targets, rng) if balance else rng.permutation(len(targets))
    draws = list(enumerate(order.tolist()))
    batches = np.array_split(np.arange(len(draws)), max(1, round(len(draws) / batch_size)))
    return [[draws[place] for place in batch] for batch in batches]
