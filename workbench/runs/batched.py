"""Runs that changed several things at once, and which of the changes were never tried alone.

The unit is a run and its parameters. A number that moved after two changes says nothing about
either: the run is marked until each was run alone, or all but each.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench.runs.run_record import Run

_NO_CHANGE = ("seed", "split_seed")  # draws, not decisions
_PLACES = ("_dir", "_file", "database")  # where things lie


def changes_of(run: Run, runs: Iterable[Run]) -> Mapping[str, Any]:
    """Return the parameters that the command set to something else than the plain run has.

    The plain run is one of the same stage and profile without any such parameter; without one, the
    notebook's defaults stand for it. Seeds and paths do not count.
    """
    plain = next((one for one in runs if _is_sibling(one, run) and not _given(one)), None)
    found = {}
    for name, default in _given(run).items():
        before = plain.params.get(name, default) if plain else default
        if run.params[name] != before:
            found[name] = run.params[name]
    return found


def untried_alone(run: Run, runs: Sequence[Run]) -> list[str]:
    """Return the changes of a batched run that no other run had alone or left out alone.

    Empty for a run with a single change, and for one whose parts were all ablated.
    """
    changes = changes_of(run, runs)
    if len(changes) < 2:
        return []
    others = [changes_of(one, runs) for one in runs if _is_sibling(one, run) and one.status == "ok"]

    def is_tried(name: str) -> bool:
        alone = {name: changes[name]}
        rest = {other: value for other, value in changes.items() if other != name}
        return alone in others or rest in others

    return [name for name in changes if not is_tried(name)]


def _given(run: Run) -> dict[str, Any]:
    """Defaults of the parameters that the command set, but for seeds and paths."""
    return {
        one["name"]: one["default"]
        for one in run.parameters
        if one["source"] == "command"
        and one["name"] not in _NO_CHANGE
        and not one["name"].endswith(_PLACES)
    }


def _is_sibling(one: Run, run: Run) -> bool:
    return (one.stage, one.profile) == (run.stage, run.profile)
