"""The index page: `index.html` in the reports folder, listing every run of every stage.

Drawn from what lies in the folders of the runs; nothing else is remembered. The page can be read
without its script, which searches, filters, orders and compares.
"""

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

from workbench.pages.page import render, show_parameter
from workbench.runs.batched import untried_alone
from workbench.runs.conclusion import VERDICTS
from workbench.runs.metrics import (
    ITEMS,
    MetricError,
    load_metrics,
    metric_rows,
    paired_differences,
)
from workbench.runs.pipeline import Pipeline
from workbench.runs.run_record import REPORT, Run, load_runs, now
from workbench.saving import save_text

TEMPLATES = Path(__file__).resolve().parent / "templates"
INDEX = "index.html"
NEWEST = 3  # runs of a stage that are shown unfolded
HEADLINES = 4  # metrics of a run that are shown
MOST_PAIRED = 6  # runs of a stage, the newest, that are compared pair by pair


def save_index(out: Path, pipeline: Pipeline, ahead: Mapping[str, str] | None = None) -> Path:
    """Draw the index of all runs below `out`, and return its path.

    Args:
        out: The folder of the runs.
        pipeline: Its stages are all shown.
        ahead: Of the stages that a command under way has still to bring up to date, what to say.
    """
    ahead = ahead or {}
    runs = load_runs(out)
    rows = [_row(out, run, place, runs) for place, run in enumerate(runs)]
    names = [*pipeline.stages, *sorted({run.stage for run in runs} - set(pipeline.stages))]
    stages = []
    for name in names:
        own = [row for row in rows if row["run"].stage == name]
        stage = pipeline.stages.get(name)
        title = stage.title if stage else ""
        is_running = any(row["run"].status == "running" for row in own)
        said = None if is_running else ahead.get(name)
        stages.append({"name": name, "title": title, "runs": own, "ahead": said})
    page = render(
        TEMPLATES / "index.html.j2",
        script=TEMPLATES / "index.js",
        project=pipeline.root.name,
        total=len(runs),
        running=bool(ahead) or any(run.status == "running" for run in runs),
        written=now(),
        counts=sorted(Counter(run.status for run in runs).items()),
        stages=stages,
        newest=NEWEST,
        headlines=HEADLINES,
        stage_names=[stage["name"] for stage in stages if stage["runs"]],
        profiles=sorted({run.profile for run in runs}),
        verdicts=[v for v in VERDICTS if any(row["facts"]["verdict"] == v for row in rows)],
        metric_names=list(dict.fromkeys(m["name"] for row in rows for m in row["metrics"])),
        runs_json=json.dumps({row["id"]: row["facts"] for row in rows}),
        pairs_json=json.dumps(_pairs(out, runs)),
    )
    save_text(out / INDEX, page)
    return out / INDEX


def _row(out: Path, run: Run, place: int, runs: list[Run]) -> dict[str, Any]:
    """Return what is shown of a run, the `place`th newest, and `facts` for the page's script."""
    folder = out / run.stage / run.run
    numbers: list[dict[str, Any]] = []
    try:
        metrics = load_metrics(folder)
        rows = metric_rows(metrics)
        for row, metric in zip(rows, metrics.values(), strict=True):
            ends = {end: getattr(metric, end) for end in ("low", "high") if hasattr(metric, end)}
            words = f"{row['value']} {row['interval']}".rstrip()
            numbers.append({"name": row["name"], "words": words, "value": metric.value, **ends})
    except MetricError as error:
        rows = [{"name": str(error), "value": "?", "interval": "", "n": None, "note": ""}]
    link = f"{run.stage}/{run.run}/{REPORT}" if (folder / REPORT).is_file() else None
    reads = run.key_parts.get("reads", {})
    return {
        "id": f"{run.stage}/{run.run}",
        "run": run,
        "link": link,
        "untried": untried_alone(run, runs),
        "metrics": rows,
        "facts": {
            "name": run.run,
            "profile": run.profile,
            "place": place,
            "verdict": run.conclusion.verdict if run.conclusion else "",
            "answer": run.conclusion.sentence if run.conclusion else "",
            "params": {name: show_parameter(value) for name, value in run.params.items()}
            | {f"content of {path}": str(digest)[:8] for path, digest in reads.items()}
            | {"commit": run.fingerprint.get("commit") or "–"},
            "metrics": numbers,
        },
    }


def _pairs(out: Path, runs: list[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return paired differences, by the ids of both runs and the number's name."""
    found = {}
    for stage in dict.fromkeys(run.stage for run in runs):
        folders = [out / stage / run.run for run in runs if run.stage == stage]
        kept = [folder for folder in folders if (folder / ITEMS).is_file()][:MOST_PAIRED]
        for first, second in combinations(kept, 2):
            stamps = ((folder / ITEMS).stat().st_mtime_ns for folder in (first, second))
            differences = _differences(first, second, *stamps)
            found[f"{stage}/{first.name} {stage}/{second.name}"] = {
                name.replace("_", " "): difference.to_dict()
                for name, difference in differences.items()
            }
    return found


@lru_cache(maxsize=256)
def _differences(first: Path, second: Path, *stamps: int) -> Any:
    """Compare two runs, once for each state of their files."""
    return paired_differences(first, second)
