"""Encoders and writers that learn: built by name, trained by the one loop, judged by words."""

import json

import numpy as np
import pytest
import torch
from test_describe import any_facts

from workbench.actions.models import build_model
from workbench.describe.clips import small_frames
from workbench.describe.encoders import ENCODERS, make_encoder, probe
from workbench.describe.facts import ClipFacts
from workbench.describe.jepa import (
    Jepa,
    JepaLearner,
    JepaRecipe,
    draw_hidden,
    haar_tokens,
    load_jepa,
    small_clip,
    train_jepa,
)
from workbench.describe.keyframes import DescribeError
from workbench.describe.learned import (
    LearnedWriter,
    WriterRecipe,
    learn_to_write,
    train_writer,
    trained_writers,
)
from workbench.describe.posture import SideFinder, find_side_features, fit_sides
from workbench.errors import WorkbenchError
from workbench.shots.players.pose import Pose
from workbench.simulated.sessions import make_footage
from workbench.training.folder import BEST, save_checkpoint


def moving_dots(count=24, seed=0):
    """Clips (N, 16, 96, 96) of a dot that goes right or left."""
    rng, clips = np.random.default_rng(seed), []
    for number in range(count):
        film = rng.integers(90, 110, (16, 96, 96)).astype(np.uint8)
        top = int(rng.integers(8, 80))
        for step in range(16):
            x = 8 + 5 * step if number % 2 else 83 - 5 * step
            film[step, top : top + 8, x : x + 8] = 250
        clips.append(film)
    return np.stack(clips)


def test_a_hidden_token_changes_nothing_that_is_seen():
    network, clips = Jepa(24, 1).eval(), torch.from_numpy(moving_dots(2))
    shown, hidden = draw_hidden(2, np.random.default_rng(0))
    assert set(shown[0].tolist()).isdisjoint(hidden[0].tolist())
    tokens = haar_tokens(clips)
    other = tokens.clone()
    for row in range(2):
        other[row, hidden[row]] = 9.0
    with torch.no_grad():
        assert torch.equal(network.encoder(tokens, shown), network.encoder(other, shown))
        assert not torch.equal(network.target(tokens), network.target(other))


def test_the_bands_keep_what_the_pictures_hold():
    clips = torch.zeros(1, 16, 96, 96)
    clips[:, :, :, ::2] = 255.0  # columns: all of it in the band across
    tokens = haar_tokens(clips).view(1, 288, 2, 4, 64)
    used = tokens.abs().amax(dim=(0, 1, 2, 4))
    assert used[1] > 1
    assert used[[0, 2, 3]].max() < 1e-4


def test_an_encoder_learns_by_the_one_loop_and_goes_on_where_it_was(tmp_path):
    clips, recipe = moving_dots(), JepaRecipe(epochs=2, width=24, depth=1, device="cpu")
    result = train_jepa(clips[:16], clips[16:], tmp_path / "a", recipe)
    assert {"train_error", "train_apart", "valid_loss", "spread"} <= result.best.scores.keys()
    assert result.history[-1].scores["train_error"] < result.history[0].scores["train_error"]

    def stop(epoch):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_jepa(clips[:16], clips[16:], tmp_path / "b", recipe, on_epoch=stop)
    again = train_jepa(clips[:16], clips[16:], tmp_path / "b", recipe)
    summaries = [json.loads((tmp_path / one / "summary.json").read_text()) for one in "ab"]
    assert summaries[0]["final_weights"] == summaries[1]["final_weights"]
    assert again.history[-1].scores["spread"] > 0
    encode = make_encoder("jepa", tmp_path / "a")
    assert encode(np.zeros((20, 40, 60, 3), np.uint8)).shape == (96,)
    (tmp_path / "c").mkdir()
    save_checkpoint(tmp_path / "c" / BEST, {"network": {}})
    with pytest.raises(WorkbenchError, match="holds no V-DWT-JEPA"):
        load_jepa(tmp_path / "c")


def test_an_epoch_in_which_all_clips_look_the_same_is_never_the_best(tmp_path):
    clips = moving_dots(8)
    recipe = JepaRecipe(epochs=1, width=24, depth=1, device="cpu")
    result = train_jepa(clips, clips, tmp_path / "a", recipe)
    learner = JepaLearner(clips, clips, recipe)
    with torch.no_grad():
        for own in learner.network.target.parameters():
            own.zero_()
    assert learner.judge(learner.network)["sees"] < -9 < result.best.scores["sees"]


