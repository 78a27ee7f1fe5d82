"""The engineering log: a dated entry that says what changed between two sets of runs, and what for.

The unit is a pair of runs of one stage, before and after. Each number stands with its interval and
a link to the `metrics.json` it is from; what got worse has a section of its own, and so has what
keeps a reader from believing it. Leaves what numbers mean to the notebooks that recorded them.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from workbench.errors import WorkbenchError
from workbench.pages.page import render, show_parameter, show_time
from workbench.runs.batched import untried_alone
from workbench.runs.metrics import Exact, load_metrics, paired_differences
from workbench.runs.run_record import RECORD, REPORT, Run, load_run, load_runs
from workbench.saving import read_object, save_text
from workbench.stats import Interval, show, show_number

TEMPLATES = Path(__file__).resolve().parent / "templates"
LOG = "log"  # folder beside those of the stages
_FEW = 30  # items, below which an interval says little
_LESS_IS_BETTER = re.compile(
    r"alarm|error|loss|lost|miss|off by|seconds|_s$|memory|_mb$|cost|brier"
)
_UNCHANGED = ("_dir", "_file", "database")  # parameters that only say where things lie


@dataclass(frozen=True)
class Pair:
    """Two runs of one stage."""

    before: Run
    after: Run


@dataclass(frozen=True)
class Change:
    """One number before and after."""

    name: str
    before: Interval | Exact
    after: Interval | Exact
    difference: Interval | None  # None for what was counted
    is_paired: bool

    @property
    def verdict(self) -> str:
        """Better or worse where the interval excludes zero; "within chance" elsewhere."""
        if self.difference is None:
            return ""
        low, high = self.difference.low, self.difference.high
        if not (low > 0 or high < 0):
            return "within chance"
        less = bool(_LESS_IS_BETTER.search(self.name))
        return "better" if (low > 0) != less else "worse"


def find_pairs(out: Path, before: Sequence[str] = (), after: Sequence[str] = ()) -> list[Pair]:
    """Pair runs by stage: those named, else the newest that went well with the one before it.

    Args:
        out: The folder of the runs.
        before: Runs as "stage/run", or stages, whose last run but one is meant.
        after: The same; of stages the newest is meant.

    Raises:
        WorkbenchError: If a run is not there, or nothing can be paired.
    """
    runs = [run for run in load_runs(out) if run.status == "ok"]
    newest: dict[str, Run] = {}
    for name in after:
        run = _run(out, name, runs, 0)
        newest[run.stage] = run
    if not after:
        for run in runs:
            newest.setdefault(run.stage, run)
    given = {run.stage: run for run in (_run(out, name, runs, 1) for name in before)}
    pairs = []
    for stage, run in newest.items():
        older = given.get(stage)
        if older is None and not given:
            alike = [one for one in runs if (one.stage, one.profile) == (stage, run.profile)]
            older = next((one for one in alike if one.started < run.started), None)
        if older is not None and older.run != run.run:
            pairs.append(Pair(older, run))
    if not pairs:
        raise WorkbenchError(
            f"no stage in {out} has two runs to compare", "name them: --before STAGE/RUN --after …"
        )
    return pairs


def _run(out: Path, name: str, runs: Sequence[Run], place: int) -> Run:
    if "/" in name:
        run = load_run(out / name)
        if run is None:
            raise WorkbenchError(f"{out / name / RECORD} is no record of a run", "see the index")
        return run
    own = [run for run in runs if run.stage == name]
    if len(own) <= place:
        raise WorkbenchError(f"{name!r} has {len(own)} runs that went well", "run it first")
    return own[place]


def changes_of_numbers(out: Path, pair: Pair) -> list[Change]:
    """Return every number that both runs recorded; paired where they judged the same items."""
    folders = [out / run.stage / run.run for run in (pair.before, pair.after)]
    old, new = (load_metrics(folder) for folder in folders)
    paired = paired_differences(*folders)
    rows = []
    for name in (name for name in new if name in old):
        one, other = old[name], new[name]
        difference = paired.get(name)
        if difference is None and isinstance(one, Interval) and isinstance(other, Interval):
            difference = _apart(one, other)
        rows.append(Change(name, one, other, difference, name in paired))
    return rows


def _apart(one: Interval, other: Interval) -> Interval | None:
    """Difference of two independent estimates: Newcombe's square-and-add of both intervals."""
    gap = other.value - one.value
    low = gap - math.hypot(other.value - other.low, one.high - one.value)
    high = gap + math.hypot(other.high - other.value, one.value - one.low)
    if not all(map(math.isfinite, (gap, low, high))):
        return None
    return Interval(gap, low, high, min(one.n, other.n), one.unit)


