"""Staged kicks: the goal, where the ball is kicked from and how, and who touches it on its way.

Draws a flight of the kind that is asked for. What comes of it may differ (a shot at the post may go
in); the kind is then named after what happened. Knows nothing about cameras.
"""

import math
from dataclasses import dataclass

import numpy as np

from workbench.footage.pinhole import (
    BALL_RADIUS_M,
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
from workbench.simulated.worlds import USUAL, Kind, Range, World

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
    world: World = USUAL,
) -> StagedShot:
    """Draw a shot.

    Args:
        rng: Draws everything that is not given.
        kind: What is meant to happen; drawn from the world's mix where None.
        goal: At which goal.
        start_m: Where the ball lies at rest; not for a cross or a throw-out.
        speed_mps: How fast it is kicked; nor for these.
        world: Of which balls, goals and goalkeepers.
    """
    names = list(world.kind_share)
    meant = kind or names[rng.choice(len(names), p=list(world.kind_share.values()))]
    goal = goal or _draw_goal(rng, world)
    # Off the post, or off somebody's hands, and in, or caught behind the line: that is a goal.
    touched = meant in ("post", "parried", "blocked", "held")
    welcome = {meant, "goal"} if touched else {meant}
    for _ in range(_TRIES):
        shot = _try(rng, meant, goal, start_m, speed_mps, world)
        if shot.kind in welcome:
            break
    return shot


def _try(
    rng: np.random.Generator,
    meant: Kind,
    goal: GoalFrame,
    start_m: Vector | None,
    speed_mps: float | None,
    world: World,
) -> StagedShot:
    air = _draw_air(rng, world)
    ground = Ground(
        rng.uniform(*world.bounce), rng.uniform(*world.grip), rng.uniform(*world.rolling_mps2)
    )
    before = _AT_REST
    if meant == "throw_out":
        start, velocity = _throw_out(rng, goal)
    elif meant == "cross":
        start, velocity = _cross(rng, goal)
    else:
        start, before = (start_m, _AT_REST) if start_m else _kick_off(rng, meant, goal, world)
        target_xz, low = _draw_target(rng, meant, start, goal, world)
        speed = speed_mps or min(world.fastest_mps, max(7.0, rng.normal(*world.kick_mps)))
        rise = math.radians(rng.uniform(-1.0, 7.0)) if low else None
        velocity = aim(start, target_xz, speed, air=air, ground=ground, rise_rad=rise)
    contact = _contact(rng, meant, start, velocity, goal, air, ground, world)
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


def _draw_goal(rng: np.random.Generator, world: World) -> GoalFrame:
    sizes = list(world.goal_share)
    width, height = sizes[rng.choice(len(sizes), p=list(world.goal_share.values()))]
    depth = rng.uniform(*(world.depth_m if width > 4 else world.small_depth_m))
    return GoalFrame(
        width,
        height,
        depth_m=depth,
        roof_m=depth * rng.uniform(*world.roof_share),
        net=bool(rng.random() >= world.no_net_share),
        damping=rng.uniform(*world.damping),
        rebound=rng.uniform(*world.rebound),
        fence_m=rng.uniform(3, 9) if rng.random() < world.fence_share else None,
        stiffness=draw_within(rng, world.stiffness),
    )


def draw_within(rng: np.random.Generator, limits: Range) -> float:
    """Draw evenly; nothing is drawn where both limits are the same."""
    return rng.uniform(*limits) if limits[0] != limits[1] else limits[0]


def _draw_air(rng: np.random.Generator, world: World) -> Air:
    return Air(
        drag=rng.uniform(*world.drag),
        side_mps2=rng.normal(0, world.side_mps2),
        lift_mps2=rng.normal(0, world.lift_mps2),
        flutter_mps2=rng.uniform(0.3, 1.5) if rng.random() < world.flutter_share else 0.0,
        flutter_hz=rng.uniform(0.8, 2.0),
        flutter_phase=rng.uniform(0, 2 * math.pi),
        wind_mps=(rng.normal(0, world.wind_mps), rng.normal(0, world.wind_mps)),
    )


def _kick_off(
    rng: np.random.Generator, meant: Kind, goal: GoalFrame, world: World
) -> tuple[Vector, Vector]:
    """Where the ball is kicked, and its velocity just before."""
    distance = rng.uniform(8, 26) if goal.width_m > 6 else rng.uniform(6, 18)
    spread = math.radians(rng.uniform(-40, 40))
    if meant == "side_net":
        spread = rng.choice([-1.0, 1.0]) * math.radians(rng.uniform(38, 62))
        distance = min(distance, 16.0)
    height, before = BALL_RADIUS_M, _AT_REST
    if rng.random() < world.volley_share:
        height = rng.uniform(0.3, 1.1)
        before = (rng.normal(0, 4), rng.normal(0, 2), rng.uniform(-4.0, 0.0))
    elif rng.random() < world.rolling_share:
        angle, pace = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 4.5)
        before = (pace * math.cos(angle), pace * math.sin(angle), 0.0)
    return (distance * math.sin(spread), distance * math.cos(spread), height), before


def _draw_target(
    rng: np.random.Generator, meant: Kind, start: Vector, goal: GoalFrame, world: World
) -> tuple[tuple[float, float], bool]:
    """A place in the goal line's plane that suits the kind, and whether the ball is kept low.

    A low shot is aimed sideways only: it comes to the line on the ground or after a bounce.
    """
    half, height = goal.width_m / 2, goal.height_m
    free = BALL_RADIUS_M
    target_x = rng.uniform(-half + free, half - free)
    target_z = rng.uniform(free, height - free)
    low = rng.random() < world.low_share
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
    world: World,
) -> Contact | None:
    """Goalkeeper or defender, where the kind needs one."""
    if meant not in ("held", "parried", "blocked"):
        return None
    keeper_m = world.catch_m if meant == "held" else world.parry_m
    plane = rng.uniform(1.0, 6.0) if meant == "blocked" else rng.uniform(*keeper_m)
    plane = min(plane, 0.6 * start[1])
    if meant == "held":
        hold = rng.normal(0, 0.3), rng.uniform(0.0, 0.3), rng.uniform(*world.hold_z_m)
        return Contact("held", plane, hold_m=hold, carry_mps=draw_within(rng, world.carry_mps))
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
    up = rng.uniform(-1.0, 4.5)
    if world.pushed_down_share and rng.random() < world.pushed_down_share:
        up = rng.uniform(-12.0, -2.0)
    return Contact(meant, plane, (*away, up))


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
