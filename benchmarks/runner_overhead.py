"""What the runner costs: `workbench run` against plain papermill on the same notebooks.

Two notebooks: one whose first cell prints 20 MB before 60 trivial cells, and one of three trivial
cells. Both sides are fresh processes that start a kernel; ours also checks parameters, follows
memory, ends stray processes and draws the HTML report and the index. Repeats are interleaved, so
that a busy machine slows both alike; the medians and their ratio are printed.

    python benchmarks/runner_overhead.py --repeats 3
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import nbformat
import yaml

PAPERMILL = (
    "import sys, papermill; papermill.execute_notebook("
    "sys.argv[1], sys.argv[2], kernel_name='python3', progress_bar=False)"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--megabytes", type=int, default=20)
    options = parser.parse_args()
    fat = (
        f"print('x' * 99 + '\\n', end='')\nprint(('y' * 99 + '\\n') * {options.megabytes * 10_000})"
    )
    notebooks = {
        f"{options.megabytes} MB output, then 60 cells": [fat, *["x = 1"] * 60],
        "3 trivial cells": ["x = 1", "y = x + 1", "print(y)"],
    }
    print(f"{'notebook':<30} {'':>10} {'papermill':>12} {'workbench':>12} {'ratio':>8}")
    for name, cells in notebooks.items():
        _compare(name, cells, options.repeats)


def _compare(name: str, cells: Sequence[str], repeats: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": kernel},
        )
        nbformat.write(notebook, folder / "a.ipynb")
        pipeline = {"stages": {"a": {"notebook": "a.ipynb"}}, "profiles": {"demo": {}}}
        (folder / "pipeline.yaml").write_text(yaml.safe_dump(pipeline), encoding="utf-8")
        inputs = [str(folder / "a.ipynb"), str(folder / "out.ipynb")]
        ours = ["-m", "workbench.cli", "run", "--force", "--pipeline", f"{folder}/pipeline.yaml"]
        sides = {
            "papermill": [sys.executable, "-c", PAPERMILL, *inputs],
            "workbench": [sys.executable, *ours],
        }
        times: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
        for _ in range(repeats):
            for side, command in sides.items():
                times[side].append(_time(command))
    for place, what in enumerate(("wall s", "CPU s")):
        plain, ours = (statistics.median(run[place] for run in runs) for runs in times.values())
        label = name if place == 0 else ""
        print(f"{label:<30} {what:>10} {plain:>12.2f} {ours:>12.2f} {ours / plain:>8.2f}")


def _time(command: Sequence[str]) -> tuple[float, float]:
    """Return wall and CPU seconds of a command with everything it starts."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall_s = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall_s, cpu_s


if __name__ == "__main__":
    main()
