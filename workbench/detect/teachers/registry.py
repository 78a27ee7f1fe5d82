"""The teachers there are, by name.

A name is one teacher, or several joined with "+": the first labels, the others rescue what it
missed, in this order. Options are those of the classes and functions named here.
"""

import inspect
import pickle
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workbench.detect.ballnet.teacher import BallNetTeacher
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.teacher import Teacher, TeacherError
from workbench.detect.teacher_names import TEACHERS, check_teacher
from workbench.detect.teachers.auto import AutoTeacher
from workbench.detect.teachers.coco import CocoTeacher
from workbench.detect.teachers.grounding import GroundingTeacher
from workbench.detect.teachers.prompts import FilePrompter, TeacherPrompter
from workbench.detect.teachers.rescue import RescueTeacher
from workbench.detect.teachers.sam2_teacher import sam2_teacher
from workbench.detect.teachers.sam3_teacher import Sam3Teacher
from workbench.detect.teachers.vlm import VlmTeacher


def make_teacher(name: str, **options: Any) -> Teacher:
    """Return the teacher of that name.

    Args:
        name: "auto", "coco", "motion", "ballnet", "sam2", "sam3", "grounding", "vlm", or a chain
            such as "motion+grounding".
        options: Of the teacher. Of a chain: a mapping of options for each member by its name, and
            for the chain itself (`RescueTeacher`) under "rescue".

    Raises:
        TeacherError: If there is no such teacher or option.
        WeightsError: If weights are missing.

    Example:
        >>> make_teacher("motion", window_frames=120).name
        'motion'
        >>> make_teacher("motion+vlm",
        ...     vlm={"base_url": "http://localhost:8000/v1", "model": "qwen"},
        ...     rescue={"classes": ["ball", "goal"]}).name
        'motion+vlm'
    """
    made = _make(name, options)
    made.recipe = _once, pickle.dumps((name, options))
    return made


@cache
def _once(told: bytes) -> Teacher:
    """Make a teacher for all the clips that this process labels."""
    name, options = pickle.loads(told)
    return make_teacher(name, **options)


def _make(name: str, options: Mapping[str, Any]) -> Teacher:
    check_teacher(name)
    members = name.split("+")
    if len(members) == 1:
        return _made(name, _MAKERS[name], options)
    known = sorted({*members, "rescue"})
    for option in options:
        if option not in known:
            raise TeacherError(
                f"chain {name!r} has no member {option!r}", f"name one of {', '.join(known)}"
            )
    made = [make_teacher(member, **options.get(member, {})) for member in members]
    return _made(name, RescueTeacher, options.get("rescue", {}), made[0], made[1:])


def _made(
    name: str, maker: Callable[..., Teacher], options: Mapping[str, Any], *given: Any
) -> Teacher:
    try:
        return maker(*given, **options)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        option = str(error).rpartition(" ")[2]
        known = [key for key in inspect.signature(maker).parameters if key != "options"]
        raise TeacherError(
            f"teacher {name!r} has no option {option}", f"it has {', '.join(known[len(given) :])}"
        ) from None


def _ballnet(
    beside: str | None = None, beside_options: Mapping[str, Any] | None = None, **options: Any
) -> Teacher:
    """The ball network; `beside` it the teacher of that name for people, goals and other balls."""
    other = make_teacher(beside, **(beside_options or {})) if beside else None
    return BallNetTeacher(beside=other, **options)


def _prompted_sam2(
    prompter: str = "motion",
    prompter_options: Mapping[str, Any] | None = None,
    every: int = 16,
    min_score: float = 0.3,
    **options: Any,
) -> Teacher:
    """SAM 2 prompted by the teacher of that name, or by a human's prompts file (.json)."""
    if prompter.endswith(".json"):
        return sam2_teacher(FilePrompter(Path(prompter)), **options)
    asked = make_teacher(prompter, **(prompter_options or {}))
    return sam2_teacher(TeacherPrompter(asked, every, min_score), **options)


_MAKERS: Mapping[str, Callable[..., Teacher]] = {
    "motion": MotionTeacher,
    "coco": CocoTeacher,
    "auto": AutoTeacher,
    "ballnet": _ballnet,
    "sam2": _prompted_sam2,
    "sam3": Sam3Teacher,
    "grounding": GroundingTeacher,
    "vlm": VlmTeacher,
}
assert tuple(_MAKERS) == TEACHERS
