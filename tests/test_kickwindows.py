"""Windows around kicks in long footage."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from filmed_shots import FilmedShot, film_shot
from videos import make_video

from workbench.detect.detections import BALL, PERSON, FrameDetections
from workbench.detect.teacher import Past, Teacher
from workbench.footage.ingest import ingest_folder
from workbench.footage.steady import steadiness
from workbench.footage.video_info import probe
from workbench.shots import kickwindows
from workbench.shots.kickwindows import AFTER_S, BEFORE_S, around_kicks, windows_around

IDLE = 80  # frames between two shots, in which people stand there without a ball


class Knowing(Teacher):
    """Knows what is in every frame."""

    name = "knowing"
    window_frames = 50

    def __init__(self, frames: Sequence[FrameDetections]) -> None:
        self.frames = frames

    def label_window(
        self, path: Path, window: range, past: Past, same_view: Sequence[Path] = ()
    ) -> Iterator[FrameDetections]:
        return iter([self.frames[frame] for frame in window])


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


@pytest.fixture(scope="module")
def video(shot: FilmedShot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As long as two shots with a pause between; what it shows is for the teacher to say."""
    count = 2 * len(shot.labels.frames) + IDLE
    path = tmp_path_factory.mktemp("long") / "match.mp4"
    make_video(path, count, size_wh=(640, 360), fps=Fraction(shot.clip.fps))
    return path


def only(frames: Sequence[FrameDetections], *classes: str) -> list[FrameDetections]:
    return [tuple(one for one in frame if one.class_name in classes) for frame in frames]


def two_shots(shot: FilmedShot) -> list[FrameDetections]:
    frames = list(shot.labels.frames)
    return [*frames, *only([frames[-1]] * IDLE, PERSON), *frames]


def test_every_kick_gets_a_window_with_run_up_and_flight(shot: FilmedShot, video: Path) -> None:
    info, fps = probe(video), float(shot.clip.fps)
    found = around_kicks(Knowing(two_shots(shot)))(info, 0, info.frame_count)
    assert found is not None
    kicks = [shot.truth.contact_frame, shot.truth.contact_frame + len(shot.labels.frames) + IDLE]
    assert len(found) == 2
    for (start, end), kick in zip(found, kicks, strict=True):
        assert start == pytest.approx(max(0, kick - BEFORE_S * fps), abs=3)
        assert end == pytest.approx(min(info.frame_count, kick + AFTER_S * fps), abs=3)


@pytest.mark.parametrize("classes", [(PERSON,), (BALL,)])
def test_without_a_ball_at_a_foot_there_is_no_proposal(
    shot: FilmedShot, video: Path, classes: tuple[str, ...]
) -> None:
    info = probe(video)
    teacher = Knowing(only(two_shots(shot), *classes))
    assert around_kicks(teacher)(info, 0, info.frame_count) is None


def test_what_a_teacher_cannot_label_is_left_to_the_clock(
    shot: FilmedShot, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = Knowing(two_shots(shot))
    teacher.needs_fixed_camera = True
    info = probe(video)
    travels = replace(steadiness(video), camera="unsteady")
    monkeypatch.setattr(kickwindows, "steadiness", lambda path, **part: travels)
    assert around_kicks(teacher)(info, 0, info.frame_count) is None


def test_long_footage_is_cut_around_kicks_and_the_rest_is_listed(
    shot: FilmedShot, video: Path, tmp_path: Path
) -> None:
    propose = around_kicks(Knowing(two_shots(shot)))
    report = ingest_folder(video.parent, tmp_path / "out", propose=propose)
    info = probe(video)
    wanted = propose(info, 0, info.frame_count)
    assert [(clip.start_frame, clip.end_frame) for clip in report.clips] == wanted
    unseen = "nothing that was looked for is seen here"
    rest = {name: why for name, why in report.in_no_clip.items() if unseen in why}
    inside = {frame for start, end in wanted or [] for frame in range(start, end)}
    named = set()
    for name in rest:
        start, end = map(int, name.rpartition("frames ")[2].split("–"))
        named |= set(range(start, end + 1))
    assert named == set(range(info.frame_count)) - inside
    assert len(named) > IDLE // 4


def test_footage_without_a_kick_is_cut_by_the_clock(
    shot: FilmedShot, video: Path, tmp_path: Path
) -> None:
    nobody: list[FrameDetections] = [()] * len(two_shots(shot))
    report = ingest_folder(video.parent, tmp_path / "out", propose=around_kicks(Knowing(nobody)))
    assert report.in_no_clip == {}
    assert sum(clip.frame_count for clip in report.clips) == len(nobody)


def test_windows_end_with_their_part() -> None:
    assert windows_around([130.0], 30.0, 100, 160) == [(100, 160)]
    assert windows_around([], 30.0, 0, 160) == []
