"""How to train: the settings of a run, and the learning rate they give at each step.

Plain values; what they do is in `train`.
"""

from dataclasses import dataclass, field
from math import cos, pi
from typing import Any

from workbench.actions.augment import Augmentation


@dataclass(frozen=True)
class TrainConfig:
    """Everything a run depends on, besides its data.

    The defaults are for the slim network, some hundred clips, and a CPU.
    """

    model: str = "slim"  # or r2plus1d_18
    weights: str | None = None  # kinetics400, or the path of a state dict; None: random
    model_settings: dict[str, Any] = field(default_factory=dict)  # width (slim), dropout
    frames: int | None = None  # per view; None: what the model was made for
    size_wh: tuple[int, int] | None = None  # of a view; None: what the model was made for
    epochs: int = 30
    batch_size: int = 16
    learning_rate: float = 3e-3  # at the end of the warm-up; 1e-3 for r2plus1d_18
    warmup: float = 0.2  # share of all steps in which the rate rises; then it falls as a cosine
    weight_decay: float = 0.02  # of weight matrices, not of biases and normalisation
    label_smoothing: float = 0.1
    clip_norm: float = 5.0  # largest norm of the gradient
    balance: bool = True  # every class equally often, whatever the counts
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    amp: str = "auto"  # auto, off, bf16, fp16
    device: str = "auto"  # auto, cpu, cuda, mps
    compile: bool = False  # torch.compile: for a GPU; on a CPU it was slower, after 60–110 s
    threads: int = 1  # CPU threads of torch; see `compute.torch_threads`
    workers: int = 0  # processes that prepare batches; worth it from some 16×112×112 on a GPU


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Return the rate at a step: up from a tenth in a straight line, then down as a cosine to 0.

    Example:
        >>> config = TrainConfig(learning_rate=1, warmup=0.5)
        >>> [round(learning_rate(config, step, 4), 2) for step in range(4)]
        [0.55, 1.0, 0.85, 0.15]
    """
    rise = max(1, round(config.warmup * steps))
    if step < rise:
        return config.learning_rate * (0.1 + 0.9 * (step + 1) / rise)
    done = (step - rise + 0.5) / max(1, steps - rise)
    return config.learning_rate * (1 + cos(pi * done)) / 2
