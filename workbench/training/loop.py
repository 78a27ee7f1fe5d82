"""One training loop for every network, on one process or several, on CPU and GPU.

A network joins by a `Learner`; the loop does the rest: seeds, learning rate, mixed precision that
falls back to fp32, accumulated and clipped gradients, moving average, best epoch, early stop, and a
state on disk after each epoch. A run killed at any moment and started again ends, on a CPU, in the
very weights it would have had. Several processes (Lightning Fabric under `torchrun` or, on a
cluster, Ray Train) share each batch: the loss is that of one process with the whole batch. Only
batch normalisation differs: on GPUs it is computed over the whole batch (`SyncBatchNorm`); on CPUs,
where torch has no such thing, each process normalises its own share.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Unpack

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from workbench.errors import WorkbenchError
from workbench.training.child import run_in_child
from workbench.training.compute import (
    autocast,
    choose_device,
    choose_precision,
    inference,
    seed_all,
    torch_threads,
)
from workbench.training.folder import BEST, LAST, SUMMARY, claim, load_checkpoint, save_checkpoint
from workbench.training.history import (
    Callbacks,
    Epoch,
    Step,
    TrainingResult,
    best_epoch,
    is_over,
    load_result,
    save_metrics,
    save_summary,
)
from workbench.training.recipe import Recipe, learning_rate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)


class Learner(Protocol):
    """What a network brings to the loop."""

    network: nn.Module
    best_by: str  # which score chooses the epoch; the higher, the better
    # May have `rates`: by the start of a parameter's name its share of the learning rate.

    def batches(self, epoch: int) -> Sequence[Sequence[Any]]:
        """Return the examples of each batch of an epoch, of all processes; keys, not tensors.

        They depend on the seed and the epoch alone.
        """
        ...

    def load(self, epoch: int, batches: Sequence[Sequence[Any]]) -> Iterable[Any]:
        """Return the tensors of these batches, or of one process's shares of them, in order."""
        ...

    def losses(self, network: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Return means over a batch's examples: "loss", which is minimised, and what else to log.

        Args:
            network: `self.network`, or what several processes share it by.
            batch: As loaded, on the device.
        """
        ...

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Score a network on validation data; `best_by` is among the scores."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what a reader of the best checkpoint needs besides the weights."""
        ...


def train(
    make_learner: Callable[[], Learner],
    run_dir: Path,
    recipe: Recipe,
    identity: Mapping[str, Any],
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Train until the run in a folder is finished; an unfinished run goes on where it was.

    `make_learner` builds network and data once the seed is set. With several devices it is pickled:
    a function of a module, or `functools.partial` of one. What the run is, `folder.identity_of`
    says.

    Raises:
        WorkbenchError: If the settings cannot be met, the folder holds another run, or the loss
            diverges even in fp32.

    Example:
        >>> identity = identity_of(recipe, dataset_version=version)  # doctest: +SKIP
        >>> train(make_learner, Path("runs/spotter"), recipe, identity).best  # doctest: +SKIP
    """
    device = choose_device(recipe.device)
    choose_precision(recipe.amp, device)
    claim(run_dir, identity)
    if (run_dir / SUMMARY).exists():
        return load_result(run_dir)
    if recipe.devices > 1 and "LOCAL_RANK" not in os.environ:
        _check_share(recipe.batch_size, recipe.devices)
        arguments = (make_learner, run_dir, recipe, identity)
        run_in_child(train, *arguments, processes=recipe.devices, **callbacks)
        return load_result(run_dir)
    gpus = [device] if device.type == "cuda" else []
    # The caller's random state is left as it was.
    with torch_threads(recipe.threads), torch.random.fork_rng(gpus):
        run = _Run(make_learner, run_dir, recipe, _launch(device), callbacks)
        while not is_over(run.history, recipe, run.learner.best_by):
            try:
                run.train_epoch()
            except _NonFiniteError as error:
                run.fall_back(error)
                continue
            run.save()
            if "on_epoch" in run.callbacks:
                run.callbacks["on_epoch"](run.history[-1])
        run.finish()
    return load_result(run_dir)


class _NonFiniteError(Exception):
    """A loss or gradient that is not a number."""


def _check_share(examples: int, processes: int) -> None:
    if examples < processes:
        raise WorkbenchError(
            f"a batch of {examples} cannot be shared by {processes} processes",
            "set batch_size to a multiple of devices",
        )


class _Run:
    """A training run between two epochs: all that the last state holds, and the means to go on."""

    def __init__(
        self,
        make_learner: Callable[[], Learner],
        run_dir: Path,
        recipe: Recipe,
        fabric: "Fabric",  # the processes that share each batch
        callbacks: Callbacks,
    ) -> None:
        self.run_dir, self.recipe, self.fabric = run_dir, recipe, fabric
        self.callbacks: Callbacks = callbacks if fabric.is_global_zero else {}
        torch.manual_seed(recipe.seed)
        self.learner = make_learner()
        self.network = self.learner.network
        if fabric.world_size > 1 and fabric.device.type == "cuda":
            self.network = nn.SyncBatchNorm.convert_sync_batchnorm(self.network)  # type: ignore[no-untyped-call]
        self.shared = fabric.setup_module(self.network)
        self.average = None
        if recipe.ema:
            average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        rates: Mapping[str, float] = getattr(self.learner, "rates", {})
        groups = _parameter_groups(self.network, recipe.weight_decay, rates)
        self.optimizer = torch.optim.AdamW(groups)
        self._compute_in(choose_precision(recipe.amp, fabric.device))
        self.history: list[Epoch] = []
        self.notes: list[str] = []
        # One process decides for all: another may look only once the first has saved.
        if fabric.broadcast((run_dir / LAST).exists()):
            self._restore()
        else:
            self.save()

    def train_epoch(self) -> None:
        """Train for one epoch, judge it, append it to the history."""
        recipe, number, start_s = self.recipe, len(self.history) + 1, time.perf_counter()
        seed_all(recipe.seed, number, self.fabric.global_rank)
        batches = self.learner.batches(number)
        shares = [self._share(batch) for batch in batches]
        groups = [
            batches[first : first + recipe.accumulate]
            for first in range(0, len(batches), recipe.accumulate)
        ]
        loader = iter(self.learner.load(number, shares))
        sums: dict[str, Tensor] = {}
        rate = 0.0
        self.shared.train()
        for step, group in enumerate(groups):
            done = (number - 1) * len(groups) + step
            rate = learning_rate(recipe, done, recipe.epochs * len(groups))
            for parameters in self.optimizer.param_groups:
                parameters["lr"] = rate * parameters.get("rate", 1.0)  # absent in older states
            loss = self._step(loader, group, sums)
            if "on_step" in self.callbacks:
                self.callbacks["on_step"](Step(number, step + 1, len(groups), float(loss)))
        trained = self._means(sums, sum(map(len, batches)))
        scores = trained | self._judge()
        seconds = round(time.perf_counter() - start_s, 3)
        self.history.append(Epoch(number, rate, self.precision, seconds, scores))

    def _means(self, sums: Mapping[str, Tensor], examples: int) -> dict[str, float]:
        """Return what was summed over the examples of all processes, per example."""
        means = {}
        for name, value in sums.items():
            total = self.fabric.all_reduce(value, reduce_op="sum")
            assert isinstance(total, Tensor)
            means[f"train_{name}"] = float(total) / examples
        return means

    def _step(
        self, loader: Iterator[Any], group: Sequence[Sequence[Any]], sums: dict[str, Tensor]
    ) -> Tensor:
        """Take one step of the optimizer; adds up losses in `sums`, returns the last one.

        Sums stay on the device: reading them at each step would make a GPU wait.
        """
        examples = sum(map(len, group))
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros(())
        for place, batch in enumerate(group):
            share = len(self._share(batch))
            tensors = self.fabric.to_device(next(loader))
            with self.fabric.no_backward_sync(self.shared, enabled=place + 1 < len(group)):
                with autocast(self.precision, self.fabric.device):
                    losses = self.learner.losses(self.shared, tensors)
                # Gradients of the processes are averaged, so each weighs by its share of examples.
                weight = share * self.fabric.world_size / examples
                self.fabric.backward(self.scaler.scale(losses["loss"] * weight))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.detach().double() * share
            loss = losses["loss"].detach()
        self._update(loss)
        return loss

    def _update(self, loss: Tensor) -> None:
        self.scaler.unscale_(self.optimizer)
        norm = float(nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip_norm))
        if not isfinite(norm):
            # A scaler finds its scale by overflowing; only once that is below 1 is it hopeless.
            searching = self.scaler.is_enabled() and self.scaler.get_scale() > 1
            if not searching or not bool(torch.isfinite(loss)):
                raise _NonFiniteError(f"the gradient's norm is {norm}")
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.network)

    def _share(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Return this process's examples of a batch; those of all processes make the batch."""
        _check_share(len(batch), self.fabric.world_size)
        return batch[self.fabric.global_rank :: self.fabric.world_size]

    def _judge(self) -> dict[str, float]:
        scores: dict[str, float] = {}
        if self.fabric.is_global_zero:
            kept = self._kept().eval()
            with inference(self.precision, self.fabric.device):
                scores = dict(self.learner.judge(kept))
        scores = self.fabric.broadcast(scores)
        if not isfinite(scores.get("valid_loss", 0.0)):
            raise _NonFiniteError(f"the validation loss is {scores['valid_loss']}")
        return scores

    def _kept(self) -> nn.Module:
        """The network that is judged and kept."""
        return self.network if self.average is None else self.average.module

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
        self._restore()
        self.notes.append(note)
        self._compute_in("fp32")
        self.save()

    def _parts(self) -> dict[str, Any]:
        """What has a state of its own, by its name in the last state."""
        parts = {"network": self.network, "optimizer": self.optimizer, "scaler": self.scaler}
        return parts if self.average is None else {**parts, "average": self.average}

    def save(self) -> None:
        """Write the run's state; whenever it is cut short, what is there is whole and agrees."""
        if self.fabric.is_global_zero:
            history = self.history
            if history and best_epoch(history, self.learner.best_by) is history[-1]:
                content = {"network": self._kept().state_dict(), "epoch": len(history)}
                save_checkpoint(self.run_dir / BEST, content | self.learner.describe())
            parts = {name: part.state_dict() for name, part in self._parts().items()}
            rows = [asdict(epoch) for epoch in history]
            save_checkpoint(self.run_dir / LAST, {**parts, "history": rows, "notes": self.notes})
            save_metrics(self.run_dir, history)
        self.fabric.barrier()

    def _restore(self) -> None:
        content = load_checkpoint(self.run_dir / LAST)
        self.history = [Epoch(**row) for row in content["history"]]
        self.notes = list(content["notes"])
        if self.notes:  # fell back to fp32 before; it would again
            self._compute_in("fp32")
        for name, part in self._parts().items():
            if content[name]:  # a scaler's is empty unless the state was computed in fp16
                part.load_state_dict(content[name])

    def _compute_in(self, precision: str) -> None:
        self.precision = precision
        # fp16 gradients underflow unless the loss is scaled up; disabled, a scaler does nothing.
        self.scaler = torch.amp.GradScaler(self.fabric.device.type, enabled=precision == "fp16")

    def finish(self) -> None:
        """Say that the run is finished, and remove what only an unfinished one needs."""
        if self.fabric.is_global_zero:
            save_summary(
                self.run_dir,
                self.history,
                best_by=self.learner.best_by,
                parameters=sum(weights.numel() for weights in self.network.parameters()),
                notes=self.notes,
                final_weights=_digest(self.network),
            )
            (self.run_dir / LAST).unlink(missing_ok=True)
        self.fabric.barrier()


def _launch(device: torch.device) -> "Fabric":
    """Join the processes that `torchrun` or Ray Train has started, or compute alone."""
    from lightning_fabric import Fabric  # its imports are slow, and inference needs none of them

    world = int(os.environ.get("WORLD_SIZE", 1))
    here: Any = [device.index or 0] if device.type == "cuda" else 1
    if world > 1:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        if world % here:  # Fabric counts them so
            raise WorkbenchError(
                f"{world} processes, {here} of them on one node", "give each node as many"
            )
    fabric = Fabric(
        accelerator=device.type,
        devices=here,
        num_nodes=world // here if world > 1 else 1,
        strategy="ddp" if world > 1 else "auto",
    )
    fabric.launch()
    return fabric


def _parameter_groups(
    network: nn.Module, weight_decay: float, rates: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Parameters with their weight decay and their share of the learning rate."""
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, own in network.named_parameters():
        rate = next((share for start, share in rates.items() if name.startswith(start)), 1.0)
        groups.setdefault((own.ndim > 1, rate), []).append(own)
    return [
        {"params": own, "weight_decay": weight_decay * is_matrix, "rate": rate}
        for (is_matrix, rate), own in sorted(groups.items(), key=lambda group: group[0][::-1])[::-1]
    ]


def _digest(network: nn.Module) -> str:
    """A hash of the last weights: two runs that end in the same one were the same throughout."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
