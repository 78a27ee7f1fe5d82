"""The classifier for few clips: frozen features, a head that learns on the one loop in seconds."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from moving_shapes import film_shapes
from pickled import Pickled
from transformers import VideoMAEConfig, VideoMAEModel, VJEPA2Config, VJEPA2Model

from workbench.actions import models, probes
from workbench.actions.augment import Augmentation
from workbench.actions.clipset import build_clipset
from workbench.actions.frozen import clip_features, varied_features
from workbench.actions.predict import load_classifier, predict_clips, predict_with_parent
from workbench.actions.probes import FrozenClipNet, lite0_probe
from workbench.actions.train import TrainConfig, run_dir_for, train_classifier
from workbench.errors import WorkbenchError
from workbench.footage.clips import BUILT_IN_FOOTAGE
from workbench.training import lite0
from workbench.training.weights import WeightsError

CONFIG = TrainConfig(
    model="lite0", frames=4, size_wh=(32, 32), epochs=6, augmentation=Augmentation(flip=0)
)


@pytest.fixture(scope="module", autouse=True)
def random_body():
    """A body of random weights: what it sees is enough to tell colours and places apart."""
    torch.manual_seed(0)
    body = lite0.Lite0(head=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "imagenet_lite0", lambda **_: body)
        probes._lite0_body.cache_clear()
        yield
    probes._lite0_body.cache_clear()


@pytest.fixture(scope="module")
def clipset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes")
    clips = film_shapes(folder, sessions=5, per_class=2)
    return build_clipset(
        clips, folder, folder / "set", origin=BUILT_IN_FOOTAGE, frames=4, size_wh=(32, 32)
    )


@pytest.fixture(scope="module")
def trained(clipset, tmp_path_factory):
    return train_classifier(clipset, tmp_path_factory.mktemp("run"), CONFIG)


def test_only_the_head_learns_and_is_saved(clipset, trained):
    network = lite0_probe(3)
    assert {name.split(".")[0] for name in network.state_dict()} == {"head"}
    assert trained.parameters == 3 * lite0.FEATURES * 3 + 3
    state = torch.load(trained.run_dir / "best.pt", weights_only=True)["network"]
    assert state.keys() == network.state_dict().keys()
    made = list((clipset.folder.parent / "features").rglob("*.npy"))
    assert len(made) == len(clipset.take("train")) + len(clipset.take("valid"))  # none of test
    assert trained.history[-1].scores["train_loss"] < trained.history[0].scores["train_loss"]


def test_an_engine_makes_the_same_features(clipset, trained, tmp_path):
    network = load_classifier(trained.run_dir).network
    assert len(pickle.dumps(network.body)) < 200  # what knows pictures is not sent along
    apart = replace(clipset, folder=tmp_path / "set")
    view = (4, (32, 32))
    away = clip_features(network, apart, *view, engine=Pickled())
    assert np.array_equal(away, clip_features(network, clipset, *view))
    varied = [varied_features(network, one, *view, CONFIG.augmentation, 0, engine=engine)
              for one, engine in ((apart, Pickled()), (clipset, "here"))]  # fmt: skip
    assert np.array_equal(*varied)


def test_features_or_clips_give_the_same_scores_whatever_the_batch(clipset, trained):
    network = load_classifier(trained.run_dir).network
    clips = torch.from_numpy(np.stack([clipset.frames(n) for n in range(3)]))
    scores = network(clips)
    torch.testing.assert_close(network(network.features(clips)), scores)
    torch.testing.assert_close(network(clips[1:2])[0], scores[1], rtol=1e-4, atol=1e-5)
    assert scores.shape == (3, 3)


def test_the_head_sees_the_order_of_frames_only_as_change():
    network = lite0_probe(2).eval()
    features = torch.rand(2, 6, lite0.FEATURES)
    torch.testing.assert_close(network(features.flip(1)), network(features))
    still = features[:, :1].expand(-1, 6, -1)
    assert not torch.allclose(network(still), network(features), atol=1e-7)


def test_same_seed_same_run_and_features_made_once(clipset, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(FrozenClipNet, "features", None)  # made before: nobody may ask for them
    again = train_classifier(clipset, tmp_path / "again", CONFIG)
    summaries = [
        json.loads((run / "summary.json").read_text()) for run in (trained.run_dir, again.run_dir)
    ]
    assert summaries[0]["final_weights"] == summaries[1]["final_weights"]


def test_varied_views_are_of_training_clips_and_made_once(clipset, trained, tmp_path, monkeypatch):
    config = replace(CONFIG, variants=2, augmentation=Augmentation(flip=0, blur=1))
    before = set((clipset.folder.parent / "features").rglob("*.npy"))
    varied = train_classifier(clipset, tmp_path / "varied", config)
    made = set((clipset.folder.parent / "features").rglob("*.npy")) - before
    names = {item.fingerprint for item in clipset.take("train").items}
    assert sorted(path.stem for path in made) == sorted([*names] * 2)
    monkeypatch.setattr(FrozenClipNet, "features", None)
    again = train_classifier(clipset, tmp_path / "again", config)
    weights = [
        json.loads((run.run_dir / "summary.json").read_text())["final_weights"]
        for run in (trained, varied, again)
    ]
    assert weights[1] == weights[2] != weights[0]


def test_the_classifier_of_the_version_before_calls_the_same_clips(clipset, tmp_path):
    run = train_classifier(clipset, run_dir_for(tmp_path, clipset, CONFIG), CONFIG)
    facts = {"parent": "v1", "parent_version": clipset.version}
    newer = replace(clipset, meta={**clipset.meta, **facts}).take("test")
    before = predict_with_parent(tmp_path, newer)
    assert before.scorer == "lite0 trained on v1"
    ours = predict_clips(run.run_dir, newer)
    np.testing.assert_allclose(before.probabilities, ours.probabilities)
    assert predict_with_parent(tmp_path, clipset) is None  # the first version
    others = {**facts, "classes": ["left", "right", "up"]}
    assert predict_with_parent(tmp_path, replace(newer, meta={**newer.meta, **others})) is None


def test_what_it_cannot_be_given_is_refused(monkeypatch):
    with pytest.raises(WorkbenchError, match="comes with its own weights"):
        models.build_model("lite0", 3, weights="kinetics400")
    monkeypatch.setattr(probes, "imagenet_lite0", lite0.imagenet_lite0)
    monkeypatch.setattr(lite0, "find_spec", lambda _: None)
    with pytest.raises(WeightsError, match="not installed"):
        models.build_model("lite0", 3)


@pytest.mark.parametrize("kind", ["videomae", "vjepa2"])
def test_heads_learn_on_frozen_video_transformers(kind, clipset, tmp_path):
    """Tiny ones of random weights: the code that a user with weights meets."""
    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    if kind == "videomae":
        config = VideoMAEConfig(image_size=32, num_frames=4, intermediate_size=32, **small)
        VideoMAEModel(config).save_pretrained(tmp_path / "weights")
    else:
        config = VJEPA2Config(crop_size=32, frames_per_clip=4, pred_hidden_size=32, **small,
                              pred_num_hidden_layers=1, pred_num_attention_heads=2)  # fmt: skip
        VJEPA2Model(config).save_pretrained(tmp_path / "weights")
    config = replace(
        CONFIG, model=kind, epochs=2, model_settings={"checkpoint": str(tmp_path / "weights")}
    )
    trained = train_classifier(clipset, tmp_path / "run", config)
    predictions = predict_clips(trained.run_dir, clipset.take("test"))
    assert np.isfinite(predictions.probabilities).all()
    network = load_classifier(trained.run_dir).network
    assert network.features(torch.from_numpy(clipset.frames(0))[None]).shape == (1, 2, 32)


def test_weights_that_are_no_video_transformer_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no weights at"):
        models.build_model("videomae", 3, checkpoint=str(tmp_path / "none"))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(WeightsError, match="no video transformer"):
        models.build_model("vjepa2", 3, checkpoint=str(tmp_path))
