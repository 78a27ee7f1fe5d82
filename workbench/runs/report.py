"""An executed notebook as one offline HTML page: `report.html` in the folder of its run.

The page is drawn from the executed notebook, `run.json` and `metrics.json`. The answer comes first,
code and sections with nothing to show are folded, the failed cell is one click away. Text in
outputs and parameters is shown, never obeyed: scripts are removed, and the page's policy would not
run them.
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
from bs4 import BeautifulSoup
from markupsafe import Markup
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook
from traitlets.config import Config

from workbench.errors import WorkbenchError
from workbench.pages.page import render, show_duration, show_size
from workbench.runs.conclusion import EMPTY_CLASS, Nothing
from workbench.runs.index import TEMPLATES
from workbench.runs.metrics import FILE_NAME as METRICS
from workbench.runs.metrics import load_metrics, metric_rows
from workbench.runs.parameters import INJECTED_TAG, TAG
from workbench.runs.run_record import LOG, NOTEBOOK, REPORT, Cell, Run, heading_in
from workbench.saving import save_text

TEXT_LIMIT = 200_000  # characters of text that one output may bring into the page
HTML_LIMIT = 5_000_000  # beyond it an HTML output is shown as its text
_SHOWN_METRICS = 10  # the others are folded
_DATA_ORDER = [
    "text/html",
    "text/markdown",
    "image/svg+xml",
    "image/png",
    "image/jpeg",
    "text/plain",
]
_ACTIVE_TAGS = ("script", "link", "meta", "base", "iframe", "object", "embed", "form")
_SUSPECT = re.compile(
    rf"<(?:{'|'.join(_ACTIVE_TAGS)})\b|https?:|url\(|\son\w+\s*=|javascript:", re.I
)
_LOADING = ("src", "srcset", "poster", "data", "background")
_HEADING = re.compile(
    r'<h([123]) id="([^"]*)"[^>]*>(.*?)(?:<a class="anchor-link".*?)?</h\1>', re.S
)
_FIRST_HEADING = re.compile(r"\s*#{2,6}\s")
_NUMBER = re.compile(r"|NaN|None|NaT|[-−+]?[\d., ]+(?:e[-+]?\d+)?\s*%?", re.I)
_TAGS = re.compile(r"<[^>]+>")
_TITLE = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.M)


def save_report(run_dir: Path, run: Run) -> Path:
    """Draw the report of a run from what lies in its folder, and return its path.

    A run that ended before its notebook was first saved gets a page that says so.
    """
    path = run_dir / NOTEBOOK
    if path.exists():
        notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    else:
        said = "*The run ended before the notebook was started.*"
        note = new_markdown_cell(said)  # type: ignore[no-untyped-call]
        notebook = new_notebook(cells=[note])  # type: ignore[no-untyped-call]
    title = take_title(notebook) or run.title or run.stage
    _prepare(notebook, run)
    cells = inert_ids(_render_cells(notebook, run_dir))
    metrics = metric_rows(load_metrics(run_dir))
    page = render(
        TEMPLATES / "report.html.j2",
        script=TEMPLATES / "report.js",
        run=run,
        title=title,
        metrics=metrics[:_SHOWN_METRICS],
        more_metrics=metrics[_SHOWN_METRICS:],
        contents=_contents(cells),
        has_metrics=(run_dir / METRICS).exists(),
        has_log=(run_dir / LOG).exists(),
        cells=Markup(cells),
    )
    save_text(run_dir / REPORT, page)
    return run_dir / REPORT


def take_title(notebook: Any) -> str:
    """Remove the first top heading of a notebook and return its text; empty if it has none."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (match := _TITLE.search(cell.source)):
            cell.source = cell.source.replace(match[0], "", 1).strip()
            return re.sub(r"[*_`]", "", match[1])
    return ""


def settle_text(text: str) -> str:
    r"""Return text as a terminal would have left it, shortened to what a page can bear.

    A carriage return overwrites its line, as progress bars do hundreds of times.

    Example:
        >>> settle_text("10 %\r50 %\r100 %\ndone")
        '100 %\ndone'
    """
    if "\r" in text:
        lines = text.replace("\r\n", "\n").split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    if len(text) <= TEXT_LIMIT:
        return text
    head, tail = TEXT_LIMIT * 3 // 4, TEXT_LIMIT // 4
    left_out = show_size(len(text) - head - tail)
    return (
        f"{text[:head]}\n\n… {left_out} left out here; {NOTEBOOK} has all of it …\n\n{text[-tail:]}"
    )


def inert_html(html: str) -> str:
    """Return HTML without anything that runs or that would be fetched from elsewhere."""
    if not _SUSPECT.search(html):
        return html
    soup = BeautifulSoup(html, "html.parser")
    for tag in soup.find_all(_ACTIVE_TAGS):
        tag.decompose()
    for tag in soup.find_all(True):
        for name, value in list(tag.attrs.items()):
            text = str(value).strip()
            fetched = name.lower() in _LOADING and not text.startswith("data:")
            style = name.lower() == "style" and "url(" in text.lower()
            active = name.lower().startswith("on") or text.lower().startswith("javascript:")
            if fetched or style or active:
                del tag.attrs[name]
    for tag in soup.find_all("style"):
        if "url(" in tag.text.lower() or "@import" in tag.text.lower():
            tag.decompose()
    return str(soup)


