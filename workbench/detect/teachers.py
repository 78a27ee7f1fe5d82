"""The teachers there are, by name."""

from collections.abc import Callable

from workbench.detect.teacher import Teacher, TeacherError


def make_teacher(name: str) -> Teacher:
    """Return the teacher of that name.

    Raises:
        TeacherError: If there is no such teacher.
    """
    if name not in _MAKERS:
        raise TeacherError(f"no teacher is called {name!r}", f"choose one of {', '.join(_MAKERS)}")
    return _MAKERS[name]()


def _make_motion() -> Teacher:
    # Imported here: each teacher brings its own heavy packages.
    from workbench.detect.motion import MotionTeacher

    return MotionTeacher()


_MAKERS: dict[str, Callable[[], Teacher]] = {"motion": _make_motion}
