"""Expensive things that the test processes of one run share: the first makes them, others wait.

`conftest.py` says in the environment where the run keeps them, so that processes which a test
starts find them, too.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

RUN_FOLDER_VARIABLE = "WORKBENCH_TEST_RUN"


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` has filled, in this process or in another of the same run.

    What is in it may be read, never changed.
    """
    folder = _run_folder() / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    whole = folder.with_suffix(".made")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder


def _run_folder() -> Path:
    given = os.environ.get(RUN_FOLDER_VARIABLE)
    return Path(given) if given else Path(_own_folder().name)


@cache
def _own_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="made_once_")  # removed when the process ends
