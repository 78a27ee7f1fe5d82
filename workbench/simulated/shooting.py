"""Shooting sessions: a tripod, a goal, a goalkeeper, and one shot at goal per clip.

The ball flies as `kicks` stages it; shooter and goalkeeper are choreographed around it, so that
contact, foot, speed and verdict are known exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Camera, Floats
from workbench.simulated import motions
from workbench.simulated.cameras import close_to_the_shooter
from workbench.simulated.flight import GoalFrame
from workbench.simulated.kicks import DeadBall, Kind, StagedShot, stage
from workbench.simulated.scene import (
    BALL_COLOURS,
    FIRST_BALL_ID,
    Ball,
    Body,
    Moment,
    Person,
    Scene,
    draw_body,
    joints_of,
    mirrored,
)
from workbench.simulated.staging import goal_sticks
from workbench.simulated.venue import Rgb, Venue

SHOOTER_ID, KEEPER_ID = 1, 2
Verdict = Literal["goal", "save", "post", "wide", "over", "short"]  # what a spectator would say
Choreography = Callable[[float], Floats]  # seconds since the clip's start → joints

# What is meant to happen, in equal shares.
_KINDS: tuple[Kind, ...] = ("goal", "goal", "goal", "parried", "held", "wide", "over", "post")
_LATEST_S = 1.7  # after the kick; the clip ends soon after that
_KIND_TO_VERDICT: dict[Kind, Verdict] = {
    "goal": "goal", "parried": "save", "held": "save", "blocked": "save", "post": "post",
    "over": "over", "wide": "wide", "side_net": "wide", "short": "short",
}  # fmt: skip


@dataclass(frozen=True)
class ShotTruth:
    """What really happened in a shot."""

    verdict: Verdict
    is_goal: bool
    shooter_track_id: int
    foot: str  # left or right
    contact_s: float
    speed_kmh: float  # ball speed just after contact
    crossing_m: tuple[float, float] | None  # x (left of the goal's middle is +), z on the goal line
    goal_wh_m: tuple[float, float]
    distance_m: float  # from the ball at contact to the middle of the goal line
    events: list[tuple[str, float]]  # as in `Flight`, with seconds since the clip's start


@dataclass(frozen=True)
class ShootingPlace:
    """A shooting session's set-up: who plays, where the camera stands."""

    camera: Camera
    shooters: tuple[Body, ...]
    keeper: Body
    ball_colours: tuple[Rgb, Rgb]
    spot_m: tuple[float, float]  # about where shots are taken from


def draw_place(
    rng: np.random.Generator, venue: Venue, wh: tuple[int, int], camera_m: float | None = None
) -> ShootingPlace:
    """Draw people and a tripod; `camera_m` is its distance from the spot, drawn if not given."""
    assert venue.goal is not None
    spot = np.array([rng.uniform(-3, 3), rng.uniform(9, 14)])
    return ShootingPlace(
        camera=close_to_the_shooter(rng, spot, venue.goal.wh_m, wh, camera_m),
        shooters=tuple(draw_body(rng) for _ in range(3)),
        keeper=draw_body(rng),
        ball_colours=BALL_COLOURS[rng.integers(len(BALL_COLOURS))],
        spot_m=(float(spot[0]), float(spot[1])),
    )


def stage_shot(
    rng: np.random.Generator, place: ShootingPlace, venue: Venue
) -> tuple[Scene, ShotTruth]:
    """Draw one shot: its scene and its truth."""
    assert venue.goal is not None
    shot = _draw_shot(rng, place, venue.goal)
    contact_s = rng.uniform(0.8, 1.1)
    right_footed = bool(rng.random() < 0.65)
    shooter = place.shooters[rng.integers(len(place.shooters))]
    play_shooter = _shooter(rng, shooter, shot, contact_s, right_footed)
    play_keeper = _keeper(rng, place.keeper, shot, contact_s)
    frame = tuple(goal_sticks(venue))

    def scene(t: float) -> Moment:
        center = shot.position_at(t - contact_s)
        spin = 9.0 * max(0.0, t - contact_s)
        ball = Ball(FIRST_BALL_ID, center, BALL_RADIUS_M, *place.ball_colours, spin)
        people = (
            Person(SHOOTER_ID, shooter, play_shooter(t)),
            Person(KEEPER_ID, place.keeper, play_keeper(t)),
        )
        return Moment(people, (ball,), frame)

    truth = ShotTruth(
        verdict=_KIND_TO_VERDICT[shot.kind],
        is_goal=shot.flight.is_goal,
        shooter_track_id=SHOOTER_ID,
        foot="right" if right_footed else "left",
        contact_s=round(contact_s, 4),
        speed_kmh=round(3.6 * float(np.linalg.norm(shot.velocity_mps)), 2),
        crossing_m=shot.flight.crossing_m,
        goal_wh_m=venue.goal.wh_m,
        distance_m=round(float(np.linalg.norm(shot.start_m[:2])), 3),
        events=[(name, round(when + contact_s, 4)) for name, when in shot.flight.events],
    )
    return scene, truth


