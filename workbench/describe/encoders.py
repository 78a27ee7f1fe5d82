"""What a clip looks like as one vector: encoders by name, and a linear probe that compares them.

The unit is one clip's frames (T, H, W, 3) in, features (D,) out. Whatever an encoder has learned,
it learned before; the probe alone sees labels, and a better encoder is one whose features let it
tell more. Knows nothing about sentences.

- `clip`: the trunk of a trained clip classifier, before its last layer (the default);
- `jepa`: V-DWT-JEPA (`describe.jepa`), trained here without labels; `jepa-untrained`: as it starts;
- `vjepa2`: V-JEPA 2 (Assran et al. 2025, arXiv:2506.09985), frozen, by hub id or folder;
- `differences`: grey levels' change between frames, on a coarse grid. What does not beat it has
  learned nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.actions.augment import plain_view
from workbench.actions.backbones import last_layer
from workbench.actions.predict import load_classifier
from workbench.actions.probes import FrozenClipNet, transformer_probe
from workbench.describe.jepa import Jepa, load_jepa, small_clip
from workbench.describe.keyframes import DescribeError
from workbench.training.history import last_run

Frames = NDArray[np.uint8]
Features = NDArray[np.float64]
Encoder = Callable[[Frames], Features]

_KNOWN = "facebook/vjepa2-vitl-fpc64-256"
_VJEPA2_FRAMES, _VJEPA2_PX = 16, 256
_GRID = 12


def make_encoder(name: str = "clip", weights: str | Path = "") -> Encoder:
    """Return an encoder by name.

    Args:
        name: One of `ENCODERS`.
        weights: The folder of a training run, for `clip` and `jepa`; for `vjepa2` a folder or hub
            id. Where none is given: the newest classifier below data/models, and the published one.

    Raises:
        DescribeError: If there is none of this name, or it lacks its weights.
        WorkbenchError: If they cannot be loaded.

    Example:
        >>> frames = np.zeros((20, 72, 128, 3), np.uint8)
        >>> make_encoder("differences")(frames).shape
        (2160,)
    """
    if name not in ENCODERS:
        raise DescribeError(f"no encoder is called {name!r}", f"choose one of {list(ENCODERS)}")
    return ENCODERS[name](weights)


def _of_classifier(weights: str | Path) -> Encoder:
    run_dir = Path(weights) if weights else last_run(Path("data/models"), "classifier")
    classifier = load_classifier(run_dir)
    heard: list[Tensor] = []
    _, last = last_layer(classifier.network)

    def listen(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        heard.append(given[0])

    last.register_forward_pre_hook(listen)

    def encode(frames: Frames) -> Features:
        view = plain_view(frames, classifier.frames, classifier.size_wh)
        heard.clear()
        with torch.inference_mode():
            classifier.network(torch.from_numpy(view)[None])
        return np.asarray(heard[-1].flatten().double())

    return encode


def _of_jepa(network: Jepa) -> Encoder:
    def encode(frames: Frames) -> Features:
        with torch.inference_mode():
            return np.asarray(network.features(torch.from_numpy(small_clip(frames))[None])[0])

    return encode


def _untrained(_: str | Path, seed: int = 0) -> Encoder:
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return _of_jepa(Jepa().eval())


def _trained(weights: str | Path) -> Encoder:
    if not weights:
        raise DescribeError("the encoder jepa has no weights", "name the folder of its run")
    return _of_jepa(load_jepa(Path(weights)))


def _of_vjepa2(weights: str | Path) -> Encoder:
    probe = transformer_probe(_KNOWN, 1, str(weights))
    assert isinstance(probe, FrozenClipNet)
    config: Any = probe.body.encoder.config  # type: ignore[union-attr]
    side = int(getattr(config, "crop_size", _VJEPA2_PX))

    def encode(frames: Frames) -> Features:
        view = torch.from_numpy(plain_view(frames, _VJEPA2_FRAMES, (side, side)))
        states = probe.features(view[None])[0]
        return np.asarray(torch.cat([states.mean(0), states.std(0)]).double())

    return encode


def _differences(_: str | Path) -> Encoder:
    def encode(frames: Frames) -> Features:
        small = [
            cv2.resize(one, (_GRID, _GRID), interpolation=cv2.INTER_AREA).astype(np.float64)
            for one in small_clip(frames)
        ]
        return np.abs(np.diff(small, axis=0)).ravel()

    return encode


ENCODERS: Mapping[str, Callable[[str | Path], Encoder]] = {
    "clip": _of_classifier,
    "jepa": _trained,
    "jepa-untrained": _untrained,
    "vjepa2": _of_vjepa2,
    "differences": _differences,
}


def probe(
    features: Features, labels: Sequence[str], others: Features, folds: Sequence[str]
) -> list[str]:
    """Learn a linear probe, and return what it calls the others.

    Args:
        features: Of the clips to learn from (N, D).
        labels: Of those.
        others: Features (M, D) of clips of other sessions.
        folds: Session of each clip to learn from; the strength is chosen between them.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    strengths = {"logisticregression__C": np.logspace(-5, 0, 6)}
    search = GridSearchCV(model, strengths, cv=GroupKFold(min(4, len(set(folds)))))
    called: list[str] = search.fit(features, labels, groups=folds).predict(others).tolist()
    return called
