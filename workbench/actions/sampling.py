"""The clips that an epoch shows, their order, and the variation of each.

The unit is a draw: (place in the epoch, clip). Every draw's randomness comes from the run's seed,
the epoch and its place alone, so that a resumed run, or one with more loading workers, sees the
very same views, and no generator's state needs saving.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from workbench.actions.augment import Augmentation, varied_view
from workbench.actions.clipset import Clipset

Draw = tuple[int, int]
Batch = tuple[Tensor, Tensor]  # frames (N, T, H, W, 3) uint8, targets (N,)


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


class TrainingViews(Dataset[tuple[npt.NDArray[np.uint8], int]]):
    """Varied views of a clip set, for one epoch."""

    def __init__(
        self,
        clipset: Clipset,
        frames: int,
        size_wh: tuple[int, int],
        augmentation: Augmentation,
        seed: int,
        epoch: int,
    ) -> None:
        self.clipset = clipset
        self.targets = clipset.targets()
        self.frames, self.size_wh, self.augmentation = frames, size_wh, augmentation
        self.seed, self.epoch = seed, epoch

    def __getitem__(self, draw: Draw) -> tuple[npt.NDArray[np.uint8], int]:
        place, clip = draw
        view = varied_view(
            self.clipset.frames(clip),
            self.frames,
            self.size_wh,
            self.augmentation,
            np.random.default_rng([self.seed, self.epoch, place]),
        )
        return view, int(self.targets[clip])

    def loader(self, batches: Sequence[Sequence[Draw]], *, workers: int) -> DataLoader[Batch]:
        """Return a loader of these batches; with `workers` > 0, processes prepare them ahead."""
        return DataLoader(
            self,  # type: ignore[arg-type]  # yields pairs that `_collate` turns into a Batch
            batch_sampler=batches,  # type: ignore[arg-type]  # lists of draws, not of places
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            collate_fn=_collate,
        )


def _collate(pairs: Sequence[tuple[npt.NDArray[np.uint8], int]]) -> Batch:
    views, targets = zip(*pairs, strict=True)
    return torch.from_numpy(np.stack(views)), torch.tensor(targets)
