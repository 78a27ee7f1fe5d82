"""The ball network's training on a folder of crops: its settings, its batches, its judge.

The unit is a folder of crops: a folder of files for each group, and `valid`, from sessions that
nothing is learned from. An epoch is a number of steps, not a pass: crops are drawn by the shares of
their groups and varied, each from the seed, the epoch and its place alone. A run survives being
killed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from workbench.detect.ballnet.crops import CUT, Crop, CropFile, iou, load_crops, varied
from workbench.detect.ballnet.network import (
    BallNet,
    Boxes,
    Target,
    features,
    losses_of,
    peaks,
    target_of,
)
from workbench.detect.ballnet.stored import load_weights
from workbench.errors import DatasetError
from workbench.training.folder import identity_of, load_checkpoint
from workbench.training.history import Callbacks, TrainingResult
from workbench.training.loop import train
from workbench.training.recipe import Recipe
from workbench.training.weights import weights_identity

VALID, HARD, CLICKED_HARD = "valid", "hard", "clicked_hard"
LEAST_IOU = 0.5
_LEAST_LOGIT = -4.0  # of the answers that are judged
_JUDGED = 32  # crops at a time

Batch = tuple[Tensor, Target]
Place = tuple[CropFile, int]


def _shares() -> dict[str, float]:
    return {
        "shots": 0.38, "actions": 0.12, "pasted": 0.16, HARD: 0.16,
        "clicked": 0.11, CLICKED_HARD: 0.07,
    }  # fmt: skip


@dataclass(frozen=True)
class BallConfig(Recipe):
    """Everything the network depends on, besides its crops."""

    epochs: int = 20
    learning_rate: float = 2e-3
    warmup: float = 0.02
    weight_decay: float = 0.01
    ema: float = 0.998
    steps: int = 250  # per epoch
    shares: Mapping[str, float] = field(default_factory=_shares)  # of groups; absent ones: none
    start: str | None = None  # a checkpoint or weights to go on from


class BallLearner:
    """The ball network as the loop trains it, on a folder of crops."""

    best_by = "valid_ap"

    def __init__(self, folder: Path, config: BallConfig) -> None:
        self.config = config
        self.groups = {name: crops_in(folder / name) for name in config.shares}
        self.valid = crops_in(folder / VALID)
        if not any(self.groups.values()) or not self.valid:
            raise DatasetError(f"{folder} has no crops to learn from", "make them again")
        self.network: nn.Module = BallNet().to(memory_format=torch.channels_last)
        if config.start:
            self.network.load_state_dict(network_of(Path(config.start)).state_dict())

    def batches(self, epoch: int) -> list[list[int]]:
        """Return places in the epoch; what is drawn there, the seed decides."""
        size = self.config.batch_size
        return [list(range(step * size, (step + 1) * size)) for step in range(self.config.steps)]

    def load(self, epoch: int, batches: Sequence[Sequence[int]]) -> "DataLoader[Batch]":
        """Return varied crops with their targets."""
        return DataLoader(
            _Varied(self.groups, self.config, epoch),
            batch_sampler=batches,  # type: ignore[arg-type]
            num_workers=self.config.workers,
        )

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        stacked, target = batch
        return losses_of(network(features(stacked)), Target(*target))

    def judge(self, network: nn.Module) -> dict[str, float]:
        """Return average precision and best F1 at IoU .5 on the crops of held-out sessions."""
        tallies: dict[str, Tally] = {}
        for file, crop, found in _seen(network, self.valid):
            group = file.path.name.partition("_")[0]
            for name in ("valid", group):
                tallies.setdefault(name, Tally()).add(found, crop.boxes)
        scores = {f"{name}_ap": tally.average_precision for name, tally in tallies.items()}
        return scores | {"valid_f1": tallies["valid"].best_f1}

    def describe(self) -> dict[str, Any]:
        """Return nothing more: the network has one shape."""
        return {}


def network_of(path: Path) -> BallNet:
    """The network of a run's checkpoint or of weights, ready to run.

    Raises:
        WeightsError: If the weights are not there or are another network's.
    """
    if path.suffix == ".npz":
        return load_weights(path).network
    network = BallNet()
    network.load_state_dict(load_checkpoint(path)["network"])
    return network.eval().to(memory_format=torch.channels_last)


def crops_in(folder: Path) -> list[Place]:
    """Every crop of a folder's files."""
    files = [load_crops(path) for path in sorted(folder.glob("*.npy"))]
    return [(file, place) for file in files for place in range(len(file))]


