"""Staged kicks: the goal, where the ball is kicked from and how, and who touches it on its way.

Draws a flight of the kind that is asked for. What comes of it may differ (a shot at the post may go
in); the kind is then named after what happened. Knows nothing about cameras.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.footage.pinhole import (
    BALL_RADIUS_M,
    FULL_GOAL_M,
    GRAVITY_MPS2,
    POST_RADIUS_M,
    Floats,
)
from workbench.simulated.flight import (
    Air,
    Contact,
    Flight,
    GoalFrame,
    Ground,
    Vector,
    aim,
    follow,
    free_crossing,
    velocity_at,
)

Kind = Literal[
    "goal", "wide", "over", "parried", "held", "blocked", "post", "side_net", "cross", "throw_out",
    "short",
]  # fmt: skip

KIND_SHARE: dict[Kind, float] = {
    "goal": 0.40, "wide": 0.13, "over": 0.11, "parried": 0.11, "held": 0.05, "blocked": 0.02,
    "post": 0.05, "side_net": 0.03, "cross": 0.06, "throw_out": 0.04,
}  # fmt: skip
GOAL_SIZE_SHARE = {FULL_GOAL_M: 0.55, (5.0, 2.0): 0.15, (3.66, 1.83): 0.15, (3.0, 2.0): 0.15}
_NO_NET = 0.06
_VOLLEY, _ROLLING_PRE_KICK, _LOW_SHOT = 0.06, 0.40, 0.35
_TRIES = 40
_AT_REST: Vector = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class StagedShot:
    """A flight in the world and the ball before it."""

    kind: Kind  # what happened
    meant: Kind  # what was asked for
    goal: GoalFrame
    start_m: Floats  # (3,) centre at contact
    velocity_mps: Floats  # (3,) just after contact
    flight: Flight
    pre_velocity_mps: Floats  # (3,) just before contact; zero at rest

    def positions_at(self, times_s: Floats | float) -> Floats:
        """Ball centre (…, 3) at seconds (…) since contact, negative before it."""
        flight = self.flight
        after = np.stack(
            [np.interp(times_s, flight.times_s, column) for column in flight.positions_m.T], axis=-1
        )
        early = np.asarray(times_s)[..., None]
        before = self.start_m + self.pre_velocity_mps * early
        if self.start_m[2] > 2 * BALL_RADIUS_M and np.any(self.pre_velocity_mps):
            before[..., 2] -= GRAVITY_MPS2 / 2 * times_s**2  # it came through the air
        before[..., 2] = np.maximum(before[..., 2], min(BALL_RADIUS_M, self.start_m[2]))
        return np.where(early < 0, before, after)


def stage(
    rng: np.random.Generator,
    kind: Kind | None = None,
    *,
    goal: GoalFrame | None = None,
    start_m: Vector | None = None,
    speed_mps: float | None = None,
) -> StagedShot:
    """Draw a shot.

    Args:
        rng: Draws everything that is not given.
        kind: What is meant to happen; drawn from `KIND_SHARE` where None.
        goal: At which goal.
        start_m: Where the ball lies at rest; not for a cross or a throw-out.
        speed_mps: How fast it is kicked; nor for these.
    """
    names = list(KIND_SHARE)
    meant = kind or names[rng.choice(len(names), p=list(KIND_SHARE.values()))]
    goal = goal or _draw_goal(rng)
    # Off the post, or off somebody's hands, and in: that is a goal, and stays one.
    welcome = {meant, "goal"} if meant in ("post", "parried", "blocked") else {meant}
    for _ in range(_TRIES):
        shot = _try(rng, meant, goal, start_m, speed_mps)
        if shot.kind in welcome:
            break
    return shot


def _try(
    rng: np.random.Generator,
    meant: Kind,
    goal: GoalFrame,
    start_m: Vector | None,
    speed_mps: float | None,
) -> StagedShot:
    air = _draw_air(rng)
    ground = Ground(rng.uniform(0.5, 0.75), rng.uniform(0.65, 0.9), rng.uniform(0.4, 1.4))
    before = _AT_REST
    if meant == "throw_out":
        start, velocity = _throw_out(rng, goal)
    elif meant == "cross":
        start, velocity = _cross(rng, goal)
    else:
        start, before = (start_m, _AT_REST) if start_m else _kick_off(rng, meant, goal)
        target_xz, low = _draw_target(rng, meant, start, goal)
        speed = speed_mps or min(32.0, max(7.0, rng.normal(19.5, 5.5)))
        rise = math.radians(rng.uniform(-1.0, 7.0)) if low else None
        velocity = aim(start, target_xz, speed, air=air, ground=ground, rise_rad=rise)
    contact = _contact(rng, meant, start, velocity, goal, air, ground)
    flight = follow(start, velocity, goal, air=air, ground=ground, contact=contact)
    kind = _what_happened(meant, flight, goal)
    return StagedShot(
        kind, meant, goal, np.array(start), np.array(velocity), flight, np.array(before, float)
    )


def _what_happened(meant: Kind, flight: Flight, goal: GoalFrame) -> Kind:
    if flight.is_goal:
        return "goal"
    if meant in ("cross", "throw_out"):
        return meant
    touches: tuple[Kind, ...] = ("held", "parried", "blocked", "post", "side_net")
    for touch in touches:
        if flight.happened(touch):
            return touch
    if flight.crossing_m is None:
        return "short"
    return "wide" if abs(flight.crossing_m[0]) > goal.width_m / 2 else "over"


def _draw_goal(rng: np.random.Generator) -> GoalFrame:
    sizes = list(GOAL_SIZE_SHARE)
    width, height = sizes[rng.choice(len(sizes), p=list(GOAL_SIZE_SHARE.values()))]
    depth = rng.uniform(1.3, 2.1) if width > 4 else rng.uniform(0.8, 1.4)
    return GoalFrame(
        width,
        height,
        depth_m=depth,
        roof_m=depth * rng.uniform(0.4, 0.8),
        net=bool(rng.random() >= _NO_NET),
        damping=rng.uniform(15, 45),
        rebound=rng.uniform(0.5, 0.75),
        fence_m=rng.uniform(3, 9) if rng.random() < 0.6 else None,
    )


def _draw_air(rng: np.random.Generator) -> Air:
    return Air(
        drag=rng.uniform(0.18, 0.30),
        side_mps2=rng.normal(0, 1.6),
        lift_mps2=rng.normal(0, 1.3),
        flutter_mps2=rng.uniform(0.3, 1.5) if rng.random() < 0.2 else 0.0,
        flutter_hz=rng.uniform(0.8, 2.0),
        flutter_phase=rng.uniform(0, 2 * math.pi),
        wind_mps=(rng.normal(0, 1.2), rng.normal(0, 1.2)),
    )


def _kick_off(rng: np.random.Generator, meant: Kind, goal: GoalFrame) -> tuple[Vector, Vector]:
    """Where the ball is kicked, and its velocity just before."""
    distance = rng.uniform(8, 26) if goal.width_m > 6 else rng.uniform(6, 18)
    spread = math.radians(rng.uniform(-40, 40))
    if meant == "side_net":
        spread = rng.choice([-1.0, 1.0]) * math.radians(rng.uniform(38, 62))
        distance = min(distance, 16.0)
    height, before = BALL_RADIUS_M, _AT_REST
    if rng.random() < _VOLLEY:
        height = rng.uniform(0.3, 1.1)
        before = (rng.normal(0, 4), rng.normal(0, 2), rng.uniform(-4.0, 0.0))
    elif rng.random() < _ROLLING_PRE_KICK:
        angle, pace = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 4.5)
        before = (pace * math.cos(angle), pace * math.sin(angle), 0.0)
    return (distance * math.sin(spread), distance * math.cos(spread), height), before


def _draw_target(
    rng: np.random.Generator, meant: Kind, start: Vector, goal: GoalFrame
) -> tuple[tuple[float, float], bool]:
    """A place in the goal line's plane that suits the kind, and whether the ball is kept low.

    A low shot is aimed sideways only: it comes to the line on the ground or after a bounce.
    """
    half, height = goal.width_m / 2, goal.height_m
    free = BALL_RADIUS_M
    target_x = rng.uniform(-half + free, half - free)
    target_z = rng.uniform(free, height - free)
    low = rng.random() < _LOW_SHOT
    if meant == "over":
        low, target_z = False, height + POST_RADIUS_M * 2 + free + rng.exponential(0.9)
    elif meant == "wide":
        side = rng.choice([-1.0, 1.0])
        target_x = side * (half + 2 * POST_RADIUS_M + free + rng.exponential(1.0))
        target_z = rng.uniform(free, height + 0.5)
    elif meant == "side_net":
        side = math.copysign(1.0, start[0])
        target_x = side * (half + 2 * POST_RADIUS_M + free + rng.uniform(0.0, 0.5))
        target_z = rng.uniform(free, 0.8 * height)
    elif meant == "post":
        if rng.random() < 0.6:
            target_x = rng.choice([-1.0, 1.0]) * (half + POST_RADIUS_M + rng.uniform(-0.14, 0.14))
        else:
            low, target_z = False, height + POST_RADIUS_M + rng.uniform(-0.14, 0.14)
    return (target_x, target_z), low


def _contact(
    rng: np.random.Generator,
    meant: Kind,
    start: Vector,
    velocity: Vector,
    goal: GoalFrame,
    air: Air,
    ground: Ground,
) -> Contact | None:
    """Goalkeeper or defender, where the kind needs one."""
    if meant not in ("held", "parried", "blocked"):
        return None
    plane = rng.uniform(1.0, 6.0) if meant == "blocked" else rng.uniform(0.15, 3.5)
    plane = min(plane, 0.6 * start[1])
    if meant == "held":
        hold = rng.normal(0, 0.3), rng.uniform(0.0, 0.3), rng.uniform(0.2, 1.3)
        return Contact("held", plane, hold_m=hold)
    came = free_crossing(start, velocity, air, ground, plane)
    pace = 20.0 if came is None else math.hypot(velocity[0], velocity[1])
    left = pace * rng.uniform(0.15, 0.55)
    chance = rng.random()
    if meant == "blocked" or chance < 0.5:  # back onto the pitch
        turn = math.radians(rng.uniform(-75, 75))
        away = left * math.sin(turn), left * math.cos(turn)
    elif chance < 0.8 and came is not None:  # round the post
        side = math.copysign(1.0, came[0])
        aside = side * (goal.width_m / 2 + rng.uniform(0.4, 2.5)) - came[0]
        behind = -plane - rng.uniform(0.0, 1.0)
        length = math.hypot(aside, behind)
        away = left * aside / length, left * behind / length
    else:  # over the bar
        up = math.sqrt(2 * GRAVITY_MPS2 * (goal.height_m + 0.8)) + rng.uniform(-0.5, 1.5)
        after = rng.normal(0, 1.5), -left * rng.uniform(0.3, 1.0), max(2.0, up)
        return Contact(meant, plane, after)
    return Contact(meant, plane, (*away, rng.uniform(-1.0, 4.5)))


def _throw_out(rng: np.random.Generator, goal: GoalFrame) -> tuple[Vector, Vector]:
    """The goalkeeper throws or rolls the ball out: it starts in the hands, and leaves the goal."""
    x, y = rng.uniform(-goal.width_m / 3, goal.width_m / 3), rng.uniform(0.8, 6)
    turn, speed = math.radians(rng.uniform(-60, 60)), rng.uniform(7, 18)
    vx, vy, vz = velocity_at(speed, turn, math.radians(rng.uniform(-5, 35)))
    return (x, y, rng.uniform(0.3, 1.9)), (vx, -vy, vz)


def _cross(rng: np.random.Generator, goal: GoalFrame) -> tuple[Vector, Vector]:
    """A ball played past the front of the goal from the wing."""
    side = rng.choice([-1.0, 1.0])
    start = side * (goal.width_m / 2 + rng.uniform(3, 14)), rng.uniform(3, 16), BALL_RADIUS_M
    goes_to = -side * rng.uniform(0, goal.width_m), rng.uniform(2.0, 9.0)
    bearing = math.atan2(goes_to[0] - start[0], start[1] - goes_to[1])
    return start, velocity_at(rng.uniform(10, 22), bearing, math.radians(rng.uniform(2, 24)))
