"""The path of a kicked ball in closed form, for many kicks at once.

The unit of data is a batch of kicks (B,) with world vectors as (3, B). A path is a chain of legs:
flights between bounces, then rolling. Within a leg drag coefficient and Magnus acceleration keep
their value at its start, which gives a closed form: with κ = k·|v0| and u = 1 + κt,

    A = ln u / κ,  B = ((u² − 1)/2 − ln u) / (2κ²),  p(t) = p0 + v0·A + a·B,
    v(t) = (v0 + a·(t + κt²/2)) / u,

with a gravity plus Magnus acceleration. Exact for drag proportional to the square of a speed that
falls as 1/u. Accurate to centimetres over a shot and hundreds of times faster than integration in
small steps. Knows nothing about goals, goalkeepers or cameras.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.footage.pinhole import BALL_RADIUS_M, GRAVITY_MPS2, Floats

DRAG_PER_M = 0.0133  # ½·ρ·π·r²/m·Cd of a football with Cd = 0.25
_ROLLS_BELOW_MPS = 0.6
_LEGS = 6
_LEAST_KAPPA = 0.02  # below it the formulas above lose digits and drag is negligible
_NEWTON_STEPS = 3
_SPIN_LEFT = 0.5  # after a bounce
FALLS, HELD, NETTED = range(3)  # what a ball does once it is touched


@dataclass(frozen=True)
class Kicks:
    """Kicks with the properties of ball, air and grass; each (B,) or (3, B)."""

    position_m: Floats  # (3, B)
    velocity_mps: Floats  # (3, B)
    drag_per_m: Floats
    side_mps2: Floats  # Magnus to the left of the flight, at 20 m/s
    lift_mps2: Floats  # Magnus upwards, at 20 m/s
    bounce: Floats  # share of the vertical speed returned
    grip: Floats  # share of the horizontal speed kept in a bounce
    rolling_mps2: Floats  # deceleration


@dataclass(frozen=True)
class Legs:
    """Flights between bounces, then rolling: L legs for each of B kicks."""

    start_s: Floats  # (L, B) since the kick
    table: Floats  # (L, B, 12) start, stop, κ, position, velocity, pull: one row per leg

    def at(self, since_kick_s: Floats) -> Floats:
        """Positions (3, B, N) at times (B, N) since the kick."""
        time, rows = self._leg_of(since_kick_s)
        along, fall, _, _ = _drag_terms(rows[..., 2], time)
        return np.stack(
            [
                rows[..., 3 + axis] + rows[..., 6 + axis] * along + rows[..., 9 + axis] * fall
                for axis in range(3)
            ]
        )

    def velocity_at(self, since_kick_s: Floats) -> Floats:
        """Velocities (3, B, N) at times (B, N) since the kick."""
        time, rows = self._leg_of(since_kick_s)
        _, _, gain, slow = _drag_terms(rows[..., 2], time)
        return np.stack(
            [(rows[..., 6 + axis] + rows[..., 9 + axis] * gain) / slow for axis in range(3)]
        )

    def _leg_of(self, since_kick_s: Floats) -> tuple[Floats, Floats]:
        """Time since the start of its leg (B, N), and the leg's row of the table (B, N, 12)."""
        count = self.start_s.shape[1]
        leg = np.zeros(since_kick_s.shape, dtype=np.intp)
        for start in self.start_s[1:]:
            leg += since_kick_s >= start[:, None]
        rows = self.table.reshape(-1, 12)[leg * count + np.arange(count)[:, None]]
        since = np.maximum(since_kick_s - rows[..., 0], 0.0)
        return np.minimum(since, rows[..., 1]), rows