def _seen(
    network: nn.Module, places: Sequence[Place]
) -> Iterator[tuple[CropFile, Crop, NDArray[np.float32]]]:
    """Yield each crop and what a network finds in it: (K, 5) logit and box, the surest first."""
    device = next(network.parameters()).device
    for first in range(0, len(places), _JUDGED):
        batch = [(file, file[place]) for file, place in places[first : first + _JUDGED]]
        stacked = np.stack([crop.image for _, crop in batch]).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            out = network(features(torch.from_numpy(stacked).to(device)))
            found = peaks(out, _LEAST_LOGIT)
        for (file, crop), rows in zip(batch, found, strict=True):
            yield file, crop, rows.cpu().numpy()


@dataclass(frozen=True)
class _Varied(Dataset[Batch]):
    """Varied crops of an epoch."""

    groups: Mapping[str, Sequence[Place]]
    config: BallConfig
    epoch: int

    def __getitem__(self, place: int) -> Batch:
        rng = np.random.default_rng([self.config.seed, self.epoch, place])
        present = [name for name, crops in self.groups.items() if crops]
        shares = np.array([self.config.shares[name] for name in present])

        def draw() -> Crop:
            crops = self.groups[present[int(rng.choice(len(present), p=shares / shares.sum()))]]
            file, index = crops[int(rng.integers(len(crops)))]
            return file[index]

        crop = varied(draw, rng)
        image = torch.from_numpy(crop.image.transpose(2, 0, 1).copy())
        return image, target_of(crop.boxes, CUT, crop.unknown)


class Tally:
    """Answers against the truth: score of each and whether it is right, and the number of balls."""

    def __init__(self) -> None:
        self.scores: list[float] = []
        self.right: list[bool] = []
        self.balls = 0

    def add(self, found: NDArray[np.float32], boxes: Boxes) -> None:
        """Add a picture: answers (K, 5), surest first; each ball is found once."""
        self.balls += len(boxes)
        left = list(range(len(boxes)))
        for score, *box in found.tolist():
            overlap = iou(np.array(box, np.float32), boxes[left]) if left else np.zeros(0)
            best = int(overlap.argmax()) if left else -1
            right = best >= 0 and bool(overlap[best] >= LEAST_IOU)
            if right:
                left.pop(best)
            self.scores.append(score)
            self.right.append(right)

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Precision and recall as the threshold falls."""
        right = np.array(self.right, bool)[np.argsort(-np.array(self.scores), kind="stable")]
        hits = np.cumsum(right)
        return hits / np.arange(1, len(hits) + 1), hits / max(1, self.balls)

    @property
    def average_precision(self) -> float:
        """Area under the curve, precision never rising with recall; NaN without balls."""
        precision, recall = self.curve()
        if not self.balls:
            return float("nan")
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        return float((falling * np.diff(recall, prepend=0.0)).sum())

    @property
    def best_f1(self) -> float:
        """Best F1 over all thresholds."""
        return float(self._f1().max(initial=0.0))

    def _f1(self) -> NDArray[np.float64]:
        precision, recall = self.curve()
        return 2 * precision * recall / np.maximum(precision + recall, 1e-9)

    def figures(self, least_precision: float) -> dict[str, float]:
        """Balls, recall at a precision, best F1 and the score that gives it."""
        precision, recall = self.curve()
        enough, scores = recall[precision >= least_precision], np.sort(self.scores)[::-1]
        best = int(self._f1().argmax()) if len(scores) else 0
        return {
            "balls": self.balls,
            "recall at precision .8": round(float(enough.max(initial=0.0)), 3),
            "best f1": round(self.best_f1, 3),
            "score of best f1": round(float(scores[best]) if len(scores) else 0.0, 3),
        }


def train_ballnet(
    crops: Path, run_dir: Path, config: BallConfig | None = None, **callbacks: Unpack[Callbacks]
) -> TrainingResult:
    """Train until the run in a folder is finished; an unfinished run goes on where it was.

    Raises:
        DatasetError: If the folder has no crops.
        WorkbenchError: If the run's folder holds another run.
    """
    config = config or BallConfig()
    identity = identity_of(config, crops=crops_identity(crops, config))
    if config.start:
        identity["start"] = weights_identity(Path(config.start))
    make_learner = partial(BallLearner, crops, config)
    return train(make_learner, run_dir, config, identity, **callbacks)


def crops_identity(crops: Path, config: BallConfig) -> dict[str, int]:
    """How many files of crops each group has that is learned from or judged on."""
    return {name: len(list((crops / name).glob("*.npy"))) for name in (*config.shares, VALID)}
