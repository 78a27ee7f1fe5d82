"""Rescue: who is asked about what, which finds are believed, and what the report counts."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect.ballpath import Spot
from workbench.detect.dataset.coco import accept_labels
from workbench.detect.dataset.quality import found_by, frames_without_ball
from workbench.detect.detections import BALL, GOAL, Detection, FrameDetections, encode_box
from workbench.detect.figures import draw_found_by
from workbench.detect.store import ClipDetections
from workbench.detect.teacher import Past, Teacher, TeacherError
from workbench.detect.teachers.looking import LookingTeacher
from workbench.detect.teachers.plausible import plausible_spots
from workbench.detect.teachers.rescue import RescueTeacher
from workbench.footage.writer import VideoWriter

FRAMES, HW = 24, (90, 160)


def ball_at(frame: int) -> tuple[float, float, float, float]:
    return 10 + 5 * frame, 40 - frame, 14 + 5 * frame, 44 - frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey clip whose pictures carry their number as brightness."""
    path = tmp_path_factory.mktemp("clip") / "shot.mp4"
    with VideoWriter(path, HW[::-1], Fraction(30)) as video:
        for frame in range(FRAMES):
            video.write(np.full((*HW, 3), 20 + 8 * frame, np.uint8))
    return path


class Script(Teacher):
    """A teacher that finds what it is told, frame by frame."""

    def __init__(
        self,
        name: str,
        frame_to_boxes: dict[int, list],
        class_name: str = BALL,
        window_frames: int = FRAMES,
    ) -> None:
        self.name, self._boxes, self._class_name = name, frame_to_boxes, class_name
        self.window_frames = window_frames

    def found(self, frame: int) -> list[Detection]:
        return [
            Detection.of_mask(
                self._class_name, encode_box(box, HW), score=score, found_by=self.name
            )
            for box, score in self._boxes.get(frame, [])
        ]

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        for frame in window:
            yield tuple(self.found(frame))


class Eye(LookingTeacher):
    """Knows the frame by its brightness and remembers which it was shown."""

    def __init__(self, name: str, frame_to_boxes: dict[int, list]) -> None:
        super().__init__({})
        self.name, self._script = name, Script(name, frame_to_boxes)
        self.shown: list[int] = []

    def look(self, image: np.ndarray) -> list[Detection]:
        self.shown.append(round((float(image.mean()) - 20) / 8))
        return self._script.found(self.shown[-1])


def run(teacher: Teacher, clip: Path) -> ClipDetections:
    return ClipDetections("shot", "s", teacher.name, HW[1], HW[0], tuple(teacher.label(clip)))


def finders(labels: ClipDetections) -> list[str | None]:
    """Who found the ball in each frame."""
    balls = [labels.of_class(frame, "ball") for frame in range(FRAMES)]
    return [own[0].found_by if own else None for own in balls]


def test_only_missed_frames_are_looked_at_and_only_moving_balls_are_believed(clip: Path) -> None:
    primary = Script("first", {f: [(ball_at(f), 0.9)] for f in range(8)})
    finds = {f: [(ball_at(f), None)] for f in range(8, 16)}
    finds[10] = [((100, 80, 104, 84), None), *finds[10]]  # another beside the real one
    finds[21] = [((5, 5, 9, 9), None)]  # alone, far away
    eye = Eye("second", finds)
    teacher = RescueTeacher(primary, [eye])
    labels = run(teacher, clip)
    assert eye.shown == list(range(8, FRAMES))
    assert finders(labels) == ["first"] * 8 + ["second"] * 8 + [None] * 8
    assert labels.frames[10][0].xywh == (60, 30, 4, 4)
    assert labels.frames[9][0].score is None


def test_each_rescuer_is_asked_only_about_what_is_still_missing(clip: Path) -> None:
    primary = Script("first", {f: [(ball_at(f), 0.9 if f != 2 else 0.1)] for f in range(6)})
    second = Eye("second", {f: [(ball_at(f), 0.8)] for f in (*range(2, 12), 20)})
    third = Script("third", {f: [(ball_at(f), 0.7)] for f in range(FRAMES)})
    labels = run(RescueTeacher(primary, [second, third]), clip)
    assert second.shown == [2, *range(6, FRAMES)]  # an unsure ball does not count as found
    table = found_by(accept_labels([labels], 0.3))
    assert table.loc["ball"].to_dict() == {
        "first": 5, "second": 7, "third": 12, "nobody": 0, "frames": FRAMES
    }  # fmt: skip
    assert table.loc["goal", "nobody"] == FRAMES
    figure = draw_found_by(table).figure
    assert len(figure.axes[0].patches) == 3 * 4
    plt.close(figure)


def test_other_classes_are_rescued_by_their_score(clip: Path) -> None:
    primary = Script("first", {f: [(ball_at(f), 0.9)] for f in range(FRAMES)})
    box = (20, 20, 80, 60)
    goal = Script("second", {3: [(box, 0.8)], 4: [(box, 0.1)]}, class_name=GOAL)
    labels = run(RescueTeacher(primary, [goal], classes=("goal",)), clip)
    found = [bool(labels.of_class(frame, "goal")) for frame in range(FRAMES)]
    assert [frame for frame, there in enumerate(found) if there] == [3]


def test_a_clip_that_nobody_can_rescue_is_listed(clip: Path) -> None:
    still = Script("second", {f: [((50, 50, 54, 54), 0.9)] for f in range(FRAMES)})
    labels = run(RescueTeacher(Script("first", {}), [still]), clip)
    assert frames_without_ball([labels])["clips_without"] == ["shot"]  # a mark on the pitch


def test_windows_pass_on_the_balls_before_them(clip: Path) -> None:
    balls = {f: [(ball_at(f), 0.9)] for f in range(10)}
    primary = Script("first", balls, window_frames=10)
    # Two finds alone would prove nothing; the balls of the window before carry them.
    second = Script("second", {f: [(ball_at(f), 0.9)] for f in (10, 11)})
    labels = run(RescueTeacher(primary, [second]), clip)
    assert finders(labels)[9:13] == ["first", "second", "second", None]


@pytest.mark.parametrize(("rescuers", "classes"), [([], ("ball",)), (["x"], ("referee",))])
def test_a_rescue_that_makes_no_sense_is_refused(rescuers: list, classes: tuple) -> None:
    with pytest.raises(TeacherError, match="a rescue of"):
        RescueTeacher(Script("a", {}), [Script(n, {}) for n in rescuers], classes=classes)


# ------------------------------------------------------------------------------------- plausible


def flight(frame: int) -> Spot:
    return Spot(8.0 * frame, 200 - 9.0 * frame + 0.4 * frame**2, 5, 0.5)


@given(
    kept=st.lists(st.integers(1, 2), min_size=6, max_size=14).map(lambda gaps: {*accumulate(gaps)}),
    stray=st.dictionaries(
        st.integers(0, 29), st.tuples(st.floats(300, 600), st.floats(220, 350)), max_size=2
    ),
)
@settings(max_examples=40)
def test_a_flight_is_kept_whole_and_strays_are_dropped(kept: set, stray: dict) -> None:
    finds = {frame: [flight(frame)] for frame in kept}
    for frame, (x, y) in stray.items():
        finds[frame] = [Spot(x, y, 5, 0.99), *finds.get(frame, [])]
    chosen = plausible_spots(finds, {}, reach_px=77, bend_px=6)
    assert {frame: finds[frame][place] for frame, place in chosen.items()} == {
        frame: flight(frame) for frame in kept
    }


@given(
    accepted=st.dictionaries(st.integers(0, 20), st.tuples(st.floats(0, 640), st.floats(0, 360))),
    finds=st.dictionaries(
        st.integers(0, 20), st.lists(st.tuples(st.floats(0, 640), st.floats(0, 360)), max_size=2)
    ),
)
@settings(max_examples=40)
def test_what_is_chosen_can_be_reached_from_its_neighbours(accepted: dict, finds: dict) -> None:
    known = {frame: Spot(x, y, 5, 1) for frame, (x, y) in accepted.items()}
    spots = {frame: [Spot(x, y, 5, 0.5) for x, y in own] for frame, own in finds.items()}
    chosen = plausible_spots(spots, known, reach_px=40, bend_px=6)
    assert not chosen.keys() & known.keys()
    for frame, place in chosen.items():
        spot = spots[frame][place]
        for other, ball in known.items():
            neighbours = [k for k in known if min(frame, other) < k < max(frame, other)]
            if not neighbours:
                gap = abs(frame - other)
                assert np.hypot(spot.x - ball.x, spot.y - ball.y) <= 40 * gap + 1e-6


def test_both_sides_of_a_kick_are_kept() -> None:
    rolling = {f: Spot(100.0 + f, 300, 5, 0.5) for f in range(8)}
    flying = {f: Spot(107.0 + 30 * (f - 7), 300 - 12 * (f - 7), 5, 0.5) for f in range(8, 14)}
    path = rolling | flying
    chosen = plausible_spots({f: [spot] for f, spot in path.items()}, {}, 77, 6)
    assert chosen == dict.fromkeys(path, 0)


def test_a_mark_on_the_pitch_between_sightings_of_the_ball_is_dropped() -> None:
    finds = {f: [flight(f) if f % 4 else Spot(420, 310, 5, 0.9)] for f in range(24)}
    chosen = plausible_spots(finds, {}, reach_px=77, bend_px=6)
    assert sorted(chosen) == [frame for frame in range(24) if frame % 4]