def _drag_terms(kappa: Floats, time: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """A, B, t + κt²/2 and u of the module's formulas."""
    scaled = kappa * time
    logarithm = np.log1p(scaled)
    gain = time + 0.5 * scaled * time
    along = logarithm / kappa
    fall = (gain - along) / (2.0 * kappa)
    return along, fall, gain, 1.0 + scaled


def follow(kicks: Kicks, until_s: Floats) -> Legs:
    """Return the legs of each kick's path up to a time (B,) since the kick."""
    x, y, z = kicks.position_m
    vx, vy, vz = kicks.velocity_mps
    now = np.zeros_like(x)
    rolls = np.zeros(len(now), bool)
    table = np.empty((_LEGS, 12, len(now)))
    spin_left = 1.0
    for leg in range(_LEGS):
        if leg == _LEGS - 1:  # the remaining hops are negligible: it rolls
            rolls, vz = np.ones_like(rolls), np.zeros_like(vz)
        level_squared = vx * vx + vy * vy + 1e-12
        level, speed = np.sqrt(level_squared), np.sqrt(level_squared + vz * vz)
        kappa = np.maximum(kicks.drag_per_m * speed, _LEAST_KAPPA)
        # Along the flight (a rolling ball is braked) and to its left (a flying ball is bent).
        spin = spin_left * speed / 20.0
        brake = np.where(rolls, kicks.rolling_mps2 / level, 0.0)
        bend = np.where(rolls, 0.0, kicks.side_mps2 * spin / level)
        pull_x, pull_y = -vx * brake - vy * bend, vx * bend - vy * brake
        pull_z = np.where(rolls, 0.0, kicks.lift_mps2 * spin - GRAVITY_MPS2)
        rest = (np.sqrt(1.0 + 2.0 * kappa * level / kicks.rolling_mps2) - 1.0) / kappa
        stop = np.where(rolls, rest, np.inf)
        row = (now, stop, kappa, x, y, z, vx, vy, vz, pull_x, pull_y, pull_z)
        for place, values in enumerate(row):
            table[leg, place] = values
        if leg == _LEGS - 1 or (rolls | (now > until_s)).all():
            break
        landing = _landing_time(z, vz, pull_z, kappa)
        along, fall, gain, slow = _drag_terms(kappa, landing)
        sinks = -(vz + pull_z * gain) / slow
        rolls_on = rolls | (sinks < _ROLLS_BELOW_MPS)
        kept = np.where(rolls_on, 1.0, kicks.grip) / slow
        x = np.where(rolls, x, x + vx * along + pull_x * fall)
        y = np.where(rolls, y, y + vy * along + pull_y * fall)
        z = np.where(rolls, z, BALL_RADIUS_M)
        vx = np.where(rolls, vx, (vx + pull_x * gain) * kept)
        vy = np.where(rolls, vy, (vy + pull_y * gain) * kept)
        vz = np.where(rolls_on, 0.0, sinks * kicks.bounce)
        now = np.where(rolls, now, now + landing)
        rolls = rolls_on
        spin_left *= _SPIN_LEFT
    table = table[: leg + 1]
    return Legs(table[:, 0].copy(), np.ascontiguousarray(table.transpose(0, 2, 1)))


def _landing_time(height: Floats, climb: Floats, pull: Floats, kappa: Floats) -> Floats:
    """When a ball comes down to the grass: without drag, then corrected by Newton's method."""
    fall = np.maximum(-pull, 2.0)
    above = np.maximum(height - BALL_RADIUS_M, 0.0)
    time = (climb + np.sqrt(climb * climb + 2.0 * fall * above)) / fall
    time = np.maximum(time, 0.0)
    for _ in range(_NEWTON_STEPS):
        along, drop, gain, slow = _drag_terms(kappa, time)
        off = above + climb * along - fall * drop
        sinking = np.minimum((climb - fall * gain) / slow, -0.3)
        time = np.maximum(time - off / sinking, 0.0)
    return np.asarray(time)


def after_contact(
    position_m: Floats,
    velocity_mps: Floats,
    damping_per_s: Floats,
    sinking_per_s: Floats,
    ending: NDArray[np.int64],
    time_s: Floats,
    bounce: Floats,
) -> Floats:
    """Positions (3, B, N) of a ball that somebody or something has stopped or turned.

    Horizontal motion decays exponentially. A ball that falls bounces twice and stays down;
    a held ball comes to rest in the hands; a ball in a net slides down, braked by the net.

    Args:
        position_m: Where it was touched (3, B).
        velocity_mps: Just after (3, B).
        damping_per_s: Of the motion along the ground; of all motion where the ball is held (B,).
        sinking_per_s: Damping of the vertical motion in a net (B,).
        ending: FALLS, HELD or NETTED (B,).
        time_s: Since the touch (B, N), not negative.
        bounce: Share of its vertical speed (B,) that a ball that falls has after a bounce.
    """
    damping = damping_per_s[:, None]
    along = -np.expm1(-damping * time_s) / damping
    path = position_m[:, :, None] + velocity_mps[:, :, None] * along
    rows = np.flatnonzero(ending == FALLS)
    if len(rows):
        path[2, rows] = _bouncing(
            position_m[2, rows], velocity_mps[2, rows], time_s[rows], bounce[rows, None]
        )
    rows = np.flatnonzero(ending == NETTED)
    if len(rows):
        brake, since = sinking_per_s[rows, None], time_s[rows]
        settled = -np.expm1(-brake * since) / brake
        terminal = GRAVITY_MPS2 / brake
        height = position_m[2, rows, None] + (velocity_mps[2, rows, None] + terminal) * settled
        path[2, rows] = np.maximum(height - terminal * since, BALL_RADIUS_M)
    return path


def _bouncing(height_m: Floats, climb_mps: Floats, time_s: Floats, bounce: Floats) -> Floats:
    """Heights (B, N) of a ball that falls and bounces twice."""
    above = np.maximum(height_m - BALL_RADIUS_M, 0.0)[:, None]
    climb = climb_mps[:, None]
    lands = (climb + np.sqrt(climb * climb + 2 * GRAVITY_MPS2 * above)) / GRAVITY_MPS2
    up = bounce * np.maximum(GRAVITY_MPS2 * lands - climb, 0.0)
    height = above + (climb - 0.5 * GRAVITY_MPS2 * time_s) * time_s
    start = lands
    height = np.where(time_s < start, height, 0.0)
    for _ in range(2):
        since = time_s - start
        hop = (up - 0.5 * GRAVITY_MPS2 * since) * since
        height = np.where((since >= 0) & (hop > 0), hop, height)
        start = start + 2 * up / GRAVITY_MPS2
        up = up * bounce
    return height + BALL_RADIUS_M
