"""The networks a student can be: RF-DETR's own sizes, and a tiny one that learns on a CPU.

The unit is a variant: an `rfdetr` class and what is set differently. Only settings that `rfdetr`
documents are used. Knows nothing about data or training.
"""

import importlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError

PRETRAINED = "pretrained"  # the weights that belong to a variant, which rfdetr downloads
_TALKATIVE = ("rf-detr", "pytorch_lightning", "lightning.fabric", "lightning.pytorch")


class StudentError(WorkbenchError):
    """A student that cannot be built, trained or used as asked."""


@dataclass(frozen=True)
class Variant:
    """One size of network."""

    name: str
    rfdetr_class: str
    settings: Mapping[str, Any] = field(default_factory=dict)  # what differs from rfdetr's own

    @property
    def has_masks(self) -> bool:
        """Whether it segments, and not only boxes."""
        return "Seg" in self.rfdetr_class


# From random weights on one CPU thread: two or three of the encoder's twelve blocks are computed,
# one feature map of half the patch's size, few queries. Decoder groups are supervision only.
_TINY = {
    "resolution": 128,
    "patch_size": 16,
    "num_windows": 1,
    "out_feature_indexes": [1, 2],
    "projector_scale": ["P3"],
    "hidden_dim": 128,
    "sa_nheads": 4,
    "ca_nheads": 8,
    "dec_layers": 2,
    "num_queries": 20,
    "num_select": 20,
    "group_detr": 4,
}

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("tiny", "RFDETRNano", _TINY),
        Variant("seg-tiny", "RFDETRSegNano", _TINY),
        Variant("nano", "RFDETRNano"),
        Variant("small", "RFDETRSmall"),
        Variant("medium", "RFDETRMedium"),
        Variant("large", "RFDETRLarge"),
        Variant("seg-nano", "RFDETRSegNano"),
        Variant("seg-small", "RFDETRSegSmall"),
        Variant("seg-medium", "RFDETRSegMedium"),
        Variant("seg-large", "RFDETRSegLarge"),
        Variant("seg-xlarge", "RFDETRSegXLarge"),
        Variant("seg-2xlarge", "RFDETRSeg2XLarge"),
    )
}


def variant_named(name: str) -> Variant:
    """Return the variant called `name`.

    Raises:
        StudentError: If there is none.
    """
    if name not in VARIANTS:
        raise StudentError(f"no student called {name!r}", f"choose one of {', '.join(VARIANTS)}")
    return VARIANTS[name]


def model_config(
    variant: Variant,
    class_count: int,
    *,
    resolution: int | None = None,
    weights: str | None = None,
) -> Any:
    """Return rfdetr's own configuration of a variant, on the CPU: Lightning moves the network.

    The resolution is the side of the square it sees, in pixels, by default the variant's own;
    weights are "pretrained", the path of a checkpoint, or None for random ones.

    Raises:
        StudentError: If the resolution does not fit the network, or there are no such weights.
    """
    kind = getattr(importlib.import_module("rfdetr.config"), f"{variant.rfdetr_class}Config")
    settings = dict(variant.settings)
    if resolution is not None:
        settings["resolution"] = resolution
    own = {name: value.default for name, value in kind.model_fields.items()} | settings
    block = own["patch_size"] * own["num_windows"]
    if own["resolution"] < block or own["resolution"] % block:
        raise StudentError(
            f"the student {variant.name} cannot see {own['resolution']} pixels",
            f"give a resolution that is a multiple of {block}",
        )
    # Positions are learned for as many patches as the resolution has.
    settings["positional_encoding_size"] = own["resolution"] // own["patch_size"]
    weights_file = _weights_file(variant, weights, own["pretrain_weights"])
    with quiet():
        return kind(
            **settings, num_classes=class_count, pretrain_weights=weights_file, device="cpu"
        )


def _weights_file(variant: Variant, weights: str | None, own: str | None) -> str | None:
    if weights is None:
        return None
    if weights == PRETRAINED:
        if variant.settings:
            raise StudentError(
                f"the student {variant.name} has no pretrained weights",
                "train it from random ones, or choose a larger variant",
            )
        return own
    if not Path(weights).is_file():
        raise StudentError(
            f"there are no weights at {weights}", f"give a file, or say {PRETRAINED!r}"
        )
    # With a folder in its name rfdetr takes a file as it is, else it looks for it on the net.
    return str(Path(weights).absolute())


@contextmanager
def quiet() -> Iterator[None]:
    """Silence rfdetr's, transformers' and Lightning's warnings, which we expect, inside the block.

    The Hugging Face hub is switched off too: transformers would fetch weights that are not used.
    """
    offline = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import rfdetr.training  # noqa: F401  # sets the levels of its loggers when imported

        before = [logger.level for logger in loggers]
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
            if offline is None:
                del os.environ["HF_HUB_OFFLINE"]
            else:
                os.environ["HF_HUB_OFFLINE"] = offline
