"""The verdict on one shot as a value: goal or not, how sure, speed, crossing, events, path.

World axes in metres as in `footage.pinhole`: X along the goal line, Y out onto the pitch, Z up.
Knows nothing about how a verdict is reached.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import WorkbenchError

Method = Literal["3d", "2d"]
METHODS: tuple[Method, ...] = ("3d", "2d")
EventKind = Literal["kick", "bounce", "deflection", "line", "net", "post", "save", "rest"]


class ShotError(WorkbenchError):
    """A shot that cannot be judged because the input is missing or malformed."""


@dataclass(frozen=True)
class ShotEvent:
    """Something that happened to the ball."""

    kind: EventKind
    frame: float  # may lie between two frames
    time_s: float  # since frame 0


@dataclass(frozen=True)
class FlightPath:
    """The fitted path of the ball, frame by frame, for pictures and for checks."""

    frames: NDArray[np.int64]  # (N,)
    positions_m: NDArray[np.float64]  # (N, 3) ball centre
    speed_kmh: NDArray[np.float64]  # (N,)
    camera: NDArray[np.float64]  # (3, 4) homogeneous world point to homogeneous pixel


@dataclass(frozen=True)
class ShotVerdict:
    """The verdict on one shot.

    `is_goal` is always the better guess; where `abstained` is true it should not be relied upon,
    and `reason` says why in words for a user.
    """

    method: Method
    goal_probability: float  # 0–1, calibrated for the 3D method
    is_goal: bool
    abstained: bool
    reason: str  # why it abstained, or what the verdict rests on; one sentence
    speed_kmh: float | None  # at the foot
    speed_interval_kmh: tuple[float, float] | None  # 90 %
    crossing_m: tuple[float, float] | None  # x, z where the centre meets the plane of the goal line
    events: tuple[ShotEvent, ...] = ()
    line_speed_kmh: float | None = None  # at the goal line
    line_speed_interval_kmh: tuple[float, float] | None = None  # 90 %
    outcomes: dict[str, float] = field(default_factory=dict)  # hypothesis to its probability
    path: FlightPath | None = None  # None for the 2D rules
    details: dict[str, Any] = field(default_factory=dict)  # figures for a closer look, JSON values
    no_shot: bool = False  # abstained because nobody shoots
    remedy: str = ""  # what would help, where it abstained; the end of a sentence

    @classmethod
    def abstaining(
        cls, method: Method, reason: str, remedy: str = "", *, no_shot: bool = False
    ) -> "ShotVerdict":
        """The verdict on a shot that cannot be judged: p = 0.5, counted as no goal."""
        return cls(
            *(method, 0.5, False, True, reason, None, None, None), no_shot=no_shot, remedy=remedy
        )
