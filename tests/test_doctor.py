"""`workbench doctor` reads the lock as an installer does, and names what differs."""

from importlib import metadata
from pathlib import Path

from notebooks_on_disk import write_notebook, write_pipeline

from workbench.runs.doctor import examine
from workbench.runs.pipeline import load_pipeline


def said_of(subject: str, folder: Path) -> list[tuple[str, str]]:
    write_notebook(folder / "a.ipynb", "x = 1")
    pipeline = load_pipeline(write_pipeline(folder, {"a": {"notebook": "a.ipynb"}}))
    findings = examine(pipeline, folder / "reports")
    return [(found.level, found.said) for found in findings if found.subject == subject]


def test_pins_for_another_python_do_not_count(tmp_path: Path) -> None:
    numpy = metadata.version("numpy")
    (tmp_path / "requirements.lock").write_text(
        f"numpy=={numpy} ; python_full_version >= '3.11' \\\n    --hash=sha256:00\n"
        "numpy==0.1 ; python_full_version < '3.0' \\\n    --hash=sha256:00\n"
    )
    assert said_of("lock", tmp_path) == [("ok", "1 packages as locked")]


def test_another_version_is_named_with_the_locked_one(tmp_path: Path) -> None:
    (tmp_path / "requirements.lock").write_text("numpy==0.1 \\\n    --hash=sha256:00\n")
    (level, said), _ = said_of("lock", tmp_path)
    assert level == "warn"
    assert said == f"numpy {metadata.version('numpy')} instead of 0.1"


def test_this_environment_has_one_opencv_and_an_encoder(tmp_path: Path) -> None:
    assert [level for level, _ in said_of("OpenCV", tmp_path)] == ["ok"]
    assert [level for level, _ in said_of("H.264", tmp_path)] == ["ok"]
