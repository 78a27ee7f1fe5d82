import numpy as np
import pytest
from moving_shapes import film_shapes, shape_clip, write_shape_clip

from workbench.actions.baselines import (
    DESCRIPTIONS,
    HISTORY_CHANGES,
    HistoryTrial,
    linear_baseline,
    majority_baseline,
    mean_frame,
    motion_history,
    run_baselines,
    single_frame,
)
from workbench.actions.clipset import build_clipset
from workbench.errors import DatasetError
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.runs.ablation import measure_effects
from workbench.runs.flags import gather_calls
from workbench.stats import choose_clusters


@pytest.fixture(scope="module")
def clipset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    clips = film_shapes(folder, sessions=8, per_class=3)
    clips += [clip_of(folder, f"more-{n}", "none") for n in range(4)]
    return build_clipset(
        clips, folder, folder / "set", origin=BUILT_IN_FOOTAGE, frames=12, size_wh=(66, 48)
    )


def clip_of(folder, clip_id, label):
    write_shape_clip(folder / f"{clip_id}.mp4", label, np.random.default_rng(len(clip_id)))
    # One session more, of one class: the commonest is then "none".
    return shape_clip(clip_id, "s99", label, split=None, end_frame=18 - int(clip_id[-1]))


def accuracy(predictions):
    return np.mean([a == b for a, b in zip(predictions.labels, predictions.predicted, strict=True)])


def test_majority_always_says_the_commonest_class_of_training(clipset):
    targets = clipset.take("train").targets()
    commonest = clipset.classes[np.bincount(targets).argmax()]
    row = majority_baseline(clipset)
    assert set(row.predicted) == {commonest}
    assert row.clip_ids == clipset.take("test").clip_ids
    assert row.probabilities.sum(axis=1) == pytest.approx(1)


def test_motion_is_seen_by_motion_history_alone(clipset):
    scores = {row.scorer: accuracy(row) for row in run_baselines(clipset, mirror=False)}
    assert list(scores) == ["majority class", *DESCRIPTIONS]
    assert scores["motion history + linear"] >= 0.75
    # The path that the disc smears over the mean frame, and where it stands in the middle of the
    # clip, say nothing about left or right.
    assert scores["single frame + linear"] <= 0.65
    assert scores["mean frame + linear"] <= 0.75


def test_a_linear_row_repeats_itself(clipset):
    rows = [linear_baseline(clipset, mean_frame, "mean") for _ in range(2)]
    np.testing.assert_array_equal(rows[0].probabilities, rows[1].probabilities)
    assert rows[0].probabilities.sum(axis=1) == pytest.approx(1)


def test_mirroring_makes_left_and_right_one(clipset):
    row = linear_baseline(clipset, motion_history, "mirrored", mirror=True)
    sideways = [label != "none" for label in row.labels]
    left, right = row.probabilities[sideways, 0], row.probabilities[sideways, 1]
    plain = linear_baseline(clipset, motion_history, "plain", mirror=False)
    apart = np.abs(plain.probabilities[sideways, 0] - plain.probabilities[sideways, 1])
    assert np.abs(left - right).mean() < 0.5 * apart.mean()


def test_one_class_cannot_be_learned(tmp_path):
    clips = [c for c in film_shapes(tmp_path, sessions=3, per_class=1) if c.sport == "left"]
    single = build_clipset(clips, tmp_path, tmp_path / "set", origin=BUILT_IN_FOOTAGE, frames=6)
    with pytest.raises(DatasetError, match="single class"):
        run_baselines(single)


def test_motion_history_says_where_and_when():
    frames = np.zeros((9, 32, 32, 3), np.uint8)
    frames[5:, :16, 16:] = 200  # the upper right quarter lights up between the 5th and 6th frame
    history = motion_history(frames, periods=4, grid=4).reshape(4, 4, 4)
    assert (history[2, :2, 2:] > 0).all()
    history[2, :2, 2:] = 0
    assert history.max() == pytest.approx(0)
    np.testing.assert_allclose(motion_history(frames // 2), motion_history(frames), rtol=1e-3)


@pytest.mark.parametrize(
    ("describe", "length"), [(motion_history, 1024), (mean_frame, 432), (single_frame, 624)]
)
def test_descriptions_are_finite_whatever_the_clip(describe, length):
    for frames in (
        np.zeros((6, 36, 42, 3), np.uint8),
        np.full((6, 36, 42, 3), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (6, 20, 90, 3), dtype=np.uint8),
    ):
        vector = describe(frames)
        assert vector.shape == (length,)
        assert np.isfinite(vector).all()


def test_without_motion_nothing_moves():
    still = np.repeat(
        np.random.default_rng(0).integers(0, 255, (1, 36, 42, 3), dtype=np.uint8), 8, axis=0
    )
    assert motion_history(still).max() == 0
    np.testing.assert_allclose(single_frame(still), single_frame(still[::-1]))


def test_an_ablation_of_the_motion_history_finds_what_blinds_it(clipset):
    trial = HistoryTrial(clipset, seeds=3)
    clusters = choose_clusters(trial.judged.sessions, trial.judged.clip_ids)
    gathered = gather_calls(HISTORY_CHANGES, trial, clusters, "accuracy")
    assert len(gathered.outcomes) == 8  # three changes: every combination
    assert set(gathered.wall_s) == set(gathered.outcomes)
    found = measure_effects(gathered.outcomes, HISTORY_CHANGES, gathered.clusters)
    worst = min(found.effects, key=lambda one: one.difference.value)
    assert worst.name == "blind to when"  # left and right differ in when it is where
    assert worst.difference.value < -0.05
    again = HistoryTrial(clipset, seeds=3)(frozenset())
    np.testing.assert_array_equal(again, gathered.outcomes[frozenset()])
