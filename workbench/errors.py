"""The errors a user can do something about.

Every exception of our own derives from `WorkbenchError` and carries the remedy. The command line
prints it as one line and exits with 2; a traceback is for faults of ours, never for bad input.
"""


class WorkbenchError(Exception):
    """Something the user can put right.

    Args:
        problem: What is wrong, naming the file, field or parameter. One line, no final period.
        remedy: What to do next. One line, no final period.

    Example:
        >>> str(WorkbenchError("no video in data/raw", "copy a video there"))
        'no video in data/raw: copy a video there'
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem, remedy)
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.problem}: {self.remedy}"


class FootageError(WorkbenchError):
    """A video that cannot be read, or holds less than it says."""


class DatasetError(WorkbenchError):
    """A dataset, split or label file that cannot be used as it is."""


class PipelineError(WorkbenchError):
    """A pipeline file, stage or parameter that cannot be run."""


class SavingError(WorkbenchError, OSError):
    """A file that cannot be written: a full disk, a folder that is read-only."""
