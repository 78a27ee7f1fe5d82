"""A trained spotter on a video of any length: raw scores once, events in seconds.

The unit is one video. Each frame is decoded once and each stack goes through the encoder once;
memory is that of one window. Raw scores are saved window by window: what was killed goes on where
it was, to the same scores, because windows and batches start at fixed steps.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from workbench.actions.spotting.decide import Decision, decide
from workbench.actions.spotting.greyframes import Grey, GreyFrames
from workbench.actions.spotting.network import HIDDEN, Spotter, channels_last
from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import WorkbenchError
from workbench.footage.video_info import content_digest
from workbench.labels.events import Events
from workbench.saving import read_object, reading, replacing, save_json, to_json
from workbench.training.compute import inference
from workbench.training.folder import BEST, load_checkpoint

DECISIONS, MADE = "decisions.json", "made_with.json"
FOLDS = "folds.json"  # in a folder of several networks: those of the last round
_KEPT, _BEYOND = 96, 16  # steps of a window, and on either side of it
# Steps through the encoder at once, divisors of a window: what a cache holds, what a GPU wants.
_BATCH = {"cpu": 8, "cuda": 96, "mps": 96}

Raw = npt.NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class TrainedSpotter:
    """A network ready to run, its classes, and how its scores become events."""

    network: Spotter
    classes: tuple[str, ...]
    decisions: dict[str, Decision]
    identity: str  # of the weights
    built_in: bool = False  # whether it has seen built-in matches alone
    others: tuple["TrainedSpotter", ...] = ()  # whose scores are averaged in

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return next(self.network.parameters()).device


def load_network(run_dir: Path) -> tuple[Spotter, tuple[str, ...]]:
    """Read the best weights of a run: the network, ready to run, and its classes.

    Raises:
        WorkbenchError: If the folder is not that of a spotter's run.
    """
    content = load_checkpoint(run_dir / BEST, "train one: workbench spot train")
    try:
        classes = tuple(content["classes"])
        made_as = content["encoder"], tuple(content["size_wh"]), content.get("hidden", HIDDEN)
        more = {"sides": content.get("sides", False), "also": content.get("also", 0)}
        network = Spotter(content["spotter"], len(classes), *made_as, **more, pretrained=False)
        network.load_state_dict(content["network"])
    except (KeyError, RuntimeError, TypeError):
        raise WorkbenchError(
            f"{run_dir} is no spotter's run", "name a folder that `workbench spot train` wrote"
        ) from None
    return channels_last(network.eval()), classes


def load_spotter(run_dir: Path, device: str = "cpu", *more: Path) -> TrainedSpotter:
    """Read the best weights of a run and its decisions; several runs, or folds, are averaged.

    The decisions are those of the first run, or of all folds together.

    Raises:
        WorkbenchError: If a folder is not that of a finished spotter's run, or runs have other
            classes, or only some of them say sides.
    """
    if (run_dir / FOLDS).exists():
        with reading(run_dir / FOLDS, "a spotter's folds", "train it on") as names:
            folds = [run_dir / name for name in names]
        first = load_spotter(folds[0], device, *folds[1:], *more)
        return replace(first, decisions=_load_decisions(run_dir))
    if more:
        first, *others = (load_spotter(one, device) for one in (run_dir, *more))
        kinds = {(one.classes, one.network.side is None) for one in (first, *others)}
        if len(kinds) > 1:
            raise WorkbenchError(
                f"{run_dir} and the other runs have other classes", "average runs of the same ones"
            )
        return replace(first, others=tuple(others))
    network, classes = load_network(run_dir)
    decisions = _load_decisions(run_dir)
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    built_in = bool(load_checkpoint(run_dir / BEST).get("built_in", False))
    return TrainedSpotter(network.to(device), classes, decisions, digest.hexdigest()[:16], built_in)


def _load_decisions(run_dir: Path) -> dict[str, Decision]:
    with reading(run_dir / DECISIONS, "a spotter's decisions", "train it on") as said:
        return {name: Decision(**row) for name, row in said.items()}


def save_decisions(run_dir: Path, decisions: dict[str, Decision]) -> None:
    """Write how a run's scores become events."""
    save_json(run_dir / DECISIONS, to_json({name: asdict(one) for name, one in decisions.items()}))


