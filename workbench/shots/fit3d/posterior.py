"""The posterior over the hypotheses of a shot, as probabilities and weighted samples.

Laplace's approximation gives the evidence of each fitted hypothesis; samples around each solution
say where and how fast the ball crossed the line and whether that was a goal. Fits nothing;
calibration is the task of `head`.
"""

from dataclasses import dataclass

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import HELD
from workbench.shots.fit3d.fit import (
    Fitted,
    Observations,
    Priors,
    even_sigma,
    explained,
    legs_of,
    trace,
)
from workbench.shots.fit3d.hands import find_hands, touch_odds
from workbench.shots.fit3d.hypotheses import BANK, NOTHING
from workbench.shots.leastsquares import Bools, Ints

_SAMPLES, _LEAST_SAMPLES, _LEAST_PROBABILITY = 400, 24, 2e-3
_TRUST = 0.6  # exponent of the evidence, below 1 because no model of a shot is exact
_LEEWAY_M = 0.1  # by which a sample may miss the depths of its hypothesis
_STEP_S = 1 / 60
_EARLIEST_S, _LATEST_S = 1.0, 0.6  # before and after the track
_HOPELESS = -1e9


@dataclass(frozen=True)
class Posterior:
    """All hypotheses with their probabilities, and samples of what they imply."""

    observations: Observations
    hypothesis: Ints  # (H,) index into BANK; one may be there for several cameras
    probability: Floats  # (H,)
    priors: Priors
    fitted: Fitted
    samples: Floats  # (S, 30)
    weight: Floats  # (S,) sums to one
    goal: Bools  # (S,)
    crossing: Floats  # (S, 2) x, z at the plane of the line; NaN where it is not reached
    line_mps: Floats  # (S,) speed there; NaN where it is not reached

    @property
    def best(self) -> int:
        """The row of the most probable hypothesis."""
        return int(np.argmax(self.probability))

    @property
    def best_ball(self) -> tuple[Floats, Ints]:
        """The parameters (1, 30) of the most probable hypothesis, and its ending (1,)."""
        row = slice(self.best, self.best + 1)
        return self.fitted.parameters[row], self.priors.ending[row]

    @property
    def kick_s(self) -> float:
        """When the foot met the ball."""
        return float(self.fitted.parameters[self.best, col.KICK_S])


def weigh(
    observations: Observations,
    priors: Priors,
    fitted: Fitted,
    hypothesis: Ints,
    start_cost: Floats,
    rng: np.random.Generator,
) -> Posterior:
    """Weigh fitted hypotheses (H,) against each other.

    `start_cost` (H,) is what each start costs besides, see `hypotheses.cost_of_start`.
    """
    log_weight = _log_evidence(fitted, priors, hypothesis) - start_cost
    log_weight = np.where(np.isfinite(log_weight), log_weight, _HOPELESS)
    log_weight += _hands(observations, priors, fitted, hypothesis, int(np.argmax(log_weight)))
    share = np.exp(log_weight - log_weight.max())
    share /= share.sum()
    samples, rows = _draw(fitted, share, rng)
    goal, crossing, line_mps = _crossings(samples, priors.ending[rows], observations)
    even = share[rows] / np.bincount(rows, minlength=len(share))[rows]
    place = legs_of(samples).at((samples[:, col.EVENT_S] - samples[:, col.KICK_S])[:, None])
    depth, (low, high) = place[1, :, 0], priors.event_y[rows].T
    weight = even * ((depth > low - _LEEWAY_M) & (depth < high + _LEEWAY_M))
    # How well each sample's outcome, goal or not, goes with its hypothesis.
    goes = np.array([item.goes for item in BANK], dtype=np.float64)
    weight = weight * goes[hypothesis[rows], np.where(goal, 0, 1)]
    if weight.sum() <= 0:  # no sample is within its depths: use all
        weight = even
    weight = weight / weight.sum()
    probability = np.bincount(rows, weight, len(share)).astype(np.float64)
    return Posterior(
        observations, hypothesis, probability, priors, fitted, samples, weight, goal, crossing,
        line_mps,
    )  # fmt: skip


