"""Fine-tuning: what a run leaves behind, and that killing it changes nothing."""

import csv
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_detector import CLASSES, CONFIG, make_dataset

from workbench.detect.student.checkpoint import load_student
from workbench.detect.student.train import finetune
from workbench.errors import DatasetError, WorkbenchError
from workbench.training.history import Epoch, Step, TrainingResult

pytest.importorskip("rfdetr")


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("discs")).folder


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return []


@pytest.fixture(scope="module")
def whole(
    dataset_dir: Path, steps: list[Step], tmp_path_factory: pytest.TempPathFactory
) -> TrainingResult:
    """A run that was never interrupted."""
    run_dir = tmp_path_factory.mktemp("models") / "whole"
    return finetune(dataset_dir, run_dir, CONFIG, on_step=steps.append)


def test_a_finished_run_leaves_one_checkpoint_and_what_people_read(whole: TrainingResult) -> None:
    files = {path.name: path.stat().st_size for path in whole.run_dir.iterdir()}
    assert set(files) == {"config.json", "metrics.csv", "summary.json", "best.pth"}
    assert sum(files.values()) < 150e6
    with (whole.run_dir / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    assert {f"ap {name}" for name in CLASSES} <= set(rows[0])


def test_every_step_is_told(whole: TrainingResult, steps: list[Step]) -> None:
    per_epoch = steps[0].steps
    assert [(one.epoch, one.step) for one in steps] == [
        (epoch, step) for epoch in (1, 2, 3) for step in range(1, per_epoch + 1)
    ]


def test_a_finished_run_is_not_trained_again(whole: TrainingResult, dataset_dir: Path) -> None:
    told: list[Epoch] = []
    before = (whole.run_dir / "best.pth").stat().st_mtime_ns
    again = finetune(dataset_dir, whole.run_dir, CONFIG, on_epoch=told.append)
    assert not told
    assert again.history == whole.history
    assert (whole.run_dir / "best.pth").stat().st_mtime_ns == before


def test_a_folder_of_another_run_is_refused(whole: TrainingResult, dataset_dir: Path) -> None:
    with pytest.raises(WorkbenchError, match=r"learning_rate 0\.0005, not 0\.1"):
        finetune(dataset_dir, whole.run_dir, replace(CONFIG, learning_rate=0.1))


def test_a_dataset_without_validation_is_refused(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "discs", train=2).folder
    (folder / "valid" / "_annotations.coco.json").unlink()
    with pytest.raises(DatasetError, match="has no split valid"):
        finetune(folder, tmp_path / "run", CONFIG)


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from small_detector import CONFIG
from workbench.detect.student.train import finetune

told = []

def stop(step):
    told.append(step)
    if len(told) == {mortal}:
        os.kill(os.getpid(), signal.SIGKILL)

finetune(Path(sys.argv[1]), Path(sys.argv[2]), CONFIG, on_step=stop)
"""


def test_killed_at_a_random_moment_it_ends_in_the_same_weights(
    whole: TrainingResult, steps: list[Step], dataset_dir: Path, tmp_path: Path
) -> None:
    run_dir = tmp_path / "killed"
    # Anywhere after the first epoch: before, there is nothing to go on from.
    mortal = random.Random(7).randint(len(steps) // CONFIG.epochs + 1, len(steps) - 1)
    script = KILLED_RUN.format(tests=str(Path(__file__).parent), mortal=mortal)
    command = [sys.executable, "-c", script, str(dataset_dir), str(run_dir)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert (run_dir / "last.ckpt").exists()
    assert not (run_dir / "summary.json").exists()

    told: list[Epoch] = []
    resumed = finetune(dataset_dir, run_dir, CONFIG, on_epoch=told.append)

    assert 0 < len(told) < CONFIG.epochs  # it went on, and did not start over
    assert _weights(run_dir) == _weights(whole.run_dir)
    timeless = [replace(epoch, seconds=0.0) for epoch in resumed.history]
    assert timeless == [replace(epoch, seconds=0.0) for epoch in whole.history]


def test_a_callback_that_raises_ends_a_process_of_its_own(
    dataset_dir: Path, tmp_path: Path
) -> None:
    def stop(step: Step) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        finetune(dataset_dir, tmp_path / "run", CONFIG, on_step=stop, own_process=True)
    assert not (tmp_path / "run" / "summary.json").exists()


def test_early_stopping_ends_a_run_that_gains_nothing(dataset_dir: Path, tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=9, patience=1, min_gain=2.0)  # no AP gains that much
    result = finetune(dataset_dir, tmp_path / "run", config)
    assert len(result.history) == 2  # the first epoch is always a gain
    assert load_student(result.run_dir).classes == CLASSES


def _weights(run_dir: Path) -> dict[str, Any]:
    import torch

    content = torch.load(run_dir / "best.pth", weights_only=True)["model"]
    return {name: value.numpy().tobytes() for name, value in content.items()}
