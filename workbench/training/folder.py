"""The folder of a training run: what the run is, and the files in it.

A run is what its identity says: data and settings. A folder holds one run: `config.json` (the
identity), `metrics.csv`, the best checkpoint, the last state while it is unfinished, and
`summary.json` once it is finished. Knows nothing about networks.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.errors import WorkbenchError
from workbench.saving import read_object, replacing, save_json
from workbench.training.recipe import Recipe

CONFIG, METRICS, SUMMARY = "config.json", "metrics.csv", "summary.json"
BEST, LAST = "best.pt", "last.pt"

# Settings that say how to compute, not what: they change the last digits of a result at most, and a
# run may go on with others. `amp` is not among them, since half precision is another computation.
HOW = frozenset({"device", "devices", "threads", "workers", "compile"})


def identity_of(recipe: Recipe, **data: Any) -> dict[str, Any]:
    """Return what a run is, as plain JSON values: its data, and its settings without `HOW`.

    Its data are their version, classes, and whatever else the result depends on.
    """
    settings = {key: value for key, value in asdict(recipe).items() if key not in HOW}
    identity: dict[str, Any] = json.loads(json.dumps({**data, **settings}, default=str))
    return identity


def run_name(prefix: str, identity: Mapping[str, Any]) -> str:
    """Return a name made of a run's identity: the same data and settings meet again and go on."""
    text = json.dumps(identity, sort_keys=True)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def claim(run_dir: Path, identity: Mapping[str, Any]) -> None:
    """Make a folder this run's, or check that it already is.

    Raises:
        WorkbenchError: If it holds a run of other data or settings.
    """
    if not (run_dir / CONFIG).exists():
        save_json(run_dir / CONFIG, identity)
        return
    theirs = run_config(run_dir)
    changed = [key for key, value in identity.items() if theirs.get(key) != value]
    if changed:
        key = changed[0]
        raise WorkbenchError(
            f"{run_dir} holds a run with {key} {theirs.get(key)!r}, not {identity[key]!r}",
            "train into another folder, or delete this one",
        )


def run_config(run_dir: Path) -> dict[str, Any]:
    """Return the identity of the run in a folder.

    Raises:
        WorkbenchError: If the folder is not a run's.
    """
    content = read_object(run_dir / CONFIG)
    if content is None:
        raise WorkbenchError(
            f"{run_dir} is not the folder of a run", "name a folder with config.json"
        )
    return content


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain values in one step: a reader sees the file before or this one."""
    import torch

    with replacing(path) as part:
        torch.save(content, part)


def load_checkpoint(path: Path, remedy: str = "train the network first") -> dict[str, Any]:
    """Read a checkpoint onto the CPU, running no code of whoever made it.

    Raises:
        WorkbenchError: If it is absent, with `remedy`, or not a checkpoint.
    """
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WorkbenchError(f"{path} does not exist", remedy) from None
    except Exception as error:  # torch.load raises whatever the broken byte leads to
        content = type(error).__name__
    if not isinstance(content, dict):
        found = content if isinstance(content, str) else type(content).__name__
        raise WorkbenchError(f"{path} is not a checkpoint ({found})", "make or download it again")
    return content
