"""Shooting sessions: a tripod, a goal, a goalkeeper, and one shot at goal per clip.

The ball flies by `flight`; shooter and goalkeeper are choreographed around it, so that contact,
foot, speed and verdict are known exactly.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Camera, Points
from workbench.simulated import motions
from workbench.simulated.flight import Flight, Save, Verdict, aim, fly
from workbench.simulated.people import Body, draw_body, joints_of, mirrored
from workbench.simulated.scene import (
    BALL_COLOURS,
    FIRST_BALL_ID,
    Ball,
    Moment,
    Person,
    Scene,
)
from workbench.simulated.staging import goal_frame
from workbench.simulated.venue import Rgb, Venue

SHOOTER_ID, KEEPER_ID = 1, 2
Choreography = Callable[[float], Points]  # seconds since the clip's start → joints

_PLANS = ("goal", "goal", "goal", "save", "save", "wide", "over", "post")


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
    events: list[tuple[str, float]]  # bounce, post, save, net, with seconds since the clip's start

    def to_dict(self) -> dict[str, Any]:
        """As saved with the clip's truth."""
        return asdict(self)


@dataclass(frozen=True)
class Range:
    """A shooting session's set-up: who plays, where the camera stands."""

    camera: Camera
    shooters: tuple[Body, ...]
    keeper: Body
    ball_colours: tuple[Rgb, Rgb]
    spot_m: tuple[float, float]  # about where shots are taken from


def draw_range(
    rng: np.random.Generator, venue: Venue, wh: tuple[int, int], camera_m: float | None = None
) -> Range:
    """Draw people and a camera that has ball and goal in view.

    The camera stands behind or beside the shooter, up to 50 degrees off the line of the shot.

    Args:
        rng: All that is drawn comes from it, the same draws with and without `camera_m`.
        venue: Has a goal.
        wh: Width and height of the picture.
        camera_m: How far the camera stands from the spot of the shots; by default 5.5 to 9 m.
    """
    assert venue.goal_wh_m is not None
    spot = np.array([rng.uniform(-3, 3), rng.uniform(9, 14)])
    angle = rng.uniform(-0.87, 0.87)
    near_m = rng.uniform(5.5, 9)
    back = near_m if camera_m is None else camera_m
    away = spot / np.linalg.norm(spot)
    cos, sin = math.cos(angle), math.sin(angle)
    offset = back * np.array([away[0] * cos - away[1] * sin, away[0] * sin + away[1] * cos])
    position = np.array([*(spot + offset), rng.uniform(1.4, 2.6)])
    target = np.array([*(0.45 * spot), 0.8])
    # Wide enough for the ball on its spot and both posts, with some air around them.
    wanted = np.array(
        [[*spot, 0.0], [*(spot * 1.15), 1.0], [-venue.goal_wh_m[0] / 2 - 1, 0, 0],
         [venue.goal_wh_m[0] / 2 + 1, 0, 0]]
    )  # fmt: skip
    trial = Camera.looking_at(position, target, 1.0, wh, rng.normal(0, 0.01))
    reach = np.abs(trial.project(wanted)[0] - trial.center_px) / (np.array(wh) / 2)
    # … and no longer a lens than phones have: 24 to 31 mm on a 36 mm wide film.
    focal_px = min(0.92 / float(reach.max()), rng.uniform(0.67, 0.86) * wh[0])
    return Range(
        camera=Camera.looking_at(position, target, focal_px, wh, rng.normal(0, 0.01)),
        shooters=tuple(draw_body(rng) for _ in range(3)),
        keeper=draw_body(rng),
        ball_colours=BALL_COLOURS[rng.integers(len(BALL_COLOURS))],
        spot_m=(float(spot[0]), float(spot[1])),
    )


