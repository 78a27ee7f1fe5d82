"""Fine-tuning of the lite student on a teacher's labels, so that it learns and forgets nothing.

Plain fine-tuning makes a good student worse: whom the teacher misses becomes background, and what
it does not show is forgotten. So the rate is low; half of each batch are rendered pictures with
their truth; what the student sees surely and the teacher does not name is added to the labels; a
picture without a labelled ball is no proof that there is none. Last, a gate: after each epoch the
student is compared with what it started from, on the teacher's validation labels and on rendered
pictures it has not learned from. It must gain on average, and no class may lose more than
`MOST_LOSS`; else the weights it started from stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from torch import nn

from workbench.detect.ballnet.crops import iou
from workbench.detect.dataset.coco import load_dataset
from workbench.detect.detections import BALL, CLASSES
from workbench.detect.lite.network import Labels, losses_of
from workbench.detect.lite.pictures import Picture, fitted, pictures_in
from workbench.detect.lite.stored import SHIPPED, load_weights, save_weights
from workbench.detect.lite.training import (
    LiteConfig,
    LiteLearner,
    answers,
    as_input,
    groups_in,
    judged,
    labels_of,
)
from workbench.detect.student.checkpoint import LITE
from workbench.saving import read_object, save_json
from workbench.training.folder import BEST, identity_of, load_checkpoint
from workbench.training.history import Callbacks, TrainingResult, load_result
from workbench.training.loop import train
from workbench.training.versions import META
from workbench.training.weights import weights_identity

OWN, REPLAY = "own", "replay"
MOST_LOSS = 0.02  # of a class's average precision, for which nothing gained makes up
_SURE = 0.5  # score from which what the student sees is added to the teacher's labels
_SAME_IOU = 0.3  # of a labelled box of its class: it is that object
_MOST_JUDGED = 48  # pictures of each kind after each epoch, evenly spread
_KEPT = "kept.json"


def _halves() -> dict[str, float]:
    return {OWN: 0.5, REPLAY: 0.5}


@dataclass(frozen=True)
class LiteFinetune(LiteConfig):
    """Everything a fine-tuned student depends on, besides its pictures."""

    epochs: int = 4
    steps: int = 16
    learning_rate: float = 1e-4
    warmup: float = 0.1
    ema: float = 0.0
    shares: Mapping[str, float] = field(default_factory=_halves)
    variant: str = "lite"
    weights: str | None = None  # a student.npz to start from; None: the shipped one


@dataclass(frozen=True)
class Kept:
    """Which weights a run ended with, and what fine-tuning changed on validation."""

    finetuned: bool
    before: Mapping[str, float]  # average precision at IoU .5 by kind and class
    after: Mapping[str, float]  # of the best epoch

    def sentence(self) -> str:
        """Say it."""
        said = ", ".join(
            f"{name} {self.before[name]:.2f} → {self.after[name]:.2f}" for name in self.before
        )
        if self.finetuned:
            return f"Fine-tuned weights are kept: on validation {said}."
        return f"The weights it started from are kept, fine-tuning did not help: {said}."


class FinetuneLearner(LiteLearner):
    """The lite student as the loop fine-tunes it, judged against what it started from."""

    best_by = "gain"

    def __init__(
        self,
        network: nn.Module,
        groups: Mapping[str, Sequence[Picture]],
        valid: Mapping[str, Sequence[Picture]],
        config: LiteFinetune,
    ) -> None:
        few = {name: own[:: max(1, len(own) // _MOST_JUDGED)] for name, own in valid.items()}
        super().__init__(network, groups, few, config)
        self.before = self._scores(self.network.eval())

    def judge(self, network: nn.Module) -> dict[str, float]:
        """Return what was gained, the scores by class, and the loss on the teacher's labels."""
        after = self._scores(network)
        changes = [after[name] - self.before[name] for name in self.before]
        worst, mean = min(changes), float(np.mean(changes))
        own = {f"ap {name}": after[f"{OWN} {name}"] for name in CLASSES if f"{OWN} {name}" in after}
        return {
            "gain": mean if worst >= -MOST_LOSS else min(worst, mean),
            "valid_loss": self._loss(network),
            "ap": float(np.mean(list(own.values()))) if own else float("nan"),
            **own,
            **after,
        }

    def describe(self) -> dict[str, Any]:
        """Return the scores of the weights it started from."""
        return {"before": self.before}

    def _scores(self, network: nn.Module) -> dict[str, float]:
        return {
            f"{group} {CLASSES[place]}": tally.average_precision
            for group, pictures in self.valid.items()
            for place, tally in judged(network, pictures).items()
            if tally.balls
        }

    def _loss(self, network: nn.Module) -> float:
        losses = []
        # Nothing in the network draws at random or averages over batches: only the query groups
        # that the set losses want come with training mode.
        network.train()
        for picture in self.valid[OWN]:
            canvas, view = fitted(picture.read())
            seen = replace(picture, boxes=view.on_canvas(picture.boxes))
            device = next(network.parameters()).device
            stacked = torch.from_numpy(canvas).permute(2, 0, 1)[None].to(device)
            labels = Labels(*(part.to(device) for part in labels_of(seen)))
            losses.append(float(losses_of(network, as_input(stacked), [labels])["loss"]))
        network.eval()
        return float(np.mean(losses))


