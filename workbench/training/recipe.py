"""The settings that every training run has, and the learning rate they give at each step.

A network's own settings derive from `Recipe`. Plain values: which of them decide the result, and
which only say how to compute it, is stated once, in `folder`.
"""

from dataclasses import dataclass
from math import cos, pi

from workbench.errors import WorkbenchError


@dataclass(frozen=True)
class Recipe:
    """How to train, whatever the network. The defaults are for a small one from random weights.

    Raises:
        WorkbenchError: If a count is below 1.
    """

    epochs: int = 30  # at most
    batch_size: int = 16  # examples per batch, over all processes together
    accumulate: int = 1  # batches per step of the optimizer
    learning_rate: float = 3e-3  # at the end of the warm-up
    warmup: float = 0.2  # share of all steps in which the rate rises; then it falls as a cosine
    weight_decay: float = 0.02  # of weight matrices, not of biases and normalisation
    clip_norm: float = 5.0  # largest norm of the gradient
    ema: float = 0.0  # decay of a moving average of the weights, judged and kept instead; 0: none
    patience: int | None = None  # epochs without a gain before it stops; None: never
    min_gain: float = 0.001  # of the score that chooses the best epoch
    seed: int = 0
    amp: str = "auto"  # mixed precision: auto, off, bf16, fp16
    device: str = "auto"  # auto, cpu, cuda, mps
    devices: int = 1  # processes, each with a GPU of its own (or CPU threads)
    threads: int = 1  # CPU threads of torch; see `compute.torch_threads`
    workers: int = 0  # processes that prepare batches

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "devices", "threads"):
            if getattr(self, name) < 1:
                raise WorkbenchError(f"{name} is {getattr(self, name)}", "give 1 or more")


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the rate at a step: up from a tenth in a straight line, then down as a cosine to 0.

    Example:
        >>> recipe = Recipe(learning_rate=1, warmup=0.5)
        >>> [round(learning_rate(recipe, step, 4), 2) for step in range(4)]
        [0.55, 1.0, 0.85, 0.15]
    """
    rise = max(1, round(recipe.warmup * steps))
    if step < rise:
        return recipe.learning_rate * (0.1 + 0.9 * (step + 1) / rise)
    done = (step - rise + 0.5) / max(1, steps - rise)
    return recipe.learning_rate * (1 + cos(pi * done)) / 2
