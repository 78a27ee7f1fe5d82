"""Worlds that simulated shots come from: balls, grass, goals, and who keeps them.

The unit is one world, as data; the physics is the same in all (`flight`). A fit that is trained and
tested in one world believes its noise and its nets. Worlds that differ in every range say how
far it holds where the world is another one. Pairs are the least and the greatest value.
"""

from dataclasses import dataclass, field
from typing import Literal

from workbench.footage.pinhole import FULL_GOAL_M

Range = tuple[float, float]
Kind = Literal[
    "goal", "wide", "over", "parried", "held", "blocked", "post", "side_net", "cross", "throw_out",
    "short",
]  # fmt: skip

_USUAL_KINDS: dict[Kind, float] = {
    "goal": 0.40, "wide": 0.13, "over": 0.11, "parried": 0.11, "held": 0.05, "blocked": 0.02,
    "post": 0.05, "side_net": 0.03, "cross": 0.06, "throw_out": 0.04,
}  # fmt: skip
_USUAL_GOALS = {FULL_GOAL_M: 0.55, (5.0, 2.0): 0.15, (3.66, 1.83): 0.15, (3.0, 2.0): 0.15}


@dataclass(frozen=True)
class World:
    """How balls fly and bounce, what goals are made of, and what goalkeepers do."""

    kind_share: dict[Kind, float] = field(default_factory=lambda: dict(_USUAL_KINDS))
    goal_share: dict[tuple[float, float], float] = field(default_factory=lambda: dict(_USUAL_GOALS))
    # Balls and air.
    drag: Range = (0.18, 0.30)  # coefficient above the drag crisis
    side_mps2: float = 1.6  # standard deviation of the Magnus acceleration at 20 m/s
    lift_mps2: float = 1.3
    flutter_share: float = 0.2
    wind_mps: float = 1.2  # standard deviation along each axis
    kick_mps: Range = (19.5, 5.5)  # mean and standard deviation
    fastest_mps: float = 32.0
    volley_share: float = 0.06
    rolling_share: float = 0.40  # before the kick
    low_share: float = 0.35  # kept on the ground
    # Grass.
    bounce: Range = (0.5, 0.75)
    grip: Range = (0.65, 0.9)
    rolling_mps2: Range = (0.4, 1.4)
    # Goals: depth of the net on the ground, that of its roof against it, how it takes the ball.
    depth_m: Range = (1.3, 2.1)
    small_depth_m: Range = (0.8, 1.4)  # of goals up to four metres wide
    roof_share: Range = (0.4, 0.8)
    no_net_share: float = 0.06
    damping: Range = (15.0, 45.0)  # per second
    stiffness: Range = (60.0, 60.0)  # per second squared; a slack net has little
    rebound: Range = (0.5, 0.75)  # of posts and bar
    fence_share: float = 0.6
    # Goalkeepers: in front of the line (behind it where negative) they catch and turn away.
    catch_m: Range = (0.15, 3.5)
    parry_m: Range = (0.15, 3.5)
    hold_z_m: Range = (0.2, 1.3)  # height at which a caught ball is held
    carry_mps: Range = (0.0, 0.0)  # how fast a caught ball is carried away from the line
    pushed_down_share: float = 0.0  # of the parries
    keeper_share: float = 0.75  # of the shots that nobody touches


USUAL = World()
# Hard shots that swerve, tight and lively nets as deep as a stadium's, few mistakes: half of what
# the goalkeeper reaches is caught, on the line or just before it, and carried out.
STADIUM = World(
    kind_share={
        "goal": 0.38, "wide": 0.10, "over": 0.10, "parried": 0.12, "held": 0.14, "blocked": 0.03,
        "post": 0.05, "side_net": 0.03, "cross": 0.03, "throw_out": 0.02,
    },
    goal_share={FULL_GOAL_M: 1.0},
    drag=(0.14, 0.24),
    side_mps2=2.8,
    lift_mps2=2.2,
    flutter_share=0.35,
    wind_mps=0.5,
    kick_mps=(24.0, 5.0),
    fastest_mps=36.0,
    volley_share=0.10,
    low_share=0.25,
    bounce=(0.6, 0.8),
    grip=(0.7, 0.95),
    rolling_mps2=(0.3, 0.8),
    depth_m=(1.9, 2.6),
    roof_share=(0.7, 1.0),
    no_net_share=0.0,
    damping=(10.0, 30.0),
    stiffness=(80.0, 250.0),
    catch_m=(-0.2, 1.0),
    parry_m=(0.05, 1.5),
    hold_z_m=(0.15, 1.5),
    carry_mps=(0.0, 2.5),
    keeper_share=0.98,
)  # fmt: skip
# Light balls in the wind, bumpy grass that brakes, shallow slack nets or none, small goals.
PARK = World(
    kind_share={
        "goal": 0.42, "wide": 0.12, "over": 0.10, "parried": 0.08, "held": 0.09, "blocked": 0.04,
        "post": 0.04, "side_net": 0.03, "cross": 0.04, "throw_out": 0.04,
    },
    goal_share={FULL_GOAL_M: 0.2, (5.0, 2.0): 0.4, (3.66, 1.83): 0.2, (3.0, 2.0): 0.2},
    drag=(0.24, 0.42),
    side_mps2=1.0,
    lift_mps2=0.8,
    flutter_share=0.3,
    wind_mps=2.2,
    kick_mps=(15.0, 4.5),
    fastest_mps=26.0,
    volley_share=0.03,
    rolling_share=0.6,
    low_share=0.5,
    bounce=(0.35, 0.6),
    grip=(0.5, 0.8),
    rolling_mps2=(0.8, 2.4),
    depth_m=(0.8, 1.6),
    small_depth_m=(0.5, 1.1),
    roof_share=(0.2, 0.7),
    no_net_share=0.10,
    damping=(4.0, 20.0),
    stiffness=(5.0, 40.0),
    rebound=(0.35, 0.7),
    catch_m=(0.0, 2.5),
    parry_m=(0.1, 4.5),
    carry_mps=(0.0, 1.2),
    keeper_share=0.6,
)  # fmt: skip
# Free kicks that curl as hard as a foot can make them, by a five-a-side evening's goalkeeper.
FREE_KICKS = World(
    kind_share={
        "goal": 0.42, "wide": 0.11, "over": 0.11, "parried": 0.17, "held": 0.08, "blocked": 0.02,
        "post": 0.05, "side_net": 0.02, "short": 0.02,
    },
    goal_share={FULL_GOAL_M: 0.7, (5.0, 2.0): 0.3},
    drag=(0.18, 0.36),
    side_mps2=3.8,
    lift_mps2=3.0,
    wind_mps=0.8,
    kick_mps=(20.0, 4.0),
    fastest_mps=30.0,
    volley_share=0.01,
    rolling_share=0.15,
    low_share=0.2,
    bounce=(0.45, 0.8),
    depth_m=(1.0, 2.2),
    damping=(5.0, 35.0),
    stiffness=(10.0, 120.0),
    catch_m=(-0.1, 2.0),
    parry_m=(0.05, 2.5),
    carry_mps=(0.0, 1.5),
    pushed_down_share=0.35,
    keeper_share=0.9,
)  # fmt: skip
