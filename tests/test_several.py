"""Clips that show several classes, average precision, and the losses of training."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_shapes import film_shapes
from sklearn.metrics import average_precision_score

from workbench.actions.augment import Augmentation, plain_view, plain_views
from workbench.actions.clipset import build_clipset, load_clipset
from workbench.actions.losses import class_weights, clip_loss, mixed
from workbench.actions.precision import average_precisions
from workbench.actions.predict import Predictions, load_predictions, predict_clips
from workbench.actions.recipe import TrainConfig
from workbench.actions.train import train_classifier
from workbench.errors import DatasetError, WorkbenchError
from workbench.footage.clips import BUILT_IN_FOOTAGE

CONFIG = TrainConfig(
    model_settings={"width": 8}, frames=6, size_wh=(32, 32), epochs=10, learning_rate=5e-3,
    augmentation=Augmentation(flip=0, zoom=(0.95, 1.1), rotate_deg=4, swap_colours=0),
    amp="off", device="cpu", mixup=0.1, focal_gamma=0.5, class_weights=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def clipset(tmp_path_factory):
    """What moves to a side also "moves"; up and down is none."""
    folder = tmp_path_factory.mktemp("shapes")
    clips = film_shapes(folder, sessions=7, per_class=2)
    both = [
        replace(clip, sport=clip.sport if clip.sport == "none" else f"aside|{clip.sport}")
        for clip in clips
    ]
    with pytest.raises(DatasetError, match="several=True"):
        build_clipset(both, folder, folder / "set", origin=BUILT_IN_FOOTAGE)
    made = build_clipset(
        both, folder, folder / "set", origin=BUILT_IN_FOOTAGE, frames=12, size_wh=(42, 36),
        several=True,
    )  # fmt: skip
    assert made.classes == ("aside", "left", "right", "none")
    assert load_clipset(folder / "set").several
    return made


def test_a_network_learns_several_classes_at_once(clipset, tmp_path):
    trained = train_classifier(clipset, tmp_path / "run", CONFIG)
    predictions = predict_clips(trained.run_dir, clipset.take("test"), device="cpu", views=2)
    fewest = min(average_precisions(predictions).clips.values())
    found = average_precisions(predictions, least_clips=fewest + 1)
    assert found.over_all.value > found.chance + 0.15
    assert found.over_all.low <= found.over_all.value <= found.over_all.high
    assert list(found.means()) == ["mAP_4", f"mAP_{len(found.enough)}"]
    assert found.clips["aside"] == found.clips["left"] + found.clips["right"]
    predictions.save(tmp_path / "said.json")
    again = load_predictions(tmp_path / "said.json")
    assert again.several
    assert again.predicted == predictions.predicted
    both = set(again.predicted) & {"aside|left", "aside|right"}
    assert both, again.predicted


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 40), st.booleans())
def test_average_precision_is_that_of_sklearn(seed, clips, tied):
    rng = np.random.default_rng(seed)
    names = ("a", "b", "c")
    labels = ["|".join(n for n, on in zip(names, rng.random(3) < 0.4, strict=True) if on) or "c"
              for _ in range(clips)]  # fmt: skip
    scores = rng.random((clips, 3)).round(1 if tied else 9)
    ids = tuple(map(str, range(clips)))
    said = Predictions("x", names, ids, ids, tuple(labels), scores, "v", several=True)
    found = average_precisions(said)
    for place, name in enumerate(names):
        shows = [name in label.split("|") for label in labels]
        if any(shows):
            expected = average_precision_score(shows, scores[:, place])
            assert found.by_class[name].value == pytest.approx(expected)
        else:
            assert name not in found.by_class
    values = [one.value for one in found.by_class.values()]
    assert found.over_all.value == pytest.approx(np.mean(values))


def test_losses_are_what_they_generalise():
    torch.manual_seed(0)
    scores, targets = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 3, 3])
    marks = F.one_hot(targets, 4).float()
    expected = F.cross_entropy(scores, targets, label_smoothing=0.1)
    torch.testing.assert_close(clip_loss(scores, marks, smoothing=0.1), expected)
    several = F.binary_cross_entropy_with_logits(scores, marks, reduction="sum") / 6
    torch.testing.assert_close(clip_loss(scores, marks, several=True), several)
    easy = torch.tensor([[9.0, 0, 0, 0]])
    for kind in (True, False):
        plain, focal = (clip_loss(easy, marks[:1], several=kind, gamma=g) for g in (0, 2))
        assert focal < plain / 2
    weights = class_weights(marks)
    torch.testing.assert_close(weights @ marks.sum(0), torch.tensor(6.0))
    assert weights[0] == 3 * weights[3]


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.4, 0), (0, 1.0), (0.4, 1.0)])
def test_mixed_clips_carry_the_marks_of_both(mixup, cutmix):
    torch.manual_seed(1)
    clips = torch.arange(4).view(4, 1, 1, 1, 1).expand(4, 2, 16, 16, 3).to(torch.uint8)
    marks = torch.eye(4)
    new, told = mixed(clips, marks, mixup, cutmix)
    torch.testing.assert_close(told.sum(dim=1), torch.ones(4))
    # How much of a picture is another clip's is how much of the mark is.
    expected = told @ torch.arange(4.0)
    torch.testing.assert_close(new.float().mean((1, 2, 3, 4)), expected)


def test_views_lie_between_each_other_and_one_is_the_plain_one():
    frames = np.arange(24, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    first, second, third = (view[:, 0, 0, 0].tolist() for view in plain_views(frames, 8, (8, 8), 3))
    assert first == list(range(0, 24, 3))
    assert second == plain_view(frames, 8, (8, 8))[:, 0, 0, 0].tolist()
    assert third == list(range(2, 24, 3))


def test_cutmix_has_nothing_to_cut_from_features(clipset, tmp_path):
    with pytest.raises(WorkbenchError, match="use mixup"):
        train_classifier(
            clipset, tmp_path, replace(CONFIG, model="lite0", model_settings={}, cutmix=1)
        )
