"""`workbench evaluate coco`: numbers on stdout, one line and exit code 2 for what is no COCO."""

import contextlib
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from workbench.cli import app
from workbench.detect.dataset.coco_check import check_coco
from workbench.detect.scores.evaluation import evaluate_coco
from workbench.errors import DatasetError

KINDS = ("bbox", "segm")
TRUTH: dict[str, Any] = {
    "images": [{"id": 1, "width": 80, "height": 60}, {"id": 2, "width": 80, "height": 60}],
    "annotations": [
        {"id": 5, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400},
        {"id": 6, "image_id": 2, "category_id": 1, "bbox": [10, 10, 20, 20]},
    ],
    "categories": [{"id": 1, "name": "ball"}],
}
FOUND = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9}]


def save(folder: Path, truth: Any, found: Any) -> list[str]:
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(found))
    return ["--gt", str(folder / "truth.json"), "--pred", str(folder / "found.json")]


def test_json_holds_the_unrounded_numbers_with_intervals_and_n(shared: Path) -> None:
    folder = shared / "labels/coco"
    truth = folder / "instances_val2014_100.json"
    found = folder / "instances_val2014_fakebbox100_results.json"
    arguments = ["--gt", str(truth), "--pred", str(found), "--type", "bbox", "--json"]
    run = CliRunner().invoke(app, ["evaluate", "coco", *arguments, "--resamples", "20"])
    assert run.exit_code == 0
    printed = json.loads(run.stdout)
    assert printed["stats"] == evaluate_coco(truth, found).stats
    assert (printed["images"], printed["n"]["AP"]) == (100, 830)
    for name, (low, high) in printed["intervals"].items():
        assert low <= printed["stats"][name] <= high
    assert printed["classes"]["person"]["n"]["AP"] == 250


def test_the_table_shows_every_number(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["evaluate", "coco", *save(tmp_path, TRUTH, FOUND)])
    assert run.exit_code == 0
    assert "1 detections and 2 objects in 2 images" in run.stdout
    assert all(name in run.stdout for name in ("AP50", "AR100", "ball", "0.5050", "–"))


BROKEN = [
    ({"images": []}, FOUND, "truth.json has no list 'annotations'"),
    (TRUTH, {"annotations": FOUND}, "found.json has other 'categories'"),
    (TRUTH, "x", "found.json is not a list"),
    (
        TRUTH,
        [FOUND[0] | {"image_id": 9}],
        r"found.json: results\[0\]: unknown image: 'image_id' is 9",
    ),
    (
        TRUTH,
        [FOUND[0], FOUND[0] | {"category_id": None}],
        r"results\[1\]: unknown category: 'category_id' is None",
    ),
    (TRUTH, [FOUND[0] | {"score": "high"}], r"results\[0\]: no score: 'score' is 'high'"),
    (TRUTH, [FOUND[0] | {"bbox": [1, 2, 3]}], r"results\[0\]: no box: 'bbox' is \[1, 2, 3\]"),
    (TRUTH | {"images": [{"id": 1, "width": 8}]}, FOUND, r"images\[0\] \(id 1\).*'height'"),
]


@pytest.mark.parametrize(("truth", "found", "said"), BROKEN)
def test_what_is_wrong_is_named_by_file_and_field(
    tmp_path: Path, truth: Any, found: Any, said: str
) -> None:
    save(tmp_path, truth, found)
    with pytest.raises(DatasetError, match=said):
        evaluate_coco(tmp_path / "truth.json", tmp_path / "found.json")


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)
rows = [("truth", part, place) for part in TRUTH for place in range(2)] + [("found", "", 0)]


@settings(max_examples=150)
@given(data=st.data(), value=anything, row=st.sampled_from(rows), kind=st.sampled_from(KINDS))
def test_whatever_stands_in_a_file_is_judged_or_named(
    data: st.DataObject, value: Any, row: tuple[str, str, int], kind: Any
) -> None:
    truth, found = deepcopy(TRUTH), deepcopy(FOUND)
    which, part, place = row
    table = truth[part] if which == "truth" else found
    place = min(place, len(table) - 1)
    key = data.draw(st.sampled_from(["", *table[place], "segmentation", "area", "iscrowd"]))
    if key:
        table[place][key] = value
    else:
        table[place] = value
    check_coco(Path("truth.json"), content=truth)
    with contextlib.suppress(DatasetError):
        assert evaluate_coco(truth, found, kind).to_dict(resamples=2)


def test_bad_input_is_one_line_and_exit_code_two(tmp_path: Path) -> None:
    options = save(tmp_path, TRUTH, [FOUND[0] | {"score": None}])
    command = [sys.executable, "-m", "workbench.cli", "evaluate", "coco", *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    assert "found.json: results[0]: no score: 'score' is None" in run.stderr
