"""Acts for the clip classifier: a baseball swing, a basketball lay-up, a shot at goal, or none.

An act is played at the origin facing +Y by a right-handed person, with its decisive moment at a
given time; `stage_act` mirrors, turns and places it, and adds what must not give the class away:
bystanders, bats, balls and hoops appear with the same odds whatever the act.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from workbench.footage.synthetic import motions
from workbench.footage.synthetic.camera import Camera, Points
from workbench.footage.synthetic.people import JOINT, Angles, Body, draw_body, joints_of
from workbench.footage.synthetic.scene import (
    BALL_COLOURS,
    BALL_RADII_M,
    FIRST_BALL_ID,
    Ball,
    BallLook,
    Moment,
    Person,
    Scene,
    Stick,
)
from workbench.footage.synthetic.venue import Rgb, Venue

SPORTS = ("baseball", "basketball", "soccer", "none")
PERFORMER_ID = 1

_BAT_M, _BAT_RGB = 0.82, (196, 152, 96)
_MIRROR_ORDER = [
    JOINT[{"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]] for name in JOINT
]

Joints = Callable[[float], Points]


@dataclass(frozen=True)
class Act:
    """What one person does, in their own frame (x right, y forward)."""

    name: str
    sport: str
    move: Callable[[float], tuple[Angles, float, float]]  # time → angles, metres forward, jump
    ball_look: BallLook | None = None
    ball: Callable[[float, Joints], Points] | None = None  # time, joints at a time → centre
    bat: Callable[[float, Joints], tuple[Points, Points]] | None = None  # → grip, direction


@dataclass(frozen=True)
class Temper:
    """How an act is played: drawn once per clip."""

    at_s: float  # the decisive moment
    duration_s: float
    tempo: float
    vigour: float
    phase_rad: float
    speed_mps: float


def draw_temper(rng: np.random.Generator, duration_s: float) -> Temper:
    """Draw timing and style for a clip of the given length."""
    return Temper(
        at_s=duration_s * rng.uniform(0.35, 0.68),
        duration_s=duration_s,
        tempo=rng.uniform(0.8, 1.3),
        vigour=rng.uniform(0.8, 1.15),
        phase_rad=rng.uniform(0, 2 * math.pi),
        speed_mps=rng.uniform(2.0, 4.2),
    )


def draw_act(rng: np.random.Generator, sport: str, temper: Temper) -> Act:
    """Draw an act that shows `sport`; "none" is one of many things people do on a sports ground."""
    if sport == "none":
        return _NONE_ACTS[rng.integers(len(_NONE_ACTS))](rng, temper)
    act = {"baseball": _swing, "basketball": _layup, "soccer": _shot}[sport](rng, temper)
    # A ball that is out of sight or too small to see is usual in phone footage.
    return act if rng.random() < 0.85 else replace(act, ball=None, ball_look=None)


# ------------------------------------------------------------------------------------ the classes


def _swing(rng: np.random.Generator, temper: Temper) -> Act:
    pitch_mps, hit = rng.uniform(11, 18), rng.normal([-3.0, 18.0, 5.0], [6.0, 4.0, 3.0])
    meet = np.array([0.15, 0.75, 0.9])

    def move(t: float) -> tuple[Angles, float, float]:
        since = t - temper.at_s
        step = 0.15 * motions.ease((since + 0.25 * temper.tempo) / 0.3)
        return motions.swing(since, temper.vigour, temper.tempo), step, 0.0

    def bat(t: float, joints: Joints) -> tuple[Points, Points]:
        azimuth, elevation = motions.bat_direction(t - temper.at_s, temper.tempo)
        level = math.cos(elevation)
        direction = [math.sin(azimuth) * level, math.cos(azimuth) * level, math.sin(elevation)]
        return _between_hands(joints(t)), np.array(direction)

    def ball(t: float, joints: Joints) -> Points:
        since = t - temper.at_s
        if since < 0:
            return np.asarray(meet + np.array([-pitch_mps * since, 0.2 * since, -0.5 * since]))
        return _fallen(meet, hit, since, BALL_RADII_M["baseball"])

    return Act("swing", "baseball", move, "baseball", ball, bat)


def _layup(rng: np.random.Generator, temper: Temper) -> Act:
    airtime_s = motions.layup_airtime_s(temper.tempo)
    release_s = temper.at_s + 0.5 * airtime_s
    toss = np.array([rng.normal(0, 0.3), rng.uniform(1.0, 2.0), rng.uniform(2.8, 4.0)])
    bounces_per_s = rng.uniform(1.8, 2.4)

    def move(t: float) -> tuple[Angles, float, float]:
        since = t - temper.at_s
        forward = temper.speed_mps * min(since, 0.0)
        forward += 0.6 * temper.speed_mps * min(max(since, 0.0), airtime_s)
        jump = motions.hop_m(since, airtime_s, 0.42 * temper.vigour)
        return motions.layup(since, temper.vigour, temper.phase_rad, temper.tempo), forward, jump

    def ball(t: float, joints: Joints) -> Points:
        since = t - temper.at_s
        if since < -0.25:
            height = abs(math.sin(math.pi * bounces_per_s * t + temper.phase_rad))
            return np.array([0.33, move(t)[1] + 0.35, 0.12 + 0.75 * height])
        hand = joints(min(t, release_s))[JOINT["r_wrist"]] + np.array([0, 0.08, 0.14])
        if t < release_s:
            return np.asarray(hand)
        return _fallen(hand, toss, t - release_s, BALL_RADII_M["basketball"])

    return Act("layup", "basketball", move, "basketball", ball)


def _shot(rng: np.random.Generator, temper: Temper) -> Act:
    struck = np.array([rng.normal(0, 2.5), rng.uniform(12, 26), rng.uniform(0.5, 6)])
    spot = np.array([0.10, 0.42, BALL_RADII_M["soccer"]])
    rolls_mps = rng.uniform(0, 2.0) if rng.random() < 0.4 else 0.0

    def move(t: float) -> tuple[Angles, float, float]:
        since = t - temper.at_s
        forward = 0.8 * temper.speed_mps * min(since + 0.15, 0.0)
        forward += 0.6 * motions.ease((since + 0.15) / 0.6)
        return motions.kick(since, temper.vigour, temper.phase_rad, temper.tempo), forward, 0.0

    def ball(t: float, joints: Joints) -> Points:
        since = t - temper.at_s
        if since < 0:
            return np.asarray(spot + np.array([0, -rolls_mps * since, 0]))
        return _fallen(spot, struck, since, BALL_RADII_M["soccer"])

    return Act("shot", "soccer", move, "soccer", ball)


# ---------------------------------------------------------------------------- none of the classes


def _jog(rng: np.random.Generator, temper: Temper) -> Act:
    speed_mps = rng.uniform(1.0, 5.0)
    vigour = 0.25 + 0.15 * speed_mps
    carries_bat = rng.random() < 0.3

    def move(t: float) -> tuple[Angles, float, float]:
        phase = temper.phase_rad + 2 * math.pi * (0.8 + 0.15 * speed_mps) * t
        forward = speed_mps * (t - temper.duration_s / 2)
        return motions.run(phase, min(vigour, 1.0)), forward, 0.0

    return Act("jog", "none", move, bat=_carried if carries_bat else None)


def _idle(rng: np.random.Generator, temper: Temper) -> Act:
    holds: list[BallLook | None] = ["soccer", "basketball", "baseball", None]
    look = holds[rng.integers(len(holds))]
    bat = _carried if rng.random() < 0.4 else None

    def move(t: float) -> tuple[Angles, float, float]:
        return motions.idle(t, temper.phase_rad), 0.0, 0.0

    return Act("idle", "none", move, look, _lying if look else None, bat)


def _await_pitch(rng: np.random.Generator, temper: Temper) -> Act:
    def move(t: float) -> tuple[Angles, float, float]:
        return motions.bat_stance(math.sin(4 * t + temper.phase_rad)), 0.0, 0.0

    def bat(t: float, joints: Joints) -> tuple[Points, Points]:
        waggle = 0.25 * math.sin(5 * t + temper.phase_rad)
        direction = np.array([0.45, -0.35 + waggle, 0.85])
        return _between_hands(joints(t)), direction / np.linalg.norm(direction)

    return Act("await_pitch", "none", move, bat=bat)


def _dribble_hand(rng: np.random.Generator, temper: Temper) -> Act:
    speed_mps = rng.uniform(0, 2.5)

    def move(t: float) -> tuple[Angles, float, float]:
        pose = motions.bounce_ball(2 * math.pi * 2 * t + temper.phase_rad)
        if speed_mps > 1:
            step = motions.run(temper.phase_rad + 2 * math.pi * 1.3 * t, 0.6)
            pose = step | {name: pose[name] for name in ("r_shoulder", "r_elbow")}
        return pose, speed_mps * (t - temper.duration_s / 2), 0.0

    def ball(t: float, joints: Joints) -> Points:
        height = abs(math.sin(2 * math.pi * t + temper.phase_rad / 2))
        return np.array([0.33, move(t)[1] + 0.4, 0.12 + 0.7 * height])

    return Act("dribble_hand", "none", move, "basketball", ball)


def _dribble_foot(rng: np.random.Generator, temper: Temper) -> Act:
    speed_mps = rng.uniform(1.5, 3.5)

    def move(t: float) -> tuple[Angles, float, float]:
        phase = temper.phase_rad + 2 * math.pi * 1.3 * t
        return motions.run(phase, 0.7), speed_mps * (t - temper.duration_s / 2), 0.0

    def ball(t: float, joints: Joints) -> Points:
        ahead = 0.55 + 0.25 * math.sin(2 * math.pi * 1.3 * t + temper.phase_rad)
        return np.array([0.08, move(t)[1] + ahead, 0.11])

    return Act("dribble_foot", "none", move, "soccer", ball)


def _juggle(rng: np.random.Generator, temper: Temper) -> Act:
    touches_per_s = rng.uniform(1.4, 2.0)

    def phase(t: float) -> float:
        return math.pi * touches_per_s * t + temper.phase_rad

    def move(t: float) -> tuple[Angles, float, float]:
        return motions.juggle(phase(t)), 0.0, 0.0

    def ball(t: float, joints: Joints) -> Points:
        return np.array([0.05, 0.4, 0.45 + 0.6 * abs(math.cos(phase(t)))])

    return Act("juggle", "none", move, "soccer", ball)


def _throw_in(rng: np.random.Generator, temper: Temper) -> Act:
    thrown = np.array([0.0, rng.uniform(7, 11), rng.uniform(0, 2)])

    def move(t: float) -> tuple[Angles, float, float]:
        return motions.throw_in(t - temper.at_s), 0.0, 0.0

    def ball(t: float, joints: Joints) -> Points:
        hands = _between_hands(joints(min(t, temper.at_s))) + np.array([0, 0, 0.12])
        return _fallen(hands, thrown, max(t - temper.at_s, 0.0), BALL_RADII_M["soccer"])

    return Act("throw_in", "none", move, "soccer", ball)


def _header(rng: np.random.Generator, temper: Temper) -> Act:
    def move(t: float) -> tuple[Angles, float, float]:
        since = t - temper.at_s
        forward = 0.5 * temper.speed_mps * min(since, 0.0)
        jump = motions.hop_m(since, 0.5, 0.36 * temper.vigour)
        return motions.header_jump(since, temper.phase_rad), forward, jump

    def ball(t: float, joints: Joints) -> Points:
        since = t - temper.at_s - 0.22
        meet = np.array([0.0, 0.2, 2.05])
        away = np.array([1.0, 7.0, 2.0]) if since > 0 else np.array([1.5, -8.0, -1.0])
        return _fallen(meet, away, since, BALL_RADII_M["soccer"])

    return Act("header", "none", move, "soccer" if rng.random() < 0.6 else None, ball)


def _pick_up(rng: np.random.Generator, temper: Temper) -> Act:
    look: BallLook = ("soccer", "basketball", "baseball")[rng.integers(3)]

    def depth(t: float) -> float:
        since = t - temper.at_s
        return motions.ease((since + 0.7) / 0.7) - motions.ease(since / 0.7)

    def move(t: float) -> tuple[Angles, float, float]:
        return motions.squat(depth(t)), 0.0, 0.0

    def ball(t: float, joints: Joints) -> Points:
        on_ground = np.array([0.0, 0.45, BALL_RADII_M[look]])
        if t < temper.at_s:
            return on_ground
        hands = _between_hands(joints(t)) + np.array([0, 0.08, 0])
        lifted = motions.ease((t - temper.at_s) / 0.3)
        return np.asarray(on_ground + (hands - on_ground) * lifted)

    return Act("pick_up", "none", move, look, ball)


def _gesture(rng: np.random.Generator, temper: Temper) -> Act:
    kind = ("wave", "clap", "cheer", "stretch")[rng.integers(4)]

    def move(t: float) -> tuple[Angles, float, float]:
        if kind == "cheer":
            forward = 1.6 * (t - temper.duration_s / 2)
            return motions.cheer(t, temper.phase_rad), forward, 0.0
        if kind == "stretch":
            depth = 0.5 - 0.5 * math.cos(2 * math.pi * t / temper.duration_s + temper.phase_rad)
            return motions.squat(depth), 0.0, 0.0
        return (motions.wave(t) if kind == "wave" else motions.clap(t)), 0.0, 0.0

    looks: tuple[BallLook | None, ...] = (None, None, "soccer", "basketball")
    look = looks[rng.integers(len(looks))]
    return Act(kind, "none", move, look, _lying if look else None)


_NONE_ACTS = (
    _jog, _idle, _await_pitch, _dribble_hand, _dribble_foot, _juggle, _throw_in, _header, _pick_up,
    _gesture,
)  # fmt: skip


def _between_hands(joints: Points) -> Points:
    return np.asarray((joints[JOINT["l_wrist"]] + joints[JOINT["r_wrist"]]) / 2)


def _carried(t: float, joints: Joints) -> tuple[Points, Points]:
    return joints(t)[JOINT["r_wrist"]], np.array([0.1, 0.3, -0.95])


def _lying(t: float, joints: Joints) -> Points:
    return np.array([0.5, 0.6, 0.11])


def _fallen(start: Points, velocity: Points, time_s: float, radius_m: float) -> Points:
    """Free fall without drag, stopped by the ground: enough for balls that leave the picture."""
    position = start + velocity * time_s
    position[2] = max(radius_m, float(position[2]) - 4.905 * time_s * abs(time_s))
    return position


# ------------------------------------------------------------------------------------- staging


@dataclass(frozen=True)
class Cast:
    """Who and what may turn up in a session's clips."""

    performers: tuple[Body, ...]
    hoop_at_m: tuple[float, float] | None
    team_rgb: Rgb | None


