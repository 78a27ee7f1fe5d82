"""Batched Levenberg–Marquardt for many small non-linear least-squares problems.

The unit of data is a batch: parameters (B, P), residuals (B, M). A fit of one shot has many starts
and hypotheses of the same shape; solved as one batch they cost little more than one of them. Steps
are damped with Marquardt's scaling. Knows nothing about what is being fitted.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import Floats

_STEP = 1e-6
_GROW, _SHRINK = 6.0, 0.25
_LEAST_DAMPING, _MOST_DAMPING = 1e-7, 1e9


def forward_jacobian(residuals: Callable[[Floats], Floats], at: Floats) -> Floats:
    """Derivatives (B, M, P) of `residuals` at parameters (B, P) by forward differences."""
    batch, size = at.shape
    moved = at[:, None, :] + np.concatenate([np.zeros((1, size)), _STEP * np.eye(size)])
    values = residuals(moved.reshape(-1, size)).reshape(batch, size + 1, -1)
    return np.asarray((values[:, 1:] - values[:, :1]).transpose(0, 2, 1) / _STEP)


def damped_step(normal: Floats, gradient: Floats, damping: Floats) -> Floats:
    """The step (B, P) that solves (N + damping·diag N) step = -gradient for each problem."""
    diagonal = np.einsum("bii->bi", normal)
    damped = normal.copy()
    index = np.arange(normal.shape[1])
    damped[:, index, index] += damping[:, None] * diagonal + 1e-9
    return np.asarray(-np.linalg.solve(damped, gradient[..., None])[..., 0])


def next_damping(damping: Floats, better: NDArray[np.bool_]) -> Floats:
    """Less damping where the last step lowered the cost, more where it did not."""
    changed = np.where(better, damping * _SHRINK, damping * _GROW)
    return np.clip(changed, _LEAST_DAMPING, _MOST_DAMPING)


def minimise(
    residuals: Callable[[Floats], Floats], start: Floats, iterations: int
) -> tuple[Floats, Floats]:
    """Minimise half the sum of squares of each problem from its own start.

    Args:
        residuals: Maps parameters (B, P) to residuals (B, M), row by row.
        start: Parameters (B, P).
        iterations: Steps tried; no problem stops the others.

    Returns:
        Parameters (B, P) and costs (B,).
    """

    def cost_of(values: Floats) -> Floats:
        return np.asarray(0.5 * np.nan_to_num(values * values, nan=np.inf).sum(axis=1))

    at, values = start.copy(), residuals(start)
    costs, damping = cost_of(values), np.full(len(start), 1e-2)
    jacobian = forward_jacobian(residuals, at)
    for _ in range(iterations):
        crossed = jacobian.transpose(0, 2, 1)
        gradient = (crossed @ values[..., None])[..., 0]
        trial = at + damped_step(crossed @ jacobian, gradient, damping)
        tried = residuals(trial)
        tried_costs = cost_of(tried)
        better = tried_costs < costs
        at[better], values[better], costs[better] = (
            trial[better],
            tried[better],
            tried_costs[better],
        )
        damping = next_damping(damping, better)
        if better.any():
            jacobian[better] = forward_jacobian(residuals, at[better])
    return at, costs
