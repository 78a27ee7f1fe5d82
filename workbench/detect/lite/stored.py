"""The lite student's weights as a file.

A file holds float16 arrays and what is known of them, no code. One, `weights/student.npz`, is part
of the package; its card lies beside it. Users' own come from `workbench detect train-student` and
from fine-tuning.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from workbench.detect.detections import CLASSES
from workbench.detect.lite.network import LiteDetr
from workbench.saving import replacing
from workbench.training.weights import WeightsError

SHIPPED = Path(__file__).parent / "weights" / "student.npz"
FORMAT = "workbench-lite/1"
_FACTS = "facts"  # the entry that holds them, as JSON


class Loaded(NamedTuple):
    """A network ready to run, and what is known of it."""

    network: LiteDetr
    facts: dict[str, Any]


def save_weights(path: Path, weights: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Write weights: what is multiplied as float16, biases and scales as they are."""
    arrays: dict[str, Any] = {}
    for name, value in weights.items():
        array = value.detach().cpu().numpy()
        arrays[name] = array.astype(np.float16) if array.ndim > 1 else array
    text = json.dumps({"format": FORMAT, "classes": list(CLASSES), **facts}, ensure_ascii=False)
    with replacing(path) as part:
        np.savez(part, allow_pickle=False, **{_FACTS: np.array(text), **arrays})


def load_weights(path: Path | None = None) -> Loaded:
    """Read weights; the shipped ones by default.

    Raises:
        WeightsError: If they are not there or are another network's.
    """
    path = path or SHIPPED
    remedy = "give a file that `workbench detect train-student` wrote"
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored[_FACTS]))
            arrays = {name: stored[name] for name in stored.files if name != _FACTS}
        if facts["format"] != FORMAT:
            raise WeightsError(f"{path} is of the format {facts['format']}, not {FORMAT}", remedy)
        classes = len(facts["classes"])
    except FileNotFoundError:
        raise WeightsError(f"no weights at {path}", remedy) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} holds no lite student ({said})", remedy) from None
    network = LiteDetr(classes)
    own = network.state_dict()
    tensors = {name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()}
    if own.keys() != tensors.keys() or any(own[n].shape != t.shape for n, t in tensors.items()):
        raise WeightsError(f"{path} holds the weights of another network", remedy)
    network.load_state_dict(tensors)
    return Loaded(network.eval().to(memory_format=torch.channels_last), facts)