def draw_cast(rng: np.random.Generator) -> Cast:
    """Draw the people of a session; half of the sessions play in team shirts."""
    r, g, b = (int(channel) for channel in rng.integers(20, 235, 3))
    team: Rgb | None = (r, g, b) if rng.random() < 0.5 else None
    return Cast(
        performers=tuple(draw_body(rng, team) for _ in range(4)),
        hoop_at_m=(rng.uniform(-10, 10), rng.uniform(5, 16)) if rng.random() < 0.5 else None,
        team_rgb=team,
    )


@dataclass(frozen=True)
class StagedAct:
    """An act in a place, seen by a camera."""

    act: Act
    scene: Scene
    camera: Camera
    left_handed: bool


def stage_act(
    rng: np.random.Generator,
    act: Act,
    temper: Temper,
    cast: Cast,
    venue: Venue,
    wh: tuple[int, int],
) -> StagedAct:
    """Put an act somewhere in the venue and a camera around it."""
    left_handed = bool(rng.random() < 0.5)
    heading = rng.uniform(0, 2 * math.pi)
    place = np.array([rng.uniform(-12, 12), rng.uniform(4, 17), 0.0])
    body = cast.performers[rng.integers(len(cast.performers))]
    camera = _draw_camera(rng, place, wh)
    people = _draw_bystanders(rng, place, camera, cast)
    clutter = _draw_clutter(rng, place)
    fixed = goal_frame(venue) + _draw_hoop(rng, place, cast)
    colours = BALL_COLOURS[rng.integers(len(BALL_COLOURS))]
    cos, sin = math.cos(heading), math.sin(heading)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])

    def joints(t: float) -> Points:
        angles, forward, jump = act.move(t)
        return joints_of(body, angles, (0.0, forward), 0.0, jump)

    def placed(points: Points) -> Points:
        if left_handed:
            points = points * np.array([-1.0, 1.0, 1.0])
        return np.asarray(points @ turn + place)

    def scene(t: float) -> Moment:
        own = joints(t)
        stands = placed(own[_MIRROR_ORDER] if left_handed else own)
        balls, sticks = list(clutter), list(fixed)
        if act.ball is not None and act.ball_look is not None:
            center = placed(act.ball(t, joints))
            radius = BALL_RADII_M[act.ball_look]
            balls.append(Ball(FIRST_BALL_ID, center, radius, *colours, 11 * t))
        if act.bat is not None:
            grip, direction = act.bat(t, joints)
            ends = placed(np.stack([grip, grip + direction * _BAT_M]))
            sticks.append(Stick(ends[0], ends[1], (0.018, 0.033), _BAT_RGB))
        others = tuple(bystander(t) for bystander in people)
        bats = tuple(_bystander_bat(person) for person in others if person.track_id % 3 == 0)
        return Moment((Person(PERFORMER_ID, body, stands), *others), tuple(balls), (*sticks, *bats))

    return StagedAct(act, scene, camera, left_handed)


