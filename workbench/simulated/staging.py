"""Acts put into a place: who plays, who stands around, from where it is filmed.

Mirrors, turns and places the act, and adds what must not give its class away: bystanders, bats,
balls and hoops appear with the same odds whatever the act.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.footage.pinhole import POST_RADIUS_M, Camera, Floats
from workbench.simulated import motions
from workbench.simulated.acts import Act
from workbench.simulated.cameras import by_hand
from workbench.simulated.scene import (
    BALL_COLOURS,
    BALL_RADII_M,
    FIRST_BALL_ID,
    JOINT,
    Ball,
    BallLook,
    Body,
    Moment,
    Person,
    Scene,
    Stick,
    draw_body,
    draw_colour,
    joints_of,
)
from workbench.simulated.venue import Rgb, Venue

PERFORMER_ID = 1

_BAT_M, _BAT_RGB = 0.82, (196, 152, 96)
_MIRROR_ORDER = [
    JOINT[{"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]] for name in JOINT
]


@dataclass(frozen=True)
class Cast:
    """Who and what may turn up in a session's clips."""

    performers: tuple[Body, ...]
    hoop_at_m: tuple[float, float] | None
    team_rgb: Rgb | None


def draw_cast(rng: np.random.Generator) -> Cast:
    """Draw the people of a session; half of the sessions play in team shirts."""
    colour = draw_colour(rng)
    team = colour if rng.random() < 0.5 else None
    return Cast(
        performers=tuple(draw_body(rng, team) for _ in range(4)),
        hoop_at_m=(rng.uniform(-10, 10), rng.uniform(5, 16)) if rng.random() < 0.5 else None,
        team_rgb=team,
    )


def stage_act(
    rng: np.random.Generator, act: Act, cast: Cast, venue: Venue, wh: tuple[int, int]
) -> tuple[Scene, Camera, bool]:
    """Put an act somewhere in the venue and a camera around it; whether it is left-handed."""
    left_handed = bool(rng.random() < 0.5)
    heading = rng.uniform(0, 2 * math.pi)
    place = np.array([rng.uniform(-12, 12), rng.uniform(4, 17), 0.0])
    body = cast.performers[rng.integers(len(cast.performers))]
    camera = by_hand(rng, place, wh)
    people = _draw_bystanders(rng, place, camera, cast)
    clutter = _draw_clutter(rng, place)
    fixed = goal_sticks(venue) + _draw_hoop(rng, place, cast)
    colours = BALL_COLOURS[rng.integers(len(BALL_COLOURS))]
    cos, sin = math.cos(heading), math.sin(heading)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def joints(since: float) -> Floats:
        forward_m, jump_m = act.forward_m(since), act.jump_m(since)
        return joints_of(body, act.pose(since), (0.0, forward_m), 0.0, jump_m)

    def placed(points: Floats) -> Floats:
        if left_handed:
            points = points * np.array([-1.0, 1.0, 1.0])
        return np.asarray(points @ turn + place)

    def scene(t: float) -> Moment:
        since = t - act.at_s
        own = joints(since)
        stands = placed(own[_MIRROR_ORDER] if left_handed else own)
        balls, sticks = list(clutter), list(fixed)
        if act.ball is not None and act.ball_look is not None:
            center = placed(act.ball(since, joints))
            radius = BALL_RADII_M[act.ball_look]
            balls.append(Ball(FIRST_BALL_ID, center, radius, *colours, 11 * t))
        if act.bat is not None:
            grip, direction = act.bat(since, joints)
            ends = placed(np.stack([grip, grip + direction * _BAT_M]))
            sticks.append(Stick(ends[0], ends[1], (0.018, 0.033), _BAT_RGB))
        others = tuple(bystander(t) for bystander in people)
        bats = tuple(_bystander_bat(person) for person in others if person.track_id % 3 == 0)
        return Moment((Person(PERFORMER_ID, body, stands), *others), tuple(balls), (*sticks, *bats))

    return scene, camera, left_handed


