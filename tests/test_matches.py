"""Built-in matches: what the labels say is what happens, and the same seed is the same match."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from workbench.actions.spotting.scores import metric, score_spots
from workbench.cli import app
from workbench.errors import FootageError
from workbench.footage.video_info import probe
from workbench.labels.events import BALL, Events, bins, load_class_map
from workbench.labels.soccernet import LABELS_BALL, find_matches, read_events
from workbench.simulated.matches.film import Film, direct
from workbench.simulated.matches.making import MatchPlan, make_match, make_matches
from workbench.simulated.matches.pitch import FPS, HALF_LENGTH_M, HALF_WIDTH_M
from workbench.simulated.matches.story import PlayedMatch, play_match

KICKS = ("PASS", "HIGH PASS", "CROSS", "SHOT", "FREE KICK")
SMALL = {"width": 64, "height": 36, "every": 2}


@pytest.fixture(scope="module")
def match() -> PlayedMatch:
    return play_match(3, 15 * 60 * FPS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("matches")
    make_matches(root, 2, 0.2, 5, **SMALL)
    return root


def test_a_quarter_of_an_hour_has_all_twelve_classes(match: PlayedMatch) -> None:
    assert {touch.label for touch in match.touches} == set(BALL)
    assert {touch.team for touch in match.touches} == {0, 1}


def test_a_ball_leaves_the_foot_at_the_frame_of_the_kick(match: PlayedMatch) -> None:
    speed = np.hypot(*np.diff(match.ball[:, :2], axis=0).T) * FPS  # m/s into each frame
    frames = [touch.frame for touch in match.touches if touch.label in KICKS]
    before, after = (np.median([speed[frame + at] for frame in frames]) for at in (-3, 1))
    assert after > 2 * before
    at_feet = [
        np.hypot(*(match.position[frame - 1, :22] - match.ball[frame - 1, :2]).T).min()
        for frame in frames
    ]
    assert np.quantile(at_feet, 0.95) < 1.2


def test_a_header_is_high_and_an_out_is_over_a_line(match: PlayedMatch) -> None:
    heads = [match.ball[touch.frame - 1, 2] for touch in match.touches if touch.label == "HEADER"]
    assert min(heads) > 1.8
    for touch in match.touches:
        if touch.label == "OUT":
            x, y = np.abs(match.ball[touch.frame, :2])
            assert x >= HALF_LENGTH_M - 0.01 or y >= HALF_WIDTH_M


def test_nobody_jumps_from_place_to_place(match: PlayedMatch) -> None:
    steps = np.abs(np.diff(match.position, axis=0)).max(axis=(1, 2))
    assert steps.max() < 0.9
    assert (steps > 0.45).mean() < 0.01


def test_cut_aways_know_nothing_of_the_play() -> None:
    matches = [play_match(seed, 4 * 60 * FPS) for seed in (3, 4)]
    away = [direct(match, np.random.default_rng(0)).away for match in matches]
    assert (away[0] >= 0).any()
    assert away[0].tolist() == away[1].tolist()


def test_the_ball_is_in_the_picture_where_something_is_shown(match: PlayedMatch) -> None:
    film = Film(match, 3, (256, 144))
    shown = [touch for touch in match.touches if film.direction.away[touch.frame] < 0]
    assert len(shown) > 0.9 * len(match.touches)
    for touch in shown:
        assert "ball" in dict(film.boxes(touch.frame)), touch


def test_the_same_seed_is_the_same_match_to_the_byte(tmp_path: Path) -> None:
    plan = MatchPlan(seed=1, minutes=0.05, **SMALL)
    folders = [make_match(plan, tmp_path / name, "a/b/c") for name in ("first", "second")]
    files = [{file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders]
    assert files[0] == files[1]
    assert len(files[0]) == 4
    other = make_match(MatchPlan(seed=2, minutes=0.05, **SMALL), tmp_path, "other")
    assert (other / "36p.mp4").read_bytes() != files[0]["36p.mp4"]


def test_the_files_are_those_of_soccernet(made: Path) -> None:
    found = find_matches(made, LABELS_BALL)
    assert list(found) == ["simulated/seed_5/match_000", "simulated/seed_5/match_001"]
    for name, file in found.items():
        events = read_events(file, load_class_map("ball"), length_ms=12_000, fps=25).events
        assert json.loads(file.read_text())["UrlLocal"] == name
        ball = np.load(file.parent / "ball.npy")
        assert (bins(events.position_ms, FPS) < len(ball)).all()
        video = probe(file.parent / "36p.mp4")
        assert (video.width, video.height, video.fps, video.frame_count) == (64, 36, 12.5, 150)


def test_a_match_that_is_whole_is_kept_and_another_is_made_anew(made: Path) -> None:
    folder = made / "simulated/seed_5/match_000"
    video = folder / "36p.mp4"
    before, content = video.stat().st_mtime_ns, video.read_bytes()
    make_matches(made, 1, 0.2, 5, **SMALL)
    assert video.stat().st_mtime_ns == before
    (folder / "match.json").unlink()  # as if killed
    video.write_bytes(b"half")
    make_matches(made, 1, 0.2, 5, **SMALL)
    assert video.read_bytes() == content


def test_labels_said_back_score_one_and_a_steady_beat_next_to_nothing(match: PlayedMatch) -> None:
    rows = [
        {"label": touch.label, "position_ms": round((touch.frame + 0.5) * 1000 / FPS)}
        for touch in match.touches
    ]
    truth = {"a": Events.of_rows(BALL, rows)}
    found = {"a": Events.of_rows(BALL, [row | {"score": 1.0} for row in rows])}
    assert score_spots(truth, found).mean_ap(metric("at0.2")) == 1
    beat = [
        {"label": label, "position_ms": at, "score": 0.5}
        for label in BALL
        for at in range(0, 15 * 60_000, 2000)
    ]
    assert score_spots(truth, {"a": Events.of_rows(BALL, beat)}).mean_ap(metric("at1")) < 0.1


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(FootageError, match="choose real or busy"):
        MatchPlan(1, 1, rates="wild")
    with pytest.raises(FootageError, match="a match of 0 minutes"):
        MatchPlan(1, 0)


def test_the_command_makes_matches(tmp_path: Path) -> None:
    options = ["--matches", "1", "--minutes", "0.02", "--size", "64x36", "--workers", "1"]
    run = CliRunner().invoke(app, ["footage", "make", "--out", str(tmp_path), *options])
    assert run.exit_code == 0, run.output
    assert "1 matches in" in run.stdout
    assert len(list(tmp_path.glob("simulated/seed_0/*/36p.mp4"))) == 1


def test_no_matches_are_refused() -> None:
    said = CliRunner().invoke(app, ["footage", "make", "--out", "x", "--matches", "0"])
    assert said.exit_code == 2
    assert "0 is not in the range" in said.output
