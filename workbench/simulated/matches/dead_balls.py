"""Balls that are out of play, and how they come back: the restarts of a match.

The unit is one restart: everybody walks, a taker comes to the ball. What the taker does with it is
left to the plays, by the turn that is returned.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.simulated.matches.pitch import (
    BALL_RADIUS_M,
    FPS,
    HALF_LENGTH_M,
    HALF_WIDTH_M,
    KEEPERS,
    KICK_OFF_TAKERS,
    LEAD,
    REFEREE,
    Act,
    Metres,
    Pitch,
)

Play = Literal["possession", "corner", "goal kick", "throw in", "free kick", "kick-off"]
HEAD_M, CHEST_M = 2.1, 1.1  # where a throw is held, and a keeper holds the ball


@dataclass(frozen=True)
class Turn:
    """What comes next, and who does it."""

    play: Play
    person: int


def out(
    pitch: Pitch,
    end: Metres | None,
    duration_s: float = 0.9,
    apex_m: float = 0.3,
    taker_side: int | None = None,
) -> Turn:
    """Let the ball cross a line and bring it back: OUT is the frame of crossing.

    Args:
        pitch: The match.
        end: Where it flies to, beyond a line; None if it is over already.
        duration_s: How long that would take.
        apex_m: How high it rises on the way.
        taker_side: Who brings it back; by default those who did not play it.
    """
    rng = pitch.rng
    taker = 1 - pitch.side if taker_side is None else taker_side
    if end is not None:
        target = np.array([end[0], end[1], BALL_RADIUS_M])
        pitch.fly(target, duration_s, apex_m, 0.2, until=lambda: _is_over(pitch.ball))
    pitch.note_side("OUT", 1 - taker)
    way = np.sign(pitch.ball[:2]) * (np.abs(pitch.ball[:2]) > [52.4, 33.9])
    where = pitch.ball[:2].copy()
    rolls = np.array([*(where + way * 3.0 + rng.normal(0, 0.5, 2)), BALL_RADIUS_M])
    pitch.fly(rolls, 0.9, 0, 0.7)
    if way[1]:
        return _throw_in(pitch, where, taker)
    end_of = 1.0 if where[0] > 0 else -1.0
    defenders = 1 if end_of > 0 else 0
    if taker != defenders or rng.random() < 0.35:  # a defender touched it last
        person = int(rng.choice([5, 7, 8, 10])) + 11 * (1 - defenders)
        corner = np.array([end_of * 52.0, 33.5 * np.sign(where[1])])
        bring(pitch, person, corner, rng.uniform(4, 7))
        return Turn("corner", person)
    person = KEEPERS[defenders]
    bring(pitch, person, np.array([end_of * 47.0, rng.choice([-5.0, 5.0])]), rng.uniform(4, 6))
    return Turn("goal kick", person)


def _is_over(ball: Metres) -> bool:
    return bool(abs(ball[1]) > HALF_WIDTH_M or abs(ball[0]) > HALF_LENGTH_M)


def bring(pitch: Pitch, person: int, spot: Metres, duration_s: float) -> None:
    """Lay the ball on a spot; a person comes, steps back and runs up."""
    pitch.side, pitch.is_dead = int(pitch.team[person]), True
    lies = np.array([spot[0], spot[1], BALL_RADIUS_M])
    back = spot - np.array([pitch.ahead[person] * 1.6, pitch.rng.normal(0, 0.6)])
    for _ in range(max(20, round(duration_s * FPS))):
        pitch.ball[:] = lies
        pitch.errands = {person: (back, 6.5)}
        pitch.step()
    for frame in range(400):  # the way may be long
        pitch.ball[:] = lies
        pitch.errands = {person: (spot, 4.0 if frame > 8 else 0.5)}
        pitch.step()
        if np.hypot(*(pitch.position[person] - spot)) < 0.6:
            break
    pitch.reach(person, spot)
    pitch.is_dead = False


def _throw_in(pitch: Pitch, where: Metres, side: int) -> Turn:
    """Let the nearest fetch the ball, stand at the line, and hold it overhead."""
    rng = pitch.rng
    line = np.array([np.clip(where[0], -50, 50), 34.3 * np.sign(where[1])])
    pitch.side, pitch.is_dead = side, True
    person = pitch.nearest(line, side)
    start, frames = pitch.ball.copy(), int(rng.uniform(2.5, 6) * FPS)
    lies = np.array([line[0], line[1], BALL_RADIUS_M])
    for frame in range(frames + 200):
        pitch.errands = {person: (line, 5.5)}
        pitch.step()
        has_it = frame > frames - 20 and np.hypot(*(pitch.position[person] - line)) < 0.8
        if frame > frames - 20:
            pitch.place_ball(np.array([*pitch.position[person], 1.15]))
        else:
            pitch.place_ball(start + (lies - start) * min(1, frame / frames))
        if frame >= frames and has_it:
            break
    waits = int(rng.integers(5, 40))
    for frame in range(waits + LEAD[Act.THROW]):
        pitch.errands = {person: (line, 0.3)}
        if frame == waits:
            pitch.act(person, Act.THROW)
        pitch.step()
        pitch.facing[person] = math.atan2(-line[1], 0.0)  # into the field
        pitch.place_ball(np.array([*pitch.position[person], HEAD_M]))
    pitch.is_dead = False
    return Turn("throw in", person)


def foul(pitch: Pitch, person: int) -> Turn:
    """Let the fouled fall and the ball roll to a stop; one of his side takes the free kick."""
    pitch.act(person, Act.FALL, 0)
    spot = pitch.ball[:2] + pitch.velocity[person] * 0.4
    spot = np.clip(spot, [-50.0, -32.0], [50.0, 32.0])
    pitch.fly(np.array([*spot, BALL_RADIUS_M]), 1.0, 0, 0.8)
    taker = int(pitch.rng.choice(pitch.mates(person)[1:]))
    bring(pitch, taker, spot, pitch.rng.uniform(4, 8))
    return Turn("free kick", taker)


def keep(pitch: Pitch, keeper: int) -> Turn:
    """Let a keeper have the ball in his hands for a while, then at his feet."""
    pitch.side = int(pitch.team[keeper])
    for _ in range(int(pitch.rng.integers(35, 90))):
        pitch.errands[keeper] = (pitch.position[keeper] * [0.99, 0.97], 1.5)
        pitch.step()
        held = pitch.feet(keeper, 0.35)
        held[2] = CHEST_M
        pitch.place_ball(held)
    return Turn("possession", keeper)


def goal(pitch: Pitch, scorer: int, ball_y_m: float) -> Turn:
    """Let the ball stop in the net, the scorer's side celebrate, and all walk to kick-off."""
    ahead = pitch.ahead[scorer]
    pitch.note("GOAL", scorer)
    pitch.fly(np.array([54.2 * ahead, ball_y_m * 0.9, 0.3]), 0.25, 0, 0.5)
    pitch.fly(np.array([53.6 * ahead, ball_y_m * 0.8, BALL_RADIUS_M]), 1.2, 0, 0.8)
    pitch.is_dead = True
    lies = pitch.ball.copy()
    friends = [int(mate) for mate in pitch.mates(scorer)[1:7]]
    corner = np.array([46.0 * ahead, 26.0])
    for _ in range(int(pitch.rng.uniform(4, 7) * FPS)):
        pitch.errands = {friend: (corner - [0.0, rank], 5.5) for rank, friend in enumerate(friends)}
        pitch.errands[scorer] = (corner + np.array([1.0, 2.0]), 7.0)
        pitch.step()
        pitch.place_ball(lies)
    team = 1 - int(pitch.team[scorer])
    taker, pitch.side = KICK_OFF_TAKERS[team], team
    home = np.concatenate([pitch.home(0), pitch.home(1)]) * [0.6, 0.9]
    home[list(KEEPERS)] = [[-50, 0], [50, 0]]
    home[taker] = [-1.5 * pitch.ahead[taker], 0]
    for frame in range(16 * FPS):
        pitch.errands = {person: (home[person], 7.0) for person in range(REFEREE)}
        pitch.step()
        # Somebody brings the ball to the middle while all eyes are on the way back.
        pitch.place_ball(lies * max(0.0, 1 - frame / (8 * FPS)) + [0, 0, BALL_RADIUS_M])
        gap = pitch.position[:REFEREE] - home
        if frame > 8 * FPS and np.hypot(gap[:, 0], gap[:, 1]).max() < 1.5:
            break
    bring(pitch, taker, np.zeros(2), 1.0)
    return Turn("kick-off", taker)
