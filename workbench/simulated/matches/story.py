"""A match as it was played: where everybody and the ball were, and every touch.

The unit is one match of so many frames. It is a story of possession, not a physics: a rule decides
what the ball does next, and everybody steers around it. The same seed gives the same match.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.simulated.matches.dead_balls import Play, Turn, bring
from workbench.simulated.matches.open_play import (
    cross,
    high_pass,
    pass_ball,
    possess,
    shoot,
    throw,
)
from workbench.simulated.matches.pitch import KICK_OFF_TAKERS, RATES, Pitch, Rates, Touch

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PlayedMatch:
    """Frames of a match, and its touches. Metres and radians; 23 people, the referee last."""

    team: npt.NDArray[np.int64]  # (23,) 0 left, 1 right, 2 the referee
    position: Floats  # (F, 23, 2)
    facing: Floats  # (F, 23)
    gait: Floats  # (F, 23) phase of the steps
    speed: Floats  # (F, 23) m/s
    kind: npt.NDArray[np.int8]  # (F, 23) `Act`
    clock: npt.NDArray[np.int8]  # (F, 23) frames since the contact
    ball: Floats  # (F, 3)
    touches: tuple[Touch, ...]

    def __len__(self) -> int:
        return len(self.ball)


def play_match(seed: int, frames: int, rates: Rates = RATES["busy"]) -> PlayedMatch:
    """Play a match.

    Args:
        seed: Of everything that is drawn.
        frames: How long, at 25 a second.
        rates: How often what happens.

    Example:
        >>> len(play_match(1, 250))
        250
    """
    pitch = Pitch(np.random.default_rng(seed), rates)
    taker = KICK_OFF_TAKERS[0]
    bring(pitch, taker, np.zeros(2), 1.5)
    turn = Turn("kick-off", taker)
    while pitch.frame < frames:
        turn = _PLAYS[turn.play](pitch, turn.person)

    def column(name: str, kind: type[np.generic] = np.float32) -> npt.NDArray[Any]:
        return np.array(pitch.record[name][:frames], kind)

    return PlayedMatch(
        team=pitch.team,
        position=column("position"),
        facing=column("facing"),
        gait=column("gait"),
        speed=column("speed"),
        kind=column("kind", np.int8),
        clock=column("clock", np.int8),
        ball=column("ball"),
        touches=tuple(touch for touch in pitch.touches if touch.frame < frames),
    )


def _corner(pitch: Pitch, person: int) -> Turn:
    pitch.wind_up(person)
    return cross(pitch, person)


def _goal_kick(pitch: Pitch, person: int) -> Turn:
    pitch.wind_up(person)
    if pitch.rng.random() < 0.55:
        return high_pass(pitch, person)
    return pass_ball(pitch, person, to=pitch.choose_mate(person, 8, 28))


def _free_kick(pitch: Pitch, person: int) -> Turn:
    x, y = pitch.position[person] * [pitch.ahead[person], 1]
    pitch.wind_up(person)
    if x > 24 and abs(y) < 20 and pitch.rng.random() < 0.6:
        return shoot(pitch, person, "FREE KICK")
    if pitch.rng.random() < 0.5:
        return high_pass(pitch, person, "FREE KICK")
    return pass_ball(pitch, person, "FREE KICK")


def _kick_off(pitch: Pitch, person: int) -> Turn:
    pitch.wind_up(person)
    return pass_ball(pitch, person)


_PLAYS: Mapping[Play, Callable[[Pitch, int], Turn]] = {
    "possession": possess,
    "corner": _corner,
    "goal kick": _goal_kick,
    "throw in": throw,
    "free kick": _free_kick,
    "kick-off": _kick_off,
}
