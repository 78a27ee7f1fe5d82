"""What teachers are called: light, so that a command can check a name before anything is loaded."""

from workbench.errors import WorkbenchError

TEACHERS = ("motion", "coco", "auto", "ballnet", "sam2", "sam3", "grounding", "vlm")


class TeacherError(WorkbenchError):
    """A teacher that does not exist, lacks its weights, or cannot label this footage."""


def check_teacher(name: str) -> None:
    """Refuse a name that is no teacher's, nor a chain of some joined with "+".

    Raises:
        TeacherError: If there is no such teacher.
    """
    for member in name.split("+"):
        if member not in TEACHERS:
            raise TeacherError(
                f"no teacher is called {member!r}", f"choose one of {', '.join(TEACHERS)}"
            )
