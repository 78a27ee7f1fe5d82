"""The shelf of trained classifiers: where a run belongs, and which one was finished last.

A folder of runs, one per settings and data, plus `last_classifier.json`, which names the newest.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from workbench.classify.clipset import Clipset
from workbench.classify.recipe import TrainConfig
from workbench.classify.train import TrainResult
from workbench.errors import DatasetError
from workbench.saving import save_json

LAST = "last_classifier.json"


def run_dir_for(models_dir: Path, clipset: Clipset, config: TrainConfig) -> Path:
    """Folder of the run with these settings on these data: the same ones meet again and go on."""
    what = json.dumps([clipset.version, asdict(config)], sort_keys=True)
    return models_dir / f"{config.model}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"


def shelve(result: TrainResult, clipset: Clipset) -> Path:
    """Make a finished run the newest on its shelf; returns the file that says so."""
    path = result.run_dir.parent / LAST
    save_json(
        path,
        {
            "run": result.run_dir.name,
            "classes": list(result.classes),
            "dataset_version": clipset.version,
            "valid_macro_f1": round(result.best.valid_macro_f1, 6),
        },
    )
    return path


def last_trained(models_dir: Path) -> Path:
    """Folder of the run that was finished last.

    Raises:
        DatasetError: If there is none.
    """
    path = models_dir / LAST
    try:
        run_dir = models_dir / str(json.loads(path.read_text(encoding="utf-8"))["run"])
    except FileNotFoundError:
        raise DatasetError(
            f"no trained classifier in {models_dir}", "train one: workbench run --profile demo"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{path} names no run ({error})", "train a classifier again") from None
    if not run_dir.is_dir():
        raise DatasetError(f"{run_dir} is gone", "train a classifier again")
    return run_dir
