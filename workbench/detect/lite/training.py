"""The lite student's training: its settings, its batches, its judge.

The unit is a picture of a COCO dataset. Datasets belong to groups, the part of their folder's name
before "_"; pictures are drawn by the shares of their groups and varied, each from the seed, the
epoch and its place alone. An epoch is a number of steps, not a pass. Judged on the splits "valid".
A run survives being killed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from workbench.detect.ballnet.training import Tally
from workbench.detect.detections import CLASSES
from workbench.detect.lite.network import HEIGHT_PX, WIDTH_PX, Answers, Labels, LiteDetr, losses_of
from workbench.detect.lite.pictures import Image, Picture, fitted, pictures_in, varied
from workbench.errors import DatasetError
from workbench.training.folder import identity_of
from workbench.training.history import Callbacks, TrainingResult
from workbench.training.lite0 import imagenet_lite0, normalised
from workbench.training.loop import train
from workbench.training.recipe import Recipe
from workbench.training.versions import META

Batch = tuple[Tensor, list[Labels]]
_JUDGED = 40  # pictures of a group after each epoch, evenly spread
BACKBONE = "detr.model.backbone.backbone."  # what the names of its parameters begin with


def _shares() -> dict[str, float]:
    return {"shot": 0.34, "far": 0.28, "act": 0.38}


@dataclass(frozen=True)
class LiteConfig(Recipe):
    """Everything the network depends on, besides its pictures."""

    epochs: int = 13
    batch_size: int = 4
    learning_rate: float = 1e-3
    backbone_rate: float = 0.3  # of the learning rate: the backbone has learned already
    frozen_stages: int = 2  # of the backbone, from the first: what they see is seen everywhere
    warmup: float = 0.01
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    ema: float = 0.998
    amp: str = "off"  # on CPUs the backward pass is slower in bf16
    steps: int = 260  # per epoch
    shares: Mapping[str, float] = field(default_factory=_shares)  # of groups; absent ones: none


class LiteLearner:
    """The lite student as the loop trains it, on groups of pictures."""

    best_by = "valid_ap50"

    def __init__(
        self,
        network: nn.Module,
        groups: Mapping[str, Sequence[Picture]],
        valid: Mapping[str, Sequence[Picture]],
        config: LiteConfig,
    ) -> None:
        self.network = network.to(memory_format=torch.channels_last)
        self.groups, self.valid, self.config = groups, valid, config
        self.rates = {BACKBONE: config.backbone_rate}
        backbone: Any = network.get_submodule(BACKBONE.rstrip("."))
        for frozen in (backbone.stem, *backbone.stages[: config.frozen_stages]):
            frozen.requires_grad_(False)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return places in the epoch; what is drawn there, the seed decides."""
        size = self.config.batch_size
        return [list(range(step * size, (step + 1) * size)) for step in range(self.config.steps)]

    def load(self, epoch: int, batches: Sequence[Sequence[int]]) -> "DataLoader[Batch]":
        """Return varied pictures with their labels."""
        return DataLoader(
            _Varied(self.groups, self.config, epoch),  # type: ignore[arg-type]
            batch_sampler=batches,  # type: ignore[arg-type]
            num_workers=self.config.workers,
            collate_fn=_collated,
        )

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        pictures, labels = batch
        return losses_of(network, as_input(pictures), [Labels(*one) for one in labels])

    def judge(self, network: nn.Module) -> dict[str, float]:
        """Return average precision at IoU .5 by class and group, and the mean of all."""
        scores: dict[str, float] = {}
        for group, pictures in self.valid.items():
            step = max(1, len(pictures) // _JUDGED)
            tallies = judged(network, pictures[::step])
            scores |= {
                f"{group} {CLASSES[place]}": tally.average_precision
                for place, tally in tallies.items()
                if tally.balls
            }
        return {"valid_ap50": float(np.mean(list(scores.values()))), **scores}

    def describe(self) -> dict[str, Any]:
        """Return nothing more: the network has one shape."""
        return {}


def as_input(pictures: Tensor) -> Tensor:
    """Canvases (N, 3, H, W) in grey levels as the network takes them."""
    return normalised(pictures).contiguous(memory_format=torch.channels_last)


def answers(network: nn.Module, canvases: Sequence[Image]) -> list[NDArray[np.float32]]:
    """What a network says of canvases: rows (40·classes, 6) of class, score and box in pixels."""
    device = next(network.parameters()).device
    stacked = torch.from_numpy(np.stack(canvases)).permute(0, 3, 1, 2).to(device)
    with torch.inference_mode():
        out = network(as_input(stacked))
    return rows_of(out)


def rows_of(said: Answers) -> list[NDArray[np.float32]]:
    """Answers as rows of class, score, left, top, right, bottom in pixels, the surest first."""
    logits, boxes = (part.float().cpu().numpy() for part in said)
    found = []
    for own, places in zip(logits, boxes, strict=True):
        half = places[:, 2:] / 2
        corners = np.concatenate([places[:, :2] - half, places[:, :2] + half], axis=1)
        corners *= np.array([WIDTH_PX, HEIGHT_PX] * 2, np.float32)
        queries, classes = own.shape
        rows = np.column_stack(
            [
                np.tile(np.arange(classes), queries),
                1 / (1 + np.exp(-own.ravel())),
                np.repeat(corners, classes, axis=0),
            ]
        ).astype(np.float32)
        found.append(rows[np.argsort(-rows[:, 1], kind="stable")])
    return found


def judged(network: nn.Module, pictures: Sequence[Picture], batch: int = 8) -> dict[int, Tally]:
    """Answers against the labels of pictures by class, at IoU .5 in pixels of the canvas."""
    tallies = {place: Tally() for place in range(len(CLASSES))}
    for first in range(0, len(pictures), batch):
        own = pictures[first : first + batch]
        seen = [fitted(picture.read()) for picture in own]
        found = answers(network, [canvas for canvas, _ in seen])
        for picture, (_, view), rows in zip(own, seen, found, strict=True):
            true = view.on_canvas(picture.boxes)
            for place, tally in tallies.items():
                rows_here = rows[rows[:, 0] == place][:, 1:]
                tally.add(rows_here, true[picture.classes == place])
    return tallies


@dataclass(frozen=True)
class _Varied(Dataset[tuple[Tensor, Labels]]):
    """Varied pictures of an epoch."""

    groups: Mapping[str, Sequence[Picture]]
    config: LiteConfig
    epoch: int

    def __getitem__(self, place: int) -> tuple[Tensor, Labels]:
        rng = np.random.default_rng([self.config.seed, self.epoch, place])
        present = [name for name in self.config.shares if self.groups.get(name)]
        shares = np.array([self.config.shares[name] for name in present])
        group = self.groups[present[int(rng.choice(len(present), p=shares / shares.sum()))]]
        canvas, seen = varied(group[int(rng.integers(len(group)))], rng)
        return torch.from_numpy(canvas.transpose(2, 0, 1).copy()), labels_of(seen)


def labels_of(seen: Picture) -> Labels:
    """What is on a canvas, as the losses take it."""
    size = np.array([WIDTH_PX, HEIGHT_PX], np.float32)
    middle = (seen.boxes[:, :2] + seen.boxes[:, 2:]) / 2 / size
    sides = (seen.boxes[:, 2:] - seen.boxes[:, :2]) / size
    unknown = seen.unknown or (False,) * len(CLASSES)
    return Labels(
        torch.from_numpy(seen.classes),
        torch.from_numpy(np.concatenate([middle, sides], axis=1).astype(np.float32)),
        torch.tensor(unknown),
    )


def _collated(examples: Sequence[tuple[Tensor, Labels]]) -> Batch:
    pictures, labels = zip(*examples, strict=True)
    return torch.stack(pictures), list(labels)


def groups_in(folder: Path, split: str) -> dict[str, list[Picture]]:
    """Return the pictures of a split of every dataset in a folder, by group."""
    groups: dict[str, list[Picture]] = {}
    for dataset in _datasets(folder):
        if (dataset / split).is_dir():
            group = dataset.name.partition("_")[0]
            groups.setdefault(group, []).extend(pictures_in(dataset, split, CLASSES))
    return groups


def _datasets(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"*/{META}"))


def _make_learner(folder: Path, config: LiteConfig) -> LiteLearner:
    groups, valid = groups_in(folder, "train"), groups_in(folder, "valid")
    if not groups or not valid:
        raise DatasetError(f"{folder} has no pictures to learn from", "make more sessions")
    return LiteLearner(LiteDetr(len(CLASSES), imagenet_lite0(5)), groups, valid, config)


def pretrain(
    pictures: Path, run_dir: Path, config: LiteConfig | None = None, **callbacks: Unpack[Callbacks]
) -> TrainingResult:
    """Train on a folder of datasets until the run in a folder is finished; a killed one goes on.

    Raises:
        DatasetError: If the folder has no pictures.
        WeightsError: If ImageNet's weights of the backbone are not installed.
        WorkbenchError: If the run's folder holds another run.
    """
    config = config or LiteConfig()
    versions = {path.name: _version(path) for path in _datasets(pictures)}
    identity = identity_of(config, pictures=versions)
    return train(partial(_make_learner, pictures, config), run_dir, config, identity, **callbacks)


def _version(dataset: Path) -> str:
    from workbench.detect.dataset.coco import load_dataset

    return str(load_dataset(dataset).meta["version"])
