"""Batched Levenberg–Marquardt for many small non-linear least-squares problems.

The unit is a batch of parameters (B, P). A fit of one shot has many starts and hypotheses of the
same shape; solved as one batch they cost little more than one of them. Steps are damped with
Marquardt's scaling.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Floats

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_STEP = 1e-6
_GROW, _SHRINK = 6.0, 0.25
_LEAST_DAMPING, _MOST_DAMPING = 1e-7, 1e9


@dataclass(frozen=True)
class Batch:
    """Arrays with one row for each of B problems."""

    def take(self, index: NDArray[np.intp] | Bools) -> Self:
        """The rows of some of the problems."""
        return type(self)(**{item.name: getattr(self, item.name)[index] for item in fields(self)})


def forward_jacobian(residuals: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Derivatives (B, M, P) of `residuals` at parameters (B, P) by forward differences."""
    batch, size = at.shape
    moved = at[:, None, :] + np.concatenate([np.zeros((1, size)), _STEP * np.eye(size)])
    values = residuals(moved.reshape(-1, size)).reshape(batch, size + 1, -1)
    return np.asarray((values[:, 1:] - values[:, :1]).transpose(0, 2, 1) / _STEP)


def minimise(
    cost_of: Callable[[Floats], Floats],
    expand: Callable[[Floats, Bools], tuple[Floats, Floats, Floats]],
    start: Floats,
    *,
    iterations: int,
    damping: float,
) -> tuple[Floats, Floats, Floats]:
    """Minimise the cost of each problem from its own start.

    Args:
        cost_of: Maps parameters (B, P) to costs (B,), row by row.
        expand: Maps parameters of some problems, and flags (B,) of which they are, to their costs,
            gradients and Gauss–Newton matrices.
        start: Parameters (B, P).
        iterations: Steps tried; no problem stops the others.
        damping: To begin with.

    Returns:
        Parameters (B, P), costs (B,) and Gauss–Newton matrices (B, P, P).
    """
    at, trust = start.copy(), np.full(len(start), damping)
    cost, gradient, normal = expand(at, np.ones(len(at), bool))
    for _ in range(iterations):
        trial = at + _damped_step(normal, gradient, trust)
        better = cost_of(trial) < cost
        # Less damping where the step lowered the cost, more where it did not.
        trust = np.clip(trust * np.where(better, _SHRINK, _GROW), _LEAST_DAMPING, _MOST_DAMPING)
        if better.any():
            at[better] = trial[better]
            cost[better], gradient[better], normal[better] = expand(at[better], better)
    return at, cost, normal


def minimise_squares(
    residuals: Callable[[Floats], Floats], start: Floats, *, iterations: int
) -> tuple[Floats, Floats]:
    """Minimise half the sum of squares of residuals (B, M); see `minimise`."""

    def cost_of(at: Floats) -> Floats:
        values = residuals(at)
        return np.asarray(0.5 * np.nan_to_num(values * values, nan=np.inf).sum(axis=1))

    def expand(at: Floats, _: Bools) -> tuple[Floats, Floats, Floats]:
        jacobian = forward_jacobian(residuals, at)
        crossed = jacobian.transpose(0, 2, 1)
        gradient = (crossed @ residuals(at)[..., None])[..., 0]
        return cost_of(at), gradient, crossed @ jacobian

    found, costs, _ = minimise(cost_of, expand, start, iterations=iterations, damping=1e-2)
    return found, costs


def _damped_step(normal: Floats, gradient: Floats, damping: Floats) -> Floats:
    """The step (B, P) that solves (N + damping·diag N) step = -gradient for each problem."""
    diagonal = np.einsum("bii->bi", normal)
    damped = normal.copy()
    index = np.arange(normal.shape[1])
    damped[:, index, index] += damping[:, None] * diagonal + 1e-9
    return np.asarray(-np.linalg.solve(damped, gradient[..., None])[..., 0])