def test_every_encoder_comes_by_name_and_says_what_it_lacks(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (30, 48, 64, 3)).astype(np.uint8)
    run_dir = tmp_path / "slim"
    content = {"classes": ["a", "b"], "model": "slim", "model_settings": {}, "size_wh": [32, 32],
               "frames": 8, "network": build_model("slim", 2).state_dict()}  # fmt: skip
    save_checkpoint(run_dir / BEST, content)
    assert make_encoder("clip", run_dir)(frames).shape == (128,)
    assert make_encoder("differences")(frames).shape == (15 * 144,)
    assert np.array_equal(*(make_encoder("jepa-untrained")(frames) for _ in range(2)))
    assert small_clip(frames).shape == (16, 96, 96)
    with pytest.raises(DescribeError, match="choose one of"):
        make_encoder("guess")
    with pytest.raises(DescribeError, match="name the folder"):
        make_encoder("jepa")
    with pytest.raises(WorkbenchError):
        make_encoder("vjepa2", tmp_path / "nowhere")
    assert set(ENCODERS) == {"clip", "jepa", "jepa-untrained", "vjepa2", "differences"}


def test_v_jepa_2_is_an_encoder_too(tmp_path):
    from transformers import VJEPA2Config, VJEPA2Model

    config = VJEPA2Config(
        patch_size=16, crop_size=32, frames_per_clip=16, hidden_size=24, num_attention_heads=2,
        num_hidden_layers=1, pred_hidden_size=24, pred_num_attention_heads=2,
        pred_num_hidden_layers=1,
    )  # fmt: skip
    VJEPA2Model(config).save_pretrained(tmp_path)
    frames = np.zeros((20, 40, 60, 3), np.uint8)
    assert make_encoder("vjepa2", tmp_path)(frames).shape == (48,)


def test_a_probe_tells_what_features_hold():
    rng = np.random.default_rng(0)
    sports = [str(one) for one in rng.choice(["soccer", "baseball"], 80)]
    features = np.array([[one == "soccer", 0.5] for one in sports]) + rng.normal(0, 0.1, (80, 2))
    folds = [str(number % 5) for number in range(40)]
    called = probe(features[:40], sports[:40], features[40:], folds)
    assert np.mean([a == b for a, b in zip(called, sports[40:], strict=True)]) > 0.95


def clips_told(count=60, seed=0):
    """Vectors that hold the sport and the time, and what is true of them."""
    rng = np.random.default_rng(seed)
    facts = [one for one in (any_facts(rng) for _ in range(9 * count)) if one.is_act][:count]
    facts = [ClipFacts(one.sport, one.act, one.side, round(one.moment_s, 1)) for one in facts]
    acts = ["shot", "swing", "layup"]
    rows = [[*(one.act == act for act in acts), one.side == "left", one.moment_s] for one in facts]
    return np.array(rows, float) + rng.normal(0, 0.02, (count, 5)), facts


def test_a_small_decoder_learns_to_say_what_it_is_told(tmp_path):
    vectors, facts = clips_told(90)
    is_valid = np.arange(90) % 5 == 0
    recipe = WriterRecipe(epochs=16, width=48, learning_rate=1e-2, device="cpu")
    train_writer(vectors, facts, is_valid, tmp_path / "run", recipe)
    said = LearnedWriter(tmp_path / "run").write(vectors[is_valid])
    meant = [one for one, valid in zip(facts, is_valid, strict=True) if valid]
    sports = [one.sport in text for one, text in zip(meant, said, strict=True)]
    assert np.mean(sports) > 0.9, said[:3]


def test_a_writer_learns_from_footage_and_is_found_among_runs(tmp_path):
    clips = make_footage(tmp_path, sessions=2, clips=2, shooting_sessions=0, size_wh=(160, 96))
    recipe = WriterRecipe(epochs=1, width=16, encoder="differences", device="cpu")
    valid_ids, seen = {clips[-1].clip_id}, []
    run_dir = tmp_path / "writers" / "decoder"
    learn_to_write(clips, tmp_path, valid_ids, run_dir, recipe, on_clip=seen.append)
    assert seen == clips
    writers = trained_writers(tmp_path / "writers")
    assert list(writers) == ["decoder"]
    assert isinstance(writers["decoder"].describe(small_frames(clips[0], tmp_path)), str)
    assert trained_writers(tmp_path / "nowhere") == {}


