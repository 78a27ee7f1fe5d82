"""Using a trained student: images, videos, the command line, ONNX, the model card."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from pickled import Pickled
from small_detector import CLASSES, ONE_EPOCH, make_dataset
from typer.testing import CliRunner

from workbench.cli import app
from workbench.detect.dataset.coco import load_dataset
from workbench.detect.student.checkpoint import Student, load_student
from workbench.detect.student.comparison import compare, judge_student
from workbench.detect.student.eye import RfDetrEye
from workbench.detect.student.predict import (
    PredictOptions,
    detect_images,
    predict_video,
    predict_videos,
)
from workbench.detect.student.recipe import StudentError, quiet
from workbench.detect.student.testing import (
    LABELS,
    choose_thresholds,
    load_split,
    measure_speed,
    predict_split,
    write_card,
)
from workbench.detect.student.train import finetune, run_dir_for
from workbench.errors import WorkbenchError
from workbench.footage.frames import iter_frames
from workbench.footage.video_info import probe
from workbench.footage.writer import VideoWriter
from workbench.training.history import TrainingResult, last_run, shelve

pytest.importorskip("rfdetr")


@pytest.fixture(scope="module")
def dataset_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("discs")).folder


@pytest.fixture(scope="module")
def result(dataset_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    run_dir = run_dir_for(tmp_path_factory.mktemp("models"), dataset_dir, ONE_EPOCH)
    return finetune(dataset_dir, run_dir, ONE_EPOCH)


@pytest.fixture(scope="module")
def student(result: TrainingResult) -> Student:
    return load_student(result.run_dir)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Seven frames, of an odd height once shown at half size, with something that moves."""
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, (160, 90), Fraction(25)) as writer:
        for number in range(7):
            image = np.full((90, 160, 3), (60, 130, 60), np.uint8)
            image[30:50, 20 * number : 20 * number + 20] = 255
            writer.write(image)
    return path


def test_boxes_lie_in_the_image_and_classes_exist(student: Student) -> None:
    images = [
        np.random.default_rng(0).integers(0, 256, (hw[0], hw[1], 3), dtype=np.uint8)
        for hw in ((64, 64), (90, 160), (48, 200))
    ]
    for image, found in zip(images, detect_images(student, images, min_score=0.0), strict=True):
        height, width = image.shape[:2]
        assert len(found)
        assert (found.xyxy >= 0).all()
        assert (found.xyxy[:, [0, 2]] <= width).all()
        assert (found.xyxy[:, [1, 3]] <= height).all()
        assert set(found.class_id.tolist()) <= set(range(len(CLASSES)))
        assert not found.metadata  # rfdetr would keep the whole image there


def test_batches_say_what_single_images_say(student: Student) -> None:
    images = list(np.random.default_rng(1).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8))
    together = detect_images(student, images, min_score=0.0, batch=4)
    alone = [detect_images(student, [image], min_score=0.0)[0] for image in images]
    for one, other in zip(together, alone, strict=True):
        assert np.allclose(one.xyxy, other.xyxy, atol=1e-2)
        assert np.allclose(one.confidence, other.confidence, atol=1e-4)


def test_a_video_becomes_coco_and_an_overlay(student: Student, video: Path, tmp_path: Path) -> None:
    options = PredictOptions(batch=3, min_score=0.0, every=2, tiles=True)
    told: list[tuple[int, int]] = []
    made = predict_video(video, student, tmp_path / "out", options, lambda *done: told.append(done))
    content = json.loads(made.coco.read_text())
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [image["frame"] for image in content["images"]] == [0, 2, 4, 6]
    assert [row["name"] for row in content["categories"]] == list(CLASSES)
    assert len(content["annotations"]) == made.detections > 0
    assert all("track_id" in row or row["score"] < 0.3 for row in content["annotations"])
    assert {row["image_id"] for row in content["annotations"]} <= {1, 2, 3, 4}
    assert made.overlay is not None
    shown = probe(made.overlay)
    assert (shown.frame_count, shown.codec, shown.fps) == (4, "h264", Fraction(25, 2))
    assert len(list(iter_frames(made.overlay))) == 4
    namesake = tmp_path / "other" / video.name
    namesake.parent.mkdir()
    namesake.write_bytes(video.read_bytes())
    before = made.coco.read_bytes()
    with pytest.raises(StudentError, match=r"coco\.json is of .*: give another folder"):
        predict_video(namesake, student, tmp_path / "out", options)
    assert made.coco.read_bytes() == before


def test_an_engine_sees_the_same_in_several_videos(
    result: TrainingResult, video: Path, tmp_path: Path
) -> None:
    videos = [video, tmp_path / "again.mp4"]
    videos[1].write_bytes(video.read_bytes())
    options, seen = PredictOptions(min_score=0.0, every=4), {}
    for name, engine in (("here", "here"), ("away", Pickled())):
        told: list[tuple[int, int]] = []
        made = predict_videos(
            videos, result.run_dir, tmp_path / name, options, engine=engine,
            on_done=lambda *done, told=told: told.append(done),
        )  # fmt: skip
        assert told == [(1, 2), (2, 2)]
        seen[name] = [path.read_bytes() for one in made for path in (one.coco, one.overlay)]
    assert seen["here"] == seen["away"]
    with pytest.raises(StudentError, match="the same name"):
        predict_videos([video, tmp_path / "x" / video.name], result.run_dir, tmp_path)


