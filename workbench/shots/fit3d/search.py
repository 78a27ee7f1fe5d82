"""The search over hypotheses: every one is fitted from several starts, and the fits are weighed.

The unit of data is one shot. First the free path alone is fitted to the observations that follow
it, from each guess; from the best of these bases every hypothesis of the bank is started, with its
event at each possible depth. All fits of a round are one batch (`fit.solve`).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.shots.fit3d import columns as col
from workbench.shots.fit3d.ballistics import FALLS
from workbench.shots.fit3d.deflection import deflected
from workbench.shots.fit3d.fit import Observations, legs_of, solve
from workbench.shots.fit3d.hypotheses import (
    BANK,
    LAST_EVENT_S,
    NOTHING,
    Cases,
    Hypothesis,
    cost_of_start,
    priors_of,
)
from workbench.shots.fit3d.posterior import Posterior, weigh
from workbench.shots.goal.camera import CameraMode
from workbench.shots.leastsquares import Ints

_BASE_STEPS, _SCREEN_STEPS, _FINAL_STEPS = 7, 8, 14
_BASES, _BASE_COST = 3, 6.0  # how many bases, and how much worse than the best one may be
_MOST_COST = 45.0  # a hypothesis worse than the best by this after screening is dropped
_AIR_START_M = 0.4
_UNREACHED_COST = 1.7  # of an observation after the end of a base: nearly that of an outlier
_NEAR_MPS, _NEAR_S = 0.7, 0.05  # bases closer together than this count as one
_FLIES_S = 3.0
_TAIL_S = 0.6  # that counts of what follows the flight: later, other things act on the ball
_REACH_M = 0.5  # beyond its depths: a hypothesis whose event is this near starts there


def fit_hypotheses(
    observations: Observations,
    modes: Sequence[CameraMode],
    guesses: tuple[Floats, Ints],
    rng: np.random.Generator,
) -> Posterior:
    """Fit every hypothesis from the guesses of `firstguess`, at least one, and weigh them."""
    bases, their_cases = _fit_bases(observations, modes, *guesses)
    observations = observations.until(_last_end_s(bases) + _TAIL_S)
    parameters, cases = _starts(observations, bases, their_cases)
    priors = priors_of(observations, modes, cases, parameters[:, col.KICK_S])
    for steps in (_SCREEN_STEPS, _FINAL_STEPS):
        fitted = solve(observations, priors, parameters, steps)
        kept = _best_of_each(cases, fitted.cost + cost_of_start(observations, priors, modes, cases))
        priors, fitted, cases = priors.take(kept), fitted.take(kept), cases.take(kept)
        parameters = fitted.parameters
    start_cost = cost_of_start(observations, priors, modes, cases)
    return weigh(observations, priors, fitted, cases.hypothesis, start_cost, rng)


def _fit_bases(
    observations: Observations, modes: Sequence[CameraMode], guessed: Floats, camera: Ints
) -> tuple[Floats, Cases]:
    """Fit the free path alone, each guess tried from the grass and from the air; the best few.

    Returns:
        Parameters (K, 30), whose event is where the observations leave the path, and their cases.
    """
    count = len(guessed)
    parameters = np.concatenate([guessed] * 2)
    air = np.repeat([False, True], count)
    parameters[air, col.Z] = np.maximum(parameters[air, col.Z], _AIR_START_M)
    parameters[~air, col.Z] = BALL_RADIUS_M
    until = parameters[:, col.EVENT_S].copy()
    parameters[:, col.EVENT_S] = observations.times_s[-1] + LAST_EVENT_S
    cases = Cases(np.full(2 * count, NOTHING), np.concatenate([camera] * 2), air)
    priors = priors_of(observations, modes, cases, parameters[:, col.KICK_S])
    after = observations.times_s > until[:, None] + 1e-6
    priors.counted[after] = 0.0
    fitted = solve(observations, priors, parameters, _BASE_STEPS)
    # Penalise the observations after a base's end only here, not as left out before its start.
    priors.counted[after] = 1.0
    cost = (
        fitted.cost
        + _UNREACHED_COST * (after * observations.worth).sum(axis=1)
        + cost_of_start(observations, priors, modes, cases)
    )
    found = fitted.parameters
    found[:, col.EVENT_S] = until
    chosen: list[int] = []
    for index in np.argsort(cost):
        if len(chosen) == _BASES or (chosen and cost[index] > cost[chosen[0]] + _BASE_COST):
            break
        same = [
            cases.camera[index] == cases.camera[other]
            and air[index] == air[other]
            and np.abs(found[index, col.VELOCITY] - found[other, col.VELOCITY]).max() < _NEAR_MPS
            and abs(until[index] - until[other]) < _NEAR_S
            for other in chosen
        ]
        if not any(same):
            chosen.append(int(index))
    index = np.array(chosen, dtype=np.intp)
    return found[index], cases.take(index)


def _last_end_s(bases: Floats) -> float:
    """When the last of the bases is left by what is seen, or reaches the goal line."""
    since = np.linspace(0.0, _FLIES_S, 150)
    depth = legs_of(bases).at(np.tile(since, (len(bases), 1)))[1]
    arrives = (depth <= 0.0).any(axis=1)
    line_s = bases[:, col.KICK_S] + since[np.argmax(depth <= 0.0, axis=1)]
    ends_s = np.where(arrives, np.maximum(bases[:, col.EVENT_S], line_s), bases[:, col.EVENT_S])
    return float(ends_s.max())


def _starts(observations: Observations, bases: Floats, base_cases: Cases) -> tuple[Floats, Cases]:
    """Starts of every hypothesis from every base, and what each is about."""
    found = [
        (origin, number, row)
        for origin, base in enumerate(bases)
        for number, row in _events(observations, base)
    ]
    origins, numbers, rows = (np.array(column) for column in zip(*found, strict=True))
    cases = base_cases.take(origins)
    return rows, Cases(numbers, cases.camera, cases.air)


def _events(observations: Observations, base: Floats) -> Iterator[tuple[int, Floats]]:
    """For each hypothesis by number, the base with the event at depths where it may have been.

    One more start has the event where the observations leave the path, and one more, if the ball
    may be turned away, where they say it is; if the depth there is wrong, the path is bent to the
    right one.
    """
    times = base[col.KICK_S] + np.linspace(0.02, _FLIES_S, 150)
    path = legs_of(base[None]).at((times - base[col.KICK_S])[None])[:, 0]
    turned = deflected(observations, base)
    for number, item in enumerate(BANK):
        base = base.copy()
        base[col.AFTER], base[col.LOG_DAMPING] = item.after_mps, item.log_damping[0]
        if number == NOTHING:
            yield number, _with_event(base, observations.times_s[-1] + LAST_EVENT_S)
            continue
        for depth in item.start_depths_m:
            if (path[1] <= depth).any():
                yield number, _with_event(base, times[np.argmax(path[1] <= depth)])
        yield number, _within(item, base, times, path)
        if turned is not None and item.ending == FALLS and item.event is not None:
            yield number, _within(item, turned, times, path)


def _with_event(base: Floats, event_s: float) -> Floats:
    row = base.copy()
    row[col.EVENT_S] = event_s
    return row


def _within(item: Hypothesis, base: Floats, times: Floats, path: Floats) -> Floats:
    """The base, if its event is at depths where the hypothesis may be, else bent to one."""
    low, high = item.depth_m
    at = np.array([np.interp(base[col.EVENT_S], times, row) for row in path])
    there = low - _REACH_M <= at[1] <= high + _REACH_M
    return base if there else _bent(base, at, item.start_depths_m[0])


def _bent(base: Floats, left_at: Floats, depth_m: float) -> Floats:
    """The kick that is at `depth_m` at the event, where the camera sees it at the same pixel."""
    row, camera = base.copy(), base[col.BALL_SIZE : col.BALL_SIZE + 3]
    stretch = (depth_m - camera[1]) / (left_at[1] - camera[1] or 1e-6)
    place = camera + np.clip(stretch, 0.5, 2.0) * (left_at - camera)
    time = max(base[col.EVENT_S] - base[col.KICK_S], 0.05)
    row[col.VELOCITY] += (place - left_at) / time
    return row


def _best_of_each(cases: Cases, cost: Floats) -> NDArray[np.intp]:
    """The best fit of each hypothesis and camera, unless its cost is far above the least."""
    order: NDArray[np.intp] = np.lexsort((cost, cases.camera, cases.hypothesis))
    about = np.stack([cases.hypothesis, cases.camera])[:, order]
    is_first = np.concatenate([[True], (np.diff(about) != 0).any(axis=0)])
    best: NDArray[np.intp] = order[is_first]
    return np.asarray(best[cost[best] <= cost.min() + _MOST_COST])
