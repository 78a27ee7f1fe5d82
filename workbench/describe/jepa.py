"""V-DWT-JEPA: a clip encoder that learns without labels, on Haar sub-bands of small grey clips.

The unit is one clip of 16 grey frames (16, 96, 96). Each frame becomes four bands (Haar, level 1);
tubelets of two frames and 8×8 cells are the tokens. Some are hidden, in blocks that last the whole
clip. From the others a predictor says what the target, a slowly following copy of the encoder that
sees all, makes of the hidden ones (V-JEPA: Bardes et al. 2024, arXiv:2404.08471; on wavelet bands:
SV3.3B, arXiv:2507.17844). Hidden tokens are dropped before the blocks: no state has seen them.
Knows nothing about labels.

Such a network can fool itself: where all clips look the same to the target, all is predicted. So
a hinge keeps the encoder's outputs apart, and `spread`, how far clips differ to the target, is
judged each epoch: one in which it is below half of what it was before training is never the best.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.training.folder import BEST, identity_of, load_checkpoint
from workbench.training.history import TrainingResult
from workbench.training.loop import train
from workbench.training.recipe import Recipe
from workbench.training.weights import WeightsError

FRAMES, SIDE_PX = 16, 96
_TUBE, _CELL, _BANDS = 2, 8, 4  # frames and pixels of a band that one token covers
_STEPS, _ROWS = FRAMES // _TUBE, SIDE_PX // 2 // _CELL
_SCALES = (0.4, 0.05, 0.05, 0.05)  # usual spread of each band, of grey levels 0–1
_BLOCKS, _SHOWN = 3, 120  # hidden blocks; context tokens at most
_LEAST_SPREAD = 0.5  # of what it was before training


@dataclass(frozen=True)
class JepaRecipe(Recipe):
    """Settings of a run; `follow` is how slowly the target follows."""

    epochs: int = 20
    learning_rate: float = 1e-3
    width: int = 96
    depth: int = 4
    follow: float = 0.99
    apart: float = 1.0  # weight of the hinge


def small_clip(frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a clip (T, H, W, 3) as the network takes it: (16, 96, 96), evenly spaced in time."""
    places = ((np.arange(FRAMES) + 0.5) * len(frames) / FRAMES).astype(int)
    grey = (cv2.cvtColor(frames[place], cv2.COLOR_RGB2GRAY) for place in places)
    small = [cv2.resize(one, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA) for one in grey]
    return np.stack(small).astype(np.uint8)


def haar_tokens(clips: Tensor) -> Tensor:
    """Return the tokens (N, 288, 512) of clips (N, 16, 96, 96) of grey levels 0–255."""
    x = clips.float() / 255
    x = x - x.mean(dim=(1, 2, 3), keepdim=True)
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    bands = torch.stack([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], dim=2) / 2
    bands = bands / bands.new_tensor(_SCALES).view(1, 1, 4, 1, 1)
    shape = len(x), _STEPS, _TUBE, _BANDS, _ROWS, _CELL, _ROWS, _CELL
    return bands.reshape(shape).permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4).flatten(1, 3)


