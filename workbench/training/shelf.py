"""The shelf of trained models: what a run is called, and which one was finished last.

A folder of runs, one per settings and data, plus `last_<kind>.json` for each kind of model (such as
a classifier or a student), which names the newest. Knows nothing about what is in a run.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import DatasetError
from workbench.saving import save_json


def run_name(prefix: str, *what: Any) -> str:
    """Return a name made of everything a run depends on: the same things meet again and go on.

    Args:
        prefix: What people read.
        *what: JSON values: the version of the data, the settings.
    """
    text = json.dumps(list(what), sort_keys=True)
    return f"{prefix}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def shelve(run_dir: Path, kind: str, facts: Mapping[str, Any]) -> Path:
    """Make a finished run the newest of its kind; returns the file that says so.

    With `"passed": False` and `"why"` among the facts, `last_run` refuses it.
    """
    path = run_dir.parent / f"last_{kind}.json"
    save_json(path, {"run": run_dir.name, **facts})
    return path


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
