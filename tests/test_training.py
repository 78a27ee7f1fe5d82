"""The loop that every network is trained by, on one that learns a line."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from tiny_learner import RECIPE, TinyLearner, fail

from workbench.errors import DatasetError, WorkbenchError
from workbench.training.child import run_in_child
from workbench.training.folder import HOW, claim, identity_of, run_name
from workbench.training.history import (
    Epoch,
    Step,
    TrainingResult,
    best_epoch,
    last_run,
    load_result,
    shelve,
)
from workbench.training.loop import train
from workbench.training.recipe import Recipe
from workbench.training.weights import WeightsError, fetch_pinned

TESTS = Path(__file__).parent


def run(folder: Path, recipe: Recipe = RECIPE, **callbacks: Any) -> TrainingResult:
    return train(partial(TinyLearner, recipe), folder, recipe, identity_of(recipe), **callbacks)


def summary(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    return content


def best_weights(folder: Path) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = torch.load(folder / "best.pt", weights_only=True)["network"]
    return weights


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes of their own import `tiny_learner`."""
    paths = [str(TESTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in paths if path))


def test_it_learns_and_leaves_what_was_best(tmp_path: Path) -> None:
    steps: list[Step] = []
    result = run(tmp_path, replace(RECIPE, epochs=30), on_step=steps.append)
    losses = [epoch.scores["valid_loss"] for epoch in result.history]
    assert losses[-1] < 0.1 * losses[0]
    assert result.best.scores["fit"] == max(epoch.scores["fit"] for epoch in result.history)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.pt", "config.json", "metrics.csv", "summary.json",
    ]  # fmt: skip
    assert [(one.epoch, one.step, one.steps) for one in steps[:4]] == [
        (1, 1, 3), (1, 2, 3), (1, 3, 3), (2, 1, 3),
    ]  # fmt: skip
    assert load_result(tmp_path) == result


def test_parts_learn_at_rates_of_their_own(tmp_path: Path) -> None:
    class Slow(TinyLearner):
        rates: ClassVar = {"0.": 0.0}

    train(partial(Slow, RECIPE), tmp_path, RECIPE, identity_of(RECIPE))
    torch.manual_seed(RECIPE.seed)
    before = TinyLearner(RECIPE).network.state_dict()
    after = best_weights(tmp_path)
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["2.weight"], before["2.weight"])


def test_two_processes_go_on_where_one_was_with_its_losses(
    tmp_path: Path, importable: None
) -> None:
    """A batch of 9 is shared as 5 and 4: each example counts the same."""

    def stop(epoch: Epoch) -> None:
        if epoch.epoch == 1:
            raise KeyboardInterrupt

    one = run(tmp_path / "one")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "two", on_epoch=stop)
    told: list[Epoch] = []
    two = run(tmp_path / "two", replace(RECIPE, devices=2, threads=2), on_epoch=told.append)
    assert [epoch.epoch for epoch in told] == [2, 3, 4]
    for alone, shared in zip(one.history, two.history, strict=True):
        for name, value in alone.scores.items():
            assert shared.scores[name] == pytest.approx(value, abs=1e-5), name
    torch.testing.assert_close(
        best_weights(tmp_path / "two"), best_weights(tmp_path / "one"), atol=1e-5, rtol=0
    )


def test_a_batch_that_cannot_be_shared_starts_no_process(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="a batch of 1 cannot be shared by 2 processes"):
        run(tmp_path, replace(RECIPE, devices=2, batch_size=1))


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (None, r"\(ValueError: wrong\)"),
        ("Traceback\n[rank1]: RuntimeError: no port\nSome.ChildFailedError:\n=====\n", "no port"),
    ],
)
def test_what_fails_in_another_process_is_said_in_one_line(
    importable: None, said: str | None, shown: str
) -> None:
    with pytest.raises(WorkbenchError, match=shown) as caught:
        run_in_child(fail, said)
    assert "\n" not in str(caught.value)


KILLED_RUN = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_training import run

def stop(step):
    if (step.epoch, step.step) == (3, 2):
        os.kill(os.getpid(), signal.SIGKILL)

