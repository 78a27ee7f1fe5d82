"""Clip classifiers by name: the network, the input it was made for, its published weights.

The unit is an architecture. Every one takes stored frames as they are, (N, T, H, W, 3) uint8, and
gives scores (N, K). Knows nothing about datasets or training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.video import R2Plus1D_18_Weights, r2plus1d_18

from workbench.actions.lite import LiteClipNet
from workbench.actions.r2plus1d import ClipNet, SlimR2Plus1d, fold_temporal_convolutions
from workbench.errors import WorkbenchError
from workbench.training.folder import load_checkpoint


@dataclass(frozen=True)
class Architecture:
    """A network we can build, and the input it was made for."""

    frames: int
    size_wh: tuple[int, int]
    build: Callable[..., nn.Module]
    kinetics: R2Plus1D_18_Weights | None = None  # where they are published
    is_frozen: bool = False  # all but its head: it trains on features that are made once


def _slim(classes: int, width: int = 16, dropout: float = 0.0) -> ClipNet:
    return ClipNet(SlimR2Plus1d(6, classes, width, dropout), difference=True)


def _r2plus1d_18(classes: int, dropout: float = 0.0) -> ClipNet:
    backbone = r2plus1d_18(num_classes=classes)
    if dropout:
        backbone.fc = nn.Sequential(nn.Dropout(dropout), backbone.fc)
    return ClipNet(backbone, difference=False)


ARCHITECTURES = {
    "lite0": Architecture(16, (192, 144), LiteClipNet, is_frozen=True),
    "slim": Architecture(8, (64, 64), _slim),
    "r2plus1d_18": Architecture(16, (112, 112), _r2plus1d_18, R2Plus1D_18_Weights.KINETICS400_V1),
}


def build_model(
    name: str, classes: int, *, weights: str | Path | None = None, **settings: Any
) -> nn.Module:
    """Build a clip classifier by name, its temporal convolutions folded.

    Names are "lite0" (frozen ImageNet features, a head that learns in seconds), "slim" (CPU, from
    scratch) and "r2plus1d_18" (torchvision's reference network), which take `dropout`, and "slim"
    `width`. Weights are None for random ones, "kinetics400" to download
    what torchvision publishes, or a file with a state dict of the backbone; the head is always new.

    Raises:
        WorkbenchError: If the name is unknown, a setting unfit, or the weights cannot be had.

    Example:
        >>> net = build_model("slim", classes=4)
        >>> net(torch.zeros(2, 8, 64, 64, 3, dtype=torch.uint8)).shape
        torch.Size([2, 4])
    """
    architecture = architecture_of(name)
    try:
        network = architecture.build(classes, **settings)
    except TypeError as error:
        raise WorkbenchError(f"model {name!r} cannot be built ({error})", "leave it out") from None
    if weights is not None:
        if architecture.is_frozen:
            raise WorkbenchError(f"{name} comes with its own weights", "leave weights out")
        assert isinstance(network, ClipNet)
        _load_backbone(network.backbone, _fetch_weights(architecture, weights), str(weights))
    if architecture.is_frozen:
        return network
    fold_temporal_convolutions(network)
    return network.to(memory_format=torch.channels_last_3d)


def architecture_of(name: str) -> Architecture:
    """Return the architecture called `name`.

    Raises:
        WorkbenchError: If there is none.
    """
    if name not in ARCHITECTURES:
        names = ", ".join(ARCHITECTURES)
        raise WorkbenchError(f"no model is called {name!r}", f"choose one of {names}")
    return ARCHITECTURES[name]


def stored_for(name: str) -> dict[str, Any]:
    """Return what a clip set stores for a network: `frames` and `size_wh` of `build_clipset`.

    A frozen network sees the picture whole; the others get room to vary in time and space.

    Example:
        >>> stored_for("slim")
        {'frames': 24, 'size_wh': (84, 72)}
    """
    made_for = architecture_of(name)
    width, height = made_for.size_wh
    if made_for.is_frozen:
        return {"frames": made_for.frames, "size_wh": made_for.size_wh}
    return {
        "frames": made_for.frames * (3 if made_for.frames <= 8 else 2),
        "size_wh": (width * 21 // 16, height * 9 // 8),
    }


def _fetch_weights(architecture: Architecture, weights: str | Path) -> dict[str, Tensor]:
    if weights == "kinetics400":
        if architecture.kinetics is None:
            raise WorkbenchError(
                "no Kinetics weights are published for this model",
                "use model r2plus1d_18, or weights None to start from random ones",
            )
        try:
            return dict(architecture.kinetics.get_state_dict(progress=False, check_hash=True))
        except (OSError, RuntimeError) as error:  # no network; or a download that is not the file
            raise WorkbenchError(
                f"the Kinetics weights could not be downloaded ({error})",
                "download r2plus1d_18-91a641e6.pth from download.pytorch.org/models elsewhere and "
                "give its path as weights, or start from random ones with weights None",
            ) from None
    path = Path(weights)
    content = load_checkpoint(path, "give the path of a state dict, or kinetics400")
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise WorkbenchError(f"{path} is not a state dict", "save model.state_dict() to it")
    return content


def _load_backbone(backbone: nn.Module, weights: dict[str, Tensor], where: str) -> None:
    body = {name: value for name, value in weights.items() if not name.startswith("fc.")}
    try:
        missing, unexpected = backbone.load_state_dict(body, strict=False)
        strangers = [name for name in missing if not name.startswith("fc.")] + list(unexpected)
        fault = f"at {strangers[0]}" if strangers else None
    except RuntimeError as error:  # same names, other shapes
        fault = str(error).splitlines()[-1]
    if fault is not None:
        raise WorkbenchError(
            f"the weights of {where} are those of another network ({fault})",
            "give weights of the same model",
        )
