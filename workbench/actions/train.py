"""Training a clip classifier: one loop for CPU and GPU, one folder per run.

The unit is the epoch. After each one the folder holds a whole state: `last.pt` to go on from,
`best.pt` (the epoch of the best validation macro-F1) to predict with, `metrics.csv` and
`config.json` to read. A run killed at any moment and started again ends, on a CPU, in the very
weights it would have had. Never looks at the test split.
"""

import io
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import nn

from workbench.actions.augment import plain_view
from workbench.actions.checkpoint import BEST, LAST, load_checkpoint, save_checkpoint
from workbench.actions.clipset import Clipset
from workbench.actions.predict import score_views
from workbench.actions.r2plus1d import architecture_of, build_model
from workbench.actions.recipe import TrainConfig, learning_rate
from workbench.actions.sampling import TrainingViews, epoch_draws
from workbench.errors import WorkbenchError
from workbench.saving import save_json, save_text
from workbench.training.compute import autocast, choose_device, choose_precision, torch_threads

log = logging.getLogger(__name__)

# Settings that say how to compute, not what: a run may go on with others.
_HOW = ("device", "compile", "threads", "workers")


@dataclass(frozen=True)
class Epoch:
    """One row of `metrics.csv`."""

    epoch: int  # from 1
    learning_rate: float  # at its last step
    train_loss: float  # on varied views, smoothed labels
    train_accuracy: float
    valid_loss: float  # on plain views, hard labels
    valid_accuracy: float
    valid_macro_f1: float
    precision: str  # fp32, bf16, fp16
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """What a finished run came to."""

    run_dir: Path
    classes: tuple[str, ...]
    history: tuple[Epoch, ...]
    best: Epoch
    parameters: int
    notes: tuple[str, ...]  # what the loop had to do about the numbers, if anything

    def to_frame(self) -> pd.DataFrame:
        """Return the epochs as a table."""
        return pd.DataFrame([asdict(epoch) for epoch in self.history]).set_index("epoch")

    def _repr_html_(self) -> str:
        line = (
            f"best epoch {self.best.epoch} of {len(self.history)}: validation macro-F1 "
            f"{self.best.valid_macro_f1:.3f}; {self.parameters / 1e6:.2f} M parameters, "
            f"{self.best.precision}, {sum(e.seconds for e in self.history):.0f} s"
        )
        table = self.to_frame().tail(5).to_html(float_format="{:.4g}".format)
        return "<br>".join([line, *self.notes]) + table


def train_classifier(
    clipset: Clipset,
    out_dir: Path,
    config: TrainConfig | None = None,
    *,
    on_epoch: Callable[[Epoch], None] | None = None,
    fresh: bool = False,
) -> TrainResult:
    """Train on the split "train", choose the epoch on "valid", keep everything in `out_dir`.

    Where `out_dir` holds an unfinished run of the same settings and data, it is finished; where it
    holds a finished one, that is returned.

    Args:
        clipset: A dataset with the splits train and valid.
        out_dir: The run's folder.
        config: Settings; the defaults train the slim network.
        on_epoch: Called after every epoch, for progress.
        fresh: Start over whatever `out_dir` holds.

    Raises:
        WorkbenchError: If the settings cannot be met, `out_dir` holds a run of other settings or
            data, or the loss diverges even in fp32.

    Example:
        >>> result = train_classifier(clipset, Path("runs/slim"))  # doctest: +SKIP
        >>> result.best.valid_macro_f1  # doctest: +SKIP
        0.94
    """
    config = config or TrainConfig()
    for name in ("epochs", "batch_size", "threads"):
        if getattr(config, name) < 1:
            raise WorkbenchError(f"{name} is {getattr(config, name)}", "give 1 or more")
    device = choose_device(config.device)
    gpus = [device] if device.type == "cuda" else []
    # The caller's random state is left as it was.
    with torch_threads(config.threads), torch.random.fork_rng(gpus):
        run = _Run(clipset, out_dir, config, device)
        if not fresh and (out_dir / LAST).exists():
            run.resume()
        else:
            run.save()
        while len(run.history) < config.epochs:
            try:
                run.train_epoch()
            except _NonFiniteError as error:
                run.fall_back(error)
                continue
            run.save()
            if on_epoch:
                on_epoch(run.history[-1])
        return run.result()


