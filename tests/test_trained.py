"""The shelf of trained classifiers: the same run meets itself, the newest is found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from moving_shapes import film_shapes

from workbench.actions.clipset import Clipset, build_clipset
from workbench.actions.train import TrainConfig, run_dir_for, train_classifier
from workbench.errors import DatasetError
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.training.history import last_run, shelve

QUICK = TrainConfig(model_settings={"width": 8}, frames=6, size_wh=(32, 32), epochs=1, amp="off")


@pytest.fixture(scope="module")
def clipset(tmp_path_factory: pytest.TempPathFactory) -> Clipset:
    folder = tmp_path_factory.mktemp("shapes")
    clips = film_shapes(folder, sessions=3, per_class=2)
    return build_clipset(
        clips, folder, folder / "set", origin=BUILT_IN_FOOTAGE, frames=8, size_wh=(42, 36)
    )


def test_settings_and_data_name_the_run(clipset: Clipset, tmp_path: Path) -> None:
    first = run_dir_for(tmp_path, clipset, QUICK)
    assert run_dir_for(tmp_path, clipset, replace(QUICK)) == first
    assert run_dir_for(tmp_path, clipset, replace(QUICK, seed=1)) != first
    assert first.name.startswith("slim-")


def test_the_newest_finished_run_is_found(clipset: Clipset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="workbench run --profile demo"):
        last_run(tmp_path, "classifier")
    for seed in (0, 1):
        config = replace(QUICK, seed=seed)
        run_dir = run_dir_for(tmp_path, clipset, config)
        result = train_classifier(clipset, run_dir, config)
        path = shelve(result, "classifier", dataset_version=clipset.version)
        assert last_run(tmp_path, "classifier") == run_dir
    assert json.loads(path.read_text())["dataset_version"] == clipset.version


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run": "gone"}'])
def test_a_broken_shelf_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "last_classifier.json").write_text(content)
    with pytest.raises(DatasetError, match="train a classifier again"):
        last_run(tmp_path, "classifier")
