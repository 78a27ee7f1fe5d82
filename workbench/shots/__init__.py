"""One shot at goal, from ball track to verdict: who, which foot, how fast, did it go in.

`judge_shot` is offered here and loaded when first used, so that the command line answers at once.
"""

from typing import TYPE_CHECKING

from workbench.lazy import load_on_use

if TYPE_CHECKING:
    from workbench.shots.judge import judge_shot
    from workbench.shots.verdict import ShotError, ShotEvent, ShotVerdict

__all__ = ["ShotError", "ShotEvent", "ShotVerdict", "judge_shot"]

__getattr__ = load_on_use(
    __name__,
    {
        "ShotError": "verdict",
        "ShotEvent": "verdict",
        "ShotVerdict": "verdict",
        "judge_shot": "judge",
    },
)
