"""A football in flight: gravity, drag with its crisis, spin, bounces, goal frame, net, goalkeeper.

Integrated in small steps; knows nothing about cameras or people. Drag coefficient about 0.22 above
roughly 9 m/s and about 0.47 below 7 m/s (the drag crisis; Asai et al. 2007, "Fundamental
aerodynamics of the soccer ball"); Magnus acceleration proportional to speed and spin.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, GRAVITY_MPS2, POST_RADIUS_M, Points

_MASS_KG, _AIR_KG_M3 = 0.43, 1.2
_STEP_S = 1 / 480
_ROLLING_DECELERATION = 0.8  # m/s² on short grass
_NET_DEPTH_M = 1.5  # where the back of the net stops the ball at shot height

Verdict = Literal["goal", "save", "post", "wide", "over", "short"]


@dataclass(frozen=True)
class Save:
    """A goalkeeper's touch: when the ball reaches `plane_y_m`, it is held or parried."""

    plane_y_m: float  # in front of the line
    held: bool
    parry_mps: Points  # (3,) velocity after a parry


@dataclass(frozen=True)
class Flight:
    """A shot from contact on: positions at equal steps, and what happened."""

    times_s: Points  # (N,) since contact
    positions_m: Points  # (N, 3) ball centre
    crossing_m: tuple[float, float] | None  # x, z where the centre crosses the line's plane
    is_goal: bool  # the whole ball crossed the line between posts and bar
    events: list[tuple[str, float]] = field(
        default_factory=list
    )  # bounce, post, save, net; seconds

    def at(self, time_s: float) -> Points:
        """Ball centre (3,) at `time_s` after contact; at rest before and after."""
        return np.array(
            [np.interp(time_s, self.times_s, self.positions_m[:, axis]) for axis in range(3)]
        )

    @property
    def verdict(self) -> Verdict:
        """What a spectator would say."""
        names = {name for name, _ in self.events}
        if self.is_goal:
            return "goal"
        if "save" in names:
            return "save"
        if "post" in names:
            return "post"
        if self.crossing_m is None:
            return "short"
        return "over" if abs(self.crossing_m[0]) < 4 and self.crossing_m[1] > 1.8 else "wide"


def fly(
    start_m: Points,
    velocity_mps: Points,
    goal_wh_m: tuple[float, float],
    *,
    side_spin: float = 0.0,
    bounce: float = 0.6,
    save: Save | None = None,
    duration_s: float = 3.0,
) -> Flight:
    """Follow the ball from `start_m` for `duration_s`.

    Args:
        start_m: Ball centre (3,) at contact.
        velocity_mps: Velocity (3,) just after contact.
        goal_wh_m: Inner width and height of the goal at Y = 0.
        side_spin: Sideways acceleration in m/s² at 20 m/s (grows with speed).
        bounce: Share of the vertical speed that a bounce returns.
        save: The goalkeeper's touch, if there is to be one.
        duration_s: How long to follow the ball.
    """
    position, velocity = np.array(start_m, float), np.array(velocity_mps, float)
    half, height = goal_wh_m[0] / 2, goal_wh_m[1]
    count = round(duration_s / _STEP_S) + 1
    path = np.empty((count, 3))
    events: list[tuple[str, float]] = []
    crossing: tuple[float, float] | None = None
    is_goal, in_net, held = False, False, False
    for step in range(count):
        path[step] = position
        now_s = step * _STEP_S
        if held:
            continue
        before_y = position[1]
        velocity = velocity + _acceleration(velocity, side_spin) * _STEP_S
        position = position + velocity * _STEP_S
        if position[2] < BALL_RADIUS_M:
            position[2] = BALL_RADIUS_M
            if velocity[2] < -0.6:
                velocity = velocity * np.array([0.8, 0.8, -bounce])
                events.append(("bounce", now_s))
            else:
                velocity[2] = 0.0
                speed = math.hypot(velocity[0], velocity[1])
                velocity = velocity * max(
                    0.0, 1 - _ROLLING_DECELERATION * _STEP_S / max(speed, 1e-6)
                )
        if save is not None and before_y > save.plane_y_m >= position[1]:
            events.append(("save", now_s))
            held = save.held
            velocity, save = save.parry_mps.copy(), None
        touched = _off_the_frame(position, velocity, half, height)
        if touched is not None and not in_net:
            position, velocity = touched
            events.append(("post", now_s))
        if crossing is None and before_y > 0 >= position[1]:
            crossing = (float(position[0]), float(position[2]))
        inside = abs(position[0]) < half and position[2] < height
        if not in_net and inside and position[1] < -BALL_RADIUS_M and crossing is not None:
            in_net = is_goal = abs(crossing[0]) < half and crossing[1] < height
        if in_net:
            position, velocity, hit = _in_the_net(position, velocity, half, height)
            if hit:
                events.append(("net", now_s))
    times_s = np.arange(count, dtype=np.float64) * _STEP_S
    return Flight(times_s, path, crossing, is_goal, _first_of_each_run(events))


