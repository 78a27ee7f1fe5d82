"""Training of a classifier whose body is frozen: features made once, only the head learns.

The unit is one clip's features, as the clip is and mirrored. They are kept beside the clip set, so
that another run takes seconds. Settings and loop are those of every classifier
(`train`, `training.loop`); of the variations of a view only mirroring is left. Never looks at the
test split.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from workbench.actions.augment import plain_view
from workbench.actions.clipset import Clipset
from workbench.actions.learner import Batch, ClipLearner, Draw
from workbench.actions.probes import FrozenClipNet
from workbench.actions.recipe import TrainConfig
from workbench.errors import WorkbenchError
from workbench.saving import replacing

Features = npt.NDArray[np.float32]


class FeatureLearner(ClipLearner):
    """A classifier with a frozen body as the loop trains it, on the clip set in a folder."""

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        super().__init__(folder, config)
        assert isinstance(self.network, FrozenClipNet)
        if config.cutmix:
            raise WorkbenchError(
                f"cutmix mixes pictures, and {config.model} learns on features", "use mixup"
            )
        view = (self.frames, self.size_wh)
        self._train = clip_features(self.network, self.train, *view)
        self._valid = clip_features(self.network, self.valid, *view)

    def load(self, epoch: int, batches: Sequence[Sequence[Draw]]) -> Iterator[Batch]:
        """Yield features (N, T', D) of the clips of each batch, some of them mirrored."""
        marks, flip = torch.from_numpy(self.train.marks()), self.config.augmentation.flip
        for batch in batches:
            clips = [clip for _, clip in batch]
            rngs = (np.random.default_rng([self.config.seed, epoch, place]) for place, _ in batch)
            ways = [int(rng.random() < flip) for rng in rngs]
            yield torch.from_numpy(self._train[clips, ways]), marks[clips]

    def scores(self, network: nn.Module) -> Tensor:
        """Score the validation clips as they are."""
        device = next(network.parameters()).device
        with torch.inference_mode():
            found: Tensor = network.eval()(torch.from_numpy(self._valid[:, 0]).to(device))
        return found.double().cpu()


def clip_features(
    network: FrozenClipNet, clipset: Clipset, frames: int, size_wh: tuple[int, int]
) -> Features:
    """Return the features of clips as they are and mirrored (N, 2, T', D).

    Args:
        network: Its frozen part makes them.
        clipset: The clips; features lie beside its folder, by content, so that the next version
            makes those of new clips only.
        frames: T.
        size_wh: Of the pictures.
    """
    folder = (
        clipset.folder.parent
        / "features"
        / f"{network.body_name}-{frames}x{size_wh[0]}x{size_wh[1]}"
    )
    found = []
    for place, item in enumerate(clipset.items):
        path = folder / f"{item.fingerprint}.npy"
        if path.is_file():
            found.append(np.load(path))
            continue
        view = plain_view(clipset.frames(place), frames, size_wh)
        both = torch.from_numpy(np.stack([view, view[:, :, ::-1]]))
        found.append(network.features(both).numpy())
        with replacing(path) as part:
            np.save(part, found[-1])
    return np.stack(found)
