"""Clip classifiers by name: the network, the input it was made for, its published weights.

The unit is an architecture. Every one takes stored frames as they are, (N, T, H, W, 3) uint8, and
gives scores (N, K). What each one costs, `cost` measures. Knows nothing about datasets or training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import get_model, get_weight

from workbench.actions import x3d
from workbench.actions.backbones import TIMM, FramesNet, last_layer, replace_module
from workbench.actions.probes import lite0_probe, transformer_probe
from workbench.actions.r2plus1d import ClipNet, SlimR2Plus1d, fold_temporal_convolutions
from workbench.actions.x3d import X3D
from workbench.errors import WorkbenchError
from workbench.training.folder import load_checkpoint


@dataclass(frozen=True)
class Architecture:
    """A network we can build, and the input it was made for."""

    frames: int
    size_wh: tuple[int, int]
    build: Callable[..., nn.Module]  # takes the number of classes, and settings by name
    published: str | None = None  # its weights, as torchvision calls them
    is_frozen: bool = False  # all but its head: it trains on features that are made once

    @property
    def weights_word(self) -> str | None:
        """What one says to have the published weights: kinetics400 or imagenet."""
        if self.published is None:
            return None
        return "kinetics400" if "KINETICS400" in self.published else "imagenet"


def _slim(classes: int, width: int = 16, dropout: float = 0.0) -> ClipNet:
    return ClipNet(SlimR2Plus1d(6, classes, width, dropout), difference=True)


def _of_torchvision(
    name: str, classes: int, dropout: float = 0.0, difference: bool = False, **settings: Any
) -> ClipNet:
    """A video network of torchvision; with `difference` it sees the change between frames, too."""
    backbone = get_model(name, num_classes=classes, **settings)
    if dropout:
        place, last = last_layer(backbone)
        replace_module(backbone, place, nn.Sequential(nn.Dropout(dropout), last))
    if difference:
        _see_differences(backbone)
    return ClipNet(backbone, difference=difference)


def _x3d(classes: int, dropout: float = 0.5, difference: bool = False) -> ClipNet:
    backbone = X3D(classes, dropout)
    if difference:
        _see_differences(backbone)
    return ClipNet(backbone, difference=difference, mean_std=(x3d.MEAN, x3d.STD))


def _see_differences(backbone: nn.Module) -> None:
    """Give a video network a first layer of six channels."""
    place, first = next(
        (place, one) for place, one in backbone.named_modules() if isinstance(one, nn.Conv3d)
    )
    shape = first.out_channels, first.kernel_size, first.stride, first.padding
    wider = nn.Conv3d(6, *shape, bias=first.bias is not None)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(wider.weight, mode="fan_out", nonlinearity="relu")
    replace_module(backbone, place, wider)


def _video(name: str, frames: int, side_px: int, published: str) -> Architecture:
    build = partial(_of_torchvision, name)
    return Architecture(frames, (side_px, side_px), build, f"{published}_Weights.KINETICS400_V1")


def _pictures(name: str, published: str) -> Architecture:
    build = partial(FramesNet, network=name)
    return Architecture(16, (224, 224), build, f"{published}_Weights.IMAGENET1K_V1")


ARCHITECTURES = {
    "lite0": Architecture(16, (192, 144), lite0_probe, is_frozen=True),
    "slim": Architecture(8, (64, 64), _slim),
    "r2plus1d_18": _video("r2plus1d_18", 16, 112, "R2Plus1D_18"),
    "mc3_18": _video("mc3_18", 16, 112, "MC3_18"),
    "s3d": _video("s3d", 16, 224, "S3D"),
    "x3d_xs": Architecture(4, (160, 160), _x3d),
    "x3d_s": Architecture(13, (160, 160), _x3d),
    "mvit_v2_s": _video("mvit_v2_s", 16, 224, "MViT_V2_S"),
    "swin3d_t": _video("swin3d_t", 16, 224, "Swin3D_T"),
    "regnet_y_400mf": _pictures("regnet_y_400mf", "RegNet_Y_400MF"),
    "resnet50": _pictures("resnet50", "ResNet50"),
    "efficientnet_b0": _pictures("efficientnet_b0", "EfficientNet_B0"),
    "convnext_tiny": _pictures("convnext_tiny", "ConvNeXt_Tiny"),
    "videomae": Architecture(
        16, (224, 224), partial(transformer_probe, "MCG-NJU/videomae-base"), is_frozen=True
    ),
    "vjepa2": Architecture(
        16, (256, 256), partial(transformer_probe, "facebook/vjepa2-vitl-fpc64-256"), is_frozen=True
    ),
}


def build_model(
    name: str, classes: int, *, weights: str | Path | None = None, **settings: Any
) -> nn.Module:
    """Build a clip classifier by name, its temporal convolutions folded.

    | name | what it is | settings |
    |---|---|---|
    | lite0 | frozen ImageNet features, a head that learns in seconds | hidden, dropout |
    | slim | small R(2+1)D for a CPU and random weights | width, dropout |
    | r2plus1d_18, mc3_18, s3d, mvit_v2_s, swin3d_t | torchvision's | difference, dropout |
    | x3d_xs, x3d_s | small, for a CPU; PyTorchVideo's weights fit | difference, dropout |
    | regnet_y_400mf, resnet50, efficientnet_b0, convnext_tiny | each frame | over_time, dropout |
    | timm/NAME | the same with any network of timm | over_time, dropout, pretrained |
    | videomae, vjepa2 | frozen transformers, a head that learns in seconds | checkpoint, hidden |

    Weights are None for random ones, "kinetics400" or (single frames) "imagenet" to download what
    torchvision publishes, or a file with a state dict of the backbone; the head is always new.

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
    if architecture.is_frozen:
        if weights is not None:
            raise WorkbenchError(f"{name} comes with its own weights", "leave weights out")
        return network
    if weights is not None:
        assert isinstance(network, ClipNet | FramesNet)
        _load_backbone(network.backbone, _fetch_weights(name, weights), str(weights))
    if isinstance(network, FramesNet):
        return network.to(memory_format=torch.channels_last)
    fold_temporal_convolutions(network)
    return network.to(memory_format=torch.channels_last_3d)


