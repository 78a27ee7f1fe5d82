"""Encoders of stacks: three neighbouring grey frames in, a map at a sixteenth of their size out.

The unit is a batch of stacks (N, 3, H, W) of bytes; the answer is (N, `channels`, h, w).

| name | what it is |
|---|---|
| slim | 60,000 weights, from nothing, the differences of the frames among its inputs |
| lite0 | EfficientNet-Lite0 with ImageNet's weights, the frames as its three colours |
| any of `backbones` | such as regnet_y_400mf or timm/regnety_002, from random weights |

Source: frames as colours after Baikulov (2023).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from workbench.actions.backbones import FrameBackbone
from workbench.actions.spotting.greyframes import STACK
from workbench.errors import WorkbenchError
from workbench.training.lite0 import CHANNELS, Lite0, imagenet_lite0, normalised

SLIM, LITE0 = "slim", "lite0"
_WIDTH = 8
_LITE0_STAGES = 5  # down to a sixteenth: further down a ball of a few pixels is gone


class Encoder(nn.Module):
    """Stacks (N, 3, H, W) to maps (N, `channels`, h, w)."""

    channels: int


def make_encoder(name: str, pretrained: bool = True) -> Encoder:
    """Build an encoder by name.

    Raises:
        WorkbenchError: If there is none of this name, its weights are not installed, or it has no
            map at a sixteenth.
    """
    if name == SLIM:
        return _Slim()
    if name == LITE0:
        return _Pictures(imagenet_lite0(_LITE0_STAGES) if pretrained else Lite0(_LITE0_STAGES))
    return _OfPictures(name)


class _Slim(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.channels = 6 * _WIDTH
        self.first = nn.Conv2d(2 * STACK - 1, _WIDTH, 3, 2, 1, bias=False)
        self.net = nn.Sequential(
            nn.BatchNorm2d(_WIDTH),
            nn.ReLU(),
            _down(_WIDTH, 2 * _WIDTH),
            _down(2 * _WIDTH, 4 * _WIDTH),
            _Residual(4 * _WIDTH),
            _down(4 * _WIDTH, self.channels),
        )

    def forward(self, stacks: Tensor) -> Tensor:
        # Differences of frames as further inputs, without computing them: a convolution of a
        # difference is a difference of convolutions.
        weight, change = self.first.weight[:, :STACK], 3 * self.first.weight[:, STACK:]
        weight = weight + F.pad(change, (0, 0, 0, 0, 1, 0)) - F.pad(change, (0, 0, 0, 0, 0, 1))
        # Greys are whole numbers up to 255, which bf16 has exactly; fp16, too.
        device = stacks.device.type
        kind = (
            torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float
        )
        grey = stacks.to(kind).contiguous(memory_format=torch.channels_last)
        # What grey is in the middle, the normalisation that follows takes away.
        maps: Tensor = self.net(F.conv2d(grey, weight * (4 / 255), stride=2, padding=1))
        return maps


class _Pictures(Encoder):
    """A network for pictures that sees the three frames as red, green and blue."""

    def __init__(self, net: Lite0) -> None:
        super().__init__()
        self.net, self.channels = net, CHANNELS[_LITE0_STAGES - 1]

    def forward(self, stacks: Tensor) -> Tensor:
        maps: Tensor = self.net(normalised(stacks).contiguous(memory_format=torch.channels_last))[
            -1
        ]
        return maps


class _OfPictures(Encoder):
    """The layers of a classifier of pictures down to a sixteenth."""

    def __init__(self, name: str) -> None:
        super().__init__()
        net = FrameBackbone(name).net.eval()
        shapes: dict[str, torch.Size] = {}
        hooks = [
            module.register_forward_hook(
                lambda _, __, out, place=place: shapes.update({place: getattr(out, "shape", ())})
            )
            for place, module in net.named_modules()
            if place
        ]
        with torch.no_grad():
            net(torch.zeros(1, STACK, 64, 64))
        for hook in hooks:
            hook.remove()
        last = [place for place, shape in shapes.items() if tuple(shape[2:]) == (4, 4)]
        if not last:
            raise WorkbenchError(f"encoder {name!r} has no map at a sixteenth", f"say {LITE0}")
        # Whole stages lie nearest the root; inside the next one there are maps of this size, too.
        stage = min(reversed(last), key=lambda place: place.count("."))
        self.channels = shapes[stage][1]
        self.net = create_feature_extractor(net, {stage: "maps"}).train()

    def forward(self, stacks: Tensor) -> Tensor:
        seen = normalised(stacks).contiguous(memory_format=torch.channels_last)
        maps: Tensor = self.net(seen)["maps"]
        return maps


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(maps + self.inner(maps))


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
