"""The teachers there are, by name.

A name is one teacher, or several joined with "+": the first labels, the others rescue what it
missed, in this order. Options are those of the classes and functions named here.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.detect.teacher import Teacher, TeacherError


def make_teacher(name: str, **options: Any) -> Teacher:
    """Return the teacher of that name.

    Args:
        name: "motion", "sam2", "sam3", "grounding", "vlm", or a chain such as "motion+grounding".
        options: Of the teacher. Of a chain: a mapping of options for each member by its name, and
            for the chain itself (`RescueTeacher`) under "rescue".

    Raises:
        TeacherError: If there is no such teacher or option, or weights are missing.

    Example:
        >>> make_teacher("motion", window_frames=120).name
        'motion'
        >>> make_teacher("motion+vlm",
        ...     vlm={"base_url": "http://localhost:8000/v1", "model": "qwen"},
        ...     rescue={"classes": ["ball", "goal"]}).name
        'motion+vlm'
    """
    members = name.split("+")
    for member in members:
        if member not in _MAKERS:
            raise TeacherError(
                f"no teacher is called {member!r}", f"choose one of {', '.join(_MAKERS)}"
            )
    if len(members) == 1:
        return _made(name, _maker(name), options)
    _check(name, options, {*members, "rescue"})
    from workbench.detect.teachers.rescue import RescueTeacher

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


def _check(name: str, options: Mapping[str, Any], known: set[str]) -> None:
    for option in options:
        if option not in known:
            raise TeacherError(
                f"chain {name!r} has no member {option!r}",
                f"name one of {', '.join(sorted(known))}",
            )


def _maker(name: str) -> Callable[..., Teacher]:
    """What makes a teacher; each brings its own heavy packages and is imported when asked for."""
    module, _, attribute = _MAKERS[name].rpartition(".")
    maker: Callable[..., Teacher] = getattr(importlib.import_module(module), attribute)
    return maker


_MAKERS = {
    "motion": "workbench.detect.motion.teacher.MotionTeacher",
    "sam2": "workbench.detect.teachers.registry.prompted_sam2",
    "sam3": "workbench.detect.teachers.sam3_teacher.Sam3Teacher",
    "grounding": "workbench.detect.teachers.grounding.grounding_teacher",
    "vlm": "workbench.detect.teachers.vlm.vlm_teacher",
}


def prompted_sam2(
    prompter: str = "motion",
    prompter_options: Mapping[str, Any] | None = None,
    every: int = 16,
    min_score: float = 0.3,
    **options: Any,
) -> Teacher:
    """SAM 2 prompted by the teacher of that name, or by a human's prompts file (.json)."""
    from workbench.detect.teachers.looking import LookingTeacher
    from workbench.detect.teachers.prompts import FilePrompter, LookPrompter, TeacherPrompter
    from workbench.detect.teachers.sam2_teacher import sam2_teacher

    if prompter.endswith(".json"):
        return sam2_teacher(FilePrompter(Path(prompter)), **options)
    asked = make_teacher(prompter, **(prompter_options or {}))
    if isinstance(asked, LookingTeacher):
        return sam2_teacher(LookPrompter(asked.looker, every, min_score), **options)
    return sam2_teacher(TeacherPrompter(asked, every, min_score), **options)
