"""The lite student: its pictures, losses, file and gate, and the weights of the package."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_detector import make_dataset
from typer.testing import CliRunner

from workbench.cli import app
from workbench.detect.detections import CLASSES
from workbench.detect.lite import finetuning, making
from workbench.detect.lite.finetuning import (
    FinetuneLearner,
    LiteFinetune,
    finetune_lite,
    kept_weights,
    protected,
)
from workbench.detect.lite.judging import best_thresholds, judge_kinds, to_rows
from workbench.detect.lite.material import TEST_SEED, split_of
from workbench.detect.lite.network import HEIGHT_PX, WIDTH_PX, Labels, LiteDetr, losses_of
from workbench.detect.lite.pictures import Picture, fitted, pictures_in, varied
from workbench.detect.lite.predicting import LiteEye
from workbench.detect.lite.stored import SHIPPED, load_weights, save_weights
from workbench.detect.lite.training import LiteConfig, groups_in, pretrain
from workbench.detect.student.checkpoint import LITE, load_student, shipped_student
from workbench.detect.student.predict import detect_images
from workbench.detect.student.train import finetune, run_dir_for
from workbench.footage.frames import iter_frames
from workbench.simulated.sessions import make_footage
from workbench.training.folder import BEST, load_checkpoint
from workbench.training.weights import WeightsError

ONE_STEP = LiteFinetune(epochs=1, steps=1, batch_size=2, device="cpu", shares={"own": 1.0})
NONE = np.zeros(len(CLASSES))


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("discs"), train=3, valid=3).folder


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / LITE
    save_weights(path, LiteDetr().state_dict(), {"trained_on": {}})
    return path


@given(
    width=st.integers(16, 900),
    height=st.integers(16, 900),
    share=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_a_box_on_the_canvas_is_the_same_box_in_the_picture(
    width: int, height: int, share: tuple[float, ...]
) -> None:
    canvas, view = fitted(np.zeros((height, width, 3), np.uint8))
    assert canvas.shape == (HEIGHT_PX, WIDTH_PX, 3)
    x0, x1 = sorted(width * one for one in share[:2])
    y0, y1 = sorted(height * one for one in share[2:])
    boxes = np.array([[x0, y0, x1, y1]], np.float32)
    seen = view.on_canvas(boxes)
    assert np.allclose(view.in_picture(seen), boxes, atol=0.02)
    # Half a pixel of rounding where the picture's middle lies.
    assert (seen >= -0.51).all()
    assert (seen <= np.array([WIDTH_PX, HEIGHT_PX] * 2) + 0.51).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_varied_boxes_stay_on_what_they_are_of(seed: int, tmp_path_factory: Any) -> None:
    """A white square in a black picture stays a bright box, wherever it goes."""
    picture = _square(tmp_path_factory.getbasetemp() / "square.png")
    canvas, seen = varied(picture, np.random.default_rng(seed))
    for x0, y0, x1, y1 in seen.boxes.round().astype(int).tolist():
        assert 0 <= x0 < x1 <= WIDTH_PX
        assert 0 <= y0 < y1 <= HEIGHT_PX
        inside = canvas[y0:y1, x0:x1].mean()
        around = canvas[max(0, y0 - 9) : y1 + 9, max(0, x0 - 9) : x1 + 9].mean()
        assert inside > 120
        assert inside >= around
    again, _ = varied(picture, np.random.default_rng(seed))
    assert (canvas == again).all()


def _square(path: Path) -> Picture:
    import cv2

    if not path.exists():
        image = np.zeros((180, 320, 3), np.uint8)
        image[60:120, 100:180] = 255
        cv2.imwrite(str(path), image)
    box = np.array([[100, 60, 180, 120]], np.float32)
    return Picture(path, box, np.array([1], np.int64))


def test_nothing_is_learned_about_a_class_that_is_unknown_in_a_picture() -> None:
    torch.manual_seed(0)
    network = LiteDetr()
    pictures = torch.randn(1, 3, HEIGHT_PX, WIDTH_PX)
    ball_unknown = Labels(
        torch.tensor([0]), torch.tensor([[0.5, 0.5, 0.2, 0.4]]), torch.tensor([False, True, False])
    )
    losses = losses_of(network, pictures, [ball_unknown])
    losses["loss"].backward()
    assert torch.isfinite(losses["loss"])
    for head in (network.detr.class_embed, network.detr.model.enc_out_class_embed[0]):
        slopes = head.bias.grad
        assert slopes[1] == 0
        assert slopes[0] != 0
        assert slopes[2] != 0


def test_a_picture_without_objects_has_a_finite_loss() -> None:
    empty = Labels(
        torch.zeros(0, dtype=torch.long), torch.zeros(0, 4), torch.zeros(3, dtype=torch.bool)
    )
    losses = losses_of(LiteDetr(), torch.randn(1, 3, HEIGHT_PX, WIDTH_PX), [empty])
    assert torch.isfinite(losses["loss"])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(b"nothing"), "holds no lite student"),
        (lambda path: path.unlink(), "no weights at"),
        (lambda path: save_weights(path, {"one": torch.zeros(2)}, {}), "of another network"),
        (lambda path: np.savez(path, facts=json.dumps({"format": "old"})), "of the format old"),
    ],
)
def test_weights_that_are_none_are_named(spoil: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / LITE
    path.touch()
    spoil(path)
    with pytest.raises(WeightsError, match=said):
        load_weights(path)


def test_onnxruntime_sees_what_torch_sees(random_weights: Path) -> None:
    pytest.importorskip("onnxruntime")
    network = load_weights(random_weights).network
    eyes = [LiteEye(network, runtime=runtime) for runtime in ("torch", "onnxruntime")]
    assert [eye.runs_on for eye in eyes] == ["cpu", "cpu, ONNX Runtime"]
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*hw, 3), dtype=np.uint8) for hw in ((90, 160), (200, 90))]
    for one, other in zip(*(eye.see(images, NONE) for eye in eyes), strict=True):
        assert len(one) == len(other) > 0
        assert np.allclose(one.xyxy, other.xyxy, atol=0.1)
        assert np.allclose(one.confidence, other.confidence, atol=1e-4)


def test_fine_tuning_that_gains_nothing_keeps_the_weights_it_started_from(
    dataset_dir: Path, random_weights: Path, tmp_path: Path
) -> None:
    config = replace(ONE_STEP, weights=str(random_weights))
    run_dir = run_dir_for(tmp_path, dataset_dir, config)
    result = finetune(dataset_dir, run_dir, config)
    assert result.best.scores["gain"] <= 0
    kept = kept_weights(run_dir)
    assert not kept.finetuned
    assert "The weights it started from are kept" in kept.sentence()
    student = load_student(run_dir)
    started = load_weights(random_weights).network.state_dict()
    assert isinstance(student.eye, LiteEye)
    for name, value in student.eye.network.state_dict().items():
        assert torch.equal(value, started[name])
    (found,) = detect_images(student, [np.zeros((72, 128, 3), np.uint8)], min_score=0.0)
    assert set(found.class_id.tolist()) <= set(range(len(CLASSES)))
    assert finetune(dataset_dir, run_dir, config).history == result.history


@pytest.mark.parametrize(
    ("changes", "helped"),
    [
        ({"own person": 0.2, "own ball": 0.1, "replay person": 0.0}, True),
        ({"own person": 0.4, "own ball": 0.1, "replay person": -0.03}, False),
        ({"own person": 0.01, "own ball": -0.015, "replay person": 0.0}, False),
    ],
)
def test_the_gate_lets_no_class_lose_for_another(
    changes: Mapping[str, float],
    helped: bool,
    dataset_dir: Path,
    tmp_path: Path,
    random_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = dict.fromkeys(changes, 0.5)
    scores = iter([before, {name: 0.5 + change for name, change in changes.items()}])
    monkeypatch.setattr(FinetuneLearner, "_scores", lambda self, network: next(scores))
    monkeypatch.setattr(FinetuneLearner, "_loss", lambda self, network: 1.0)
    config = replace(ONE_STEP, weights=str(random_weights))
    finetune_lite(dataset_dir, None, tmp_path / "run", config)
    assert kept_weights(tmp_path / "run").finetuned is helped
    trained = load_checkpoint(tmp_path / "run" / BEST)["network"]["detr.class_embed.bias"]
    stored_bias = load_weights(tmp_path / "run" / LITE).network.state_dict()
    assert torch.allclose(stored_bias["detr.class_embed.bias"], trained, atol=1e-6) is helped


def test_what_the_student_sees_surely_joins_the_teachers_labels(
    dataset_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = pictures_in(dataset_dir, "train", CLASSES)
    assert [own.classes.tolist() for own in pictures] == [[0], [1], [2]]

    def surely(network: object, canvases: Sequence[Any]) -> list[Any]:
        """A person that is sure and one that is not."""
        rows = [[0, 0.9, 110, 5, 150, 60], [0, 0.4, 300, 100, 340, 200]]
        return [np.array(rows, np.float32)]

    monkeypatch.setattr(finetuning, "answers", surely)
    kept = protected(torch.nn.Identity(), pictures)
    assert [own.classes.tolist() for own in kept] == [[0, 0], [1, 0], [2, 0]]
    # Only where a ball is labelled are there no others.
    assert [own.unknown for own in kept] == [(False, place != 1, False) for place in range(3)]


class Oracle:
    """Sees what the labels of a folder of datasets say, and a ball more in every picture."""

    tile_wh, runs_on = (WIDTH_PX, HEIGHT_PX), "nowhere"

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._known = [(picture.read(), picture) for picture in pictures]

    def see(self, images: Sequence[Any], least: Any) -> list[sv.Detections]:
        found = []
        for image in images:
            own = next(own for known, own in self._known if (known == image).all())
            boxes = np.concatenate([own.boxes, [[0, 0, 3, 3]]]).astype(np.float32)
            classes = np.append(own.classes, 1)
            scores = np.append(np.full(len(own.boxes), 0.9), 0.4).astype(np.float32)
            found.append(sv.Detections(xyxy=boxes, confidence=scores, class_id=classes))
        return found

    def export(self, path: Path) -> None:
        raise AssertionError


def test_kinds_are_judged_apart_with_recall_at_a_precision(tmp_path: Path) -> None:
    for name in ("shot_000", "shot_002", "act_000"):
        make_dataset(tmp_path / name, train=1, valid=6)
    groups = groups_in(tmp_path, "test")
    assert {kind: len(own) for kind, own in groups.items()} == {"act": 6, "shot": 12}
    oracle = Oracle([picture for own in groups.values() for picture in own])
    told = judge_kinds(oracle, tmp_path)
    assert list(told) == ["act", "shot"]
    for kind, sessions in (("act", 1), ("shot", 2)):
        ball = told[kind]["ball"]
        assert (ball.objects, ball.sessions) == (2 * sessions, sessions)
        assert ball.ap50.value == pytest.approx(1)
        assert ball.recall is not None
        assert ball.recall.value == 1
    assert len(to_rows(told)) == 6
    assert best_thresholds(oracle, tmp_path, "test")["ball"] == pytest.approx(0.9)


def test_a_session_is_for_one_thing_only() -> None:
    splits = [split_of(number) for number in range(40)]
    assert [number for number in range(40) if splits[number] == "valid"] == [6, 7, 26, 27]
    assert {split_of(number, TEST_SEED) for number in range(40)} == {"test"}


def test_training_goes_on_from_a_killed_run_and_a_card_is_written(
    dataset_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.detect.lite import training

    pictures = tmp_path / "pictures"
    for name in ("shot_000", "act_000"):
        make_dataset(pictures / name, train=2, valid=3)
    monkeypatch.setattr(training, "imagenet_lite0", lambda stages: training_backbone())
    config = LiteConfig(epochs=2, steps=1, batch_size=1, device="cpu")

    def stop(epoch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(pictures, tmp_path / "run", config, on_epoch=stop)
    result = pretrain(pictures, tmp_path / "run", config)
    assert [epoch.epoch for epoch in result.history] == [1, 2]
    assert set(result.best.scores) >= {"valid_ap50", "shot person", "act ball", "train_heat"}
    facts = making.finish(tmp_path, tmp_path / "run", config, 1, pictures)
    assert facts["trained_on"]["pictures"] == {"act": 2, "shot": 2}
    card = (tmp_path / "student.md").read_text(encoding="utf-8")
    assert "| shots at a goal, 5.5 to 9 m | person |" in card
    assert load_weights(tmp_path / LITE).facts["parameters"] < 2_000_000


def training_backbone() -> Any:
    from workbench.training.lite0 import Lite0

    return Lite0(5)


def test_the_command_names_the_missing_backbone(
    tmp_path: Path, dataset_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dataset(tmp_path / "pictures" / "shot_000", train=1, valid=1)
    monkeypatch.setattr(making, "make_pictures", lambda *_, **__: tmp_path / "pictures")
    monkeypatch.setattr("workbench.training.lite0.find_spec", lambda name: None)
    call = ["detect", "train-student", "--out", str(tmp_path), "--device", "cpu"]
    failed = CliRunner().invoke(app, call)
    assert isinstance(failed.exception, WeightsError)
    assert "pip install" in failed.exception.remedy


def test_the_shipped_student_sees_rendered_people(tmp_path: Path) -> None:
    clips = make_footage(
        tmp_path, sessions=0, shooting_sessions=1, shots=1, seed=123_456, size_wh=(640, 360)
    )
    truth = json.loads((tmp_path / str(clips[0].truth)).read_text(encoding="utf-8"))
    frames = list(iter_frames(tmp_path / clips[0].file, step=15))
    student = shipped_student()
    assert SHIPPED.stat().st_size < 8e6
    found = detect_images(student, [frame.image for frame in frames], min_score=student.thresholds)
    objects = hits = 0
    for frame, seen in zip(frames, found, strict=True):
        people = [
            row["bbox"]
            for row in truth["annotations"]
            if row["image_id"] == frame.index + 1 and row["category_id"] == 1
        ]
        boxes = np.array([[x, y, x + w, y + h] for x, y, w, h in people]).reshape(-1, 4)
        overlap = sv.box_iou_batch(boxes, seen.xyxy[seen.class_id == 0].reshape(-1, 4))
        objects += len(boxes)
        hits += int((overlap.max(axis=1, initial=0) > 0.5).sum())
    assert hits / objects > 0.6
    assert set(load_weights().facts["thresholds"]) == set(CLASSES)
