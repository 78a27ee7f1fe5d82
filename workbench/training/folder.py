"""The folder of a training run, and the shelf of finished ones.

A run is what its identity says: data and settings. A folder holds one run: `config.json` (the
identity), `metrics.csv`, the best checkpoint, the last state while it is unfinished, and
`summary.json` once it is finished. The shelf is a folder of such folders, plus `last_<kind>.json`,
which names the newest of a kind (classifier, student). Knows nothing about networks.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workbench.errors import DatasetError, WorkbenchError
from workbench.saving import replacing, save_json
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


def claim(run_dir: Path, identity: Mapping[str, Any], *, fresh: bool = False) -> None:
    """Make a folder this run's, or check that it already is.

    With `fresh`, what a run has left there before is removed.

    Raises:
        WorkbenchError: If it holds a run of other data or settings.
    """
    if fresh:  # the summary first: without it no remainder passes for a finished run
        for name in (SUMMARY, LAST, BEST, METRICS, CONFIG):
            (run_dir / name).unlink(missing_ok=True)
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
    try:
        content = json.loads((run_dir / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):
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


def shelve(run_dir: Path, kind: str, facts: Mapping[str, Any]) -> Path:
    """Make a finished run the newest of its kind; returns the file that says so.

    With `"passed": False` and `"why"` among the facts, `last_run` refuses it; it does not take the
    place of another run that is known to have passed.
    """
    path = run_dir.parent / f"last_{kind}.json"
    if facts.get("passed", True) or not _another_passed(path, run_dir):
        save_json(path, {"run": run_dir.name, **facts})
    return path


def _another_passed(path: Path, run_dir: Path) -> bool:
    try:
        shelved = json.loads(path.read_text(encoding="utf-8"))
        name = str(shelved["run"])
        has_passed = shelved.get("passed") is True  # not said before failures were recorded
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return has_passed and name != run_dir.name and (run_dir.parent / name).is_dir()


def last_run(models_dir: Path, kind: str, remedy: str) -> Path:
    """Folder of the run of a kind that was finished last.

    Raises:
        DatasetError: If there is none, with `remedy` where none was ever trained; or if it failed
            its test: such a run is used only by whoever names it.
    """
    path = models_dir / f"last_{kind}.json"
    try:
        shelved = json.loads(path.read_text(encoding="utf-8"))
        run_dir = models_dir / str(shelved["run"])
    except FileNotFoundError:
        raise DatasetError(f"no trained {kind} in {models_dir}", remedy) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} names no run ({error})", f"train a {kind} again") from None
    if not run_dir.is_dir():
        raise DatasetError(f"{run_dir} is gone", f"train a {kind} again")
    if not shelved.get("passed", True):
        raise DatasetError(
            f"the last {kind} failed its test ({shelved.get('why')})",
            f"name it all the same with --model {run_dir}, or train longer",
        )
    return run_dir
