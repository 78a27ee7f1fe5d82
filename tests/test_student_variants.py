"""Which networks there are, and what is said about those that cannot be built."""

from pathlib import Path

import pytest

from workbench.detect.student.recipe import VARIANTS, StudentError, model_config, variant_named

pytest.importorskip("rfdetr")


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_can_be_configured(name: str) -> None:
    variant = variant_named(name)
    config = model_config(variant, 3)
    assert config.num_classes == 3
    assert config.segmentation_head is variant.has_masks
    assert config.pretrain_weights is None
    assert config.positional_encoding_size * config.patch_size == config.resolution


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("nano", {"resolution": 100}, "multiple of 32"),
        ("nano", {"resolution": 0}, "multiple of 32"),
        ("tiny", {"weights": "pretrained"}, "has no pretrained weights"),
        ("small", {"weights": "/nowhere/weights.pth"}, "no weights at /nowhere/weights.pth"),
    ],
)
def test_what_cannot_be_is_named_with_its_remedy(
    name: str, arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(StudentError, match=said):
        model_config(variant_named(name), 3, **arguments)  # type: ignore[arg-type]


def test_pretrained_weights_are_those_of_the_variant(tmp_path: Path) -> None:
    assert model_config(variant_named("nano"), 3, weights="pretrained").pretrain_weights.endswith(
        "rf-detr-nano.pth"
    )
    own = tmp_path / "own.pth"
    own.write_bytes(b"")
    assert model_config(variant_named("nano"), 3, weights=str(own)).pretrain_weights == str(own)


def test_an_unknown_variant_is_named() -> None:
    with pytest.raises(StudentError, match=r"no student called 'huge'.*tiny"):
        variant_named("huge")
