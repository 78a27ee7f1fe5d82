"""A spotter's training on matches: its judge, its identity, and one network per fold.

The unit is a folder of matches with labels. Matches are never divided: those that choose the epoch
and the decisions are not learned from.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from workbench.actions.spotting.clips import Batch, Clips, EpochClips, seen
from workbench.actions.spotting.decide import choose_decisions, decide
from workbench.actions.spotting.encoders import SLIM
from workbench.actions.spotting.greyframes import (
    STACK,
    Grey,
    GreyFrames,
    cached_grey,
    fill_cache,
)
from workbench.actions.spotting.matches import LabelledMatch, load_matches
from workbench.actions.spotting.network import Spotter, channels_last, spotting_losses
from workbench.actions.spotting.predict import (
    DECISIONS,
    FOLDS,
    load_network,
    raw_scores,
    save_decisions,
)
from workbench.actions.spotting.recipe import SpotterConfig
from workbench.actions.spotting.scores import metric, score_spots
from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import DatasetError, WorkbenchError
from workbench.footage.video_info import content_digest
from workbench.labels.events import load_class_map
from workbench.saving import replacing, save_json
from workbench.simulated.matches.making import MADE
from workbench.training.compute import torch_threads
from workbench.training.folder import identity_of, run_name
from workbench.training.history import Callbacks, TrainingResult, shelve
from workbench.training.loop import train

JUDGED_BY = metric("at1")
OUT_OF_FOLD = "out_of_fold.npz"  # raw scores of each match, "/" of its name as "|"


@dataclass(frozen=True, eq=False)
class More:
    """What may be learned from besides labelled matches."""

    hard: Mapping[str, npt.NDArray[np.floating]] = field(default_factory=dict)
    also: Sequence[LabelledMatch] = ()

    def digest(self) -> str | None:
        """What tells it from another; None of nothing."""
        if not self.hard and not self.also:
            return None
        scores = [hashlib.sha256(self.hard[name].tobytes()).hexdigest() for name in self.hard]
        return _digest({"hard": [*self.hard, *scores], "also": _made_of(self.also)})


def _begin_with(network: Spotter, run_dir: Path) -> None:
    """Fill a network with a run's weights; heads of other classes begin anew."""
    known = load_network(run_dir)[0].state_dict()
    own = network.state_dict()
    fits = {name: value for name, value in known.items()
            if name in own and own[name].shape == value.shape}  # fmt: skip
    if not any(name.startswith("encoder.") for name in fits):
        raise WorkbenchError(f"{run_dir} has another encoder", "start from a run of this one")
    network.load_state_dict(fits, strict=False)


class SpotterLearner:
    """A spotter as the loop trains it."""

    best_by = "valid_map"

    def __init__(
        self,
        config: SpotterConfig,
        train_on: Sequence[LabelledMatch],
        valid: Sequence[LabelledMatch],
        cache_dir: Path | None,
        more: More,
    ) -> None:
        self.config = config
        self.classes = train_on[0].events.classes
        second = len(more.also[0].events.classes) if more.also else 0
        network = Spotter(
            config.spotter, len(self.classes), config.encoder, config.size_wh, config.hidden,
            sides=config.sides, also=second,
        )  # fmt: skip
        if config.start is not None:
            _begin_with(network, Path(config.start))
        network.encoder.requires_grad_(not config.frozen)
        self.network: nn.Module = channels_last(network)
        if config.compile:
            self.network.compile()
        # What knows pictures already shall not forget them at once.
        self.rates = {} if config.encoder == SLIM else {"encoder.": 0.2}
        if cache_dir is not None:
            videos = [match.video for match in (*train_on, *more.also)]
            fill_cache(videos, cache_dir, config.size_wh)
        self.sets = [Clips(config, train_on, cache_dir, more.hard)]
        if more.also:
            self.sets.append(Clips(config, more.also, cache_dir))
        self.second = second
        self.valid, self.cache_dir = valid, cache_dir
        self.built_in = all((match.video.parent / MADE).exists() for match in train_on)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return places in the epoch; what is drawn there, the seed decides."""
        size = self.config.batch_size
        return [list(range(step * size, (step + 1) * size)) for step in range(self.config.steps)]

    def load(self, epoch: int, batches: Sequence[Sequence[int]]) -> "DataLoader[Batch]":
        """Return clips with their targets."""
        return DataLoader(
            EpochClips(self.sets, epoch, self.config.batch_size),
            batch_sampler=batches,  # type: ignore[arg-type]
            num_workers=self.config.workers,
        )

    def losses(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the loss and its parts."""
        clips, target, offset, side, look, moves, of = batch
        clips = seen(clips, look, moves)
        also, config = bool(of[0]), self.config
        if config.frozen:  # nor do the scales of its normalisation learn
            self.network.encoder.eval()  # type: ignore[union-attr]
        if config.mixup:
            alpha = torch.tensor(config.mixup)
            share = float(torch.distributions.Beta(alpha, alpha).sample())
            other = torch.randperm(len(clips)).to(clips.device)
            near = target + target[other]
            clips = share * clips.float() + (1 - share) * clips[other].float()
            offset = (offset * target + (offset * target)[other]) / near.clamp(min=1)
            target = share * target + (1 - share) * target[other]
            side = share * side + (1 - share) * side[other]
        out = network(clips, also) if also else network(clips)
        return spotting_losses(out, target, offset, config.gamma, side)

    def judge(self, network: nn.Module) -> dict[str, float]:
        """Return mAP@1 over the classes that validation matches have, as decided by default."""
        assert isinstance(network, Spotter)
        raws = match_scores(network, self.valid, self.cache_dir, engine="here")
        found = {name: decide(raw, self.classes, {}) for name, raw in raws.items()}
        score = score_spots({match.name: match.events for match in self.valid}, found)
        there = np.array(list(score.labels.values())) > 0
        ap = float(score.class_ap(JUDGED_BY)[0, there].mean()) if there.any() else 0.0
        return {"valid_map": ap}

    def describe(self) -> dict[str, Any]:
        """Return what the network is built from."""
        config = self.config
        return {
            "spotter": config.spotter,
            "encoder": config.encoder,
            "size_wh": list(config.size_wh),
            "hidden": config.hidden,
            "sides": config.sides,
            "also": self.second,
            "classes": list(self.classes),
            "built_in": self.built_in,
        }


