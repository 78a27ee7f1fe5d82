"""Spotters learn, resume, and see in a video of any frame rate what they saw in training."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pickled import Pickled
from typer.testing import CliRunner

from workbench.actions.spotting.clips import Clip, Clips, seen
from workbench.actions.spotting.decide import (
    Decision,
    choose_decisions,
    decide,
    likely_events,
)
from workbench.actions.spotting.greyframes import (
    SIZE_WH,
    STACK,
    STEP_S,
    Grey,
    GreyFrames,
    Ticks,
    cached_grey,
)
from workbench.actions.spotting.ladder import answer, chance, ladder_table, rung
from workbench.actions.spotting.matches import LabelledMatch, load_matches
from workbench.actions.spotting.network import NAMES, Spotter, spotting_losses
from workbench.actions.spotting.predict import (
    Spotted,
    load_spotter,
    raw_scores,
    spot_video,
    spot_videos,
)
from workbench.actions.spotting.recipe import SpotterConfig
from workbench.actions.spotting.scores import metric, score_spots
from workbench.actions.spotting.timeline import offer_for_review, save_timeline
from workbench.actions.spotting.training import (
    More,
    SpotterLearner,
    match_scores,
    train_spotter,
)
from workbench.cli import app
from workbench.errors import DatasetError, FootageError, WorkbenchError
from workbench.footage.writer import VideoWriter
from workbench.labels.events import BALL, Events, load_class_map
from workbench.labels.soccernet import LABELS_BALL, read_events, write_labels
from workbench.labels.store import LabelStore
from workbench.simulated.matches.making import make_matches

BALL_MAP = load_class_map("ball")
runner = CliRunner()


def write_ramp(path: Path, fps: Fraction, seconds: float) -> None:
    """A video whose brightness is 30 plus 10 times the second."""
    with VideoWriter(path, (64, 36), fps) as video:
        for frame in range(round(seconds * fps)):
            light = round(30 + 10 * float(frame / fps))
            video.write(np.full((36, 64, 3), light, np.uint8))


@pytest.fixture(scope="module")
def matches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("matches")
    make_matches(root, 2, 0.4, 1, width=64, height=36, every=2)
    return root


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(10), Fraction(50)])
def test_a_step_looks_at_the_same_time_whatever_the_frame_rate(
    tmp_path: Path, fps: Fraction
) -> None:
    write_ramp(tmp_path / "ramp.mp4", fps, 6)
    frames = GreyFrames.of(tmp_path / "ramp.mp4")
    assert frames.steps == 25
    stacks = np.stack(list(frames.read(0, 25))).astype(float)
    assert stacks.shape == (25, STACK, *SIZE_WH[::-1])
    middles_s = (np.arange(25) + 0.5) * STEP_S
    assert np.abs(stacks.mean(axis=(1, 2, 3)) - (30 + 10 * middles_s)).max() < 2
    assert frames.lost == 0
    later = np.stack(list(frames.read(7, 9)))
    assert (later == stacks[7:9]).all()
    kept = cached_grey(tmp_path / "ramp.mp4", tmp_path / "cache")
    assert (kept.reshape(stacks.shape) == stacks).all()


def test_a_video_shorter_than_a_step_is_refused(tmp_path: Path) -> None:
    write_ramp(tmp_path / "short.mp4", Fraction(25), 0.2)
    with pytest.raises(FootageError, match=r"shorter than 0\.24 s"):
        GreyFrames.of(tmp_path / "short.mp4")


@pytest.mark.parametrize("name", NAMES)
def test_every_spotter_learns_when_something_moves(name: str) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    clips = np.full((4, 6, STACK, 32, 48), 90, np.uint8)
    target = torch.zeros(4, 6, 2)
    for batch in range(4):
        step = int(rng.integers(6))
        target[batch, step, 0] = 1
        for frame in range(STACK):  # a square moves to the right
            left = 6 + 8 * frame
            clips[batch, step, frame, 10:18, left : left + 8] = 230
    network = Spotter(name, 2)
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3)
    losses = []
    for _ in range(15):
        out = network(torch.from_numpy(clips))
        assert out.shape == (4, 6, 4)
        loss = spotting_losses(out, target, torch.zeros_like(target), 1.0)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2


def test_only_the_still_spotter_does_not_see_motion() -> None:
    moving = torch.randint(0, 255, (1, 3, STACK, 32, 48), dtype=torch.uint8)
    frozen = moving[:, :, 1:2].expand(-1, -1, STACK, -1, -1)
    for name in NAMES:
        network = Spotter(name, 2).eval()
        assert torch.equal(network(moving), network(frozen)) == (name == "still")


def test_a_picture_network_encodes_stacks_down_to_a_sixteenth() -> None:
    network = Spotter("stack", 2, "regnet_y_400mf", (64, 48))
    assert network.encoder.channels == 208
    maps = network.maps(torch.zeros(2, STACK, 48, 64, dtype=torch.uint8))
    assert maps.shape == (2, 208, 3, 4)
    with pytest.raises(WorkbenchError, match="no network 'huge'"):
        Spotter("stack", 2, "huge")


def test_an_unknown_spotter_is_refused() -> None:
    with pytest.raises(WorkbenchError, match="choose one of still"):
        SpotterConfig(spotter="huge")


def raw_of(steps: int, peaks: dict[int, tuple[int, float]]) -> np.ndarray:
    raw = np.full((steps, 2 * len(BALL)), -9.0)
    raw[:, len(BALL) :] = 0
    for step, (place, shift) in peaks.items():
        raw[step, place], raw[step, len(BALL) + place] = 4.0, shift
    return raw


def test_an_event_is_said_where_the_displacement_points() -> None:
    events = decide(raw_of(50, {20: (0, 0.5)}), BALL, {"PASS": Decision(displaced=True)})
    best = events.rows()[int(np.argmax(events.score))]
    assert (best["label"], best["position_ms"]) == ("PASS", pytest.approx(21 * 240, abs=30))
    events = decide(raw_of(50, {20: (0, 0.5)}), BALL, {"PASS": Decision(displaced=False)})
    assert events.rows()[0]["position_ms"] == pytest.approx(20.5 * 240, abs=30)


def test_a_second_peak_close_by_counts_less_and_far_away_does_not() -> None:
    def strengths(second: int) -> list[float]:
        raw = raw_of(60, {20: (0, 0), second: (0, 0)})
        return sorted(decide(raw, BALL, {"PASS": Decision(sigma_s=0.1)}).score.tolist())

    assert strengths(22)[0] < 0.8 * strengths(22)[1]
    assert strengths(40)[0] == pytest.approx(strengths(40)[1])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), steps=st.integers(1, 80))
def test_events_lie_in_the_video_with_scores_from_0_to_1(seed: int, steps: int) -> None:
    raw = np.random.default_rng(seed).normal(-1, 3, (steps, 2 * len(BALL)))
    events = decide(raw, BALL, {})
    assert ((events.score > 0) & (events.score <= 1)).all()
    assert (events.position_ms < steps * STEP_S * 1000).all()
    assert (np.diff(events.position_ms) >= 0).all()


def test_decisions_are_those_that_do_best_on_validation() -> None:
    truth = {"a": Events.of_rows(BALL, [{"label": "PASS", "position_ms": 21 * 240}])}
    raw = raw_of(50, {20: (0, 0.5)})
    chosen = choose_decisions({"a": raw}, truth, metric("at0.2"))
    assert chosen["PASS"].displaced
    assert chosen["GOAL"] == Decision()
    score = score_spots(truth, {"a": decide(raw, BALL, chosen)})
    assert score.class_ap(metric("at0.2"))[0, 0] > 0
    likely = likely_events(decide(raw, BALL, chosen), chosen)
    assert [row["label"] for row in likely.rows()] == ["PASS"]


def test_a_run_trains_spots_and_goes_on_where_it_was(matches: Path, tmp_path: Path) -> None:
    read = load_matches(matches, BALL_MAP)
    config = SpotterConfig(epochs=1, steps=2, clip_steps=8, crop_share=0.3)
    result = train_spotter(read[:1], read[1:], tmp_path / "run", config, tmp_path / "cache")
    assert np.isfinite(result.best.scores["train_loss"])
    spotter = load_spotter(tmp_path / "run")
    assert (spotter.classes, set(spotter.decisions)) == (BALL, set(BALL))
    found = spot_video(read[1].video, spotter, tmp_path / "whole")
    assert found.raw.shape == (100, 2 * len(BALL))
    # The same from the cache that training reads, and from a run that was killed half-way.
    grey = cached_grey(read[1].video, tmp_path / "cache").reshape(100, STACK, *SIZE_WH[::-1])
    with torch.inference_mode():
        again = raw_scores(lambda first, end: iter(grey[first:end]), 100, spotter.network)
    assert (again.astype(np.float16) == found.raw).all()
    parts = sorted((tmp_path / "whole").glob("*.npz"))
    assert len(parts) == 2
    parts[1].unlink()
    resumed = spot_video(read[1].video, spotter, tmp_path / "whole")
    assert (resumed.raw == found.raw).all()
    assert resumed.events.rows() == found.events.rows()
    with pytest.raises(WorkbenchError, match="another video or network"):
        spot_video(read[0].video, spotter, tmp_path / "whole")
    # Several videos, as items of an engine.
    folders = {match.video: tmp_path / match.name for match in read}
    several = spot_videos(folders, [tmp_path / "run"], engine=Pickled())
    assert (several[1].raw == found.raw).all()
    whole = [match_scores(spotter.network, read, cache, engine)
             for cache, engine in ((tmp_path / "cache", "here"), (None, Pickled()))]  # fmt: skip
    assert list(whole[0]) == list(whole[1]) == [match.name for match in read]
    assert all((whole[0][name] == whole[1][name]).all() for name in whole[0])


def test_every_spotter_takes_a_step_on_matches(matches: Path, tmp_path: Path) -> None:
    read = load_matches(matches, BALL_MAP)
    for name in NAMES:
        config = SpotterConfig(spotter=name, clip_steps=4, crop_share=0.3, batch_size=2)
        learner = SpotterLearner(config, read[:1], read[1:], tmp_path, More())
        batch = next(iter(learner.load(1, learner.batches(1)[:1])))
        learner.losses(learner.network, batch)["loss"].backward()  # type: ignore[no-untyped-call]
        slopes = [own.grad for own in learner.network.parameters() if own.grad is not None]
        assert slopes
        assert all(slope.isfinite().all() for slope in slopes)


@pytest.mark.parametrize(("name", "most"), [("slow_fusion", 1e-3), ("tridet", 0.02)])
def test_scores_hardly_depend_on_where_windows_begin(name: str, most: float) -> None:
    torch.manual_seed(0)
    network = Spotter(name, 2).eval()
    stacks = np.random.default_rng(0).integers(0, 255, (130, STACK, 144, 256), np.uint8)
    raw = raw_scores(lambda first, end: iter(stacks[first:end]), 130, network)
    cut = np.ascontiguousarray(stacks[:, :, 4:140, 8:248])
    with torch.inference_mode():
        whole = network(torch.from_numpy(cut)[None])[0].numpy()
    assert np.abs(raw - whole).max() < most


def test_the_mirrored_video_is_averaged_in() -> None:
    torch.manual_seed(0)
    network = Spotter("stack", 2).eval()
    stacks = np.random.default_rng(0).integers(0, 255, (9, STACK, 144, 256), np.uint8)

    def chances(flip: bool, seen: np.ndarray) -> np.ndarray:
        raw = raw_scores(lambda first, end: iter(seen[first:end]), 9, network, flip=flip)
        return 1 / (1 + np.exp(-raw[:, :2]))

    both = (chances(False, stacks) + chances(False, stacks[..., ::-1])) / 2
    assert chances(True, stacks) == pytest.approx(both, abs=1e-5)


def test_the_ladder_says_what_is_better_than_chance() -> None:
    rng = np.random.default_rng(0)
    rows = [{"label": BALL[k % 3], "position_ms": 4000 * k + 2120} for k in range(40)]
    truth = {"a": Events.of_rows(BALL, rows)}
    raw = rng.normal(-4, 0.5, (700, 2 * len(BALL)))
    raw[:, len(BALL) :] = 0
    blind = raw.copy()
    for row in rows:
        raw[int(row["position_ms"] / 240), BALL.index(row["label"])] = 3
    low = chance(truth)
    sees, guesses = (
        rung(name, {"a": one}, truth, {"a": one}, truth)
        for name, one in (("sees", raw), ("blind", blind))
    )
    assert answer(low, sees).startswith("Yes: mAP@1 is 1.000")
    assert not answer(low, guesses).startswith("Yes")
    assert list(ladder_table([low, guesses, sees]).index) == ["chance", "blind", "sees"]
    assert len(sees.likely["a"]) == 40


def test_spots_become_a_page_and_entries_that_people_answer(tmp_path: Path) -> None:
    video = tmp_path / "a match.mp4"
    write_ramp(video, Fraction(25), 6)
    raw = raw_of(25, {10: (0, 0.0), 20: (1, 0.0)})
    likely = likely_events(decide(raw, BALL, {}), {})
    found = Spotted(likely, raw.astype(np.float16), 6.0, 0)
    page = save_timeline(video, found, likely, tmp_path / "out" / "spots.html").read_text()
    assert 'src="../a%20match.mp4"' in page
    assert page.count('class="mark"') == len(likely) == 2
    with LabelStore(tmp_path / "labels.sqlite") as store:
        assert offer_for_review(store, video, likely) == 2
        assert offer_for_review(store, video, likely) == 0
        first = store.history("event")[0]
        store.append(replace(first, annotator="ann", tool="goals", entry_id=str(uuid4())))
    said = runner.invoke(
        app, ["spot", "labels", str(video), "--db", str(tmp_path / "labels.sqlite")]
    )
    assert said.output.startswith("1 events in")
    labels = read_events(tmp_path / LABELS_BALL, BALL_MAP).events.rows()
    assert [row["label"] for row in labels] == ["PASS"]
    assert labels[0]["position_ms"] == pytest.approx(likely.rows()[0]["position_ms"], abs=40)


def keep(monkeypatch: pytest.MonkeyPatch, grey: Grey) -> None:
    ticks = Ticks(len(grey), grey.__getitem__)
    monkeypatch.setattr("workbench.actions.spotting.clips.Ticks.of", lambda *_: ticks)


def seen_clip(clip: Clip) -> Grey:
    image, look, moves = (torch.from_numpy(part)[None] for part in (clip.image, *clip[-2:]))
    return np.asarray(seen(image, look, moves)[0].numpy())


def test_clips_are_the_same_with_and_without_a_cache(matches: Path, tmp_path: Path) -> None:
    read = load_matches(matches, BALL_MAP)[:2]
    config = SpotterConfig(clip_steps=12, shake=0.5, camera=0.5)
    kept, decoded = Clips(config, read, tmp_path / "cache"), Clips(config, read, None)
    for place in range(6):
        pairs = zip(kept.draw(1, place), decoded.draw(1, place), strict=True)
        assert all((one == other).all() for one, other in pairs)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_clip_is_moved_mirrored_and_lit_as_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    coarse = rng.uniform(20, 200, (90, 5, 7)).astype(np.float32)
    grey = np.stack([cv2.resize(one, (48, 32), interpolation=cv2.INTER_CUBIC) for one in coarse])
    keep(monkeypatch, grey.clip(0, 255).astype(np.uint8))
    rows = [{"label": "PASS", "position_ms": 3_000}]
    one = LabelledMatch("a", Path("a.mp4"), Events.of_rows(BALL, rows))
    config = SpotterConfig(size_wh=(48, 32), crop_share=1.0, clip_steps=12, camera=1.0)
    clip = Clips(config, [one], Path()).draw(1, 3)
    mirrored, contrast, brightness = clip.look
    to_pixels = np.array([[23.5, 0, 23.5], [0, 15.5, 15.5], [0, 0, 1]])
    found = seen_clip(clip).reshape(36, 32, 48)
    for own, move, image in zip(clip.image.reshape(36, 32, 48), clip.moves, found, strict=True):
        back = (to_pixels @ np.vstack([move, [0, 0, 1]]) @ np.linalg.inv(to_pixels))[:2]
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpAffine(own, back, (48, 32), flags=how, borderMode=cv2.BORDER_REFLECT_101)
        turned = moved[:, ::-1] if mirrored else moved
        expected = np.clip(turned * contrast + brightness, 0, 255)
        assert np.abs(expected - image).max() < 4
        assert np.abs(expected - image).mean() < 1
    assert np.abs(clip.moves - np.eye(2, 3)).max() > 0.01


def test_a_clip_that_does_not_move_is_mirrored_and_lit_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (3, 4, 3, 8, 16), np.uint8)
    look = np.array([[1, 1.17, -19.3], [0, 0.81, 19.9], [1, 1.0, 0.0]], np.float32)
    still = torch.empty(3, 0, 2, 3)
    found = seen(torch.from_numpy(image), torch.from_numpy(look), still).numpy()
    for clip, (mirrored, contrast, brightness), shown in zip(image, look, found, strict=True):
        turned = clip[..., ::-1] if mirrored else clip
        lit = turned.astype(np.float32) * contrast + brightness
        assert (shown == lit.clip(0, 255).astype(np.uint8)).all()


def test_a_mirrored_clip_swaps_the_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.zeros((300, 32, 48), np.uint8)
    grey[:, :, 24:] = 200  # bright on the right
    keep(monkeypatch, grey)
    rows = [{"label": "PASS", "position_ms": 2_000 * k, "team": "right"} for k in range(1, 11)]
    one = LabelledMatch("a", Path("a.mp4"), Events.of_rows(BALL, rows))
    config = SpotterConfig(
        size_wh=(48, 32), crop_share=1.0, clip_steps=12, sides=True, shake=0.5, camera=0.5
    )
    drawn = [Clips(config, [one], Path()).draw(1, place) for place in range(12)]
    seen = set()
    for clip in drawn:
        image = seen_clip(clip)
        is_mirrored = image[..., :8].mean() > image[..., -8:].mean()
        assert set(np.unique(clip.side)) <= {0, -1 if is_mirrored else 1}
        assert (clip.side != 0).any()
        seen.add(bool(is_mirrored))
    assert seen == {True, False}
    sideless = LabelledMatch("a", Path("a.mp4"), Events.of_rows(BALL, [{**rows[0], "team": ""}]))
    with pytest.raises(DatasetError, match="without a side"):
        Clips(config, [sideless], Path())


def test_mistakes_far_from_labels_are_drawn_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    grey = np.zeros((600, 32, 48), np.uint8)
    grey[450:453] = 255  # step 150
    keep(monkeypatch, grey)
    rows = [{"label": "PASS", "position_ms": 5_000}]
    one = LabelledMatch("a", Path("a.mp4"), Events.of_rows(BALL, rows))
    raw = np.full((200, 2 * len(BALL)), -6.0)
    raw[[18, 22, 150], 0] = 3.0  # two beside the label, in step 20.8, and one far away
    config = SpotterConfig(size_wh=(48, 32), crop_share=1.0, clip_steps=10, around_events=0.0)
    hard = Clips(config, [one], Path(), {"a": raw})
    assert [step for _, step, _ in hard.mistaken] == [150]
    plain = Clips(config, [one], Path())
    often, seldom = (
        sum(int(seen_clip(one.draw(1, place)).max() > 150) for place in range(40))
        for one in (hard, plain)
    )
    assert often > 10 > seldom


def test_a_spotter_learns_in_folds_twice_and_from_other_labels_and_goes_on_longer(
    matches: Path, tmp_path: Path
) -> None:
    arguments = ["-p", "clip_steps=8", "-p", "size_wh=[64, 36]", "-p", "amp=off", "--epochs", "1"]
    arguments += [
        "-p",
        "crop_share=1",
        "--steps",
        "2",
        "--models",
        str(tmp_path),
        "--cache",
        str(tmp_path / "cache"),
    ]

    def run(*more: str) -> Path:
        said = runner.invoke(app, ["spot", "train", str(matches), *arguments, *more])
        assert said.exit_code == 0, said.output
        return Path(said.output.split()[-1])

    folds = run("--folds", "2", "--rounds", "2", "-p", "sides=true", "-p", "mixup=0.2")
    video = load_matches(matches, BALL_MAP)[0].video
    spotter = load_spotter(folds)
    assert len(spotter.others) == 1
    found = spot_video(video, spotter, tmp_path / "work", flip=True)
    assert {row["team"] for row in found.events.rows()} <= {"left", "right"}
    assert found.raw.shape[1] == 2 * len(BALL) + 1
    kept = np.load(folds / "out_of_fold.npz")
    assert len(kept.files) == 2
    first = run("--also", str(matches), "--also-classes", "ball-2", "-p", "hidden=32")
    assert load_spotter(first).network.last.in_features == 48
    longer = run("-p", f"start={first}", "-p", "frozen=true", "-p", "hidden=32",
                 "-p", "clip_steps=16")  # fmt: skip
    before, after = (load_spotter(one).network.encoder.state_dict() for one in (first, longer))
    assert all(torch.equal(before[name], after[name]) for name in before)
    said = runner.invoke(app, ["spot", "train", str(matches), "-p", "mixups=1"])
    assert "did you mean mixup" in str(said.exception)


def test_matches_that_cannot_be_used_are_named(
    matches: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "a/b/c"
    labels = Events.of_rows(BALL, [{"label": "PASS", "position_ms": 9_000}])
    write_labels(folder / LABELS_BALL, labels)
    with pytest.raises(DatasetError, match="c has 0 videos"):
        load_matches(tmp_path, BALL_MAP)
    write_ramp(folder / "match.mp4", Fraction(25), 6)
    with pytest.raises(DatasetError, match="9000 ms, the video ends at 6000 ms"):
        load_matches(tmp_path, BALL_MAP)
    assert len(load_matches(tmp_path, BALL_MAP, skip_bad=True)[0].events) == 0
    assert "left out" in caplog.text
    for row, fault in (
        ({"label": "DIVE", "gameTime": "1 - 00:01", "position": "1000"}, "unknown class"),
        ({"label": "PASS", "gameTime": "3 - 00:01", "position": "1000"}, "'half' is 3"),
        ({"label": "PASS", "gameTime": "2 - 00:01", "position": "1000"}, "has a second half"),
        ({"label": "PASS", "gameTime": "1 - 00:02", "position": "2005"}, "within one bin"),
    ):
        good = {"label": "PASS", "gameTime": "1 - 00:02", "position": "2010"}
        (folder / LABELS_BALL).write_text(json.dumps({"annotations": [row, good]}))
        with pytest.raises(DatasetError, match=fault) as raised:
            load_matches(tmp_path, BALL_MAP)
        assert "--skip-bad" in str(raised.value)
        assert len(load_matches(tmp_path, BALL_MAP, skip_bad=True)[0].events) == 1
    (folder / LABELS_BALL).write_text(json.dumps({"annotations": [good]}))
    write_ramp(folder / "match.mp4", Fraction(5), 6)
    with pytest.raises(DatasetError, match="has 5 frames a second"):
        load_matches(tmp_path, BALL_MAP)
    with pytest.raises(DatasetError, match="no match below"):
        load_matches(tmp_path, BALL_MAP, skip_bad=True)
    read = load_matches(matches, BALL_MAP)
    with pytest.raises(DatasetError, match="to learn from and to judge on"):
        train_spotter(read, read, tmp_path / "run", SpotterConfig(), tmp_path / "cache")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkbenchError, match="workbench spot train"):
        load_spotter(tmp_path)
    torch.save({"network": {}, "classes": ["a"], "spotter": "dense"}, tmp_path / "best.pt")
    with pytest.raises(WorkbenchError, match="is no spotter's run"):
        load_spotter(tmp_path)


def test_pictures_are_read_as_grey(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "red.mp4", (64, 36), 25) as video:
        for _ in range(10):
            video.write(np.full((36, 64, 3), (200, 0, 0), np.uint8))
    [stack] = GreyFrames.of(tmp_path / "red.mp4").read(0, 1)
    expected = cv2.cvtColor(np.full((1, 1, 3), (200, 0, 0), np.uint8), cv2.COLOR_RGB2GRAY)[0, 0]
    assert abs(float(stack.mean()) - float(expected)) < 4
