"""Networks that say at every step of a match what happens there, and how far from its middle.

The unit is a clip of T steps, each a stack of `STACK` neighbouring grey frames: (B, T, 3, H, W)
bytes in, (B, T, 2 K) out: K logits, and K displacements in steps from the middle of the step to the
event. A network with `sides` says one number more, above 0 where the side is the right one. A
small encoder trained from nothing does not see a ball of two pixels move in one picture: the
differences of the stack's frames are part of its input.

| name | what looks beyond a stack |
|---|---|
| still | nothing, and of the stack it sees one frame: the floor of a comparison |
| stack | nothing |
| recurrent | a recurrent network in both directions |
| transformer | attention to the steps near |
| slow_fusion | convolutions over time on the maps, then over five steps of pooled features |
| dense | convolutions over time on the maps, then a recurrent network in both directions |
| tdeed | convolutions over time on the maps, then an encoder and decoder of SGP layers |
| tridet | the same with one level, and displacements as the mean of bins |
| x3d | three blocks of X3D on the maps, from random weights |

Source: `slow_fusion` after Baikulov (2023), SoccerNet's ball action winner, its windows of five
stacks run as convolutions along the clip; generalised mean pooling after Radenović et al. (2019);
`x3d` and `context` name those of the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.actions import x3d
from workbench.actions.spotting.context import (
    Attention,
    EncoderDecoder,
    Fusion,
    Granular,
    Recurrent,
)
from workbench.actions.spotting.encoders import SLIM, make_encoder
from workbench.actions.spotting.greyframes import STACK
from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class _Plan:
    """What a network is made of beyond the encoder."""

    context: Callable[[int], Any] | None = None
    mixes: int = 0  # convolutions over time on the maps
    mix: Callable[[int], nn.Module] = lambda channels: _TimeMix(channels)
    bins: int = 0  # of a displacement; 0: said at once


_PLANS = {
    "still": _Plan(),
    "stack": _Plan(),
    "recurrent": _Plan(Recurrent),
    "transformer": _Plan(Attention),
    "slow_fusion": _Plan(Fusion, mixes=2),
    "dense": _Plan(Recurrent, mixes=2),
    "tdeed": _Plan(EncoderDecoder, mixes=2),
    "tridet": _Plan(Granular, mixes=2, bins=9),
    "x3d": _Plan(mixes=3, mix=lambda channels: _X3dMix(channels)),
}
NAMES = tuple(_PLANS)
HIDDEN = 128
_FARTHEST = 1.5  # steps that a displacement can say
_SIDE = 0.1  # how much the side counts in the loss
_RARE = -3.0  # the first bias of the logits: most steps hold no event


class Spotter(nn.Module):
    """A network by name.

    Args:
        name: One of `NAMES`.
        classes: K.
        encoder: Of stacks: see `encoders`.
        size_wh: Of the frames it is made for.
        hidden: Features of a step; a recurrent network has three quarters as many each way.
        sides: Whether it also says which side's event it is.
        also: Classes of a second set of labels that it is trained on, with a head of its own.
        pretrained: Whether an encoder that has published weights begins with them.

    Raises:
        WorkbenchError: If there is no network or encoder of this name, or no weights for it.
    """

    def __init__(
        self,
        name: str,
        classes: int,
        encoder: str = SLIM,
        size_wh: tuple[int, int] = (256, 144),
        hidden: int = HIDDEN,
        *,
        sides: bool = False,
        also: int = 0,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        if name not in NAMES:
            raise WorkbenchError(f"spotter {name!r}", f"choose one of {', '.join(NAMES)}")
        self.name, self.classes, self.size_wh = name, classes, size_wh
        self.encoder = make_encoder(encoder, pretrained)
        channels = self.encoder.channels
        plan = _PLANS[name]
        self.mixing = nn.ModuleList(plan.mix(channels) for _ in range(plan.mixes))
        self.project = nn.Sequential(
            nn.Linear(2 * channels, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.power = nn.Parameter(torch.tensor(3.0)) if name == "slow_fusion" else None
        self.context = plan.context(hidden) if plan.context else None
        width = self.context.width if self.context else hidden
        self.bins = plan.bins
        self.last = self._head(width, classes)
        self.also = self._head(width, also) if also else None
        self.side = nn.Linear(width, 1) if sides else None

    def _head(self, width: int, classes: int) -> nn.Linear:
        head = nn.Linear(width, classes * (1 + max(1, self.bins)))
        nn.init.constant_(head.bias[:classes], _RARE)
        return head

    def forward(self, clips: Tensor, also: bool = False) -> Tensor:
        """Return logits and displacements (B, T, 2 K) of clips (B, T, 3, H, W), then the side."""
        batch, steps = clips.shape[:2]
        maps = self.maps(clips.flatten(0, 1))
        return self.heads(maps.view(batch, steps, *maps.shape[1:]), also)

    def maps(self, stacks: Tensor) -> Tensor:
        """Return the maps (N, C, h, w) of stacks (N, 3, H, W) of bytes: the costly part."""
        if self.name == "still":
            stacks = stacks[:, STACK // 2 : STACK // 2 + 1].expand_as(stacks)
        maps: Tensor = self.encoder(stacks)
        return maps

    def heads(self, maps: Tensor, also: bool = False) -> Tensor:
        """Return what `forward` does of the maps (B, T, C, h, w) of a clip.

        With `also` it is in the classes of the second set of labels.
        """
        for mix in self.mixing:
            maps = mix(maps)
        pooled = self.project(torch.cat([self._mean(maps), maps.amax((3, 4))], dim=2))
        if self.context is not None:
            pooled = self.context(pooled)
        head = self.also if also else self.last
        assert head is not None
        said: Tensor = head(pooled)
        parts = [said]
        if self.bins:
            classes = head.out_features // (1 + self.bins)
            bins = said[..., classes:].reshape(*said.shape[:-1], classes, self.bins)
            chances = bins.softmax(-1)
            places = torch.linspace(-_FARTHEST, _FARTHEST, self.bins, device=said.device)
            parts = [said[..., :classes], chances @ places.to(chances.dtype)]
        return torch.cat([*parts, *([self.side(pooled)] if self.side else [])], dim=-1)

    def _mean(self, maps: Tensor) -> Tensor:
        if self.power is None:
            return maps.mean((3, 4))
        raised = maps.float().clamp(min=1e-4).pow(self.power)
        return raised.mean((3, 4)).pow(1 / self.power)


class _TimeMix(nn.Module):
    """A residual convolution over three steps where the ball is, before pooling forgets where."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.space = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        # A kernel of (3, 1, 1) as Conv2d on flattened maps: several times faster on a CPU.
        self.time = nn.Conv2d(channels, channels, (3, 1), padding=(1, 0), bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        batch, steps, channels, high, wide = maps.shape
        spread = self.space(maps.flatten(0, 1)).view(batch, steps, channels, high * wide)
        mixed = F.relu(self.norm(self.time(spread.transpose(1, 2)))).transpose(1, 2)
        return maps + mixed.reshape(batch, steps, channels, high, wide)


class _X3dMix(nn.Module):
    """A block of X3D, without the squeeze over the clip: scores must not depend on windows."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = x3d.Block(channels, channels, is_first=False, weighs=False)

    def forward(self, maps: Tensor) -> Tensor:
        mixed: Tensor = self.block(maps.transpose(1, 2)).transpose(1, 2)
        return mixed


def channels_last(network: Spotter) -> Spotter:
    """Lay a network's pictures' weights out channel by channel, which is faster; return it.

    Not those of X3D's blocks, which have five dimensions: torch refuses to.
    """
    for weights in network.parameters():
        if weights.ndim == 4:
            weights.data = weights.data.contiguous(memory_format=torch.channels_last)
    return network


def spotting_losses(
    out: Tensor,
    target: Tensor,
    offset: Tensor,
    gamma: float,
    side: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return the focal loss of the logits, with that of the displacements near events.

    Args:
        out: (B, T, 2 K) of a network, or with the side after it.
        target: (B, T, K) 1 near an event of the class; between 0 and 1 of mixed clips.
        offset: (B, T, K) steps to that event.
        gamma: How little what is known already counts.
        side: (B, T) 1 near an event of the right side, -1 of the left one, 0 where nobody says.
    """
    classes = target.shape[-1]
    logits, shift = out[..., :classes].float(), out[..., classes : 2 * classes].float()
    likely = torch.sigmoid(logits)
    surprise = (target - likely).abs()
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = torch.where(target > 0, 3.0, 1.0)  # of few against many
    near = target.sum().clamp(min=1)
    focal = (surprise**gamma * entropy * weight).sum() / near / 3
    moved = (F.smooth_l1_loss(shift, offset, reduction="none") * target).sum() / near
    losses = {"loss": focal + 0.3 * moved, "focal": focal, "displacement": moved}
    if side is not None and out.shape[-1] > 2 * classes:
        each = F.binary_cross_entropy_with_logits(
            out[..., -1].float(), (side > 0).float(), reduction="none"
        )
        of_side = (each * side.abs()).sum() / side.abs().sum().clamp(min=1)
        losses |= {"side": of_side, "loss": losses["loss"] + _SIDE * of_side}
    return losses
