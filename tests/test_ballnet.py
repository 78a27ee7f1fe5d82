"""The ball network's parts: answers and targets agree, crops, pasted balls, training, weights."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect.ballnet.crops import (
    CUT,
    SIDE,
    Crop,
    Film,
    grey_of,
    iou,
    load_crops,
    save_crops,
    varied,
)
from workbench.detect.ballnet.network import (
    STRIDE,
    BallNet,
    features,
    losses_of,
    peaks,
    stack,
    target_of,
)
from workbench.detect.ballnet.ownvideos import (
    Clicked,
    clicked_windows,
    load_clicks,
    with_lines,
)
from workbench.detect.ballnet.pasting import pasted_crop, shifts_of
from workbench.detect.ballnet.stored import (
    BESIDE,
    SHIPPED,
    Calibration,
    fit,
    load_weights,
    save_weights,
)
from workbench.detect.ballnet.training import BallConfig, Tally, train_ballnet
from workbench.errors import DatasetError
from workbench.footage.writer import VideoWriter
from workbench.training.weights import WeightsError

Boxes = np.ndarray


def window(seed: int = 0) -> list[np.ndarray]:
    """Five frames of a blotchy background that moves two pixels to the right per frame."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 160, (SIDE // 8, SIDE // 8 + 4, 3)).astype(np.uint8)
    whole = coarse.repeat(8, axis=0).repeat(8, axis=1)
    return [np.ascontiguousarray(whole[:, 12 - 2 * at : 12 - 2 * at + SIDE]) for at in range(5)]


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(3)
    for group, unknown in (("shots", False), ("pasted", True), ("valid", False)):
        made = [replace(pasted_crop(window(at), rng), unknown=False) for at in range(4)]
        save_crops(folder / group / f"{group}_000_a.npy", made, unknown)
    return folder


def as_answers(boxes: Boxes, side: int) -> torch.Tensor:
    """Maps that say exactly what the target does."""
    target = target_of(boxes, side)
    logit = torch.where(target.heat == 1, 6.0, -6.0 + 5 * target.heat)
    return torch.cat([logit[None], target.boxes])[None]


coordinate = st.floats(8, CUT - 8)
side = st.floats(2, 30)


@settings(max_examples=60)
@given(coordinate, coordinate, side, side)
def test_the_target_of_a_ball_is_read_back_as_its_box(
    x: float, y: float, width: float, height: float
) -> None:
    box = np.float32([[x - width / 2, y - height / 2, x + width / 2, y + height / 2]])
    ((found,),) = peaks(as_answers(box, CUT), 0.0)
    assert found[0] == 6
    assert np.allclose(found[1:], box[0], atol=0.02)


