"""What is known of a run while it trains and afterwards: its steps, its epochs, its result.

The unit is the epoch, one row of `metrics.csv`. Says which epoch was best and when to stop. Folders
of finished runs lie on a shelf, a folder with `last_<kind>.json`, which names the newest of a kind
(classifier, student). Knows nothing about networks: scores are numbers with names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import pandas as pd

from workbench.errors import DatasetError, WorkbenchError
from workbench.saving import read_object, reading, save_json, save_text
from workbench.style import INK, SOFT, axes_or_new, open_frame
from workbench.training.folder import METRICS, SUMMARY, run_config
from workbench.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Step:
    """How far training has come."""

    epoch: int  # from 1
    step: int  # of the epoch, from 1
    steps: int  # per epoch
    loss: float


@dataclass(frozen=True)
class Epoch:
    """One pass over the training examples, and what was judged after it."""

    epoch: int  # from 1
    learning_rate: float  # at its last step
    precision: str  # fp32, bf16, fp16
    seconds: float
    scores: Mapping[str, float]  # train_loss, valid_loss, …; NaN where there was nothing to judge

    @property
    def plain_scores(self) -> dict[str, float | None]:
        """The scores for JSON, which has no NaN: None instead."""
        return {name: None if isnan(value) else value for name, value in self.scores.items()}


class Callbacks(TypedDict, total=False):
    """Who is told of a run while it trains; both may be left out."""

    on_step: Callable[[Step], None]  # after every step of the optimizer
    on_epoch: Callable[[Epoch], None]  # after every epoch, with its validation scores


@dataclass(frozen=True)
class TrainingResult:
    """What a finished run came to."""

    run_dir: Path
    classes: tuple[str, ...]  # empty if the network tells none apart
    history: tuple[Epoch, ...]
    best_by: str  # the score that chose the epoch
    parameters: int
    notes: tuple[str, ...] = ()  # what the loop had to do about the numbers, if anything

    @property
    def best(self) -> Epoch:
        """The epoch that was kept."""
        return best_epoch(self.history, self.best_by)

    def _repr_html_(self) -> str:
        best = self.best
        line = (
            f"best epoch {best.epoch} of {len(self.history)}: {self.best_by} "
            f"{best.scores[self.best_by]:.3f}; {self.parameters / 1e6:.2f} M parameters, "
            f"{best.precision}, {sum(epoch.seconds for epoch in self.history):.0f} s"
        )
        table = _to_frame(self.history).tail(6).to_html(float_format="{:.4g}".format)
        return "<br>".join([line, *self.notes]) + table


def best_epoch(history: Sequence[Epoch], by: str) -> Epoch:
    """Return the epoch of the highest score; at a tie the lower validation loss, then the earlier.

    Example:
        >>> rows = [Epoch(n, 0.1, "fp32", 1.0, {"ap": ap}) for n, ap in ((1, 0.2), (2, 0.3))]
        >>> best_epoch(rows, "ap").epoch
        2
    """
    return max(history, key=lambda e: (_score(e, by), -e.scores.get("valid_loss", 0.0), -e.epoch))


def is_over(history: Sequence[Epoch], recipe: Recipe, by: str) -> bool:
    """Say whether all epochs are done, or `patience` epochs have gained less than `min_gain`."""
    if len(history) >= recipe.epochs:
        return True
    if recipe.patience is None:
        return False
    best, since = -inf, 0
    for epoch in history:
        gained = _score(epoch, by) > best + recipe.min_gain
        best, since = (_score(epoch, by), 0) if gained else (best, since + 1)
    return since >= recipe.patience


def draw_losses(
    history: Sequence[Epoch], best_by: str, ax: "Axes | None" = None, *, train: str = "train"
) -> "Axes":
    """Draw training and validation loss per epoch; `train` says what training losses are of."""
    from matplotlib.ticker import MaxNLocator

    ax = axes_or_new(ax, (5.4, 3.4))
    epochs, scores = [row.epoch for row in history], [row.scores for row in history]
    ax.plot(epochs, [row["train_loss"] for row in scores], "--", color=SOFT, label=train)
    ax.plot(epochs, [row["valid_loss"] for row in scores], "-", color=INK, label="validation")
    if history:
        kept = best_epoch(history, best_by).epoch
        ax.axvline(kept, color=SOFT, linewidth=0.8, linestyle=":")
    ax.set(xlabel="epoch (dotted: kept)", ylabel="loss", title="Does it overfit?")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False)
    return open_frame(ax)


def save_metrics(run_dir: Path, history: Sequence[Epoch]) -> None:
    """Write `metrics.csv`."""
    save_text(run_dir / METRICS, _to_frame(history).to_csv())


def save_summary(
    run_dir: Path, history: Sequence[Epoch], *, best_by: str, parameters: int, **facts: Any
) -> None:
    """Write `summary.json`: with it, a run is finished."""
    rows = [asdict(epoch) | {"scores": epoch.plain_scores} for epoch in history]
    content = {"best_by": best_by, "parameters": parameters, **facts, "history": rows}
    save_json(run_dir / SUMMARY, content)


def load_result(run_dir: Path) -> TrainingResult:
    """Return what a finished run came to.

    Raises:
        WorkbenchError: If the run is not finished, or its summary was changed by hand.
    """
    path, more = run_dir / SUMMARY, "the run is not finished, train on"
    with reading(path, "a summary", "train again", WorkbenchError, absent=more) as content:
        history = tuple(
            Epoch(
                **row | {"scores": {k: nan if v is None else v for k, v in row["scores"].items()}}
            )
            for row in content["history"]
        )
        return TrainingResult(
            run_dir,
            tuple(run_config(run_dir).get("classes", ())),
            history,
            content["best_by"],
            content["parameters"],
            tuple(content.get("notes", ())),
        )


def shelve(result: TrainingResult, kind: str, **facts: Any) -> Path:
    """Make a finished run the newest of its kind; returns the file that says so.

    With `passed=False` and `why` among the facts, `last_run` refuses it; it does not take the place
    of another run that is known to have passed.
    """
    models_dir, name = result.run_dir.parent, result.run_dir.name
    path = models_dir / f"last_{kind}.json"
    before = read_object(path) or {}
    other = models_dir / str(before.get("run"))
    # Whether a run has passed was not said before failures were recorded.
    other_passed = before.get("passed") is True and other.name != name and other.is_dir()
    if facts.get("passed", True) or not other_passed:
        score = {result.best_by: round(result.best.scores[result.best_by], 6)}
        save_json(path, {"run": name, "classes": list(result.classes), **score, **facts})
    return path


def last_run(models_dir: Path, kind: str, train: str = "workbench run --profile demo") -> Path:
    """Folder of the run of a kind that was finished last; `train` is the command that makes one.

    Raises:
        DatasetError: If there is none, or it failed its test: such a run is used only by whoever
            names it.
    """
    path = models_dir / f"last_{kind}.json"
    if not path.exists():
        raise DatasetError(f"no trained {kind} in {models_dir}", f"train one: {train}")
    shelved = read_object(path) or {}
    run_dir = models_dir / str(shelved.get("run"))
    if not run_dir.is_dir():
        raise DatasetError(f"{path} names no run that is there", f"train a {kind} again")
    if not shelved.get("passed", True):
        raise DatasetError(
            f"the last {kind} failed its test ({shelved.get('why')})",
            f"name it all the same with --model {run_dir}, or train longer",
        )
    return run_dir


def learned_from(models_dir: Path, kind: str) -> str:
    """Return what footage the run of a kind that was finished last has learned from, in words."""
    shelved = read_object(models_dir / f"last_{kind}.json") or {}
    return str(shelved.get("trained_on", "footage that it does not name"))


def _to_frame(history: Sequence[Epoch]) -> pd.DataFrame:
    rows = [{**asdict(epoch), **epoch.scores} for epoch in history]
    return pd.DataFrame(rows).drop(columns="scores").set_index("epoch") if rows else pd.DataFrame()


def _score(epoch: Epoch, by: str) -> float:
    value = epoch.scores[by]
    return -inf if isnan(value) else value
