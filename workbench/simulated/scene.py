"""Moments of a scene, which acts and shots place and renderers draw: people, balls and sticks.

Joint angles are radians in a dict by name. Body axes: x right, y forward, z up. Left and right
mirror each other: a positive hip or shoulder angle swings the limb forward, a positive `*_out`
angle lifts it sideways, knees and elbows are zero when straight.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.simulated.venue import Rgb

JOINTS = (
    "pelvis", "chest", "neck", "head",
    "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
    "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_toe", "r_toe",
)  # fmt: skip
JOINT = {name: number for number, name in enumerate(JOINTS)}
SKELETON = (
    ("pelvis", "chest"), ("chest", "neck"), ("neck", "head"),
    ("l_shoulder", "l_elbow"), ("l_elbow", "l_wrist"), ("r_shoulder", "r_elbow"),
    ("r_elbow", "r_wrist"), ("l_hip", "l_knee"), ("l_knee", "l_ankle"), ("l_ankle", "l_toe"),
    ("r_hip", "r_knee"), ("r_knee", "r_ankle"), ("r_ankle", "r_toe"),
    ("l_shoulder", "r_shoulder"), ("l_hip", "r_hip"),
)  # fmt: skip

Angles = dict[str, float]

_ANKLE_M = 0.05  # an ankle or toe joint on the ground is this high
_MIRRORED_SIGN = ("lean_side", "twist", "hip_twist")  # these turn round when mirrored
_SKINS = ((228, 183, 152), (206, 156, 122), (171, 121, 86), (121, 81, 56), (86, 56, 41))
_HAIRS = ((28, 26, 25), (88, 62, 42), (168, 132, 82), (62, 42, 22), (120, 118, 116))
FIRST_BALL_ID = 200  # people have smaller track ids


@dataclass(frozen=True)
class Body:
    """A person's measures in metres and the colours they wear."""

    thigh: float
    shin: float
    torso: float
    upper_arm: float
    forearm: float
    shoulder: float  # half width
    hip: float  # half width
    head: float  # radius
    girth: float  # thickness of limbs against the average
    skin: Rgb
    hair: Rgb
    shirt: Rgb
    shorts: Rgb
    socks: Rgb
    boots: Rgb


@dataclass(frozen=True)
class Person:
    """Somebody in the scene."""

    track_id: int
    body: Body
    joints: Floats  # (18, 3) metres


@dataclass(frozen=True)
class Ball:
    """A ball in the scene."""

    track_id: int
    center: Floats  # (3,) metres
    radius_m: float
    base: Rgb
    patches: Rgb  # colour of the panels or the seam
    spin_rad: float


@dataclass(frozen=True)
class Stick:
    """Anything long and thin: a bat, a post, a rim, a pole."""

    start: Floats  # (3,) metres
    end: Floats
    radius_m: tuple[float, float]  # at start and end
    colour: Rgb
    casts_shadow: bool = True


@dataclass(frozen=True)
class Moment:
    """Everything that moves or may stand in front of something that moves."""

    people: tuple[Person, ...]
    balls: tuple[Ball, ...] = ()
    sticks: tuple[Stick, ...] = ()


Scene = Callable[[float], Moment]  # seconds since the clip's start
BallLook = Literal["soccer", "basketball", "baseball"]

BALL_RADII_M: dict[BallLook, float] = {
    "soccer": BALL_RADIUS_M,
    "basketball": 0.12,
    "baseball": 0.037,
}
# Training balls come in any colour: a colour must not tell the sport.
BALL_COLOURS: tuple[tuple[Rgb, Rgb], ...] = (
    ((242, 242, 242), (45, 45, 45)),
    ((218, 112, 42), (60, 32, 20)),
    ((235, 222, 60), (60, 70, 160)),
    ((240, 240, 235), (200, 60, 60)),
    ((230, 130, 150), (250, 250, 250)),
)


def draw_colour(rng: np.random.Generator, low: int = 20, high: int = 235) -> Rgb:
    """Draw a colour, neither black nor white."""
    r, g, b = (int(channel) for channel in rng.integers(low, high, 3))
    return r, g, b


