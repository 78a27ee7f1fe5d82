"""What a student is made of: RF-DETR's own sizes and a tiny one, and how each is fine-tuned.

The unit is a variant (an `rfdetr` class and what is set differently) with the settings of a run,
and what rfdetr calls them; only settings that it documents are used. What they do is in `train`.
"""

import importlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.training.recipe import Recipe

LITE_VARIANT = "lite"  # the student of this package, which is none of rfdetr's
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
        names = ", ".join((LITE_VARIANT, *VARIANTS))
        raise StudentError(f"no student called {name!r}", f"choose one of {names}")
    return VARIANTS[name]


@dataclass(frozen=True)
class FinetuneConfig(Recipe):
    """Everything a student depends on, besides its data.

    The defaults are for the tiny student from random weights on a CPU; `gpu_config` gives those for
    a pretrained one. Mixed precision (`amp`) works on GPUs only.
    """

    epochs: int = 6
    batch_size: int = 8
    learning_rate: float = 5e-4
    warmup: float = 0.125
    weight_decay: float = 1e-4
    clip_norm: float = 0.1
    amp: str = "off"
    variant: str = "tiny"  # one of `VARIANTS`
    weights: str | None = None  # pretrained, the path of a checkpoint, or None: random
    resolution: int | None = None  # pixels; None: what the variant was made for
    encoder_learning_rate: float = 5e-4
    layer_decay: float = 1.0  # the rate falls by this with each layer away from the head
    multi_scale: bool = False  # vary the resolution from batch to batch


def gpu_config(variant: str = "nano", **changes: Any) -> FinetuneConfig:
    """Return rfdetr's own recipe for fine-tuning a pretrained network on one GPU.

    Example:
        >>> gpu_config("seg-small", patience=5).epochs
        50
    """
    recipe = FinetuneConfig(
        variant=variant,
        weights=PRETRAINED,
        epochs=50,
        accumulate=2,
        learning_rate=1e-4,
        encoder_learning_rate=1.5e-4,
        layer_decay=0.8,
        warmup=0.02,
        ema=0.993,
        multi_scale=True,
        patience=10,
        amp="auto",
        workers=4,
    )
    return replace(recipe, **changes)


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


def to_rfdetr(
    config: FinetuneConfig, dataset_dir: Path, run_dir: Path, classes: tuple[str, ...]
) -> Any:
    """Return rfdetr's training configuration; its checkpoints, loggers and bars stay switched off.

    Those are this package's business: rfdetr's own leave 820 MB per run.

    Raises:
        StudentError: If the devices cannot share a batch.
    """
    from rfdetr.config import SegmentationTrainConfig, TrainConfig

    if config.batch_size % config.devices:
        raise StudentError(
            f"a batch of {config.batch_size} cannot be shared by {config.devices} devices",
            "set batch_size to a multiple of devices",
        )
    masks = variant_named(config.variant).has_masks
    # From random weights rfdetr's five-fold mask losses drown the others: box AP halves.
    gentle = {"mask_ce_loss_coef": 1, "mask_dice_loss_coef": 1, "cls_loss_coef": 2}
    extra: dict[str, Any] = gentle if masks and config.weights is None else {}
    kind: Any = SegmentationTrainConfig if masks else TrainConfig
    return kind(
        dataset_dir=str(dataset_dir),
        output_dir=str(run_dir),
        class_names=list(classes),
        epochs=config.epochs,
        batch_size=config.batch_size // config.devices,  # rfdetr's is per process
        eval_batch_size=config.batch_size // config.devices,
        grad_accum_steps=config.accumulate,
        lr=config.learning_rate,
        lr_encoder=config.encoder_learning_rate,
        lr_vit_layer_decay=config.layer_decay,
        lr_component_decay=config.layer_decay,
        weight_decay=config.weight_decay,
        warmup_epochs=config.warmup * config.epochs,
        clip_max_norm=config.clip_norm,
        lr_scheduler="cosine",
        use_ema=config.ema > 0,
        ema_decay=config.ema,
        multi_scale=config.multi_scale,
        expanded_scales=config.multi_scale,
        scale_jitter=False,  # it cuts images of 400 pixels and more; `crops` does that better
        seed=None,  # `keeper` seeds every epoch
        amp_dtype=None if config.amp == "off" else config.amp,
        accelerator="cpu" if config.device == "cpu" else "auto",
        devices=config.devices,
        num_workers=config.workers,
        compute_val_loss=True,
        progress_bar=None,
        tensorboard=False,
        **extra,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence rfdetr's, transformers' and Lightning's warnings, which we expect, inside the block.

    The Hugging Face hub is switched off too: transformers would fetch weights that are not used.
    """
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    with warnings.catch_warnings(), _hub_offline():
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


@contextmanager
def _hub_offline() -> Iterator[None]:
    before = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before
