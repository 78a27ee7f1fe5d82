"""The teacher `coco` and the detectors behind it: layouts of ONNX files, names, real frames."""

import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from workbench.detect.ballchoice import Candidate
from workbench.detect.balljoin import choose_ball, join_finds, merged
from workbench.detect.ballnet.stored import BESIDE
from workbench.detect.ballnet.teacher import BallNetTeacher
from workbench.detect.detections import BALL, PERSON
from workbench.detect.detectors import check_detector, load_detector
from workbench.detect.teacher import Past, TeacherError
from workbench.detect.teachers.coco import CocoTeacher
from workbench.detect.teachers.registry import make_teacher
from workbench.errors import WorkbenchError
from workbench.footage.clips import Clip
from workbench.footage.writer import VideoWriter
from workbench.training.weights import WeightsError, fetch_pinned

SIDE = 64  # of the inputs of the networks made here
WH = (128, 64)
PERSON_AT, BALL_AT = (16.0, 8.0, 32.0, 40.0), (96.0, 40.0, 104.0, 48.0)  # xyxy in a frame of WH


def save_onnx(path: Path, **outputs: np.ndarray[Any, Any]) -> Path:
    """A network that answers the same whatever it is shown."""
    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    nodes, values = [], []
    for name, value in outputs.items():
        value = value.astype(np.float32)
        constant = numpy_helper.from_array(value)
        nodes.append(helper.make_node("Constant", [], [name], value=constant))
        values.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    graph = helper.make_graph(nodes, "constant", [picture], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def seen_in_input(box: tuple[float, ...], letterbox: bool) -> np.ndarray[Any, Any]:
    """Middle and sides in pixels of the input."""
    scale = np.array([SIDE / max(WH)] * 2 if letterbox else [SIDE / WH[0], SIDE / WH[1]])
    low, high = np.array(box[:2]) * scale, np.array(box[2:]) * scale
    return np.concatenate([(low + high) / 2, high - low])


def yolox(path: Path, decoded: bool = False) -> Path:
    """One person and one ball as YOLOX says it: offsets and log sides on the cells of stride 8."""
    out = np.zeros((1, 64 + 16 + 4, 85))
    if decoded:
        out[..., :2] = 30  # as boxes in pixels are
    for box, class_id, score in ((PERSON_AT, 0, 0.9), (BALL_AT, 32, 0.6)):
        x, y, width, height = seen_in_input(box, letterbox=True)
        cell = int(y // 8) * 8 + int(x // 8)
        said = (x, y, width, height) if decoded else (
            x / 8 - x // 8, y / 8 - y // 8, np.log(width / 8), np.log(height / 8)
        )  # fmt: skip
        out[0, cell, :5] = (*said, 1)
        out[0, cell, 5 + class_id] = score
    return save_onnx(path, output=out)


def queries(path: Path, boxes: str, logits: str, classes: int, ball: int) -> Path:
    """The same as the DETRs say it: middles and sides in shares of the picture, and logits."""
    places, said = np.zeros((1, 5, 4)), np.full((1, 5, classes), -9.0)
    shown = ((PERSON_AT, int(classes == 91), 0.9), (BALL_AT, ball, 0.6))
    for query, (box, class_id, score) in enumerate(shown):
        places[0, query] = seen_in_input(box, letterbox=False) / SIDE
        said[0, query, class_id] = np.log(score / (1 - score))
    return save_onnx(path, **{boxes: places, logits: said})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "shot.mp4"
    with VideoWriter(path, WH, Fraction(30)) as video:
        for _ in range(7):
            video.write(np.full((WH[1], WH[0], 3), 90, np.uint8))
    return path


@pytest.mark.parametrize(
    "make",
    [
        yolox,
        lambda path: yolox(path, decoded=True),
        lambda path: queries(path, "pred_boxes", "logits", 80, 32),  # RT-DETR
        lambda path: queries(path, "dets", "labels", 91, 37),  # RF-DETR
    ],
)
def test_each_layout_says_the_same(tmp_path: Path, clip: Path, make: Any) -> None:
    teacher = CocoTeacher(str(make(tmp_path / "net.onnx")), tiles=1, batch=3)
    frames = list(teacher.label(clip))
    assert len(frames) == 7
    for found in frames:
        assert [(one.class_name, one.score, one.track_id) for one in found] == [
            (PERSON, 0.9, 1), (BALL, 0.6, 2),
        ]  # fmt: skip
        for one, box in zip(found, (PERSON_AT, BALL_AT), strict=True):
            assert one.xyxy == pytest.approx(box, abs=0.05)
        assert {one.found_by for one in found} == {"coco"}


def test_ids_go_on_in_the_next_window(tmp_path: Path, clip: Path) -> None:
    teacher = CocoTeacher(str(yolox(tmp_path / "net.onnx")), tiles=1, window_frames=4)
    ids = [[one.track_id for one in found] for found in teacher.label(clip)]
    assert ids == [[1, 2]] * 7


def test_classes_and_words_are_data(tmp_path: Path, clip: Path) -> None:
    path = queries(tmp_path / "own.onnx", "dets", "labels", 4, 2)
    with pytest.raises(WeightsError, match="knows 4 classes, and 0 have names"):
        CocoTeacher(str(path))
    names = ["player", "referee", "football"]  # and the logit of nothing
    with pytest.raises(TeacherError, match="knows player, referee, football, none of"):
        CocoTeacher(str(path), class_names=names)
    words = {"person": ["player", "referee"], "ball": ["football"]}
    teacher = CocoTeacher(str(path), class_names=names, words=words, tiles=1)
    found = next(iter(teacher.label_window(clip, range(2), Past())))
    assert [one.class_name for one in found] == [PERSON, BALL]
    with pytest.raises(TeacherError, match="no class is called 'racket'"):
        CocoTeacher(str(path), words={"racket": ["tennis racket"]})


def test_what_is_no_detector_is_one_line(tmp_path: Path) -> None:
    unknown = save_onnx(tmp_path / "unknown.onnx", output0=np.zeros((1, 5, 300)))
    with pytest.raises(WeightsError, match=r"answers with output0 \[1, 5, 300\], which is no lay"):
        load_detector(str(unknown))
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="is no ONNX file that can be run"):
        load_detector(str(tmp_path / "broken.onnx"))
    (tmp_path / "broken.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="holds no RF-DETR"):
        load_detector(str(tmp_path / "broken.pth"))
    another = {"model": {"conv1.weight": torch.zeros(8, 3, 7, 7), "fc.weight": torch.zeros(10, 8)}}
    torch.save(another, tmp_path / "another.pth")
    with pytest.raises(WeightsError, match=r"another\.pth holds no RF-DETR"):
        check_detector(str(tmp_path / "another.pth"))  # before anything starts
    with pytest.raises(WeightsError, match="no weights at"):
        load_detector(str(tmp_path / "absent.onnx"))
    with pytest.raises(WeightsError, match="no detector 'yolo': give a file"):
        load_detector("yolo")
    with pytest.raises(WorkbenchError, match="tiles is 0: give 1 or more"):
        CocoTeacher(str(unknown), tiles=0)


def test_torchvision_detectors_by_name(tmp_path: Path, clip: Path) -> None:
    from torchvision.models import get_model

    name = "ssdlite320_mobilenet_v3_large"
    torch.manual_seed(0)
    model = get_model(name, weights=None, weights_backbone=None, num_classes=91)
    torch.save(model.state_dict(), tmp_path / "own.pth")
    teacher = make_teacher(
        "coco", detector=name, weights=str(tmp_path / "own.pth"), tiles=1, min_score=0.0
    )
    list(teacher.label_window(clip, range(1), Past()))  # random weights find nothing that is right
    torch.save({"some": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="does not hold the weights of ssdlite320"):
        load_detector(name, weights=str(tmp_path / "other.pth"))


def row(clip: Path, camera: str) -> Clip:
    rate = Fraction(30)
    return Clip("shot", clip.name, clip.name, "s", 0, 7, 0, 7, 1 / rate, rate, *WH, camera=camera)


def test_auto_takes_every_finder_where_the_picture_is_steady(tmp_path: Path, clip: Path) -> None:
    path = yolox(tmp_path / "net.onnx")
    teacher = make_teacher("auto", detector=str(path), coco={"tiles": 1})
    fixed, moving = (teacher.for_clip(row(clip, camera)) for camera in ("fixed", "unsteady"))
    assert (fixed.name, moving.name) == ("coco with ballnet with motion", "coco")
    assert (fixed.needs_fixed_camera, moving.needs_fixed_camera) == (True, False)
    assert all(teacher.can_label(row(clip, camera)) for camera in ("fixed", "unsteady"))
    assert "the detector net; in the 1 of 2 clips" in teacher.about(
        [row(clip, "fixed"), row(clip, "unsteady")]
    )
    beside = fixed.settings["ballnet"]["weights"]
    assert beside == BallNetTeacher(weights=str(BESIDE)).settings["weights"]
    assert beside != BallNetTeacher().settings["weights"]
    for own in (fixed, moving):
        frames = list(own.label(clip))
        assert [[one.class_name for one in found] for found in frames] == [[PERSON, BALL]] * 7
        assert {found[1].found_by for found in frames} == {"auto"}
        assert len({found[0].track_id for found in frames}) == 1


def test_auto_does_without_a_detector_that_nobody_named(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("RF_HOME", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DETECTOR", raising=False)
    teacher = make_teacher("auto")
    said = teacher.about([row(clip, "fixed"), row(clip, "unsteady")])
    assert said.startswith("No detector (rf-detr-nano.pth is not on this machine")
    assert said.endswith("labelled 1 of 2 clips, those with a steady picture.")
    assert not teacher.can_label(row(clip, "unsteady"))
    alone = teacher.for_clip(row(clip, "fixed"))
    assert alone.name == "ballnet with motion"
    assert alone.settings["weights"] == BallNetTeacher().settings["weights"]
    monkeypatch.setenv("WORKBENCH_DETECTOR", str(tmp_path / "gone.onnx"))
    with pytest.raises(WeightsError, match="no weights at"):
        make_teacher("auto")


def test_what_several_finders_see_is_one_thing_and_surer() -> None:
    seen = [
        Candidate((10, 10, 8, 8), 0.5),
        Candidate((11, 10, 6, 6), 0.6),
        Candidate((40, 10, 8, 8), 0.3),
    ]
    one, other = merged(seen)
    assert list(one.xywh) == [11, 10, 6, 6]
    assert one.score == pytest.approx(0.8)
    assert other == seen[2]


def test_the_network_is_believed_more_where_it_is_alone() -> None:
    found = {"ballnet": [[Candidate((10.0, 10.0, 8.0, 8.0), 0.5)]]}
    (beside,), (alone,) = join_finds(found)[0], join_finds(found, alone=True)[0]
    assert beside.score == pytest.approx(1 / (1 + np.exp(2.0)))
    assert alone.score == pytest.approx(1 / (1 + np.exp(1.0)))


def test_the_network_is_not_believed_where_something_stands_still() -> None:
    def at(x: float, score: float, y: float = 50.0) -> Candidate:
        return Candidate((x, y, 8.0, 8.0), score)

    spot = [[at(300, 0.99)] for _ in range(60)]
    flies = [[*spot[t], at(20 + 5 * t, 0.9, 90)] for t in range(60)]
    assert not [one for one in choose_ball({"ballnet": spot}, 640) if one]
    assert [round(one.xywh[0]) for one in choose_ball({"ballnet": flies}, 640) if one] == [
        20 + 5 * t for t in range(60)
    ]
    # The detector may see a ball that waits, and a streak is none.
    waits = [[at(300, 0.9)] if t < 50 else [at(300 + 9 * (t - 50), 0.9)] for t in range(60)]
    assert all(choose_ball({"coco": waits, "ballnet": spot}, 640))
    streak = [[Candidate((0, 0, 8, 30), 0.9)]]
    assert not [one for one in choose_ball({"coco": streak}, 640) if one]


def test_people_and_ball_of_a_real_penalty(shared: Path) -> None:
    weights = shared / "models" / "yolox_nano_coco.onnx"
    if not weights.is_file():
        pytest.skip(f"no detector: {weights} is absent")
    teacher = make_teacher("coco", detector=str(weights))
    assert not teacher.needs_fixed_camera
    video = shared / "footage" / "shots" / "broadcast_penalty_mata_saved.mp4"
    (found,) = teacher.label_window(video, range(20, 21), Past())
    (ball,) = (one for one in found if one.class_name == BALL and (one.score or 0) >= 0.5)
    assert ball.centre == pytest.approx((604, 535), abs=6)  # the spot, read by eye
    people = [one for one in found if one.class_name == PERSON]
    for centre in ((736, 432), (596, 258)):  # shooter and keeper
        near = [one for one in people if np.abs(np.subtract(one.centre, centre)).max() < 25]
        assert max(one.score or 0 for one in near) > 0.5


class _Served(BaseHTTPRequestHandler):
    """A file that the first answers break off in the middle."""

    content, breaks, ranges = b"", 0, True

    def do_GET(self) -> None:
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if self.ranges else 0
        rest = self.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if type(self).breaks:
            type(self).breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/net.pth"
    server.shutdown()


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_goes_on(
    tmp_path: Path, served: str, ranges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    content = bytes(range(256)) * 2_000
    monkeypatch.setattr(_Served, "content", content)
    monkeypatch.setattr(_Served, "breaks", 1)
    monkeypatch.setattr(_Served, "ranges", ranges)
    path, digest = tmp_path / "net.pth", f"md5:{hashlib.md5(content).hexdigest()}"
    with pytest.raises(WeightsError, match=r"net\.pth cannot be downloaded"):
        fetch_pinned(served, digest, path)
    assert not path.exists()
    assert 0 < (tmp_path / "net.pth.part").stat().st_size < len(content)
    fetch_pinned(served, digest, path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["net.pth"]


def test_a_wrong_file_leaves_nothing_behind(
    tmp_path: Path, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Served, "content", b"another file")
    with pytest.raises(WeightsError, match=r"has the MD5 [0-9a-f]{12}…, not 0123"):
        fetch_pinned(served, "md5:0123", tmp_path / "net.pth")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE is set"):
        fetch_pinned(served, "md5:0123", tmp_path / "net.pth")
