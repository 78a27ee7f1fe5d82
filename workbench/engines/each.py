"""The one map over keyed items: results saved as they come, a failing item recorded, others go on.

The unit is an item: a name, and a value that can be pickled. The same results come of any engine;
what is random takes a seed made of the item's name (`item_seed`), never of the order of work.
"""

import logging
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workbench.engines.engine import (
    Ended,
    Engine,
    EngineError,
    Failure,
    Here,
    Needs,
    Task,
)
from workbench.errors import WorkbenchError
from workbench.saving import read_object, save_json, to_json

ENGINE_VARIABLE = "WORKBENCH_ENGINE"  # of the environment: what `--engine` says
TIMEOUT_VARIABLE = "WORKBENCH_ITEM_TIMEOUT"  # seconds: what `--item-timeout` says
_NAMES = "here, processes, processes:N, ray, ray://HOST:PORT"
_SHOWN = 3  # failures that an error tells; their files tell them all

log = logging.getLogger(__name__)


class ItemsFailedError(WorkbenchError):
    """Some items of a map failed; the others are done and saved."""


def make_engine(name: str | None = None) -> Engine:
    """Return the engine of that name.

    Args:
        name: "here", "processes" (one per core), "processes:N", "ray" (the cluster in
            RAY_ADDRESS, else one of this machine alone), "ray://HOST:PORT"; by default what
            WORKBENCH_ENGINE names, else here.

    Raises:
        EngineError: If there is no such engine, or it cannot be had.
    """
    name = name or os.environ.get(ENGINE_VARIABLE) or "here"
    check_engine(name)
    kind, _, rest = name.partition(":")
    if kind == "here":
        return Here()
    if kind == "processes":
        from workbench.engines.processes import Processes

        return Processes(int(rest) if rest else None)
    from workbench.engines.cluster import Ray

    return Ray(name if rest else None)


def check_engine(name: str) -> None:
    """Refuse what names no engine; nothing is started.

    Raises:
        EngineError: If there is none of that name.
    """
    if not re.fullmatch(r"here|processes(:[1-9]\d*)?|ray(://.+:\d+)?", name):
        raise EngineError(f"no engine is called {name!r}", f"choose one of {_NAMES}")


def use_engine(name: str | None, item_timeout_s: float | None = None) -> str:
    """Make this engine the one of this process and of those that it starts; return its name.

    `item_timeout_s` is how long an item may take, as in `each`.

    Raises:
        EngineError: If there is none of that name, or it cannot end an item.
    """
    if item_timeout_s is not None:
        if (name or os.environ.get(ENGINE_VARIABLE) or "here") == "here":
            raise EngineError("the engine here cannot end an item", "add --engine processes:1")
        os.environ[TIMEOUT_VARIABLE] = str(item_timeout_s)
    if name is not None:
        check_engine(name)
        os.environ[ENGINE_VARIABLE] = name
    return name or ""


def each(
    function: Callable[[Any], Any],
    items: Iterable[tuple[str, Any]],
    *,
    out: Path | None = None,
    stamp: Callable[[Any], str] | None = None,
    engine: Engine | str | None = None,
    needs: Needs = Needs(),  # noqa: B008 - frozen
    timeout_s: float | None = None,
) -> Iterator[Ended]:
    """Call a function with every item and yield how each ended, as it does.

    Args:
        function: Of a module, so that other processes find it; takes an item's value.
        items: Name and value of each. Taken one by one: they need not be in memory together.
        out: Where results are kept as `NAME.json`, which are not made again; a failure is kept as
            `NAME.failed.json`, and tried again. Without it nothing is kept: the function does it.
        stamp: What decides an item's result, as text; a kept result with another is made anew.
        engine: Who runs them (`make_engine`).
        needs: What one item takes.
        timeout_s: How long one may take, by default what WORKBENCH_ITEM_TIMEOUT says; not on the
            engine here, which cannot end it.

    Raises:
        EngineError: If there is no such engine.

    Example:
        >>> done = list(each(len, [("a", [1, 2]), ("b", [3])], engine="here"))
        >>> {ended.name: ended.result for ended in done}
        {'a': 2, 'b': 1}
    """
    kept: list[str] = []  # names alone: results that nobody asks for yet stay on the disk
    stamps: dict[str, str] = {}

    def open_tasks() -> Iterator[Task]:
        for name, value in items:
            made_of = stamp(value) if stamp is not None else ""
            if out is not None and _saved(out, name).get("stamp") == made_of:
                kept.append(name)
            else:
                stamps[name] = made_of
                yield Task(name, value)

    chosen = make_engine(engine) if engine is None or isinstance(engine, str) else engine
    if timeout_s is None and os.environ.get(TIMEOUT_VARIABLE):
        timeout_s = float(os.environ[TIMEOUT_VARIABLE])
    for ended in chosen.run(function, open_tasks(), needs, timeout_s):
        yield from _drained(kept, out)
        if ended.lost:  # a notebook's record keeps what is said
            log.warning("%s was lost %dx: %s", ended.name, len(ended.lost), "; ".join(ended.lost))
        if out is not None:
            _save(out, ended, stamps.pop(ended.name))
        yield ended
    yield from _drained(kept, out)


def every(
    function: Callable[[Any], Any],
    items: Mapping[str, Any],
    what: str = "items",
    on_ended: Callable[[str, int], None] | None = None,
    *,
    engine: Engine | str | None = None,
) -> dict[str, Any]:
    """Call a function with every item; return all results by name, in the order of the items.

    `on_ended` is told the name of each as it ends, and how many have ended.

    Raises:
        ItemsFailedError: Once all have ended, if some failed: how many of `what`, which, and why.
    """
    results: dict[str, Any] = {}
    for ended in each(function, items.items(), engine=engine):
        results[ended.name] = ended.result
        if on_ended is not None:
            on_ended(ended.name, len(results))
    in_order = {name: results[name] for name in items}
    refuse_failures(in_order, what)
    return in_order


def refuse_failures(results: Mapping[str, Any], what: str) -> None:
    """Raise if some of the results are failures.

    Raises:
        ItemsFailedError: With the first few, and where in the code they failed as notes.
    """
    failed = {name: one for name, one in results.items() if isinstance(one, Failure)}
    if not failed:
        return
    said = "; ".join(f"{name}: {one.reason}" for name, one in list(failed.items())[:_SHOWN])
    more = f"; and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
    error = ItemsFailedError(
        f"{len(failed)} of {len(results)} {what} failed ({said}{more})",
        "the others are done; mend or remove these, and run it again",
    )
    for one in failed.values():
        error.add_note(one.trace)
    raise error


def item_seed(seed: int, name: str) -> int:
    """Return the seed of one item: of a run's seed and the item's name alone."""
    return int(np.random.SeedSequence([seed, zlib.crc32(name.encode())]).generate_state(1)[0])


def _drained(kept: list[str], out: Path | None) -> Iterator[Ended]:
    while out is not None and kept:
        name = kept.pop(0)
        yield Ended(name, _saved(out, name).get("result"), 0.0, "kept")


def _saved(out: Path, name: str) -> dict[str, Any]:
    return read_object(out / f"{name}.json") or {}


def _save(out: Path, ended: Ended, stamp: str) -> None:
    failed = out / f"{ended.name}.failed.json"
    if isinstance(ended.result, Failure):
        save_json(failed, to_json(ended) | {"stamp": stamp})
        return
    save_json(out / f"{ended.name}.json", {"stamp": stamp, "result": to_json(ended.result)})
    failed.unlink(missing_ok=True)
