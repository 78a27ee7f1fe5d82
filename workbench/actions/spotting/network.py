"""Networks that say at every step of a match what happens there, and how far from its middle.

The unit is a clip of T steps, each a stack of `STACK` neighbouring grey frames: (B, T, 3, H, W)
bytes in, (B, T, 2 K) out: K logits, and K displacements in steps from the middle of the step to the
event. A small encoder trained from nothing does not see a ball of two pixels move in one picture:
the differences of the stack's frames are part of its input.

| name | what looks beyond a stack |
|---|---|
| still | nothing, and of the stack it sees one frame: the floor of a comparison |
| stack | nothing |
| slow_fusion | convolutions over time on the maps, then over five steps of pooled features |
| dense | convolutions over time on the maps, then a recurrent network in both directions |

Source: `slow_fusion` after Baikulov (2023), SoccerNet's ball action winner, its windows of five
stacks run as convolutions along the clip; generalised mean pooling after Radenović et al. (2019).
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.actions.spotting.encoders import SLIM, make_encoder
from workbench.actions.spotting.greyframes import STACK
from workbench.errors import WorkbenchError

Name = Literal["still", "stack", "slow_fusion", "dense"]
NAMES: tuple[Name, ...] = get_args(Name)
_FEATURES, _HIDDEN = 128, 96
_RARE = -3.0  # the first bias of the logits: most steps hold no event


class Spotter(nn.Module):
    """A network by name.

    Args:
        name: One of `NAMES`.
        classes: K.
        encoder: Of stacks: see `encoders`.
        size_wh: Of the frames it is made for.
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
        *,
        pretrained: bool = True,
    ) -> None:
        super().__init__()
        if name not in NAMES:
            raise WorkbenchError(f"spotter {name!r}", f"choose one of {', '.join(NAMES)}")
        self.name, self.classes, self.size_wh = name, classes, size_wh
        self.encoder = make_encoder(encoder, pretrained)
        channels = self.encoder.channels
        over_time = name in ("slow_fusion", "dense")
        self.mixing = nn.ModuleList(_TimeMix(channels) for _ in range(2 * over_time))
        self.project = nn.Sequential(
            nn.Linear(2 * channels, _FEATURES),
            nn.LayerNorm(_FEATURES),
            nn.ReLU(),
            nn.Dropout(0.2),
        )
        self.power = nn.Parameter(torch.tensor(3.0)) if name == "slow_fusion" else None
        width = _FEATURES
        self.context: nn.Module | None = None
        if name == "dense":
            self.context = nn.GRU(_FEATURES, _HIDDEN, batch_first=True, bidirectional=True)
            width = 2 * _HIDDEN
        elif name == "slow_fusion":
            self.context = nn.Conv1d(_FEATURES, width, 5, padding=2)
        self.last = nn.Linear(width, 2 * classes)
        nn.init.constant_(self.last.bias[:classes], _RARE)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits and displacements (B, T, 2 K) of clips (B, T, 3, H, W)."""
        batch, steps = clips.shape[:2]
        maps = self.maps(clips.flatten(0, 1))
        return self.heads(maps.view(batch, steps, *maps.shape[1:]))

    def maps(self, stacks: Tensor) -> Tensor:
        """Return the maps (N, C, h, w) of stacks (N, 3, H, W) of bytes: the costly part."""
        if self.name == "still":
            stacks = stacks[:, STACK // 2 : STACK // 2 + 1].expand_as(stacks)
        maps: Tensor = self.encoder(stacks)
        return maps

    def heads(self, maps: Tensor) -> Tensor:
        """Return logits and displacements (B, T, 2 K) of the maps (B, T, C, h, w) of a clip."""
        for mix in self.mixing:
            maps = mix(maps)
        pooled = self.project(torch.cat([self._mean(maps), maps.amax((3, 4))], dim=2))
        if isinstance(self.context, nn.GRU):
            pooled = self.context(pooled)[0]
        elif self.context is not None:
            pooled = pooled + F.relu(self.context(pooled.transpose(1, 2))).transpose(1, 2)
        out: Tensor = self.last(pooled)
        return out

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


def spotting_losses(out: Tensor, target: Tensor, offset: Tensor, gamma: float) -> dict[str, Tensor]:
    """Return the focal loss of the logits, with that of the displacements near events.

    Args:
        out: (B, T, 2 K) of a network.
        target: (B, T, K) 1 near an event of the class.
        offset: (B, T, K) steps to that event.
        gamma: How little what is known already counts.
    """
    logits, shift = out.float().chunk(2, dim=-1)
    likely = torch.sigmoid(logits)
    surprise = torch.where(target > 0, 1 - likely, likely)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = torch.where(target > 0, 3.0, 1.0)  # of few against many
    near = target.sum().clamp(min=1)
    focal = (surprise**gamma * entropy * weight).sum() / near / 3
    moved = (F.smooth_l1_loss(shift, offset, reduction="none") * target).sum() / near
    return {"loss": focal + 0.3 * moved, "focal": focal, "displacement": moved}
