import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from notebooks_on_disk import write_notebook, write_pipeline

from workbench import __version__
from workbench.cli import main


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    parameters = "epochs: int = 2  # passes\nsource_dir: str | None = None  # your own videos"
    write_notebook(tmp_path / "a.ipynb", "print(epochs)", parameters=parameters)
    stages = {
        "train": {"notebook": "a.ipynb", "title": "Can it be learned?", "reads": ["{source_dir}"]}
    }
    footage = {"profile": "own", "param": "train.source_dir"}
    profiles = {"demo": {"params": {"train": {"epochs": 3}}}, "own": {}}
    return write_pipeline(tmp_path, stages, profiles=profiles, footage=footage)


def _call(monkeypatch: Any, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["workbench", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "-p", "epoch=3"], "did you mean 'epochs'?"),
        (["run", "-p", "epochs=many"], "epochs = 'many' is not int"),
        (["run", "-p", "train.epochs=2.5"], "is not int"),
        (["run", "trian"], "did you mean 'train'?"),
        (["run", "--profile", "dmo"], "did you mean 'demo'?"),
        (["run", "--footage", "nowhere"], "nowhere does not exist"),
        (["run", "-p", "source_dir=/nowhere"], "/nowhere, which does not exist"),
        (["params", "trian"], "did you mean 'train'?"),
        (["list", "--profile", "dmo"], "did you mean 'demo'?"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_started(
    monkeypatch: Any, capsys: Any, pipeline: Path, arguments: list[str], message: str
) -> None:
    assert _call(monkeypatch, *arguments, "--pipeline", pipeline) == 2
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (pipeline.parent / "reports").exists()


@pytest.mark.parametrize(
    ("detector", "message"),
    [
        ("gone.onnx", "no weights at gone.onnx: give the path"),
        ("yolo", "no detector 'yolo': give a file"),
        ("broken.onnx", "broken.onnx is no ONNX file that can be run"),
    ],
)
def test_a_detector_that_is_none_is_refused_before_anything_starts(
    monkeypatch: Any, capsys: Any, tmp_path: Path, detector: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.onnx").write_bytes(b"nothing")
    parameters = 'teacher_name: str = "auto"\ndetector: str | None = None'
    write_notebook(tmp_path / "label.ipynb", "print(detector)", parameters=parameters)
    pipeline = write_pipeline(tmp_path, {"label": {"notebook": "label.ipynb"}})
    for given in (["-p", f"detector={detector}"], []):
        monkeypatch.setenv("WORKBENCH_DETECTOR", detector)
        assert _call(monkeypatch, "run", *given, "--pipeline", pipeline) == 2
        said = capsys.readouterr()
        assert message in said.err
        assert said.err.count("\n") == 1
    assert not (tmp_path / "reports").exists()


def test_footage_without_one_readable_video_is_refused(
    monkeypatch: Any, capsys: Any, pipeline: Path
) -> None:
    videos = pipeline.parent / "videos"
    videos.mkdir()
    (videos / "notes.txt").write_text("no video", encoding="utf-8")
    (videos / "empty.mp4").touch()
    assert _call(monkeypatch, "run", "--footage", videos, "--pipeline", pipeline) == 2
    assert "no video that can be read" in capsys.readouterr().err
    assert not (pipeline.parent / "reports").exists()


def test_a_pipeline_anywhere_runs_and_says_where_its_reports_are(
    monkeypatch: Any, capsys: Any, pipeline: Path, tmp_path: Path
) -> None:
    out = tmp_path / "elsewhere"
    options = ["--pipeline", pipeline, "--out", out, "--why"]
    assert _call(monkeypatch, "run", *options) == 0
    said = capsys.readouterr().out
    assert "it has not run before" in said
    (report,) = out.glob("train/demo-*/report.html")
    assert str(report) in said
    assert _call(monkeypatch, "run", *options) == 0
    assert "train is unchanged" in capsys.readouterr().out
    assert _call(monkeypatch, "list", "--pipeline", pipeline, "--out", out) == 0
    assert "ok" in capsys.readouterr().out


def test_params_are_shown_with_their_value_in_the_profile(
    monkeypatch: Any, capsys: Any, pipeline: Path
) -> None:
    assert _call(monkeypatch, "params", "train", "--pipeline", pipeline) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "epochs" in line)
    assert line.split() == ["epochs", "int", "2", "3", "passes"]


def test_version(monkeypatch: Any, capsys: Any) -> None:
    assert _call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"workbench {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['workbench', '--help']\n"
        "from workbench.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'cv2', 'av', 'numpy', 'pandas', 'yaml', 'jinja2', 'psutil', 'papermill',"
        " 'pydantic',"
        " 'nbformat', 'nbconvert', 'jupyter_client', 'sqlalchemy', 'starlette', 'matplotlib',"
        " 'scipy'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    for command in ("run", "list", "params", "doctor"):
        assert command in answer.stdout
