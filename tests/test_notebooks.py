"""The notebooks themselves: they keep the house rules, and the pipeline file fits them."""

import ast
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from workbench.runs.parameters import Parameter, read_parameters
from workbench.runs.pipeline import Stage, load_pipeline, placeholders
from workbench.runs.plan import make_plan
from workbench.runs.provenance import Digests, key_parts

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


PIPELINE = load_pipeline(ROOT / "notebooks/pipeline.yaml")
STAGES = sorted(PIPELINE.stages.values(), key=lambda stage: stage.name)


def paths_of(stage: Stage) -> dict[str, Parameter]:
    """The parameters of a stage that name a file or folder."""
    return {
        name: parameter
        for name, parameter in read_parameters(stage.notebook).items()
        if re.search(r"(_dir|_file|_model)$|^(database|weights)$", name)
        or (isinstance(parameter.default, str) and "/" in parameter.default)
    }


def named_in(templates: Iterable[str]) -> set[str]:
    return {name for template in templates for name in placeholders(template)}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
class TestEveryStage:
    def test_declares_every_path_it_takes(self, stage: Stage) -> None:
        # What is not declared is not part of the key: a stage that is stale would be skipped.
        assert paths_of(stage).keys() <= named_in([*(stage.reads or ()), *stage.products])

    def test_makes_a_key_of_every_file_it_reads(self, stage: Stage, tmp_path: Path) -> None:
        profile = PIPELINE.profile_with(stage.name).name
        read = sorted(paths_of(stage).keys() & named_in(stage.reads or ()))
        given = [f"{stage.name}.{name}={tmp_path / name}" for name in read]
        planned = make_plan(PIPELINE, [stage.name], profile, given).stages[stage.name]

        def key() -> str:
            return key_parts(planned, ROOT, Digests(tmp_path / "none.json")).key

        for name in read:
            before = key()
            (tmp_path / name).mkdir()
            for stored in ("last_classifier.json", "last_student.json"):
                (tmp_path / name / stored).touch()
            assert key() != before, name

    def test_runs_by_hand_on_what_the_demo_makes(self, stage: Stage) -> None:
        # "Run All" in JupyterLab, after `make demo`: inputs are there, outputs go to the scratch.
        plan = make_plan(PIPELINE, profile="demo")
        made = [Path(product) for one in plan.stages.values() for product in one.products]
        for name, parameter in paths_of(stage).items():
            if parameter.default is None:
                continue
            path = Path(os.path.normpath(stage.notebook.parent / parameter.default))
            if name in named_in(stage.products):
                assert ROOT / "data/scratch" in (path, *path.parents)
            else:
                assert any(path in (one, *one.parents) for one in made), (name, path)


@pytest.mark.parametrize("profile", ["ci", "demo", "full", "own"])
def test_every_profile_can_be_planned(profile: str, tmp_path: Path) -> None:
    pipeline = load_pipeline(ROOT / "notebooks/pipeline.yaml")
    given = []
    if profile == "own":  # classifies with a model that another profile trained
        (tmp_path / "last_classifier.json").write_text("{}")
        given = [f"classify_clips.models_dir={tmp_path}"]
    assert not make_plan(pipeline, profile=profile, given=given).left_out
    if profile == "own":  # on a fresh install there is none yet
        fresh = make_plan(pipeline, profile=profile, given=[f"classify_clips.models_dir={ROOT}"])
        assert list(fresh.left_out) == ["classify_clips"]
        assert "analyse_shots" in fresh.stages
    used = {stage.notebook.name for stage in pipeline.stages.values()}
    assert used == {path.name for path in NOTEBOOKS}
