"""What rfdetr's trainer is given: a callback that judges, saves and stops, and batches in order.

After each epoch the folder holds a whole state: `best.pth` to predict with, Lightning's `last.ckpt`
to go on from, `metrics.csv` to read; after the last one `summary.json` instead of `last.ckpt`. Each
step draws from a random state of its own, and the order and variation of images depend on seed and
epoch alone, so that a resumed run draws what it would have drawn.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import supervision as sv
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from rfdetr.training import (
    COCOEvalCallback,
    RFDETRDataModule,
    RFDETREMACallback,
    build_trainer,
)
from torch.utils.data import DataLoader, Dataset, RandomSampler

from workbench.detect.scores.evaluation import evaluate_coco
from workbench.detect.student.checkpoint import BEST, save_student
from workbench.detect.student.predict import coco_results
from workbench.detect.student.recipe import FinetuneConfig, variant_named
from workbench.saving import replacing
from workbench.training.compute import one_seed, seed_all
from workbench.training.history import (
    Callbacks,
    Epoch,
    Step,
    best_epoch,
    is_over,
    save_metrics,
    save_summary,
)

LAST_STATE = "last.ckpt"
_PRECISIONS = {"32-true": "fp32", "bf16-mixed": "bf16", "16-mixed": "fp16"}
BEST_BY = "ap"  # AP@50:95 on validation; of masks where the network has them


def make_trainer(settings: Any, network: Any, keeper: "Keeper") -> Trainer:
    """Return rfdetr's trainer with its precision and devices, and `keeper` in place of the rest."""
    trainer: Any = build_trainer(
        settings,
        network,
        include_training_callbacks=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    # rfdetr's judge prints tables after each epoch; the keeper judges as the report does.
    kept = [one for one in trainer.callbacks if not isinstance(one, COCOEvalCallback)]
    if settings.use_ema:
        kept.append(RFDETREMACallback(decay=settings.ema_decay, tau=settings.ema_tau))
    trainer.callbacks = [*kept, keeper]
    made: Trainer = trainer
    return made


class Keeper(Checkpoint):
    """Judges each epoch on validation, keeps the best and the last, and says when to stop."""

    def __init__(
        self,
        run_dir: Path,
        config: FinetuneConfig,
        truth: Mapping[str, Any],  # COCO content of the validation split
        callbacks: Callbacks,
    ) -> None:
        self._run_dir, self._config, self._truth = run_dir, config, truth
        self._callbacks = callbacks
        self._history: list[Epoch] = []
        self._found: dict[int, list[dict[str, Any]]] = {}  # by image: the last epoch's detections
        self._started_s = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return what `last.ckpt` keeps of the run, in plain values."""
        return {"history": [asdict(epoch) for epoch in self._history]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the history that `last.ckpt` kept."""
        self._history = [Epoch(**row) for row in state_dict["history"]]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started_s = time.perf_counter()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Let every step draw from a random state of its own."""
        seed_all(self._config.seed, trainer.current_epoch, batch_idx, trainer.global_rank)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report the step."""
        if "on_step" in self._callbacks and trainer.is_global_zero:
            place = trainer.current_epoch + 1, batch_idx + 1, int(trainer.num_training_batches)
            self._callbacks["on_step"](Step(*place, float(outputs["loss"])))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Collect a batch's detections as COCO results."""
        ids = sorted(category["id"] for category in self._truth["categories"])
        for found, target in zip(outputs["results"], outputs["targets"], strict=True):
            image_id = int(target["image_id"])
            self._found[image_id] = coco_results(_as_detections(found, len(ids)), image_id, ids)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the epoch and save it."""
        self._history.append(self._judge(trainer))
        if not trainer.is_global_zero:
            trainer.should_stop = is_over(self._history, self._config, BEST_BY)
            return
        module: Any = pl_module
        if best_epoch(self._history, BEST_BY) is self._history[-1]:
            names = list(module.train_config.class_names)
            name = variant_named(self._config.variant).rfdetr_class
            weights = _weights(trainer, module)
            save_student(self._run_dir / BEST, weights, module.model_config, name, names)
        save_metrics(self._run_dir, self._history)
        if is_over(self._history, self._config, BEST_BY):
            count = sum(weight.numel() for weight in module.model.parameters())
            save_summary(self._run_dir, self._history, best_by=BEST_BY, parameters=count)
            (self._run_dir / LAST_STATE).unlink(missing_ok=True)
            trainer.should_stop = True
        else:
            with replacing(self._run_dir / LAST_STATE) as part:
                trainer.save_checkpoint(part)
        if "on_epoch" in self._callbacks:
            self._callbacks["on_epoch"](self._history[-1])

    def _judge(self, trainer: Trainer) -> Epoch:
        masks = variant_named(self._config.variant).has_masks
        score = evaluate_coco(self._truth, self._gathered(trainer), "segm" if masks else "bbox")
        self._found = {}
        told = trainer.callback_metrics
        return Epoch(
            trainer.current_epoch + 1,
            max(group["lr"] for group in trainer.optimizers[0].param_groups),  # the head's
            _PRECISIONS.get(str(trainer.precision), str(trainer.precision)),
            round(time.perf_counter() - self._started_s, 3),
            {
                "train_loss": float(told["train/loss"]),
                "valid_loss": float(told["val/loss"]),
                "ap": score.stats["AP"],
                "ap50": score.stats["AP50"],
                **{f"ap {name}": score.class_stats[name]["AP"] for name in score.names},
            },
        )

    def _gathered(self, trainer: Trainer) -> list[dict[str, Any]]:
        """Detections of all processes; each judged a part of the validation images."""
        parts: list[Any] = [self._found]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, self._found)
        # A sampler may give an image to two processes to even out their shares.
        merged: dict[int, list[dict[str, Any]]] = {}
        for part in parts:
            merged |= part
        return [result for image_id in sorted(merged) for result in merged[image_id]]


def _weights(trainer: Any, module: Any) -> dict[str, torch.Tensor]:
    """The weights that validation judged: the moving average where there is one."""
    for callback in trainer.callbacks:
        if isinstance(callback, RFDETREMACallback):
            averaged = callback.get_ema_model_state_dict()
            if averaged is not None:
                return dict(averaged)
    return dict(module.model.state_dict())


def _as_detections(found: Mapping[str, torch.Tensor], classes: int) -> sv.Detections:
    known = found["labels"] < classes  # rfdetr's head has one logit more
    masks = found["masks"][known].cpu().numpy() if "masks" in found else None
    return sv.Detections(
        xyxy=found["boxes"][known].float().cpu().numpy(),
        mask=None if masks is None else masks.reshape(-1, *masks.shape[-2:]),
        confidence=found["scores"][known].float().cpu().numpy(),
        class_id=found["labels"][known].cpu().numpy(),
    )


class OrderedData(RFDETRDataModule):
    """rfdetr's data with a training order of our own; several processes keep Lightning's.

    rfdetr shuffles and varies images from torch's and Python's global random state, and Lightning
    draws the first batch of a process at another moment than those of later epochs. Here the order
    is drawn from (seed, epoch), an image's variation from (seed, epoch, its place in the dataset).
    """

    def __init__(self, network: Any, settings: Any, seed: int) -> None:
        super().__init__(network, settings)
        self._seed = seed

    def train_dataloader(self) -> DataLoader[Any]:
        """Return rfdetr's loader, its order replaced."""
        theirs = super().train_dataloader()
        if self.trainer is not None and self.trainer.world_size > 1:
            return theirs
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        return DataLoader(
            _Seeded(theirs.dataset, self._seed),
            batch_size=theirs.batch_size,
            sampler=_Order(theirs.sampler, self._seed, epoch),
            drop_last=theirs.drop_last,
            collate_fn=theirs.collate_fn,
            num_workers=theirs.num_workers,
            pin_memory=theirs.pin_memory,
            persistent_workers=theirs.persistent_workers,
            prefetch_factor=theirs.prefetch_factor,
        )


class _Order(RandomSampler):
    """The order of one epoch; an index also says which epoch it is of, for `_Seeded`.

    Lightning calls `set_epoch` before each epoch but the first of a process.
    """

    def __init__(self, theirs: Any, seed: int, epoch: int) -> None:
        super().__init__(
            theirs.data_source, replacement=theirs.replacement, num_samples=theirs.num_samples
        )
        self._seed, self._epoch = seed, epoch

    def set_epoch(self, epoch: int) -> None:
        """Draw the order of this epoch from now on."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        seed = one_seed(self._seed, self._epoch)
        self.generator = torch.Generator().manual_seed(seed)
        first = self._epoch * len(self.data_source)
        return (first + index for index in super().__iter__())


class _Seeded(Dataset[Any]):
    """A dataset whose random variation depends on the seed, the epoch and the image."""

    def __init__(self, images: Any, seed: int) -> None:
        self._images, self._seed = images, seed

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Any:
        epoch, place = divmod(index, len(self._images))
        seed_all(self._seed, epoch, place)
        return self._images[place]
