"""Training a clip classifier: its settings, what it brings to the loop, and its shelf.

The unit is a clip set. Epochs, resuming, precision and processes are the loop's
(`training.loop`). Never looks at the test split.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from torch import Tensor, nn

from workbench.actions.augment import Augmentation, plain_view
from workbench.actions.clipset import Clipset, load_clipset
from workbench.actions.predict import score_views
from workbench.actions.r2plus1d import architecture_of, build_model
from workbench.actions.sampling import Batch, Draw, TrainingViews, epoch_draws
from workbench.training.folder import identity_of, last_run, run_name
from workbench.training.folder import shelve as put_on_shelf
from workbench.training.history import OnEpoch, TrainingResult
from workbench.training.loop import train
from workbench.training.recipe import Recipe

_KIND = "classifier"


@dataclass(frozen=True)
class TrainConfig(Recipe):
    """Everything a classifier depends on, besides its data.

    The defaults are for the slim network, some hundred clips, and a CPU.
    """

    model: str = "slim"  # or r2plus1d_18, which wants a learning_rate of 1e-3
    weights: str | None = None  # kinetics400, or the path of a state dict; None: random
    model_settings: dict[str, Any] = field(default_factory=dict)  # width (slim), dropout
    frames: int | None = None  # per view; None: what the model was made for
    size_wh: tuple[int, int] | None = None  # of a view; None: what the model was made for
    label_smoothing: float = 0.1
    balance: bool = True  # every class equally often, whatever the counts
    augmentation: Augmentation = field(default_factory=Augmentation)
    compile: bool = False  # torch.compile: for a GPU; on a CPU it was slower, after 60–110 s


def train_classifier(
    clipset: Clipset,
    out_dir: Path,
    config: TrainConfig | None = None,
    *,
    on_epoch: OnEpoch | None = None,
    fresh: bool = False,
) -> TrainingResult:
    """Train on the split "train", choose the epoch on "valid", keep everything in `out_dir`.

    Where `out_dir` holds an unfinished run of the same settings and data, it is finished; where it
    holds a finished one, that is returned.

    Args:
        clipset: A saved dataset with the splits train and valid.
        out_dir: The run's folder.
        config: Settings; the defaults train the slim network.
        on_epoch: Called after every epoch, for progress.
        fresh: Start over whatever `out_dir` holds.

    Raises:
        WorkbenchError: If the settings cannot be met, `out_dir` holds a run of other settings or
            data, or the loss diverges even in fp32.

    Example:
        >>> result = train_classifier(clipset, Path("runs/slim"))  # doctest: +SKIP
        >>> result.best.scores["valid_macro_f1"]  # doctest: +SKIP
        0.94
    """
    config = config or TrainConfig()
    make_learner = partial(ClipLearner, clipset.folder, config)
    identity = _identity(clipset, config)
    return train(make_learner, out_dir, config, identity, on_epoch=on_epoch, fresh=fresh)


class ClipLearner:
    """A clip classifier as the loop trains it.

    Args:
        folder: Of the clip set.
        config: Settings.
    """

    best_by = "valid_macro_f1"

    def __init__(self, folder: Path, config: TrainConfig) -> None:
        clipset, made_for = load_clipset(folder), architecture_of(config.model)
        self.config, self.classes, self.version = config, clipset.classes, clipset.version
        self.frames = config.frames or made_for.frames
        self.size_wh = config.size_wh or made_for.size_wh
        self.train, self.valid = clipset.take("train"), clipset.take("valid")
        self.network: nn.Module = build_model(
            config.model, len(self.classes), weights=config.weights, **config.model_settings
        )
        if config.compile:
            self.network.compile()

    def batches(self, epoch: int) -> list[list[Draw]]:
        """Return an epoch's draws, classes in equal shares."""
        config, targets = self.config, self.train.targets()
        return epoch_draws(
            targets, config.batch_size, balance=config.balance, seed=config.seed, epoch=epoch
        )

    def load(
        self, epoch: int, batches: Sequence[Sequence[Draw]]
    ) -> "torch.utils.data.DataLoader[Batch]":
        """Return varied views of the clips of each batch."""
        config = self.config
        views = TrainingViews(
            self.train, self.frames, self.size_wh, config.augmentation, config.seed, epoch
        )
        return views.loader(batches, workers=config.workers)

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return smoothed cross-entropy and accuracy on varied views."""
        frames, targets = batch
        scores = network(frames).float()
        loss = F.cross_entropy(scores, targets, label_smoothing=self.config.label_smoothing)
        return {"loss": loss, "accuracy": (scores.argmax(dim=1) == targets).double().mean()}

    def judge(self, network: nn.Module) -> dict[str, float]:
        """Return loss (hard labels), accuracy and macro-F1 on plain views of validation clips."""
        views = (
            plain_view(self.valid.frames(clip), self.frames, self.size_wh)
            for clip in range(len(self.valid))
        )
        scores = score_views(network, views, batch_size=self.config.batch_size)
        targets = torch.from_numpy(self.valid.targets())
        called = scores.argmax(dim=1)
        present = sorted(set(targets.tolist()))
        return {
            "valid_loss": float(F.cross_entropy(scores, targets)),
            "valid_accuracy": float((called == targets).double().mean()),
            "valid_macro_f1": float(f1_score(targets, called, labels=present, average="macro")),
        }

    def describe(self) -> dict[str, Any]:
        """Return what `load_classifier` builds the network from."""
        return {
            "model": self.config.model,
            "model_settings": dict(self.config.model_settings),
            "classes": list(self.classes),
            "frames": self.frames,
            "size_wh": list(self.size_wh),
            "dataset_version": self.version,
        }


def run_dir_for(models_dir: Path, clipset: Clipset, config: TrainConfig) -> Path:
    """Folder of the run with these settings on these data: the same ones meet again and go on."""
    return models_dir / run_name(config.model, _identity(clipset, config))


def shelve(result: TrainingResult, clipset: Clipset) -> Path:
    """Make a finished run the newest on its shelf; returns the file that says so."""
    facts = {
        "classes": list(result.classes),
        "dataset_version": clipset.version,
        result.best_by: round(result.best.scores[result.best_by], 6),
    }
    return put_on_shelf(result.run_dir, _KIND, facts)


def last_trained(models_dir: Path) -> Path:
    """Folder of the classifier that was finished last.

    Raises:
        DatasetError: If there is none.
    """
    return last_run(models_dir, _KIND, "train one: workbench run --profile demo")


def _identity(clipset: Clipset, config: TrainConfig) -> dict[str, Any]:
    return identity_of(config, dataset_version=clipset.version, classes=list(clipset.classes))
