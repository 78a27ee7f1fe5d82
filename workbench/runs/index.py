"""The index page: `index.html` in the reports folder, listing every run of every stage.

Drawn from the `run.json` and `metrics.json` files that lie there; nothing else is remembered.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from workbench.pages.page import render, show_duration, show_parameter, show_time
from workbench.runs.metrics import MetricError, load_metrics, metric_rows
from workbench.runs.pipeline import Pipeline
from workbench.runs.run_record import REPORT, Run, load_runs
from workbench.saving import save_text

TEMPLATES = Path(__file__).resolve().parent / "templates"
INDEX = "index.html"
NEWEST = 3  # runs of a stage that are shown unfolded
HEADLINES = 4  # metrics of a run that are shown


def save_index(out: Path, pipeline: Pipeline) -> Path:
    """Draw the index of all runs below `out`, and return its path."""
    runs = load_runs(out)
    names = [*pipeline.stages, *sorted({run.stage for run in runs} - set(pipeline.stages))]
    stages = []
    for name in names:
        own = [_row(out, run) for run in runs if run.stage == name]
        stage = pipeline.stages.get(name)
        about = "" if own else "Has not run yet."
        title = stage.title if stage is not None else ""
        stages.append({"name": name, "title": title, "about": about, "runs": own})
    page = render(
        TEMPLATES / "index.html.j2",
        project=pipeline.root.name,
        total=len(runs),
        counts=sorted(Counter(run.status for run in runs).items()),
        stages=stages,
        newest=NEWEST,
    )
    save_text(out / INDEX, page)
    return out / INDEX


def _row(out: Path, run: Run) -> dict[str, Any]:
    folder = out / run.stage / run.run
    try:
        metrics = metric_rows(load_metrics(folder))[:HEADLINES]
    except MetricError as error:
        metrics = [{"name": str(error), "value": "?", "interval": "", "n": None, "note": ""}]
    link = f"{run.stage}/{run.run}/{REPORT}" if (folder / REPORT).is_file() else None
    return {
        "name": run.run,
        "status": run.status,
        "link": link,
        "started": run.started,
        "when": show_time(run.started),
        "wall": show_duration(run.wall_s),
        "reason": run.reason if run.status not in ("ok", "running") else "",
        "metrics": metrics,
        "changed": [(name, show_parameter(value)) for name, value in run.chosen.items()],
    }