def goal_frame(venue: Venue) -> list[Stick]:
    """Posts, bar and the net's poles of the venue's goal."""
    if venue.goal_wh_m is None:
        return []
    half, top = venue.goal_wh_m[0] / 2 + 0.06, venue.goal_wh_m[1] + 0.06
    white, grey = (246, 247, 248), (170, 172, 175)
    sticks = [Stick(np.array([-half, 0, top]), np.array([half, 0, top]), (0.06, 0.06), white)]
    for x in (-half, half):
        foot, corner = np.array([x, 0.0, 0.0]), np.array([x, 0.0, top])
        behind, below = np.array([x, -0.9, top]), np.array([x, -1.8, 0.0])
        sticks += [
            Stick(foot, corner, (0.06, 0.06), white),
            Stick(corner, behind, (0.03, 0.03), grey, casts_shadow=False),
            Stick(behind, below, (0.025, 0.025), grey, casts_shadow=False),
        ]
    return sticks


def _draw_camera(rng: np.random.Generator, place: Points, wh: tuple[int, int]) -> Camera:
    azimuth, distance = rng.uniform(0, 2 * math.pi), rng.uniform(4.5, 11)
    around = [distance * math.sin(azimuth), distance * math.cos(azimuth), rng.uniform(0.9, 2.8)]
    position = place + np.array(around)
    target = place + np.array([*rng.normal(0, 0.3, 2), 0.95 + rng.normal(0, 0.12)])
    visible_height_m = rng.uniform(2.5, 4.3)
    focal_px = wh[1] * distance / visible_height_m
    return Camera.looking_at(position, target, focal_px, wh, rng.normal(0, 0.03))