def goal_sticks(venue: Venue) -> list[Stick]:
    """Posts, bar and the net's poles of the venue's goal, if it has one."""
    if venue.goal is None:
        return []
    goal, radii = venue.goal, (POST_RADIUS_M, POST_RADIUS_M)
    half, top = goal.width_m / 2 + POST_RADIUS_M, goal.height_m + POST_RADIUS_M
    white, grey = (246, 247, 248), (170, 172, 175)
    sticks = [Stick(np.array([-half, 0, top]), np.array([half, 0, top]), radii, white)]
    for x in (-half, half):
        foot, corner = np.array([x, 0.0, 0.0]), np.array([x, 0.0, top])
        behind, below = np.array([x, -goal.roof_m, top]), np.array([x, -goal.depth_m, 0.0])
        sticks += [
            Stick(foot, corner, radii, white),
            Stick(corner, behind, (0.03, 0.03), grey, casts_shadow=False),
            Stick(behind, below, (0.025, 0.025), grey, casts_shadow=False),
        ]
    return sticks


def _draw_bystanders(
    rng: np.random.Generator, place: Floats, camera: Camera, cast: Cast
) -> list[Callable[[float], Person]]:
    people: list[Callable[[float], Person]] = []
    for number in range(rng.integers(0, 3)):
        body = draw_body(rng, cast.team_rgb)
        offset = np.array([rng.uniform(-5, 5), rng.uniform(-7, 7)])
        yaw, phase = rng.uniform(0, 2 * math.pi), rng.uniform(0, 2 * math.pi)
        speed_mps = rng.uniform(0, 2.5) if rng.random() < 0.7 else 0.0
        at = place[:2] + offset
        if math.hypot(*offset) > 1.5 and math.hypot(*(at - camera.position[:2])) > 3.5:
            people.append(_bystander(2 + number, body, at, yaw, phase, speed_mps))
    return people


def _bystander(
    track_id: int, body: Body, at: Floats, yaw: float, phase: float, speed_mps: float
) -> Callable[[float], Person]:
    def person(t: float) -> Person:
        if speed_mps > 0.3:
            pace = phase + 2 * math.pi * (0.6 + 0.3 * speed_mps) * t
            angles = motions.run(pace, 0.2 + 0.25 * speed_mps)
        else:
            angles = motions.idle(t, phase)
        x = at[0] - math.sin(yaw) * speed_mps * t
        y = at[1] + math.cos(yaw) * speed_mps * t
        return Person(track_id, body, joints_of(body, angles, (x, y), yaw))

    return person


def _bystander_bat(person: Person) -> Stick:
    grip = person.joints[JOINT["r_wrist"]]
    return Stick(grip, grip + np.array([0.12, 0.1, -0.75]), (0.018, 0.033), _BAT_RGB)


def _draw_clutter(rng: np.random.Generator, place: Floats) -> list[Ball]:
    looks: tuple[BallLook, ...] = ("soccer", "basketball", "baseball")
    balls = []
    for number in range(rng.integers(0, 3)):
        radius = BALL_RADII_M[looks[rng.integers(3)]]
        at = place + np.array([*rng.uniform(-3, 3, 2), radius])
        colours = BALL_COLOURS[rng.integers(len(BALL_COLOURS))]
        balls.append(Ball(FIRST_BALL_ID + 1 + number, at, radius, *colours, rng.uniform(0, 6)))
    return balls


def _draw_hoop(rng: np.random.Generator, place: Floats, cast: Cast) -> list[Stick]:
    if rng.random() < 0.25:  # a movable hoop right where the act is
        x, y = place[:2] + rng.uniform(-2.5, 2.5, 2)
    elif cast.hoop_at_m is not None:
        x, y = cast.hoop_at_m
    else:
        return []

    def at(dx: float, dy: float, z: float) -> Floats:
        return np.array([x + dx, y + dy, z])

    return [
        Stick(at(0, 1.0, 0), at(0, 1.0, 3.0), (0.06, 0.06), (95, 92, 90)),
        Stick(at(-0.6, 0.3, 3.3), at(0.6, 0.3, 3.3), (0.4, 0.4), (235, 236, 238)),
        Stick(at(-0.22, 0.0, 3.05), at(0.22, 0.0, 3.05), (0.02, 0.02), (230, 80, 40)),
    ]
