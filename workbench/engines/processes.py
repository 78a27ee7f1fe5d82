"""Tasks on processes of this machine, which need not trust each other's end.

Every process is spawned, not forked: threads of torch and of FFmpeg do not survive a fork. Each has
one thread for arithmetic, since there are as many processes as cores.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any

from pebble import ProcessExpired, ProcessPool

from workbench.engines.engine import (
    ONE_THREAD,
    Ended,
    Failure,
    Needs,
    Task,
    call,
    keep_busy,
)


class Processes:
    """A pool of processes that outlives the death of any of them.

    Args:
        count: How many; by default one per core this process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or len(os.sched_getaffinity(0))

    def run(
        self,
        function: Callable[[Any], Any],
        tasks: Iterable[Task],
        needs: Needs = Needs(),  # noqa: B008
        timeout_s: float | None = None,
    ) -> Iterator[Ended]:
        """Yield how each task ended, as it does; see `Engine`. Function and values are pickled."""
        at_once, waiting = max(1, int(self.count // needs.cpus)), iter(tasks)
        first = list(islice(waiting, at_once))  # no process is started that has nothing to do
        if not first:
            return
        running: dict[Future[Any], tuple[Task, Ended]] = {}
        with _one_thread():
            pool = ProcessPool(min(at_once, len(first)), context=get_context("spawn"))

            def start(task: Task) -> Future[Any]:
                return pool.schedule(call, (function, task.value), timeout=timeout_s)

            def wait_for(futures: list[Any]) -> set[Future[Any]]:
                return wait(futures, return_when=FIRST_COMPLETED).done

            ended_of = partial(_ended, timeout_s)
            try:
                every = chain(first, waiting)
                yield from keep_busy(every, running, lambda: at_once, start, wait_for, ended_of)
                pool.close()  # type: ignore[no-untyped-call]
            except BaseException:
                pool.stop()  # type: ignore[no-untyped-call]
                raise
            finally:
                pool.join()


def _ended(timeout_s: float | None, future: Future[Any], so_far: Ended) -> Ended:
    try:
        result, took_s = future.result()
    except ProcessExpired as death:
        lost = (*so_far.lost, _cause(death.exitcode))
        return replace(so_far, result=Failure(f"its process died: {lost[-1]}"), lost=lost)
    except TimeoutError:
        return replace(so_far, result=Failure(f"it took more than {timeout_s:g} s"))
    except Exception as error:  # what cannot be pickled
        return replace(so_far, result=Failure(f"{type(error).__name__}: {error}"))
    return replace(so_far, result=result, took_s=took_s)


def _cause(exitcode: int) -> str:
    if exitcode == -9:
        return "killed, most likely for memory"
    return f"signal {-exitcode}" if exitcode < 0 else f"exit code {exitcode}"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start inside the block use one thread each."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
