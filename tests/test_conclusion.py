"""A notebook's answer: kept in the run, shown under the title, at one with its verdict."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from notebooks_on_disk import only_run, write_notebook, write_pipeline
from test_report import Page, make_run
from test_runner import run_pipeline

from workbench.runs.conclusion import (
    Conclusion,
    ConclusionError,
    Nothing,
    conclude,
    load_conclusion,
)
from workbench.runs.report import save_report

ANSWER = "No: the student finds 0.7 % of people where its teacher finds 71 %."


@pytest.mark.parametrize(
    ("sentence", "verdict"),
    [
        ("Yes: 70 of 80 clips are right.", "yes"),
        (ANSWER, "no"),
        ("Can’t tell: there is no truth.", "can't tell"),
        ("Nothing to see: no clip was labelled.", "nothing to see"),
    ],
)
def test_the_sentence_begins_with_its_verdict(
    tmp_path: Path, monkeypatch: Any, sentence: str, verdict: Any
) -> None:
    monkeypatch.setenv("WORKBENCH_RUN_DIR", str(tmp_path))
    assert conclude(sentence) == Conclusion(sentence, verdict)
    assert load_conclusion(tmp_path) == Conclusion(sentence, verdict)


@pytest.mark.parametrize("sentence", ["It went well.", "Maybe: who knows.", ""])
def test_a_sentence_without_a_verdict_is_refused(
    tmp_path: Path, monkeypatch: Any, sentence: str
) -> None:
    monkeypatch.setenv("WORKBENCH_RUN_DIR", str(tmp_path))
    with pytest.raises(ConclusionError):
        conclude(sentence)
    assert load_conclusion(tmp_path) is None


def test_outside_a_run_nothing_is_kept(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("WORKBENCH_RUN_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert "<strong>No: " in conclude(ANSWER)._repr_html_()
    assert list(tmp_path.iterdir()) == []


def test_the_answer_is_in_record_report_index_and_list(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    import sys

    from workbench.cli import main

    hostile = "No: <script>alert(1)</script> finds 0.7 %."
    cell = f"from workbench.runs.conclusion import conclude\nconclude({hostile!r})"
    write_notebook(tmp_path / "a.ipynb", cell)
    pipeline = write_pipeline(tmp_path, {"student": {"notebook": "a.ipynb"}})
    run_pipeline(tmp_path)
    record = only_run(tmp_path / "reports", "student")
    assert record["status"] == "ok"  # that it ran is another matter
    assert record["conclusion"] == {"sentence": hostile, "verdict": "no"}
    (report,) = tmp_path.glob("reports/student/*/report.html")
    for path in (report, tmp_path / "reports/index.html"):
        text = path.read_text(encoding="utf-8")
        assert re.search(r'<p class="verdict-line no"><span class="verdict-mark">no</span>', text)
        assert Page(text).count("script") == 1
    monkeypatch.setattr(sys, "argv", ["workbench", "list", "--pipeline", str(pipeline)])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main()
    assert "finds 0.7 %." in capsys.readouterr().out


def test_a_section_with_nothing_to_show_is_folded_to_one_line(tmp_path: Path) -> None:
    def code(source: str, *outputs: Any) -> Any:
        return nbformat.v4.new_code_cell(source, outputs=list(outputs))

    said = Nothing("There is no <truth> here.")
    shown = {"text/html": said._repr_html_(), "text/plain": repr(said)}
    empty = nbformat.v4.new_output("execute_result", data=shown)
    other = nbformat.v4.new_output("stream", text="but this")
    cells = [
        nbformat.v4.new_markdown_cell("# Q\n\nIntroduction"),
        nbformat.v4.new_markdown_cell("## Against the truth\n\nLong explanation."),
        code("score", empty),
        code("y = 1"),
        nbformat.v4.new_markdown_cell("## What else\n\nMore."),
        code("more", empty, other),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebook.ipynb")
    page = save_report(tmp_path, make_run()).read_text(encoding="utf-8")
    (folded,) = re.findall(
        r'<details class="empty-section">.*?<summary>(.*?)</summary>', page, re.S
    )
    assert ">Against the truth" in folded
    assert "There is no &lt;truth&gt; here." in folded
    assert "Long explanation." not in folded
    assert page.count("<details") == page.count("</details>")
    assert page.index("Long explanation.") < page.index('id="What-else"')
    assert 'href="#Against-the-truth"' in page
