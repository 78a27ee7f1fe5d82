"""The loop that brings the stages of a plan up to date.

A stage runs when no finished run has its key, or when what that run left is gone or altered;
otherwise it is unchanged. Keys are made when a stage's turn comes, from what then lies on disk: an
upstream stage that ran again and produced the same leaves the ones after it unchanged. Knows
nothing about terminals: a `Watcher` is told what happens.
"""

import contextlib
import fcntl
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from workbench.errors import PipelineError, SavingError
from workbench.runs.conclusion import FILE_NAME as CONCLUSION
from workbench.runs.execution import Limits, execute
from workbench.runs.index import save_index
from workbench.runs.metrics import FILE_NAME as METRICS
from workbench.runs.metrics import ITEMS
from workbench.runs.plan import Plan, PlannedStage
from workbench.runs.provenance import Digests, KeyParts, changes, key_parts, portable
from workbench.runs.run_record import (
    LOG,
    NOTEBOOK,
    RECORD,
    REPORT,
    Event,
    Recorder,
    Run,
    finish,
    load_run,
    load_runs,
    new_record,
    save_run,
)
from workbench.saving import writing

if TYPE_CHECKING:
    from workbench.runs.nodes import Nodes

FORCED = "--force"  # a reason to run
_turns: dict[Path, threading.Lock] = {}  # of cells of a sweep that have a run in common
_POLL_S = 0.2  # how soon a stop is noticed
_RENEW_S = 3.0  # how often the index page tells how far running stages have come


@dataclass(frozen=True)
class Decision:
    """Whether a stage runs, where, and why."""

    run: bool
    reasons: tuple[str, ...]
    run_dir: Path
    parts: KeyParts


@dataclass(frozen=True)
class Outcome:
    """What became of a stage."""

    stage: str
    fate: Literal["ran", "unchanged", "skipped", "left out"]
    run_dir: Path | None
    record: Run | None  # None for a stage that did not run: one it needs failed, or made nothing
    reason: str = ""  # why it was left out

    @property
    def is_good(self) -> bool:
        """Whether the stage is up to date now."""
        return self.fate in ("unchanged", "left out") or (
            self.record is not None and self.record.status == "ok"
        )


class Watcher(Protocol):
    """Is told what happens, from several threads."""

    def decided(self, stage: str, decision: Decision) -> None:
        """A stage's turn has come."""

    def started(self, stage: str, run: Run) -> None:
        """Its process starts."""

    def event(self, stage: str, event: Event, run: Run) -> None:
        """A cell begins, gets on or ends; `run` is the record so far."""

    def finished(self, outcome: Outcome) -> None:
        """The stage is through, or will not run."""


def decide(planned: PlannedStage, plan: Plan, out: Path, digests: Digests) -> Decision:
    """Say whether a stage must run, by what lies on disk now."""
    root, stage = plan.pipeline.root, planned.stage.name
    parts = key_parts(planned, root, digests)
    run_dir = out.absolute() / stage / f"{plan.profile.name}-{parts.key[:8]}"
    reasons = _reasons(planned, plan, out, run_dir, parts, digests)
    return Decision(bool(reasons), tuple(reasons), run_dir, parts)


