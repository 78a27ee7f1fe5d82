"""The engineering log: pairs of runs, what changed, what got worse, and the same run again."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from test_report import make_run

from workbench.errors import WorkbenchError
from workbench.runs.log import changes_of_numbers, find_pairs, load_example, write_entry
from workbench.runs.metrics import count, record, record_items
from workbench.runs.run_record import Product, save_run
from workbench.saving import save_json
from workbench.stats import wilson


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two runs of a stage on the same 50 clips; the second finds fewer, with other epochs."""
    report = {"confusion_matrix": {}, "caveat": "rendered", "reading": ["3 of 9 cats are dogs."]}
    save_json(tmp_path / "testreport.json", report)
    for day, (name, right) in enumerate({"a": 40, "b": 20}.items(), 1):
        folder = tmp_path / "reports" / "train" / name
        folder.mkdir(parents=True)
        monkeypatch.setenv("WORKBENCH_RUN_DIR", str(folder))
        record(
            {"accuracy": wilson(right, 50), "recall": wilson(right // 10, 5), "clips": count(50)}
        )
        ids = [f"clip_{number}" for number in range(50)]
        sessions = [f"s{number // 5}" for number in range(50)]
        record_items("accuracy", ids, sessions, [number % 50 < right for number in range(50)])
        parameters: list[Any] = [
            {"name": one, "type": "int", "default": 1, "help": "", "source": "command"}
            for one in ("epochs", "width")
        ]
        save_run(
            folder,
            make_run(
                run=name,
                started=f"2026-01-0{day}T00:00:00.000+00:00",
                params={"epochs": 10 * day, "width": 16 * day},
                parameters=parameters,
                products=[Product("testreport.json", True)],
            ),
        )
    return tmp_path / "reports"


def test_an_entry_says_what_changed_and_what_got_worse(out: Path) -> None:
    pairs = find_pairs(out)
    assert [(pair.before.run, pair.after.run) for pair in pairs] == [("a", "b")]
    changes = {one.name: one for one in changes_of_numbers(out, pairs[0])}
    assert changes["accuracy"].is_paired
    assert changes["accuracy"].verdict == "worse"
    assert changes["recall"].verdict == "within chance"  # two of five against four
    assert changes["clips"].difference is None
    text, page = write_entry(out, pairs, "Wider", datetime(2026, 1, 3, tzinfo=UTC))
    said = text.read_text()
    assert said.startswith("# 2026-01-03: Wider")
    for part in (
        "`epochs` 10 → 20; `width` 16 → 32",
        "(../train/b/metrics.json)",
        "- train: accuracy 0.800",
        "few items in recall (n = 5)",
        "a batched change",
        "train: rendered",
        "- 3 of 9 cats are dogs.",
        "workbench run --like train/b",
    ):
        assert part in said, part
    assert "<table>" in page.read_text()
    assert not (text.parent / "train").exists()


def test_a_run_is_named_as_stage_or_stage_and_run(out: Path) -> None:
    [pair] = find_pairs(out, ["train/b"], ["train/a"])
    assert (pair.before.run, pair.after.run) == ("b", "a")
    with pytest.raises(WorkbenchError, match="no record of a run"):
        find_pairs(out, ["train/c"])
    with pytest.raises(WorkbenchError, match="0 runs"):
        find_pairs(out, ["label"])
    assert load_example(out, "train/b") == ("train", "demo", ["train.epochs=20", "train.width=32"])