def _draw_shot(rng: np.random.Generator, place: ShootingPlace, goal: GoalFrame) -> StagedShot:
    """Draw a shot that comes to the goal, if it does, before the clip is over."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    while True:
        x, y = np.array(place.spot_m) + rng.normal(0, 0.5, 2)
        ball = DeadBall((float(x), float(y), BALL_RADIUS_M), rng.uniform(10, 27))
        shot = stage(rng, kind, goal=goal, ball=ball)
        comes_late = shot.flight.crossing_m and shot.position_at(_LATEST_S)[1] > 0
        if not comes_late:
            return shot


def _shooter(
    rng: np.random.Generator, body: Body, shot: StagedShot, contact_s: float, right_footed: bool
) -> Choreography:
    heading = math.atan2(-shot.velocity_mps[0], shot.velocity_mps[1])
    side = 1.0 if right_footed else -1.0
    run_in = heading - side * rng.uniform(0.2, 0.6)  # right-footed players come from the left
    speed_mps, phase, vigour = rng.uniform(2.5, 4.2), rng.uniform(0, 6.28), rng.uniform(0.85, 1.1)
    ahead = np.array([-math.sin(heading), math.cos(heading)])
    right = np.array([math.cos(heading), math.sin(heading)])
    stroll_mps = rng.uniform(0.7, 1.8)
    # The kicking foot meets the ball: plant the body behind it and to the side of the other foot.
    plant = shot.start_m[:2] - 0.42 * ahead - side * 0.10 * right
    approach = np.array([-math.sin(run_in), math.cos(run_in)])

    def play(t: float) -> Floats:
        since = t - contact_s
        at = plant + approach * speed_mps * min(since + 0.15, 0.0)
        at = at + ahead * (
            0.8 * motions.ease((since - 0.02) / 0.8) + stroll_mps * max(since - 0.7, 0)
        )
        angles = motions.kick(since, vigour, phase)
        if since > 0.7:  # nobody freezes after a shot
            angles = motions.run(phase + 1 + 2 * math.pi * 0.9 * (since - 0.7), 0.5)
        facing = run_in + (heading - run_in) * motions.ease((since + 0.3) / 0.3)
        pose = angles if right_footed else mirrored(angles)
        return joints_of(body, pose, (float(at[0]), float(at[1])), facing)

    return play


def _keeper(
    rng: np.random.Generator, body: Body, shot: StagedShot, contact_s: float
) -> Choreography:
    touches = [when for name, when in shot.flight.events if name in ("held", "parried")]
    saved_s = touches[0] if touches else None
    line_s = saved_s if saved_s is not None else 0.75
    meeting = shot.position_at(line_s)
    late = 1.0 if saved_s is not None else rng.uniform(0.3, 0.75)
    reach_m = shot.goal.width_m / 2 + 0.3
    toward = float(np.clip(meeting[0], -reach_m, reach_m)) * late
    depth = float(meeting[1]) if saved_s is not None else rng.uniform(0.3, 0.8)
    side = math.copysign(1.0, toward)
    stretch = min(1.0, abs(toward) / 2.2)
    phase = rng.uniform(0, 6.28)

    def play(t: float) -> Floats:
        share = motions.ease((t - contact_s - 0.15) / max(0.2, line_s - 0.15))
        guard, stretched = motions.guard(t, phase), motions.dive(stretch, side)
        angles = {
            name: guard.get(name, 0.0) * (1 - share) + stretched.get(name, 0.0) * share
            for name in guard.keys() | stretched.keys()
        }
        # In a dive the body ends beside the ball, with the hands on it. Facing the pitch is yaw 0,
        # so a ball at +X is to the goalkeeper's right.
        reach = toward - side * stretch * 0.9
        hop = motions.hop_m(t - contact_s - 0.25, 0.7, 0.35 * stretch)
        return joints_of(body, angles, (reach * share, depth), 0.0, hop)

    return play