def match_scores(
    network: Spotter,
    matches: Sequence[LabelledMatch],
    cache_dir: Path | None,
    engine: Engine | str | None = None,
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the raw scores (T, 2 K) of matches by name, by way of a cache if there is one.

    Each match is one item of the engine; a network on a GPU is for the engine "here".

    Raises:
        ItemsFailedError: If a match cannot be read.
    """
    work = partial(_match_scores, network=network, cache_dir=cache_dir)
    videos = {match.name: match.video for match in matches}
    return every(work, videos, "matches", engine=engine)


def _match_scores(
    video: Path, *, network: Spotter, cache_dir: Path | None
) -> npt.NDArray[np.float32]:
    if cache_dir is None:
        frames = GreyFrames.of(video, network.size_wh)
        return raw_scores(frames.read, frames.steps, network)
    return _of_grey(cached_grey(video, cache_dir, network.size_wh), network)


def _of_grey(grey: Grey, network: Spotter) -> npt.NDArray[np.float32]:
    steps = len(grey) // STACK
    stacks = grey[: steps * STACK].reshape(steps, STACK, *grey.shape[1:])
    return raw_scores(lambda first, end: iter(stacks[first:end]), steps, network)


def train_spotter(
    train_on: Sequence[LabelledMatch],
    valid: Sequence[LabelledMatch],
    run_dir: Path,
    config: SpotterConfig,
    cache_dir: Path | None,
    more: More | None = None,
    **callbacks: Unpack[Callbacks],
) -> TrainingResult:
    """Train until the run in a folder is finished, then decide on the validation matches.

    An unfinished run goes on where it was.

    Args:
        train_on: What is learned from.
        valid: What chooses the epoch, and how scores become events.
        run_dir: The run's folder.
        config: The settings.
        cache_dir: Where grey frames are kept; deleting it is safe. None: clips are decoded from the
            videos as they are drawn, by `config.workers` processes.
        more: Out-of-fold scores, or a second set of labels to learn from, too.
        callbacks: As the loop's.

    Raises:
        DatasetError: If there are no events to learn from, or matches are on both sides.
        WorkbenchError: If the run's folder holds another run.
    """
    names = {match.name for match in train_on} & {match.name for match in valid}
    if names or not train_on or not valid:
        raise DatasetError(
            f"{sorted(names)} to learn from and to judge on" if names else "no match on a side",
            "give matches to learn from, and others to choose by",
        )
    made_of = {"train": _made_of(train_on), "valid": _made_of(valid)}
    classes, more = list(train_on[0].events.classes), more or More()
    data = {"classes": classes, "matches": _digest(made_of), "more": more.digest()}
    identity = identity_of(config, **data)
    make_learner = partial(SpotterLearner, config, train_on, valid, cache_dir, more)
    result = train(make_learner, run_dir, config, identity, **callbacks)
    if not (run_dir / DECISIONS).exists():
        network, _ = load_network(run_dir)
        with torch_threads(config.threads):
            raws = match_scores(network, valid, cache_dir)
        truth = {match.name: match.events for match in valid}
        save_decisions(run_dir, choose_decisions(raws, truth, JUDGED_BY))
    return result


def train_folds(
    matches: Sequence[LabelledMatch],
    folder: Path,
    config: SpotterConfig,
    cache_dir: Path | None,
    folds: int,
    rounds: int = 1,
    **callbacks: Unpack[Callbacks],
) -> list[TrainingResult]:
    """Train a network per fold of matches, each judged on the matches it has not learned from.

    Their scores of those matches stay in `folder`; together they choose the decisions of all. In a
    second round what the first one took for events is shown more often. `spot_video` takes the
    folder as the mean of its networks.

    Returns:
        The last round's networks.

    Raises:
        DatasetError: If there are fewer matches than folds, or folds than two.
    """
    if not 2 <= folds <= len(matches):
        raise DatasetError(
            f"{folds} folds of {len(matches)} matches", "give 2 folds or more, a match for each"
        )
    raws: dict[str, npt.NDArray[np.float32]] = {}
    results: list[TrainingResult] = []
    for number in range(1, rounds + 1):
        results, more = [], More(hard=dict(raws))
        for fold in range(folds):
            held = list(matches[fold::folds])
            rest = [match for match in matches if match not in held]
            run_dir = folder / f"round_{number}" / f"fold_{fold + 1}"
            results.append(train_spotter(rest, held, run_dir, config, cache_dir, more, **callbacks))
            with torch_threads(config.threads):
                raws |= match_scores(load_network(run_dir)[0], held, cache_dir)
    with replacing(folder / OUT_OF_FOLD) as part:
        np.savez(part, **{name.replace("/", "|"): raw for name, raw in raws.items()})  # type: ignore[arg-type]
    truth = {match.name: match.events for match in matches}
    save_decisions(folder, choose_decisions(raws, truth, JUDGED_BY))
    save_json(folder / FOLDS, [result.run_dir.relative_to(folder).as_posix() for result in results])
    return results


def _made_of(matches: Sequence[LabelledMatch]) -> list[Any]:
    return [(content_digest(match.video), match.events.rows()) for match in matches]


def _digest(made_of: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:16]


def run_dir_of(
    models_dir: Path,
    config: SpotterConfig,
    train_on: Sequence[LabelledMatch],
    valid: Sequence[LabelledMatch],
    more: More | None = None,
) -> Path:
    """Return the folder of the run with these settings and matches."""
    names = [[match.name for match in part] for part in (train_on, valid)]
    also = {"more": more.digest()} if more and more.digest() else {}
    return models_dir / run_name("spotter", {**asdict(config), "matches": names, **also})


def train_in(
    root: Path,
    models_dir: Path,
    config: SpotterConfig,
    cache_dir: Path | None,
    valid_share: float = 0.2,
    *,
    skip_bad: bool = False,
    folds: int = 0,
    rounds: int = 1,
    also: Path | None = None,
    also_classes: str = "ball",
    **callbacks: Unpack[Callbacks],
) -> tuple[Path, list[float]]:
    """Train on the matches below a folder; the last share of them, one at least, validates.

    Args:
        root: The folder.
        models_dir: Where runs go.
        config: The settings.
        cache_dir: Of grey frames; None: none.
        valid_share: Of the matches.
        skip_bad: Whether labels with a fault are left out.
        folds: How many networks, each validated on other matches; 0: one network.
        rounds: See `train_folds`.
        also: A folder of matches with a second set of labels to learn from, too.
        also_classes: Their class map.
        callbacks: As the loop's.

    Returns:
        The run's folder, or that of the folds, and mAP@1 of each network on its validation matches.

    Raises:
        DatasetError: As `load_matches` and `train_spotter`; or if there is but one match.
    """
    matches = load_matches(root, load_class_map(config.class_map), skip_bad=skip_bad)
    if len(matches) < 2:
        raise DatasetError(f"one match below {root}", "give two at least: one must validate")
    if folds:
        named = {**asdict(config), "matches": [match.name for match in matches], "folds": folds}
        folder = models_dir / run_name("spotter", {**named, "rounds": rounds})
        results = train_folds(matches, folder, config, cache_dir, folds, rounds, **callbacks)
        shelve(replace(results[0], run_dir=folder), "spotter")
        return folder, [result.best.scores[result.best_by] for result in results]
    kept = max(1, round(valid_share * len(matches)))
    train_on, valid = matches[:-kept], matches[-kept:]
    second = load_matches(also, load_class_map(also_classes), skip_bad=skip_bad) if also else ()
    more = More(also=second)
    run_dir = run_dir_of(models_dir, config, train_on, valid, more)
    result = train_spotter(train_on, valid, run_dir, config, cache_dir, more, **callbacks)
    shelve(result, "spotter")
    return run_dir, [result.best.scores[result.best_by]]
