"""Networks that know single pictures, by name, and clip classifiers that look at frames with one.

The unit is a batch of pictures (N, H, W, 3) uint8 in, features (N, D) out; for a classifier clips
(N, T, H, W, 3) in, scores (N, K) out. Frames are looked at one by one, and what happens between
them is found in their features. Knows nothing about datasets or training.

Networks: torchvision's, and any of timm's as `timm/NAME` where that package is installed.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchvision.models import get_model

from workbench.actions.spotting.context import Attention, Recurrent
from workbench.errors import WorkbenchError
from workbench.training.lite0 import normalised

TIMM = "timm/"
_GREY = (0.299, 0.587, 0.114)  # shares of the colours
_WIDTH = 256  # of what knows its neighbours in time

# Of features (N, T, D): what makes (N, T, width) of them, and the width.
_OVER_TIME: dict[str, Callable[[int], tuple[nn.Module, int]]] = {
    "mean": lambda inside: (nn.Identity(), inside),
    "max": lambda inside: (nn.Identity(), inside),
    "recurrent": lambda inside: (Recurrent(inside, _WIDTH), 2 * _WIDTH),
    "transformer": lambda inside: (
        nn.Sequential(nn.Linear(inside, _WIDTH), Attention(_WIDTH)),
        _WIDTH,
    ),
}


class FrameBackbone(nn.Module):
    """A picture network without its last layer; `width` is D.

    Args:
        name: Of torchvision, such as "regnet_y_400mf", or "timm/regnety_002".
        pretrained: Whether timm fetches its weights; those of torchvision, `build_model` loads.

    Raises:
        WorkbenchError: If there is no such network, or timm is not installed.

    Example:
        >>> features = FrameBackbone("resnet50")
        >>> features.width
        2048
    """

    def __init__(self, name: str, pretrained: bool = False) -> None:
        super().__init__()
        if name.startswith(TIMM):
            self.net = _of_timm(name.removeprefix(TIMM), pretrained)
            self.width = int(self.net.num_features)  # type: ignore[arg-type]
            return
        try:
            self.net = get_model(name)
        except ValueError:
            raise WorkbenchError(
                f"torchvision has no network {name!r}", "say resnet50, or timm/NAME for timm's"
            ) from None
        place, last = last_layer(self.net)
        self.width = int(last.in_features)  # type: ignore[arg-type]
        replace_module(self.net, place, nn.Identity())

    def forward(self, pictures: Tensor) -> Tensor:
        """Return features (N, D) of pictures (N, H, W, 3), RGB, uint8 or float in 0–255."""
        seen = normalised(pictures.movedim(-1, 1))
        features: Tensor = self.net(seen.contiguous(memory_format=torch.channels_last))
        return features


class FramesNet(nn.Module):
    """A clip classifier that looks at every frame with a picture network, then over time.

    Args:
        classes: K.
        network: Name of the `FrameBackbone`.
        over_time: "mean" or "max" of the frames, or the mean of what a recurrent network in both
            directions ("recurrent") or a "transformer" makes of them.
        dropout: Of what the last layer sees.
        pretrained: See `FrameBackbone`.
        stacked: Whether three neighbouring frames, grey, are the colours of one picture: a third
            of the pictures, and motion in each.
        tracks: Numbers per tick of what people and ball do (`matchtracks`), fused before the last
            layer; 0: none.
    """

    def __init__(
        self,
        classes: int,
        network: str,
        over_time: str = "mean",
        dropout: float = 0.2,
        pretrained: bool = False,
        stacked: bool = False,
        tracks: int = 0,
    ) -> None:
        super().__init__()
        if over_time not in _OVER_TIME:
            raise WorkbenchError(f"over_time {over_time!r}", f"say {', '.join(_OVER_TIME)}")
        self.frames = FrameBackbone(network, pretrained)
        self.over_time, width = _OVER_TIME[over_time](self.frames.width)
        self.stacked, self.is_max = stacked, over_time == "max"
        self.tracks = _TracksNet(tracks) if tracks else None
        width += self.tracks.width if self.tracks else 0
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(width, classes))

    @property
    def backbone(self) -> nn.Module:
        """What published weights are of."""
        return self.frames.net

    def forward(self, clips: Tensor, tracks: Tensor | None = None) -> Tensor:
        """Score clips (N, T, H, W, 3), RGB, uint8 or float in 0–255, with their tracks (N, T', D).

        Tracks are for networks that are made for them, and those need them.
        """
        if self.stacked:
            grey = clips.float() @ clips.new_tensor(_GREY, dtype=torch.float)
            clips = grey.reshape(len(grey), -1, len(_GREY), *grey.shape[2:]).movedim(2, -1)
        features = self.frames(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        over_time = self.over_time(features)
        pooled = over_time.amax(1) if self.is_max else over_time.mean(1)
        if self.tracks is not None:
            pooled = torch.cat([pooled, self.tracks(tracks)], dim=1)
        scores: Tensor = self.fc(pooled)
        return scores


class _TracksNet(nn.Module):
    """Rows of tracks (N, T, D) to features of the clip (N, width)."""

    def __init__(self, inside: int, hidden: int = 64) -> None:
        super().__init__()
        self.width = 2 * hidden
        self.net = nn.Sequential(
            nn.BatchNorm1d(inside),
            nn.Conv1d(inside, hidden, 5, padding=2),
            nn.ReLU(),
            nn.Conv1d(hidden, hidden, 5, padding=2),
            nn.ReLU(),
        )

    def forward(self, tracks: Tensor) -> Tensor:
        seen = self.net(tracks.transpose(1, 2))
        return torch.cat([seen.mean(2), seen.amax(2)], dim=1)


def last_layer(network: nn.Module) -> tuple[str, nn.Module]:
    """Return name and module of a classifier's last layer with weights, which depends on K."""
    layers = (nn.Linear, nn.Conv3d)
    return [(name, one) for name, one in network.named_modules() if isinstance(one, layers)][-1]


def replace_module(network: nn.Module, name: str, new: nn.Module) -> None:
    """Put another module where the one of this name is."""
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, new)


def _of_timm(name: str, pretrained: bool) -> nn.Module:
    try:
        import timm  # type: ignore[import-not-found]

        network: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except ModuleNotFoundError:
        raise WorkbenchError("timm is not installed", "pip install timm") from None
    except (RuntimeError, OSError) as error:
        raise WorkbenchError(
            f"timm gives no network {name!r} ({str(error).splitlines()[0]})",
            "see timm.list_models(), or leave pretrained out",
        ) from None
    return network