@dataclass(frozen=True, eq=False)
class Spotted:
    """What was spotted in a video."""

    events: Events  # candidates, see `decide`
    raw: Raw  # (T, 2 K)
    duration_s: float
    lost_frames: int  # that could not be decoded


def spot_video(
    video: Path,
    spotter: TrainedSpotter,
    work_dir: Path,
    *,
    precision: str = "fp32",
    flip: bool = False,
    on_steps: Callable[[int, int], None] = lambda done, total: None,
) -> Spotted:
    """Return the events of a video; raw scores stay in `work_dir`, and are not computed twice.

    Args:
        video: Any video; its frame rate does not matter.
        spotter: The network.
        work_dir: A folder for the raw scores of this video by these weights.
        precision: "fp32", "bf16" or "fp16".
        flip: Whether to look at the mirrored video, too, at twice the cost.
        on_steps: Called with steps done and in all.

    Raises:
        FootageError: If the video cannot be read.
        WorkbenchError: If the folder holds the scores of another video or network.
    """
    if spotter.others:
        each = [
            spot_video(
                video, replace(one, others=()), work_dir / one.identity,
                precision=precision, flip=flip, on_steps=on_steps,
            )
            for one in (spotter, *spotter.others)
        ]  # fmt: skip
        raws = torch.stack([torch.from_numpy(one.raw.astype(np.float32)) for one in each])
        mean = merge_ways(raws).numpy().astype(np.float16)
        return replace(each[0], raw=mean, events=decide(mean, spotter.classes, spotter.decisions))
    frames = GreyFrames.of(video, spotter.network.size_wh)
    made_with = {
        "video": content_digest(video),
        "weights": spotter.identity,
        "precision": precision,
        "flip": flip,
        "steps": frames.steps,
    }
    said = read_object(work_dir / MADE)
    if said is not None and said != made_with:
        raise WorkbenchError(
            f"{work_dir} holds scores of another video or network", "name another folder"
        )
    save_json(work_dir / MADE, made_with)
    parts = [work_dir / f"{start:07d}.npz" for start in range(0, frames.steps, _KEPT)]
    first = next((at for at, part in enumerate(parts) if not part.exists()), len(parts))
    maps = _Maps(frames.read, frames.steps, spotter.network, precision, flip)
    for part in parts[first:]:
        start, lost = int(part.stem), frames.lost
        raw = maps.window(start)
        with replacing(part) as unfinished:
            np.savez(unfinished, raw=raw.astype(np.float16), lost=frames.lost - lost)
        on_steps(min(frames.steps, start + _KEPT), frames.steps)
    loaded = [np.load(part, allow_pickle=False) for part in parts]
    scores: Raw = np.concatenate([part["raw"] for part in loaded])
    lost = sum(int(part["lost"]) for part in loaded)
    events = decide(scores, spotter.classes, spotter.decisions)
    return Spotted(events, scores, frames.duration_s, lost)


@dataclass(frozen=True)
class _Job:
    """One video to spot in, as another process is told of it."""

    video: Path
    run_dirs: tuple[Path, ...]
    work_dir: Path
    device: str
    settings: dict[str, Any]


def spot_videos(
    videos: Mapping[Path, Path],
    run_dirs: Sequence[Path],
    device: str = "cpu",
    *,
    on_done: Callable[[int, int], None] = lambda done, total: None,
    engine: Engine | str | None = None,
    **settings: Any,
) -> list[Spotted]:
    """Return the events of several videos; see `spot_video`, which takes the other settings.

    Args:
        videos: Each with a folder of its own for its raw scores.
        run_dirs: What `load_spotter` reads, once in each process.
        device: Of every process.
        on_done: Called with videos done and in all; where there is but one video, with steps.
        engine: Where videos are watched (`make_engine`).
        **settings: The others.

    Raises:
        ItemsFailedError: If some of several cannot be read; the others' scores are kept.
    """
    runs = tuple(run_dirs)
    if len(videos) == 1 and engine is None:
        ((video, work_dir),) = videos.items()
        told = {"on_steps": on_done, **settings}
        return [spot_video(video, loaded_spotter(runs, device), work_dir, **told)]
    jobs = {
        str(video): _Job(video, runs, work_dir, device, settings)
        for video, work_dir in videos.items()
    }
    all_told = every(
        _spot, jobs, "videos", lambda _, done: on_done(done, len(jobs)), engine=engine
    )  # fmt: skip
    return list(all_told.values())


