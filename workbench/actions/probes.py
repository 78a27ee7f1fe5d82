"""Clip classifiers for fifty clips of one's own: a frozen body that knows, a small head in time.

The unit is a batch of clips (N, T, H, W, 3) uint8 in, class scores (N, K) out; or of the features
that the frozen body makes of them (N, T', D), which never change and are made once. The head sees
what the features show and how they change: the mean over time, the spread over time and the mean
change from one to the next. Knows nothing about files of clips.

Some dozens of clips are far too few to learn what a picture shows, and enough to learn which
pictures matter. Bodies: EfficientNet-Lite0 as ImageNet has taught it, frame by frame
(`training.lite0`); and transformers that have learned from videos without labels, two frames at a
time: VideoMAE (Tong et al. 2022, arXiv:2203.12602) and V-JEPA 2 (Assran et al. 2025,
arXiv:2506.09985).
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from workbench.training.lite0 import FEATURES, imagenet_lite0, normalised
from workbench.training.weights import WeightsError, find_weights

_AT_ONCE = 64  # frames


class FrozenClipNet(nn.Module):
    """A frozen body with a head; only the head has parameters and a state to save.

    Args:
        classes: How many.
        body: Clips (N, T, H, W, 3) to features (N, T', D).
        width: D.
        hidden: Width of the head; 0: a linear one.
        dropout: Share of what the head sees that is left out in training.
        body_name: Features of bodies of the same name are the same.
    """

    def __init__(
        self,
        classes: int,
        body: nn.Module,
        width: int,
        hidden: int = 0,
        dropout: float = 0.3,
        body_name: str = "",
    ) -> None:
        super().__init__()
        self.body_name = body_name
        self._frozen = (body.eval().requires_grad_(False),)  # a tuple: no part of the state
        inside = 3 * width
        self.head = nn.Sequential(nn.BatchNorm1d(inside, affine=False), nn.Dropout(dropout))
        if hidden:
            self.head.extend([nn.Linear(inside, hidden), nn.ReLU(), nn.Dropout(dropout)])
        self.head.append(nn.Linear(hidden or inside, classes))
        nn.init.normal_(self.head[-1].weight, 0, 0.001)  # type: ignore[arg-type]
        nn.init.zeros_(self.head[-1].bias)  # type: ignore[arg-type]

    @property
    def body(self) -> nn.Module:
        """The frozen part."""
        return self._frozen[0]

    def forward(self, clips: Tensor) -> Tensor:
        """Score clips (N, T, H, W, 3), or their features (N, T', D)."""
        features = clips if clips.ndim == 3 else self.features(clips)
        change = features.diff(dim=1)
        seen = [features.mean(1), features.std(1), change.abs().mean(1)]
        scores: Tensor = self.head(torch.cat(seen, dim=1))
        return scores

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Return the features of clips (N, T', D), in single precision."""
        self.body.to(clips.device)
        with torch.autocast(clips.device.type, enabled=False):
            features: Tensor = self.body(clips)
        return features


class _EveryFrame(nn.Module):
    """EfficientNet-Lite0 on every frame: (N, T, 1280)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def __reduce__(self) -> tuple[Any, ...]:  # another process reads the weights itself, once
        return _lite0_body, ()

    def forward(self, clips: Tensor) -> Tensor:
        pictures = normalised(clips.flatten(0, 1).movedim(-1, 1))
        parts = torch.split(pictures, _AT_ONCE)
        made = [self.network(part)[-1].mean(dim=(2, 3)) for part in parts]
        return torch.cat(made).reshape(*clips.shape[:2], -1)


@cache  # of a process that bodies are sent to
def _lite0_body() -> _EveryFrame:
    return _EveryFrame(imagenet_lite0(head=True)).eval().requires_grad_(False)


class _Tubelets(nn.Module):
    """A video transformer's last states, the mean over the picture: (N, T/2, D)."""

    def __init__(self, encoder: Any, folder: Path) -> None:
        super().__init__()
        self.encoder, self.folder = encoder, folder

    def __reduce__(self) -> tuple[Any, ...]:
        return _tubelets_body, (self.folder,)

    def forward(self, clips: Tensor) -> Tensor:
        pictures = normalised(clips.flatten(0, 1).movedim(-1, 1))
        seen = pictures.reshape(*clips.shape[:2], *pictures.shape[1:])
        if self.encoder.config.model_type == "vjepa2":
            states = self.encoder(pixel_values_videos=seen, skip_predictor=True).last_hidden_state
        else:
            states = self.encoder(pixel_values=seen).last_hidden_state
        steps = clips.shape[1] // self.encoder.config.tubelet_size
        features: Tensor = states.view(len(clips), steps, -1, states.shape[-1]).mean(2)
        return features


@lru_cache(maxsize=1)  # of a process that bodies are sent to
def _tubelets_body(folder: Path) -> _Tubelets:
    return _read_tubelets(folder).eval().requires_grad_(False)


def _read_tubelets(folder: Path) -> _Tubelets:
    from transformers import AutoModel

    return _Tubelets(AutoModel.from_pretrained(folder), folder)


def lite0_probe(classes: int, **settings: Any) -> FrozenClipNet:
    """EfficientNet-Lite0 with ImageNet's weights under a head; see `FrozenClipNet`.

    Raises:
        WeightsError: If the package with the weights is not installed.
    """
    body = _EveryFrame(imagenet_lite0(head=True))
    return FrozenClipNet(classes, body, FEATURES, body_name="lite0", **settings)


def transformer_probe(known: str, classes: int, checkpoint: str = "", **settings: Any) -> nn.Module:
    """VideoMAE or V-JEPA 2 under a head, from a local folder or hub id; `known` where none is told.

    Raises:
        WeightsError: If the weights are missing, or are those of another kind of model.
    """
    folder = find_weights(checkpoint or known)
    try:
        body = _read_tubelets(folder)
        encoder = body.encoder
        kind = encoder.config.model_type
        fault = None if kind in ("videomae", "vjepa2") else f"it is a {kind}"
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        fault = str(error).splitlines()[0]
    if fault:
        raise WeightsError(
            f"{folder} holds no video transformer ({fault})", "give a VideoMAE or V-JEPA 2"
        )
    name = f"{kind}-{folder.name}"
    return FrozenClipNet(classes, body, encoder.config.hidden_size, body_name=name, **settings)