def finetune_lite(
    dataset_dir: Path,
    replay: Path | None,
    run_dir: Path,
    config: LiteFinetune | None = None,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Train on the split "train" until the run is finished, and keep the better weights.

    Args:
        dataset_dir: A COCO dataset of the house's classes.
        replay: Folder of rendered datasets (`material.make_pictures`); None: nothing is repeated.
        run_dir: An unfinished run of these settings and data goes on, a finished one is returned.
        config: The settings.
        **callbacks: Who is told.

    Raises:
        DatasetError: If the dataset is incomplete.
        WeightsError: If the weights to start from are not there, or another network's.
        WorkbenchError: If `run_dir` holds a run of other settings or data.
    """
    config = config or LiteFinetune()
    identity = identity_for_lite(dataset_dir, replay, config)
    result = train(
        partial(_make_learner, dataset_dir, replay, config), run_dir, config, identity, **callbacks
    )
    if not (run_dir / LITE).exists():
        _keep_better(run_dir, config)
    return result


def identity_for_lite(
    dataset_dir: Path, replay: Path | None, config: LiteFinetune
) -> dict[str, Any]:
    """Return what a run on these data is; see `folder.identity_of`.

    Raises:
        DatasetError: If the dataset is none.
        WeightsError: If the weights to start from are not there, or another network's.
    """
    load_weights(_start(config))
    replayed = replay.glob(f"*/{META}") if replay else []
    return identity_of(
        config,
        dataset_version=load_dataset(dataset_dir).meta["version"],
        replayed=sorted(str(load_dataset(path.parent).meta["version"]) for path in replayed),
        start=weights_identity(_start(config)),
        classes=list(CLASSES),
        masks=False,
        tile_px=None,
    )


def _start(config: LiteFinetune) -> Path:
    return Path(config.weights) if config.weights else SHIPPED


def kept_weights(run_dir: Path) -> Kept:
    """Return which weights a finished run ended with."""
    content = read_object(run_dir / _KEPT) or {}
    return Kept(bool(content["finetuned"]), content["before"], content["after"])


def _keep_better(run_dir: Path, config: LiteFinetune) -> None:
    """Write the student: the best epoch, or what it started from where that is better."""
    best = load_result(run_dir).best
    start, facts = load_weights(_start(config))
    content = load_checkpoint(run_dir / BEST)
    finetuned = best.scores["gain"] > 0
    before = dict(content["before"])
    after = {name: best.scores[name] for name in before}
    save_json(run_dir / _KEPT, {"finetuned": finetuned, "before": before, "after": after})
    weights = content["network"] if finetuned else start.state_dict()
    runs = [*facts.get("finetuned", []), *([run_dir.name] if finetuned else [])]
    save_weights(run_dir / LITE, weights, {"trained_on": facts["trained_on"], "finetuned": runs})


def _make_learner(dataset_dir: Path, replay: Path | None, config: LiteFinetune) -> FinetuneLearner:
    network = load_weights(_start(config)).network
    groups = {OWN: protected(network, pictures_in(dataset_dir, "train", CLASSES))}
    valid = {OWN: pictures_in(dataset_dir, "valid", CLASSES)}
    if replay:
        for split, into in (("train", groups), ("valid", valid)):
            found = groups_in(replay, split)
            into[REPLAY] = [picture for own in found.values() for picture in own]
    return FinetuneLearner(network, groups, valid, config)


def protected(network: nn.Module, pictures: Sequence[Picture]) -> list[Picture]:
    """Return pictures with what a network sees surely added, and balls unknown where none is."""
    ball = CLASSES.index(BALL)
    kept = []
    for picture in pictures:
        canvas, view = fitted(picture.read())
        (rows,) = answers(network, [canvas])
        boxes, classes = list(picture.boxes), list(picture.classes)
        for kind, score, *corners in rows.tolist():
            if score < _SURE:
                break
            (box,) = view.in_picture(np.array([corners], np.float32))
            beside = np.array(
                [own for own, other in zip(boxes, classes, strict=True) if other == kind]
            ).reshape(-1, 4)
            if not (iou(box, beside.astype(np.float32)) > _SAME_IOU).any():
                boxes.append(box)
                classes.append(np.int64(kind))
        unknown = tuple(place == ball and ball not in classes for place in range(len(CLASSES)))
        kept.append(
            Picture(
                picture.path,
                np.array(boxes, np.float32).reshape(-1, 4),
                np.array(classes, np.int64),
                unknown,
            )
        )
    return kept