def test_a_language_model_learns_through_a_projector_and_few_weights(tmp_path):
    pytest.importorskip("peft")
    folder = tiny_language_model(tmp_path / "llm")
    vectors, facts = clips_told(24)
    recipe = WriterRecipe(
        kind="llm", llm=str(folder), epochs=2, batch_size=8, prefix=2, rank=2, device="cpu"
    )
    result = train_writer(vectors, facts, np.arange(24) < 8, tmp_path / "run", recipe)
    assert result.history[-1].scores["valid_loss"] < result.history[0].scores["valid_loss"]
    saved = torch.load(tmp_path / "run" / BEST, weights_only=True)["network"]
    assert all(name.startswith(("additions", "projector", "norm")) for name in saved)
    assert len(LearnedWriter(tmp_path / "run").write(vectors[:3])) == 3
    with pytest.raises(WorkbenchError, match="no model that can be loaded"):
        train_writer(vectors, facts, np.arange(24) < 8, tmp_path / "x",
                     WriterRecipe(kind="llm", llm=str(tmp_path / "none")))  # fmt: skip


def tiny_language_model(folder):
    """A Llama of some thousand random weights with a tokenizer of some words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    said = "<unk> <end> a soccer player baseball batter shoots swings contact at s . ,"
    words = Tokenizer(
        models.WordLevel({w: n for n, w in enumerate(said.split())}, unk_token="<unk>")
    )
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
    ).save_pretrained(folder)
    size = {"vocab_size": 14, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1}  # fmt: skip
    LlamaForCausalLM(LlamaConfig(**size, eos_token_id=1, pad_token_id=1)).save_pretrained(folder)
    return folder


NAMES = [f"{side}_{name}" for side in "lr"
         for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe")]  # fmt: skip


def kick(side, time_s, rng):
    """A pose in which one ankle swings fast, seen from behind, and its picture in a mirror."""
    joints, world = {}, {}
    for name in NAMES:
        height = {"shoulder": 10, "elbow": 30, "wrist": 45, "hip": 50, "knee": 75, "ankle": 98,
                  "toe": 100}[name[2:]]  # fmt: skip
        x = (8 if name[0] == "r" else -8) + rng.normal(0, 1)
        swings = name[0] == side[0] and name[2:] in ("knee", "ankle", "toe")
        y = height - (60 * np.exp(-((time_s / 0.1) ** 2)) if swings else 0) + rng.normal(0, 1)
        joints[name], world[name] = (100 + x, y), (x / 100, y / 100, rng.normal(0, 0.01))
    return Pose(joints, world)


def test_a_side_is_learned_from_poses_and_told_only_where_it_is_plain():
    rng, features, sides = np.random.default_rng(0), [], []
    frames = np.zeros((24, 64, 96, 3), np.uint8)
    for number in range(60):
        sides.append(("left", "right")[number % 3 == 0])
        times = iter(np.arange(0, 24, 2) / 30 - 0.4)
        features.append(
            find_side_features(
                frames,
                0.0,
                30.0,
                0.4,
                lambda *_: kick(sides[-1], next(times), rng),  # noqa: B023
            )
        )
    sessions = [str(number % 6) for number in range(60)]
    finder, scores = fit_sides(features, ["shot"] * 60, sides, sessions)
    assert (scores > 0).mean() > 0.95
    assert finder.find(features[0], "shot") == sides[0]
    assert finder.find(-features[0], "shot") != sides[0]  # in a mirror
    assert finder.find(0 * features[0], "shot") is None
    assert finder.find(features[0], "jog") is finder.find(None, "shot") is None
    guess, _ = fit_sides(rng.normal(size=(60, 9)), ["shot"] * 60, sides, sessions)
    assert isinstance(guess, SideFinder)
    assert find_side_features(frames, 0.0, 30.0, 0.4, lambda *_: None) is None
