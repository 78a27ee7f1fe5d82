"""R(2+1)D networks that take the stored frames as they are: uint8, not yet normalised.

The unit is a batch of clips (N, T, H, W, 3) in, class scores (N, K) out. Normalisation and the
frame difference are part of the network, so what a checkpoint was trained with travels with it.
Knows nothing about files of footage, labels or training.

Source: Tran et al. (2018), "A Closer Look at Spatiotemporal Convolutions for Action Recognition";
blocks and Kinetics weights from torchvision.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D

# Of Kinetics-400, as torchvision's video weights were trained.
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)


class TemporalConv3d(nn.Conv3d):
    """A (k, 1, 1) convolution over time, computed as a 2D convolution over (T, H·W).

    The sums, the parameters and the state dict are those of `nn.Conv3d`. It exists because oneDNN's
    bf16 weight gradient of a Conv3d is uninitialised memory whenever 1 < T < k (torch 2.15, oneDNN
    3.13, AVX-512; R(2+1)D meets that in its last layers), and because it is faster in fp32 too
    (`benchmarks/temporal_conv.py`). On a GPU it computes as `nn.Conv3d` does.
    """

    @staticmethod
    def can_stand_for(conv: nn.Conv3d) -> bool:
        """Say whether `conv` convolves over time alone, with zeros around."""
        return (
            conv.kernel_size[0] > 1
            and conv.kernel_size[1:] == (1, 1)
            and conv.stride[1:] == (1, 1)
            and not isinstance(conv.padding, str)
            and conv.padding[1:] == (0, 0)
            and conv.padding_mode == "zeros"
        )

    def forward(self, clips: Tensor) -> Tensor:
        """Convolve (N, C, T, H, W) over T."""
        if clips.is_cuda:
            return super().forward(clips)
        assert not isinstance(self.padding, str)  # `can_stand_for` lets none through
        over_time = F.conv2d(
            clips.flatten(3),
            self.weight.squeeze(-1),
            self.bias,
            (self.stride[0], 1),
            (self.padding[0], 0),
            (self.dilation[0], 1),
            self.groups,
        )
        return over_time.view(*over_time.shape[:3], *clips.shape[3:])


def fold_temporal_convolutions(network: nn.Module) -> int:
    """Make every (k, 1, 1) Conv3d of `network` a `TemporalConv3d`; returns how many.

    Only the class of such a module changes. Its parameters stay the same objects under the same
    names, so optimisers and checkpoints made before or after fit alike.
    """
    plain = [module for module in network.modules() if type(module) is nn.Conv3d]
    foldable = [conv for conv in plain if TemporalConv3d.can_stand_for(conv)]
    for conv in foldable:
        conv.__class__ = TemporalConv3d
    return len(foldable)


class NarrowConv2Plus1d(Conv2Plus1D):  # type: ignore[misc]
    """A (2+1)D convolution with as many channels between space and time as it gives out.

    torchvision's has about twice as many, to equal the parameters of a 3D convolution; half the
    time of a training step went there.
    """

    def __init__(
        self, inputs: int, outputs: int, midplanes: int, stride: int = 1, padding: int = 1
    ) -> None:
        super().__init__(inputs, outputs, outputs, stride, padding)


class SlimR2Plus1d(nn.Module):
    """R(2+1)D of one block per stage and a quarter of the width, for training on a CPU.

    The stem halves the number of frames: what moves from frame to frame is in its input already
    (`ClipNet`), and a step costs a third. The first stage has `width` channels, the others 2, 4 and
    8 times as many; `dropout` is of the pooled features.
    """

    def __init__(self, channels: int, classes: int, width: int = 16, dropout: float = 0.0) -> None:
        super().__init__()
        stem = max(8, 45 * width // 64)  # R(2+1)D-18 has 45 before its 64
        self.stem = nn.Sequential(
            nn.Conv3d(channels, stem, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(stem),
            nn.ReLU(inplace=True),
            nn.Conv3d(stem, width, (3, 1, 1), (2, 1, 1), (1, 0, 0), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(inplace=True),
        )
        self.layers = nn.Sequential(
            BasicBlock(width, width, NarrowConv2Plus1d),
            *(_halving_block(width * 2**stage, width * 2 ** (stage + 1)) for stage in range(3)),
        )
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(8 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, clips: Tensor) -> Tensor:
        """Score (N, C, T, H, W); any T, H and W that survive three halvings."""
        features: Tensor = self.layers(self.stem(clips)).mean((2, 3, 4))
        scores: Tensor = self.fc(self.dropout(features))
        return scores


def _halving_block(inputs: int, outputs: int) -> nn.Module:
    shortcut = nn.Sequential(
        nn.Conv3d(inputs, outputs, 1, 2, bias=False),
        nn.BatchNorm3d(outputs),
    )
    block: nn.Module = BasicBlock(inputs, outputs, NarrowConv2Plus1d, 2, shortcut)
    return block


class ClipNet(nn.Module):
    """A video network behind the pixels: (N, T, H, W, 3) uint8 in, scores (N, K) out.

    Args:
        backbone: Takes (N, C, T, H, W) floats; C is 3, or 6 with `difference`.
        difference: Append to RGB the change towards the next frame. Trained from scratch on some
            160 clips, this input decided between 0.26 and 0.94 accuracy; the width did not.
        mean_std: Of the pictures that published weights were trained on, per channel, 0 to 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        *,
        difference: bool,
        mean_std: tuple[Sequence[float], Sequence[float]] = (KINETICS_MEAN, KINETICS_STD),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.difference = difference
        for name, values in zip(("mean", "std"), mean_std, strict=True):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1, 1))

    def forward(self, frames: Tensor) -> Tensor:
        """Score a batch of clips, RGB, uint8 or float in 0–255."""
        clips = (frames.movedim(-1, 1).float() / 255 - self.mean) / self.std
        if self.difference:
            change = clips.diff(dim=2)
            clips = torch.cat([clips, torch.cat([change, change[:, :, -1:]], dim=2)], dim=1)
        scores: Tensor = self.backbone(clips.contiguous(memory_format=torch.channels_last_3d))
        return scores
