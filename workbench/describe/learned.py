"""Writers that learn: a small decoder, and a language model with a projector and LoRA.

The unit is one clip as a vector in (an encoder's features and the rise and fall of motion), a text
out. Both learn from exact truth, said by the rules with varied wording, and may then say anything:
`check` tells what of it is true, beside the rules on the same clips.

- `decoder`: a recurrent network over words, from random weights;
- `llm`: any causal language model by name or folder, frozen; the vector becomes the first few of
  its inputs, low-rank additions to all linear layers learn (Hu et al. 2021, arXiv:2106.09685;
  projector and LoRA as in SV3.3B, arXiv:2507.17844). Needs peft.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from workbench.describe.clips import small_frames
from workbench.describe.encoders import make_encoder
from workbench.describe.facts import ClipFacts, true_facts
from workbench.describe.keyframes import DescribeError, local_motion
from workbench.describe.moment import curve_features
from workbench.describe.writers import write_by_rules
from workbench.footage.clips import Clip
from workbench.training.folder import BEST, identity_of, load_checkpoint
from workbench.training.history import TrainingResult
from workbench.training.language import load_language_model
from workbench.training.loop import train
from workbench.training.recipe import Recipe

_TOKEN = re.compile(r"\d|[^\W\d]+|[^\w\s]|\s")  # numbers digit by digit
_PAD, _START, _END, _OTHER = range(4)
_LONGEST = 160  # tokens of the small decoder
_LONGEST_LLM = 90


@dataclass(frozen=True)
class WriterRecipe(Recipe):
    """Settings of a writer's training."""

    kind: Literal["decoder", "llm"] = "decoder"
    encoder: str = "clip"  # what made the vectors, by name …
    encoder_weights: str = ""  # … and its weights
    width: int = 192  # of the small decoder
    llm: str = ""  # name or folder of the language model
    prefix: int = 4  # inputs that the vector becomes
    rank: int = 16  # of the low-rank additions


def clip_vector(frames: NDArray[np.uint8], encode: Any) -> NDArray[np.float64]:
    """Return what a learned writer is told of a clip (T, H, W, 3): features and motion (D,)."""
    return np.concatenate([encode(frames), curve_features(local_motion(frames))[:-1]])


class SmallDecoder(nn.Module):
    """A GRU over words that starts from the vector."""

    def __init__(self, inside: int, words: Sequence[str], width: int = 192) -> None:
        super().__init__()
        self.words = list(words)
        self._number = {word: number + 4 for number, word in enumerate(words)}
        self.norm = nn.BatchNorm1d(inside, affine=False)
        self.enter = nn.Sequential(nn.Dropout(0.3), nn.Linear(inside, width), nn.Tanh())
        self.embed = nn.Embedding(len(words) + 4, width)
        self.steps = nn.GRU(2 * width, width, batch_first=True)
        self.exit = nn.Linear(width, len(words) + 4)

    def forward(self, vectors: Tensor, texts: Sequence[str]) -> Tensor:
        """Mean cross-entropy of texts."""
        rows = [[_START, *(self._number.get(one, _OTHER) for one in _TOKEN.findall(text)), _END]
                for text in texts]  # fmt: skip
        tensors = [torch.tensor(row, device=vectors.device) for row in rows]
        tokens = nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=_PAD)
        scores, _ = self._next(self.enter(self.norm(vectors)), tokens[:, :-1], None)
        return F.cross_entropy(scores.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=_PAD)

    @torch.no_grad()
    def write(self, vectors: Tensor) -> list[str]:
        """Write the likeliest next word, until the text ends."""
        seen, state = self.enter(self.norm(vectors)), None
        last = torch.full((len(vectors), 1), _START, device=vectors.device)
        out = []
        for _ in range(_LONGEST):
            scores, state = self._next(seen, last, state)
            last = scores.argmax(-1)
            out.append(last[:, 0])
        rows = torch.stack(out, dim=1).tolist()
        return ["".join(self.words[t - 4] for t in row[: _until(row)] if t > _OTHER)
                for row in rows]  # fmt: skip

    def _next(self, seen: Tensor, tokens: Tensor, state: Any) -> tuple[Tensor, Tensor]:
        told = seen[:, None].expand(-1, tokens.shape[1], -1)
        states, state = self.steps(torch.cat([self.embed(tokens), told], dim=2), state)
        return self.exit(states), state


