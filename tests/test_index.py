"""The index page in a real browser: search, filters, order, comparison; and without its script."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from notebooks_on_disk import write_notebook, write_pipeline
from test_report import SCRIPT, make_run

from workbench.runs.bars import ItemsDone
from workbench.runs.conclusion import Conclusion
from workbench.runs.index import save_index
from workbench.runs.metrics import paired_differences, record, record_items
from workbench.runs.pipeline import Pipeline, load_pipeline
from workbench.runs.run_record import Cell, save_run, this_process
from workbench.stats import wilson

RIGHT = {"a": range(40), "b": range(5, 40), "c": range(20)}  # clips of 50 that each run has right


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    write_notebook(tmp_path / "a.ipynb")
    stages = {name: {"notebook": "a.ipynb"} for name in ("train", "label")}
    return load_pipeline(write_pipeline(tmp_path, stages))


@pytest.fixture
def out(tmp_path: Path, pipeline: Pipeline, monkeypatch: Any) -> Path:
    """Three runs of a stage on the same clips but for the third, one of another stage."""
    clips = [f"clip_{number}" for number in range(50)]
    for day, (name, right) in enumerate(RIGHT.items(), 1):
        folder = tmp_path / "reports" / "train" / name
        folder.mkdir(parents=True)
        monkeypatch.setenv("WORKBENCH_RUN_DIR", str(folder))
        record({"accuracy": wilson(len(right), 50)})
        ids = clips if name != "c" else [f"other_{clip}" for clip in clips]
        sessions = [f"session_{number // 5}" for number in range(50)]
        record_items("accuracy", ids, sessions, [number in right for number in range(50)])
        save_run(
            folder,
            make_run(
                run=name,
                started=f"2026-01-0{day}T00:00:00.000+00:00",
                params={"epochs": 10 * day, "note": SCRIPT},
                conclusion=Conclusion(f"No: {len(right)} of 50 are right.", "no"),
            ),
        )
    folder = tmp_path / "reports" / "label" / "d"
    folder.mkdir(parents=True)
    found = Conclusion("Can't tell: there is no truth here.", "can't tell")
    save_run(folder, make_run(stage="label", run="d", profile="own", conclusion=found))
    save_index(tmp_path / "reports", pipeline)
    return tmp_path / "reports"


@pytest.fixture
def page(out: Path, browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto((out / "index.html").as_uri())
    yield page
    page.close()
    assert {url.partition("#")[0] for url in asked} == {(out / "index.html").as_uri()}
    assert faults == []


def _shown(page: Any) -> list[str]:
    return [card.get_attribute("data-run") for card in page.locator("article.run:visible").all()]


def test_runs_are_found_by_words_stage_profile_and_answer(page: Any) -> None:
    everything = ["train/c", "train/b", "train/a", "label/d"]
    assert _shown(page) == everything
    page.get_by_label("Find").fill("TRAIN 35 of")
    assert _shown(page) == ["train/b"]
    assert "1 of 4 runs" in page.inner_text("output")
    page.get_by_label("Find").fill("")
    for label, value, found in (
        ("Stage", "label", everything[3:]),
        ("Profile", "demo", everything[:3]),
        ("Answer", "can't tell", everything[3:]),
    ):
        page.get_by_label(label).select_option(value)
        assert _shown(page) == found
        page.reload()
        assert _shown(page) == found  # the address remembers
        page.get_by_label(label).select_option("")
    assert _shown(page) == everything


def test_runs_are_ordered_by_a_number_and_the_best_is_marked(page: Any) -> None:
    page.get_by_label("Order").select_option("accuracy")
    assert _shown(page) == ["train/a", "train/b", "train/c"]
    best = page.locator("article.run.best")
    assert best.get_attribute("data-run") == "train/a"
    page.get_by_label("lowest is best").check()
    assert _shown(page) == ["train/c", "train/b", "train/a"]
    assert best.get_attribute("data-run") == "train/c"


def test_two_runs_are_compared_in_pairs_where_their_clips_are_the_same(
    page: Any, out: Path
) -> None:
    def pick(run: str) -> None:
        page.locator(f'article[data-run="train/{run}"]').get_by_label("compare").click()

    panel = page.locator("#comparison")
    pick("a")
    pick("b")
    rows = {row.inner_text().split("\t")[0]: row.inner_text() for row in panel.locator("tr").all()}
    assert rows["epochs"].split("\t")[1:] == ["10", "20"]
    assert "note" not in rows  # it is the same in both
    expected = paired_differences(out / "train" / "a", out / "train" / "b")["accuracy"]
    assert expected.value == pytest.approx(-0.1)
    assert "−0.1 [" in rows["accuracy"]
    assert rows["accuracy"].endswith("paired, n = 50")
    assert "unpaired" not in rows["accuracy"]
    pick("c")  # the third takes the place of the first
    text = panel.inner_text()
    assert "train/b and train/c" in text
    old, new = wilson(35, 50), wilson(20, 50)
    low = -0.3 - math.hypot(new.value - new.low, old.high - old.value)  # Newcombe's method 10
    high = -0.3 + math.hypot(new.high - new.value, old.value - old.low)
    ends = f"[{low:.3f}, {high:.3f}]".replace("-", "−")
    assert f"−0.3 {ends} unpaired" in text
    page.reload()
    assert "train/b and train/c" in panel.inner_text()
    panel.get_by_role("button", name="Stop comparing").click()
    assert panel.is_hidden()


def test_the_page_reads_without_its_script(out: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((out / "index.html").as_uri())
    assert len(_shown(page)) == 4
    assert "40 of 50 are right" in page.inner_text("main")
    assert page.locator("form:visible").count() == 0
    assert page.get_by_label("compare").first.is_hidden()
    context.close()


def test_a_run_of_two_changes_is_marked_until_they_are_run_alone(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    def save(name: str, **params: Any) -> str:
        described = [
            {"name": one, "type": "int", "default": 0, "help": "", "source": "command"}
            for one in params
        ]
        folder = tmp_path / "reports" / "train" / name
        folder.mkdir(parents=True)
        save_run(folder, make_run(run=name, params=params, parameters=described))
        return save_index(tmp_path / "reports", pipeline).read_text()

    assert "Several changes" not in save("plain")
    assert "until blur and epochs were each run alone" in save("batch", blur=1, epochs=9, seed=3)
    assert "Several changes" not in save("one", epochs=9)  # the rest of the batch is blur's


def test_while_a_stage_runs_the_page_says_what_it_does_and_renews_itself(
    out: Path, pipeline: Pipeline, browser: Any
) -> None:
    folder = out / "label" / "e"
    folder.mkdir()

    def save(done: int, **change: Any) -> None:
        items = ItemsDone(done, 20, "clip", 42)
        cells = [Cell(1, 1, "a", "x = 1", "running", heading="Label", items=items)]
        live = {"stage": "label", "run": "e", "status": "running", "parent": this_process()}
        save_run(folder, make_run(**live | {"cells": cells, "ended": None} | change))
        save_index(out, pipeline)

    save(9)
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto((out / "index.html").as_uri())
    now = page.get_by_label("Running now")
    assert "label Label: 9 of 20 clips, 42 s left" in now.inner_text()
    page.get_by_label("Stage").select_option("label")
    page.locator("h1").click()  # nothing is typed any more
    save(10)
    now.get_by_text("10 of 20").wait_for(timeout=20_000)
    assert _shown(page) == ["label/e", "label/d"]
    save(10, status="ok", cells=())
    now.wait_for(state="detached", timeout=20_000)
    page.close()


def test_a_stage_whose_turn_is_to_come_is_not_said_to_be_forgotten(
    tmp_path: Path, pipeline: Pipeline
) -> None:
    out = tmp_path / "reports"
    path = save_index(out, pipeline, {"train": "Starts now.", "label": "Waits for its turn."})
    page = path.read_text(encoding="utf-8")
    assert "Has not run yet" not in page
    assert "Starts now." in page
    assert 'data-running="yes"' in page  # it renews itself
    (out / "train/a").mkdir(parents=True)
    run = make_run(run="a", status="running", parent=this_process(), ended=None, wall_s=None)
    save_run(out / "train/a", run)
    page = save_index(out, pipeline, {"train": "Starts now."}).read_text(encoding="utf-8")
    assert "Starts now." not in page
    assert page.count("Has not run yet") == 1
