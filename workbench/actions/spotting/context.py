"""What a step knows of the steps around it: features (B, T, F) to features (B, T, `width`).

The unit is a clip of T steps. None looks further than a few seconds, so that scores do not depend
on where a window of a long video begins.

Sources: T-DEED, Xarles et al. (2024), arXiv:2404.05392; TriDet, Shi et al. (2023),
arXiv:2303.07347, whose scalable-granularity perception (SGP) both are made of.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FAR = 12  # steps on either side


class Recurrent(nn.GRU):
    """A recurrent network in both directions."""

    def __init__(self, inside: int, hidden: int | None = None) -> None:
        hidden = hidden or 3 * inside // 4
        super().__init__(inside, hidden, batch_first=True, bidirectional=True)
        self.width = 2 * hidden

    def forward(self, features: Tensor) -> Tensor:  # type: ignore[override]
        """Return (B, T, width)."""
        return torch.as_tensor(super().forward(features)[0])


class Fusion(nn.Conv1d):
    """A convolution over five steps, as the winner of 2023 joins its five stacks."""

    def __init__(self, inside: int) -> None:
        super().__init__(inside, inside, 5, padding=2)
        self.width = inside

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, T, width)."""
        return features + F.relu(super().forward(features.transpose(1, 2))).transpose(1, 2)


class Attention(nn.Module):
    """A transformer whose steps attend to those near them."""

    def __init__(self, inside: int, layers: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.width = inside
        # What comes before and after, which attention alone does not tell apart.
        self.order = nn.Conv1d(inside, inside, 9, padding=4, groups=inside)
        layer = nn.TransformerEncoderLayer(
            inside, heads, 2 * inside, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, T, width)."""
        ordered = features + self.order(features.transpose(1, 2)).transpose(1, 2)
        places = torch.arange(features.shape[1], device=features.device)
        too_far = (places[:, None] - places[None]).abs() > _FAR
        return torch.as_tensor(self.layers(ordered, mask=too_far))


class Granular(nn.Module):
    """SGP layers one after the other, as TriDet has them on each level."""

    def __init__(self, inside: int, depth: int = 3) -> None:
        super().__init__()
        self.width = inside
        self.layers = nn.Sequential(*(_Sgp(inside) for _ in range(depth)))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, T, width)."""
        return torch.as_tensor(self.layers(features.transpose(1, 2)).transpose(1, 2))


class EncoderDecoder(nn.Module):
    """T-DEED: SGP layers at a half and a quarter of the rhythm and back: it sees further."""

    def __init__(self, inside: int, levels: int = 2) -> None:
        super().__init__()
        self.width = inside
        self.down = nn.ModuleList(_Sgp(inside, _FAR >> level) for level in range(levels))
        self.deep = _Sgp(inside, _FAR >> levels)
        self.up = nn.ModuleList(_Sgp(inside, _FAR >> level) for level in reversed(range(levels)))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, T, width)."""
        here, before = features.transpose(1, 2), []
        for layer in self.down:
            here = layer(here)
            before.append(here)
            here = F.max_pool1d(here, 2, ceil_mode=True)
        here = self.deep(here)
        for layer, kept in zip(self.up, reversed(before), strict=True):
            here = layer(kept + F.interpolate(here, scale_factor=2.0)[..., : kept.shape[-1]])
        return torch.as_tensor(here.transpose(1, 2))


class _Sgp(nn.Module):
    """Scalable-granularity perception: a step against those around it, and two windows."""

    def __init__(self, channels: int, around: int = _FAR) -> None:
        super().__init__()
        self.reach = around

        def over(width: int) -> nn.Conv1d:
            return nn.Conv1d(channels, channels, width, padding=width // 2, groups=channels)

        self.norm, self.norm_after = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.here, self.around = over(1), nn.Conv1d(channels, channels, 1)
        self.gate, self.near, self.far = over(1), over(3), over(7)
        self.mix = nn.Sequential(
            nn.Conv1d(channels, 2 * channels, 1), nn.GELU(), nn.Conv1d(2 * channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        seen = self.norm(x.transpose(1, 2)).transpose(1, 2)
        mean = F.avg_pool1d(seen, 2 * self.reach + 1, 1, self.reach, count_include_pad=False)
        instant = self.here(seen) * F.relu(self.around(mean))
        window = self.gate(seen) * (self.near(seen) + self.far(seen))
        x = x + instant + window
        return torch.as_tensor(x + self.mix(self.norm_after(x.transpose(1, 2)).transpose(1, 2)))
