"""Tiny notebooks and pipeline files, written into a test's own folder."""

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml


def write_notebook(
    path: Path, *cells: str, parameters: str = "", title: str = "A question?"
) -> Path:
    """Write a notebook: a title, a parameters cell if there are any, and code cells.

    A cell that begins with # is Markdown.
    """
    content = [nbformat.v4.new_markdown_cell(f"# {title}")]
    if parameters:
        tags = {"tags": ["parameters"]}
        content.append(nbformat.v4.new_code_cell(textwrap.dedent(parameters), metadata=tags))
    for cell in cells:
        source = textwrap.dedent(cell).strip()
        new = nbformat.v4.new_markdown_cell if source.startswith("#") else nbformat.v4.new_code_cell
        content.append(new(source))
    for number, cell in enumerate(content):
        cell["id"] = f"id-{number}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=content), path)
    return path


def write_pipeline(folder: Path, stages: Mapping[str, Any], **rest: Any) -> Path:
    """Write `folder/pipeline.yaml` and return its path."""
    content = {"stages": dict(stages), "profiles": {"demo": {}}} | rest
    path = folder / "pipeline.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def only_run(out: Path, stage: str) -> dict[str, Any]:
    """Return the content of the one run.json of a stage."""
    (path,) = out.glob(f"{stage}/*/run.json")
    return json.loads(path.read_text(encoding="utf-8"))