def architecture_of(name: str) -> Architecture:
    """Return the architecture called `name`.

    Raises:
        WorkbenchError: If there is none.
    """
    if name.startswith(TIMM):
        return Architecture(16, (224, 224), partial(FramesNet, network=name))
    if name not in ARCHITECTURES:
        names = ", ".join([*ARCHITECTURES, f"{TIMM}NAME"])
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


def _fetch_weights(name: str, weights: str | Path) -> dict[str, Tensor]:
    architecture = architecture_of(name)
    if weights in ("kinetics400", "imagenet"):
        if architecture.published is None or weights != architecture.weights_word:
            remedy = (
                f"say {architecture.weights_word}"
                if architecture.published
                else "give a file, or None"
            )
            raise WorkbenchError(f"no {weights} weights are published for {name}", remedy)
        published = get_weight(architecture.published)
        try:
            return dict(published.get_state_dict(progress=False, check_hash=True))
        except (OSError, RuntimeError) as error:  # no network; or a download that is not the file
            site, _, file = published.url.rpartition("/")
            raise WorkbenchError(
                f"the weights of {name} could not be downloaded ({error})",
                f"download {file} from {site} elsewhere and give its path as weights, or start "
                "from random ones with weights None",
            ) from None
    path = Path(weights)
    content = load_checkpoint(path, "give the path of a state dict, kinetics400 or imagenet")
    content = dict(content.get("model_state", content))  # as PyTorchVideo publishes them
    if not all(isinstance(value, Tensor) for value in content.values()):
        raise WorkbenchError(f"{path} is not a state dict", "save model.state_dict() to it")
    return content


def _load_backbone(backbone: nn.Module, weights: dict[str, Tensor], where: str) -> None:
    """Fill all but the last layer; a first layer of six channels sees the change as nothing yet."""
    own = backbone.state_dict()
    last = _last_place(weights)
    body = {name: value for name, value in weights.items() if not name.startswith(last)}
    for name, value in body.items():
        if value.ndim == 5 and name in own and own[name].shape[1] == 2 * value.shape[1]:
            body[name] = torch.cat([value, torch.zeros_like(value)], dim=1)
    try:
        missing, unexpected = backbone.load_state_dict(body, strict=False)
        strangers = [name for name in missing if not name.startswith(last)] + list(unexpected)
        fault = f"at {strangers[0]}" if strangers else None
    except RuntimeError as error:  # same names, other shapes
        fault = str(error).splitlines()[-1]
    if fault is not None:
        raise WorkbenchError(
            f"the weights of {where} are those of another network ({fault})",
            "give weights of the same model",
        )


def _last_place(weights: dict[str, Tensor]) -> str:
    """The start of the names of a classifier's last layer: its file has them last."""
    return f"{list(weights)[-1].rpartition('.')[0]}."