def align_columns(html: str) -> str:
    """Return a table of pandas with its columns of words marked, to be set left.

    Pandas sets everything right, as suits numbers. Tables with spans are left as they are.
    """
    soup = BeautifulSoup(html, "html.parser")
    for table in soup.find_all("table", class_="dataframe"):
        rows = [row.find_all("td") for row in table.find_all("tr")]
        rows = [row for row in rows if row]
        if table.find(["th", "td"], attrs={"colspan": True}) or len({len(r) for r in rows}) != 1:
            continue
        head = table.find("tr")
        heads = head.find_all("th") if head is not None and table.find("thead") else []
        for place, column in enumerate(zip(*rows, strict=True)):
            if all(_NUMBER.fullmatch(cell.get_text().strip()) for cell in column):
                continue
            marked = [*column, *heads[len(heads) - len(rows[0]) + place :][:1]]
            for cell in marked:
                cell["class"] = [*cell.get("class", []), "words"]
    return str(soup)


def inert_ids(html: str) -> str:
    """Return HTML whose headings do not take the anchors of our cells."""
    return re.sub(r'(<h[1-6] id=")(cell-\d+")', r"\1about-\2", html)


def _prepare(notebook: Any, run: Run) -> None:
    """Drop the parameter cells, number the others, and settle their outputs for a page."""
    notebook.cells = [
        cell for cell in notebook.cells if INJECTED_TAG not in cell.metadata.get("tags", [])
    ]
    by_index = {cell.index: cell for cell in run.cells}
    heading, figures = run.stage.replace("_", " "), 0
    shown = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            found = heading_in(cell.source)
            heading, figures = (found, 0) if found else (heading, figures)
        if cell.cell_type == "code":
            first = cell.source.strip().partition("\n")[0]
            record = by_index.get(index) or Cell(index, 0, "", first, "ok")
            is_told = TAG in cell.metadata.get("tags", []) and record.status != "failed"
            if is_told or not first:
                continue
            cell.metadata["report"] = asdict(record)
            cell.outputs = [_settle_output(output) for output in _merge_streams(cell.outputs)]
            for output in cell.outputs:
                figures += _describe_images(output, heading, figures)
        shown.append(cell)
    notebook.cells = shown
    for section in _sections(shown):
        _fold_if_empty(section)


def _sections(cells: list[Any]) -> list[list[Any]]:
    """Return the cells of each section, from its heading to the next."""
    sections: list[list[Any]] = []
    for cell in cells:
        if cell.cell_type == "markdown" and _FIRST_HEADING.match(cell.source):
            sections.append([cell])
        elif sections:
            sections[-1].append(cell)
    return sections


def _fold_if_empty(section: list[Any]) -> None:
    """Fold a section of which the notebook says that it has nothing to show."""
    outputs = [o for cell in section if cell.cell_type == "code" for o in cell.outputs]
    said = [str(output.get("data", {}).get("text/html", "")) for output in outputs]
    if not said or not all(f'class="{EMPTY_CLASS}"' in html for html in said):
        return
    heading, _, rest = section[0].source.lstrip().partition("\n")
    section[0].source = rest
    why = BeautifulSoup(" ".join(said), "html.parser").get_text(" ", strip=True)
    section[0].metadata["opens"] = {"heading": heading, "why": why}
    section[-1].metadata["closes"] = True


def _merge_streams(outputs: list[Any]) -> list[Any]:
    """Join what was printed in many small pieces; a line may be spread over several."""
    merged: list[Any] = []
    for output in outputs:
        last: Any = merged[-1] if merged else {}
        kind = (output.output_type, output.get("name"))
        if kind[0] == "stream" and kind == (last.get("output_type"), last.get("name")):
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _settle_output(output: Any) -> Any:
    if output.output_type == "stream":
        output.text = settle_text(output.text)
    elif output.output_type == "error":
        output["metadata_report_short"] = output.ename in _our_errors()
        output.traceback = [settle_text(line) for line in output.traceback]
    elif "data" in output:
        data = output.data
        if len(data.get("text/html", "")) > HTML_LIMIT:
            del data["text/html"]
        if 'class="dataframe"' in (table := data.get("text/html", "")):
            is_empty = "<td" not in table and "<th>" not in table.partition("</thead>")[2]
            empty = Nothing("The table is empty.")._repr_html_()
            data["text/html"] = empty if is_empty else align_columns(table)
        if "text/plain" in data:
            data["text/plain"] = settle_text(data["text/plain"])
    return output


def _describe_images(output: Any, heading: str, before: int) -> int:
    """Give images without a description the heading they stand under; return how many."""
    kinds = {"image/png", "image/jpeg", "image/svg+xml"} & output.get("data", {}).keys()
    for kind in kinds:
        # Some writers put width and height beside the type, not below it.
        alt = output.metadata.get("alt") or f"Figure {before + 1} of: {heading}"
        output.metadata.setdefault(kind, {}).setdefault("alt", alt)
    return min(len(kinds), 1)


def _render_cells(notebook: Any, run_dir: Path) -> str:
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        config=Config({"NbConvertBase": {"display_data_priority": _DATA_ORDER}}),
        extra_template_basedirs=[str(TEMPLATES)],
        template_name="notebook",
        embed_images=True,
    )
    exporter.register_filter("inert_html", inert_html)  # type: ignore[no-untyped-call]
    exporter.register_filter("duration", show_duration)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(run_dir)}}
    body, _ = exporter.from_notebook_node(notebook, resources=resources)
    return str(body)


def _contents(cells: str) -> list[dict[str, Any]]:
    headings = [
        {
            "level": int(level),
            "anchor": Markup(anchor),
            "text": Markup(_TAGS.sub("", text)).unescape(),
        }
        for level, anchor, text in _HEADING.findall(cells)
    ]
    return [heading for heading in headings if str(heading["text"]).strip()]


def _our_errors(kind: type[WorkbenchError] = WorkbenchError) -> set[str]:
    """Return the names of the errors that carry their remedy: their traceback is no news."""
    return {kind.__name__}.union(*map(_our_errors, kind.__subclasses__()))