def _hands(
    observations: Observations, priors: Priors, fitted: Fitted, hypothesis: Ints, best: int
) -> Floats:
    """Log odds (H,) of those hypotheses in which somebody touches the ball, by who is there."""
    odds = np.zeros(len(hypothesis))
    row = slice(best, best + 1)
    [trust], _ = explained(
        observations, priors.take(np.arange(best, best + 1)), fitted.parameters[row]
    )
    for number in np.flatnonzero([BANK[one].touched for one in hypothesis]):
        found = find_hands(observations, fitted.parameters[number], trust)
        odds[number] = touch_odds(found, held=bool(priors.ending[number] == HELD))
    return odds


def _log_evidence(fitted: Fitted, priors: Priors, hypothesis: Ints) -> Floats:
    """Laplace's approximation to the log probability (H,) of the observations and hypothesis.

    Priors are normalised; the one in the depth of the event becomes one in its time by |v_y|.
    """
    normal = fitted.normal + 1e-9 * np.eye(fitted.normal.shape[1])
    _, log_volume = np.linalg.slogdet(normal)
    own = priors.weight[:, [col.AFTER_X, col.AFTER_Y, col.AFTER_Z, col.LOG_DAMPING]]
    evidence = -fitted.cost - 0.5 * log_volume + np.log(own).sum(axis=1)
    since = fitted.parameters[:, col.EVENT_S] - fitted.parameters[:, col.KICK_S]
    velocity = legs_of(fitted.parameters).velocity_at(since[:, None])
    timing = np.where(
        hypothesis == NOTHING,
        np.log(np.maximum(priors.weight[:, col.EVENT_S], 1e-9)),
        np.log(np.maximum(np.abs(velocity[1, :, 0]), 1.0) / even_sigma(priors.event_y)),
    )
    prior = np.log(np.array([item.prior for item in BANK]))[hypothesis]
    return np.asarray(_TRUST * (evidence + timing) + prior)


def _draw(fitted: Fitted, share: Floats, rng: np.random.Generator) -> tuple[Floats, Ints]:
    """Samples (S, 30) about the solutions, more of the likely ones; the row (S,) of each.

    The first sample of each solution is the solution itself.
    """
    counts = np.maximum(np.ceil(_SAMPLES * share), _LEAST_SAMPLES).astype(int)
    counts[share < _LEAST_PROBABILITY] = 0
    drawn = []
    for row in np.flatnonzero(counts):
        values, vectors = np.linalg.eigh(fitted.normal[row])
        noise = rng.standard_normal((counts[row], len(values)))
        noise[0] = 0.0
        spread = vectors / np.sqrt(np.maximum(values, 1e-6))
        drawn.append(fitted.parameters[row] + noise @ spread.T)
    return np.concatenate(drawn), np.repeat(np.arange(len(share)), counts)


def _crossings(
    samples: Floats, ending: Ints, observations: Observations
) -> tuple[Bools, Floats, Floats]:
    """Whether each sample (S, 30) is a goal; x, z (S, 2) and speed (S,) at the line's plane."""
    half, height = observations.goal_size_m[0] / 2, observations.goal_size_m[1]
    begin = max(float(samples[:, col.KICK_S].min()), float(observations.times_s[0]) - _EARLIEST_S)
    times = np.arange(begin, observations.times_s[-1] + _LATEST_S, _STEP_S)
    path, _, _ = trace(samples, times, ending)
    path = np.where(times >= samples[:, col.KICK_S, None], path, np.nan)

    def passing(depth: float) -> tuple[Bools, Floats]:
        over = (path[1, :, :-1] > depth) & (path[1, :, 1:] <= depth)
        at = np.argmax(over, axis=1)
        rows = np.arange(len(samples))
        before, after = path[:, rows, at], path[:, rows, at + 1]
        share = (before[1] - depth) / np.maximum(before[1] - after[1], 1e-9)
        place = before + share * (after - before)
        return np.asarray(over.any(axis=1)), np.concatenate(
            [place[[0, 2]], np.linalg.norm(after - before, axis=0)[None] / _STEP_S]
        )

    meets, at_line = passing(0.0)
    crosses, beyond = passing(-BALL_RADIUS_M)
    goal: Bools = crosses & (np.abs(beyond[0]) < half) & (beyond[1] < height)
    at_line = np.where(meets, at_line, np.nan)
    return goal, at_line[:2].T, at_line[2]