def draw_body(rng: np.random.Generator, shirt: Rgb | None = None) -> Body:
    """Draw a person; `shirt` dresses them in a team's colour."""
    height = float(np.clip(rng.normal(1.74, 0.10), 1.4, 2.0))
    scale = height / 1.75
    return Body(
        thigh=0.43 * scale * rng.normal(1, 0.02),
        shin=0.42 * scale * rng.normal(1, 0.02),
        torso=0.50 * scale,
        upper_arm=0.29 * scale,
        forearm=0.26 * scale,
        shoulder=0.19 * scale * rng.normal(1, 0.05),
        hip=0.10 * scale,
        head=0.105 * scale,
        girth=rng.uniform(0.9, 1.2),
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        shirt=shirt or draw_colour(rng),
        shorts=draw_colour(rng),
        socks=draw_colour(rng),
        boots=draw_colour(rng, 10, 220),
    )


def mirrored(angles: Angles) -> Angles:
    """The same pose by a left-handed (left-footed) person."""
    swap = {"l_": "r_", "r_": "l_"}
    return {
        swap.get(name[:2], name[:2]) + name[2:]: -value if name in _MIRRORED_SIGN else value
        for name, value in angles.items()
    }


def joints_of(
    body: Body, angles: Angles, at_m: tuple[float, float], facing_rad: float, jump_m: float = 0.0
) -> Floats:
    """Joint positions (18, 3) in the world, in the order of `JOINTS`.

    The lowest foot stands on the ground, or `jump_m` above it.

    Args:
        body: Whose limbs.
        angles: Joint angles; absent ones take the value of somebody standing at ease.
        at_m: Ground position under the pelvis.
        facing_rad: Heading: 0 faces +Y, positive turns left.
        jump_m: Height of the lowest foot above the ground.
    """
    joints = np.zeros((len(JOINTS), 3))
    get = angles.get
    lean, side, twist = get("lean", 0.0), get("lean_side", 0.0), get("twist", 0.0)
    up = np.array([np.sin(side), np.sin(lean), np.cos(lean) * np.cos(side)])
    up /= np.sqrt(up @ up)
    right = np.array([np.cos(twist), np.sin(twist), 0.0])
    right -= up * (right @ up)
    right /= np.sqrt(right @ right)
    forward = _cross(up, right)
    joints[1], joints[2] = up * body.torso * 0.62, up * body.torso
    joints[3] = joints[2] + up * body.head * 1.2 + forward * 0.02
    hip_twist = get("hip_twist", 0.35 * twist)
    hip_right = np.array([np.cos(hip_twist), np.sin(hip_twist), 0.0])
    for number, (sign, letter) in enumerate(((-1.0, "l"), (1.0, "r"))):
        swing, out = get(f"{letter}_shoulder", 0.0), get(f"{letter}_arm_out", 0.12)
        arm = (forward * np.sin(swing) - up * np.cos(swing)) * np.cos(out)
        arm = arm + right * (sign * np.sin(out))
        bend = get(f"{letter}_elbow", 0.3)
        forearm = arm * np.cos(bend) + _cross(right, arm) * np.sin(bend)
        forearm = forearm + right * ((right @ arm) * (1 - np.cos(bend)))
        shoulder = up * body.torso * 0.93 + right * (sign * body.shoulder)
        elbow = shoulder + arm * body.upper_arm
        joints[4 + number], joints[6 + number] = shoulder, elbow
        joints[8 + number] = elbow + forearm * body.forearm

        swing, out = get(f"{letter}_hip", 0.0), get(f"{letter}_leg_out", 0.03)
        knee_bend = get(f"{letter}_knee", 0.05)
        hip = hip_right * (sign * body.hip)
        knee = hip + _leg(swing, out, sign) * body.thigh
        ankle = knee + _leg(swing - knee_bend, out, sign) * body.shin
        pitch = swing - knee_bend + get(f"{letter}_ankle", 0.0)
        toe = ankle + np.array([0.0, 0.17 * np.cos(pitch), 0.17 * np.sin(pitch) - 0.03])
        joints[10 + number], joints[12 + number] = hip, knee
        joints[14 + number], joints[16 + number] = ankle, toe
    joints[:, 2] += jump_m + _ANKLE_M - joints[14:18, 2].min()
    cos, sin = np.cos(facing_rad), np.sin(facing_rad)
    turned: Floats = joints @ np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    turned[:, :2] += at_m
    return turned


def _leg(swing: float, out: float, sign: float) -> Floats:
    cos_out = np.cos(out)
    return np.array([np.sin(out) * sign, cos_out * np.sin(swing), -cos_out * np.cos(swing)])


def _cross(a: Floats, b: Floats) -> Floats:
    # np.cross costs ten times as much on single vectors, and this runs for every limb
    return np.array(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )
