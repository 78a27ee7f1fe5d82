"""The ball finder on streams of frames, what stays is no ball, and the teacher `ballnet`."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from workbench.detect.ballchoice import Candidate, Link, choose, presence, without_statics
from workbench.detect.ballnet import finder as finder_module
from workbench.detect.ballnet.finder import BallFinder, answers, fused
from workbench.detect.ballnet.network import BallNet
from workbench.detect.ballnet.stored import save_weights
from workbench.detect.ballnet.teacher import BallNetTeacher, disc
from workbench.detect.detections import BALL, PERSON, Detection, FrameDetections, encode_mask
from workbench.detect.teacher import Past, Teacher
from workbench.detect.teachers.registry import make_teacher
from workbench.footage.writer import VideoWriter
from workbench.training.weights import WeightsError

WH, FRAMES = (192, 112), 12


def ball_at(frame: int) -> tuple[int, int]:
    return 30 + 8 * frame, 60


def picture(frame: int) -> np.ndarray:
    image = np.full((WH[1], WH[0], 3), (70, 120, 60), np.uint8)
    cv2.circle(image, ball_at(frame), 5, (250, 250, 250), -1)
    return image


class SeesWhite(torch.nn.Module):
    """A stand-in for the network: white is a ball of ten pixels."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        white = torch.nn.functional.avg_pool2d(x[:, :1], 10, 2, 4)[..., :, :]
        heat = torch.nn.functional.interpolate(white, size=(x.shape[2] // 2, x.shape[3] // 2))
        out = torch.zeros(len(x), 5, *heat.shape[2:])
        out[:, 0] = 8 * heat[:, 0] - 4
        out[:, 3:] = float(np.log(10))
        return out


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_weights(tmp_path / "ball.npz", BallNet(), {})
    return tmp_path / "ball.npz"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "shot.mp4"
    with VideoWriter(path, WH, Fraction(30), crf=12) as writer:
        for frame in range(FRAMES):
            writer.write(picture(frame))
    return path


def at(x: float, score: float = 0.6, y: float = 50.0, size: float = 8.0) -> Candidate:
    return Candidate((x - size / 2, y - size / 2, size, size), score, 0.0)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 9])
def test_every_frame_of_a_stream_gets_its_answer(weights: Path, count: int) -> None:
    finder = BallFinder(weights, device="cpu")
    assert len(list(finder.look(picture(frame) for frame in range(count)))) == count


def test_frames_are_compared_with_their_own_neighbours() -> None:
    frames = [np.full((16, 16, 3), 10 * at, np.uint8) for at in range(6)]
    stacked = [image for _, image in finder_module._stacked(frames, 16)]
    seen = [image[0, 0].tolist()[2:] for image in stacked]
    assert seen[0] == [0, 0, 0, 10, 20]
    assert seen[3] == [30, 10, 20, 40, 50]
    assert seen[5] == [50, 30, 40, 50, 50]


def test_boxes_are_in_pixels_of_the_frames_given(weights: Path) -> None:
    finder = BallFinder(weights, device="cpu", short_side=WH[1])
    finder.network = SeesWhite()
    large = (cv2.resize(picture(frame), (2 * WH[0], 2 * WH[1])) for frame in range(FRAMES))
    for frame, found in enumerate(finder.look(large)):
        x, y = found[0].middle
        assert abs(x / 2 - ball_at(frame)[0] - 0.5) < 2
        assert abs(y / 2 - 60.5) < 2


def test_a_folded_network_says_the_same() -> None:
    torch.manual_seed(1)
    network = BallNet().train()
    for _ in range(3):
        network(torch.randn(2, 7, 32, 32))
    network.eval()
    seen = torch.randn(1, 7, 32, 48)
    with torch.inference_mode():
        before = network(seen)
        assert torch.allclose(before, fused(network)(seen), atol=1e-4)


def test_pictures_of_odd_size_are_padded_and_boxes_stay_inside() -> None:
    stacked = np.random.default_rng(0).integers(0, 255, (37, 53, 7)).astype(np.uint8)
    (rows,) = answers(BallNet().eval(), [stacked], torch.device("cpu"))
    assert (rows[:, 1:] >= 0).all()
    assert (rows[:, 3] <= 53).all()
    assert (rows[:, 4] <= 37).all()