class LlmWriter(nn.Module):
    """A frozen language model; what learns, and is saved, is the projector and the additions."""

    def __init__(self, inside: int, model: str, prefix: int = 4, rank: int = 16) -> None:
        super().__init__()
        try:
            from peft import LoraConfig, get_peft_model
        except ModuleNotFoundError:
            raise DescribeError("peft is not installed", "pip install peft") from None
        words, network = load_language_model(model)
        words.pad_token = words.pad_token or words.eos_token
        config = LoraConfig(
            r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        network = get_peft_model(network, config)
        self._frozen = (network, words)  # a tuple: no part of the state
        learns = {name: one for name, one in network.named_parameters() if one.requires_grad}
        self.additions = nn.ParameterDict(
            {name.replace(".", "-"): one for name, one in learns.items()}
        )
        width = network.get_input_embeddings().embedding_dim
        self.norm = nn.BatchNorm1d(inside, affine=False)
        self.projector = nn.Sequential(
            nn.Linear(inside, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, prefix * width),
            nn.Unflatten(1, (prefix, width)), nn.LayerNorm(width),
        )  # fmt: skip
        nn.init.constant_(self.projector[-1].weight, 0.1)  # type: ignore[arg-type]  # as words are

    def forward(self, vectors: Tensor, texts: Sequence[str]) -> Tensor:
        """Mean cross-entropy of texts."""
        network, words = self._frozen[0].to(vectors.device), self._frozen[1]
        network.train(self.training)
        ended = [text + words.eos_token for text in texts]
        given = words(ended, return_tensors="pt", padding=True, padding_side="right")
        given = given.to(vectors.device)
        prefix = self.projector(self.norm(vectors))
        inputs = torch.cat([prefix, network.get_input_embeddings()(given.input_ids)], dim=1)
        shown = torch.cat([torch.ones_like(prefix[..., 0]).long(), given.attention_mask], dim=1)
        meant = given.input_ids.masked_fill(given.attention_mask == 0, -100)
        meant = torch.cat([torch.full_like(prefix[..., 0], -100).long(), meant], dim=1)
        loss: Tensor = network(inputs_embeds=inputs, attention_mask=shown, labels=meant).loss
        return loss

    @torch.no_grad()
    def write(self, vectors: Tensor) -> list[str]:
        """Write the likeliest next word, until the text ends."""
        network: Any = self._frozen[0].to(vectors.device).eval()
        words = self._frozen[1]
        prefix = self.projector(self.norm(vectors))
        tokens = network.generate(
            inputs_embeds=prefix, attention_mask=torch.ones_like(prefix[..., 0]).long(),
            max_new_tokens=_LONGEST_LLM, do_sample=False, pad_token_id=words.pad_token_id,
        )  # fmt: skip
        texts: list[str] = words.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() for text in texts]


class WriterLearner:
    """A writer as the loop trains it; every epoch words the truth anew."""

    best_by = "likeness"

    def __init__(
        self,
        vectors: NDArray[np.float64],
        facts: Sequence[ClipFacts],
        is_valid: NDArray[np.bool_],
        recipe: WriterRecipe,
    ) -> None:
        self.recipe = recipe
        self._vectors, self._facts = torch.from_numpy(vectors).float(), list(facts)
        self._learn, self._valid = (np.flatnonzero(one).tolist() for one in (~is_valid, is_valid))
        self._settings: dict[str, Any] = {"inside": vectors.shape[1]}
        if recipe.kind == "llm":
            more = {"model": recipe.llm, "prefix": recipe.prefix, "rank": recipe.rank}
        else:
            rng = np.random.default_rng(0)
            said = [write_by_rules(self._facts[n], rng) for n in self._learn for _ in range(20)]
            counts = Counter(token for text in said for token in _TOKEN.findall(text))
            more = {"words": [*sorted(counts)], "width": recipe.width}
        self._settings |= more
        self.network = _KINDS[recipe.kind](**self._settings)

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the clips of each batch; a last one of a single clip is left out."""
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(self._learn)
        size = self.recipe.batch_size
        cut = [order[start : start + size].tolist() for start in range(0, len(order), size)]
        return [one for one in cut if len(one) > 1]

    def load(
        self, epoch: int, batches: Sequence[Sequence[int]]
    ) -> Iterator[tuple[Tensor, list[str]]]:
        """Yield the vectors of clips, and what is true of them, worded anew."""
        for number, batch in enumerate(batches):
            rng = np.random.default_rng([self.recipe.seed, epoch, number])
            texts = [write_by_rules(self._facts[clip], rng) for clip in batch]
            yield self._vectors[list(batch)], texts

    def losses(self, network: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Return the loss."""
        return {"loss": network(*batch)}

    def judge(self, network: nn.Module) -> Mapping[str, float]:
        """Return the loss on validation clips."""
        texts = [write_by_rules(self._facts[clip]) for clip in self._valid]
        device = next(network.parameters()).device
        loss = float(network(self._vectors[self._valid].to(device), texts))
        return {"valid_loss": loss, "likeness": -loss}

    def describe(self) -> dict[str, Any]:
        """Return what is needed to build the writer again."""
        told = self.recipe
        return {"writer": {"kind": told.kind, "settings": self._settings, "encoder": told.encoder,
                           "encoder_weights": told.encoder_weights}}  # fmt: skip


