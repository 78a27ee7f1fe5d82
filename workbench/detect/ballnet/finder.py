"""The ball network at work: what may be a ball in each frame of a stream, with calibrated scores.

Frames come in one by one and answers go out two frames later; five frames are held, whatever the
length of the video. Every frame gives all its candidates, the surest first; which of them is the
ball in play is decided later (`ballchoice`). Boxes are in pixels of the frames as given.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from workbench.detect.ballchoice import Candidate
from workbench.detect.ballnet.crops import Image, grey_of, stack_frames
from workbench.detect.ballnet.network import ALIGN, features, peaks
from workbench.detect.ballnet.stored import SHIPPED, Calibration, load_weights
from workbench.training.compute import choose_device
from workbench.training.weights import weights_identity

SHORT_SIDE = 360  # pixels of the picture that the network sees; smaller ones are left as they are
_REACH = 2  # frames before and after that are compared
_LEAST_LOGIT = -5.0


class BallFinder:
    """Finds candidates in frames.

    Args:
        weights: A file that `train-ball` wrote; the shipped one by default.
        short_side: Pictures are shrunk to it: a larger one finds smaller balls and costs more.
        least_score: Candidates below are left out.
        most: Candidates per frame.
        device: auto, cpu, cuda.

    Raises:
        WeightsError: If the weights are not there or are another network's.

    Example:
        >>> finder = BallFinder()  # doctest: +SKIP
        >>> for frame, balls in zip(iter_frames(path), finder.look(images)):  # doctest: +SKIP
        ...     print(frame.index, balls[0].xywh, balls[0].score)
    """

    def __init__(
        self,
        weights: Path | None = None,
        *,
        short_side: int = SHORT_SIDE,
        least_score: float = 0.02,
        most: int = 12,
        device: str = "auto",
    ) -> None:
        network, self.facts = load_weights(weights)
        self.device = choose_device(device)
        self.network: nn.Module = fused(network).to(self.device)
        self.calibration = Calibration.of_facts(self.facts)
        self.short_side, self.least_score, self.most = short_side, least_score, most
        self.settings: Mapping[str, Any] = {
            "weights": weights_identity(weights or SHIPPED),
            "short_side": short_side,
            "least_score": least_score,
            "most": most,
        }

    def look(self, frames: Iterable[Image]) -> Iterator[list[Candidate]]:
        """Yield the candidates of each frame (H, W, 3), RGB, in order, the surest first."""
        for scale, stacked in _stacked(frames, self.short_side):
            (rows,) = answers(self.network, [stacked], self.device, self.most)
            yield self._candidates(rows, scale)

    def _candidates(self, rows: np.ndarray[Any, Any], scale: float) -> list[Candidate]:
        found = []
        for logit, x0, y0, x1, y1 in rows.tolist():
            score = self.calibration.score(logit, float(np.sqrt((x1 - x0) * (y1 - y0))))
            if score >= self.least_score:
                x, y, width, height = (round(v / scale, 2) for v in (x0, y0, x1 - x0, y1 - y0))
                found.append(Candidate((x, y, width, height), score, logit))
        return sorted(found, key=lambda one: -one.score)


def _stacked(frames: Iterable[Image], short_side: int) -> Iterator[tuple[float, Image]]:
    """Yield each frame with its neighbours' grey, shrunk, and by how much; ends repeat a frame."""
    held: deque[tuple[Image, Image]] = deque(maxlen=2 * _REACH + 1)
    scale, first = 1.0, True
    for frame in frames:
        scale = min(1.0, short_side / min(frame.shape[:2]))
        small = shrunk(frame, scale)
        both = small, grey_of(small)
        for _ in range(1 + _REACH * first):
            held.append(both)
        first = False
        if len(held) == 2 * _REACH + 1:
            yield scale, _middle(held)
    for _ in range(_REACH if held else 0):
        held.append(held[-1])
        if len(held) == 2 * _REACH + 1:
            yield scale, _middle(held)


def _middle(held: Sequence[tuple[Image, Image]]) -> Image:
    greys = [grey for place, (_, grey) in enumerate(held) if place != _REACH]
    return stack_frames(held[_REACH][0], greys)


def shrunk(frame: Image, scale: float) -> Image:
    """A frame made smaller, averaging."""
    if scale == 1:
        return frame
    height, width = frame.shape[:2]
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(frame, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


def answers(
    network: nn.Module, stacked: Sequence[Image], device: torch.device, most: int = 12
) -> list[np.ndarray[Any, Any]]:
    """What a network says of stacked pictures (H, W, 7) of one size: (K, 5) logit and box each."""
    images = torch.from_numpy(np.stack(stacked)).permute(0, 3, 1, 2).to(device)
    height, width = images.shape[-2:]
    with torch.inference_mode():
        padding = (0, -width % ALIGN, 0, -height % ALIGN)
        # Grey levels are padded, not features: there the picture goes on as its edge.
        padded = F.pad(images.float(), padding, mode="replicate") if any(padding) else images
        out = network(features(padded))
        found = peaks(out, _LEAST_LOGIT, most)
    return [_cut(rows.float().cpu().numpy(), width, height) for rows in found]


def _cut(rows: np.ndarray[Any, Any], width: int, height: int) -> np.ndarray[Any, Any]:
    """Cut boxes to the picture; drop what lies outside."""
    rows[:, 1::2] = rows[:, 1::2].clip(0, width)
    rows[:, 2::2] = rows[:, 2::2].clip(0, height)
    return np.asarray(rows[(rows[:, 3] - rows[:, 1] >= 1) & (rows[:, 4] - rows[:, 2] >= 1)])


def fused(network: nn.Module) -> nn.Module:
    """The network with each normalisation folded into the convolution before it: a fifth faster."""
    for module in list(network.modules()):
        if isinstance(module, nn.Sequential) and len(module) >= 2:
            first, second = module[0], module[1]
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module[0] = torch.nn.utils.fuse_conv_bn_eval(first.eval(), second.eval())
                module[1] = nn.Identity()
    return network.eval().to(memory_format=torch.channels_last)
