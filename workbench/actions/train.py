"""Training a clip classifier: the run that settings and data make.

The unit is a clip set. Epochs, resuming, precision and processes are the loop's
(`training.loop`), what is learned from is the learner's (`learner`, `frozen`).
"""

from functools import partial
from pathlib import Path
from typing import Any, Unpack

from workbench.actions.clipset import Clipset
from workbench.actions.frozen import FeatureLearner
from workbench.actions.learner import ClipLearner
from workbench.actions.models import architecture_of
from workbench.actions.recipe import TrainConfig
from workbench.training.folder import identity_of, run_name
from workbench.training.history import Callbacks, TrainingResult
from workbench.training.loop import train


def train_classifier(
    clipset: Clipset,
    out_dir: Path,
    config: TrainConfig | None = None,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Train on the split "train", choose the epoch on "valid", keep everything in `out_dir`.

    Where `out_dir` holds an unfinished run of the same settings and data, it is finished; where it
    holds a finished one, that is returned.

    Raises:
        WorkbenchError: If the settings cannot be met, `out_dir` holds a run of other settings or
            data, or the loss diverges even in fp32.

    Example:
        >>> result = train_classifier(clipset, Path("runs/slim"))  # doctest: +SKIP
        >>> result.best.scores["valid_macro_f1"]  # doctest: +SKIP
        0.94
    """
    config = config or TrainConfig()
    is_frozen = architecture_of(config.model).is_frozen
    make_learner = partial(FeatureLearner if is_frozen else ClipLearner, clipset.folder, config)
    identity = _identity(clipset, config)
    return train(make_learner, out_dir, config, identity, **callbacks)


def run_dir_for(models_dir: Path, clipset: Clipset, config: TrainConfig) -> Path:
    """Folder of the run with these settings on these data: the same ones meet again and go on."""
    return models_dir / run_name(config.model, _identity(clipset, config))


def _identity(clipset: Clipset, config: TrainConfig) -> dict[str, Any]:
    return identity_of(config, dataset_version=clipset.version, classes=list(clipset.classes))