def _spot(job: _Job) -> Spotted:
    spotter = loaded_spotter(job.run_dirs, job.device)
    return spot_video(job.video, spotter, job.work_dir, **job.settings)


@lru_cache(maxsize=1)
def loaded_spotter(run_dirs: tuple[Path, ...], device: str = "cpu") -> TrainedSpotter:
    """The spotter of these runs; each process loads it once. Raises as `load_spotter` does."""
    return load_spotter(run_dirs[0], device, *run_dirs[1:])


def raw_scores(
    stacks: Callable[[int, int], Iterator[Any]],
    steps: int,
    network: Spotter,
    precision: str = "fp32",
    flip: bool = False,
) -> npt.NDArray[np.float32]:
    """Return the raw scores (T, 2 K) of stacks that can be read from step to step."""
    read = _Maps(stacks, steps, network, precision, flip)
    return np.concatenate([read.window(start) for start in range(0, steps, _KEPT)])


class _Maps:
    """The maps of the steps around a window, read and encoded once as the window moves on."""

    def __init__(
        self,
        stacks: Callable[[int, int], Iterator[Any]],
        steps: int,
        network: Spotter,
        precision: str,
        flip: bool,
    ) -> None:
        self._stacks, self._steps = stacks, steps
        self._network, self._precision, self._flip = network, precision, flip
        self._device = next(network.parameters()).device
        self._batch = _BATCH[self._device.type]
        self._kept: dict[int, Tensor] = {}  # (ways, steps, C, h, w) by first step of a batch
        self._source: Iterator[Any] | None = None

    def window(self, start: int) -> npt.NDArray[np.float32]:
        """Return the raw scores of the steps from `start` on."""
        # Whole batches, so that what is encoded does not depend on where a run began.
        low = max(0, start - _BEYOND) // self._batch * self._batch
        high = min(self._steps, start + _KEPT + _BEYOND)
        for first in [first for first in self._kept if first < low]:
            del self._kept[first]
        with inference(self._precision, self._device):
            for first in range(low, high, self._batch):
                if first not in self._kept:
                    self._kept[first] = self._encode(first)
            maps = torch.cat([self._kept[at] for at in range(low, high, self._batch)], dim=1)
            begin = max(0, start - _BEYOND)
            out = self._network.heads(maps[:, begin - low : high - low].float()).float()
            if out.shape[-1] % 2:  # what is on the left in the mirrored video is on the right
                out[1:, :, -1] *= -1
            merged = merge_ways(out).cpu().numpy()
        return np.asarray(merged[start - begin : min(self._steps, start + _KEPT) - begin])

    def _encode(self, first: int) -> Tensor:
        if self._source is None:
            self._source = self._stacks(first, self._steps)
        source = self._source
        count = min(self._batch, self._steps - first)
        seen = middle(np.stack([next(source) for _ in range(count)]))
        ways = np.concatenate([seen, seen[..., ::-1]]) if self._flip else seen
        maps = self._network.maps(torch.from_numpy(ways).to(self._device))
        return maps.view(-1, count, *maps.shape[1:])


def merge_ways(out: Tensor) -> Tensor:
    """Return the scores (T, 2 K) of the same steps seen in several ways (W, T, 2 K).

    Ways are the video and its mirror image, or several networks. Probabilities are averaged, as
    the winner of 2023 does, and displacements and sides.
    """
    if len(out) == 1:
        return out[0]
    logits, rest = out[..., : out.shape[-1] // 2], out[..., out.shape[-1] // 2 :]
    return torch.cat([torch.logit(logits.sigmoid().mean(0), 1e-6), rest.mean(0)], dim=-1)


def middle(stacks: Grey) -> Grey:
    """Return the middle of frames (…, H, W), all but a margin: training sees parts of it."""
    high, wide = stacks.shape[-2:]
    top, left = high // 36, wide // 32
    return np.ascontiguousarray(stacks[..., top : high - top, left : wide - left])
