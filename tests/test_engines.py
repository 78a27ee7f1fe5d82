"""One map over items, on every engine: the same results, and no failure takes others with it."""

import json
from pathlib import Path

import pytest
from engine_jobs import die_of_two, hang_on_two, refuse_three, square

from workbench.engines.each import (
    TIMEOUT_VARIABLE,
    EngineError,
    ItemsFailedError,
    each,
    every,
    item_seed,
    make_engine,
    use_engine,
)
from workbench.engines.engine import TRIES, Failure

NUMBERS = {str(number): number for number in range(6)}


@pytest.mark.parametrize("engine", ["here", "processes:2"])
def test_a_failing_item_is_recorded_and_the_others_are_done(engine: str, tmp_path: Path) -> None:
    ended = {one.name: one for one in each(refuse_three, NUMBERS.items(), out=tmp_path,
                                           engine=engine)}  # fmt: skip
    assert {name: one.result for name, one in ended.items() if name not in "34"} == {
        "0": 0, "1": 0, "2": 0, "5": -1
    }  # fmt: skip
    assert ended["3"].result == Failure("three.mp4 is cut short: copy it again")
    assert "engine_jobs.py" in ended["4"].result.trace
    saved = json.loads((tmp_path / "4.failed.json").read_text())
    assert saved["result"]["reason"].startswith("ZeroDivisionError")
    # What is kept is not made again; what failed is tried again.
    again = {one.name: one for one in each(square, NUMBERS.items(), out=tmp_path, engine=engine)}
    assert {name for name, one in again.items() if one.node == "kept"} == {"0", "1", "2", "5"}
    assert (again["3"].result, again["5"].result) == (9, -1)
    assert not list(tmp_path.glob("*.failed.json"))
    with pytest.raises(ItemsFailedError, match=r"2 of 6 clips failed \(3: three\.mp4"):
        every(refuse_three, NUMBERS, "clips", engine=engine)


def test_a_result_of_another_stamp_is_made_again(tmp_path: Path) -> None:
    def made(stamp: str) -> list[str]:
        ended = each(square, NUMBERS.items(), out=tmp_path, stamp=lambda _: stamp, engine="here")
        return [one.name for one in ended if one.node != "kept"]

    assert [made("a"), made("a"), made("b")] == [list(NUMBERS), [], list(NUMBERS)]


def test_a_process_that_dies_or_hangs_is_named_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = {one.name: one for one in each(die_of_two, NUMBERS.items(), engine="processes:2")}
    assert died["2"].result == Failure("its process died: killed, most likely for memory")
    assert len(died["2"].lost) == TRIES
    assert f"2 was lost {TRIES}x: killed" in caplog.text  # a notebook's record keeps it
    monkeypatch.setenv(TIMEOUT_VARIABLE, "1.5")
    hung = {one.name: one for one in each(hang_on_two, NUMBERS.items(), engine="processes:2")}
    assert hung["2"].result == Failure("it took more than 1.5 s")
    for ended in (died, hung):
        assert [one.result for name, one in sorted(ended.items()) if name != "2"] == [0, 1, 3, 4, 5]


def test_an_engine_that_can_end_no_item_gets_no_time_limit() -> None:
    with pytest.raises(EngineError, match="add --engine processes"):
        use_engine("here", item_timeout_s=5)


@pytest.mark.parametrize("name", ["processes:0", "process", "ray:host", "herE", "ray://"])
def test_what_is_no_engine_is_named(name: str) -> None:
    with pytest.raises(EngineError, match="choose one of here, processes"):
        make_engine(name)


def test_an_item_has_its_seed_whatever_else_there_is() -> None:
    assert item_seed(3, "a") == item_seed(3, "a")
    assert len({item_seed(seed, name) for seed in (0, 1) for name in ("a", "b")}) == 4