def _draw_bystanders(
    rng: np.random.Generator, place: Points, camera: Camera, cast: Cast
) -> list[Callable[[float], Person]]:
    people: list[Callable[[float], Person]] = []
    for number in range(rng.integers(0, 3)):
        body = draw_body(rng, cast.team_rgb)
        offset = np.array([rng.uniform(-5, 5), rng.uniform(-7, 7)])
        yaw, phase = rng.uniform(0, 2 * math.pi), rng.uniform(0, 2 * math.pi)
        speed_mps = rng.uniform(0, 2.5) if rng.random() < 0.7 else 0.0
        at = place[:2] + offset
        apart = math.hypot(*offset) > 1.5 and math.hypot(*(at - camera.position[:2])) > 3.5
        if apart:
            people.append(_bystander(2 + number, body, at, yaw, phase, speed_mps))
    return people


def _bystander(
    track_id: int, body: Body, at: Points, yaw: float, phase: float, speed_mps: float
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


def _draw_clutter(rng: np.random.Generator, place: Points) -> list[Ball]:
    looks: tuple[BallLook, ...] = ("soccer", "basketball", "baseball")
    balls = []
    for number in range(rng.integers(0, 3)):
        radius = BALL_RADII_M[looks[rng.integers(3)]]
        at = place + np.array([*rng.uniform(-3, 3, 2), radius])
        colours = BALL_COLOURS[rng.integers(len(BALL_COLOURS))]
        balls.append(Ball(FIRST_BALL_ID + 1 + number, at, radius, *colours, rng.uniform(0, 6)))
    return balls


def _draw_hoop(rng: np.random.Generator, place: Points, cast: Cast) -> list[Stick]:
    if rng.random() < 0.25:  # a movable hoop right where the act is
        x, y = place[:2] + rng.uniform(-2.5, 2.5, 2)
    elif cast.hoop_at_m is not None:
        x, y = cast.hoop_at_m
    else:
        return []

    def at(dx: float, dy: float, z: float) -> Points:
        return np.array([x + dx, y + dy, z])

    return [
        Stick(at(0, 1.0, 0), at(0, 1.0, 3.0), (0.06, 0.06), (95, 92, 90)),
        Stick(at(-0.6, 0.3, 3.3), at(0.6, 0.3, 3.3), (0.4, 0.4), (235, 236, 238)),
        Stick(at(-0.22, 0.0, 3.05), at(0.22, 0.0, 3.05), (0.02, 0.02), (230, 80, 40)),
    ]
