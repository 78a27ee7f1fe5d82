"""Progress of a training command on the terminal: material, steps, a line per epoch.

Thin: it is told, and draws.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress, TaskID

from workbench.training.history import Epoch, Step


@dataclass(frozen=True)
class TrainingBar:
    """One bar that every part of a training moves."""

    progress: Progress
    task: TaskID
    score: str  # of an epoch: the key of the validation score, …
    score_name: str  # … and what it is called

    def on_part(self, what: str, done: int, of: int) -> None:
        """Some of what comes before the training is done."""
        self.progress.update(self.task, description=what, completed=done, total=of)

    def on_step(self, step: Step) -> None:
        """A step of the training is done."""
        said = f"epoch {step.epoch}, loss {step.loss:.2f}"
        self.progress.update(self.task, description=said, completed=step.step, total=step.steps)

    def on_epoch(self, epoch: Epoch) -> None:
        """An epoch is done and judged."""
        value = epoch.scores[self.score]
        self.progress.console.print(f"epoch {epoch.epoch}: valid {self.score_name} {value:.3f}")


@contextmanager
def training_bar(
    console: Console, first: str, *, score: str, score_name: str
) -> Iterator[TrainingBar]:
    """Show a bar as long as the block lasts; `first` is what it says until something is done."""
    with Progress(console=console) as progress:
        yield TrainingBar(progress, progress.add_task(first, total=None), score, score_name)
