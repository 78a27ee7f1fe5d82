"""Clip classifiers of ball actions compared: networks, variety and tracks on the same matches.

The unit is a combination: a name and what it changes in a recipe that is the same for all. Each is
trained on the same clips for as many epochs, and ranks the same test clips.

Source: a course's exercise on SoccerNet's ball actions (Xarles, CVMasterActionRecognitionSpotting,
2025), whose baseline pools the frames of a RegNetY by their maximum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from workbench.actions.augment import Augmentation, plain_view
from workbench.actions.clipset import Clipset
from workbench.actions.items import classes_in
from workbench.actions.matchtracks import WIDTH
from workbench.actions.precision import AveragePrecisions, average_precisions, precision_difference
from workbench.actions.predict import Predictions
from workbench.actions.recipe import TrainConfig
from workbench.errors import WorkbenchError
from workbench.labels.events import BALL
from workbench.stats import show
from workbench.style import GREY, axes_or_new, class_colours, draw_interval, draw_sheet, open_frame
from workbench.training.history import TrainingResult

TEN = BALL[:-2]  # without what is too rare to learn: free kicks and goals
# Neighbouring frames must stay neighbours: nothing varies in time.
AS_FILMED = Augmentation(
    flip=0, zoom=(1, 1), rotate_deg=0, shift=0, span=(1, 1), jitter=0, gain=(1, 1), offset=0,
    swap_colours=0,
)  # fmt: skip
VARIED = replace(
    AS_FILMED, flip=0.5, zoom=(0.9, 1.1), rotate_deg=3, shift=0.05, gain=(0.8, 1.2), offset=20,
    blur=0.2,
)  # fmt: skip
BASELINE = "RegNetY"
_TRACKS = {"tracks": WIDTH}
# Which network, its variety, what else it is made with.
COMBINATIONS: Mapping[str, tuple[str, Augmentation, Mapping[str, Any]]] = {
    BASELINE: ("regnet_y_400mf", AS_FILMED, {}),
    "RegNetY, varied": ("regnet_y_400mf", VARIED, {}),
    "ResNet-50": ("resnet50", AS_FILMED, {}),
    "EfficientNet-B0": ("efficientnet_b0", AS_FILMED, {}),
    "ConvNeXt-Tiny": ("convnext_tiny", AS_FILMED, {}),
    "RegNetY, tracks": ("regnet_y_400mf", AS_FILMED, _TRACKS),
    "RegNetY, varied, tracks": ("regnet_y_400mf", VARIED, _TRACKS),
}


def recipe_of(name: str, stacked: bool = True, **recipe: Any) -> TrainConfig:
    """Return the recipe of a combination; `recipe` is what all share.

    With `stacked` three neighbouring frames, grey, are the colours of one picture; else every frame
    is looked at by itself, in colour.

    Raises:
        WorkbenchError: If there is no combination of that name.

    Example:
        >>> recipe_of("ResNet-50", epochs=2).model
        'resnet50'
    """
    if name not in COMBINATIONS:
        names = "; ".join(COMBINATIONS)
        raise WorkbenchError(f"combinations has {name!r}, which is none", f"choose from {names}")
    model, augmentation, made_with = COMBINATIONS[name]
    settings = {"over_time": "max", "stacked": stacked, **made_with}
    return TrainConfig(model=model, augmentation=augmentation, model_settings=settings, **recipe)


@dataclass(frozen=True, eq=False)
class Ranked:
    """A combination that was trained, and how it ranks the test clips."""

    name: str
    predictions: Predictions
    precisions: AveragePrecisions
    parameters: int
    gflops: float  # of one clip, forward
    result: TrainingResult


def rank(name: str, result: TrainingResult, predictions: Predictions, network: nn.Module) -> Ranked:
    """Judge a combination on test clips."""
    frames, width, height = predictions.view or (0, 0, 0)
    return Ranked(
        name,
        predictions,
        average_precisions(predictions, enough=TEN),
        sum(one.numel() for one in network.parameters()),
        count_gflops(network, (frames, height, width)),
        result,
    )


def count_gflops(network: nn.Module, shape: tuple[int, int, int], ticks: int = 50) -> float:
    """Return 10⁹ multiplications and additions of one clip (T, H, W), forward."""
    fed: list[torch.Tensor] = [torch.zeros((1, *shape, 3), dtype=torch.uint8)]
    if getattr(network, "tracks", None) is not None:
        fed.append(torch.zeros(1, ticks, WIDTH))
    with torch.inference_mode(), FlopCounterMode(display=False) as flops:
        network.eval()(*fed)
    return float(flops.get_total_flops()) / 1e9


def ranking_table(ranked: Sequence[Ranked]) -> pd.DataFrame:
    """Return one row per combination: both means, what it adds to the first, cost."""
    rows = []
    for one in ranked:
        added = precision_difference(ranked[0].predictions, one.predictions)
        rows.append(
            {
                **{name: show(value) for name, value in one.precisions.means().items()},
                f"against {ranked[0].name}": "" if one is ranked[0] else show(added, signed=True),
                "M parameters": f"{one.parameters / 1e6:.1f}",
                "GFLOPs a clip": f"{one.gflops:.1f}",
                "training, s": f"{sum(row.seconds for row in one.result.history):.0f}",
            }
        )
    index = pd.Index([one.name for one in ranked], name="combination")
    return pd.DataFrame(rows, index=index)


def answer(ranked: Sequence[Ranked]) -> str:
    """Say whether the best combination ranks better than chance, and than the first."""
    best = max(ranked, key=lambda one: one.precisions.over_all.value)
    said = f"{best.precisions.answer()}; best: {best.name}"
    if best is ranked[0]:
        return f"{said}, and nothing tried beats it."
    gain = precision_difference(ranked[0].predictions, best.predictions)
    word = "above" if gain.low > 0 else "not clearly above"
    return f"{said}, {word} {ranked[0].name} ({show(gain, signed=True)})."


def draw_rankings(ranked: Sequence[Ranked], ax: Axes | None = None) -> Axes:
    """Draw the average precision of each class by every combination, and what guessing gets."""
    first = ranked[0].precisions
    names = list(first.by_class)
    ax = axes_or_new(ax, (10, 1.2 + 0.45 * len(names)), layout="constrained")
    colours = class_colours([one.name for one in ranked])
    for row, name in enumerate(names):
        share = first.clips[name] / len(ranked[0].predictions)
        ax.plot([share, share], [row - 0.42, row + 0.42], color=GREY, linewidth=2)
        for place, one in enumerate(ranked):
            at = row + 0.8 * ((place + 0.5) / len(ranked) - 0.5)
            colour = colours[one.name]
            estimate = one.precisions.by_class[name]
            draw_interval(ax, estimate, at, colour=colour, mark_colour=colour)
            if row == 0:
                ax.plot([], [], "o", color=colour, label=one.name)
    ax.set_yticks(range(len(names)), [f"{name.lower()}  n={first.clips[name]}" for name in names])
    ax.set(
        xlabel="average precision, 95 % interval (grey: guessing)",
        xlim=(-0.01, 1.01),
        ylim=(len(names) - 0.5, -0.5),
        title="Which actions does which network know in a clip?",
    )
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return open_frame(ax)


def draw_clips(one: Ranked, clipset: Clipset, *, right: bool, limit: int = 5) -> Axes:
    """Draw the clips it is surest of, of each class one, where it is right, or where it is not."""
    predictions, (count, width, height) = one.predictions, one.predictions.view or (0, 0, 0)
    shown = np.array([[name in classes_in(said) for name in predictions.classes]
                      for said in predictions.labels])  # fmt: skip
    sure = np.where(shown == right, predictions.probabilities, -1)
    # Against the others of its class: what is common is likely everywhere.
    lift = np.where(sure < 0, -1, sure - predictions.probabilities.mean(axis=0))
    best = lift.argmax(axis=0)
    highest = lift[best, np.arange(len(best))]
    order = [place for place in np.argsort(-highest)[:limit] if highest[place] > -1]
    rows, captions = [], []
    for place in order:
        clip = int(best[place])
        view = plain_view(clipset.frames_of(predictions.clip_ids[clip]), count, (width, height))
        rows.append(list(view[1::3][:8]))
        says = f"{predictions.classes[place].lower()} {predictions.probabilities[clip, place]:.2f}"
        truth = ", ".join(classes_in(predictions.labels[clip])).lower() or "nothing"
        captions.append(f"{says}\nshows {truth}")
    word = "Right" if right else "Wrong"
    return draw_sheet(rows, captions, f"{word}: the surest clip of a class, {one.name}")
