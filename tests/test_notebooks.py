"""The notebooks themselves: they keep the house rules, and the pipeline file fits them."""

import ast
import json
from pathlib import Path

import pytest

from workbench.runs.parameters import read_parameters
from workbench.runs.pipeline import load_pipeline
from workbench.runs.plan import make_plan

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[str]:
    content = json.loads(path.read_text())
    return ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestEveryNotebook:
    def test_asks_a_question_first_then_concludes_and_records_numbers(self, path: Path) -> None:
        heading = cells(path, "markdown")[0].splitlines()[0]
        assert heading.startswith("# ")
        assert heading.endswith("?")
        assert "record(" in cells(path, "code")[-1]
        assert any(cell.startswith("## What we learned") for cell in cells(path, "markdown"))
        assert "conclude(" in cells(path, "code")[-2]
        assert any("assert " in cell for cell in cells(path, "code"))

    def test_explains_every_parameter(self, path: Path) -> None:
        parameters = read_parameters(path)
        assert parameters
        assert all(parameter.help for parameter in parameters.values())

    def test_stays_thin(self, path: Path) -> None:
        tagged = {cells(path, "code")[0]}  # parameters: as long as there are parameters
        for cell in cells(path, "code"):
            tree = ast.parse(cell)
            imports = (ast.Import, ast.ImportFrom)
            work = [node for node in tree.body if not isinstance(node, imports)]
            lines = sum((node.end_lineno or 0) - node.lineno + 1 for node in work)
            assert cell in tagged or lines <= 12, cell
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef):
                    assert node.end_lineno is not None
                    assert node.end_lineno - node.lineno < 5, node.name

    def test_is_stored_without_outputs_and_names_no_absolute_path(self, path: Path) -> None:
        content = json.loads(path.read_text())
        for cell in content["cells"]:
            assert cell.get("outputs", []) == []
            assert cell.get("execution_count") is None
            source = "".join(cell["source"])
            assert '"/' not in source
            assert "!pip" not in source
            assert "%cd" not in source


@pytest.mark.parametrize("profile", ["ci", "demo", "full", "own"])
def test_every_profile_can_be_planned(profile: str, tmp_path: Path) -> None:
    pipeline = load_pipeline(ROOT / "notebooks/pipeline.yaml")
    given = []
    if profile == "own":  # classifies with a model that another profile trained
        (tmp_path / "last_classifier.json").write_text("{}")
        given = [f"classify_clips.models_dir={tmp_path}"]
    assert make_plan(pipeline, profile=profile, given=given).stages
    used = {stage.notebook.name for stage in pipeline.stages.values()}
    assert used == {path.name for path in NOTEBOOKS}
