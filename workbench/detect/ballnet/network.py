"""The ball network: five frames in, one map of balls out.

A fully convolutional U-Net of 0.4 M parameters. It sees the colours of a frame and how its grey
differs from the two frames before and the two after (TrackNet's idea: what flies differs, what
stands does not), and says for each cell of two pixels how likely the middle of a ball is there, how
far from the cell's middle, how wide and how high (CenterNet). Works on any size of picture. Knows
nothing about files or about which ball is the one in play.

Sources: TrackNet (Huang et al. 2019, arXiv:1907.03698), CenterNet (Zhou et al. 2019,
arXiv:1904.07850).
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 2  # pixels of a cell
OFFSETS = (-2, -1, 1, 2)  # frames whose grey is compared
CHANNELS = 3 + len(OFFSETS)  # of the input: red, green, blue, then the greys
WIDTHS = (16, 32, 48, 80)  # channels at strides 2, 4, 8, 16
ALIGN = 16  # sides of a picture are padded to multiples of it
_RARE = -4.6  # logit of a ball before anything is learned: 1 % of cells
_USUAL = 2.0  # log of a side in pixels, before anything is learned
_MOST_LOG_PX = 5.5
_LUMA = (0.299, 0.587, 0.114)


class BallNet(nn.Module):
    """Maps (N, 7, H, W) to (N, 5, H/2, W/2): logit of a ball, dx, dy, log width, log height.

    Offsets are in cells from the cell's middle, sides in pixels. H and W are multiples of 16.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS, channels: int = CHANNELS) -> None:
        super().__init__()
        first, last = widths[0], widths[-1]
        self.stem = nn.Sequential(_conv(channels, first, stride=2), _conv(first, first))
        self.down = nn.ModuleList(
            nn.Sequential(_conv(wide, wider, stride=2), _Residual(wider))
            for wide, wider in pairwise(widths)
        )
        self.deep = _Residual(last)
        back = list(pairwise(widths))[::-1]
        self.up = nn.ModuleList(nn.Conv2d(wider, wide, 1) for wide, wider in back)
        self.merge = nn.ModuleList(_conv(wide, wide) for wide, _ in back)
        self.head = nn.Conv2d(first, 5, 1)
        with torch.no_grad():
            assert self.head.bias is not None
            self.head.bias.copy_(torch.tensor([_RARE, 0.0, 0.0, _USUAL, _USUAL]))

    def forward(self, stacked: Tensor) -> Tensor:
        """Take pictures as `features` gives them."""
        levels = [self.stem(stacked)]
        for step in self.down:
            levels.append(step(levels[-1]))
        x = self.deep(levels.pop())
        for up, merge in zip(self.up, self.merge, strict=True):
            beside = levels.pop()
            x = merge(beside + F.interpolate(up(x), size=beside.shape[-2:], mode="nearest"))
        return torch.as_tensor(self.head(x))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def _conv(inside: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


def features(stacked: Tensor) -> Tensor:
    """What the network sees of stacked pictures (N, 7, H, W), grey levels 0–255 in any type.

    Colours around zero; the greys as differences from the frame's own.
    """
    x = stacked.float() / 255
    colours, others = x[:, :3], x[:, 3:]
    weights = x.new_tensor(_LUMA).view(1, 3, 1, 1)
    grey = (colours * weights).sum(dim=1, keepdim=True)
    seen = torch.cat([(colours - 0.45) * 3, (grey - others) * 6], dim=1)
    return seen.contiguous(memory_format=torch.channels_last)


def peaks(out: Tensor, least_logit: float, most: int = 16) -> list[Tensor]:
    """The balls in each picture's map, surest first: (K, 5) of logit, x0, y0, x1, y1 in pixels.

    A peak is a cell that no neighbour exceeds. Of peaks that lie within each other the surest
    stays.

    Args:
        out: Maps of the network (N, 5, h, w).
        least_logit: Peaks below are left out.
        most: Peaks per picture.
    """
    heat = out[:, 0].float()
    is_peak = (F.max_pool2d(heat[:, None], 3, 1, 1)[:, 0] == heat) & (heat > least_logit)
    found = []
    for place, seen in enumerate(is_peak):
        y, x = seen.nonzero(as_tuple=True)
        logit, order = heat[place, y, x].sort(descending=True)
        y, x = y[order[: 4 * most]], x[order[: 4 * most]]
        dx, dy, *sides = out[place, 1:, y, x].float()
        middle = torch.stack([x + 0.5 + dx, y + 0.5 + dy], dim=1) * STRIDE
        half = torch.stack(sides, dim=1).clamp(max=_MOST_LOG_PX).exp() / 2
        boxes = torch.cat([logit[: 4 * most, None], middle - half, middle + half], dim=1)
        found.append(boxes[_apart(middle, half)[:most]])
    return found


def _apart(middle: Tensor, half: Tensor) -> Tensor:
    """Places of the boxes that are not within a surer one."""
    near = torch.maximum(half * 1.2, half.new_tensor(1.8))
    kept: list[int] = []
    for place in range(len(middle)):
        away = (middle[kept] - middle[place]).abs() > near[place]
        if bool(away.any(dim=1).all()):
            kept.append(place)
    return torch.tensor(kept, dtype=torch.long)
