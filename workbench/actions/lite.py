"""A clip classifier for fifty clips of one's own: frozen ImageNet features, a small head in time.

The unit is a batch of clips (N, T, H, W, 3) uint8 in, class scores (N, K) out; or of the features
that the frozen part makes of them (N, T, 1280), which never change and are made once. The head sees
what the frames show and how it changes: the mean over time, the spread over time and the mean
change from frame to frame. Knows nothing about files.

The frozen part is EfficientNet-Lite0 as ImageNet has taught it (`training.lite0`): some dozens of
clips are far too few to learn what a picture shows, and enough to learn which pictures matter.
"""

import torch
from torch import Tensor, nn

from workbench.training.lite0 import FEATURES, imagenet_lite0, normalised

_AT_ONCE = 64  # frames


class LiteClipNet(nn.Module):
    """The frozen network with its head; only the head has parameters and a state to save.

    Args:
        classes: How many.
        hidden: Width of the head; 0: a linear one.
        dropout: Share of what the head sees that is left out in training.
        backbone: Pictures to a list of maps, the last of 1280 channels; ImageNet's where absent.

    Raises:
        WeightsError: If the package with the weights is not installed.
    """

    def __init__(
        self, classes: int, hidden: int = 0, dropout: float = 0.3, backbone: nn.Module | None = None
    ) -> None:
        super().__init__()
        frozen = imagenet_lite0(head=True) if backbone is None else backbone
        self._frozen = (frozen.eval().requires_grad_(False),)  # a tuple: no part of the state
        inside = 3 * FEATURES
        self.head = nn.Sequential(nn.BatchNorm1d(inside, affine=False), nn.Dropout(dropout))
        if hidden:
            self.head.extend([nn.Linear(inside, hidden), nn.ReLU(), nn.Dropout(dropout)])
        self.head.append(nn.Linear(hidden or inside, classes))
        nn.init.normal_(self.head[-1].weight, 0, 0.001)  # type: ignore[arg-type]
        nn.init.zeros_(self.head[-1].bias)  # type: ignore[arg-type]

    def forward(self, clips: Tensor) -> Tensor:
        """Score clips (N, T, H, W, 3), or their features (N, T, 1280)."""
        features = clips if clips.ndim == 3 else self.features(clips)
        change = features.diff(dim=1)
        seen = [features.mean(1), features.std(1), change.abs().mean(1)]
        scores: Tensor = self.head(torch.cat(seen, dim=1))
        return scores

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Return the features of every frame (N, T, 1280), in single precision."""
        (frozen,) = self._frozen
        frozen.to(clips.device)
        pictures = normalised(clips.flatten(0, 1).movedim(-1, 1))
        with torch.autocast(clips.device.type, enabled=False):
            made = [frozen(part)[-1].mean(dim=(2, 3)) for part in torch.split(pictures, _AT_ONCE)]
        features: Tensor = torch.cat(made).reshape(*clips.shape[:2], -1)
        return features