def stage_shot(
    rng: np.random.Generator, place: Range, venue: Venue, duration_s: float
) -> tuple[Scene, ShotTruth]:
    """Draw one shot: its scene and its truth."""
    assert venue.goal_wh_m is not None
    goal_wh = venue.goal_wh_m
    start = np.array([*(np.array(place.spot_m) + rng.normal(0, 0.5, 2)), BALL_RADIUS_M])
    speed_mps, side_spin = rng.uniform(10, 27), rng.normal(0, 1.2)
    save, target = _draw_plan(rng, goal_wh)
    velocity = aim(start, target, speed_mps, goal_wh, side_spin)
    contact_s = rng.uniform(0.8, 1.1)
    flight = fly(
        start, velocity, goal_wh, side_spin=side_spin, bounce=rng.uniform(0.5, 0.7), save=save,
        duration_s=duration_s,
    )  # fmt: skip
    right_footed = bool(rng.random() < 0.65)
    shooter = place.shooters[rng.integers(len(place.shooters))]
    play_shooter = _shooter(rng, shooter, start, velocity, contact_s, right_footed)
    play_keeper = _keeper(rng, place.keeper, flight, contact_s, goal_wh)
    frame = tuple(goal_frame(venue))

    def scene(t: float) -> Moment:
        center = flight.at(t - contact_s)
        spin = 9.0 * max(0.0, t - contact_s)
        ball = Ball(FIRST_BALL_ID, center, BALL_RADIUS_M, *place.ball_colours, spin)
        people = (
            Person(SHOOTER_ID, shooter, play_shooter(t)),
            Person(KEEPER_ID, place.keeper, play_keeper(t)),
        )
        return Moment(people, (ball,), frame)

    truth = ShotTruth(
        verdict=flight.verdict,
        is_goal=flight.is_goal,
        shooter_track_id=SHOOTER_ID,
        foot="right" if right_footed else "left",
        contact_s=round(contact_s, 4),
        speed_kmh=round(3.6 * float(np.linalg.norm(velocity)), 2),
        crossing_m=flight.crossing_m,
        goal_wh_m=goal_wh,
        distance_m=round(float(np.linalg.norm(start[:2])), 3),
        events=[(name, round(when + contact_s, 4)) for name, when in flight.events],
    )
    return scene, truth


def _draw_plan(
    rng: np.random.Generator, goal_wh: tuple[float, float]
) -> tuple[Save | None, Points]:
    half, height = goal_wh[0] / 2, goal_wh[1]
    plan = _PLANS[rng.integers(len(_PLANS))]
    x = rng.choice([-1, 1]) * rng.uniform(0.05, 0.92) * half
    z = rng.uniform(0.12, 0.9) * height
    save = None
    if plan == "save":
        x, z = 0.75 * x, min(z, 1.9)
        parry = np.array([rng.normal(0, 4), rng.uniform(2, 6), rng.uniform(-1, 3)])
        save = Save(rng.uniform(0.25, 0.9), bool(rng.random() < 0.4), parry)
    elif plan == "wide":
        x = np.sign(x) * (half + rng.uniform(0.3, 2.2))
    elif plan == "over":
        z = height + rng.uniform(0.35, 1.5)
    elif plan == "post":
        x = np.sign(x) * (half + 0.06)
    return save, np.array([x, 0.0, z])


def _shooter(
    rng: np.random.Generator,
    body: Body,
    ball: Points,
    velocity: Points,
    contact_s: float,
    right_footed: bool,
) -> Choreography:
    heading = math.atan2(-velocity[0], velocity[1])
    side = 1.0 if right_footed else -1.0
    run_in = heading - side * rng.uniform(0.2, 0.6)  # right-footed players come from the left
    speed_mps, phase, vigour = rng.uniform(2.5, 4.2), rng.uniform(0, 6.28), rng.uniform(0.85, 1.1)
    ahead = np.array([-math.sin(heading), math.cos(heading)])
    right = np.array([math.cos(heading), math.sin(heading)])
    stroll_mps = rng.uniform(0.7, 1.8)
    # The kicking foot meets the ball: plant the body behind it and to the side of the other foot.
    plant = ball[:2] - 0.42 * ahead - side * 0.10 * right
    approach = np.array([-math.sin(run_in), math.cos(run_in)])

    def play(t: float) -> Points:
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
    rng: np.random.Generator,
    body: Body,
    flight: Flight,
    contact_s: float,
    goal_wh: tuple[float, float],
) -> Choreography:
    saved_s = next((when for name, when in flight.events if name == "save"), None)
    line_s = saved_s if saved_s is not None else 0.75
    meeting = flight.at(line_s)
    late = 1.0 if saved_s is not None else rng.uniform(0.3, 0.75)
    toward = float(np.clip(meeting[0], -goal_wh[0] / 2 - 0.3, goal_wh[0] / 2 + 0.3)) * late
    depth = float(meeting[1]) if saved_s is not None else rng.uniform(0.3, 0.8)
    side = math.copysign(1.0, toward)
    stretch = min(1.0, abs(toward) / 2.2)
    phase = rng.uniform(0, 6.28)

    def play(t: float) -> Points:
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
