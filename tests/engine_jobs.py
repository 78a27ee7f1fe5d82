"""Work that the tests of engines hand to other processes."""

import os
import signal
import time
from pathlib import Path

from workbench.errors import FootageError


def square(number: int) -> int:
    """Take a moment to square."""
    return number**2


def refuse_three(number: int) -> int:
    """Fail as user input does, and for 4 as a fault of ours does."""
    if number == 3:
        raise FootageError("three.mp4 is cut short", "copy it again")
    return 1 // (4 - number)


def die_of_two(number: int) -> int:
    """End the process that works on 2."""
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def hang_on_two(number: int) -> int:
    """Never come back from 2."""
    if number == 2:
        time.sleep(60)
    return number


def log_and_wait(job: tuple[int, Path]) -> int:
    """Leave a line in a file, and take long enough for a node to be killed under it."""
    number, log = job
    with log.open("a") as lines:
        lines.write(f"{number}\n")
    time.sleep(0.5)
    return number
