import numpy as np
import pytest

from workbench.actions.cells import show_cells
from workbench.actions.clipset import Clipset
from workbench.actions.doubts import predict_out_of_folds, queue_to_label
from workbench.actions.items import Item
from workbench.actions.predict import Predictions
from workbench.actions.slices import find_weak_slices, measure_clips, slice_accuracy
from workbench.errors import DatasetError
from workbench.runs.report import inert_html

CLASSES = ("left", "right")


def moving_squares(folder, n=90, *, labels=None, size=lambda n: 8, light=lambda n: 60, seed=0):
    """Clips of a square that runs to the side it is labelled with, on noise."""
    rng = np.random.default_rng(seed)
    true = [CLASSES[number % 2] for number in range(n)]
    blocks = rng.integers(0, 12, (n, 6, 40, 48, 3)).astype(np.uint8)
    for number in range(n):
        blocks[number] += np.uint8(light(number))
        step = 5 if true[number] == "right" else -5
        for frame in range(6):
            left, top, wide = 20 + step * (frame - 2), 20 - size(number) // 2, size(number)
            blocks[number, frame, top : top + wide, max(0, left) : left + 6] += 100
    items = tuple(
        Item(f"c{k:03d}", f"s{k // 6}", f"v{k // 6}", "test", label, str(k))
        for k, label in enumerate(labels or true)
    )
    meta = {"classes": list(CLASSES), "version": "v", "caveat": None}
    return Clipset(folder, meta, items, tuple(range(n)), blocks)


def called(clipset, right):
    """Predictions that are right where told."""
    places = [CLASSES.index(label) for label in clipset.labels]
    rows = np.full((len(clipset), 2), 0.2)
    for row, (place, is_right) in enumerate(zip(places, right, strict=True)):
        rows[row, place if is_right else 1 - place] = 0.8
    sessions, labels = clipset.sessions, clipset.labels
    return Predictions("net", CLASSES, clipset.clip_ids, sessions, labels, rows, "v")


def test_measures_follow_light_and_size(tmp_path):
    clipset = moving_squares(tmp_path, 12, size=lambda n: 4 + 2 * n, light=lambda n: 9 * n)
    measures = measure_clips(clipset)
    assert measures["light"].is_monotonic_increasing
    assert measures["size of what moves"].is_monotonic_increasing
    assert measures["size of what moves"].iloc[-1] == pytest.approx(26 / 40, abs=0.1)


def test_a_classifier_that_fails_in_the_dark_is_found_out(tmp_path):
    clipset = moving_squares(tmp_path, light=lambda n: 20 + (n * 37) % 90)
    measures = measure_clips(clipset)
    dark = measures["light"].to_numpy() < 55
    predictions = called(clipset, ~dark | (np.arange(90) % 3 == 0))
    lines = find_weak_slices(predictions, measures)
    assert [line.partition(":")[0] for line in lines] == ["light"]
    assert "worse where it is dark" in lines[0]
    slices = slice_accuracy(predictions, measures)
    assert sum(one.accuracy.n for one in slices if one.by == "light") == 90
    assert len(slices) == 9 + 15  # three measures in thirds, fifteen sessions


def test_a_classifier_that_errs_anywhere_has_no_weak_slice(tmp_path):
    clipset = moving_squares(tmp_path)
    right = np.random.default_rng(1).random(90) < 0.8
    assert find_weak_slices(called(clipset, right), measure_clips(clipset)) == []


def test_planted_label_errors_come_first_in_the_queue(tmp_path):
    rng = np.random.default_rng(3)
    labels = [CLASSES[number % 2] for number in range(90)]
    planted = rng.choice(90, 9, replace=False)
    for number in planted:
        labels[number] = CLASSES[1 - CLASSES.index(labels[number])]
    clipset = moving_squares(tmp_path, labels=labels)
    queue = queue_to_label(predict_out_of_folds(clipset))
    first = set(queue.index[:9])
    assert len(first & {f"c{number:03d}" for number in planted}) >= 8


def test_labels_of_one_session_cannot_check_each_other(tmp_path):
    with pytest.raises(DatasetError, match="one session"):
        predict_out_of_folds(moving_squares(tmp_path, 6))


def test_every_cell_of_the_matrix_opens_its_clips(tmp_path):
    clipset = moving_squares(tmp_path, 12)
    predictions = called(clipset, [number > 2 for number in range(12)])
    page = show_cells(predictions, clipset, {}, tmp_path)._repr_html_()
    folds = page.split("<details>")[1:]
    assert [fold.partition("</summary>")[0] for fold in folds] == [
        "<summary>2 left clips called right",
        "<summary>1 right clips called left",
        "<summary>5 right clips called right, 2 shown",
        "<summary>4 left clips called left, 2 shown",
    ]
    assert folds[0].count("data:image/jpeg") == 2
    assert "c000" in folds[0]
    assert "c002" in folds[0]
    assert inert_html(page).count("data:image/jpeg") == 7  # a report keeps them
