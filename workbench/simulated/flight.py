"""The flight of one football after it is kicked: air, grass, goal frame, net, and who touches it.

The physics of rendered footage and of simulated shots. Deliberately richer than what a fit can
assume: drag with its crisis and a coefficient of its own for every ball, spin about any axis, a
fluttering side force, wind, bounces that reduce the spin, rolling, posts and bar, a soft net that
stops the ball from both sides, a fence behind the goal, and a player's touch. Knows nothing about
cameras or about why a shot is taken.

Plain floats and small steps, because thousands of flights are simulated, each aimed by trial. World
axes as in `footage.pinhole`.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, GRAVITY_MPS2, POST_RADIUS_M, Floats

Touch = Literal["held", "parried", "blocked"]
Vector = tuple[float, float, float]

STEP_S = 1 / 300
_AIMING_STEP_S, _AIMING_ROUNDS = 1 / 100, 5
_DRAG_PER_M = 0.5 * 1.2 * math.pi * BALL_RADIUS_M**2 / 0.43  # times the drag coefficient
_SLOW_DRAG = 0.47  # below the drag crisis, which lies between 7 and 9 m/s (Asai et al. 2007)
_SPIN_LEFT = 0.5  # after a bounce
_FENCE_LEFT = 0.25  # of the speed
_CARRIED_FROM_S = 0.4  # after a catch


@dataclass(frozen=True)
class Air:
    """What the air does to this ball."""

    drag: float = 0.22  # coefficient above the drag crisis
    side_mps2: float = 0.0  # Magnus, at 20 m/s
    lift_mps2: float = 0.0  # Magnus, at 20 m/s
    flutter_mps2: float = 0.0  # a side force that comes and goes, as with a ball without spin
    flutter_hz: float = 1.5
    flutter_phase: float = 0.0
    wind_mps: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Ground:
    """What the grass does to it."""

    bounce: float = 0.62  # share of the vertical speed returned
    grip: float = 0.8  # share of the horizontal speed kept in a bounce
    rolling_mps2: float = 0.8  # deceleration


@dataclass(frozen=True)
class GoalFrame:
    """Posts, bar and net, and the fence behind them."""

    width_m: float
    height_m: float
    depth_m: float = 1.8  # of the net on the ground
    roof_m: float = 0.9  # of the net under the bar
    net: bool = True
    damping: float = 30.0  # of the net, per second
    rebound: float = 0.6  # of posts and bar
    fence_m: float | None = None  # behind the line
    stiffness: float = 60.0  # of the net, per second squared

    @property
    def wh_m(self) -> tuple[float, float]:
        """Width between the posts and height below the bar."""
        return self.width_m, self.height_m

    def net_y(self, z: float) -> float:
        """Where the slanting back of the net is at height z."""
        share = min(1.0, max(0.0, z / self.height_m))
        return -(self.depth_m + (self.roof_m - self.depth_m) * share)


@dataclass(frozen=True)
class Contact:
    """Somebody touches the ball when it reaches a plane in front of the goal."""

    kind: Touch
    plane_y_m: float
    after_mps: Vector = (0.0, 0.0, 0.0)  # velocity after a parry or a block
    hold_m: Vector = (0.0, 0.0, 1.0)  # where a held ball is taken, seen from the touch; z absolute
    carry_mps: float = 0.0  # and how fast it is then carried onto the pitch


@dataclass(frozen=True)
class Flight:
    """The ball from contact on, at equal steps."""

    times_s: Floats  # (N,) since contact
    positions_m: Floats  # (N, 3) centre
    crossing_m: tuple[float, float] | None  # x, z of the centre at the plane of the line
    line_speed_mps: float | None  # there
    is_goal: bool  # the whole ball crossed the line inside the frame
    events: tuple[tuple[str, float], ...] = ()  # name, seconds since contact

    def happened(self, name: str) -> bool:
        """Whether an event of this name is among them."""
        return any(event == name for event, _ in self.events)


class _Ball:
    """State of the ball while it flies."""

    def __init__(self, start_m: Vector, velocity_mps: Vector, air: Air, ground: Ground) -> None:
        self.x, self.y, self.z = start_m
        self.vx, self.vy, self.vz = velocity_mps
        self.air, self.ground = air, ground
        level = math.hypot(self.vx, self.vy) or 1.0
        ux, uy = self.vx / level, self.vy / level
        # Spin as a vector w with acceleration w × v / 20; the axis (uy, −ux) lifts a ball along u.
        self.spin = (air.lift_mps2 * uy, -air.lift_mps2 * ux, air.side_mps2)
        self.rolls = False

    def step(self, now_s: float, step_s: float) -> bool:
        """Move on by one step; whether the ball bounced."""
        vx, vy, vz, air = self.vx, self.vy, self.vz, self.air
        rx, ry = vx - air.wind_mps[0], vy - air.wind_mps[1]
        speed = math.sqrt(rx * rx + ry * ry + vz * vz)
        crisis = min(1.0, max(0.0, (speed - 7.0) / 2.0))
        pull = _DRAG_PER_M * (_SLOW_DRAG + (air.drag - _SLOW_DRAG) * crisis) * speed
        if self.rolls:
            level = math.hypot(vx, vy)
            left = max(0.0, 1.0 - (self.ground.rolling_mps2 / max(level, 1e-6) + pull) * step_s)
            self.vx, self.vy = vx * left, vy * left
            self.x, self.y = self.x + self.vx * step_s, self.y + self.vy * step_s
            return False
        wx, wy, wz = self.spin
        level = math.hypot(vx, vy) or 1.0
        flutter = 0.0
        if air.flutter_mps2:
            angle = 2 * math.pi * air.flutter_hz * now_s + air.flutter_phase
            flutter = air.flutter_mps2 * math.sin(angle) / level
        self.vx += (-pull * rx + (wy * vz - wz * vy) / 20 - flutter * vy) * step_s
        self.vy += (-pull * ry + (wz * vx - wx * vz) / 20 + flutter * vx) * step_s
        self.vz += (-pull * vz + (wx * vy - wy * vx) / 20 - GRAVITY_MPS2) * step_s
        self.x += self.vx * step_s
        self.y += self.vy * step_s
        self.z += self.vz * step_s
        if self.z >= BALL_RADIUS_M:
            return False
        return self._land()

    def _land(self) -> bool:
        self.z = BALL_RADIUS_M
        if self.vz > -0.6:
            self.vz, self.rolls = 0.0, True
            return False
        grip = self.ground.grip
        self.vx, self.vy, self.vz = self.vx * grip, self.vy * grip, -self.vz * self.ground.bounce
        wx, wy, wz = self.spin
        self.spin = wx * _SPIN_LEFT, wy * _SPIN_LEFT, wz * _SPIN_LEFT
        return True

    def set_velocity(self, vx: float, vy: float, vz: float) -> None:
        self.vx, self.vy, self.vz = vx, vy, vz
        self.rolls = self.rolls and vz <= 0


def follow(
    start_m: Vector,
    velocity_mps: Vector,
    goal: GoalFrame,
    *,
    air: Air,
    ground: Ground,
    contact: Contact | None = None,
    duration_s: float = 4.0,
) -> Flight:
    """Follow the ball from the moment it leaves the foot; `contact` is who touches it, if any."""
    ball = _Ball(start_m, velocity_mps, air, ground)
    count = round(duration_s / STEP_S) + 1
    path = np.empty((count, 3))
    events: list[tuple[str, float]] = []
    crossing, line_speed, is_goal = None, None, False
    hold: Vector | None = None
    held_s, carry_mps = 0.0, contact.carry_mps if contact else 0.0
    net = _Net(goal)
    for step in range(count):
        path[step] = ball.x, ball.y, ball.z
        now_s = step * STEP_S
        if hold is not None:
            _draw_to(ball, hold)
            if carry_mps and now_s > held_s + _CARRIED_FROM_S:
                hold = hold[0], hold[1] + carry_mps * STEP_S, hold[2]
            continue
        before = ball.x, ball.y, ball.z
        if ball.step(now_s, STEP_S):
            events.append(("bounce", now_s))
        came_mps = math.sqrt(ball.vx**2 + ball.vy**2 + ball.vz**2)  # before anybody touches it
        if contact is not None and before[1] > contact.plane_y_m >= ball.y:
            events.append((contact.kind, now_s))
            if contact.kind == "held":
                dx, dy, z = contact.hold_m
                hold, held_s = (ball.x + dx, max(contact.plane_y_m, ball.y + dy), z), now_s
            ball.set_velocity(*contact.after_mps)
            contact = None
        if abs(ball.y) < 0.25 and _off_the_frame(ball, goal):
            events.append(("post", now_s))
        if crossing is None and before[1] > 0 >= ball.y:
            crossing = ball.x, ball.z
            line_speed = came_mps
        if before[1] > -BALL_RADIUS_M >= ball.y:
            is_goal = is_goal or (abs(ball.x) < goal.width_m / 2 and ball.z < goal.height_m)
        touched = net.act(ball, before, is_goal)
        if touched and not any(name == touched for name, _ in events):
            events.append((touched, now_s))
        if goal.fence_m is not None and before[1] > -goal.fence_m >= ball.y:
            ball.y = -goal.fence_m + 1e-3
            ball.set_velocity(ball.vx * _FENCE_LEFT, -ball.vy * _FENCE_LEFT, ball.vz * _FENCE_LEFT)
            events.append(("fence", now_s))
    times_s = np.arange(count, dtype=np.float64) * STEP_S
    return Flight(times_s, path, crossing, line_speed, is_goal, tuple(events))


def free_crossing(
    start_m: Vector, velocity_mps: Vector, air: Air, ground: Ground, plane_y_m: float = 0.0
) -> Vector | None:
    """Where and when (x, z, seconds) the ball would pass a plane; None if not in three seconds.

    No goal and nobody in the way: for aiming.
    """
    ball = _Ball(start_m, velocity_mps, air, ground)
    for step in range(round(3.0 / _AIMING_STEP_S)):
        if ball.y <= plane_y_m:
            return ball.x, ball.z, step * _AIMING_STEP_S
        ball.step(step * _AIMING_STEP_S, _AIMING_STEP_S)
    return None


def aim(
    start_m: Vector,
    target_xz: tuple[float, float],
    speed_mps: float,
    *,
    air: Air,
    ground: Ground,
    rise_rad: float | None = None,
) -> Vector:
    """Velocity just after the kick whose ball crosses the goal line's plane at `target_xz`.

    Shoots without anybody in the way, looks where the ball came, and corrects. A target out of
    reach is missed. Given `rise_rad`, the angle above the ground at which the ball starts, only the
    direction is aimed.
    """
    bearing = math.atan2(target_xz[0] - start_m[0], start_m[1])
    distance = math.hypot(target_xz[0] - start_m[0], start_m[1])
    drop = 0.5 * GRAVITY_MPS2 * (1.06 * distance / speed_mps) ** 2
    angle = math.atan2(target_xz[1] - start_m[2] + drop, distance) if rise_rad is None else rise_rad
    for _ in range(_AIMING_ROUNDS):
        velocity = velocity_at(speed_mps, bearing, angle)
        came = free_crossing(start_m, velocity, air, ground)
        if came is None:
            break
        bearing += (target_xz[0] - came[0]) / distance
        if rise_rad is None:
            angle = min(0.7, angle + 0.8 * (target_xz[1] - came[1]) / distance)
    return velocity_at(speed_mps, bearing, angle)


def velocity_at(speed_mps: float, bearing: float, rise_rad: float) -> Vector:
    """Velocity towards the goal: `bearing` is 0 straight at the line and positive towards +X."""
    level = speed_mps * math.cos(rise_rad)
    return level * math.sin(bearing), -level * math.cos(bearing), speed_mps * math.sin(rise_rad)


def _draw_to(ball: _Ball, hold: Vector) -> None:
    """A caught ball gives with the hands and is taken in, within about a quarter of a second."""
    ball.x += (hold[0] - ball.x) * 0.03
    ball.y += (hold[1] - ball.y) * 0.03
    ball.z += (hold[2] - ball.z) * 0.03


def _off_the_frame(ball: _Ball, goal: GoalFrame) -> bool:
    """Let the ball rebound from posts and bar; whether it touched one."""
    reach = BALL_RADIUS_M + POST_RADIUS_M
    for sign in (-1.0, 1.0):
        dx, dy = ball.x - sign * (goal.width_m / 2 + POST_RADIUS_M), ball.y
        if ball.z < goal.height_m + reach and math.hypot(dx, dy) < reach:
            return _rebound(ball, (dx, dy, 0.0), goal.rebound)
    dy, dz = ball.y, ball.z - goal.height_m - POST_RADIUS_M
    if abs(ball.x) < goal.width_m / 2 + reach and math.hypot(dy, dz) < reach:
        return _rebound(ball, (0.0, dy, dz), goal.rebound)
    return False


def _rebound(ball: _Ball, offset: Vector, rebound: float) -> bool:
    length = math.sqrt(sum(part * part for part in offset)) or 1e-9
    nx, ny, nz = (part / length for part in offset)
    inward = ball.vx * nx + ball.vy * ny + ball.vz * nz
    if inward >= 0:
        return False
    turn = (1 + rebound) * inward
    ball.set_velocity(ball.vx - turn * nx, ball.vy - turn * ny, ball.vz - turn * nz)
    return True


class _Net:
    """A soft net: it drags at a ball that pushes into it, and pushes back a little."""

    def __init__(self, goal: GoalFrame) -> None:
        self.goal = goal
        self.face: tuple[int, float] | None = None  # axis and side of a ball that came from outside

    def act(self, ball: _Ball, before: Vector, inside: bool) -> str:
        """Act on the ball for one step; "net" or "side_net" where it is touched."""
        goal = self.goal
        if not goal.net or ball.y > -BALL_RADIUS_M:
            return ""
        half, back = goal.width_m / 2 - BALL_RADIUS_M, goal.net_y(ball.z) + BALL_RADIUS_M
        if not inside:
            return self._from_outside(ball, before)
        depths = (
            (0, -math.copysign(1.0, ball.x), abs(ball.x) - half),
            (1, 1.0, back - ball.y),
            (2, -1.0, ball.z - goal.height_m + BALL_RADIUS_M),
        )
        touched = ""
        for axis, outward, depth in depths:
            if depth > 0:
                self._drag(ball, axis, outward, depth)
                touched = "net"
        return touched

    def _from_outside(self, ball: _Ball, before: Vector) -> str:
        goal, half = self.goal, self.goal.width_m / 2
        within = abs(ball.x) < half and ball.z < goal.height_m and ball.y > goal.net_y(ball.z)
        if not within:
            self.face = None
            return ""
        if self.face is None:
            above = before[2] >= goal.height_m
            self.face = (2, 1.0) if above else (0, math.copysign(1.0, ball.x))
        axis, side = self.face
        depth = goal.height_m - ball.z if axis == 2 else half - abs(ball.x)
        self._drag(ball, axis, side, depth)
        return "side_net"

    def _drag(self, ball: _Ball, axis: int, outward: float, depth: float) -> None:
        left = max(0.0, 1.0 - self.goal.damping * STEP_S)
        velocity = [part * left**0.4 for part in (ball.vx, ball.vy, ball.vz)]
        velocity[axis] = (ball.vx, ball.vy, ball.vz)[axis] * left
        velocity[axis] += outward * self.goal.stiffness * depth * STEP_S
        ball.set_velocity(*velocity)
