"""Training of a classifier whose body is frozen: features made once, only the head learns.

The unit is one clip's features: as the clip is, mirrored, and some varied views, made wherever
WORKBENCH_ENGINE says. They are kept beside the clip set, so that another run takes seconds.
Settings and loop are those of every classifier (`train`, `training.loop`), but that a view's
variations are drawn once, not each epoch. Never looks at the test split.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from workbench.actions.augment import Augmentation, Frames, plain_view, varied_view
from workbench.actions.clipset import Clipset
from workbench.actions.learner import Batch, ClipLearner, Draw
from workbench.actions.probes import FrozenClipNet
from workbench.actions.recipe import TrainConfig
from workbench.engines.each import each, refuse_failures
from workbench.engines.engine import Engine
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
        varied = [
            varied_features(self.network, self.train, *view, config.augmentation, number)
            for number in range(config.variants)
        ]
        if varied:
            self._train = np.concatenate([self._train, np.stack(varied, axis=1)], axis=1)

    def load(self, epoch: int, batches: Sequence[Sequence[Draw]]) -> Iterator[Batch]:
        """Yield features (N, T', D) of the clips of each batch.

        Every way a clip was seen comes equally often; as it is and mirrored count as one.
        """
        marks, flip = torch.from_numpy(self.train.marks()), self.config.augmentation.flip
        for batch in batches:
            clips = [clip for _, clip in batch]
            rngs = [np.random.default_rng([self.config.seed, epoch, place]) for place, _ in batch]
            ways = [int(rng.random() < flip) for rng in rngs]
            if self.config.variants:
                drawn = [int(rng.integers(self.config.variants + 1)) for rng in rngs]
                ways = [1 + one if one else way for one, way in zip(drawn, ways, strict=True)]
            yield torch.from_numpy(self._train[clips, ways]), marks[clips]

    def scores(self, network: nn.Module) -> Tensor:
        """Score the validation clips as they are."""
        device = next(network.parameters()).device
        with torch.inference_mode():
            found: Tensor = network.eval()(torch.from_numpy(self._valid[:, 0]).to(device))
        return found.double().cpu()


def clip_features(
    network: FrozenClipNet,
    clipset: Clipset,
    frames: int,
    size_wh: tuple[int, int],
    engine: Engine | str | None = None,
) -> Features:
    """Return the features of clips as they are and mirrored (N, 2, T', D).

    Args:
        network: Its frozen part makes them.
        clipset: The clips; features lie beside its folder, by content, so that the next version
            makes those of new clips only.
        frames: T.
        size_wh: Of the pictures.
        engine: Who makes those that are not there (`make_engine`).
    """
    name = f"{network.body_name}-{frames}x{size_wh[0]}x{size_wh[1]}"

    both = partial(_both_ways, count=frames, size_wh=size_wh)
    return _kept_features(network, clipset, name, both, engine)


def _both_ways(shown: Frames, _: str, *, count: int, size_wh: tuple[int, int]) -> Frames:
    view = plain_view(shown, count, size_wh)
    return np.stack([view, view[:, :, ::-1]])


def varied_features(
    network: FrozenClipNet, clipset: Clipset, frames: int, size_wh: tuple[int, int],
    augmentation: Augmentation, number: int, engine: Engine | str | None = None,
) -> Features:  # fmt: skip
    """Return the features (N, T', D) of one varied view of each clip, kept like the others.

    Drawn from what the clip shows: the same view in the next version of the set.
    """
    drawn = hashlib.sha256(repr(augmentation).encode()).hexdigest()[:12]
    name = f"{network.body_name}-{frames}x{size_wh[0]}x{size_wh[1]}-{drawn}-{number}"

    settings = {"count": frames, "size_wh": size_wh, "augmentation": augmentation}
    one_way = partial(_varied, **settings, number=number)  # type: ignore[arg-type]
    return _kept_features(network, clipset, name, one_way, engine)[:, 0]


def _varied(
    shown: Frames, fingerprint: str, *, count: int, size_wh: tuple[int, int],
    augmentation: Augmentation, number: int,
) -> Frames:  # fmt: skip
    rng = np.random.default_rng([number, int(fingerprint[:12], 16)])
    return varied_view(shown, count, size_wh, augmentation, rng)[None]


def _kept_features(
    network: FrozenClipNet,
    clipset: Clipset,
    name: str,
    views: Callable[[Frames, str], Frames],
    engine: Engine | str | None,
) -> Features:
    folder = clipset.folder.parent / "features" / name
    paths = [folder / f"{item.fingerprint}.npy" for item in clipset.items]
    missing = ((path.stem, (clipset.frames(place), path))
               for place, path in enumerate(paths) if not path.is_file())  # fmt: skip
    work = partial(_keep_features, network=network, views=views)
    made = {ended.name: ended.result for ended in each(work, missing, engine=engine)}
    refuse_failures(made, "clips")
    return np.stack([np.load(path) for path in paths])


def _keep_features(
    item: tuple[Frames, Path], *, network: FrozenClipNet, views: Callable[[Frames, str], Frames]
) -> None:
    shown, path = item
    made = network.features(torch.from_numpy(views(shown, path.stem))).numpy()
    with replacing(path) as part:
        np.save(part, made)