class _NonFiniteError(Exception):
    """A loss or gradient that is no number."""


class _Run:
    """A training run between two epochs: everything `last.pt` holds, and the means to go on."""

    def __init__(
        self, clipset: Clipset, out_dir: Path, config: TrainConfig, device: torch.device
    ) -> None:
        made_for = architecture_of(config.model)
        self.config, self.out_dir, self.device = config, out_dir, device
        self.frames = config.frames or made_for.frames
        self.size_wh = config.size_wh or made_for.size_wh
        self.train, self.valid = clipset.take("train"), clipset.take("valid")
        self.identity = {
            "dataset_version": clipset.version,
            "classes": list(clipset.classes),
            **{key: value for key, value in asdict(config).items() if key not in _HOW},
        }
        torch.manual_seed(config.seed)
        self.network = build_model(
            config.model, len(clipset.classes), weights=config.weights, **config.model_settings
        ).to(device)
        self.optimizer = torch.optim.AdamW(_parameter_groups(self.network, config.weight_decay))
        self.precision = choose_precision(config.amp, device)
        # fp16 gradients underflow unless the loss is scaled up; disabled, a scaler does nothing.
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "fp16")
        self.history: list[Epoch] = []
        self.notes: list[str] = []
        if config.compile:
            self.network.compile()

    def train_epoch(self) -> None:
        """Train for one epoch, judge it, append it to the history."""
        config, number = self.config, len(self.history) + 1
        # Dropout draws from torch's own generator: an epoch starts from its own seed, as in
        # `sampling`, so that a resumed run needs no generator's state.
        seed = int(np.random.SeedSequence([config.seed, number]).generate_state(1)[0])
        torch.manual_seed(seed)
        start = time.perf_counter()
        views = TrainingViews(
            self.train, self.frames, self.size_wh, config.augmentation, config.seed, number
        )
        batches = epoch_draws(
            views.targets,
            config.batch_size,
            balance=config.balance,
            seed=config.seed,
            epoch=number,
        )
        on_gpu = self.device.type == "cuda"
        loader = views.loader(batches, workers=config.workers, pin_memory=on_gpu)
        # Sums stay on the device: reading them each step would make a GPU wait for us.
        loss_sum, right = torch.zeros(2, device=self.device, dtype=torch.float64)
        rate = 0.0
        self.network.train()
        for step, (frames, targets) in enumerate(loader):
            total = len(batches) * config.epochs
            rate = learning_rate(config, (number - 1) * len(batches) + step, total)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            frames = frames.to(self.device, non_blocking=True)
            targets = targets.to(self.device, non_blocking=True)
            scores, loss = self._step(frames, targets)
            loss_sum += loss.double() * len(targets)
            right += (scores.argmax(dim=1) == targets).sum()
        seen = sum(map(len, batches))
        epoch = self._judge(
            number, rate, float(loss_sum) / seen, float(right) / seen, time.perf_counter() - start
        )
        self.history.append(epoch)

    def _step(
        self, frames: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with autocast(self.precision, self.device):
            scores = self.network(frames).float()
        loss = F.cross_entropy(scores, targets, label_smoothing=self.config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self.scaler.unscale_(self.optimizer)
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip_norm))
        if not isfinite(norm):
            # A scaler finds its scale by overflowing; only once that is below 1 is it hopeless.
            searching = self.scaler.is_enabled() and self.scaler.get_scale() > 1
            if not searching or not bool(torch.isfinite(loss)):
                raise _NonFiniteError(f"the gradient's norm is {norm}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return scores.detach(), loss.detach()

    def _judge(
        self, number: int, rate: float, train_loss: float, train_accuracy: float, seconds: float
    ) -> Epoch:
        start = time.perf_counter()
        views = (
            plain_view(self.valid.frames(clip), self.frames, self.size_wh)
            for clip in range(len(self.valid))
        )
        scores = score_views(
            self.network,
            views,
            batch_size=self.config.batch_size,
            device=self.device,
            precision=self.precision,
        )
        targets = torch.from_numpy(self.valid.targets())
        if not bool(torch.isfinite(scores).all()):
            raise _NonFiniteError("a validation score is not a number")
        called = scores.argmax(dim=1)
        present = sorted(set(targets.tolist()))
        return Epoch(
            number,
            rate,
            train_loss,
            train_accuracy,
            float(F.cross_entropy(scores, targets)),
            float((called == targets).double().mean()),
            float(f1_score(targets, called, labels=present, average="macro")),
            self.precision,
            round(seconds + time.perf_counter() - start, 3),
        )

    def fall_back(self, error: _NonFiniteError) -> None:
        """Go back to the last whole epoch and on in fp32.

        Not only the step is undone: by then batch normalisation may have averaged the bad numbers.
        """
        if self.precision == "fp32":
            raise WorkbenchError(
                f"training diverged in epoch {len(self.history) + 1} ({error})",
                "lower learning_rate",
            ) from None
        note = f"epoch {len(self.history) + 1}: {error} in {self.precision}; went on in fp32"
        log.warning(note)
        self._restore(load_checkpoint(self.out_dir / LAST))
        self._use_fp32()
        self.notes.append(note)
        self.save()

    def save(self) -> None:
        """Write the run's state; whenever it is cut short, what is there is whole and agrees."""
        if self.history and self.history[-1] is self.best():
            save_checkpoint(self.out_dir / BEST, self._best_content())
        if not self.history:
            save_json(self.out_dir / "config.json", self.identity)
        save_checkpoint(
            self.out_dir / LAST,
            {
                "identity": self.identity,
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "history": [list(astuple(epoch)) for epoch in self.history],
                "notes": self.notes,
            },
        )
        if not self.history:  # nothing of a run that was here before may pass for this one's
            (self.out_dir / BEST).unlink(missing_ok=True)
        self._save_metrics()

    def resume(self) -> None:
        """Take up the run in `out_dir`.

        Raises:
            WorkbenchError: If it is a run of other settings or data.
        """
        content = load_checkpoint(self.out_dir / LAST)
        # Through JSON's eyes tuples are lists, in the checkpoint as in ours.
        theirs, ours = _plain(content.get("identity", {})), _plain(self.identity)
        changed = [key for key in ours if theirs.get(key) != ours[key]]
        if changed:
            key = changed[0]
            raise WorkbenchError(
                f"{self.out_dir} holds a run with {key} {theirs.get(key)!r}, not {ours[key]!r}",
                "train into another folder, or start over with fresh=True",
            )
        self._restore(content)
        self._save_metrics()

    def _restore(self, content: dict[str, Any]) -> None:
        self.network.load_state_dict(content["network"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.history = [Epoch(*row) for row in content["history"]]
        self.notes = list(content["notes"])
        if self.notes:  # fell back to fp32 before; it would again
            self._use_fp32()
        if self.scaler.is_enabled() and content["scaler"]:
            self.scaler.load_state_dict(content["scaler"])

    def _use_fp32(self) -> None:
        self.precision = "fp32"
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=False)

    def best(self) -> Epoch:
        """Return the epoch of the best macro-F1; at a tie the lower loss, then the earlier."""
        return max(self.history, key=lambda e: (e.valid_macro_f1, -e.valid_loss, -e.epoch))

    def _best_content(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "model": self.config.model,
            "model_settings": dict(self.config.model_settings),
            "classes": list(self.identity["classes"]),
            "frames": self.frames,
            "size_wh": list(self.size_wh),
            "epoch": len(self.history),
            "dataset_version": self.identity["dataset_version"],
        }

    def _save_metrics(self) -> None:
        text = io.StringIO()
        columns = list(Epoch.__dataclass_fields__)
        pd.DataFrame([asdict(e) for e in self.history], columns=columns).to_csv(text, index=False)
        save_text(self.out_dir / "metrics.csv", text.getvalue())

    def result(self) -> TrainResult:
        """Return the run's summary."""
        return TrainResult(
            self.out_dir,
            tuple(self.identity["classes"]),
            tuple(self.history),
            self.best(),
            sum(parameter.numel() for parameter in self.network.parameters()),
            tuple(self.notes),
        )


def _parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