def write_entry(
    out: Path, pairs: Sequence[Pair], title: str = "", now: datetime | None = None
) -> tuple[Path, Path]:
    """Write a dated entry as Markdown and HTML into `out`/log, and return both paths."""
    now = now or datetime.now(UTC)
    title = title or "What changed in " + ", ".join(pair.after.stage for pair in pairs)
    runs = load_runs(out)
    lines = [f"# {now:%Y-%m-%d}: {title}", ""]
    worse: list[str] = []
    for pair in pairs:
        numbers = changes_of_numbers(out, pair)
        lines += _section(pair, numbers)
        worse += [f"{pair.after.stage}: {_words(one)}" for one in numbers if one.verdict == "worse"]
    lines += ["## What got worse", ""]
    lines += [f"- {line}" for line in worse] or ["Nothing, beyond chance."]
    lines += ["", "## Asterisks", ""]
    lines += [f"- {line}" for pair in pairs for line in asterisks(out, pair, runs)] or ["None."]
    said = [
        sentence
        for pair in pairs
        for report in _testreports(out, pair.after)
        for sentence in report.get("reading", [])
    ]
    if said:
        lines += ["", "## The confusion matrix in words", "", *(f"- {line}" for line in said)]
    lines += ["", "## Again, on another domain", ""]
    for pair in pairs:
        name = f"{pair.after.stage}/{pair.after.run}"
        lines.append(f"    workbench run --like {name} --data data/another --footage FOLDER")
    stem = f"{now:%Y-%m-%d-%H%M%S}"
    text = "\n".join(lines) + "\n"
    paths = out / LOG / f"{stem}.md", out / LOG / f"{stem}.html"
    import mistune

    content = mistune.create_markdown(escape=True, plugins=["table"])(text)
    save_text(paths[0], text)
    page = render(TEMPLATES / "log.html.j2", title=title, content=Markup(content))
    save_text(paths[1], page)
    return paths


def _section(pair: Pair, numbers: Sequence[Change]) -> list[str]:
    stage = pair.after.stage
    links = [
        f"[{run.run}](../{stage}/{run.run}/{REPORT}), {show_time(run.started)}"
        for run in (pair.before, pair.after)
    ]
    lines = [f"## {stage}: {pair.after.title}", "", f"Before: {links[0]}. After: {links[1]}.", ""]
    if pair.after.conclusion:
        lines += [f"**{pair.after.conclusion.sentence}**", ""]
    lines += ["What changed: " + ("; ".join(what_changed(pair)) or "nothing that is recorded"), ""]
    lines += ["| number | before | after | difference | |", "|---|---|---|---|---|"]
    for one in numbers:
        cells = [
            f"[{_shown(value)}](../{stage}/{run.run}/metrics.json)"
            for value, run in ((one.before, pair.before), (one.after, pair.after))
        ]
        gap = "" if one.difference is None else show(one.difference, signed=True)
        kind = " (paired)" if one.is_paired else ""
        name = one.name.replace("_", " ").replace("|", "/")
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {gap}{kind} | {one.verdict} |")
    return [*lines, ""]


def what_changed(pair: Pair) -> list[str]:
    """Return the parameters, inputs and code in which two runs differ, in words."""
    old, new = pair.before, pair.after
    found = [
        f"`{name}` {show_parameter(old.params.get(name))} → {show_parameter(value)}"
        for name, value in new.params.items()
        if value != old.params.get(name) and not name.endswith(_UNCHANGED)
    ]
    parts = {"reads": "what it reads", "modules": "the code behind it", "cells": "the notebook",
             "environment": "the packages"}  # fmt: skip
    for part, words in parts.items():
        one, other = (run.key_parts.get(part) or {} for run in (old, new))
        if part == "reads" and one != other:
            names = sorted({Path(at).name for at in other if other[at] != one.get(at)})
            words = f"the content of {', '.join(names)}" if names else words
        if one != other:
            found.append(words)
    commits = [str(run.fingerprint.get("commit") or "")[:8] for run in (old, new)]
    if commits[0] != commits[1]:
        found.append(f"commit {commits[0] or '–'} → {commits[1] or '–'}")
    return found


def asterisks(out: Path, pair: Pair, runs: Sequence[Run]) -> list[str]:
    """Return what keeps one from believing the numbers of a pair, and what its matrix says."""
    run, lines = pair.after, []
    few = {
        f"{name.replace('_', ' ')} (n = {value.n})"
        for name, value in load_metrics(out / run.stage / run.run).items()
        if isinstance(value, Interval) and value.n < _FEW
    }
    if few:
        shown = sorted(few)
        more = f" and {len(shown) - 4} more" if len(shown) > 4 else ""
        lines.append(f"{run.stage}: few items in {', '.join(shown[:4])}{more}")
    untried = untried_alone(run, runs)
    if untried:
        lines.append(
            f"{run.stage}: a batched change; what {' and '.join(untried)} do alone is not known "
            "(`workbench ablate`)"
        )
    if len([one for one in what_changed(pair) if one.startswith("`")]) > 1 and not untried:
        lines.append(f"{run.stage}: several parameters changed between the two runs")
    caveats = [str(report["caveat"]) for report in _testreports(out, run) if report.get("caveat")]
    return lines + [f"{run.stage}: {caveat}" for caveat in caveats]


def _testreports(out: Path, run: Run) -> list[dict[str, Any]]:
    """A classifier's test reports among the products of a run: caveat and matrix in sentences."""
    paths = [out.parent / product.path for product in run.products if product.path.endswith("json")]
    contents = [read_object(path) or {} for path in paths]
    return [content for content in contents if "confusion_matrix" in content]


def _words(one: Change) -> str:
    gap = "" if one.difference is None else f" ({show(one.difference, signed=True)})"
    return f"{one.name.replace('_', ' ')} {_shown(one.before)} → {_shown(one.after)}{gap}"


def _shown(value: Interval | Exact) -> str:
    if isinstance(value, Interval):
        return str(replace(value, note=""))
    return f"{show_number(value.value)} {value.unit}".rstrip()


def load_example(out: Path, name: str) -> tuple[str, str, list[str]]:
    """Return stage, profile and, as `workbench run -p` takes it, what the command of a run set.

    Raises:
        WorkbenchError: If there is no such run.
    """
    run = _run(out, name, load_runs(out), 0)
    given = [one["name"] for one in run.parameters if one["source"] == "command"]
    settings = [f"{run.stage}.{one}={show_parameter(run.params[one])}" for one in given]
    return run.stage, run.profile, settings