def test_answers_that_are_the_target_cost_next_to_nothing_and_others_more() -> None:
    boxes = np.float32([[20, 20, 27, 26], [60, 70, 63, 74]])
    target = stack([target_of(boxes, CUT)])
    exact, empty = as_answers(boxes, CUT), torch.zeros(1, 5, CUT // STRIDE, CUT // STRIDE) - 6
    right, wrong = losses_of(exact, target), losses_of(empty, target)
    assert float(right["offset"]) < 1e-5
    assert float(right["overlap"]) < 1e-4
    assert float(right["loss"]) < 0.2 < float(wrong["loss"])


def test_a_sure_answer_is_wrong_only_where_all_balls_are_known() -> None:
    out = torch.full((1, 5, CUT // STRIDE, CUT // STRIDE), -9.0)
    out[0, 0, 10, 10] = 4.0
    none = np.zeros((0, 4), np.float32)
    known, unknown = (
        float(losses_of(out, stack([target_of(none, CUT, maybe)]))["heat"])
        for maybe in (False, True)
    )
    assert known > 3 > 0.1 > unknown


def test_the_network_takes_any_multiple_of_sixteen_and_is_small() -> None:
    network = BallNet().eval()
    assert sum(weights.numel() for weights in network.parameters()) < 500_000
    with torch.inference_mode():
        out = network(features(torch.zeros(2, 7, 48, 80, dtype=torch.uint8)))
    assert out.shape == (2, 5, 24, 40)


def test_a_pasted_ball_is_where_its_box_says_and_the_background_moves() -> None:
    shifts = shifts_of(window())
    assert np.allclose(shifts[:, 0], [-4, -2, 0, 2, 4], atol=0.3)
    bright = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        crop = pasted_crop(window(), rng)
        assert crop.image.shape == (SIDE, SIDE, 7)
        assert crop.unknown
        plain = window()[2].astype(int)
        for x0, y0, x1, y1 in crop.boxes.astype(int).tolist():
            change = np.abs(crop.image[..., :3].astype(int) - plain).max(axis=2)
            bright.append(change[y0:y1, x0:x1].mean() > change.mean() + 10)
    assert len(bright) > 8
    assert np.mean(bright) > 0.7  # some are nearly hidden, or as grey as the ground


def test_a_varied_crop_keeps_the_ball_in_its_box() -> None:
    image = np.full((SIDE, SIDE, 7), 60, np.uint8)
    image[80:90, 100:112] = 250
    crop = Crop(image, np.float32([[100, 80, 112, 90]]))
    right = []
    for seed in range(40):
        made = varied(lambda: crop, np.random.default_rng(seed))
        assert made.image.shape == (CUT, CUT, 7)
        for x0, y0, x1, y1 in made.boxes.round().astype(int).tolist():
            part = made.image[max(0, y0) : y1, max(0, x0) : x1, 0]
            right.append(part.mean() > made.image[..., 0].mean() + 40)
    assert len(right) > 20
    assert np.mean(right) > 0.95


def test_crops_come_back_from_disk(tmp_path: Path) -> None:
    crop = Crop(np.arange(SIDE * SIDE * 7, dtype=np.uint8).reshape(SIDE, SIDE, 7),
                np.float32([[1, 2, 3, 4]]))  # fmt: skip
    file = save_crops(tmp_path / "a.npy", [crop], unknown=True)
    assert len(file) == 1
    assert (file[0].image == crop.image).all()
    assert file[0].unknown
    assert len(save_crops(tmp_path / "none.npy", [])) == 0
    with pytest.raises(DatasetError, match="holds no crops"):
        load_crops(tmp_path / "b.npy")


def test_a_film_cuts_inside_the_picture() -> None:
    frames = [np.full((200, 300, 3), at, np.uint8) for at in range(4)]
    film = Film(frames, [grey_of(frame) for frame in frames])
    crop = film.cut(1, (290, 10), np.float32([[290, 5, 296, 11], [0, 0, 4, 4]]))
    assert crop.boxes.tolist() == [[166, 5, 172, 11]]
    assert crop.image[0, 0].tolist() == [1, 1, 1, 0, 0, 2, 3]


def test_training_goes_on_where_it_was_and_its_weights_are_read_back(
    crops: Path, tmp_path: Path
) -> None:
    config = BallConfig(epochs=2, steps=2, batch_size=2, ema=0.0, amp="off")
    result = train_ballnet(crops, tmp_path / "run", config)
    assert len(result.history) == 2
    assert 0 <= result.best.scores["valid_ap"] <= 1
    assert train_ballnet(crops, tmp_path / "run", config).history == result.history
    again = train_ballnet(
        crops, tmp_path / "more", replace(config, start=str(tmp_path / "run/best.pt"), epochs=1)
    )
    assert again.history[0].scores["train_loss"] < 2 * result.history[0].scores["train_loss"]
    with pytest.raises(DatasetError, match="no crops"):
        train_ballnet(tmp_path, tmp_path / "other", config)


def test_weights_are_small_and_say_the_same(tmp_path: Path) -> None:
    network = BallNet().eval()
    save_weights(tmp_path / "ball.npz", network, {"calibration": {"bias": 1.0}})
    assert (tmp_path / "ball.npz").stat().st_size < 1_000_000
    loaded = load_weights(tmp_path / "ball.npz")
    assert loaded.facts["calibration"] == {"bias": 1.0}
    seen = features(torch.randint(0, 255, (1, 7, 32, 32), dtype=torch.uint8))
    with torch.inference_mode():
        assert torch.allclose(network(seen), loaded.network(seen), atol=0.02)


def test_files_that_are_no_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no weights at"):
        load_weights(tmp_path / "ball.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(WeightsError, match="holds no ball network"):
        load_weights(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(WeightsError, match="holds no ball network"):
        load_weights(tmp_path / "other.npz")
    save_weights(tmp_path / "wide.npz", BallNet(widths=(8, 16, 24, 40)), {})
    with pytest.raises(WeightsError, match="of another network"):
        load_weights(tmp_path / "wide.npz")


@pytest.mark.parametrize("path", [SHIPPED, BESIDE])
def test_the_shipped_weights_are_small_and_have_a_card(path: Path) -> None:
    assert path.stat().st_size < 4_000_000
    facts = load_weights(path).facts
    assert {"calibration", "link", "trained_on"} <= facts.keys()
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert card.startswith("# ")
    assert all(video in card for video in facts["trained_on"]["backgrounds"])


def test_average_precision_counts_each_ball_once() -> None:
    tally = Tally()
    box = np.float32([[10, 10, 20, 20]])
    tally.add(np.float32([[3, 10, 10, 20, 20], [2, 11, 10, 21, 20]]), box)
    tally.add(np.zeros((0, 5), np.float32), box)
    assert tally.right == [True, False]
    assert tally.average_precision == pytest.approx(0.5)
    assert tally.best_f1 == pytest.approx(2 / 3)
    assert iou(box[0], np.float32([[15, 10, 25, 20]]))[0] == pytest.approx(1 / 3)


def test_calibrated_scores_mean_what_they_say() -> None:
    rng = np.random.default_rng(1)
    logits, sides = rng.normal(0, 3, 4000), np.exp(rng.uniform(0.7, 3, 4000))
    true = Calibration(-1.0, 0.6, 0.8)
    shares = np.array([true.score(*pair) for pair in zip(logits, sides, strict=True)])
    right = rng.random(4000) < shares
    found = fit(logits.tolist(), sides.tolist(), right.tolist())
    scores = np.array([found.score(*pair) for pair in zip(logits, sides, strict=True)])
    assert scores.mean() == pytest.approx(right.mean(), abs=0.01)
    sure = scores > 0.8
    assert scores[sure].mean() == pytest.approx(right[sure].mean(), abs=0.04)
    assert Calibration.of_facts({"calibration": found.to_facts()}).slope == pytest.approx(
        found.slope, abs=1e-4
    )


def still_video(path: Path, frames: int = 41) -> None:
    with VideoWriter(path, (64, 64), Fraction(30), crf=30) as writer:
        for _ in range(frames):
            writer.write(np.full((64, 64, 3), 90, np.uint8))


def test_clicks_are_read_and_lines_drawn_between_them(tmp_path: Path) -> None:
    still_video(tmp_path / "own.mp4")
    file = tmp_path / "clicks.csv"
    file.write_text(
        "video,frame,x,y,size\nown.mp4,0,10,20,8\nown.mp4,9,19,20,8\nown.mp4,40,,,\n",
        encoding="utf-8",
    )
    clicked = load_clicks(file)
    assert [one.balls for one in clicked] == [((10, 20, 8),), ((19, 20, 8),), ()]
    lines = list(with_lines(clicked, 30))
    assert [one.frame for one in lines] == [0, 9, 40, 3, 6]
    assert lines[3] == Clicked(tmp_path / "own.mp4", 3, ((13.0, 20.0, 8.0),))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("video,frame,x,y\n", "no column size"),
        ("video,frame,x,y,size\nown.mp4,one,1,1,1\n", "line 2"),
        ("video,frame,x,y,size\ngone.mp4,1,1,1,1\n", "not there"),
        ("video,frame,x,y,size\nown.mp4,41,1,1,1\n", "no frame 41.*it has 41"),
    ],
)
def test_broken_clicks_are_named(tmp_path: Path, text: str, problem: str) -> None:
    still_video(tmp_path / "own.mp4")
    (tmp_path / "clicks.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=problem):
        load_clicks(tmp_path / "clicks.csv")


def test_between_two_clicks_the_ball_counts_only_where_it_looks_like_itself(tmp_path: Path) -> None:
    path, ground = tmp_path / "juggled.mp4", np.full((200, 200, 3), 90, np.uint8)
    ground += np.random.default_rng(0).integers(0, 60, ground.shape).astype(np.uint8)
    with VideoWriter(path, (200, 200), Fraction(30), crf=15) as writer:
        for frame in range(25):
            image = ground.copy()
            away = 0 if frame <= 12 else round(60 * np.sin((frame - 12) / 12 * np.pi))
            cv2.circle(image, (100, 150 - away), 8, (250, 250, 250), -1)
            writer.write(image)
    clicked = [Clicked(path, frame, ((100.5, 150.5, 17.0),)) for frame in (0, 12, 24)]
    seen = {window.frame: balls for window, balls in clicked_windows(path, clicked)}
    assert {0, 3, 6, 9, 12, 24} <= set(seen)  # at rest, and the clicked ones
    assert not {15, 18, 21} & set(seen)  # in the air, though both clicks are at one place
    assert seen[3].tolist() == [[92, 142, 109, 159]]
