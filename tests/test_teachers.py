"""The teachers with networks, loaded and run like the real ones on tiny random weights."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st

from workbench.detect.detections import BALL, CLASSES, GOAL, PERSON, FrameDetections
from workbench.detect.teacher import Teacher, TeacherError
from workbench.detect.teachers.looking import DEFAULT_PHRASES, checked_phrases, class_of
from workbench.detect.teachers.registry import make_teacher
from workbench.detect.teachers.vlm import read_boxes
from workbench.errors import WorkbenchError
from workbench.footage.writer import VideoWriter
from workbench.training.chat import ChatError
from workbench.training.weights import WeightsError

SIZE_WH, FRAMES = (160, 96), 8


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "shot.mp4"
    with VideoWriter(path, SIZE_WH, Fraction(30)) as video:
        for frame in range(FRAMES):
            image = np.full((96, 160, 3), (60, 120, 60), np.uint8)
            image[30:70, 20 + 2 * frame : 40 + 2 * frame] = 200, 40, 40
            image[20 + frame : 26 + frame, 100 - 3 * frame : 106 - 3 * frame] = 250
            video.write(image)
    return path


@pytest.fixture(scope="module")
def sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_sam2(tmp_path_factory.mktemp("sam2"))


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A person from the first frame on, a ball marked by a point in the middle of the clip."""
    path = tmp_path / "prompts.json"
    frames = {
        "0": [{"class": "person", "box": [20, 30, 40, 70]}],
        "5": [{"class": "ball", "points": [[88, 28, 1], [60, 60, 0]]}],
    }
    path.write_text(json.dumps({"format": "workbench-prompts/1", "clips": {"shot": frames}}))
    return path


def labelled(teacher: Teacher, clip: Path) -> list[FrameDetections]:
    """What a teacher sees, checked to be well formed and whole."""
    frames = list(teacher.label(clip))
    assert len(frames) == FRAMES
    for found in frames:
        for one in found:
            mask = one.pixels()
            assert mask is not None
            assert mask.shape == (SIZE_WH[1], SIZE_WH[0])
            assert mask.dtype == bool
            left, top, right, bottom = one.xyxy
            rows, columns = mask.nonzero()
            assert (left, right) == (columns.min(), columns.max() + 1)
            assert (top, bottom) == (rows.min(), rows.max() + 1)
            assert one.score is None or 0 <= one.score <= 1
            assert one.class_name in CLASSES
            assert one.found_by == teacher.name
            assert one.prompt
        assert len({one.track_id for one in found} - {None}) == len(found)
    return frames


def ids_of(frames: list[FrameDetections], name: str) -> set[int | None]:
    return {one.track_id for found in frames for one in found if one.class_name == name}


def classes_in(frames: list[FrameDetections]) -> set[str]:
    return {one.class_name for found in frames for one in found}


def prompts_in(frames: list[FrameDetections]) -> set[str | None]:
    return {one.prompt for found in frames for one in found}


# ------------------------------------------------------------------------------------ following


def test_sam2_follows_a_humans_boxes_and_points_both_ways(
    clip: Path, sam2: Path, prompts: Path
) -> None:
    teacher = make_teacher(
        "sam2", weights=sam2, prompter=str(prompts), device="cpu", window_frames=8
    )
    frames = labelled(teacher, clip)
    assert (ids_of(frames, PERSON), ids_of(frames, BALL)) == ({1}, {2})
    # Marked in frame 5, followed to before it as well.
    assert BALL in classes_in(frames[:5])
    assert prompts_in(frames) == {"human"}


def test_sam2_keeps_ids_across_windows_and_runs_in_bf16(
    clip: Path, sam2: Path, prompts: Path
) -> None:
    teacher = make_teacher(
        "sam2", weights=sam2, prompter=str(prompts), device="cpu", amp="bf16", window_frames=3
    )
    assert ids_of(labelled(teacher, clip), PERSON) == {1}


