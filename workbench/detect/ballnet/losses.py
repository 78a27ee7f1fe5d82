"""What the ball network should say of a picture, and how wrong it is.

The unit is a crop with the boxes of its balls. A ball is a small Gaussian around its middle in the
map of balls (CenterNet's focal loss), and its offset, size and overlap (IoU) in the cells near the
middle. Where a crop's own balls are not known, confident answers beside the known ones are ignored:
they may be balls.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from workbench.detect.ballnet.boxes import Boxes
from workbench.detect.ballnet.network import STRIDE

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
