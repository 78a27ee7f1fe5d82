"""What a training run leaves behind: `last.pt` to go on from, `best.pt` to predict with.

The unit is a dictionary of tensors and plain values, so that it loads with `weights_only=True` and
runs no code of whoever made it. Leaves what is in it to `train` and `predict`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workbench.actions.r2plus1d import ClipNet, build_model
from workbench.errors import WorkbenchError
from workbench.saving import replacing

LAST, BEST = "last.pt", "best.pt"


@dataclass(frozen=True)
class Classifier:
    """A trained network and what it needs to be fed."""

    network: ClipNet
    name: str
    classes: tuple[str, ...]
    frames: int
    size_wh: tuple[int, int]
    epoch: int
    dataset_version: str  # of what it was trained on


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint in one step: a reader sees the one before or this one."""
    with replacing(path) as part:
        torch.save(content, part)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        WorkbenchError: If it is absent or not a checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WorkbenchError(f"{path} does not exist", "train the classifier first") from None
    except Exception as error:  # torch.load raises whatever the broken byte leads to
        raise WorkbenchError(
            f"{path} is not a checkpoint ({type(error).__name__})",
            "delete the run's folder and train again",
        ) from None
    if not isinstance(content, dict):
        raise WorkbenchError(f"{path} is not a checkpoint", "delete the folder and train again")
    return content


def load_classifier(run_dir: Path, device: torch.device | str = "cpu") -> Classifier:
    """Load the best network of a run, ready to predict.

    Raises:
        WorkbenchError: If the run has none, or it was made by an incompatible version.
    """
    content = load_checkpoint(run_dir / BEST)
    try:
        classes = tuple(content["classes"])
        network = build_model(content["model"], len(classes), **content["model_settings"])
        network.load_state_dict(content["network"])
        width, height = content["size_wh"]
        return Classifier(
            network.to(device).eval(),
            content["model"],
            classes,
            content["frames"],
            (width, height),
            content["epoch"],
            content["dataset_version"],
        )
    except (KeyError, RuntimeError, TypeError) as error:
        raise WorkbenchError(
            f"{run_dir / BEST} does not fit this version ({error})", "train the classifier again"
        ) from None
