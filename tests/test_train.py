import csv
import json
import logging
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from moving_shapes import film_shapes
from torch import nn

from workbench.actions.augment import Augmentation
from workbench.actions.clipset import build_clipset
from workbench.actions.models import ARCHITECTURES, Architecture
from workbench.actions.predict import load_predictions, predict_clips
from workbench.actions.r2plus1d import ClipNet
from workbench.actions.train import TrainConfig, train_classifier
from workbench.errors import DatasetError, WorkbenchError
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.training.recipe import learning_rate

# Left and right are classes here, so nothing may be mirrored.
SMALL = TrainConfig(
    model_settings={"width": 8},
    frames=6,
    size_wh=(32, 32),
    epochs=14,
    learning_rate=5e-3,
    augmentation=Augmentation(flip=0, zoom=(0.95, 1.1), rotate_deg=4, swap_colours=0),
    amp="off",
    device="cpu",
)
BRIEF = replace(SMALL, epochs=3, model_settings={"width": 8, "dropout": 0.2})


@pytest.fixture(scope="module")
def clipset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    clips = film_shapes(folder, sessions=9, per_class=4)
    return build_clipset(
        clips, folder, folder / "set", origin=BUILT_IN_FOOTAGE, frames=12, size_wh=(42, 36)
    )


@pytest.fixture(scope="module")
def trained(clipset, tmp_path_factory):
    return train_classifier(clipset, tmp_path_factory.mktemp("run"), SMALL)


@pytest.fixture(scope="module")
def brief(clipset, tmp_path_factory):
    """A short run that nothing interrupted, to compare others with."""
    return train_classifier(clipset, tmp_path_factory.mktemp("brief"), BRIEF)


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    return torch.load(run_dir / "best.pt", weights_only=True)["network"]


def final_weights(run_dir: Path) -> str:
    """Hash of the weights after the last step."""
    return json.loads((run_dir / "summary.json").read_text())["final_weights"]


def assert_same_run(one: Path, other: Path) -> None:
    assert final_weights(one) == final_weights(other)
    rows = [[{**row, "seconds": None} for row in metrics(run)] for run in (one, other)]
    assert rows[0] == rows[1]
    best = [torch.load(run / "best.pt", weights_only=True) for run in (one, other)]
    assert best[0]["epoch"] == best[1]["epoch"]
    for name in best[0]["network"]:
        assert torch.equal(best[0]["network"][name], best[1]["network"][name]), name


