"""Training the ball network on a folder of crops, in a run folder that survives being killed."""

from functools import partial
from pathlib import Path
from typing import Unpack

from workbench.detect.ballnet.learner import VALID, BallConfig, BallLearner
from workbench.training.folder import identity_of
from workbench.training.history import Callbacks, TrainingResult
from workbench.training.loop import train
from workbench.training.weights import weights_identity


def train_ballnet(
    crops: Path, run_dir: Path, config: BallConfig | None = None, **callbacks: Unpack[Callbacks]
) -> TrainingResult:
    """Train until the run in a folder is finished; an unfinished run goes on where it was.

    Raises:
        DatasetError: If the folder has no crops.
        WorkbenchError: If the run's folder holds another run.
    """
    config = config or BallConfig()
    identity = identity_of(config, crops=crops_identity(crops, config))
    if config.start:
        identity["start"] = weights_identity(Path(config.start))
    make_learner = partial(BallLearner, crops, config)
    return train(make_learner, run_dir, config, identity, **callbacks)


def crops_identity(crops: Path, config: BallConfig) -> dict[str, int]:
    """How many files of crops each group has that is learned from or judged on."""
    return {name: len(list((crops / name).glob("*.npy"))) for name in (*config.shares, VALID)}
