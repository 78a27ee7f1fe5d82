"""How far a cell has come reaches the terminal, the log, the record and the index."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from notebooks_on_disk import write_notebook, write_pipeline
from rich.console import Console

from workbench.runs import bars, progress
from workbench.runs.bars import ItemsDone, read_bar
from workbench.runs.pipeline import load_pipeline
from workbench.runs.plan import make_plan
from workbench.runs.run_record import load_runs
from workbench.runs.runner import run_plan

LONG = """
    from tqdm import tqdm
    import time
    from pathlib import Path
    for _ in tqdm(range(40), unit="clip", desc="valid", mininterval=0.1):
        time.sleep(0.05)
    while not Path(go_on).exists():
        time.sleep(0.05)
"""


def _bar(label: str | None = None, **options: Any) -> str:
    """Return what a bar really writes in a kernel of ours; a label stands there as it is."""
    code = f"from tqdm import tqdm\nbar = tqdm(**{options!r}, mininterval=0)\n"
    code += f"bar.set_description_str({label!r})\n" if label else ""
    code += "import time; time.sleep(0.1)\nbar.update(9)\nbar.refresh()"
    environment = {**os.environ, **bars.ENVIRONMENT}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    return answer.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"total": 20, "unit": "clip"}, "9 of 20 clips"),
        ({"total": 20, "desc": "valid", "unit": "frame"}, "valid 9 of 20 frames"),
        ({"total": 20, "label": "AP 0.123", "unit": "step"}, "AP 0.123 9 of 20 steps"),
        ({"total": 20}, "9 of 20"),
        ({"unit": "clip"}, "9 clips"),
        ({"total": 1.0e9, "unit": "byte", "unit_scale": True}, "9 bytes"),
    ],
)
def test_the_bars_of_tqdm_are_read(options: dict[str, Any], said: str) -> None:
    items = read_bar(_bar(**options))
    assert items is not None
    assert str(items).partition(",")[0] == said
    assert items.done == 9


def test_the_time_left_is_told_once_it_is_known() -> None:
    assert read_bar("\r0/20 clip in 00:00, 0 s left") == ItemsDone(0, 20, "clip")
    items = read_bar("\r1/20 clip in 00:10, 3723 s left, loss 0.3\r2/20 clip in 00:12, 30 s left")
    assert items == ItemsDone(2, 20, "clip", 30)
    for text in ("nothing of the kind", "see 3/4 of it", "", "12%|█ | 3/20 [00:01<00:02]"):
        assert read_bar(text) is None


def test_what_runs_is_in_record_index_and_log(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(progress, "_LOG_EVERY_S", 0.2)
    go_on, out = tmp_path / "go_on", tmp_path / "reports"
    write_notebook(
        tmp_path / "a.ipynb", "# *Label*", LONG, parameters="go_on: str = ''  # a file", title="A?"
    )
    stages = {"label": {"notebook": "a.ipynb", "params": {"go_on": str(go_on)}}}
    plan = make_plan(load_pipeline(write_pipeline(tmp_path, stages)))
    said = io.StringIO()
    console = Console(file=said, force_terminal=False, width=200)

    def run() -> None:
        with progress.Progress(console, ["label"]) as watcher:
            run_plan(plan, out, watcher, threading.Event())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        page = out / "index.html"
        until = time.monotonic() + 60
        while not (page.exists() and "valid 40 of 40 clips" in page.read_text(encoding="utf-8")):
            assert time.monotonic() < until, said.getvalue()
            time.sleep(0.1)
        (record,) = load_runs(out)
        assert record.status == "running"
        assert record.doing.startswith("Label: valid 40 of 40 clips")
        assert 'http-equiv="refresh"' in page.read_text(encoding="utf-8")
    finally:
        go_on.touch()
        thread.join()
    lines = said.getvalue().splitlines()
    assert any(" 2/2 Label: valid " in line and "so far" in line for line in lines), lines
    assert any(line.startswith("label: 2/2 Label (") for line in lines), lines
    (record,) = load_runs(out)
    assert record.status == "ok"
    assert record.doing == ""
    assert 'http-equiv="refresh"' not in page.read_text(encoding="utf-8")
