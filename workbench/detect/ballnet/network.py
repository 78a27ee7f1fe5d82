"""The ball network, five frames in, one map of balls out, and what it learns to say.

A fully convolutional U-Net of 0.4 M parameters. It sees the colours of a frame and how its grey
differs from the two frames before and the two after (TrackNet's idea: what flies differs, what
stands does not), and says for each cell of two pixels how likely the middle of a ball is there, how
far from the cell's middle, how wide and how high (CenterNet). Works on any size of picture.

The loss is CenterNet's: a ball is a small Gaussian around its middle in the map of balls, and its
offset, size and overlap (IoU) in the cells near the middle. Where a crop's own balls are not known,
confident answers beside the known ones are ignored: they may be balls. Knows nothing about files or
about which ball is the one in play.

Sources: TrackNet (Huang et al. 2019, arXiv:1907.03698), CenterNet (Zhou et al. 2019,
arXiv:1904.07850).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

Boxes = NDArray[np.float32]  # (K, 4) of left, top, right, bottom in pixels

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


_LEAST_SIGMA = 0.7  # cells; sharper than that, a middle between two cells would count as half wrong
_SIGMA = 0.22  # of the shorter side
_NEAR = 0.3  # of each side: cells so near the middle learn offset and size
_MAYBE = 0.9  # what is surer than that where balls are unknown may be one
_WEIGHTS = {"offset": 0.5, "overlap": 1.5}  # against the map's own loss


class Target(NamedTuple):
    """What the network should say, for one crop or a batch of them (with N in front)."""

    heat: Tensor  # (h, w) 1 in the cell of a middle, less around it
    boxes: Tensor  # (4, h, w) dx, dy, log width, log height
    weight: Tensor  # (h, w) of the boxes; 0 far from a ball
    unknown: Tensor  # () 1 where not every ball of the crop is known


@dataclass(frozen=True)
class _Maps:
    heat: NDArray[np.float32]
    boxes: NDArray[np.float32]
    weight: NDArray[np.float32]


def target_of(boxes: Boxes, side_px: int, unknown: bool = False) -> Target:
    """The target of a square crop, given the balls whose middles lie in it."""
    cells = side_px // STRIDE
    maps = _Maps(
        np.zeros((cells, cells), np.float32),
        np.zeros((4, cells, cells), np.float32),
        np.zeros((cells, cells), np.float32),
    )
    for x0, y0, x1, y1 in boxes.tolist():
        _draw(maps, (x0 + x1) / 2, (y0 + y1) / 2, max(1.0, x1 - x0), max(1.0, y1 - y0))
    heat, regression, weight = map(torch.from_numpy, (maps.heat, maps.boxes, maps.weight))
    return Target(heat, regression, weight, torch.tensor(float(unknown)))


def _draw(maps: _Maps, x_px: float, y_px: float, width: float, height: float) -> None:
    cells = len(maps.heat)
    x, y = x_px / STRIDE, y_px / STRIDE
    column, row = int(x), int(y)
    if not (0 <= x < cells and 0 <= y < cells):
        return
    sigma = max(_LEAST_SIGMA, _SIGMA * min(width, height) / STRIDE)
    reach = ceil(3 * sigma)
    rows = slice(max(0, row - reach), row + reach + 1)
    columns = slice(max(0, column - reach), column + reach + 1)
    off_y = np.arange(cells)[rows, None] + 0.5 - y
    off_x = np.arange(cells)[None, columns] + 0.5 - x
    gauss = np.exp(-(off_x**2 + off_y**2) / (2 * sigma**2)).astype(np.float32)
    heat = maps.heat[rows, columns]
    np.maximum(heat, np.minimum(gauss, 0.98), out=heat)
    maps.heat[row, column] = 1
    near = np.abs(off_x) <= max(1.0, _NEAR * width / STRIDE)
    near = near & (np.abs(off_y) <= max(1.0, _NEAR * height / STRIDE))
    wins = near & (np.maximum(gauss, 0.3) > maps.weight[rows, columns])
    maps.weight[rows, columns][wins] = np.maximum(gauss, 0.3)[wins]
    said = (-off_x, -off_y, np.log(width), np.log(height))
    for channel, value in enumerate(said):
        maps.boxes[channel, rows, columns][wins] = np.broadcast_to(value, wins.shape)[wins]


def stack(targets: Sequence[Target]) -> Target:
    """Make one target of a batch."""
    return Target(*(torch.stack(part) for part in zip(*targets, strict=True)))


def losses_of(out: Tensor, target: Target) -> dict[str, Tensor]:
    """Means over a batch: "loss", and its parts "heat", "offset", "overlap"."""
    parts = {"heat": _focal(out[:, 0].float(), target)}
    near = target.weight > 0
    weight = target.weight[near]
    said, true = (maps.float().movedim(1, -1)[near] for maps in (out[:, 1:], target.boxes))
    total = weight.sum().clamp(min=1)
    parts["offset"] = (_offset(said, true) * weight).sum() / total
    parts["overlap"] = ((1 - _iou(said, true)) * weight).sum() / total
    loss = parts["heat"] + sum(scale * parts[name] for name, scale in _WEIGHTS.items())
    return {"loss": loss, **parts}


def _focal(logit: Tensor, target: Target) -> Tensor:
    """CenterNet's focal loss, per ball of the batch."""
    share = torch.sigmoid(logit)
    is_ball = target.heat == 1
    wrong = -((1 - target.heat) ** 4) * share**2 * F.logsigmoid(-logit)
    maybe = (share.detach() > _MAYBE) & (target.heat < 0.05)
    ignored = is_ball | (maybe & (target.unknown > 0)[:, None, None])
    missed = -((1 - share) ** 2) * F.logsigmoid(logit)
    return (missed[is_ball].sum() + wrong[~ignored].sum()) / is_ball.sum().clamp(min=1)


def _offset(said: Tensor, true: Tensor) -> Tensor:
    """Error of middle (in sizes of the ball) and of log sides (K,)."""
    off = (said - true).abs()
    size = (true[:, 2:].mean(dim=1)).exp().clamp(min=3) / STRIDE
    middle = (off[:, :2].sum(dim=1) / size).clamp(max=3)
    return 2 * middle + off[:, 2:].sum(dim=1).clamp(max=3)


def _iou(said: Tensor, true: Tensor) -> Tensor:
    """Overlap of boxes that are given by offset and log sides (K,)."""
    half, true_half = (boxes[:, 2:].clamp(max=5.5).exp() / 2 for boxes in (said, true))
    middle, true_middle = said[:, :2] * STRIDE, true[:, :2] * STRIDE
    low = torch.maximum(middle - half, true_middle - true_half)
    high = torch.minimum(middle + half, true_middle + true_half)
    common = (high - low).clamp(min=0).prod(dim=1)
    union = 4 * half.prod(dim=1) + 4 * true_half.prod(dim=1) - common
    return common / union.clamp(min=1e-6)
