"""Twenty-two players, a referee and a ball on a pitch, one frame after the other.

The unit is one frame of 1 / `FPS` s. Lengths in metres: x along the pitch in ±52.5, y across in
±34, z up. The left team (0) attacks towards +x, the right (1) towards -x; the referee is person 22.
Who has no errand steers: formation around the ball, the nearest two of the other side press. What
happens to the ball is decided by the plays, which move it by `hold` and `fly`; each touch is known
some frames ahead, so that the body winds up for it, and is noted at the frame of contact.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Metres = npt.NDArray[np.float64]

FPS = 25
STEP_S = 1 / FPS
HALF_LENGTH_M, HALF_WIDTH_M = 52.5, 34.0
BALL_RADIUS_M = 0.11
KEEPERS, REFEREE, PEOPLE = (0, 11), 22, 23
KICK_OFF_TAKERS = (9, 20)
_ACCELERATION = 9.0  # m/s²
_HOME = np.array(  # of the left team, as shares of half the pitch; keeper first
    [
        [-0.97, 0], [-0.72, -0.62], [-0.78, -0.22], [-0.78, 0.22], [-0.72, 0.62], [-0.45, -0.5],
        [-0.5, -0.12], [-0.45, 0.38], [-0.12, -0.6], [-0.05, 0], [-0.12, 0.6],
    ]
)  # fmt: skip


class Act(IntEnum):
    """What a body does besides running."""

    NONE = 0
    KICK = 1
    JUMP = 2
    THROW = 3
    TACKLE = 4
    FALL = 5
    BLOCK = 6
    DIVE = 7


# Frames before and after the contact.
LEAD = {
    Act.KICK: 5,
    Act.JUMP: 7,
    Act.THROW: 14,
    Act.TACKLE: 5,
    Act.FALL: 0,
    Act.BLOCK: 4,
    Act.DIVE: 5,
}
_TAIL = np.array([0, 8, 8, 8, 14, 45, 8, 20])  # by act


@dataclass(frozen=True)
class Rates:
    """How often what happens: shares of the moments at which it could."""

    wide: float  # passes near the touchline that go out
    forward: float  # how much passes are played towards the goal
    high: float
    tackle: float  # of runs with the ball
    foul: float
    block: float  # of passes
    shot: float
    cross: float
    header: float
    feint: float = 0.12  # bodies that act without a ball


RATES: Mapping[str, Rates] = {
    # About SoccerNet's shares.
    "real": Rates(0.2, 0.45, 0.09, 0.03, 0.006, 0.05, 0.5, 0.55, 0.75),
    # Rare classes lifted, so that short matches hold them.
    "busy": Rates(0.45, 0.8, 0.13, 0.13, 0.05, 0.25, 0.8, 0.75, 0.8),
}


@dataclass(frozen=True)
class Touch:
    """An event: who did what in which frame."""

    frame: int
    label: str
    team: int  # 0 left, 1 right


class Pitch:
    """The state of a match and the record of its frames."""

    def __init__(self, rng: np.random.Generator, rates: Rates) -> None:
        self.rng, self.rates = rng, rates
        self.team = np.array([0] * 11 + [1] * 11 + [2])
        self.ahead = np.array([1.0] * 11 + [-1.0] * 11 + [1.0])  # the way each attacks along x
        self.position = np.concatenate([self.home(0), self.home(1), [[0, 6.0]]])
        self.velocity = np.zeros((PEOPLE, 2))
        self.facing = np.where(self.ahead > 0, 0.0, math.pi)
        self.gait = np.zeros(PEOPLE)
        self.kind, self.clock = np.zeros(PEOPLE, int), np.zeros(PEOPLE, int)
        self.fastest = np.append(rng.uniform(6.8, 8.3, 22), 6.0)  # m/s
        self.errands: dict[int, tuple[Metres, float]] = {}  # where to, and how fast in m/s
        self.ball = np.array([0, 0, BALL_RADIUS_M])
        self.side = 0  # who has the ball
        self.is_dead = False  # nobody presses
        self.touches: list[Touch] = []
        self.record: dict[str, list[Any]] = {
            name: [] for name in ("position", "facing", "gait", "speed", "kind", "clock", "ball")
        }
        self._wander = np.zeros((PEOPLE, 2))

    @property
    def frame(self) -> int:
        """The frame that comes next."""
        return len(self.record["ball"])

    def home(self, team: int) -> Metres:
        """Return where a team's eleven stand at kick-off, (11, 2)."""
        return _HOME * [HALF_LENGTH_M, HALF_WIDTH_M] * (1 if team == 0 else -1)

    # What people do.

    def act(self, person: int, kind: Act, clock: int | None = None) -> None:
        """Start an act; its contact comes after the frames that it takes to wind up."""
        self.kind[person] = kind
        self.clock[person] = -LEAD[kind] if clock is None else clock

    def note(self, label: str, person: int) -> None:
        """Note what a person does to the ball in the frame that comes next."""
        self.touches.append(Touch(self.frame, label, int(self.team[person])))

    def note_side(self, label: str, team: int) -> None:
        """Note what happened in the last frame."""
        self.touches.append(Touch(self.frame - 1, label, team))

    def reach(self, person: int, where: Metres, most_m: float = 0.5) -> None:
        """Let a person make the last half metre to where the ball is met."""
        self.position[person] += np.clip(where[:2] - self.position[person], -most_m, most_m)

    def feet(self, person: int, ahead_m: float = 0.45) -> Metres:
        """Return where the ball lies at a person's feet."""
        angle = self.facing[person]
        x, y = self.position[person]
        return np.array(
            [x + ahead_m * math.cos(angle), y + ahead_m * math.sin(angle), BALL_RADIUS_M]
        )

    # Who is where.

    def mates(self, person: int) -> npt.NDArray[np.int64]:
        """Return the others of a person's team."""
        team = np.flatnonzero(self.team == self.team[person])
        return np.asarray(team[team != person])

    def choose_mate(
        self, person: int, near_m: float, far_m: float, forward: float = 0.3, keeper: bool = False
    ) -> int:
        """Return whom to play to: about so far away, rather ahead than behind."""
        mates = self.mates(person)
        if not keeper:
            mates = mates[~np.isin(mates, KEEPERS)]
        gap = self.position[mates] - self.position[person]
        distance = np.hypot(gap[:, 0], gap[:, 1])
        score = -np.abs(distance - (near_m + far_m) / 2) / (far_m - near_m)
        score += forward * gap[:, 0] * self.ahead[person] / 20
        score += self.rng.gumbel(0, 0.35, len(mates))
        score[(distance < near_m) | (distance > far_m)] -= 3
        return int(mates[score.argmax()])

    def nearest(self, where: Metres, team: int | None = None, but: Sequence[int] = ()) -> int:
        """Return the player nearest to a place, keepers only where they are much nearer."""
        gap = self.position[:REFEREE] - where[:2]
        distance = np.hypot(gap[:, 0], gap[:, 1])
        distance[list(KEEPERS)] += 6
        distance[list(but)] += 1e3
        if team is not None:
            distance[self.team[:REFEREE] != team] += 1e3
        return int(distance.argmin())

    # Time.

    def hold(
        self, person: int, frames: int, speed: float = 0.0, towards: Metres | None = None
    ) -> None:
        """Keep the ball at a person's feet; with a speed (m/s), carry it in touches somewhere."""
        ball = self.ball.copy()
        for frame in range(frames):
            if speed and towards is not None:
                self.errands[person] = (towards, speed)
            else:
                self.errands[person] = (self.position[person].copy(), 0.5)
            self.step()
            phase = frame % 14 / 14  # a touch, and the ball runs ahead and comes back
            ahead = 3.0 * phase * (1 - phase) * min(1.0, speed / 4)
            wanted = self.feet(person, 0.42 + ahead)
            ball = ball + (wanted - ball) * min(1, 0.35 + 0.2 * frame)
            self.place_ball(ball)

    def wind_up(self, person: int, kind: Act = Act.KICK) -> None:
        """Keep the ball at the feet until the frame of contact."""
        self.act(person, kind)
        self.hold(person, LEAD[kind])

    def fly(
        self,
        end: Metres,
        duration_s: float,
        apex_m: float = 0.0,
        drag: float = 0.3,
        *,
        runners: Mapping[int, Metres] | None = None,
        cues: Sequence[tuple[int, Callable[[], None]]] = (),
        until: Callable[[], bool] | None = None,
    ) -> None:
        """Move the ball to a place; `runners` arrive there with it.

        Args:
            end: Where to, (3,).
            duration_s: How long it takes.
            apex_m: How far above the straight line it rises.
            drag: How much faster it starts than it arrives.
            runners: Who runs where.
            cues: What to call so many frames before the end.
            until: What ends it early.
        """
        start, frames = self.ball.copy(), max(3, round(duration_s * FPS))
        for frame in range(1, frames + 1):
            for before, cue in cues:
                if frames - frame == before or (frame == 1 and before > frames - 1):
                    cue()
            part = frame / frames
            travelled = part * (1 + drag) - drag * part * part
            self.ball[:2] = start[:2] + (end[:2] - start[:2]) * travelled
            height = start[2] + (end[2] - start[2]) * part + 4 * apex_m * part * (1 - part)
            self.ball[2] = max(BALL_RADIUS_M, height)
            for runner, where in (runners or {}).items():
                left_s = max(0.08, (frames - frame) * STEP_S)
                way_m = float(np.hypot(*(where[:2] - self.position[runner])))
                self.errands[runner] = (where[:2], min(9.0, way_m / left_s * 1.1 + 0.3))
            self.step()
            if until is not None and until():
                break

    def place_ball(self, where: Metres) -> None:
        """Put the ball somewhere in the frame that was just recorded."""
        self.ball[:] = where
        self.record["ball"][-1] = self.ball.copy()

    def step(self) -> None:
        """Move everybody by one frame and record it."""
        self._move(*self._aims())
        self._feint()
        now = {
            "position": self.position, "facing": self.facing, "gait": self.gait,
            "speed": np.hypot(self.velocity[:, 0], self.velocity[:, 1]),
            "kind": self.kind, "clock": self.clock, "ball": self.ball,
        }  # fmt: skip
        for name, value in now.items():
            self.record[name].append(value.copy())
        acting = self.kind > 0
        self.clock[acting] += 1
        over = acting & (self.clock > _TAIL[self.kind])
        self.kind[over] = self.clock[over] = 0

    def _aims(self) -> tuple[Metres, Metres]:
        """Where everybody wants to be (23, 2), and how fast at most (23,)."""
        ball = self.ball[:2]
        self._wander += -0.02 * self._wander + self.rng.normal(0, 0.12, (PEOPLE, 2))
        aim = np.empty((PEOPLE, 2))
        for team, people in ((0, slice(0, 11)), (1, slice(11, 22))):
            ahead, home = 1 - 2 * team, self.home(team)
            aim[people, 0] = 0.62 * home[:, 0] + 0.55 * ball[0]
            aim[people, 0] += ahead * (12 if self.side == team else 2)
            aim[people, 1] = 0.85 * home[:, 1] + 0.3 * ball[1]
            aim[people.start] = [-ahead * (50 - 0.06 * abs(ball[0] + ahead * 50)), 0.12 * ball[1]]
        aim[REFEREE] = ball - np.array([7.0, 9.0]) * np.sign(ball + 1e-9)
        aim += self._wander
        if not self.is_dead:
            others = np.flatnonzero(self.team == 1 - self.side)[1:]
            distance = ((self.position[others] - ball) ** 2).sum(axis=1)
            for rank, person in enumerate(others[np.argsort(distance)[:2]]):
                away = self.position[person] - ball
                aim[person] = ball + away / (np.hypot(*away) + 0.1) * (1.6 + 2.5 * rank)
        aim = np.clip(aim, [-53, -34.5], [53, 34.5])
        fastest = self.fastest.copy()
        for person, (where, speed) in self.errands.items():
            aim[person], fastest[person] = where, speed
        return aim, fastest

    def _move(self, aim: Metres, fastest: Metres) -> None:
        gap = aim - self.position
        distance = np.hypot(gap[:, 0], gap[:, 1]) + 1e-6
        wanted = gap / distance[:, None] * np.minimum(fastest, distance * 1.6)[:, None]
        change = wanted - self.velocity
        size = np.hypot(change[:, 0], change[:, 1]) + 1e-6
        self.velocity += change * np.minimum(1, _ACCELERATION * STEP_S / size)[:, None]
        self.velocity[self.kind == Act.FALL] *= 0.6
        self.position += self.velocity * STEP_S
        speed = np.hypot(self.velocity[:, 0], self.velocity[:, 1])
        self.gait += speed * STEP_S * 2.9 + 0.02
        to_ball = self.ball[:2] - self.position
        looks = np.where(
            speed > 1.0,
            np.arctan2(self.velocity[:, 1], self.velocity[:, 0]),
            np.arctan2(to_ball[:, 1], to_ball[:, 0]),
        )
        turn = (looks - self.facing + math.pi) % (2 * math.pi) - math.pi
        self.facing += np.clip(turn, -0.3, 0.3)

    def _feint(self) -> None:
        """Let somebody act away from the ball, so that a body alone gives nothing away."""
        if self.rng.random() < self.rates.feint * STEP_S * 2:
            person = int(self.rng.integers(1, 22))
            is_far = np.hypot(*(self.position[person] - self.ball[:2])) > 1.2
            if not self.kind[person] and is_far:
                self.act(person, (Act.KICK, Act.JUMP, Act.KICK, Act.BLOCK)[self.rng.integers(4)])
