"""How to fine-tune a student: the settings of a run, and what rfdetr calls them.

Plain values; what they do is in `train`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.detect.student.variants import StudentError, variant_named
from workbench.training.recipe import Recipe


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
    variant: str = "tiny"  # see `variants.VARIANTS`
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
    settings: dict[str, Any] = {
        "variant": variant,
        "weights": "pretrained",
        "epochs": 50,
        "accumulate": 2,
        "learning_rate": 1e-4,
        "encoder_learning_rate": 1.5e-4,
        "layer_decay": 0.8,
        "warmup": 0.02,
        "ema": 0.993,
        "multi_scale": True,
        "patience": 10,
        "amp": "auto",
        "workers": 4,
    }
    return FinetuneConfig(**(settings | changes))


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
