"""Acts for the clip classifier: a baseball swing, a basketball lay-up, a shot at goal, or none.

An act is played at the origin facing +Y by a right-handed person, with its decisive moment at a
given time. Where it takes place, and who else is there, is for `staging`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, GRAVITY_MPS2, Floats
from workbench.simulated import motions
from workbench.simulated.people import JOINT, Angles
from workbench.simulated.scene import BALL_RADII_M, BallLook

SPORTS = ("baseball", "basketball", "soccer", "none")
Joints = Callable[[float], Floats]


@dataclass(frozen=True)
class Act:
    """What one person does, in their own frame (x right, y forward)."""

    name: str
    sport: str
    move: Callable[[float], tuple[Angles, float, float]]  # time → angles, metres forward, jump
    ball_look: BallLook | None = None
    ball: Callable[[float, Joints], Floats] | None = None  # time, joints at a time → centre
    bat: Callable[[float, Joints], tuple[Floats, Floats]] | None = None  # → grip, direction


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

    def bat(t: float, joints: Joints) -> tuple[Floats, Floats]:
        azimuth, elevation = motions.bat_direction(t - temper.at_s, temper.tempo)
        level = math.cos(elevation)
        direction = [math.sin(azimuth) * level, math.cos(azimuth) * level, math.sin(elevation)]
        return _between_hands(joints(t)), np.array(direction)

    def ball(t: float, joints: Joints) -> Floats:
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

    def ball(t: float, joints: Joints) -> Floats:
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

    def ball(t: float, joints: Joints) -> Floats:
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

    def bat(t: float, joints: Joints) -> tuple[Floats, Floats]:
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

    def ball(t: float, joints: Joints) -> Floats:
        height = abs(math.sin(2 * math.pi * t + temper.phase_rad / 2))
        return np.array([0.33, move(t)[1] + 0.4, 0.12 + 0.7 * height])

    return Act("dribble_hand", "none", move, "basketball", ball)


def _dribble_foot(rng: np.random.Generator, temper: Temper) -> Act:
    speed_mps = rng.uniform(1.5, 3.5)

    def move(t: float) -> tuple[Angles, float, float]:
        phase = temper.phase_rad + 2 * math.pi * 1.3 * t
        return motions.run(phase, 0.7), speed_mps * (t - temper.duration_s / 2), 0.0

    def ball(t: float, joints: Joints) -> Floats:
        ahead = 0.55 + 0.25 * math.sin(2 * math.pi * 1.3 * t + temper.phase_rad)
        return np.array([0.08, move(t)[1] + ahead, BALL_RADIUS_M])

    return Act("dribble_foot", "none", move, "soccer", ball)


def _juggle(rng: np.random.Generator, temper: Temper) -> Act:
    touches_per_s = rng.uniform(1.4, 2.0)

    def phase(t: float) -> float:
        return math.pi * touches_per_s * t + temper.phase_rad

    def move(t: float) -> tuple[Angles, float, float]:
        return motions.juggle(phase(t)), 0.0, 0.0

    def ball(t: float, joints: Joints) -> Floats:
        return np.array([0.05, 0.4, 0.45 + 0.6 * abs(math.cos(phase(t)))])

    return Act("juggle", "none", move, "soccer", ball)


def _throw_in(rng: np.random.Generator, temper: Temper) -> Act:
    thrown = np.array([0.0, rng.uniform(7, 11), rng.uniform(0, 2)])

    def move(t: float) -> tuple[Angles, float, float]:
        return motions.throw_in(t - temper.at_s), 0.0, 0.0

    def ball(t: float, joints: Joints) -> Floats:
        hands = _between_hands(joints(min(t, temper.at_s))) + np.array([0, 0, 0.12])
        return _fallen(hands, thrown, max(t - temper.at_s, 0.0), BALL_RADII_M["soccer"])

    return Act("throw_in", "none", move, "soccer", ball)


def _header(rng: np.random.Generator, temper: Temper) -> Act:
    def move(t: float) -> tuple[Angles, float, float]:
        since = t - temper.at_s
        forward = 0.5 * temper.speed_mps * min(since, 0.0)
        jump = motions.hop_m(since, 0.5, 0.36 * temper.vigour)
        return motions.header_jump(since, temper.phase_rad), forward, jump

    def ball(t: float, joints: Joints) -> Floats:
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

    def ball(t: float, joints: Joints) -> Floats:
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


def _between_hands(joints: Floats) -> Floats:
    return np.asarray((joints[JOINT["l_wrist"]] + joints[JOINT["r_wrist"]]) / 2)


def _carried(t: float, joints: Joints) -> tuple[Floats, Floats]:
    return joints(t)[JOINT["r_wrist"]], np.array([0.1, 0.3, -0.95])


def _lying(t: float, joints: Joints) -> Floats:
    return np.array([0.5, 0.6, BALL_RADIUS_M])


def _fallen(start: Floats, velocity: Floats, time_s: float, radius_m: float) -> Floats:
    """Free fall without drag, stopped by the ground: enough for balls that leave the picture."""
    position = start + velocity * time_s
    position[2] = max(radius_m, float(position[2]) - GRAVITY_MPS2 / 2 * time_s * abs(time_s))
    return position
