"""A shot under a moving camera, seen in one view; the beat of repeated pictures; what is kept."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from filmed_shots import film_shot

from workbench.detect.detections import Detection
from workbench.detect.labelling import label_clips
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.store import ClipDetections
from workbench.footage.clips import Clip
from workbench.footage.frames import iter_frames
from workbench.footage.planemaps import move_points
from workbench.footage.steadyview import load_view, view_clip, view_path
from workbench.footage.timeline import Timeline, read_timeline
from workbench.footage.writer import VideoWriter
from workbench.shots.analyse import analyse_shot, boxes_in_view
from workbench.shots.analysed import load_shot, save_shot
from workbench.shots.goal.corners import GoalView
from workbench.shots.pictures.overlay import ShotOverlay

WH = (640, 360)


def swung(frame: int, count: int) -> np.ndarray:
    """The map that a camera which turns and zooms a bit puts on a picture."""
    along = 2 * frame / (count - 1) - 1
    zoom, turn = 1 + 0.02 * along, 0.004 * along
    middle = np.array([[1, 0, -320], [0, 1, -180], [0, 0, 1.0]])
    rotation = np.array([[np.cos(turn), -np.sin(turn), 14 * along],
                         [np.sin(turn), np.cos(turn), 5 * along], [0, 0, 1.0]])  # fmt: skip
    return np.linalg.inv(middle) @ np.diag([zoom, zoom, 1]) @ rotation @ middle


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Clip, ClipDetections]:
    """The filmed shot under such a camera, with its labels."""
    shot, folder = film_shot(), tmp_path_factory.mktemp("moved")
    count = shot.clip.frame_count
    with VideoWriter(folder / "a.mp4", WH, shot.clip.fps, crf=18) as video:
        for frame in iter_frames(shot.video):
            warp = swung(frame.index, count)
            border = {"borderMode": cv2.BORDER_REFLECT}
            video.write(cv2.warpPerspective(frame.image, warp, WH, **border))
    frames = [
        tuple(moved_label(one, swung(frame, count)) for one in found)
        for frame, found in enumerate(shot.labels.frames)
    ]
    clip = replace(shot.clip, file="a.mp4", camera="steadied")
    return folder, clip, replace(shot.labels, frames=frames)


def moved_label(found: Detection, warp: np.ndarray) -> Detection:
    x0, y0, x1, y1 = found.xyxy
    (left, top), (right, bottom) = move_points(warp, [[x0, y0], [x1, y1]])
    return replace(found, xywh=(left, top, right - left, bottom - top), mask=None)


def test_the_verdict_is_that_of_a_fixed_camera(moved, tmp_path: Path) -> None:
    folder, clip, labels = moved
    still = film_shot()
    middle = swung(clip.reference_frame, clip.frame_count)
    goal = GoalView(move_points(middle, still.truth.corners_px), "clicks", "Clicked.")
    found = analyse_shot(clip, folder, labels, goal_wh_m=still.truth.goal_wh_m, goal=goal)
    assert found.view.steady_share > 0.9
    assert found.view.error_px < 1.5
    assert found.shooter is not None
    assert abs(found.shooter.contact_frame - still.truth.contact_frame) <= 1.5
    assert found.verdict.is_goal == still.truth.is_goal
    assert found.verdict.speed_kmh == pytest.approx(still.analysis.verdict.speed_kmh, rel=0.1)
    for frame in (5, 80):  # the overlay is drawn where things are in the frame
        there = found.view.to_frame(frame, goal.corners_px)
        right = move_points(swung(frame, clip.frame_count), still.truth.corners_px)
        assert np.abs(there - right).max() < 1.5
        assert np.abs(found.view.to_reference(frame, there) - goal.corners_px).max() < 1e-6
    boxes = boxes_in_view(found.people, clip, found.view)
    assert set(boxes["player"]) == set(found.people.players)
    for frame in (5, 80):  # feet are where they would be in the reference's frame
        here = boxes[boxes["frame"] == frame]
        feet = np.stack([(here["x0"] + here["x1"]) / 2, here["y1"]], axis=1)
        true = np.array([one.xyxy for one in still.labels.of_class(frame, "person")])
        right = move_points(middle, np.stack([true[:, [0, 2]].mean(axis=1), true[:, 3]], axis=1))
        apart = np.hypot(*(feet[:, None] - right[None]).transpose(2, 0, 1))
        assert apart.min(axis=1).max() < 3.0
    black = np.zeros((*WH[::-1], 3), np.uint8)
    painted = ShotOverlay(found).paint(black, 5, card=False)
    assert painted.any()
    save_shot(tmp_path / "a.json", found, {})
    again = load_shot(tmp_path / "a.json", clip, labels, {})
    assert again is not None
    assert (ShotOverlay(again).paint(black, 5, card=False) == painted).all()


def test_the_motion_teacher_sees_the_steady_picture_and_the_view_is_kept(
    moved, tmp_path: Path
) -> None:
    folder, clip, truth = moved
    short = replace(clip, file="short.mp4", end_frame=28)
    with VideoWriter(folder / short.file, WH, clip.fps, crf=18) as video:
        for frame in iter_frames(folder / clip.file, stop=short.frame_count):
            video.write(frame.image)
    [found] = label_clips([short], folder, tmp_path, MotionTeacher(second_look=False))
    people = [one.xywh for one in found.of_class(20, "person")]
    right = [one.xywh for one in truth.of_class(20, "person")]
    assert people
    assert (boxes_iou(people, right).max(axis=1) > 0.5).mean() >= 0.5
    kept = view_path(tmp_path, short.clip_id)
    view = load_view(kept)
    assert view is not None
    assert view.reference == short.reference_frame == 14
    assert view.steady_share > 0.85
    kept.write_text("{")
    assert load_view(kept) is None


def boxes_iou(some, others):
    from pycocotools import mask as rle

    return rle.iou(np.array(some, float), np.array(others, float), [0] * len(others))


def test_a_view_is_read_back_and_made_anew_for_another_goal(moved, tmp_path: Path) -> None:
    folder, clip, _ = moved
    short, path = replace(clip, camera="fixed"), tmp_path / "a.steady.json"
    view_clip(short, folder / "a.mp4", path=path)
    before = path.read_text()
    path.write_text(before.replace('"cuts":[]', '"cuts":[7]').replace('"cuts": []', '"cuts": [7]'))
    assert view_clip(short, folder / "a.mp4", path=path).cuts == (7,)
    goal = [[1, 9], [1, 1], [9, 1], [9, 9]]
    assert view_clip(short, folder / "a.mp4", goal_px=goal, path=path).cuts == ()


@pytest.mark.parametrize(
    ("repeats", "pictures", "fps"),
    [
        ((), 60, 30.0),
        (range(5, 60, 6), 50, 25.4),  # at a beat: 25 pictures a second in 30 frames
        ((7, 8, 9, 10), 60, 30.0),  # a recorder that stuttered
        ((31,), 60, 30.0),  # chance
    ],
)
def test_pictures_that_repeat_at_a_beat_come_at_a_lower_rate(repeats, pictures, fps) -> None:
    found = read_timeline(np.arange(60) / 30, tuple(repeats), 30.0)
    assert len(found.frames) == pictures
    assert found.fps == pytest.approx(fps, abs=0.2)
    shown = [frame for frame in found.frames if frame >= 0]
    assert shown == sorted(set(shown))
    assert not set(shown) & (set(repeats) if len(tuple(repeats)) > 2 else set())
    assert [found.picture(frame) for frame in shown] == [
        number for number, frame in enumerate(found.frames) if frame >= 0
    ]


def test_a_recorder_that_stutters_besides_does_not_hide_the_beat() -> None:
    beat, stutters = range(4, 85, 6), (13, 19, 27, 31, 45)
    found = read_timeline(np.arange(85) / 30, tuple(sorted({*beat, *stutters})), 30.0)
    assert found.fps == pytest.approx(25, abs=0.1)
    numbered = [frame for frame in range(85) if frame not in beat]
    assert found.frames == tuple(-1 if frame in stutters else frame for frame in numbered)
    by_chance = (3, 4, 11, 17, 26, 29, 41, 42, 58, 60, 71)
    assert len(read_timeline(np.arange(85) / 30, by_chance, 30.0).frames) == 85


def test_pictures_that_the_file_left_out_have_no_frame() -> None:
    times = np.array([0, 1, 2, 4, 5, 7, 8, 9]) / 30
    found = read_timeline(times, (), 26.0)
    assert found.frames == (0, 1, 2, -1, 3, 4, -1, 5, 6, 7)
    assert found.fps == pytest.approx(30)
    assert found.picture(3) == 4
    assert found.frame(3) == 2
    odd = np.cumsum([0, 1, 0.4, 1.7, 0.2, 1, 1.3, 0.7])
    assert read_timeline(odd, (), 20.0) == Timeline.of_frames(8, 20.0)