class _Sight(nn.Module):
    """Transformer blocks over tokens that know their place."""

    places: Tensor

    def __init__(self, inside: int, width: int, depth: int, heads: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(inside, width)
        block = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.blocks = nn.TransformerEncoder(
            block, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.register_buffer("places", _places(width), persistent=False)

    def forward(self, tokens: Tensor, shown: Tensor | None = None) -> Tensor:
        """States of tokens (N, L, inside), or only of those that are shown (N, L')."""
        x = self.enter(tokens) + self.places
        states: Tensor = self.blocks(x if shown is None else _take(x, shown))
        return states


class Jepa(nn.Module):
    """Encoder, predictor, and the target, a copy that follows the encoder."""

    def __init__(self, width: int = 96, depth: int = 4) -> None:
        super().__init__()
        inside = _BANDS * _TUBE * _CELL**2
        self.encoder = _Sight(inside, width, depth)
        self.target = _Sight(inside, width, depth).requires_grad_(False)
        self.target.load_state_dict(self.encoder.state_dict())
        self.predictor = _Sight(width, width, 2)
        self.hidden = nn.Parameter(torch.zeros(width))
        self.exit = nn.Linear(width, width)

    def forward(self, clips: Tensor, shown: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Mean error of what is predicted of the hidden tokens, and the shown states."""
        tokens = haar_tokens(clips)
        states = self.encoder(tokens, shown)
        with torch.no_grad():
            meant = _take(self.target(tokens), hidden)
            meant = F.layer_norm(meant, meant.shape[-1:])
        asked = self.hidden.expand(*hidden.shape, -1)
        places = torch.cat([shown, hidden], dim=1)
        x = self.predictor.enter(torch.cat([states, asked], dim=1))
        x = self.predictor.blocks(x + self.predictor.places[places])
        told = self.exit(x[:, shown.shape[1] :])
        return F.l1_loss(told, meant), states

    @torch.no_grad()
    def follow(self, slowness: float) -> None:
        """Move the target towards the encoder."""
        for own, its in zip(self.target.parameters(), self.encoder.parameters(), strict=True):
            own.lerp_(its, 1 - slowness)

    @torch.no_grad()
    def features(self, clips: Tensor) -> Tensor:
        """Return features (N, 4 · width): the target's states, their change, their peaks."""
        states = self.target(haar_tokens(clips)).unflatten(1, (_STEPS, -1))
        over_time = states.mean(2)
        change = over_time.diff(dim=1).abs().mean(1)
        peaks = states.amax(dim=(1, 2))
        return torch.cat([over_time.mean(1), over_time.std(1), change, peaks], dim=1)


class JepaLearner:
    """The network as the loop trains it, on clips (N, 16, 96, 96)."""

    best_by = "sees"

    def __init__(
        self, clips: NDArray[np.uint8], valid: NDArray[np.uint8], recipe: JepaRecipe
    ) -> None:
        self.recipe = recipe
        self.network = Jepa(recipe.width, recipe.depth)
        self._clips, self._valid = torch.from_numpy(clips), torch.from_numpy(valid)
        self._first = self._spread(self.network)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the clips of each batch, in an order of the epoch's own."""
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(len(self._clips))
        size = self.recipe.batch_size
        return [order[start : start + size].tolist() for start in range(0, len(order), size)]

    def load(self, epoch: int, batches: Sequence[Sequence[int]]) -> Any:
        """Yield clips with what is shown and hidden of them."""
        for number, batch in enumerate(batches):
            rng = np.random.default_rng([self.recipe.seed, epoch, number])
            yield (self._clips[list(batch)], *draw_hidden(len(batch), rng))

    def losses(self, network: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Return the loss, the prediction's error, and how far clips are apart."""
        self.network.follow(self.recipe.follow)
        error, states = network(*batch)
        pooled = states.mean(1)
        apart = torch.sqrt(pooled.var(0) + 1e-4) if len(pooled) > 1 else pooled.new_ones(1)
        loss = error + self.recipe.apart * F.relu(0.5 - apart).mean()
        return {"loss": loss, "error": error.detach(), "apart": apart.mean().detach()}

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Return the error on other clips, the spread, and what chooses the epoch."""
        assert isinstance(network, Jepa)
        device = next(network.parameters()).device
        clips = self._valid.to(device)
        masks = draw_hidden(len(clips), np.random.default_rng(self.recipe.seed))
        with torch.no_grad():
            error = float(network(clips, *(one.to(device) for one in masks))[0])
        spread = self._spread(network)
        collapsed = spread < _LEAST_SPREAD * self._first
        return {"valid_loss": error, "spread": spread, "sees": -error - 10 * collapsed}

    def describe(self) -> dict[str, Any]:
        """Return what is needed to build the network again."""
        return {"jepa": {"width": self.recipe.width, "depth": self.recipe.depth}}

    def _spread(self, network: nn.Module) -> float:
        """How far clips differ to the target, in units of a state's own spread."""
        assert isinstance(network, Jepa)
        clips = self._valid.to(next(network.parameters()).device)
        with torch.no_grad():
            return float(network.target(haar_tokens(clips)).mean(1).std(0).mean())


def draw_hidden(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw which tokens are shown and which hidden: (N, 120) and (N, L), blocks for all time."""
    pairs = []
    for _ in range(count):
        mask = np.zeros((_ROWS, _ROWS), bool)
        for _ in range(_BLOCKS):
            height, width = rng.integers(2, 4, 2)
            top, left = rng.integers(0, _ROWS - height + 1), rng.integers(0, _ROWS - width + 1)
            mask[top : top + height, left : left + width] = True
        over_time = np.broadcast_to(mask, (_STEPS, _ROWS, _ROWS)).ravel()
        pairs.append([rng.permutation(np.flatnonzero(over_time == hide)) for hide in (False, True)])
    shown = min(_SHOWN, *(len(one) for one, _ in pairs))
    hidden = min(len(one) for _, one in pairs)
    return (
        torch.from_numpy(np.stack([np.sort(one[:shown]) for one, _ in pairs])),
        torch.from_numpy(np.stack([np.sort(one[:hidden]) for _, one in pairs])),
    )


def train_jepa(
    clips: NDArray[np.uint8],
    valid: NDArray[np.uint8],
    run_dir: Path,
    recipe: JepaRecipe | None = None,
    **callbacks: Any,
) -> TrainingResult:
    """Train on clips as `small_clip` makes them; `valid` are of other sessions."""
    recipe = recipe or JepaRecipe()
    identity = identity_of(
        recipe, clips=hashlib.sha256(clips.tobytes() + valid.tobytes()).hexdigest()
    )
    make: Any = partial(JepaLearner, clips, valid, recipe)
    return train(make, run_dir, recipe, identity, **callbacks)


def load_jepa(run_dir: Path) -> Jepa:
    """Load the best network of a run.

    Raises:
        WorkbenchError: If there is none, or it is another network.
    """
    content = load_checkpoint(run_dir / BEST, "train it with train_jepa first")
    try:
        network = Jepa(**content["jepa"])
        network.load_state_dict(content["network"])
    except (KeyError, RuntimeError, TypeError) as error:
        said = str(error).splitlines()[0]
        raise WeightsError(f"{run_dir} holds no V-DWT-JEPA ({said})", "train it again") from None
    return network.eval()


def _take(states: Tensor, places: Tensor) -> Tensor:
    return torch.gather(states, 1, places[..., None].expand(-1, -1, states.shape[-1]))


def _places(width: int) -> Tensor:
    """Sines and cosines of step, row and column of each token (288, width)."""
    axes = [torch.arange(size).float() for size in (_STEPS, _ROWS, _ROWS)]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
    count = width // 6
    waves = 2 / 10000 ** (torch.arange(count) / count)
    angles = (grid[..., None] * waves).flatten(1)
    told = torch.cat([angles.sin(), angles.cos()], dim=1)
    return F.pad(told, (0, width - told.shape[1]))