def test_what_stays_for_the_whole_window_does_not_play() -> None:
    frames = [[at(200.0), at(30.0 + 5 * max(0, frame - 80))] for frame in range(90)]
    assert presence(frames)[0].all()
    left = without_statics(frames)
    assert [len(found) for found in left] == [1] * 90  # the other waits 81 frames, then leaves
    assert left[0][0].middle[0] == 30
    short = frames[:40]
    assert without_statics(short) == short
    assert without_statics([[] for _ in range(60)]) == [[] for _ in range(60)]


def test_the_chain_wins_over_a_surer_speck() -> None:
    frames = [[at(40.0 + 6 * frame, 0.5)] for frame in range(20)]
    frames[10].append(at(300.0, 0.6))
    frames[15] = []
    chosen = choose(frames, 640, Link(0.0, 1.0, 2.0))
    assert chosen[10] is not None
    assert chosen[10].middle[0] == pytest.approx(100)
    assert chosen[10].score > 0.8
    assert chosen[15] is None


def test_a_disc_fills_its_box() -> None:
    mask = disc((10.2, 4.9, 6.0, 3.1), (20, 30))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert (columns[0], columns[-1] + 1, rows[0], rows[-1] + 1) == (10, 16, 5, 8)
    assert not disc((-50.0, 0.0, 4.0, 4.0), (20, 30)).any()


class Others(Teacher):
    """Says that somebody stands there and that the ball is at a fixed place."""

    name, window_frames, needs_fixed_camera = "others", 7, True

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        assert all(one.found_by != "ballnet" for found in past.frames for one in found)
        mask = encode_mask(disc((2.0, 2.0, 8.0, 8.0), WH[::-1]))
        seen = [
            Detection.of_mask(name, mask, score=0.5, found_by="others") for name in (PERSON, BALL)
        ]
        for _ in window:
            yield tuple(seen)


def test_the_teacher_labels_balls_window_by_window(weights: Path, clip: Path) -> None:
    teacher = BallNetTeacher(weights, window_frames=5, device="cpu")
    teacher._finder.network = SeesWhite()
    labels = list(teacher.label(clip))
    assert len(labels) == FRAMES
    for frame, found in enumerate(labels):
        (ball,) = found
        assert ball.class_name == BALL
        assert ball.found_by == "ballnet"
        assert abs(ball.xywh[0] + ball.xywh[2] / 2 - ball_at(frame)[0] - 0.5) < 2.5
    places = [ball.xywh for (ball,) in labels]
    teacher.window_frames = FRAMES  # one window sees the same: edges look at frames beside them
    assert places == [ball.xywh for (ball,) in teacher.label(clip)]


def test_beside_another_teacher_its_people_stay_and_its_ball_where_the_net_is_silent(
    weights: Path, clip: Path
) -> None:
    teacher = BallNetTeacher(weights, beside=Others(), device="cpu")
    teacher._finder.network = SeesWhite()
    assert teacher.needs_fixed_camera
    assert teacher.name == "ballnet with others"
    labels = list(teacher.label(clip))
    assert [[one.found_by for one in found] for found in labels] == [["others", "ballnet"]] * FRAMES
    silent = BallNetTeacher(weights, beside=Others(), device="cpu", min_score=1.0)
    silent._finder.network = SeesWhite()
    assert all(
        [one.class_name for one in found] == [PERSON, BALL] and found[1].found_by == "others"
        for found in silent.label(clip)
    )


def test_all_that_either_takes_for_the_ball_is_kept_for_whoever_looks_for_the_kicked_one(
    weights: Path, clip: Path
) -> None:
    teacher = BallNetTeacher(weights, beside=Others(), device="cpu")
    teacher._finder.network = SeesWhite()
    for frame, seen in enumerate(teacher.look_window(clip, range(FRAMES), Past())):
        (chosen,) = [one for one in seen.found if one.class_name == BALL]
        middles = [one.centre for one in seen.candidates]
        assert any(np.hypot(x - 6, y - 6) < 1 for x, y in middles), frame  # the other teacher's
        assert any(np.hypot(*np.subtract(chosen.centre, middle)) < 2.5 for middle in middles), frame


def test_the_register_knows_it(weights: Path) -> None:
    assert make_teacher("ballnet", weights=str(weights)).name == "ballnet"
    both = make_teacher("ballnet", weights=str(weights), beside="motion")
    assert both.name == "ballnet with motion"
    assert make_teacher("motion+ballnet", ballnet={"weights": str(weights)}).needs_fixed_camera
    with pytest.raises(WeightsError, match="no weights at"):
        make_teacher("ballnet", weights="gone.npz")