def metrics(run_dir: Path) -> list[dict[str, str]]:
    with (run_dir / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_it_learns_motion_that_no_single_frame_shows(clipset, trained):
    test = clipset.take("test")
    predictions = predict_clips(trained.run_dir, test, device="cpu")
    right = sum(a == b for a, b in zip(predictions.labels, predictions.predicted, strict=True))
    assert right / len(test) >= 0.9
    still = predict_clips(trained.run_dir, test, device="cpu", freeze_frame=True)
    right = sum(a == b for a, b in zip(still.labels, still.predicted, strict=True))
    assert right / len(test) <= 0.55


def test_a_run_leaves_what_it_did_and_keeps_its_best_epoch(clipset, trained):
    rows = metrics(trained.run_dir)
    assert [int(row["epoch"]) for row in rows] == list(range(1, 15))
    best = max(rows, key=lambda row: (float(row["valid_macro_f1"]), -float(row["valid_loss"])))
    assert int(best["epoch"]) == trained.best.epoch
    saved = torch.load(trained.run_dir / "best.pt", weights_only=True)
    assert saved["epoch"] == trained.best.epoch
    config = json.loads((trained.run_dir / "config.json").read_text())
    assert config["learning_rate"] == 5e-3
    assert config["dataset_version"] == clipset.version
    assert len(trained.history) == 14
    assert f"best epoch {trained.best.epoch} of 14" in trained._repr_html_()


def test_the_best_epoch_is_judged_as_it_was_when_chosen(clipset, trained):
    valid = clipset.take("valid")
    predictions = predict_clips(trained.run_dir, valid, device="cpu")
    right = sum(a == b for a, b in zip(predictions.labels, predictions.predicted, strict=True))
    assert right / len(valid) == pytest.approx(trained.best.scores["valid_accuracy"])


def test_same_seed_same_weights_and_another_seed_others(clipset, brief, tmp_path):
    torch.manual_seed(99)  # whatever the caller did with torch's generator
    before = torch.get_rng_state()
    train_classifier(clipset, tmp_path / "again", BRIEF)
    assert torch.equal(torch.get_rng_state(), before)
    assert_same_run(tmp_path / "again", brief.run_dir)
    train_classifier(clipset, tmp_path / "other", replace(BRIEF, seed=1))
    assert final_weights(tmp_path / "other") != final_weights(brief.run_dir)


def test_loading_workers_change_nothing(clipset, brief, tmp_path):
    train_classifier(clipset, tmp_path / "run", replace(BRIEF, workers=2))
    assert_same_run(tmp_path / "run", brief.run_dir)


def test_an_interrupted_run_ends_in_the_weights_of_an_uninterrupted_one(clipset, brief, tmp_path):
    seen = []

    def interrupt(epoch):
        seen.append(epoch.epoch)
        if epoch.epoch < 3:
            raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train_classifier(clipset, tmp_path / "run", BRIEF, on_epoch=interrupt)
    result = train_classifier(clipset, tmp_path / "run", BRIEF, on_epoch=interrupt)
    assert seen == [1, 2, 3]
    assert result.best.epoch == brief.best.epoch
    assert_same_run(tmp_path / "run", brief.run_dir)


KILLED_RUN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_train import BRIEF
from workbench.actions.clipset import load_clipset
from workbench.actions.learner import ClipLearner
from workbench.actions.train import train_classifier

steps = 0
losses = ClipLearner.losses

def mortal_losses(*arguments):
    global steps
    steps += 1
    if steps == {mortal}:
        os.kill(os.getpid(), signal.SIGKILL)
    return losses(*arguments)

ClipLearner.losses = mortal_losses
train_classifier(load_clipset(Path(sys.argv[1])), Path(sys.argv[2]), BRIEF)
"""


def test_a_killed_process_loses_nothing_but_its_epoch(clipset, brief, tmp_path):
    run = tmp_path / "run"
    steps = max(1, round(len(clipset.take("train")) / BRIEF.batch_size))
    script = KILLED_RUN.format(tests=str(Path(__file__).parent), mortal=steps + 2)
    killed = subprocess.run(
        [sys.executable, "-c", script, str(clipset.folder), str(run)], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(metrics(run)) == 1
    epochs = []
    train_classifier(clipset, run, BRIEF, on_epoch=lambda epoch: epochs.append(epoch.epoch))
    assert epochs == [2, 3]
    assert_same_run(run, brief.run_dir)


def test_a_finished_run_is_returned_not_repeated(clipset, brief, tmp_path):
    before = (brief.run_dir / "best.pt").stat().st_mtime_ns
    again = train_classifier(
        clipset, brief.run_dir, replace(BRIEF, workers=1), on_epoch=lambda _: pytest.fail("trained")
    )
    assert again.history == brief.history
    assert (brief.run_dir / "best.pt").stat().st_mtime_ns == before
    assert not (brief.run_dir / "last.pt").exists()  # only an unfinished run needs it


def test_a_folder_with_another_run_is_refused(clipset, tmp_path):
    one = replace(BRIEF, epochs=1)
    train_classifier(clipset, tmp_path / "run", one)
    with pytest.raises(WorkbenchError, match=r"with learning_rate 0\.005, not 0\.01: train into"):
        train_classifier(clipset, tmp_path / "run", replace(one, learning_rate=0.01))


def test_a_broken_state_is_named(clipset, tmp_path):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_classifier(clipset, tmp_path / "run", BRIEF, on_epoch=interrupt)
    (tmp_path / "run" / "last.pt").write_bytes(b"half a checkpoint")
    with pytest.raises(WorkbenchError, match=r"last\.pt is not a checkpoint"):
        train_classifier(clipset, tmp_path / "run", BRIEF)


def test_bf16_trains_to_finite_weights(clipset, tmp_path):
    result = train_classifier(clipset, tmp_path / "run", replace(BRIEF, amp="bf16"))
    assert [epoch.precision for epoch in result.history] == ["bf16"] * 3
    assert result.notes == ()
    assert all(torch.isfinite(v).all() for v in weights(tmp_path / "run").values())


class Fragile(nn.Module):
    """Breaks at its fifth training step where precision is lowered, or wherever told."""

    def __init__(self, classes: int, everywhere: bool) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(3, classes), nn.BatchNorm1d(3)
        self.everywhere, self.steps = everywhere, 0

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        features = self.norm(clips.mean((2, 3, 4)).float())
        self.steps += self.training
        breaks = self.everywhere or torch.is_autocast_enabled("cpu")
        return self.fc(features * (float("inf") if breaks and self.steps >= 5 else 1.0)).float()


@pytest.mark.parametrize("everywhere", [False, True])
def test_numbers_that_break_go_on_in_fp32_or_stop_with_a_remedy(
    clipset, tmp_path, monkeypatch, caplog, everywhere
):
    fragile = Architecture(6, (32, 32), lambda k: ClipNet(Fragile(k, everywhere), difference=False))
    monkeypatch.setitem(ARCHITECTURES, "fragile", fragile)
    config = replace(BRIEF, model="fragile", model_settings={}, amp="bf16")
    with caplog.at_level(logging.WARNING):
        if everywhere:
            with pytest.raises(WorkbenchError, match=r"diverged.*lower learning_rate"):
                train_classifier(clipset, tmp_path / "run", config)
            return
        result = train_classifier(clipset, tmp_path / "run", config)
    precisions = [epoch.precision for epoch in result.history]
    assert precisions[-1] == "fp32"
    assert precisions == sorted(precisions)
    assert "went on in fp32" in caplog.text
    assert len(result.notes) == 1
    assert "fp32" in result.notes[0]
    assert all(torch.isfinite(v).all() for v in weights(tmp_path / "run").values())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model": "resnet"}, "no model is called"),
        ({"device": "warp"}, "device 'warp'"),
        ({"amp": "half"}, "amp 'half'"),
        ({"weights": "nowhere.pth"}, "nowhere.pth does not exist"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_cannot_be_met_say_why(clipset, tmp_path, change, problem):
    with pytest.raises(WorkbenchError, match=problem):
        train_classifier(clipset, tmp_path / "run", replace(BRIEF, **change))
    assert not (tmp_path / "run" / "best.pt").exists()


@pytest.mark.parametrize("warmup", [0.0, 0.2, 0.5])
def test_the_rate_rises_then_falls_to_nearly_nothing(warmup):
    config = TrainConfig(learning_rate=1.0, warmup=warmup)
    rates = [learning_rate(config, step, 200) for step in range(200)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert top == pytest.approx(200 * warmup, abs=1)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_the_reference_network_trains_through_the_same_call(clipset, tmp_path):
    config = replace(
        BRIEF, model="r2plus1d_18", model_settings={}, frames=2, size_wh=(16, 16), epochs=1
    )
    result = train_classifier(clipset, tmp_path / "run", config)
    assert result.parameters == pytest.approx(31.3e6, rel=0.01)
    assert len(predict_clips(tmp_path / "run", clipset.take("test"), device="cpu")) == len(
        clipset.take("test")
    )


def test_predictions_survive_saving(clipset, trained, tmp_path):
    predictions = predict_clips(trained.run_dir, clipset.take("test"), device="cpu")
    predictions.save(tmp_path / "predictions.json")
    read = load_predictions(tmp_path / "predictions.json")
    assert read.to_frame().equals(predictions.to_frame())
    assert (read.scorer, read.dataset_version) == ("slim", clipset.version)
    assert read.view == (6, 32, 32)
    assert read.probabilities.sum(axis=1) == pytest.approx(1)
    for broken in ("{}", "[]", '{"format": "workbench-predictions/1"}'):
        (tmp_path / "broken.json").write_text(broken)
        with pytest.raises(DatasetError, match="is not a file of predictions"):
            load_predictions(tmp_path / "broken.json")


def test_prediction_does_not_depend_on_the_batch(clipset, trained):
    test = clipset.take("test")
    one, many = (predict_clips(trained.run_dir, test, batch_size=n, device="cpu") for n in (1, 7))
    assert one.probabilities == pytest.approx(many.probabilities, abs=1e-5)


def test_labels_the_network_does_not_know_are_refused(trained, tmp_path):
    clips = film_shapes(tmp_path, sessions=3, per_class=1)
    clips = [replace(c, sport="tennis") if c.sport == "left" else c for c in clips]
    other = build_clipset(clips, tmp_path, tmp_path / "set", origin=BUILT_IN_FOOTAGE)
    with pytest.raises(DatasetError, match="does not know class 'tennis'"):
        predict_clips(trained.run_dir, other.take("test"))
    with pytest.raises(WorkbenchError, match="train the classifier first"):
        predict_clips(tmp_path, other.take("test"))