def test_the_package_sam2_reads_metas_files(clip: Path, prompts: Path, tmp_path: Path) -> None:
    import torch
    from sam2.build_sam import build_sam2_video_predictor

    config, small = "configs/sam2.1/sam2.1_hiera_t.yaml", ["++model.image_size=128"]
    torch.manual_seed(0)
    model = build_sam2_video_predictor(config, None, "cpu", hydra_overrides_extra=small)
    torch.nn.init.constant_(model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias, 5)
    file = tmp_path / "sam2.1_hiera_tiny.pt"
    torch.save({"model": model.state_dict()}, file)
    options = {"weights": file, "overrides": small, "device": "cpu", "prompter": str(prompts)}
    frames = labelled(make_teacher("sam2", window_frames=5, **options), clip)
    assert any(len(found) for found in frames)
    wrong = make_teacher("sam2", config="configs/sam2.1/sam2.1_hiera_l.yaml", **options)
    with pytest.raises(TeacherError, match="does not fit"):
        list(wrong.label(clip))


def test_sam2_follows_what_grounding_finds(
    clip: Path, sam2: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    words = tiny_models.save_grounding(tmp_path_factory.mktemp("grounding"))
    teacher = make_teacher(
        "sam2", weights=sam2, device="cpu", prompter="grounding", every=4, min_score=0.5,
        prompter_options={"weights": words, "device": "cpu"}, max_objects=2, window_frames=8,
    )  # fmt: skip
    frames = labelled(teacher, clip)
    assert prompts_in(frames) <= {
        "grounding: person", "grounding: ball", "grounding: goal post"
    }  # fmt: skip
    assert max(one.track_id or 0 for found in frames for one in found) <= 2


# -------------------------------------------------------------------------------- asked by words


def test_sam3_answers_words_with_masks(
    clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weights = tiny_models.save_sam3(tmp_path_factory.mktemp("sam3"))
    teacher = make_teacher(
        "sam3", weights=weights, phrases={"ball": ["ball"]}, window_frames=5, device="cpu"
    )
    frames = labelled(teacher, clip)
    assert any(len(found) for found in frames)
    assert classes_in(frames) == {BALL}


def test_grounding_answers_words_with_boxes(
    clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weights = tiny_models.save_grounding(tmp_path_factory.mktemp("grounding"))
    frames = labelled(make_teacher("grounding", weights=weights, device="cpu"), clip)
    assert classes_in(frames) == {PERSON, BALL, GOAL}
    strict = make_teacher("grounding", weights=weights, min_score=1.0, device="cpu")
    assert sum(len(found) for found in labelled(strict, clip)) == 0


def test_vlm_checkpoint_answers_a_box_without_a_score(
    clip: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    weights = tiny_models.save_chat(tmp_path_factory.mktemp("chat"))
    teacher = make_teacher("vlm", weights=weights, max_tokens=2, device="cpu")
    for (found,) in labelled(teacher, clip):
        assert found.xyxy == (16, 19, 48, 38)  # thousandths of 160 × 96, in pixels
        assert (found.score, found.class_name, found.track_id) == (None, BALL, 1)


class _Chat(BaseHTTPRequestHandler):
    """Answers chat completions: where the red of the picture is."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if body["model"] != "finder" or self.headers["authorization"] != "Bearer secret":
            self.send_error(404)
            return
        picture, question = body["messages"][0]["content"]
        assert "ball" in question["text"]
        url = picture["image_url"]["url"]
        jpeg = np.frombuffer(base64.b64decode(url.partition(",")[2]), np.uint8)
        image = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        rows, columns = ((image[..., 2] > 140) & (image[..., 1] < 90)).nonzero()
        box = [columns.min() / 0.16, rows.min() / 0.096, columns.max() / 0.16, rows.max() / 0.096]
        answer = "Here:\n```json\n" + json.dumps([{"label": "ball", "bbox_2d": box}]) + "\n```"
        reply = json.dumps({"choices": [{"message": {"content": answer}}]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_address[1]}/v1"
        http.shutdown()


def test_vlm_server_is_asked_with_the_picture(
    clip: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    for place, (found,) in enumerate(
        labelled(make_teacher("vlm", base_url=server, model="finder"), clip)
    ):
        assert found.xyxy == pytest.approx((20 + 2 * place, 30, 40 + 2 * place, 70), abs=3)
    with pytest.raises(ChatError, match=r"404.*check the model name 'other'"):
        list(make_teacher("vlm", base_url=server, model="other").label(clip))


def test_vlm_server_that_is_away_is_named(clip: Path) -> None:
    teacher = make_teacher("vlm", base_url="http://127.0.0.1:9/v1", model="m")
    with pytest.raises(ChatError, match=r"127\.0\.0\.1:9.*start the server"):
        next(iter(teacher.label(clip)))


# ------------------------------------------------------------------------------- what is missing


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("sam2", {"weights": "./nowhere"}, "no weights at nowhere"),
        ("sam2", {"weights": "sam2.1_hiera_large.pt"}, "no weights at sam2"),
        ("sam2", {"prompter": "none.json"}, r"none\.json does not exist"),
        ("sam3", {"phrases": {"referee": ["referee"]}}, "no class is called 'referee'"),
        ("grounding", {"phrases": {"ball": ["it"], "goal": ["it"]}}, "cannot be told apart"),
        ("vlm", {}, "give `base_url` and `model`"),
        ("vlm", {"base_url": "file:///etc", "model": "m"}, "give one like http"),
        ("vlm", {"base_url": "http://x", "model": "m", "style": "prose"}, "choose from locate"),
        ("motion", {"bananas": 1}, "no option 'bananas'"),
        ("motion+vlm", {"sam2": {}}, "no member 'sam2'"),
    ],
)
def test_what_is_missing_is_said_in_one_line(name: str, options: dict, message: str) -> None:
    with pytest.raises(WorkbenchError, match=message) as caught:
        make_teacher(name, **options)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_here_fail_at_once_where_the_hub_is_off(tmp_path: Path) -> None:
    # Its own process: the hub's switch is read once, at import.
    program = "from workbench.detect.teachers.registry import make_teacher; make_teacher('sam3')"
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=offline, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "facebook/sam3" in last
    assert "hf download facebook/sam3" in last


def test_another_models_weights_are_named(clip: Path, sam2: Path) -> None:
    teacher = make_teacher("grounding", weights=sam2, device="cpu")
    with pytest.raises(WeightsError, match="holds no Grounding"):
        next(iter(teacher.label(clip)))


# ---------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("answer", "boxes"),
    [
        ("<ref>ball</ref><box><0><0><500><1000></box>", [("ball", (0, 0, 100, 100))]),
        (
            "<ref>a</ref><box><0><0><10><10></box><box><20><20><30><30></box>"
            "<ref>b</ref><box>none</box>",
            [("a", (0, 0, 2, 1)), ("a", (4, 2, 6, 3))],
        ),
        ("<ref>ball</ref><box><5><5></box>", []),  # a point
        ('{"boxes": [{"box_2d": [0, 500, 1000, 750], "label": "g"}]}', [("g", (100, 0, 150, 100))]),
        (
            'I see [1] ball: [{"bbox": [900, 0, 2000, 500], "name": "x"}]',
            [("x", (180, 0, 200, 50))],
        ),
        ('[{"bbox": ["a", 0, 1, 1]}, {"bbox": [1, 2]}, {"bbox": null}]', []),
        ("[", []),
        ("", []),
    ],
)
def test_answers_become_boxes(answer: str, boxes: list) -> None:
    found = read_boxes(answer, (200, 100))
    assert [(box.words, box.xyxy) for box in found] == boxes


@given(
    st.one_of(
        st.text(alphabet='<>[]{}",:0123456789refbox/ \n', max_size=80),
        st.recursive(
            st.one_of(st.none(), st.floats(), st.text(max_size=4), st.integers()),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(st.sampled_from(["bbox", "box_2d", "label", "score"]), inner)
            ),
            max_leaves=12,
        ).map(json.dumps),
    )
)
def test_no_answer_raises_and_every_box_is_inside(answer: str) -> None:
    for box in read_boxes(answer, (200, 100)):
        left, top, right, bottom = box.xyxy
        assert 0 <= left < right <= 200
        assert 0 <= top < bottom <= 100
        assert box.score is None or 0 <= box.score <= 1


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Ball", BALL), ("soccer balls", BALL), ("goal post.", GOAL), ("the goal posts", GOAL),
        ("person with ball", None), ("tree", None), ("football", None), ("", None),
    ],
)  # fmt: skip
def test_a_models_words_are_read_as_a_class(said: str, meant: int | None) -> None:
    assert class_of(said, checked_phrases(DEFAULT_PHRASES)) == meant
