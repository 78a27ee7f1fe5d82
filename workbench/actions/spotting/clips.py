"""Clips of matches as a spotter learns from them, drawn at random.

The unit is a clip of some steps with what it shows at each. Half are drawn around an event, rare
classes more often than their share; the others anywhere, or where a network that has not learned
from the match sees an event and nobody labelled one. A clip depends on the seed, the epoch and its
place alone. How it is lit, mirrored and moved about is drawn with it, and carried out where the
batch is (`seen`), so that a GPU has that work.

Sources: sampling, shaken frames and the moving camera after Baikulov (2023), SoccerNet's ball
action winner.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from workbench.actions.augment import Augmentation, hand_moves
from workbench.actions.spotting.greyframes import STACK, STEP_S, Ticks
from workbench.actions.spotting.matches import LabelledMatch
from workbench.actions.spotting.recipe import SpotterConfig
from workbench.errors import DatasetError
from workbench.labels.events import TEAMS

_NEAR = 1.5  # steps around an event that are labelled with it
_RING_STEPS = 4.5  # around a label, where scores that see something are no mistake
_MISTAKEN = 0.05  # less sure scores are none
_SIGNS = np.array([{"left": -1, "right": 1}.get(team, 0) for team in TEAMS], np.float32)

Arrays = npt.NDArray[np.float32]
Batch = tuple[Tensor, ...]  # the parts of `Clip`, then which set of labels


class Clips:
    """Clips of matches, drawn at random.

    Args:
        config: The settings.
        matches: What is drawn from.
        cache_dir: Of grey frames; None: each clip is decoded when it is drawn.
        hard: Raw scores of matches by networks that have not learned from them. Where they see
            an event far from any label, other clips are drawn more often.
    """

    def __init__(
        self,
        config: SpotterConfig,
        matches: Sequence[LabelledMatch],
        cache_dir: Path | None,
        hard: Mapping[str, npt.NDArray[np.floating]] | None = None,
    ) -> None:
        self.config = config
        self.classes = matches[0].events.classes
        self.ticks = [Ticks.of(match.video, cache_dir, config.size_wh) for match in matches]
        # Steps, and places of classes, of what a picture shows.
        shown = [match.events.take(match.events.is_shown) for match in matches]
        self.when = [one.position_ms / 1000 / STEP_S for one in shown]
        self.label = [one.label for one in shown]
        self.side = [_SIGNS[one.team] for one in shown]
        self.by_class = [
            [
                (at, when)
                for at, label in enumerate(self.label)
                for when in self.when[at][label == k]
            ]
            for k in range(len(self.classes))
        ]
        if config.sides and not all(one.all() for one in self.side):
            raise DatasetError(
                "labels without a side", "give every label 'team' left or right, or sides=false"
            )
        mistaken = [
            _mistaken(hard[match.name], when, len(self.classes))
            for match, when in zip(matches, self.when, strict=True)
            if hard
        ]
        self.mistaken = [
            (at, step, float(values[step]))
            for at, values in enumerate(mistaken)
            for step in np.flatnonzero(values > _MISTAKEN).tolist()
        ]
        counts = np.sqrt([len(rows) for rows in self.by_class])
        if not counts.any():
            raise DatasetError("matches without an event", "give matches with labels")
        self.shares = counts / counts.sum()
        shortest = min(ticks.count // STACK for ticks in self.ticks)
        if shortest <= config.clip_steps:
            raise DatasetError(
                f"a match of {shortest * STEP_S:.1f} s, shorter than a clip", "set clip_steps lower"
            )

    def draw(self, epoch: int, place: int) -> "Clip":
        """Return a clip with what it shows."""
        config, steps = self.config, self.config.clip_steps
        rng = np.random.default_rng([config.seed, epoch, place])
        if rng.random() < config.around_events:
            rows = self.by_class[int(rng.choice(len(self.shares), p=self.shares))]
            at, when = rows[int(rng.integers(len(rows)))]
            start = when - steps / 2 + rng.uniform(-0.4, 0.4) * steps
        elif self.mistaken and rng.random() < config.hard_share:
            sure = np.array([one[2] for one in self.mistaken])
            at, step, _ = self.mistaken[int(rng.choice(len(sure), p=sure / sure.sum()))]
            start = step - steps / 2 + rng.uniform(-0.4, 0.4) * steps
        else:
            at = int(rng.integers(len(self.ticks)))
            start = rng.uniform(0, self.ticks[at].count / STACK - steps)
        count = self.ticks[at].count
        # At any frame, not at whole steps: thrice as many clips.
        first = int(np.clip(round(start * STACK), 0, count - steps * STACK))
        wide, high = (round(config.crop_share * side / 16) * 16 for side in config.size_wh)
        top = int(rng.integers(config.size_wh[1] - high + 1))
        left = int(rng.integers(config.size_wh[0] - wide + 1))
        ticks = np.arange(first, first + steps * STACK)
        if config.shake and rng.random() < config.shake:
            early = rng.choice([-1, 0, 1], len(ticks), p=[0.2, 0.6, 0.2])
            ticks = np.clip(ticks + early, 0, count - 1)
        moves = np.empty((0, 2, 3), np.float32)
        if config.camera:
            moves = np.tile(np.eye(2, 3, dtype=np.float32), (len(ticks), 1, 1))
            if rng.random() < config.camera:
                moves = _camera_moves(len(ticks), (wide, high), rng)
        is_mirrored = rng.random() < 0.5
        look = np.array([is_mirrored, rng.uniform(0.8, 1.2), rng.uniform(-20, 20)], np.float32)
        grey = self.ticks[at].take(ticks)[:, top : top + high, left : left + wide]
        image = np.ascontiguousarray(grey).reshape(steps, STACK, high, wide)
        target, offset, side = self._targets(at, first / STACK, steps)
        return Clip(image, target, offset, -side if is_mirrored else side, look, moves)

    def _targets(self, at: int, first: float, steps: int) -> tuple[Arrays, Arrays, Arrays]:
        middles = first + np.arange(steps) + 0.5
        target = np.zeros((steps, len(self.classes)), np.float32)
        offset = np.zeros_like(target)
        side = np.zeros(steps, np.float32)
        best = np.full(target.shape, np.inf)
        is_near = (self.when[at] > middles[0] - 2) & (self.when[at] < middles[-1] + 2)
        near = (one[at][is_near] for one in (self.when, self.label, self.side))
        for when, label, sign in zip(*near, strict=True):
            gap = when - middles
            side[(np.abs(gap) <= _NEAR) & (np.abs(gap) < best.min(axis=1))] = sign
            closer = (np.abs(gap) <= _NEAR) & (np.abs(gap) < best[:, label])
            target[closer, label], offset[closer, label] = 1, gap[closer]
            best[closer, label] = np.abs(gap[closer])
        return target, offset, side


class Clip(NamedTuple):
    """A clip of T steps, and how it is to be seen."""

    image: npt.NDArray[np.uint8]  # (T, 3, h, w) as filmed
    target: Arrays  # (T, K) 1 near an event of the class
    offset: Arrays  # (T, K) steps to it
    side: Arrays  # (T,) of the event nearest, once mirrored: 1 right, -1 left, 0 none
    look: Arrays  # (3,) whether it is mirrored, its contrast, what is added to its brightness
    moves: Arrays  # (3 T, 2, 3) from where in the picture each is taken, see `seen`; or (0, 2, 3)


def seen(clips: Tensor, look: Tensor, moves: Tensor) -> Tensor:
    """Return a batch of clips (B, T, 3, h, w), bytes, as they are to be seen, on their device.

    Args:
        clips: As filmed.
        look: (B, 3) as `Clip` has it.
        moves: (B, 3 T, 2, 3), maps of a picture's own coordinates, -1 to 1 from the middle of its
            first pixel to that of its last, to those of the picture as filmed; (B, 0, 2, 3): none.
    """
    with torch.autocast(clips.device.type, enabled=False):
        picture = clips
        if moves.numel():
            flat = clips.float().flatten(0, 2)[:, None]  # (B · 3 T, 1, h, w)
            grid = F.affine_grid(moves.flatten(0, 1), list(flat.shape), align_corners=True)
            moved = F.grid_sample(flat, grid, padding_mode="reflection", align_corners=True)
            picture = moved.view(clips.shape)
        elif clips.device.type == "cpu":
            return _looked_up(clips, look)
        mirrored, contrast, brightness = look[:, :, None, None, None, None].unbind(1)
        picture = torch.where(mirrored > 0, picture.flip(-1), picture)
        return picture.float().mul_(contrast).add_(brightness).clamp_(0, 255).byte()


def _looked_up(clips: Tensor, look: Tensor) -> Tensor:
    """What `seen` makes of clips that do not move: a table of greys is thrice as fast on a CPU."""
    mirrored, contrast, brightness = look[:, :, None].unbind(1)
    tables = torch.arange(256.0).mul(contrast).add_(brightness).clamp_(0, 255).byte()
    picture = torch.empty_like(clips)
    for clip, is_mirrored, table, out in zip(clips, mirrored > 0, tables, picture, strict=True):
        rows = clip.flip(-1) if is_mirrored else clip.contiguous()
        flat = -1, rows.shape[-1]
        cv2.LUT(rows.view(flat).numpy(), table.numpy(), dst=out.view(flat).numpy())
    return picture


def _mistaken(
    raw: npt.NDArray[np.floating], when: npt.NDArray[np.float64], classes: int
) -> npt.NDArray[np.float64]:
    """How sure scores are of an event at each step, nothing in a ring around what is labelled."""
    sure = 1 / (1 + np.exp(-raw[:, :classes].astype(np.float64).max(axis=1)))
    gaps = np.abs(np.arange(len(sure))[:, None] + 0.5 - when)
    return np.where((gaps < _RING_STEPS).any(axis=1), 0.0, sure)


def _camera_moves(count: int, size_wh: tuple[int, int], rng: np.random.Generator) -> Arrays:
    """The moves (F, 2, 3) of a camera that drifts, turns and zooms, as `seen` takes them."""
    wide, high = size_wh
    to_pixels = np.array([[(wide - 1) / 2, 0, (wide - 1) / 2], [0, (high - 1) / 2, (high - 1) / 2],
                          [0, 0, 1]])  # fmt: skip
    moves = np.tile(np.eye(3), (count, 1, 1))
    moves[:, :2] = hand_moves(count, size_wh, Augmentation(), rng)
    found = np.linalg.inv(to_pixels) @ np.linalg.inv(moves) @ to_pixels
    return np.asarray(found[:, :2], np.float32)


@dataclass(frozen=True)
class EpochClips(Dataset[Batch]):
    """The clips of an epoch by their places."""

    sets: Sequence[Clips]  # in turn, a batch of each
    epoch: int
    batch_size: int

    def __getitem__(self, place: int) -> Batch:
        of = place // self.batch_size % len(self.sets)
        parts = map(torch.from_numpy, self.sets[of].draw(self.epoch, place))
        return *parts, torch.tensor(of)
