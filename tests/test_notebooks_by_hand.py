"""Notebooks as a person runs them: from top to bottom, by a plain client, after the demo."""

import shutil
from pathlib import Path

import nbformat
import pytest
from moving_shapes import film_shapes
from nbclient import NotebookClient

from workbench.actions.baselines import linear_baseline, mean_frame
from workbench.actions.clipset import build_clipset
from workbench.actions.doubts import predict_out_of_folds
from workbench.footage.clips import BUILT_IN_FOOTAGE, save_clips

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a very small `make demo`."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(NOTEBOOKS, root / "notebooks")
    footage, clipset_dir = root / "data/demo/footage", root / "data/demo/clipset"
    footage.mkdir(parents=True)
    clips = film_shapes(footage, sessions=8, per_class=3)
    save_clips(footage, clips)
    clipset = build_clipset(clips, footage, clipset_dir, origin=BUILT_IN_FOOTAGE, frames=12)
    linear_baseline(clipset, mean_frame, "linear").save(root / "data/demo/predictions.json")
    valid = predict_out_of_folds(clipset).take(clipset.take("valid").clip_ids)
    valid.save(root / "data/demo/predictions_valid.json")
    (root / "data/demo/actions").symlink_to(footage)
    return root


@pytest.mark.parametrize("name", ["10_cut_and_rate", "50_confusion_report"])
def test_run_all_works_after_the_demo(project: Path, name: str) -> None:
    path = project / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    said = str([cell.outputs for cell in notebook.cells if cell.cell_type == "code"])
    assert 'class="conclusion' in said
