"""Trained classifiers on the shelf: where a run belongs, and which one was finished last."""

from dataclasses import asdict
from pathlib import Path

from workbench.actions.clipset import Clipset
from workbench.actions.recipe import TrainConfig
from workbench.actions.train import TrainResult
from workbench.training.shelf import last_run, run_name
from workbench.training.shelf import shelve as put_on_shelf

_KIND = "classifier"


def run_dir_for(models_dir: Path, clipset: Clipset, config: TrainConfig) -> Path:
    """Folder of the run with these settings on these data: the same ones meet again and go on."""
    return models_dir / run_name(config.model, clipset.version, asdict(config))


def shelve(result: TrainResult, clipset: Clipset) -> Path:
    """Make a finished run the newest on its shelf; returns the file that says so."""
    facts = {
        "classes": list(result.classes),
        "dataset_version": clipset.version,
        "valid_macro_f1": round(result.best.valid_macro_f1, 6),
    }
    return put_on_shelf(result.run_dir, _KIND, facts)


def last_trained(models_dir: Path) -> Path:
    """Folder of the run that was finished last.

    Raises:
        DatasetError: If there is none.
    """
    return last_run(models_dir, _KIND, "train one: workbench run --profile demo")
