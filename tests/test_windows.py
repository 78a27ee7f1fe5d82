"""The windowed loop: ids that last, only what is new is added, memory that does not grow."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from colour_teachers import (
    ColourFollower,
    ColourLooker,
    ColourWindows,
    blue_box,
    red_box,
    write_clip,
)
from hypothesis import given
from hypothesis import strategies as st

from workbench.detect.detections import BALL, PERSON, FrameDetections
from workbench.detect.teacher import TeacherError, split_frames
from workbench.detect.teachers.following import FollowingTeacher
from workbench.detect.teachers.prompts import FilePrompter, TeacherPrompter
from workbench.errors import FootageError

FRAMES = 40


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "shot.mp4", FRAMES, blue_from=13)


def boxes(frames: list[FrameDetections], name: str) -> dict[int, list]:
    found = {
        frame: [one.xyxy for one in found if one.class_name == name]
        for frame, found in enumerate(frames)
    }
    return {frame: own for frame, own in found.items() if own}


@pytest.mark.parametrize("window_frames", [8, 10, 64])
def test_new_objects_are_added_once_and_followed_both_ways(clip: Path, window_frames: int) -> None:
    prompter = TeacherPrompter(ColourLooker(), every=10)
    teacher = FollowingTeacher(ColourFollower(), prompter, window_frames)
    frames = list(teacher.label(clip))
    assert len(frames) == FRAMES
    ids: dict[str, set] = {PERSON: set(), BALL: set()}
    for one in (one for found in frames for one in found):
        ids[one.class_name].add(one.track_id)
    assert ids == {PERSON: {1}, BALL: {2}}
    for frame, (box,) in boxes(frames, PERSON).items():
        assert box == pytest.approx(red_box(frame), abs=2)
    balls = boxes(frames, BALL)
    # Seen first on the key frame after it appeared, and followed back to where it appeared.
    first_key = next(
        key for window in split_frames(FRAMES, window_frames) for key in window[::10] if key >= 13
    )
    window = next(w for w in split_frames(FRAMES, window_frames) if first_key in w)
    assert min(balls) == max(13, window.start)
    assert balls[30][0] == pytest.approx(blue_box(30), abs=2)
    assert {one.score for found in frames for one in found} == {
        0.9
    }  # no surer than the prompt, not fading


def test_another_teachers_labels_are_prompts_and_objects_are_bounded(clip: Path) -> None:
    asked = TeacherPrompter(ColourWindows(7), every=5)
    teacher = FollowingTeacher(ColourFollower(), asked, window_frames=16, max_objects=1)
    frames = list(teacher.label(clip))
    assert all(len(found) == 1 for found in frames)
    assert frames[0][0].prompt == "colour: person"


def prompts_of(row: str) -> str:
    return f'{{"format": "workbench-prompts/1", "clips": {{"a": {{"0": [{row}]}}}}}}'


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{}", "no 'format'"),
        ("[1]", "not a prompts file"),
        (prompts_of('{"class": "dog", "box": [1, 1, 2, 2]}'), "not a prompts file"),
        (prompts_of('{"class": "ball"}'), "box or points"),
        (prompts_of('{"class": "ball", "box": [3, 3, 1, 9]}'), "without area"),
        (prompts_of('{"class": "ball", "points": [[3, 3, 0]]}'), "no point on"),
    ],
)
def test_a_prompts_file_that_is_none_is_named(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(TeacherError, match=rf"mine\.json.*({problem})"):
        FilePrompter(path)


def test_prompts_are_for_the_clip_that_they_name(tmp_path: Path) -> None:
    """A bare name will do as long as it is that of one clip; the suffix tells others apart."""
    box = '{"class": "ball", "box": [1, 1, 4, 4]}'
    names = {"cam1/shot": 3, "cam2/shot.mp4": 5, "kick": 7, "goal.mov": 9}
    rows = ", ".join(f'"{name}": {{"{frame}": [{box}]}}' for name, frame in names.items())
    path = tmp_path / "mine.json"
    path.write_text(f'{{"format": "workbench-prompts/1", "clips": {{{rows}}}}}')
    prompter = FilePrompter(path)

    def frames(video: str) -> list[int]:
        return prompter.key_frames(tmp_path / video, range(20))

    videos = ["cam1/shot.mp4", "cam2/shot.mp4", "kick.mp4", "goal.mov", "goal.mp4", "cam3/shot.mp4"]
    assert [frames(video) for video in videos] == [[3], [5], [7], [9], [], []]
    with pytest.raises(TeacherError, match=r"mine\.json: 'kick' may be .*kick.mp4 or .*kick.mov"):
        frames("kick.mov")
    path.write_text(path.read_text().replace("kick", "shot"))
    with pytest.raises(TeacherError, match=r"'cam1/shot' and 'shot' are both .*shot\.mp4"):
        FilePrompter(path).key_frames(tmp_path / "cam1/shot.mp4", range(20))


def test_labels_of_any_frame_are_those_of_the_whole_clip(clip: Path) -> None:
    teacher = ColourWindows(6)
    whole = list(teacher.label(clip))
    prompter, image = TeacherPrompter(teacher), np.zeros((1, 1, 3), np.uint8)
    for frame in (3, 17, 18, 39, 12):  # the last one again from the start
        asked = prompter.prompts(clip, frame, image, ())
        assert [one.box for one in asked] == [one.xyxy for one in whole[frame]]


@given(count=st.integers(0, 60), size=st.integers(1, 9))
def test_windows_are_the_whole_clip_in_order(count: int, size: int) -> None:
    windows = split_frames(count, size)
    assert [frame for window in windows for frame in window] == list(range(count))
    assert all(0 < len(window) <= size for window in windows)


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    def peak_bytes(frames: int) -> int:
        path = write_clip(tmp_path / f"{frames}.mp4", frames)
        prompter = TeacherPrompter(ColourLooker(), every=8)
        teacher = FollowingTeacher(ColourFollower(), prompter, window_frames=16)
        tracemalloc.start()
        for found in teacher.label(path):
            assert all(one.mask is not None for one in found)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(16)  # whatever is made once
    short, long = peak_bytes(32), peak_bytes(128)
    assert long < 1.15 * short


def test_a_clip_that_is_not_there_is_named(tmp_path: Path) -> None:
    teacher = ColourLooker()
    with pytest.raises(FootageError, match=r"none\.mp4"):
        list(teacher.label(tmp_path / "none.mp4"))


def test_ids_follow_overlap(clip: Path) -> None:
    frames = list(ColourLooker(window_frames=9).label(clip))
    assert {tuple(one.track_id for one in found) for found in frames} == {(1,), (1, 2)}
    assert frames[0][0].score == 0.9
