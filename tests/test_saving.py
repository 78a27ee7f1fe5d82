"""Saving: the old content or the new, never half of either."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import DatasetError, FootageError, SavingError, WorkbenchError
from workbench.saving import reading, replacing, save_bytes, save_json, save_text

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_a_failure_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    save_text(path, "old")
    with pytest.raises(KeyError), replacing(path) as part:  # noqa: PT012 - the block is the case
        part.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_made_and_the_mode_is_the_usual_one(tmp_path: Path) -> None:
    path = tmp_path / "b" / "c.bin"
    save_bytes(path, b"\0")
    usual = tmp_path / "usual"
    usual.touch()
    assert path.stat().st_mode == usual.stat().st_mode


@given(content=json_values)
def test_json_comes_back_as_it_was(
    content: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "x.json"
    save_json(path, content)
    assert json.loads(path.read_text()) == content


def test_numbers_that_json_lacks_are_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    save_json(path, {"a": 1})
    with pytest.raises(ValueError, match="nan"):
        save_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


def test_what_cannot_be_written_is_an_error_of_ours_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        SavingError, match=r"file/a.txt cannot be written \(.*\): name another folder"
    ):
        save_text(tmp_path / "file" / "a.txt", "x")
    assert issubclass(SavingError, OSError)  # who expects the system's error gets it
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.txt"):
        (tmp_path / "absent").read_bytes()  # not about the file that is written


def test_a_file_name_of_any_bytes_can_be_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.mp4")
    save_json(tmp_path / "a.json", [name])
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == [name]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_is_read_whatever_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes('{"é": 1}'.encode(encoding))
    with reading(path) as content:
        assert content == {"é": 1}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5_000, b"[]"]
)
def test_what_is_no_json_of_the_kind_is_one_error_with_path_and_remedy(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "clips.json"
    path.write_bytes(content)
    with (
        pytest.raises(FootageError, match=r"clips\.json is not a clip list .*: make it") as caught,
        reading(path, "a clip list", "make it", FootageError) as read,
    ):
        read["clips"]
    assert "\n" not in str(caught.value)


def test_absence_has_its_own_remedy_and_an_error_inside_gets_the_path(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with (
        pytest.raises(DatasetError, match="does not exist: train first"),
        reading(path, absent="train first"),
    ):
        pass
    with pytest.raises(DatasetError, match="cannot be read"), reading(tmp_path):
        pass
    path.write_text("7")
    with pytest.raises(DatasetError, match=r"a\.json: row 7 is odd: mend it"), reading(path) as row:
        raise WorkbenchError(f"row {row} is odd", "mend it")


@given(json_values)
def test_any_json_comes_back(value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        save_json(path, value)
        with reading(path) as content:
            assert content == value
