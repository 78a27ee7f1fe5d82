"""A network of two layers that learns a line: all that a network has to bring to the loop.

It has no batch normalisation, so that several processes must give the very losses of one.
"""

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from workbench.training.recipe import Recipe

EXAMPLES = 25  # in batches of 8: 9, 8 and 8, where two processes cannot share the 9 evenly
RECIPE = Recipe(epochs=4, batch_size=8, amp="off", device="cpu", learning_rate=0.02)


class TinyLearner:
    """Learns y = x·w from random points; judged by how well it fits them."""

    best_by = "fit"

    def __init__(self, recipe: Recipe, scripted: Sequence[float] = ()) -> None:
        self.recipe, self.scripted = recipe, list(scripted)
        rng = np.random.default_rng(5)
        self.inputs = torch.from_numpy(rng.normal(size=(EXAMPLES, 3))).float()
        self.answers = self.inputs @ torch.tensor([[1.0], [-2.0], [0.5]])
        self.network: nn.Module = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))
        self.judged: list[dict[str, Tensor]] = []

    def batches(self, epoch: int) -> list[list[int]]:
        order = np.random.default_rng([self.recipe.seed, epoch]).permutation(EXAMPLES)
        count = max(1, round(EXAMPLES / self.recipe.batch_size))
        return [part.tolist() for part in np.array_split(order, count)]

    def load(self, epoch: int, batches: Sequence[Sequence[int]]) -> Iterable[Any]:
        return ((self.inputs[list(batch)], self.answers[list(batch)]) for batch in batches)

    def losses(self, network: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        inputs, answers = batch
        errors = network(inputs) - answers
        return {"loss": errors.square().mean(), "absolute": errors.abs().mean()}

    def judge(self, network: nn.Module) -> dict[str, float]:
        state = network.state_dict()
        self.judged.append({name: value.clone() for name, value in state.items()})
        loss = float((network(self.inputs) - self.answers).square().mean())
        fit = self.scripted[len(self.judged) - 1] if self.scripted else -loss
        return {"valid_loss": loss, "fit": fit}

    def describe(self) -> dict[str, Any]:
        return {"layers": 2}


def fail(last_words: str | None, **_: Any) -> None:
    """Fail, or end the process at once after some words to stderr."""
    if last_words is None:
        raise ValueError("wrong\nand more")
    sys.stderr.write(last_words)
    sys.stderr.flush()
    os._exit(3)
