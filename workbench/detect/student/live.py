"""The progress of a student's training: a bar that counts steps, and curves in a notebook."""

import contextlib
import io
from typing import Any, Self

from workbench.training.history import Epoch, Step


class LiveTraining:
    """Shows a run; its methods are the callbacks of `finetune`.

    Example:
        >>> with LiveTraining(epochs=6) as live:  # doctest: +SKIP
        ...     finetune(dataset, run, config, on_step=live.on_step, on_epoch=live.on_epoch)
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs  # at most
        self._history: list[Epoch] = []
        self._handle: Any = None

    def __enter__(self) -> Self:
        from tqdm import tqdm

        self._bar = tqdm(unit="step", mininterval=2)
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._bar.close()
        if kind is None and self._handle is not None:
            from IPython.display import HTML

            # The finished curves are the notebook's to draw.
            self._handle.update(HTML(""))  # type: ignore[no-untyped-call]

    def on_step(self, step: Step) -> None:
        """Move the bar on."""
        self._bar.total = self._epochs * step.steps
        self._bar.set_postfix_str(f"loss {step.loss:.2f}", refresh=False)
        self._bar.update((step.epoch - 1) * step.steps + step.step - self._bar.n)

    def on_epoch(self, epoch: Epoch) -> None:
        """Draw the curves again with one more epoch."""
        self._history.append(epoch)
        self._bar.set_description_str(f"AP {epoch.scores['ap']:.3f}")
        with contextlib.suppress(ImportError):
            from IPython.core.getipython import get_ipython
            from IPython.display import Image, display

            if get_ipython() is None:
                return
            # As PNG: a kernel shows figures as pictures only once pyplot has drawn something.
            picture = Image(data=self._draw())  # type: ignore[no-untyped-call]
            if self._handle is None:
                self._handle = display(picture, display_id=True)  # type: ignore[no-untyped-call]
            else:
                self._handle.update(picture)

    def _draw(self) -> bytes:
        from matplotlib.figure import Figure

        from workbench.detect.student.figures import draw_class_ap, draw_losses

        figure = Figure(figsize=(11, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_class_ap(self._history, left)
        draw_losses(self._history, right)
        png = io.BytesIO()
        figure.savefig(png, format="png")
        return png.getvalue()
