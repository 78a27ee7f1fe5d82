"""Class probabilities per clip: made with a trained classifier, saved, read back.

The unit is one clip's probabilities, next to its label where it has one. A baseline's output has
the same form, so one test report reads both. Leaves scores and intervals to `testreport`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from workbench.actions.augment import Frames, plain_views
from workbench.actions.clipset import Clipset
from workbench.actions.items import classes_in, several_classes
from workbench.actions.models import build_model
from workbench.errors import DatasetError, WorkbenchError
from workbench.saving import read_object, reading, save_json
from workbench.training.compute import choose_device, torch_threads
from workbench.training.folder import BEST, CONFIG, load_checkpoint

PREDICTIONS_FORMAT = "workbench-predictions/1"
LEAST_PROBABILITY = 1e-12  # under a logarithm, where 0 would be infinite


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one scorer says about each clip."""

    scorer: str
    classes: tuple[str, ...]
    clip_ids: tuple[str, ...]
    sessions: tuple[str, ...]
    labels: tuple[str | None, ...]
    probabilities: npt.NDArray[np.float64]  # (N, classes)
    dataset_version: str
    caveat: str | None = None  # what the footage cannot show
    view: tuple[int, int, int] | None = None  # frames, width and height of what the scorer saw
    several: bool = False  # a clip may show several classes: each has a probability by itself

    def __post_init__(self) -> None:
        """Check every row.

        Raises:
            DatasetError: If a clip lacks a probability, has one that is none, is there twice, or
                has a label that is no class.
        """
        shape = (len(self.clip_ids), len(self.classes))
        lengths = {len(self.clip_ids), len(self.sessions), len(self.labels)}
        if self.probabilities.shape != shape or len(lengths) > 1:
            raise DatasetError("a clip lacks a probability, session or label", "predict again")
        seen: set[str] = set()
        rows = zip(self.clip_ids, self.labels, self.probabilities, strict=True)
        for clip_id, label, row in rows:
            if clip_id in seen:
                raise DatasetError(f"clip {clip_id!r} is there twice", "keep one of its rows")
            seen.add(clip_id)
            if not ((row >= 0) & (row <= 1 + 1e-6)).all():  # NaN is neither
                raise DatasetError(
                    f"clip {clip_id!r} has the probabilities {row.tolist()}",
                    "predict again; a network that gives NaN was trained badly",
                )
            if strangers := set(classes_in(label)) - set(self.classes):
                label = min(strangers)
                raise DatasetError(
                    f"clip {clip_id!r} has the label {label!r}, none of {list(self.classes)}",
                    "mend the label, or train with the class",
                )

    def __len__(self) -> int:
        return len(self.clip_ids)

    @property
    def predicted(self) -> tuple[str, ...]:
        """The most probable class of each clip, the first at a tie; or all that are likely."""
        if self.several:
            likely = self.probabilities > 0.5
            pairs = [zip(self.classes, row, strict=True) for row in likely]
            return tuple(several_classes(name for name, is_in in one if is_in) for one in pairs)
        return tuple(self.classes[place] for place in self.probabilities.argmax(axis=1))

    @property
    def is_labelled(self) -> bool:
        """Whether every clip has a label, so that the predictions can be scored."""
        return None not in self.labels

    def is_right(self) -> npt.NDArray[np.bool_]:
        """Return whether each clip is called what it is labelled (N,); unlabelled: False."""
        return np.asarray(np.array(self.labels) == np.array(self.predicted), bool)

    def take(self, clip_ids: Sequence[str]) -> "Predictions":
        """Return the predictions on these clips, in this order."""
        order = {name: place for place, name in enumerate(self.clip_ids)}
        places = [order[name] for name in clip_ids]
        return replace(
            self,
            clip_ids=tuple(clip_ids),
            sessions=tuple(self.sessions[place] for place in places),
            labels=tuple(self.labels[place] for place in places),
            probabilities=self.probabilities[places],
        )

    def at_temperature(self, temperature: float) -> "Predictions":
        """Return the probabilities that the scorer's logits give, divided by a temperature."""
        logits = np.log(np.maximum(self.probabilities, LEAST_PROBABILITY)) / temperature
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return replace(self, probabilities=odds / odds.sum(axis=1, keepdims=True))

    def mistakes(self) -> pd.DataFrame:
        """Return the labelled clips called wrongly, the surest mistakes first."""
        table = self.to_frame()
        wrong = table[table["label"].notna() & (table["label"] != table["predicted"])]
        return wrong.sort_values("probability", ascending=False, kind="stable")

    def worth_a_look(self, least_sure: int = 4) -> pd.DataFrame:
        """Return the surest call of each class, then the clips with the least sure calls."""
        table = self.to_frame().sort_values("probability", ascending=False, kind="stable")
        surest = table.drop_duplicates("predicted")
        return pd.concat([surest, table.drop(surest.index).tail(least_sure)])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per clip: label, predicted class and its probability, all of them."""
        table = pd.DataFrame(
            {
                "session": self.sessions,
                "label": self.labels,
                "predicted": self.predicted,
                "probability": self.probabilities.max(axis=1),
            },
            index=pd.Index(self.clip_ids, name="clip_id"),
        )
        columns = [f"p({name})" for name in self.classes]
        return table.join(pd.DataFrame(self.probabilities, table.index, columns))

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(float_format="{:.3f}".format)

    def save(self, path: Path) -> None:
        """Write the predictions as JSON."""
        content = asdict(self) | {"probabilities": self.probabilities.tolist()}
        save_json(path, {"format": PREDICTIONS_FORMAT, **content})


def load_predictions(path: Path) -> Predictions:
    """Read saved predictions.

    Raises:
        DatasetError: If the file is absent or is not predictions.
    """
    remedy = "predict the clips again"
    with reading(
        path, "a file of predictions", remedy, absent="predict the clips first"
    ) as content:
        if content.pop("format") != PREDICTIONS_FORMAT:
            raise ValueError("another format")
        probabilities = np.asarray(content.pop("probabilities"), dtype=np.float64)
        rest: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in content.items()
        }
        return Predictions(probabilities=probabilities, **rest)


@dataclass(frozen=True)
class Classifier:
    """A trained network and what it needs to be fed."""

    network: torch.nn.Module
    name: str
    classes: tuple[str, ...]
    frames: int
    size_wh: tuple[int, int]


def load_classifier(run_dir: Path, device: torch.device | str = "cpu") -> Classifier:
    """Load the best network of a run, ready to predict.

    Raises:
        WorkbenchError: If the run has none, or it was made by an incompatible version.
    """
    content = load_checkpoint(run_dir / BEST, "train the classifier first")
    try:
        classes = tuple(content["classes"])
        network = build_model(content["model"], len(classes), **content["model_settings"])
        network.load_state_dict(content["network"])
        width, height = content["size_wh"]
        fed = content["frames"], (width, height)
        return Classifier(network.to(device).eval(), content["model"], classes, *fed)
    except (KeyError, RuntimeError, TypeError) as error:
        raise WorkbenchError(
            f"{run_dir / BEST} does not fit this version ({error})", "train the classifier again"
        ) from None


def predict_clips(
    run_dir: Path,
    clipset: Clipset,
    *,
    freeze_frame: bool = False,
    views: int = 1,
    batch_size: int = 16,
    device: str = "auto",
    threads: int = 1,
) -> Predictions:
    """Classify clips, labelled or not, with the best network of a run, in fp32.

    With `freeze_frame` the network sees a clip's middle frame throughout. That takes the motion
    away and leaves everything else: what remains of the score did not come from motion. With
    several `views` a clip's probabilities are the mean over as many, a little apart in time.

    Raises:
        WorkbenchError: If the run has no network.
        DatasetError: If a label is no class of the network.
    """
    classifier = load_classifier(run_dir, choose_device(device))
    shown = {name for label in clipset.labels for name in classes_in(label)}
    if strangers := shown - set(classifier.classes):
        raise DatasetError(
            f"the network of {run_dir} does not know class {sorted(strangers)[0]!r}",
            "train it on a dataset that has it",
        )

    def fed(frames: Frames) -> list[Frames]:
        if freeze_frame:
            frames = np.repeat(frames[len(frames) // 2][None], len(frames), axis=0)
        return plain_views(frames, classifier.frames, classifier.size_wh, views)

    seen = (view for clip in range(len(clipset)) for view in fed(clipset.frames(clip)))
    with torch_threads(threads):
        tracks = None
        if is_tracked(classifier.network):
            tracks = np.repeat(clipset.tracks(), views, axis=0)
        scores = score_views(classifier.network, seen, tracks, batch_size=batch_size)
    likely = scores.sigmoid() if clipset.several else scores.softmax(dim=1)
    return Predictions(
        classifier.name
        + (", frozen frame" if freeze_frame else "")
        + (f", {views} views" if views > 1 else ""),
        classifier.classes,
        clipset.clip_ids,
        clipset.sessions,
        clipset.labels,
        likely.view(-1, views, likely.shape[1]).mean(dim=1).numpy(),
        clipset.version,
        clipset.caveat,
        (classifier.frames, *classifier.size_wh),
        clipset.several,
    )


def predict_with_parent(models_dir: Path, clipset: Clipset) -> Predictions | None:
    """Classify clips with the newest run on the version before this one.

    Returns None where there is no version before, no run on it, or its classes were others.
    """
    parent = clipset.meta.get("parent_version")
    configs = [] if parent is None else models_dir.glob(f"*/{CONFIG}")
    for path in sorted(configs, key=lambda path: path.stat().st_mtime, reverse=True):
        config = read_object(path) or {}
        is_same = config.get("classes") == list(clipset.classes)
        if config.get("dataset_version") == parent and is_same and (path.parent / BEST).is_file():
            name = str(clipset.meta.get("parent", "the version before"))
            found = predict_clips(path.parent, clipset)
            return replace(found, scorer=f"{found.scorer} trained on {name}")
    return None


def is_tracked(network: torch.nn.Module) -> bool:
    """Whether a network takes tracks of people and ball beside frames."""
    return getattr(network, "tracks", None) is not None


def score_views(
    network: torch.nn.Module,
    views: Iterable[Frames],
    tracks: npt.NDArray[np.float32] | None = None,
    *,
    batch_size: int,
) -> torch.Tensor:
    """Return a network's scores (N, K) in double precision on the CPU, holding one batch at a time.

    `tracks` (N, T', D) are for networks that take them. The network is left in evaluation mode.
    """
    network.eval()
    device = next(network.parameters()).device
    scores: list[torch.Tensor] = []
    remaining = iter(views)
    while batch := list(islice(remaining, batch_size)):
        with torch.inference_mode():
            fed = [torch.from_numpy(np.stack(batch)).to(device)]
            if tracks is not None:
                first = sum(map(len, scores))
                fed.append(torch.from_numpy(tracks[first : first + len(batch)]).to(device))
            scores.append(network(*fed).double().cpu())
    return torch.cat(scores)
