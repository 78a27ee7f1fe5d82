"""The lite student's weights as a file.

A file holds float16 arrays and what is known of them, no code. One, `weights/student.npz`, is part
of the package; its card lies beside it. Users' own come from `workbench detect train-student` and
from fine-tuning.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from workbench.detect.detections import CLASSES
from workbench.detect.lite.network import LiteDetr
from workbench.training.stored import load_stored, save_stored
from workbench.training.weights import WeightsError

SHIPPED = Path(__file__).parent / "weights" / "student.npz"
FORMAT = "workbench-lite/1"


class Loaded(NamedTuple):
    """A network ready to run, and what is known of it."""

    network: LiteDetr
    facts: dict[str, Any]


def save_weights(path: Path, weights: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Write weights with their facts."""
    save_stored(path, weights, {"format": FORMAT, "classes": list(CLASSES), **facts})


def load_weights(path: Path | None = None) -> Loaded:
    """Read weights; the shipped ones by default.

    Raises:
        WeightsError: If they are not there or are another network's.
    """
    path = path or SHIPPED
    remedy = "give a file that `workbench detect train-student` wrote"
    facts, tensors = load_stored(
        path, FORMAT, what="lite student", remedy=remedy, needs=("classes",)
    )
    network = LiteDetr(len(facts["classes"]))
    own = network.state_dict()
    if own.keys() != tensors.keys() or any(own[n].shape != t.shape for n, t in tensors.items()):
        raise WeightsError(f"{path} holds the weights of another network", remedy)
    network.load_state_dict(tensors)
    return Loaded(network.eval().to(memory_format=torch.channels_last), facts)