def aim(
    start_m: Points,
    target_m: Points,
    speed_mps: float,
    goal_wh_m: tuple[float, float],
    side_spin: float = 0.0,
) -> Points:
    """Velocity (3,) of the given speed that takes the ball through `target_m`.

    Shoots, looks how far off it came, and corrects; targets out of reach are fallen short of.
    """
    aimed = np.array(target_m, float)
    velocity = np.zeros(3)
    for _ in range(8):
        direction = aimed - start_m
        velocity = speed_mps * direction / np.linalg.norm(direction)
        position, current = np.array(start_m, float), velocity.copy()
        for _ in range(round(2.0 / (4 * _STEP_S))):
            if position[1] <= target_m[1] or (position[2] <= BALL_RADIUS_M and current[2] < 0):
                break
            current = current + _acceleration(current, side_spin) * 4 * _STEP_S
            position = position + current * 4 * _STEP_S
        # A ball that came down early is judged by where it would have been at the target's depth.
        miss = np.array(target_m) - position
        aimed[0] += 0.9 * miss[0]
        aimed[2] += 0.7 * (miss[2] + 0.25 * max(0.0, position[1] - target_m[1]))
    return velocity


def _acceleration(velocity: Points, side_spin: float) -> Points:
    speed = math.sqrt(velocity @ velocity)
    crisis = min(1.0, max(0.0, (speed - 7.0) / 2.0))
    drag = 0.47 + (0.22 - 0.47) * crisis
    pull = 0.5 * _AIR_KG_M3 * math.pi * BALL_RADIUS_M**2 * drag / _MASS_KG
    spin = side_spin * speed / 20.0 if velocity[2] != 0 else 0.0
    return np.array(
        [
            -pull * speed * velocity[0] + spin,
            -pull * speed * velocity[1],
            -pull * speed * velocity[2] - GRAVITY_MPS2,
        ]
    )


def _off_the_frame(
    position: Points, velocity: Points, half: float, height: float
) -> tuple[Points, Points] | None:
    """Position and velocity after touching a post or the bar, or None where neither is touched."""
    reach = BALL_RADIUS_M + POST_RADIUS_M
    for sign in (-1.0, 1.0):
        offset = position - np.array([sign * (half + POST_RADIUS_M), 0.0, position[2]])
        if position[2] < height + reach and math.hypot(offset[0], offset[1]) < reach:
            return _bounce_off(position, velocity, offset, reach)
    offset = position - np.array([position[0], 0.0, height + POST_RADIUS_M])
    if abs(position[0]) < half + reach and math.hypot(offset[1], offset[2]) < reach:
        return _bounce_off(position, velocity, offset, reach)
    return None


def _bounce_off(
    position: Points, velocity: Points, offset: Points, reach: float
) -> tuple[Points, Points] | None:
    normal = offset / max(float(np.linalg.norm(offset)), 1e-9)
    inward = float(velocity @ normal)
    if inward >= 0:
        return None
    surface = position - offset + normal * reach
    return surface, velocity - 1.65 * inward * normal


def _in_the_net(
    position: Points, velocity: Points, half: float, height: float
) -> tuple[Points, Points, bool]:
    """Stop the ball softly at the net's back, sides and roof."""
    hit = False
    position, velocity = position.copy(), velocity.copy()
    if position[1] < -_NET_DEPTH_M:
        position[1], hit = -_NET_DEPTH_M, velocity[1] < -1
        velocity = velocity * np.array([0.3, -0.06, 0.4])
    if abs(position[0]) > half - BALL_RADIUS_M:
        position[0] = math.copysign(half - BALL_RADIUS_M, position[0])
        velocity[0] *= -0.1
    if position[2] > height - BALL_RADIUS_M:
        position[2] = height - BALL_RADIUS_M
        velocity[2] *= -0.1
    return position, velocity, hit


def _first_of_each_run(events: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """Drop repeats of the same event within a tenth of a second: one contact, several steps."""
    kept: list[tuple[str, float]] = []
    for name, time_s in events:
        if not any(other == name and time_s - when < 0.1 for other, when in kept):
            kept.append((name, time_s))
    return kept
