"""Detector metrics: equal to pycocotools', honest intervals, and lists that fit the numbers."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from workbench.detect.scores.evaluation import CocoScore, evaluate_coco, paired_differences
from workbench.detect.scores.matching import confusion, match_images
from workbench.errors import DatasetError

CATEGORIES = [{"id": 3, "name": "person"}, {"id": 7, "name": "ball"}]

boxes = st.tuples(
    st.integers(0, 60), st.integers(0, 60), st.sampled_from([4, 30, 100]), st.sampled_from([5, 33])
)
objects = st.tuples(boxes, st.sampled_from([3, 7]), st.booleans())
detections = st.tuples(boxes, st.sampled_from([3, 7]), st.sampled_from([0.1, 0.4, 0.5, 0.9]))
scenes = st.lists(
    st.tuples(st.lists(objects, max_size=3), st.lists(detections, max_size=4)),
    min_size=1,
    max_size=4,
)


def content(scene: list) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Ground truth and predictions; a third of the objects are crowds."""
    images, annotations, results = [], [], []
    for number, (there, said) in enumerate(scene, start=1):
        images.append({"id": number, "width": 200, "height": 200, "session": f"s{number % 2}"})
        for box, category, is_crowd in there:
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category,
                 "bbox": list(box), "area": box[2] * box[3], "iscrowd": int(is_crowd)}
            )  # fmt: skip
        for box, category, score in said:
            results.append(
                {"image_id": number, "category_id": category, "bbox": list(box), "score": score}
            )
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}, results


def reference(truth: dict | Path, results: list | Path, kind: str) -> np.ndarray:
    """The twelve numbers of pycocotools itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        if isinstance(truth, Path):
            coco = COCO(str(truth))
            found = coco.loadRes(str(results))
        else:
            coco = COCO()
            coco.dataset = json.loads(json.dumps(truth))
            coco.createIndex()
            found = coco.loadRes(json.loads(json.dumps(results))) if results else COCO()
        judge = COCOeval(coco, found, kind)
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return np.where(judge.stats == -1, np.nan, judge.stats)


@pytest.mark.parametrize(("kind", "ap", "ap50"), [("bbox", 0.505, 0.697), ("segm", 0.320, 0.562)])
def test_equals_pycocotools_on_the_public_pair(
    shared: Path, kind: Any, ap: float, ap50: float
) -> None:
    truth = shared / "labels/coco/instances_val2014_100.json"
    found = shared / f"labels/coco/instances_val2014_fake{kind}100_results.json"
    score = evaluate_coco(truth, found, kind)
    np.testing.assert_allclose(list(score.stats.values()), reference(truth, found, kind), atol=1e-6)
    assert (round(score.stats["AP"], 3), round(score.stats["AP50"], 3)) == (ap, ap50)
    assert (len(score.images), score.objects) == (100, 830)


@settings(max_examples=60)
@given(scenes)
def test_equals_pycocotools_on_anything(scene: list) -> None:
    truth, results = content(scene)
    score = evaluate_coco(truth, results)
    np.testing.assert_allclose(
        list(score.stats.values()), reference(truth, results, "bbox"), atol=1e-9
    )


@settings(max_examples=40)
@given(scenes)
def test_a_weight_of_two_is_an_image_twice(scene: list) -> None:
    # No two scores alike: among equal ones pycocotools goes by the order of images.
    unlike = iter(np.linspace(0.9, 0.1, 17))
    scene = [(there, [(*one[:2], float(next(unlike))) for one in said]) for there, said in scene]
    once, twice = (evaluate_coco(*content(some)) for some in (scene, [*scene, scene[0]]))
    weights = np.ones((1, len(scene)), np.int64)
    weights[0, 0] = 2
    judged = once.judge(weights)
    for name, value in twice.stats.items():
        assert judged[name][0] == pytest.approx(value, nan_ok=True)


@settings(max_examples=40)
@given(scenes)
def test_lists_fit_the_curve_and_the_threshold_is_the_best(scene: list) -> None:
    truth, results = content(scene)
    curve = evaluate_coco(truth, results).curve("person")
    best = 0.0
    for threshold in (0.1, 0.4, 0.5, 0.9):
        matches = match_images(truth, results, min_score={"person": threshold, "ball": 2})
        right = sum(len(image.right) for image in matches)
        wrong = sum(len(image.false_positives()) for image in matches)
        missed = sum(
            one["category_id"] == 3 for image in matches for one in image.false_negatives()
        )
        f1 = 2 * right / max(2 * right + wrong + missed, 1)
        best = max(best, f1)
        if threshold == curve.best_f1_threshold() and curve.objects and curve.score.size:
            assert f1 == pytest.approx(curve.f1.max())
    if curve.objects and curve.score.size:
        assert curve.f1.max() == pytest.approx(best)


@settings(max_examples=40)
@given(scenes)
def test_confusion_counts_every_object_and_detection_once(scene: list) -> None:
    truth, results = content(scene)
    counts = confusion(match_images(truth, results), CATEGORIES)
    for row, category in enumerate(CATEGORIES):
        there = [one for one in truth["annotations"] if one["category_id"] == category["id"]]
        assert counts[row].sum() == sum(not one["iscrowd"] for one in there)
        said = sum(one["category_id"] == category["id"] for one in results)
        assert counts[:, row].sum() <= said  # those on a crowd are left out
        if not any(one["iscrowd"] for one in there):
            assert counts[:, row].sum() == said


def perfect(images: int, first_id: int = 1) -> tuple[dict, list]:
    truth, results = content([([((5, 5, 30, 33), 3, False)], [((5, 5, 30, 33), 3, 0.9)])] * images)
    for place, annotation in enumerate(truth["annotations"]):
        annotation["id"] = first_id + place
    return truth, results


def test_an_object_with_id_zero_can_be_found() -> None:
    assert evaluate_coco(*perfect(2, first_id=0)).stats["AP"] == pytest.approx(1)


def test_intervals_hold_the_value_and_stay_open_at_a_perfect_score() -> None:
    score = evaluate_coco(*perfect(6))
    assert score.clusters.by == "session"
    found = score.intervals(resamples=50)
    assert found["AP"].value == pytest.approx(1)
    assert found["AP"].low < 0.7
    assert found["AP"].n == found["AP/person"].n == 6
    assert np.isnan(found["APl"].value)
    assert score.to_dict(50)["stats"]["APl"] is None
    assert json.dumps(score.to_dict(0))
    truth, results = perfect(6)
    mixed = evaluate_coco(truth, [one for one in results if one["image_id"] % 3])
    for interval in mixed.intervals(50).values():
        assert np.isnan(interval.value) or interval.low <= interval.value <= interval.high


def test_differences_are_paired() -> None:
    truth, results = perfect(6)
    half: CocoScore = evaluate_coco(truth, [one for one in results if one["image_id"] % 2])
    full = evaluate_coco(truth, results)
    same = paired_differences(full, full, 50)["AP"]
    assert (same.value, same.low, same.high) == (0, 0, 0)
    gain = paired_differences(half, full, 50)["AP"]
    assert gain.value == pytest.approx(full.stats["AP"] - half.stats["AP"])
    assert gain.low <= gain.value <= gain.high
    with pytest.raises(DatasetError, match="different images"):
        paired_differences(full, evaluate_coco(*perfect(3)))
