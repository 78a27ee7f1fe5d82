"""What an engine is: a function and a task in, how the task ended out, in whatever order.

The unit is one task: a name and one picklable value. An engine knows nothing about files, keys or
what the function does; that is `each`.
"""

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

from workbench.errors import WorkbenchError

TRIES = 3  # of a task whose process or node dies under it; another one may live
AHEAD = 2  # tasks per process that are handed out before one is asked for: bounds the memory
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class EngineError(WorkbenchError):
    """An engine that does not exist, is not installed, or cannot be reached."""


@dataclass(frozen=True)
class Task:
    """One call to make."""

    name: str
    value: Any


@dataclass(frozen=True)
class Needs:
    """What one task takes of the machine it runs on."""

    cpus: float = 1
    gpus: float = 0


@dataclass(frozen=True)
class Failure:
    """Why a task has no result."""

    reason: str  # one line
    trace: str = ""  # where in the code, if it got that far


@dataclass(frozen=True)
class Ended:
    """How a task ended."""

    name: str
    result: Any | Failure
    took_s: float
    node: str = "here"  # where it ran
    lost: tuple[str, ...] = ()  # why earlier tries of it came to nothing: processes that died


class Engine(Protocol):
    """Runs tasks."""

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Task],
        needs: Needs = Needs(),
        timeout_s: float | None = None,
    ) -> Iterator[Ended]:
        """Yield how each task ended, as it does; tasks are taken one by one, as there is room.

        A task that raises ends with a `Failure`. One whose process is killed is tried again, up to
        `TRIES` times. Closing the iterator ends what is still running.
        """


class Here:
    """The tasks one after another, in this process. It cannot end one that hangs."""

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Task],
        needs: Needs = Needs(),
        timeout_s: float | None = None,
    ) -> Iterator[Ended]:
        """Yield how each task ended, in their order; see `Engine`."""
        for task in tasks:
            result, took_s = call(function, task.value)
            yield Ended(task.name, result, took_s)


class Threads:
    """Threads of this process: for work outside Python's lock, such as decoding."""

    def __init__(self, count: int) -> None:
        self.count = count

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Task],
        needs: Needs = Needs(),
        timeout_s: float | None = None,
    ) -> Iterator[Ended]:
        """Yield how each task ended, as it does; see `Engine`. Nothing can end one that hangs."""
        running: dict[Any, tuple[Task, Ended]] = {}

        def ended_of(future: Future[Any], so_far: Ended) -> Ended:
            result, took_s = future.result()
            return replace(so_far, result=result, took_s=took_s)

        with ThreadPoolExecutor(self.count) as pool:
            yield from keep_busy(
                tasks,
                running,
                lambda: self.count,
                lambda task: pool.submit(call, function, task.value),
                lambda futures: wait(futures, return_when=FIRST_COMPLETED).done,
                ended_of,
            )


def keep_busy(
    tasks: Iterable[Task],
    running: dict[Any, tuple[Task, Ended]],
    at_once: Callable[[], int],
    start: Callable[[Task], Any],
    wait: Callable[[list[Any]], Iterable[Any]],
    ended_of: Callable[[Any, Ended], Ended],
) -> Iterator[Ended]:
    """Hand out tasks while there is room, those again that were lost; yield how each ended.

    Args:
        tasks: Taken one by one.
        running: What is handed out, by the handle that `start` gave: for whoever must end it.
        at_once: How many can run now; some more are handed out.
        start: Hands out a task.
        wait: Returns handles of those that have ended, at least one.
        ended_of: How one ended, given what is known of its earlier tries.
    """
    waiting = iter(tasks)
    while True:
        for task in islice(waiting, max(0, AHEAD * at_once() - len(running))):
            running[start(task)] = task, Ended(task.name, None, 0.0)
        if not running:
            return
        for handle in wait(list(running)):
            task, so_far = running.pop(handle)
            ended = ended_of(handle, so_far)
            if len(so_far.lost) < len(ended.lost) < TRIES:
                running[start(task)] = task, ended
            else:
                yield ended


def call(function: Callable[[Any], Any], value: Any) -> tuple[Any | Failure, float]:
    """Return the function's result, or why there is none, and the seconds that it took.

    Exceptions become words, because not every exception survives the way between processes.
    """
    began = time.perf_counter()
    try:
        result = function(value)
    except WorkbenchError as error:
        result = Failure(str(error))
    except Exception as error:
        said = " ".join(str(error).split())
        result = Failure(f"{type(error).__name__}: {said}", traceback.format_exc())
    return result, time.perf_counter() - began