def run_plan(
    plan: Plan,
    out: Path,
    watcher: Watcher,
    stop: threading.Event,
    jobs: int = 1,
    force: bool = False,
    limits: Limits | None = None,
    nodes: "Nodes | None" = None,
    keep: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Bring every stage of the plan up to date, independent ones at the same time.

    Args:
        plan: The stages.
        out: Where the folders of the runs lie; its index page is renewed.
        watcher: Is told what happens.
        stop: Set from elsewhere to end everything; the records of what ran are still written.
        jobs: How many stages may run at the same time.
        force: Run the stages that were asked for even if unchanged.
        limits: What each run may take.
        nodes: The cluster that stages run on; None for this machine.
        keep: Given each stage that is up to date before anybody hears of it.

    Returns:
        What became of each stage, in the order in which they ended; without those that were still
        to come when `stop` was set.
    """
    digests = Digests(out / ".digests.json")
    limits = limits or Limits()
    outcomes: dict[str, Outcome] = {}
    running: dict[Future[Outcome], str] = {}
    renewed_at = float("-inf")

    def settle(outcome: Outcome) -> None:
        outcomes[outcome.stage] = outcome
        if outcome.record is not None and outcome.is_good:
            _forget_skips(outcome.stage, plan.profile.name, out)
            if keep is not None:
                keep(outcome)
        watcher.finished(outcome)

    def ahead() -> dict[str, str]:
        starts = dict.fromkeys(running.values(), "Starts now.")
        waits = dict.fromkeys(plan.stages.keys() - outcomes.keys(), "Waits for its turn.")
        return waits | starts

    def collect(timeout_s: float | None) -> None:
        nonlocal renewed_at
        ended, _ = wait(running, timeout=timeout_s, return_when=FIRST_COMPLETED)
        for task in ended:
            del running[task]
            settle(task.result())
        if ended or time.monotonic() - renewed_at > _RENEW_S:
            renewed_at = time.monotonic()
            with contextlib.suppress(SavingError):  # a full disk may have room again at the end
                save_index(out, plan.pipeline, ahead())

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        try:
            while len(outcomes) < len(plan.stages) and not stop.is_set():
                name = _next_stage(plan, outcomes, set(running.values()))
                if name is None or len(running) >= jobs:
                    collect(timeout_s=_POLL_S)
                    continue
                planned = plan.stages[name]
                failed = [need for need in planned.needs if not outcomes[need].is_good]
                if failed:
                    settle(_skip(planned, plan, out, digests, failed[0]))
                    continue
                if planned.stage.absent and planned.missing():
                    settle(Outcome(name, "left out", None, None, planned.stage.absent))
                    continue
                decision = decide(planned, plan, out, digests)
                if force and name in plan.named:
                    decision = replace(decision, run=True, reasons=(FORCED,))
                watcher.decided(name, decision)
                if decision.run:
                    arguments = (planned, plan, decision, digests, limits, watcher, stop, nodes)
                    running[pool.submit(_run_stage, *arguments)] = name
                else:
                    record = load_run(decision.run_dir)
                    settle(Outcome(name, "unchanged", decision.run_dir, record))
            while running:
                collect(timeout_s=_RENEW_S)
        except BaseException:
            stop.set()  # or leaving the pool would wait for runs that nobody ends
            raise
    digests.save()
    save_index(out, plan.pipeline)
    return list(outcomes.values())


def _next_stage(plan: Plan, outcomes: dict[str, Outcome], running: set[str]) -> str | None:
    """Return the first stage of the plan whose turn has come."""
    for name, planned in plan.stages.items():
        is_open = name not in outcomes and name not in running
        if is_open and all(need in outcomes for need in planned.needs):
            return name
    return None


def _reasons(
    planned: PlannedStage, plan: Plan, out: Path, run_dir: Path, parts: KeyParts, digests: Digests
) -> list[str]:
    """Return why a stage must run; nothing if it is up to date."""
    record = load_run(run_dir)
    if record is None or record.key != parts.key:
        of_profile = [
            run
            for run in load_runs(out, planned.stage.name)
            if run.profile == plan.profile.name and run.status != "skipped"
        ]
        if not of_profile:
            return [f"it has not run before in profile {plan.profile.name}"]
        return changes(of_profile[0].key_parts, parts) or ["the newest run has another key"]
    if record.status != "ok":
        return [f"the last run with this key: {record.status}"]
    if not (run_dir / REPORT).is_file():
        return ["its report is gone"]
    recorded = {product.path: product for product in record.products}
    reasons = []
    for path in planned.products_in(run_dir):
        name = portable(str(path), plan.pipeline.root)
        if name not in recorded:
            reasons.append(f"product {name} is newly declared")
        elif path.exists() != recorded[name].present:
            reasons.append(f"product {name} is {'new' if path.exists() else 'gone'}")
        elif path.exists() and digests.of(path) != recorded[name].digest:
            reasons.append(f"product {name} was altered since")
    return reasons


def _skip(planned: PlannedStage, plan: Plan, out: Path, digests: Digests, failed: str) -> Outcome:
    """Record that a stage did not run; never in place of a run that did."""
    decision = decide(planned, plan, out, digests)
    if not (decision.run_dir / RECORD).exists():
        record = new_record(planned, plan, decision.parts, decision.run_dir, decision.reasons)
        reason = f"the stage {failed} did not end well"
        record = replace(record, status="skipped", reason=reason, ended=record.started, parent=())
        save_run(decision.run_dir, record)
    return Outcome(planned.stage.name, "skipped", None, None)


def _forget_skips(stage: str, profile: str, out: Path) -> None:
    """Remove records that a stage was skipped, now that it is up to date."""
    for path in (out / stage).glob(f"{profile}-*/{RECORD}"):
        run = load_run(path.parent)
        if run is not None and run.status == "skipped":
            shutil.rmtree(path.parent, ignore_errors=True)


def _run_stage(
    planned: PlannedStage,
    plan: Plan,
    decision: Decision,
    digests: Digests,
    limits: Limits,
    watcher: Watcher,
    stop: threading.Event,
    nodes: "Nodes | None",
) -> Outcome:
    """Run one stage in a process of its own and leave its record and its report.

    Two cells of a sweep may have the stage in common: the second waits, and finds it done.
    """
    name, run_dir = planned.stage.name, decision.run_dir
    turn = _turns.setdefault(run_dir, threading.Lock())
    with turn, writing(run_dir), _alone_in(run_dir):
        out, parts = run_dir.parents[1], decision.parts
        is_forced = decision.reasons == (FORCED,)
        if not (is_forced or _reasons(planned, plan, out, run_dir, parts, digests)):
            return Outcome(name, "unchanged", run_dir, load_run(run_dir))
        _clear(planned, run_dir)
        record = new_record(planned, plan, decision.parts, decision.run_dir, decision.reasons)
        save_run(run_dir, record)
        watcher.started(name, record)
        recorder = Recorder(record, planned.stage.notebook, run_dir)
        missing = planned.missing()
        if missing:
            where = portable(str(missing[0]), plan.pipeline.root)
            reason = f"it reads {where}, which no stage has made"
            recorder.record = replace(record, status="failed", reason=reason)
        else:

            def on_event(event: Event) -> None:
                recorder.take(event)
                watcher.event(name, event, recorder.record)

            # Drawing the report needs packages that take a second to import: now is idle time.
            threading.Thread(target=import_module, args=("workbench.runs.report",)).start()
            values = planned.values_in(run_dir)
            arguments = (planned.stage.notebook, run_dir, values, limits, on_event, stop)
            if nodes is None:
                execute(*arguments)
            else:
                root, gpus = plan.pipeline.root, planned.stage.gpus
                nodes.execute(*arguments, root=root, gpus=gpus)
        record = finish(recorder.record, planned, plan, run_dir, digests)
        save_run(run_dir, record)
        record = _make_report(run_dir, record, plan)
    return Outcome(name, "ran", run_dir, record)


def _make_report(run_dir: Path, record: Run, plan: Plan) -> Run:
    from workbench.runs.report import save_report

    try:
        save_report(run_dir, record)
    except Exception as error:
        # The notebook's outputs are open input. One that cannot be drawn must not take the other
        # stages with it, nor pass unnoticed.
        reason = f"the report could not be made ({type(error).__name__}: {error})"
        if record.status == "ok":
            record = replace(record, status="failed", reason=reason)
        else:
            record = replace(record, reason=f"{record.reason}; {reason}")
        save_run(run_dir, record)
    return record


def _clear(planned: PlannedStage, run_dir: Path) -> None:
    """Remove what an earlier attempt left in the run's folder, so that it cannot pass for new.

    Products outside it stay: a stage may go on from them.
    """
    inside = [path for path in planned.products_in(run_dir) if run_dir in path.parents]
    own = [run_dir / name for name in (RECORD, NOTEBOOK, REPORT, METRICS, CONCLUSION, ITEMS, LOG)]
    for path in (*own, *inside):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone_in(run_dir: Path) -> Iterator[None]:
    """Keep a second `workbench run` from writing the same run at the same time."""
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError(
                f"another `workbench run` is at work in {run_dir}", "wait for it, or stop it"
            ) from None
        yield
    (run_dir / ".lock").unlink(missing_ok=True)
