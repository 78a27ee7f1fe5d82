"""Moments of a scene: the people, balls and sticks that acts and shots place and renderers draw."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from workbench.footage.pinhole import BALL_RADIUS_M, Floats
from workbench.simulated.people import Body
from workbench.simulated.venue import Rgb

FIRST_BALL_ID = 200  # people have smaller track ids


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
