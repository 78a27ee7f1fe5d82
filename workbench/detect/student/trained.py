"""Trained students on the shelf: where a run belongs, and which one was finished last."""

from dataclasses import asdict
from pathlib import Path

from workbench.detect.dataset.coco import load_dataset
from workbench.detect.student.recipe import HOW, FinetuneConfig
from workbench.detect.student.train import FinetuneResult
from workbench.training.shelf import last_run, run_name
from workbench.training.shelf import shelve as put_on_shelf

_KIND = "student"


def run_dir_for(models_dir: Path, dataset_dir: Path, config: FinetuneConfig) -> Path:
    """Folder of the run with these settings on these data: the same ones meet again and go on."""
    settings = {key: value for key, value in asdict(config).items() if key not in HOW}
    version = load_dataset(dataset_dir).meta["version"]
    return models_dir / run_name(f"rfdetr-{config.variant}", version, settings)


def shelve(result: FinetuneResult) -> Path:
    """Make a finished run the newest on its shelf; returns the file that says so."""
    facts = {"classes": list(result.classes), "valid_ap": round(result.best.ap, 6)}
    return put_on_shelf(result.run_dir, _KIND, facts)


def last_student(models_dir: Path) -> Path:
    """Folder of the student that was finished last.

    Raises:
        DatasetError: If there is none.
    """
    return last_run(models_dir, _KIND, "train one: workbench run finetune_rfdetr")