run(Path(sys.argv[1]), on_step=stop)
"""


def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    script = KILLED_RUN.format(tests=str(TESTS))
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "run")], check=False)
    assert killed.returncode == -signal.SIGKILL
    told: list[int] = []
    resumed = run(tmp_path / "run", on_epoch=lambda epoch: told.append(epoch.epoch))
    assert told == [3, 4]
    assert (
        summary(tmp_path / "run")["final_weights"] == summary(tmp_path / "whole")["final_weights"]
    )
    assert [e.scores for e in resumed.history] == [e.scores for e in whole.history]


@pytest.mark.parametrize("interrupted", [False, True])
def test_the_moving_average_is_judged_and_kept(tmp_path: Path, interrupted: bool) -> None:
    recipe = replace(RECIPE, batch_size=25, clip_norm=1e9)  # one step an epoch
    plain, averaged = TinyLearner(recipe), TinyLearner(recipe)

    def seeded(learner: TinyLearner) -> TinyLearner:
        learner.network.load_state_dict(TinyLearner(recipe).network.state_dict())
        return learner

    def stop(epoch: Epoch) -> None:
        if interrupted and epoch.epoch == 2:
            raise KeyboardInterrupt

    ema = replace(recipe, ema=0.7)
    train(lambda: seeded(plain), tmp_path / "plain", recipe, {})
    try:
        train(lambda: seeded(averaged), tmp_path / "ema", ema, {}, on_epoch=stop)
    except KeyboardInterrupt:
        train(lambda: seeded(averaged), tmp_path / "ema", ema, {})
    expected = plain.judged[0]
    for raw, judged in zip(plain.judged, averaged.judged, strict=True):
        expected = {name: 0.7 * expected[name] + 0.3 * value for name, value in raw.items()}
        for name, value in judged.items():
            torch.testing.assert_close(value, expected[name], msg=name)
    best = load_result(tmp_path / "ema").best.epoch
    for name, value in best_weights(tmp_path / "ema").items():
        assert torch.equal(value, averaged.judged[best - 1][name])


def test_accumulated_batches_step_as_one_batch_would(tmp_path: Path) -> None:
    """Batches of 9, 8 and 8 examples; or 5 + 4, 4 + 4, 4 + 4, a step for every two."""
    whole = run(tmp_path / "whole")
    parts = run(tmp_path / "parts", replace(RECIPE, batch_size=4, accumulate=2))
    for one, other in zip(whole.history, parts.history, strict=True):
        for name, value in one.scores.items():
            assert other.scores[name] == pytest.approx(value, abs=1e-5), name


@pytest.mark.parametrize(
    ("scores", "patience", "epochs", "best"),
    [
        ([0.1, 0.5, 0.5, 0.4, 0.9], 2, 4, 3),  # of equal scores the lower loss
        ([0.1, 0.5, 0.5, 0.4, 0.9], 3, 5, 5),
        ([0.1, 0.5, 0.5, 0.4, 0.9], None, 5, 5),
        ([0.1, 0.1005, 0.1009, 0.2, 0.3], 2, 3, 3),  # gains below `min_gain` are none
        ([float("nan"), float("nan"), 0.2, 0.3, 0.4], 3, 5, 5),
        ([0.5, float("nan"), float("nan"), 0.6, 0.7], 2, 3, 1),
    ],
)
def test_it_stops_once_nothing_is_gained(
    tmp_path: Path, scores: list[float], patience: int | None, epochs: int, best: int
) -> None:
    recipe = replace(RECIPE, epochs=5, patience=patience)
    result = train(lambda: TinyLearner(recipe, scores), tmp_path, recipe, {})
    assert (len(result.history), result.best.epoch) == (epochs, best)
    assert load_result(tmp_path).best.epoch == best


def test_at_a_tie_the_lower_loss_is_best_then_the_earlier_epoch() -> None:
    rows = [
        Epoch(number, 0.1, "fp32", 1.0, {"ap": 0.5, "valid_loss": loss})
        for number, loss in ((1, 3.0), (2, 2.0), (3, 2.0))
    ]
    assert best_epoch(rows, "ap").epoch == 2


class Breaking(TinyLearner):
    """Its second epoch gives infinite losses where precision is lowered, or wherever told."""

    def __init__(self, everywhere: bool) -> None:
        super().__init__(RECIPE)
        self.everywhere, self.epoch = everywhere, 0

    def batches(self, epoch: int) -> list[list[int]]:
        self.epoch = epoch
        return super().batches(epoch)

    def losses(self, network: torch.nn.Module, batch: Any) -> dict[str, torch.Tensor]:
        losses = super().losses(network, batch)
        breaks = self.epoch == 2 and (self.everywhere or torch.is_autocast_enabled("cpu"))
        return {**losses, "loss": losses["loss"].float() * (float("inf") if breaks else 1.0)}


def test_numbers_that_break_go_on_in_fp32(tmp_path: Path) -> None:
    recipe = replace(RECIPE, amp="bf16")
    result = train(lambda: Breaking(False), tmp_path, recipe, {})
    assert [epoch.precision for epoch in result.history] == ["bf16", "fp32", "fp32", "fp32"]
    assert "epoch 2" in result.notes[0]
    with pytest.raises(WorkbenchError, match=r"diverged in epoch 2.*lower learning_rate"):
        train(lambda: Breaking(True), tmp_path / "other", recipe, {})


def test_how_to_compute_is_no_part_of_what_a_run_is(tmp_path: Path) -> None:
    other = replace(RECIPE, device="cuda", devices=2, threads=8, workers=4)
    assert identity_of(RECIPE, data="v1") == identity_of(other, data="v1")
    assert run_name("tiny", identity_of(RECIPE)) == run_name("tiny", identity_of(other))
    assert HOW.isdisjoint(identity_of(RECIPE))
    changes: list[dict[str, Any]] = [{"seed": 1}, {"amp": "bf16"}, {"batch_size": 4}]
    for change in changes:
        assert identity_of(RECIPE) != identity_of(replace(RECIPE, **change))
    claim(tmp_path, identity_of(RECIPE, data="v1"))
    claim(tmp_path, identity_of(other, data="v1"))
    with pytest.raises(WorkbenchError, match="holds a run with data 'v1', not 'v2'"):
        claim(tmp_path, identity_of(RECIPE, data="v2"))


def test_a_run_that_is_not_finished_has_no_result(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="not finished"):
        load_result(tmp_path)
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(WorkbenchError, match=r"summary\.json is not a summary"):
        load_result(tmp_path)


@pytest.mark.parametrize("name", ["epochs", "batch_size", "accumulate", "devices", "threads"])
def test_counts_below_one_are_refused(tmp_path: Path, name: str) -> None:
    change: dict[str, Any] = {name: 0}
    with pytest.raises(WorkbenchError, match=f"{name} is 0: give 1 or more"):
        run(tmp_path, replace(RECIPE, **change))


def test_a_pinned_file_of_another_content_is_refused(tmp_path: Path) -> None:
    source, path = tmp_path / "served", tmp_path / "models" / "model.task"
    source.write_bytes(b"weights")
    digest = "9a129cf63a2646a1dc9a1fa7ffd7ee1a9e97e6e9dbb0ad92f0e0ad8d2d5a7d67"
    with pytest.raises(WeightsError, match=rf"not {digest[:12]}…: download file:.*save it as"):
        fetch_pinned(source.as_uri(), digest, path)
    assert not path.exists()
    fetch_pinned(source.as_uri(), _sha256(b"weights"), path)
    assert path.read_bytes() == b"weights"
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        fetch_pinned((tmp_path / "nothing").as_uri(), digest, path)


def _sha256(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def test_a_run_that_failed_does_not_displace_one_that_passed(tmp_path: Path) -> None:
    def finished(name: str) -> TrainingResult:
        (tmp_path / name).mkdir()
        history = (Epoch(1, 0.1, "fp32", 1.0, {"ap": 0.2}),)
        return TrainingResult(tmp_path / name, ("ball",), history, "ap", 1)

    unjudged, good, bad = map(finished, ("unjudged", "good", "bad"))
    failed = {"passed": False, "why": "finds nothing"}

    shelve(unjudged, "student")
    shelve(bad, "student", **failed)
    with pytest.raises(DatasetError, match="finds nothing"):
        last_run(tmp_path, "student")

    shelve(good, "student", passed=True, why="finds people")
    shelve(bad, "student", **failed)
    assert last_run(tmp_path, "student") == good.run_dir

    shelve(good, "student", **failed)  # the same run, judged again
    with pytest.raises(DatasetError, match="finds nothing"):
        last_run(tmp_path, "student")
