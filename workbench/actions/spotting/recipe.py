"""The settings of a spotter's training.

Those that every training run has are `training.recipe`'s.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Any

from workbench.actions.spotting.encoders import SLIM
from workbench.actions.spotting.greyframes import SIZE_WH
from workbench.actions.spotting.network import HIDDEN, NAMES
from workbench.errors import WorkbenchError
from workbench.training.recipe import Recipe


@dataclass(frozen=True)
class SpotterConfig(Recipe):
    """Everything a spotter depends on, besides its matches."""

    epochs: int = 2
    batch_size: int = 3
    learning_rate: float = 2e-3
    warmup: float = 0.05
    ema: float = 0.98
    spotter: str = "dense"  # one of network.NAMES
    encoder: str = SLIM  # of stacks, by name; see `encoders`
    frozen: bool = False  # whether the encoder keeps the weights it begins with
    class_map: str = "ball"  # a set of classes, or a file that maps them
    steps: int = 1250  # per epoch
    clip_steps: int = 24  # of 0.24 s each
    size_wh: tuple[int, int] = SIZE_WH  # of frames
    crop_share: float = 0.76  # of width and height of a frame that a clip shows
    gamma: float = 1.0  # of the focal loss
    around_events: float = 0.5  # share of clips drawn around one
    hidden: int = HIDDEN  # features of a step
    sides: bool = False  # whether it also learns whose event it is
    start: str | None = None  # a run whose weights it begins with
    hard_share: float = 0.5  # of the other clips, around steps that out-of-fold scores mistake
    shake: float = 0.0  # share of clips whose frames come one early or late, each by itself
    camera: float = 0.0  # share of clips that a moving camera films: shifted, turned, zoomed
    mixup: float = 0.0  # α of the shares in which two clips are mixed; 0: none
    compile: bool = False  # torch.compile: for a GPU

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spotter not in NAMES:
            raise WorkbenchError(f"spotter {self.spotter!r}", f"choose one of {', '.join(NAMES)}")


def with_settings(config: SpotterConfig, said: Sequence[str]) -> SpotterConfig:
    """Return the settings with others in their place, each "name=value".

    Raises:
        WorkbenchError: If there is no such setting, or the value is not of its kind.
    """
    known = asdict(config)
    changed: dict[str, Any] = {}
    for one in said:
        name, is_there, text = one.partition("=")
        if name not in known or not is_there:
            close = get_close_matches(name, known, 1) or known
            raise WorkbenchError(f"no setting {one!r}", f"did you mean {', '.join(close)}?")
        before = known[name]
        try:
            read = text if isinstance(before, str | None) else json.loads(text)
            changed[name] = read if before is None else type(before)(read)
        except (ValueError, TypeError):
            kind = type(before).__name__
            raise WorkbenchError(
                f"{name} is {text!r}", f"give a {kind}, such as {before}"
            ) from None
    return replace(config, **changed)
