"""Clips staged: who plays, who stands around, what happens, and from where it is filmed.

An act is mirrored, turned and placed among what must not give its class away: bystanders, bats,
balls and hoops appear with the same odds whatever the act. A shot at goal has a tripod, a ball that
flies as `kicks` stages it, and a shooter and a goalkeeper choreographed around it, so that contact,
foot, speed and verdict are known exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, POST_RADIUS_M, Camera, Floats
from workbench.simulated import motions
from workbench.simulated.acts import Act
from workbench.simulated.cameras import by_hand, close_to_the_shooter
from workbench.simulated.flight import GoalFrame
from workbench.simulated.kicks import StagedShot, stage
from workbench.simulated.scene import (
    BALL_COLOURS,
    BALL_RADII_M,
    FIRST_BALL_ID,
    JOINT,
    Ball,
    Body,
    Moment,
    Person,
    Scene,
    Stick,
    draw_body,
    draw_colour,
    joints_of,
    mirrored,
)
from workbench.simulated.technique import draw_stance, kick_stance, true_technique
from workbench.simulated.venue import Rgb, Venue
from workbench.simulated.worlds import Kind

PERFORMER_ID = 1
SHOOTER_ID, KEEPER_ID = 1, 2

BAT_M, BAT_RGB = 0.82, (196, 152, 96)
MIRROR_ORDER = [JOINT[name] for name in mirrored(dict.fromkeys(JOINT, 0.0))]
Verdict = Literal["goal", "save", "post", "wide", "over", "short"]  # what a spectator would say
Choreography = Callable[[float], Floats]  # seconds since the clip's start → joints

# What is meant to happen, in equal shares.
_KINDS: tuple[Kind, ...] = ("goal", "goal", "goal", "parried", "held", "wide", "over", "post")
_LATEST_S = 1.7  # after the kick; the clip ends soon after that
_KIND_TO_VERDICT: dict[Kind, Verdict] = {
    "goal": "goal", "parried": "save", "held": "save", "blocked": "save", "post": "post",
    "over": "over", "wide": "wide", "side_net": "wide", "short": "short",
}  # fmt: skip


# --------------------------------------------------------------------------------------------- acts


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
        stands = placed(own[MIRROR_ORDER] if left_handed else own)
        balls, sticks = list(clutter), list(fixed)
        if act.ball is not None and act.ball_look is not None:
            center = placed(act.ball(since, joints))
            radius = BALL_RADII_M[act.ball_look]
            balls.append(Ball(FIRST_BALL_ID, center, radius, *colours, 11 * t))
        if act.bat is not None:
            grip, direction = act.bat(since, joints)
            ends = placed(np.stack([grip, grip + direction * BAT_M]))
            sticks.append(Stick(ends[0], ends[1], (0.018, 0.033), BAT_RGB))
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
    return Stick(grip, grip + np.array([0.12, 0.1, -0.75]), (0.018, 0.033), BAT_RGB)


def _draw_clutter(rng: np.random.Generator, place: Floats) -> list[Ball]:
    radii_m = tuple(BALL_RADII_M.values())
    balls = []
    for number in range(rng.integers(0, 3)):
        radius = radii_m[rng.integers(len(radii_m))]
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


# ------------------------------------------------------------------------------------ shots at goal


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
    technique: dict[str, float]  # at the contact, as `true_technique` gives it


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
    foot = "right" if right_footed else "left"

    def scene(t: float) -> Moment:
        center = shot.positions_at(t - contact_s)
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
        foot=foot,
        contact_s=round(contact_s, 4),
        speed_kmh=round(3.6 * float(np.linalg.norm(shot.velocity_mps)), 2),
        crossing_m=shot.flight.crossing_m,
        goal_wh_m=venue.goal.wh_m,
        distance_m=round(float(np.linalg.norm(shot.start_m[:2])), 3),
        events=[(name, round(when + contact_s, 4)) for name, when in shot.flight.events],
        technique=true_technique(play_shooter, "shot", foot, contact_s),
    )
    return scene, truth


def _draw_shot(rng: np.random.Generator, place: ShootingPlace, goal: GoalFrame) -> StagedShot:
    """Draw a shot that comes to the goal, if it does, before the clip is over."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    while True:
        x, y = np.array(place.spot_m) + rng.normal(0, 0.5, 2)
        start = float(x), float(y), BALL_RADIUS_M
        shot = stage(rng, kind, goal=goal, start_m=start, speed_mps=rng.uniform(10, 27))
        comes_late = shot.flight.crossing_m and shot.positions_at(_LATEST_S)[1] > 0
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
    stance = draw_stance(rng, "shot")
    own = kick_stance(stance)
    # The kicking foot meets the ball: plant the body behind it and to the side of the other foot.
    plant = shot.start_m[:2] - 0.42 * ahead - side * 0.10 * right
    approach = np.array([-math.sin(run_in), math.cos(run_in)])

    def play(t: float) -> Floats:
        since = t - contact_s
        at = plant + approach * speed_mps * min(since + 0.15, 0.0)
        at = at + ahead * (
            0.8 * motions.ease((since - 0.02) / 0.8) + stroll_mps * max(since - 0.7, 0)
        )
        angles = motions.kick(since, vigour, phase, stance=own, drive=stance.drive)
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
    meeting = shot.positions_at(line_s)
    late = 1.0 if saved_s is not None else rng.uniform(0.3, 0.75)
    reach_m = shot.goal.width_m / 2 + 0.3
    toward = float(np.clip(meeting[0], -reach_m, reach_m)) * late
    depth = float(meeting[1]) if saved_s is not None else rng.uniform(0.3, 0.8)
    side = math.copysign(1.0, toward)
    stretch = min(1.0, abs(toward) / 2.2)
    phase = rng.uniform(0, 6.28)

    def play(t: float) -> Floats:
        share = motions.ease((t - contact_s - 0.15) / max(0.2, line_s - 0.15))
        angles = motions.blend(motions.guard(t, phase), motions.dive(stretch, side), share)
        # In a dive the body ends beside the ball, with the hands on it. Facing the pitch is yaw 0,
        # so a ball at +X is to the goalkeeper's right.
        reach = toward - side * stretch * 0.9
        hop = motions.hop_m(t - contact_s - 0.25, 0.7, 0.35 * stretch)
        return joints_of(body, angles, (reach * share, depth), 0.0, hop)

    return play
