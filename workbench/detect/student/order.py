"""Training batches that depend on seed and epoch alone, so that a resumed run sees the same ones.

rfdetr shuffles and varies images from torch's and Python's global random state, and Lightning draws
the first batch of a process at another moment than those of later epochs. Here the order is drawn
from (seed, epoch), and the variation of an image from (seed, epoch, its place in the dataset).
Knows nothing about what is in a batch.
"""

from collections.abc import Iterator
from typing import Any

import torch
from rfdetr.training import RFDETRDataModule
from torch.utils.data import DataLoader, Dataset, RandomSampler

from workbench.training.compute import one_seed, seed_all


class OrderedData(RFDETRDataModule):
    """rfdetr's data with a training order of our own; several processes keep Lightning's.

    Args:
        network: rfdetr's model configuration.
        settings: rfdetr's training configuration.
        seed: Of order and variation.
    """

    def __init__(self, network: Any, settings: Any, seed: int) -> None:
        super().__init__(network, settings)
        self._seed = seed

    def train_dataloader(self) -> DataLoader[Any]:
        """Return rfdetr's loader, its order replaced."""
        theirs = super().train_dataloader()
        if self.trainer is not None and self.trainer.world_size > 1:
            return theirs
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        return DataLoader(
            _Seeded(theirs.dataset, self._seed),
            batch_size=theirs.batch_size,
            sampler=_Order(theirs.sampler, self._seed, epoch),
            drop_last=theirs.drop_last,
            collate_fn=theirs.collate_fn,
            num_workers=theirs.num_workers,
            pin_memory=theirs.pin_memory,
            persistent_workers=theirs.persistent_workers,
            prefetch_factor=theirs.prefetch_factor,
        )


class _Order(RandomSampler):
    """The order of one epoch; an index also says which epoch it is of, for `_Seeded`.

    Lightning calls `set_epoch` before each epoch but the first of a process.
    """

    def __init__(self, theirs: Any, seed: int, epoch: int) -> None:
        super().__init__(
            theirs.data_source, replacement=theirs.replacement, num_samples=theirs.num_samples
        )
        self._seed, self._epoch = seed, epoch

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of this epoch from now on."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        seed = one_seed(self._seed, self._epoch)
        self.generator = torch.Generator().manual_seed(seed)
        first = self._epoch * len(self.data_source)
        return (first + index for index in super().__iter__())


class _Seeded(Dataset[Any]):
    """A dataset whose random variation depends on the seed, the epoch and the image."""

    def __init__(self, images: Any, seed: int) -> None:
        self._images, self._seed = images, seed

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        epoch, place = divmod(index, len(self._images))
        seed_all(self._seed, epoch, place)
        return self._images[place]
