"""Acts for the clip classifier: a baseball swing, a basketball lay-up, a shot at goal, or none.

An act is played at the origin facing +Y by a right-handed person, with its decisive moment at a
given time. Where it takes place, and who else is there, is for `staging`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, GRAVITY_MPS2, Floats
from workbench.simulated import motions, technique
from workbench.simulated.scene import BALL_RADII_M, JOINT, Angles, BallLook

SPORTS = ("baseball", "basketball", "soccer", "none")
Joints = Callable[[float], Floats]


@dataclass(frozen=True)
class Act:
    """What one person does, in their own frame (x right, y forward), at seconds since `at_s`."""

    name: str
    pose: Callable[[float], Angles]
    forward_m: Callable[[float], float] = lambda _: 0.0
    jump_m: Callable[[float], float] = lambda _: 0.0
    ball_look: BallLook | None = None
    ball: Callable[[float, Joints], Floats] | None = None  # time, joints at a time → centre
    bat: Callable[[float, Joints], tuple[Floats, Floats]] | None = None  # → grip, direction
    at_s: float = 0.0  # since the clip's start


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
    stance = technique.swing_stance(technique.draw_stance(rng, "swing"))
    pose = partial(motions.swing, vigour=temper.vigour, tempo=temper.tempo, stance=stance)

    def forward_m(since: float) -> float:
        return 0.15 * motions.ease((since + 0.25 * temper.tempo) / 0.3)

    def bat(since: float, joints: Joints) -> tuple[Floats, Floats]:
        azimuth, elevation = motions.bat_direction(since, temper.tempo)
        level = math.cos(elevation)
        direction = [math.sin(azimuth) * level, math.cos(azimuth) * level, math.sin(elevation)]
        return _between_hands(joints(since)), np.array(direction)

    def ball(since: float, joints: Joints) -> Floats:
        if since < 0:
            return np.asarray(meet + np.array([-pitch_mps * since, 0.2 * since, -0.5 * since]))
        return _fallen(meet, hit, since, BALL_RADII_M["baseball"])

    return Act("swing", pose, forward_m, ball_look="baseball", ball=ball, bat=bat, at_s=temper.at_s)


def _layup(rng: np.random.Generator, temper: Temper) -> Act:
    airtime_s = motions.LAYUP_AIRTIME_S * temper.tempo
    release_s = 0.5 * airtime_s
    toss = np.array([rng.normal(0, 0.3), rng.uniform(1.0, 2.0), rng.uniform(2.8, 4.0)])
    bounces_per_s = rng.uniform(1.8, 2.4)

    def forward_m(since: float) -> float:
        forward = temper.speed_mps * min(since, 0.0)
        return forward + 0.6 * temper.speed_mps * min(max(since, 0.0), airtime_s)

    def ball(since: float, joints: Joints) -> Floats:
        if since < -0.25:
            turn_rad = math.pi * bounces_per_s * (since + temper.at_s) + temper.phase_rad
            return np.array([0.33, forward_m(since) + 0.35, 0.12 + 0.75 * abs(math.sin(turn_rad))])
        hand = joints(min(since, release_s))[JOINT["r_wrist"]] + np.array([0, 0.08, 0.14])
        if since < release_s:
            return np.asarray(hand)
        return _fallen(hand, toss, since - release_s, BALL_RADII_M["basketball"])

    jump_m = partial(motions.hop_m, airtime_s=airtime_s, height_m=0.42 * temper.vigour)
    style = {"vigour": temper.vigour, "phase_rad": temper.phase_rad, "tempo": temper.tempo}
    stance = technique.layup_stance(technique.draw_stance(rng, "layup"))
    pose = partial(motions.layup, **style, stance=stance)
    return Act("layup", pose, forward_m, jump_m, "basketball", ball, at_s=temper.at_s)


def _shot(rng: np.random.Generator, temper: Temper) -> Act:
    struck = np.array([rng.normal(0, 2.5), rng.uniform(12, 26), rng.uniform(0.5, 6)])
    spot = np.array([0.10, 0.42, BALL_RADII_M["soccer"]])
    rolls_mps = rng.uniform(0, 2.0) if rng.random() < 0.4 else 0.0

    def forward_m(since: float) -> float:
        forward = 0.8 * temper.speed_mps * min(since + 0.15, 0.0)
        return forward + 0.6 * motions.ease((since + 0.15) / 0.6)

    def ball(since: float, joints: Joints) -> Floats:
        if since < 0:
            return np.asarray(spot + np.array([0, -rolls_mps * since, 0]))
        return _fallen(spot, struck, since, BALL_RADII_M["soccer"])

    stance = technique.draw_stance(rng, "shot")
    pose = partial(
        motions.kick,
        vigour=temper.vigour,
        phase_rad=temper.phase_rad,
        tempo=temper.tempo,
        stance=technique.kick_stance(stance),
        drive=stance.drive,
    )
    return Act("shot", pose, forward_m, ball_look="soccer", ball=ball, at_s=temper.at_s)


# ---------------------------------------------------------------------------- none of the classes


def _jog(rng: np.random.Generator, temper: Temper) -> Act:
    speed_mps = rng.uniform(1.0, 5.0)
    vigour = 0.25 + 0.15 * speed_mps
    carries_bat = rng.random() < 0.3

    def pose(t: float) -> Angles:
        phase = temper.phase_rad + 2 * math.pi * (0.8 + 0.15 * speed_mps) * t
        return motions.run(phase, min(vigour, 1.0))

    return Act("jog", pose, _passing_by(speed_mps, temper), bat=_carried if carries_bat else None)


def _idle(rng: np.random.Generator, temper: Temper) -> Act:
    look = (*BALL_RADII_M, None)[rng.integers(4)]
    bat = _carried if rng.random() < 0.4 else None
    pose = partial(motions.idle, phase_rad=temper.phase_rad)
    return Act("idle", pose, ball_look=look, ball=_lying, bat=bat)


def _await_pitch(rng: np.random.Generator, temper: Temper) -> Act:
    def pose(t: float) -> Angles:
        return motions.bat_stance(math.sin(4 * t + temper.phase_rad))

    def bat(t: float, joints: Joints) -> tuple[Floats, Floats]:
        waggle = 0.25 * math.sin(5 * t + temper.phase_rad)
        direction = np.array([0.45, -0.35 + waggle, 0.85])
        return _between_hands(joints(t)), direction / np.linalg.norm(direction)

    return Act("await_pitch", pose, bat=bat)


def _dribble_hand(rng: np.random.Generator, temper: Temper) -> Act:
    speed_mps = rng.uniform(0, 2.5)
    forward_m = _passing_by(speed_mps, temper)

    def pose(t: float) -> Angles:
        bouncing = motions.bounce_ball(2 * math.pi * 2 * t + temper.phase_rad)
        if speed_mps <= 1:
            return bouncing
        step = motions.run(temper.phase_rad + 2 * math.pi * 1.3 * t, 0.6)
        return step | {name: bouncing[name] for name in ("r_shoulder", "r_elbow")}

    def ball(t: float, joints: Joints) -> Floats:
        height = abs(math.sin(2 * math.pi * t + temper.phase_rad / 2))
        return np.array([0.33, forward_m(t) + 0.4, 0.12 + 0.7 * height])

    return Act("dribble_hand", pose, forward_m, ball_look="basketball", ball=ball)


def _dribble_foot(rng: np.random.Generator, temper: Temper) -> Act:
    forward_m = _passing_by(rng.uniform(1.5, 3.5), temper)

    def pose(t: float) -> Angles:
        return motions.run(temper.phase_rad + 2 * math.pi * 1.3 * t, 0.7)

    def ball(t: float, joints: Joints) -> Floats:
        ahead = 0.55 + 0.25 * math.sin(2 * math.pi * 1.3 * t + temper.phase_rad)
        return np.array([0.08, forward_m(t) + ahead, BALL_RADIUS_M])

    return Act("dribble_foot", pose, forward_m, ball_look="soccer", ball=ball)


def _juggle(rng: np.random.Generator, temper: Temper) -> Act:
    touches_per_s = rng.uniform(1.4, 2.0)

    def phase(t: float) -> float:
        return math.pi * touches_per_s * t + temper.phase_rad

    def ball(t: float, joints: Joints) -> Floats:
        return np.array([0.05, 0.4, 0.45 + 0.6 * abs(math.cos(phase(t)))])

    return Act("juggle", lambda t: motions.juggle(phase(t)), ball_look="soccer", ball=ball)


def _throw_in(rng: np.random.Generator, temper: Temper) -> Act:
    thrown = np.array([0.0, rng.uniform(7, 11), rng.uniform(0, 2)])

    def ball(since: float, joints: Joints) -> Floats:
        hands = _between_hands(joints(min(since, 0.0))) + np.array([0, 0, 0.12])
        return _fallen(hands, thrown, max(since, 0.0), BALL_RADII_M["soccer"])

    return Act("throw_in", motions.throw_in, ball_look="soccer", ball=ball, at_s=temper.at_s)


def _header(rng: np.random.Generator, temper: Temper) -> Act:
    def forward_m(since: float) -> float:
        return 0.5 * temper.speed_mps * min(since, 0.0)

    def ball(since: float, joints: Joints) -> Floats:
        since_meeting = since - 0.22
        meet = np.array([0.0, 0.2, 2.05])
        away = np.array([1.0, 7.0, 2.0]) if since_meeting > 0 else np.array([1.5, -8.0, -1.0])
        return _fallen(meet, away, since_meeting, BALL_RADII_M["soccer"])

    pose = partial(motions.header_jump, phase_rad=temper.phase_rad)
    jump_m = partial(motions.hop_m, airtime_s=0.5, height_m=0.36 * temper.vigour)
    look: BallLook | None = "soccer" if rng.random() < 0.6 else None
    return Act("header", pose, forward_m, jump_m, look, ball, at_s=temper.at_s)


def _pick_up(rng: np.random.Generator, temper: Temper) -> Act:
    look = tuple(BALL_RADII_M)[rng.integers(3)]

    def pose(since: float) -> Angles:
        return motions.squat(motions.ease((since + 0.7) / 0.7) - motions.ease(since / 0.7))

    def ball(since: float, joints: Joints) -> Floats:
        on_ground = np.array([0.0, 0.45, BALL_RADII_M[look]])
        if since < 0:
            return on_ground
        hands = _between_hands(joints(since)) + np.array([0, 0.08, 0])
        return np.asarray(on_ground + (hands - on_ground) * motions.ease(since / 0.3))

    return Act("pick_up", pose, ball_look=look, ball=ball, at_s=temper.at_s)


def _gesture(rng: np.random.Generator, temper: Temper) -> Act:
    kind = ("wave", "clap", "cheer", "stretch")[rng.integers(4)]

    def stretch(t: float) -> Angles:
        turn_rad = 2 * math.pi * t / temper.duration_s + temper.phase_rad
        return motions.squat(0.5 - 0.5 * math.cos(turn_rad))

    poses: dict[str, Callable[[float], Angles]] = {
        "wave": motions.wave, "clap": motions.clap, "stretch": stretch,
        "cheer": partial(motions.cheer, phase_rad=temper.phase_rad),
    }  # fmt: skip
    forward_m = _passing_by(1.6 if kind == "cheer" else 0.0, temper)
    look: BallLook | None = (None, None, "soccer", "basketball")[rng.integers(4)]
    return Act(kind, poses[kind], forward_m, ball_look=look, ball=_lying)


_NONE_ACTS = (
    _jog, _idle, _await_pitch, _dribble_hand, _dribble_foot, _juggle, _throw_in, _header, _pick_up,
    _gesture,
)  # fmt: skip


def _passing_by(speed_mps: float, temper: Temper) -> Callable[[float], float]:
    """Metres forward of somebody who is at their place in the middle of the clip."""
    return lambda t: speed_mps * (t - temper.duration_s / 2)


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
