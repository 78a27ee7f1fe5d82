"""One shot at goal, from ball track to verdict: who, which foot, how fast, did it go in.

`judge_shot` is offered here and loaded when first used, so that the command line answers at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.shots.judge import judge_shot
    from workbench.shots.verdict import ShotError, ShotEvent, ShotVerdict

__all__ = ["ShotError", "ShotEvent", "ShotVerdict", "judge_shot"]

_HOME = {
    "ShotError": "verdict",
    "ShotEvent": "verdict",
    "ShotVerdict": "verdict",
    "judge_shot": "judge",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
