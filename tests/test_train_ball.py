"""`train-ball` from end to end on drawn clips with a random network, its files and its mistakes."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from workbench.cli import app
from workbench.detect.ballchoice import Candidate
from workbench.detect.ballnet import making, material
from workbench.detect.ballnet.making import (
    Seen,
    Sources,
    calibrate,
    figures,
    fit_link,
    rescored,
    train_ball,
)
from workbench.detect.ballnet.stored import load_weights
from workbench.detect.ballnet.training import BallConfig
from workbench.footage.clips import Clip
from workbench.footage.writer import VideoWriter

WH, FRAMES = (208, 180), 6
TINY = BallConfig(epochs=2, steps=1, batch_size=2, ema=0.0, amp="off", device="cpu")


def draw(path: Path, seed: int = 0) -> list[tuple[int, int]]:
    """A clip of a white ball that flies over grey ground."""
    places = [(30 + 20 * frame, 60 + 5 * seed) for frame in range(FRAMES)]
    ground = np.random.default_rng(seed).integers(60, 120, (WH[1], WH[0], 3)).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, WH, Fraction(30), crf=20) as writer:
        for place in places:
            image = ground.copy()
            cv2.circle(image, place, 5, (250, 250, 250), -1)
            writer.write(image)
    return places


def drawn_footage(folder: Path, *, sessions: int, seed: int, **_: Any) -> list[Clip]:
    """Stands in for `make_footage`: one clip, drawn in a moment."""
    name = "action00_000" if sessions else "shooting00_000"
    places = draw(folder / f"clips/{name}.mp4", seed % 7)
    truth = {
        "images": [{"id": at + 1, "frame": at} for at in range(FRAMES)],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "ball"}],
        "annotations": [
            {"image_id": at + 1, "category_id": 2, "bbox": [x - 5, y - 5, 11, 11]}
            for at, (x, y) in enumerate(places)
        ]
        + [{"image_id": 1, "category_id": 1, "keypoints": [100, 90, 2]}],
    }
    (folder / "truth").mkdir(exist_ok=True)
    (folder / f"truth/{name}.json").write_text(json.dumps(truth), encoding="utf-8")
    file, rate = f"clips/{name}.mp4", Fraction(30)
    return [
        Clip(name, file, file, name[:-4], 0, FRAMES, 0, FRAMES, 1 / rate, rate, *WH,
             truth=f"truth/{name}.json")
    ]  # fmt: skip


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    monkeypatch.setattr(material, "make_footage", drawn_footage)
    (places,) = [draw(tmp_path / "own/park.mp4")]
    rows = [f"own/park.mp4,{frame},{x},{y},11" for frame, (x, y) in enumerate(places) if frame < 3]
    (tmp_path / "clicks.csv").write_text("\n".join(["video,frame,x,y,size", *rows]))
    return Sources(8, tmp_path / "own", tmp_path / "clicks.csv")


def test_weights_and_card_come_out_and_a_second_call_finds_all_of_it_done(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    work = tmp_path / "work"
    result = train_ball(work, sources, TINY, lambda what, done, of: told.append(what))
    assert {"sessions", "own videos", "hard examples"} <= set(told)
    facts = load_weights(work / "ball.npz").facts
    assert facts["trained_on"]["sessions"] == 7
    assert facts["trained_on"]["backgrounds"] == ["park.mp4"]
    assert facts["trained_on"]["clicked_frames"] == {"park.mp4": 3}
    assert facts["trained_on"]["crops"]["clicked"] == 12
    assert facts["valid"]["shots"]["balls"] == FRAMES
    assert (work / "crops/clicked_hard").is_dir()
    card = (work / "ball.md").read_text(encoding="utf-8")
    assert "3 of park.mp4" in card
    assert card.startswith("# ")
    monkeypatch.setattr(making, "mined_clip", lambda *_: pytest.fail("mined again"))
    assert train_ball(work, sources, TINY).history == result.history


def test_training_goes_on_from_weights_and_the_card_tells_both(
    sources: Sources, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train_ball(first, replace(sources, clicks=None, backgrounds=None), TINY)
    result = train_ball(second, replace(sources, start=first / "ball.npz"), TINY)
    assert not (second / "round1").exists()
    assert len(result.history) == TINY.epochs
    before, after = load_weights(first / "ball.npz"), load_weights(second / "ball.npz")
    assert after.facts["start"]["trained_on"] == before.facts["trained_on"]
    assert any(
        not torch.equal(one, other)
        for one, other in zip(before.network.parameters(), after.network.parameters(), strict=True)
    )
    card = (second / "ball.md").read_text(encoding="utf-8")
    assert card.index("**Learned from** 7") < card.index("**Went on with** 7")


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (["--backgrounds", "empty"], "no video in"),
        (["--clicks", "gone.csv"], "cannot be read"),
        (["--sessions", "3"], "3 is not in the range"),
        (["--device", "abacus"], "abacus"),
        (["--start", "gone.npz"], "gone.npz"),
    ],
)
def test_mistakes_are_one_line_and_exit_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: list[str], problem: str
) -> None:
    monkeypatch.setattr(material, "make_footage", drawn_footage)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(app, ["detect", "train-ball", "--out", "work", *option])
    said = result.output + str(result.exception or "")
    assert problem in said
    assert result.exit_code in (1, 2)  # 1: `main` turns the error into one line and 2
    assert not list(tmp_path.glob("work/*"))


def seen(right: bool, logit: float, frames: int = 40) -> Seen:
    boxes = [np.array([[50 + 4 * at, 50, 60 + 4 * at, 60]], np.float32) for at in range(frames)]
    off = 0.0 if right else 90.0
    found = [[Candidate((50.0 + 4 * at, 50 + off, 10, 10), 0.5, logit)] for at in range(frames)]
    return Seen("shots", 640, found, boxes)


def test_scores_of_whole_clips_are_calibrated_and_counted() -> None:
    clips = [seen(True, 2.0), seen(True, 1.0), seen(False, 0.0), seen(False, -1.0)]
    calibration = calibrate(clips)
    assert calibration.score(2.0, 10) > 0.9 > 0.1 > calibration.score(-1.0, 10)
    again = [rescored(clip, calibration) for clip in clips]
    told = figures(again, fit_link(again))["shots"]
    assert told["balls"] == 160
    assert told["recall at precision .8"] == pytest.approx(0.5)
    assert told["best f1"] == pytest.approx(2 * 0.5 / 1.5, abs=1e-3)
    assert fit_link([replace(clips[0], group="actions")]).chain == 1.0
