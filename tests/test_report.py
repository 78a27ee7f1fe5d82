import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import WorkbenchError
from workbench.runs.conclusion import Conclusion
from workbench.runs.metrics import (
    Exact,
    MetricError,
    count,
    load_metrics,
    measured,
    metric_rows,
    record,
)
from workbench.runs.report import TEXT_LIMIT, inert_html, save_report, settle_text
from workbench.runs.run_record import Cell, FailedCell, Run, load_runs
from workbench.stats import Interval

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
SCRIPT = "<script>alert('run')</script>"


class Page(HTMLParser):
    """What a browser would load and run, and what it would show."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        self.loads += [values[name] or "" for name in ("src", "srcset", "poster") if name in values]
        if tag == "link":
            self.loads.append(values.get("href") or "")

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def make_run(**change: Any) -> Run:
    parameters = [
        {"name": "epochs", "type": "int", "default": 2, "help": "passes", "source": "command"},
        {"name": "note", "type": "str", "default": "", "help": "", "source": "command"},
    ]
    values: dict[str, Any] = {
        "stage": "train",
        "run": "demo-01234567",
        "profile": "demo",
        "title": "Can it be learned?",
        "notebook": "notebooks/40.ipynb",
        "status": "ok",
        "reason": "",
        "params": {"epochs": 20, "note": SCRIPT},
        "parameters": parameters,
        "key": "0123",
        "key_parts": {},
        "started": "2026-01-02T03:04:05.000+00:00",
        "ended": "2026-01-02T03:05:05.000+00:00",
        "wall_s": 60.0,
    }
    return Run(**values | change)


def _report(folder: Path, content: list[Any], **change: Any) -> str:
    nbformat.write(nbformat.v4.new_notebook(cells=content), folder / "notebook.ipynb")
    return save_report(folder, make_run(**change)).read_text(encoding="utf-8")


def _markdown(source: str) -> Any:
    return nbformat.v4.new_markdown_cell(source)


def _code(source: str, *outputs: Any, tags: tuple[str, ...] = ()) -> Any:
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags)})


def _shown(**data: str) -> Any:
    kinds = {"text": "text/plain", "html": "text/html", "png": "image/png", "svg": "image/svg+xml"}
    kinds |= {"js": "application/javascript", "md": "text/markdown"}
    return nbformat.v4.new_output("display_data", data={kinds[key]: data[key] for key in data})


def test_the_title_is_the_first_heading_and_contents_are_the_others(tmp_path: Path) -> None:
    page = _report(
        tmp_path, [_markdown("# Is it *so*?\n\nWell."), _markdown("## One"), _markdown("### A & B")]
    )
    assert "<title>Is it so? · demo-01234567</title>" in page
    assert page.count("Is it so?") == 2  # the tab and the page's own heading
    contents = re.findall(r'<li class="level-(\d)"><a href="#([^"]+)">([^<]+)</a>', page)
    assert [(level, html.unescape(text)) for level, _, text in contents] == [
        ("2", "One"),
        ("3", "A & B"),
    ]
    for _, anchor, _ in contents:
        assert f'id="{anchor}"' in page


def test_nothing_is_fetched_and_no_script_runs_but_ours(tmp_path: Path) -> None:
    cells = [
        _markdown(f"# Q\n\n{SCRIPT}\n\n![x](http://a.example/x.png) [fine](https://b.example)"),
        _code(
            "1", _shown(html=f"<b onclick='x()'>b</b>{SCRIPT}<img src='https://c.example/i.png'>")
        ),
        _code("2", _shown(html="<link rel=stylesheet href='http://d.example/s.css'><p>kept</p>")),
        _code("3", _shown(html="<div style='background:url(http://e.example)'>d</div>")),
        _code("4", _shown(js="alert(1)", text="plain")),
        _code("5", nbformat.v4.new_output("stream", text=SCRIPT)),
        _code("6", _shown(text=SCRIPT)),
        _code(f"x = {SCRIPT!r}"),
        _code(
            "7", nbformat.v4.new_output("error", ename="E", evalue=SCRIPT, traceback=[SCRIPT, "x"])
        ),
    ]
    text = _report(tmp_path, cells)
    page = Page(text)
    assert page.count("script") == 1
    assert all(load.startswith("data:") for load in page.loads), page.loads
    assert "url(http" not in text
    assert "onclick" not in text
    assert html.escape(SCRIPT, quote=False)[:20] in text  # shown, not obeyed
    assert "https://b.example" in text  # a link is not a load
    assert "<p>kept</p>" in text
    policy = next(v["content"] for t, v in page.tags if t == "meta" and "http-equiv" in v)
    assert policy is not None
    assert "default-src 'none'" in policy


@given(st.text(max_size=60))
def test_html_made_inert_holds_no_script(text: str) -> None:
    for wrapped in (text, f"<script src='http://x'>{text}</script>", f"<img onerror='{text}'>"):
        page = Page(inert_html(f"<p>{wrapped}</p>"))
        assert page.count("script") == 0
        assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)


def test_parameters_are_a_table_and_their_cells_are_gone(tmp_path: Path) -> None:
    cells = [
        _code("epochs: int = 2", tags=("parameters",)),
        _code("epochs = 20", tags=("injected-parameters",)),
        _code("print(epochs)"),
    ]
    page = _report(tmp_path, cells)
    assert "epochs = 20" not in page
    row = re.search(r'<tr class="chosen">.*?epochs.*?</tr>', page, re.S)
    assert row is not None
    assert "<code>20</code>" in row[0]
    assert "<code>2</code>" in row[0]
    assert "passes" in row[0]


def test_a_figure_is_described_by_the_heading_above_it(tmp_path: Path) -> None:
    cells = [
        _markdown("# Q\n\n## How fast?"),
        _code("plot()", _shown(png=PIXEL), _shown(png=PIXEL)),
    ]
    page = Page(_report(tmp_path, cells))
    alts = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    assert alts == ["Figure 1 of: How fast?", "Figure 2 of: How fast?"]


def test_the_failed_cell_is_one_click_away(tmp_path: Path) -> None:
    ansi = "\x1b[0;31mValueError\x1b[0m: bad"
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="bad", traceback=["…", ansi])
    cells = [_code("a = 1"), _code("boom()", error), _code("never()")]
    states = ("ok", "failed", "pending")
    page = _report(
        tmp_path,
        cells,
        status="failed",
        reason="code cell 2: ValueError: bad",
        cells=[Cell(n, n + 1, f"i{n}", cells[n].source, state) for n, state in enumerate(states)],
        failed_cell=FailedCell(1, 2, "i1", "boom()", "ValueError", "bad"),
    )
    assert '<a href="#cell-2">' in page
    assert 'class="code-cell failed" id="cell-2"' in page
    assert 'class="ansi-red-fg">ValueError' in page
    assert "\x1b" not in page
    assert "did not run" in page


def test_an_empty_report_is_neither_green_nor_full_of_empty_tables(tmp_path: Path) -> None:
    import pandas as pd

    empty = pd.DataFrame({"clip": [], "verdict": []}).to_html()
    cells = [_markdown("## The shots"), _code("table", _shown(html=empty))]
    conclusion = Conclusion("Nothing to see: no clip was labelled.", "nothing to see")
    page = _report(tmp_path, cells, conclusion=conclusion)
    assert 'class="badge empty">ok<' in page
    assert "badge ok" not in page.partition("</style>")[2]
    assert 'class="dataframe"' not in page
    assert "The table is empty." in page
    assert '<details class="empty-section">' in page
    filled = [_code("table", _shown(html=pd.DataFrame({"clip": ["a"]}, index=[0]).to_html()))]
    page = _report(tmp_path, filled)
    assert 'class="badge ok">ok<' in page
    assert 'class="dataframe"' in page


def test_numbers_stand_right_and_words_left(tmp_path: Path) -> None:
    import pandas as pd

    table = pd.DataFrame({"clip": ["a", "b"], "frames": [60, 1_000], "score": [0.5, float("nan")]})
    page = _report(tmp_path, [_code("table", _shown(html=table.to_html()))])
    assert '<td class="words">a</td>' in page
    assert "<td>60</td>" in page
    assert "<td>NaN</td>" in page
    assert '<th class="words">clip</th>' in page


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("10 %\r50 %\r100 %\ndone", "100 %\ndone"),
        ("a\r\nb", "a\nb"),
        ("working\r", "working"),
        ("plain", "plain"),
    ],
)
def test_carriage_returns_overwrite_their_line(text: str, settled: str) -> None:
    assert settle_text(text) == settled


def test_long_text_keeps_both_ends() -> None:
    settled = settle_text("begin" + "x" * (3 * TEXT_LIMIT) + "end")
    assert settled.startswith("begin")
    assert settled.endswith("end")
    assert len(settled) < TEXT_LIMIT + 200
    assert "left out here" in settled


def test_a_run_without_a_notebook_still_has_a_page(tmp_path: Path) -> None:
    page = save_report(tmp_path, make_run(status="killed", reason="gone")).read_text(
        encoding="utf-8"
    )
    assert "The run ended before the notebook was started" in page
    assert "gone" in page


def test_metrics_are_kept_in_order_and_shown_first(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("WORKBENCH_RUN_DIR", str(tmp_path))
    metrics = {
        "accuracy": Interval(0.925, n=40, low=0.8, high=0.97, note="Wilson"),
        "clips": count(1200),
        "decoding": measured(12.5, "s"),
    }
    shown = record(metrics)._repr_html_()
    assert "[0.800, 0.970]" in shown
    assert load_metrics(tmp_path) == metrics
    assert list(load_metrics(tmp_path)) == list(metrics)
    page = _report(tmp_path, [_markdown("# Q")])
    for text in ("0.925", "[0.800, 0.970]", "n = 40", "1,200", "12.50 s"):
        assert text in page


def test_a_crowd_of_metrics_is_folded_but_for_the_first_ten(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("WORKBENCH_RUN_DIR", str(tmp_path))
    record({f"figure {number}": count(number) for number in range(13)})
    page = _report(tmp_path, [_markdown("# Q")])
    shown, folded = page.split("More figures")
    assert shown.count('<div class="metric"') == 10
    assert "<small>3</small>" in folded
    assert folded.count('<div class="metric"') == 3


def test_outside_a_run_nothing_is_saved_and_that_is_said(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("WORKBENCH_RUN_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "Not saved" in repr(record({"clips": count(3)}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: record({"accuracy": 0.9}),  # type: ignore[dict-item]
        lambda: record({"accuracy": Interval(float("nan"), n=40, low=0.8, high=0.97)}),
        lambda: record({"speed": Interval(3.0, n=40, low=0.8, high=float("inf"))}),
        lambda: measured(0.9, ""),
        lambda: count(2.5),  # type: ignore[arg-type]
        lambda: Exact(float("inf")),
    ],
)
def test_a_score_without_its_interval_is_refused(make: Any) -> None:
    with pytest.raises(MetricError):
        make()


@pytest.mark.parametrize(
    ("metric", "value", "interval"),
    [
        (Interval(0.9, 0.77, 1.0, 40), "0.900", "[0.770, 1.000]"),
        (Interval(0.0, 0.0, 0.05, 40), "0", "[0, 0.050]"),
        (Interval(92.35, 80.1, 110.7, 40, unit="km/h"), "92.35 km/h", "[80.10, 111]"),
        (count(12), "12", ""),
        (measured(0.00004, "s"), "4.0e-05 s", ""),
    ],
)
def test_numbers_are_rounded_as_far_as_they_can_be_read(
    metric: Interval | Exact, value: str, interval: str
) -> None:
    [row] = metric_rows({"speed": metric})
    assert (row["value"], row["interval"]) == (value, interval)


def test_an_old_record_is_still_read(tmp_path: Path) -> None:
    rows = {
        "accuracy": {"value": 0.9, "n": 40, "low": 0.8, "high": 1.0, "unit": "", "note": "Wilson"},
        "clips": {"value": 40, "unit": "", "note": ""},
    }
    content = {"format": "workbench-metrics/1", "metrics": rows}
    (tmp_path / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    accuracy = Interval(0.9, 0.8, 1.0, 40, note="Wilson")
    assert load_metrics(tmp_path) == {"accuracy": accuracy, "clips": count(40)}
    rows["accuracy"]["low"] = 0.95
    (tmp_path / "metrics.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(MetricError, match="not an estimate"):
        load_metrics(tmp_path)


def test_a_record_that_is_none_is_no_run(tmp_path: Path) -> None:
    for name, text in (("a", "{"), ("b", "[]"), ("c", json.dumps({"format": "other/1"}))):
        folder = tmp_path / "stage" / name
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(text, encoding="utf-8")
    assert load_runs(tmp_path) == []


def test_the_engine_is_not_imported_to_draw_a_report() -> None:
    """Papermill takes a second to import; the page does not need it."""
    code = "import sys, workbench.runs.report; sys.exit('papermill' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_errors_of_ours_fold_their_traceback(tmp_path: Path) -> None:
    def cells(name: str) -> list[Any]:
        lines = ["Traceback", "more"]
        error = nbformat.v4.new_output("error", ename=name, evalue="x", traceback=lines)
        return [_code("f()", error)]

    assert issubclass(MetricError, WorkbenchError)
    assert "<details><summary>Traceback" in _report(tmp_path, cells("FootageError"))
    opened = re.search(
        "<details open[^>]*><summary>Traceback", _report(tmp_path, cells("ValueError"))
    )
    assert opened is not None


def test_the_page_works_in_a_browser_without_a_network(tmp_path: Path, browser: Any) -> None:
    """Code unfolds by its button, the failed cell is one click away, and nothing is asked for."""
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="no", traceback=["no"])
    cells = [
        _markdown("# Does it work?"),
        _code("print(1)", _shown(text="1")),
        *[_markdown(f"## Part {number}\n\n" + "text\n\n" * 40) for number in range(3)],
        _code("raise ValueError('no')", error),
    ]
    runs = [Cell(1, 1, "a", "print(1)", "ok"), Cell(5, 2, "b", "raise", "failed")]
    failed = FailedCell(5, 2, "b", "raise ValueError('no')", "ValueError", "no")
    _report(tmp_path, cells, status="failed", cells=runs, failed_cell=failed)
    page = browser.new_page(viewport={"width": 390, "height": 844}, reduced_motion="reduce")
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: faults.append(message.text))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.goto((tmp_path / "report.html").as_uri())
    source = page.locator("details.source").first
    assert source.get_attribute("open") is None
    page.get_by_role("button", name="Show all code").click()
    assert source.get_attribute("open") is not None
    assert "print(1)" in source.inner_text()
    page.get_by_role("link", name="Go to code cell 2").click()
    shown = page.locator(".code-cell.failed").bounding_box()
    assert shown is not None
    assert 0 <= shown["y"] < 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
    assert {url.split("#")[0] for url in asked} == {(tmp_path / "report.html").as_uri()}
    assert faults == []
