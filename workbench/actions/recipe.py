"""The settings of a clip classifier's training: model, input, loss, variety.

Those that every training run has are `training.recipe`'s.
"""

from dataclasses import dataclass, field
from typing import Any

from workbench.actions.augment import Augmentation
from workbench.training.recipe import Recipe


@dataclass(frozen=True)
class TrainConfig(Recipe):
    """Everything a classifier depends on, besides its data.

    The defaults are for the slim network, some hundred clips, and a CPU.
    """

    model: str = "slim"  # or lite0 (learning_rate 3e-4), r2plus1d_18 (1e-3)
    weights: str | None = None  # kinetics400, or the path of a state dict; None: random
    model_settings: dict[str, Any] = field(default_factory=dict)  # width (slim), dropout
    frames: int | None = None  # per view; None: what the model was made for
    size_wh: tuple[int, int] | None = None  # of a view; None: what the model was made for
    label_smoothing: float = 0.1
    focal_gamma: float = 0.0  # how little counts what is known already; 0: cross-entropy
    mixup: float = 0.0  # α of the shares in which two clips are mixed, 0.2 say; 0: none
    cutmix: float = 0.0  # the same of rectangles that show another clip
    balance: bool = True  # every class equally often, whatever the counts
    shown_weight: float = 1.0  # of several classes: what is shown, against 1 of what is not
    class_weights: bool = False  # every class weighs the same in the loss; instead of `balance`
    augmentation: Augmentation = field(default_factory=Augmentation)
    variants: int = 0  # frozen bodies: varied views of each clip whose features are made, once
    compile: bool = False  # torch.compile: for a GPU; on a CPU it was slower, after 60–110 s
