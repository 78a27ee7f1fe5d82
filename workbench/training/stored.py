"""Small networks' weights as a file: float16 arrays and what is known of them, no code.

The unit is one `.npz` file, as the package ships them and as training commands write them. Knows
nothing about which network the arrays belong to.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.saving import replacing
from workbench.training.weights import WeightsError

_FACTS = "facts"  # the entry that holds them, as JSON


def save_stored(path: Path, weights: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
    """Write weights: what is multiplied as float16, biases and scales as they are."""
    arrays: dict[str, Any] = {}
    for name, value in weights.items():
        array = value.detach().cpu().numpy()
        arrays[name] = array.astype(np.float16) if array.ndim > 1 else array
    text = json.dumps(dict(facts), ensure_ascii=False)
    with replacing(path) as part:
        np.savez(part, allow_pickle=False, **{_FACTS: np.array(text), **arrays})


def load_stored(
    path: Path, file_format: str, *, what: str, remedy: str, needs: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Read the facts and the weights, as float32.

    Args:
        path: Of the file.
        file_format: That its facts must name.
        what: It should hold, "ball network" say, for the error.
        remedy: Where such a file comes from.
        needs: Facts that must be there beside the format.

    Raises:
        WeightsError: If it is not there, or is another kind of file.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            facts = json.loads(str(stored[_FACTS]))
            arrays = {name: stored[name] for name in stored.files if name != _FACTS}
        if facts["format"] != file_format:
            said = f"{path} is of the format {facts['format']}, not {file_format}"
            raise WeightsError(said, remedy)
        for need in needs:
            facts[need]
        return facts, {
            name: torch.from_numpy(array.astype(np.float32)) for name, array in arrays.items()
        }
    except FileNotFoundError:
        raise WeightsError(f"no weights at {path}", remedy) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"{path} holds no {what} ({said})", remedy) from None