_KINDS: Mapping[str, Any] = {"decoder": SmallDecoder, "llm": LlmWriter}


def train_writer(
    vectors: NDArray[np.float64],
    facts: Sequence[ClipFacts],
    is_valid: NDArray[np.bool_],
    run_dir: Path,
    recipe: WriterRecipe | None = None,
    **callbacks: Any,
) -> TrainingResult:
    """Train a writer.

    Args:
        vectors: What `clip_vector` makes of clips (N, D).
        facts: What is true of each.
        is_valid: Which clips choose the epoch (N,); of sessions that no other clip is of.
        run_dir: Where the run goes.
        recipe: Its settings.
        callbacks: Who is told; see `training.loop`.

    Raises:
        WorkbenchError: If the language model cannot be loaded, or the folder holds another run.
    """
    recipe = recipe or WriterRecipe()
    told = hashlib.sha256(vectors.tobytes() + repr(list(facts)).encode() + is_valid.tobytes())
    make = partial(WriterLearner, vectors, facts, is_valid, recipe)
    identity = identity_of(recipe, clips=told.hexdigest())
    return train(make, run_dir, recipe, identity, **callbacks)


def learn_to_write(
    clips: Sequence[Clip],
    footage_dir: Path,
    valid_ids: Collection[str],
    run_dir: Path,
    recipe: WriterRecipe,
    *,
    on_clip: Callable[[Clip], None] | None = None,
    **callbacks: Any,
) -> TrainingResult:
    """Train a writer on clips that have a truth.

    Args:
        clips: To learn from, and those that choose the epoch.
        footage_dir: Folder of `clips.json`.
        valid_ids: The latter; of sessions that no other clip is of.
        run_dir: Where the run goes.
        recipe: Its settings; the encoder is its.
        on_clip: Called after each clip is encoded.
        callbacks: Who is told of epochs; see `training.loop`.

    Raises:
        WorkbenchError: If a clip cannot be read or has no truth, or the encoder cannot be had.
    """
    encode, vectors = make_encoder(recipe.encoder, recipe.encoder_weights), []
    for clip in clips:
        vectors.append(clip_vector(small_frames(clip, footage_dir), encode))
        if on_clip is not None:
            on_clip(clip)
    facts = [true_facts(clip, footage_dir) for clip in clips]
    is_valid = np.array([clip.clip_id in valid_ids for clip in clips])
    return train_writer(np.stack(vectors), facts, is_valid, run_dir, recipe, **callbacks)


def trained_writers(folder: Path) -> dict[str, "LearnedWriter"]:
    """Return the writers whose runs a folder holds, by the name of the run."""
    return {run.parent.name: LearnedWriter(run.parent) for run in sorted(folder.glob(f"*/{BEST}"))}


class LearnedWriter:
    """A trained writer with the encoder it has learned with."""

    def __init__(self, run_dir: Path) -> None:
        """Load the best epoch of a run.

        Raises:
            WorkbenchError: If there is none, or its encoder or language model cannot be loaded.
        """
        content = load_checkpoint(run_dir / BEST, "train it with train_writer first")
        if "writer" not in content:
            raise DescribeError(f"{run_dir} holds no writer", "name the folder of a writer's run")
        told = content["writer"]
        self.network: SmallDecoder | LlmWriter = _KINDS[told["kind"]](**told["settings"])
        self.network.load_state_dict(content["network"])
        self.network.eval()
        self.name, self._told = run_dir.name, told
        self._encode: Any = None

    def write(self, vectors: NDArray[np.float64]) -> list[str]:
        """Write of clips as vectors (N, D)."""
        device = next(self.network.parameters()).device
        return self.network.write(torch.from_numpy(vectors).float().to(device))

    def describe(self, frames: NDArray[np.uint8]) -> str:
        """Write of a clip's frames (T, H, W, 3)."""
        if self._encode is None:
            self._encode = make_encoder(self._told["encoder"], self._told["encoder_weights"])
        return self.write(clip_vector(frames, self._encode)[None])[0]


def _until(tokens: Sequence[int]) -> int:
    return tokens.index(_END) if _END in tokens else len(tokens)
