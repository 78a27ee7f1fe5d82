"""Real kernels, real deaths. One pipeline holds most endings, so that they run side by side."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from notebooks_on_disk import only_run, write_notebook, write_pipeline

from workbench.runs.execution import Limits
from workbench.runs.pipeline import load_pipeline
from workbench.runs.plan import make_plan
from workbench.runs.run_record import Run, load_run, load_runs
from workbench.runs.runner import Decision, Outcome, run_plan

COMMAND = [sys.executable, "-m", "workbench.cli"]

ENDINGS = {
    # stage: (cells, what the pipeline file adds)
    "fine": (["open('here.txt', 'w').write('1')", "import os\nprint(os.getcwd())"], {}),
    "error": (["x = 1", "# Prose", "def f():\n    return 1 / 0\nf()", "y = 2"], {}),
    "ours": (
        ["from workbench.errors import DatasetError\nraise DatasetError('no clips', 'make some')"],
        {},
    ),
    "killed": (["import os, signal", "os.kill(os.getpid(), signal.SIGKILL)", "z = 3"], {}),
    "leader": (
        # The process that runs the notebook dies, its kernel is left behind.
        ["import os, signal, time", "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(600)"],
        {},
    ),
    "slow": (
        [
            "import subprocess\nchild = subprocess.Popen(['sleep', '600'], start_new_session=True)"
            "\nopen('child.txt', 'w').write(str(child.pid))",
            "import time\nlarge = b'x' * (200 << 20)\n"
            "def wait_for_ever():\n    time.sleep(600)\nwait_for_ever()",
        ],
        {},
    ),
    "stubborn": (
        ["import time\nwhile True:\n  try: time.sleep(60)\n  except BaseException: pass"],
        {},
    ),
    "quits": (["print('said')\nimport sys\nsys.exit(0)", "never = 1"], {}),
    "exits": (["exit()", "never = 1"], {}),
    "gives_up": (["raise SystemExit(3)", "never = 1"], {}),
    "gone": (["import os, threading\nthreading.Timer(0.3, os._exit, (0,)).start()"], {}),
    "silent": (["x = 1"], {"products": ["{data}/never_written.json"]}),
    "after": (["x = 1"], {"needs": ["silent"]}),
    "allowed": (["print('goes on')"], {}),
}


@pytest.fixture(scope="module")
def endings(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, "subprocess.CompletedProcess[str]"]:
    """The reports folder after `workbench run` over all the endings, and what it said."""
    folder = tmp_path_factory.mktemp("endings")
    stages = {}
    for stage, (cells, rest) in ENDINGS.items():
        path = write_notebook(folder / f"{stage}.ipynb", *cells)
        stages[stage] = {"notebook": path.name, **rest}
    notebook = nbformat.read(folder / "allowed.ipynb", as_version=4)
    wrong = nbformat.v4.new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]})
    notebook.cells.insert(1, wrong)
    nbformat.write(notebook, folder / "allowed.ipynb")
    command = [*COMMAND, "run", "--pipeline", str(write_pipeline(folder, stages))]
    command += ["--jobs", "5", "--cell-timeout", "5.5"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    return folder / "reports", answer


def test_exit_code_is_1_when_a_stage_failed(endings: Any) -> None:
    assert endings[1].returncode == 1, endings[1].stderr


@pytest.mark.parametrize(
    ("stage", "status", "failed_number", "error", "cells"),
    [
        ("fine", "ok", None, None, ["ok", "ok"]),
        ("error", "failed", 2, "ZeroDivisionError", ["ok", "failed", "pending"]),
        ("ours", "failed", 1, "DatasetError", ["failed"]),
        ("killed", "killed", 2, "KernelDied", ["ok", "failed", "pending"]),
        ("leader", "killed", 2, "ProcessDied", ["ok", "failed"]),
        ("slow", "timeout", 2, "CellTimeout", ["ok", "failed"]),
        ("stubborn", "timeout", 1, "CellTimeout", ["failed"]),
        ("quits", "ok", None, None, ["ok", "pending"]),
        ("exits", "ok", None, None, ["ok", "pending"]),
        ("gives_up", "failed", 1, "SystemExit", ["failed", "pending"]),
        ("gone", "ok", None, None, ["ok"]),
        ("silent", "failed", None, None, ["ok"]),
        ("after", "skipped", None, None, ["pending"]),
        ("allowed", "ok", None, None, ["ok", "ok"]),
    ],
)
def test_the_record_says_how_it_ended(
    endings: Any, stage: str, status: str, failed_number: int | None, error: str | None, cells: Any
) -> None:
    record = only_run(endings[0], stage)
    assert record["status"] == status, record["reason"]
    assert [cell["status"] for cell in record["cells"]] == cells
    failed = record["failed_cell"]
    assert (failed and failed["number"], failed and failed["error"]) == (failed_number, error)
    if failed:
        assert failed["id"] == record["cells"][failed_number - 1]["id"]
        assert failed["source"]
        assert f"code cell {failed_number}" in record["reason"]


def test_the_failed_cell_is_counted_as_its_author_does(endings: Any) -> None:
    failed = only_run(endings[0], "error")["failed_cell"]
    assert (failed["index"], failed["number"], failed["id"]) == (3, 2, "id-3")
    assert failed["source"].startswith("def f():")


def test_the_saved_notebook_tells_the_same(endings: Any) -> None:
    (path,) = endings[0].glob("killed/*/notebook.ipynb")
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    statuses = [cell.metadata.papermill.status for cell in code]
    assert statuses == ["completed", "failed", "pending"]
    assert notebook.metadata.papermill.exception is True
    assert code[1].outputs[-1].ename == "KernelDied"


def test_a_timed_out_cell_shows_where_it_was(endings: Any) -> None:
    (path,) = endings[0].glob("slow/*/notebook.ipynb")
    (error,) = (
        output
        for output in nbformat.read(path, as_version=4).cells[-1].outputs
        if output.output_type == "error"
    )
    assert error.ename == "CellTimeout"
    assert "wait_for_ever" in "".join(error.traceback)


def test_a_notebook_may_end_itself(endings: Any) -> None:
    assert only_run(endings[0], "quits")["reason"] == "code cell 1 ended the notebook"
    (path,) = endings[0].glob("quits/*/notebook.ipynb")
    outputs = nbformat.read(path, as_version=4).cells[1].outputs
    assert outputs[0].text == "said\n"
    assert not [output for output in outputs if output.output_type == "error"]


def test_a_missing_product_is_named(endings: Any) -> None:
    record = only_run(endings[0], "silent")
    assert "data/demo/never_written.json" in record["reason"]
    assert record["products"][0]["present"] is False


def test_every_run_works_in_its_own_folder(endings: Any) -> None:
    (folder,) = endings[0].glob("fine/*")
    assert (folder / "here.txt").exists()
    output = nbformat.read(folder / "notebook.ipynb", as_version=4).cells[-1].outputs[0].text
    assert Path(output.strip()) == folder


def test_wall_time_and_memory_are_known_for_every_cell_that_ran(endings: Any) -> None:
    cells = only_run(endings[0], "fine")["cells"]
    assert all(0 <= cell["wall_s"] < 6 and cell["peak_mb"] > 10 for cell in cells)
    quick, slow = only_run(endings[0], "slow")["cells"]  # the second waits, with 200 MB
    assert quick["wall_s"] < 5.5 < slow["wall_s"]
    assert quick["peak_mb"] + 150 < slow["peak_mb"]


def test_nothing_is_left_running(endings: Any) -> None:
    assert _processes_of(endings[0].parent) == []
    (child,) = endings[0].glob("slow/*/child.txt")
    assert not psutil.pid_exists(int(child.read_text()))


def test_the_terminal_tells_the_story(endings: Any) -> None:
    said = endings[1].stdout
    for words in ("killed in code cell 2", "KernelDied", "no clips: make some", "after: skipped"):
        assert words in said
    assert "report.html" in said


def test_the_index_shows_every_ending(endings: Any) -> None:
    page = (endings[0] / "index.html").read_text(encoding="utf-8")
    for stage in ENDINGS:
        assert f'id="{stage}"' in page
    for status in ("ok", "failed", "killed", "timeout", "skipped"):
        assert f'class="badge {status}"' in page


class Silent:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.reasons: dict[str, tuple[str, ...]] = {}

    def decided(self, stage: str, decision: Decision) -> None:
        self.reasons[stage] = decision.reasons

    def started(self, stage: str, run: Run) -> None:
        pass

    def event(self, stage: str, event: dict[str, Any], run: Run) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        pass


def run_pipeline(
    folder: Path, *given: str, **options: Any
) -> tuple[dict[str, str], dict[str, Any]]:
    """Run the pipeline in `folder`; return the fate of each stage and why it ran."""
    plan = make_plan(load_pipeline(folder / "pipeline.yaml"), given=given)
    watcher = Silent()
    outcomes = run_plan(plan, folder / "reports", watcher, threading.Event(), **options)
    return {outcome.stage: outcome.fate for outcome in outcomes}, watcher.reasons


def test_only_what_changed_runs_again(tmp_path: Path) -> None:
    make = "from pathlib import Path\nPath(out).mkdir(parents=True, exist_ok=True)"
    write_notebook(
        tmp_path / "make.ipynb",
        make,
        "print(seed)\nPath(out, 'a.txt').write_text('same' if seed < 5 else 'other')",
        parameters="out: str = ''\nseed: int = 0  # for the draw",
    )
    write_notebook(tmp_path / "use.ipynb", "x = 1")
    product = "{data}/made"
    stages = {
        "make": {"notebook": "make.ipynb", "params": {"out": product}, "products": [product]},
        "use": {"notebook": "use.ipynb", "needs": ["make"]},
    }
    write_pipeline(tmp_path, stages)
    assert run_pipeline(tmp_path)[0] == {"make": "ran", "use": "ran"}
    began = time.process_time()
    assert run_pipeline(tmp_path)[0] == {"make": "unchanged", "use": "unchanged"}
    assert time.process_time() - began < 1
    # Another key, but the same products: what follows is spared.
    fates, reasons = run_pipeline(tmp_path, "make.seed=1")
    assert fates == {"make": "ran", "use": "unchanged"}
    assert reasons["make"] == ("parameter seed: 0 → 1",)
    (tmp_path / "data/demo/made/a.txt").write_text("touched", encoding="utf-8")
    fates, reasons = run_pipeline(tmp_path, "make.seed=1")
    assert reasons["make"] == ("product data/demo/made was altered since",)
    assert fates == {"make": "ran", "use": "unchanged"}
    next(iter((tmp_path / "reports/use").glob("*/report.html"))).unlink()
    assert run_pipeline(tmp_path, "make.seed=1")[1]["use"] == ("its report is gone",)


def test_independent_stages_run_at_the_same_time(tmp_path: Path) -> None:
    meet = """
        import time
        from pathlib import Path
        Path(place, me).touch()
        until = time.monotonic() + 60
        while not Path(place, other).exists():
            assert time.monotonic() < until, "the other never came"
            time.sleep(0.05)
    """
    parameters = "place: str = ''\nme: str = ''\nother: str = ''"
    write_notebook(tmp_path / "meet.ipynb", meet, parameters=parameters)
    common = {"notebook": "meet.ipynb"}
    a = {"place": str(tmp_path), "me": "a", "other": "b"}
    b = {"place": str(tmp_path), "me": "b", "other": "a"}
    write_pipeline(tmp_path, {"a": {**common, "params": a}, "b": {**common, "params": b}})
    run_pipeline(tmp_path, jobs=2)
    assert {run.stage: run.status for run in load_runs(tmp_path / "reports")} == {
        "a": "ok",
        "b": "ok",
    }


def test_a_run_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    cell = """
        import multiprocessing, subprocess, time
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        print("before", flush=True)
        time.sleep(600)
    """
    write_notebook(tmp_path / "long.ipynb", cell)
    write_pipeline(tmp_path, {"long": {"notebook": "long.ipynb"}})
    run_pipeline(tmp_path, limits=Limits(run_s=7))
    record = only_run(tmp_path / "reports", "long")
    assert record["status"] == "timeout"
    assert record["failed_cell"]["error"] == "RunTimeout"
    assert record["wall_s"] < 30
    assert _processes_of(tmp_path) == []
    (path,) = tmp_path.glob("reports/long/*/notebook.ipynb")
    outputs = nbformat.read(path, as_version=4).cells[-1].outputs
    assert outputs[0].text == "before\n"  # what it had said is not lost


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopping_the_command_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    started = tmp_path / "started"
    cell = f"""
        import subprocess, time
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        open({str(started)!r}, "w").close()
        time.sleep(600)
    """
    write_notebook(tmp_path / "long.ipynb", "x = 1", cell)
    pipeline = write_pipeline(tmp_path, {"long": {"notebook": "long.ipynb"}})
    command = subprocess.Popen(
        [*COMMAND, "run", "--pipeline", str(pipeline)], stdout=subprocess.PIPE, text=True
    )
    _wait_until(started.exists)
    command.send_signal(number)
    command.communicate(timeout=60)
    (run_dir,) = tmp_path.glob("reports/long/*")
    record = load_run(run_dir)
    assert record is not None
    assert record.status == "killed"
    if number is signal.SIGKILL:
        # Nobody was left to write the record; it reads as killed all the same.
        _wait_until(lambda: _processes_of(tmp_path) == [])
        return
    assert command.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert record.failed_cell is not None
    assert record.failed_cell.number == 2
    assert _processes_of(tmp_path) == []
    assert "killed" in (tmp_path / "reports/index.html").read_text(encoding="utf-8")


def test_a_fat_output_is_kept_whole_and_shown_in_part(tmp_path: Path) -> None:
    trivial = [f"x = {n}" for n in range(20)]
    write_notebook(
        tmp_path / "fat.ipynb", "print('0123456789' * 400_000)\nprint('the end')", *trivial
    )
    write_pipeline(tmp_path, {"fat": {"notebook": "fat.ipynb"}})
    run_pipeline(tmp_path)
    (folder,) = tmp_path.glob("reports/fat/*")
    assert (folder / "notebook.ipynb").stat().st_size > 4_000_000
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert len(page) < 400_000
    assert "left out here" in page
    assert "the end" in page


def test_a_flood_of_lines_is_kept_whole_on_a_machine_without_time(tmp_path: Path) -> None:
    flood = """
        import os, signal, subprocess, sys
        ours = os.getppid()
        subprocess.Popen(["sh", "-c", f"sleep 6; kill -CONT {ours}"], start_new_session=True)
        os.kill(ours, signal.SIGSTOP)  # who reads what this cell says has no time for it
        for line in range(10_000):
            sys.stdout.write(f"{line}\\n")
            sys.stdout.flush()
        print("the last line")
    """
    write_notebook(tmp_path / "flood.ipynb", flood, "print('next cell')")
    write_pipeline(tmp_path, {"flood": {"notebook": "flood.ipynb"}})
    run_pipeline(tmp_path)
    assert only_run(tmp_path / "reports", "flood")["status"] == "ok"
    (path,) = tmp_path.glob("reports/flood/*/notebook.ipynb")
    flooded, following = nbformat.read(path, as_version=4).cells[-2:]
    said = "".join(output.text for output in flooded.outputs)
    assert said.splitlines() == [*map(str, range(10_000)), "the last line"]
    assert following.outputs[0].text == "next cell\n"


@pytest.mark.parametrize("cell_timeout_s", [None, 60])
def test_outputs_that_are_slow_to_read_are_waited_for(
    tmp_path: Path, monkeypatch: Any, cell_timeout_s: int | None
) -> None:
    import papermill
    from papermill.engines import papermill_engines

    from workbench.runs.engine import WorkbenchEngine
    from workbench.runs.notebook_client import INTERRUPT_GRACE_S, Manager

    papermill_engines.register("workbench", WorkbenchEngine)
    autosave = Manager.autosave_cell

    def slowly(manager: Manager, **kwargs: Any) -> None:
        time.sleep(1.5 * INTERRUPT_GRACE_S / 20)
        autosave(manager, **kwargs)

    monkeypatch.setattr(Manager, "autosave_cell", slowly)
    flood = "import sys\nfor n in range(20):\n    print(n)\n    sys.stdout.flush()"
    notebook = write_notebook(tmp_path / "a.ipynb", flood, "print('next cell')")
    papermill.execute_notebook(
        notebook,
        tmp_path / "out.ipynb",
        engine_name="workbench",
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=cell_timeout_s,
    )
    flooded, following = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-2:]
    assert "".join(output.text for output in flooded.outputs).split()[-1] == "19"
    assert following.outputs[0].text == "next cell\n"


@pytest.mark.parametrize(
    ("room", "cell", "said"),
    [
        (1_000, "x = 1", "cannot be written (File too large): free some space"),
        (60_000, "print('x' * 200_000)", "cannot be written (File too large): free some space"),
        (9_000_000, "open('big', 'wb').write(bytes(20_000_000))", "OSError [Errno 27]"),
    ],
)
def test_a_full_disk_is_one_line(tmp_path: Path, room: int, cell: str, said: str) -> None:
    import resource

    write_notebook(tmp_path / "fill.ipynb", cell)
    pipeline = write_pipeline(tmp_path, {"fill": {"notebook": "fill.ipynb"}})
    answer = subprocess.run(
        [*COMMAND, "run", "--pipeline", str(pipeline)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room)),
    )
    assert answer.returncode in (1, 2)
    assert "Traceback" not in answer.stdout + answer.stderr
    assert said in " ".join((answer.stdout + answer.stderr).replace("│", "").split())


def test_reports_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", "x = 1")
    pipeline = write_pipeline(tmp_path, {"a": {"notebook": "a.ipynb"}})
    (tmp_path / "file").touch()
    answer = subprocess.run(
        [*COMMAND, "run", "--pipeline", str(pipeline), "--out", str(tmp_path / "file/reports")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: {tmp_path}/file/reports")
    assert answer.stderr.endswith("cannot be written (Not a directory): name another folder\n")
    assert answer.stderr.count("\n") == 1


def test_another_kernel_named_python3_is_not_taken(tmp_path: Path, monkeypatch: Any) -> None:
    kernels = tmp_path / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "x", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    write_notebook(tmp_path / "who {is} it.ipynb", "import sys\nprint(sys.executable)")
    write_pipeline(tmp_path, {"who": {"notebook": "who {is} it.ipynb"}})
    run_pipeline(tmp_path)
    (path,) = tmp_path.glob("reports/who/*/notebook.ipynb")
    output = nbformat.read(path, as_version=4).cells[-1].outputs[0].text
    assert output.strip() == sys.executable


def test_the_engine_serves_plain_papermill_too(tmp_path: Path) -> None:
    import papermill
    from papermill.engines import papermill_engines

    from workbench.runs.engine import WorkbenchEngine

    papermill_engines.register("workbench", WorkbenchEngine)
    notebook = write_notebook(
        tmp_path / "a.ipynb", "import os\nos._exit(3)", "x = 1", parameters="n: int = 1"
    )
    content = nbformat.read(notebook, as_version=4)
    content.metadata.kernelspec = {"name": "python3", "display_name": "x", "language": "python"}
    nbformat.write(content, notebook)
    with pytest.raises(papermill.PapermillExecutionError, match="exit code 3"):
        papermill.execute_notebook(
            notebook, tmp_path / "out.ipynb", {"n": 2}, engine_name="workbench", progress_bar=False
        )
    saved = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    status_of = {
        cell.source: cell.metadata.get("papermill", {}).get("status") for cell in saved.cells
    }
    assert status_of["import os\nos._exit(3)"] == "failed"
    assert status_of["x = 1"] == "pending"


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Return the living processes that a run below `folder` has started."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            inside = process.environ().get("WORKBENCH_RUN_DIR", "").startswith(str(folder))
            if inside and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _wait_until(condition: Any, timeout_s: float = 60) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


def test_a_skipped_stage_is_forgotten_once_it_is_up_to_date(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", "assert n == 1", parameters="n: int = 1  # a number")
    write_notebook(tmp_path / "b.ipynb", "print(1)")
    stages = {"a": {"notebook": "a.ipynb"}, "b": {"notebook": "b.ipynb", "needs": ["a"]}}
    write_pipeline(tmp_path, stages)
    run_pipeline(tmp_path)
    run_pipeline(tmp_path, "a.n=2")
    run_pipeline(tmp_path)
    assert [run.status for run in load_runs(tmp_path / "reports", "b")] == ["ok"]


def test_a_stage_is_left_out_where_another_has_made_nothing_of_what_it_reads(
    tmp_path: Path,
) -> None:
    make = "from pathlib import Path\nif wanted:\n    Path(out).write_text('a model')"
    write_notebook(tmp_path / "make.ipynb", make, parameters="out: str = ''\nwanted: bool = False")
    write_notebook(tmp_path / "use.ipynb", "x = 1")
    write_notebook(tmp_path / "after.ipynb", "x = 1")
    model = "{root}/model.txt"
    stages = {
        "make": {"notebook": "make.ipynb", "params": {"out": model}, "products": [f"{model}?"]},
        "use": {
            "notebook": "use.ipynb",
            "needs": ["make"],
            "reads": [model],
            "absent": "too few labels",
        },
        "after": {"notebook": "after.ipynb", "needs": ["use"], "reads": []},
    }
    write_pipeline(tmp_path, stages)
    assert run_pipeline(tmp_path)[0] == {"make": "ran", "use": "left out", "after": "ran"}
    assert not list((tmp_path / "reports/use").glob("*"))
    fates = run_pipeline(tmp_path, "make.wanted=true")[0]
    assert fates == {"make": "ran", "use": "ran", "after": "unchanged"}
