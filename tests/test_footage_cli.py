"""`workbench footage`, as typed into a terminal."""

import subprocess
import sys
from pathlib import Path

import pytest

from workbench.footage.clips import load_clips


def workbench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workbench.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_footage_is_made_and_looked_into(tmp_path: Path) -> None:
    small = ["--clips", "1", "--sessions", "1", "--shooting-sessions", "0", "--size", "160x90"]
    made = workbench("footage", "make", "--out", tmp_path / "f", *small)
    assert made.returncode == 0, made.stderr
    assert "1 clips in" in made.stdout
    (clip,) = load_clips(tmp_path / "f")
    seen = workbench("footage", "probe", tmp_path / "f" / clip.file, "--decode")
    assert seen.returncode == 0, seen.stderr
    assert f"96×54, {clip.frame_count} frames at" in seen.stdout  # an action clip has 0.6 of it
    assert "no sound" in seen.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["footage", "make", "--out", "OUT", "--size", "big"], "write it as 640x360"),
        (["footage", "make", "--out", "OUT", "--size", "641x360"], "even sides"),
        (["footage", "make", "--out", "OUT", "--sessions", "-1"], "zero or more"),
        (["footage", "probe", "nowhere.mp4"], "nowhere.mp4"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    ended = workbench(*[str(tmp_path / "o") if word == "OUT" else word for word in arguments])
    assert ended.returncode == 2
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "o").exists()