def test_the_command_line_writes_the_same_and_names_what_is_wrong(
    result: TrainingResult, video: Path, tmp_path: Path
) -> None:
    shelve(result, "student", passed=True, why="seen enough")
    models = result.run_dir.parent
    assert last_run(models, "student") == result.run_dir
    call = ["detect", str(video), "--models", str(models), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*call, "--no-overlay", "--every", "3"])
    assert done.exit_code == 0, done.output
    assert "in 3 frames" in done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.coco.json"]

    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    for arguments in (
        ["detect", str(text), "--model", str(result.run_dir)],
        ["detect", str(video), "--model", str(tmp_path / "nowhere")],
        ["detect", str(video), "--models", str(tmp_path / "nothing")],
        [*call, "--batch", "0"],
    ):
        failed = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "bad")])
        assert isinstance(failed.exception, WorkbenchError)  # `main` makes it a line and exit 2
        assert failed.exception.remedy
    assert not (tmp_path / "bad").exists() or not list((tmp_path / "bad").iterdir())


def test_a_student_that_failed_its_test_is_used_only_by_name(
    result: TrainingResult, video: Path, tmp_path: Path
) -> None:
    models = result.run_dir.parent
    shelve(result, "student", passed=False, why="person recall 0.007 [0.001, 0.020]")
    call = ["detect", str(video), "--out", str(tmp_path), "--no-overlay", "--every", "3"]
    refused = CliRunner().invoke(app, [*call, "--models", str(models)])
    assert isinstance(refused.exception, WorkbenchError)
    said = str(refused.exception)
    assert said.startswith("the last student failed its test (person recall 0.007")
    assert f"--model {result.run_dir}" in said
    assert CliRunner().invoke(app, [*call, "--model", str(result.run_dir)]).exit_code == 0


@pytest.mark.parametrize(
    ("right", "invented", "passed"), [(12, 0, True), (12, 3, True), (12, 200, False), (1, 0, False)]
)
def test_a_student_passes_if_it_finds_people_and_little_else(
    right: int, invented: int, passed: bool
) -> None:
    images = [
        {"id": n, "file_name": f"{n}.jpg", "width": 64, "height": 64, "clip_id": f"c{n}",
         "session": f"s{n}"} for n in range(12)
    ]  # fmt: skip
    box = {"category_id": 1, "bbox": [5.0, 5.0, 20.0, 20.0]}
    there = [box | {"id": n + 1, "image_id": n, "area": 400, "iscrowd": 0} for n in range(12)]
    truth = {
        "images": images,
        "annotations": there,
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "ball"}],
    }
    found = [box | {"image_id": n, "score": 0.9} for n in range(right)]
    found += [
        {"image_id": n % 12, "category_id": 1, "score": 0.8, "bbox": [40.0, 40.0, 2.0 + n, 9.0]}
        for n in range(invented)
    ]
    teacher = [box | {"image_id": n, "score": 1.0} for n in range(12)]
    judged = judge_student(compare(truth, (teacher, 0.5), (found, 0.5), against=LABELS))
    assert judged.passed is passed, judged.why
    assert "person recall" in judged.why


def test_a_broken_checkpoint_is_named(result: TrainingResult, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in result.run_dir.iterdir():
        (broken / path.name).write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StudentError, match=r"best\.pth does not fit"):
        load_student(broken)


def test_onnx_says_what_torch_says(student: Student, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "student.onnx"
    student.eye.export(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert isinstance(student.eye, RfDetrEye)
    network = student.eye.model.model.model.eval()
    for count in (1, 3):  # the batch is free
        images = np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
        scaled = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        inputs = np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)
        boxes, logits, *_ = session.run(None, {session.get_inputs()[0].name: inputs})
        with torch.no_grad(), quiet():
            outputs = network(torch.from_numpy(inputs))
        # Queries come in the same order.
        assert np.abs(boxes - outputs["pred_boxes"].numpy()).max() < 1e-4
        scores = outputs["pred_logits"].sigmoid().numpy()
        assert np.abs(1 / (1 + np.exp(-logits)) - scores).max() < 1e-4


def test_a_tested_student_has_a_card(
    result: TrainingResult, student: Student, dataset_dir: Path
) -> None:
    found = predict_split(student, dataset_dir, "valid")
    thresholds = choose_thresholds(result.run_dir, student, load_split(dataset_dir, "valid"), found)
    assert load_student(result.run_dir).thresholds == thresholds
    truth = load_split(dataset_dir, "test")
    perfect = [row | {"score": 1.0} for row in truth["annotations"]]
    tested = predict_split(student, dataset_dir, "test")
    comparison = compare(truth, (perfect, 0.5), (tested, thresholds), against=LABELS)
    speed = measure_speed(student, [np.zeros((64, 64, 3), np.uint8)])
    dataset = load_dataset(dataset_dir).meta
    card = write_card(result, dataset, comparison, thresholds, speed)
    said = card.read_text()
    assert dataset["version"] in said
    assert "learned from a teacher's labels" in said
    numbers = json.loads((result.run_dir / "model_card.json").read_text())
    assert set(numbers["test"]["classes"]) == set(CLASSES)
