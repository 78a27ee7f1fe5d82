"""Poses by MediaPipe where a model is there, else guessed from outlines, and it is said which."""

import numpy as np
import pytest
from filmed_shots import film_shot

from workbench.detect.detections import Detection
from workbench.detect.store import ClipDetections
from workbench.footage.video_info import probe
from workbench.shots.ball.track import ball_track
from workbench.shots.players.people import follow_people
from workbench.shots.players.pose import (
    crop_around,
    find_model,
    find_poses,
    obtain_model,
    pose_finder,
)
from workbench.shots.players.possession import find_possession, find_shooter
from workbench.shots.verdict import ShotError

JOINTS = (
    "head", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow", "l_wrist", "r_wrist",
    "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle", "l_toe", "r_toe",
)  # fmt: skip


@pytest.fixture
def model(shared):
    path = shared / "models" / "pose_landmarker_lite.task"
    if not path.is_file():
        pytest.skip(f"no pose model: {path} is absent")
    return path


def shooter_of(shot):
    fps = float(shot.clip.fps)
    people, kick = follow_people(shot.labels, fps), shot.truth.contact_frame
    shooter = find_shooter(find_possession(ball_track(shot.labels), people), kick, fps=fps)
    return people, shooter.player, range(round(kick) - 2, round(kick) + 3)


def test_mediapipe_finds_a_real_juggler_in_the_whole_picture(shared, model):
    """All 247 frames were found when measured; a sample of them here."""
    video = shared / "footage" / "clips" / "soccer_juggling_10s.mp4"
    info = probe(video)
    frames = range(0, info.frame_count, 25)
    everything = Detection("person", (0.0, 0.0, info.width, info.height), track_id=1)
    people = follow_people(
        ClipDetections(
            "c", "s", "test", info.width, info.height, ((everything,),) * info.frame_count
        ),
        float(info.fps),
    )
    found = find_poses(video, people, "P1", frames, pose_finder("mediapipe", model))
    assert len(found.poses) >= 0.9 * found.asked
    assert found.asked == len(frames)
    assert "mediapipe" in found.method
    for pose in found.poses.values():
        assert set(pose.joints) == set(JOINTS)
        assert pose.joints["head"][1] < pose.joints["l_hip"][1] < pose.joints["l_ankle"][1]


def test_mediapipe_finds_a_small_rendered_shooter_inside_the_box(model):
    shot = film_shot()
    people, player, frames = shooter_of(shot)
    found = find_poses(shot.video, people, player, frames, pose_finder("mediapipe", model))
    assert len(found.poses) >= 4
    for frame, pose in found.poses.items():
        left, top, right, bottom = people.in_frame(frame)[player].xyxy
        middle = (np.array(pose.joints["l_hip"]) + pose.joints["r_hip"]) / 2
        assert left < middle[0] < right
        assert top < middle[1] < bottom


def test_what_mediapipe_logs_is_not_in_anybodys_report(model, capfd):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    with pose_finder(model=model).session() as find:
        find(noise, np.array([50.0, 20.0, 150.0, 190.0]), None)
    assert capfd.readouterr().err == ""


def test_without_a_model_poses_are_guessed_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shot = film_shot()
    people, player, frames = shooter_of(shot)
    finder = pose_finder("auto")
    found = find_poses(shot.video, people, player, frames, finder)
    assert found.method == "geometric"
    assert "no pose model" in finder.note
    assert len(found.poses) == found.asked
    for frame, pose in found.poses.items():
        left, _, right, bottom = people.in_frame(frame)[player].xyxy
        for ankle in ("l_ankle", "r_ankle"):
            x, y = pose.joints[ankle]
            assert left <= x <= right
            assert y == pytest.approx(bottom, abs=0.1 * bottom)


def test_frames_without_the_player_count_as_asked_for(tmp_path):
    shot = film_shot()
    people, player, frames = shooter_of(shot)
    table = people.table
    unseen = set(range(shot.clip.frame_count)) - set(table[table["player"] == player]["frame"])
    asked = [*frames, *sorted(unseen)[:2]]
    found = find_poses(shot.video, people, player, asked, pose_finder("geometric"))
    assert found.asked == len(asked)
    assert len(found.poses) == len(frames)
    nobody = find_poses(shot.video, people, "P99", frames, pose_finder("geometric"))
    assert not nobody.poses


def test_wrong_names_and_files_say_what_to_do(tmp_path, monkeypatch):
    with pytest.raises(ShotError, match="mediapipe or geometric"):
        pose_finder("openpose")
    with pytest.raises(ShotError, match="does not exist"):
        pose_finder("mediapipe", tmp_path / "none.task")
    broken = tmp_path / "broken.task"
    broken.write_bytes(b"not a model")
    shot = film_shot()
    people, player, frames = shooter_of(shot)
    with pytest.raises(ShotError, match="no pose model"):
        find_poses(shot.video, people, player, frames, pose_finder("mediapipe", broken))


def test_the_best_model_in_the_folder_is_taken_and_nothing_is_fetched_then(tmp_path):
    assert find_model(models_dir=tmp_path) is None
    for size in ("lite", "full"):
        (tmp_path / f"pose_landmarker_{size}.task").write_bytes(b"PK")
    assert obtain_model(models_dir=tmp_path).name == "pose_landmarker_full.task"


@pytest.mark.parametrize("box", [(5, 5, 25, 65), (100, 40, 180, 200), (-20, -30, 10, 40)])
def test_crops_know_where_they_come_from(box):
    columns, rows = np.meshgrid(np.arange(320), np.arange(240))
    image = np.stack([columns // 2, rows, np.zeros_like(rows)], axis=2).astype(np.uint8)
    crop, (origin, scale) = crop_around(image, np.array(box, float), margin=0.3, height_px=256)
    assert crop.shape[0] >= 256
    y, x = crop.shape[0] // 2, crop.shape[1] // 2
    place = origin + np.array([x + 0.5, y + 0.5]) * scale
    assert crop[y, x, 0] == pytest.approx(place[0] / 2, abs=1.5)
    assert crop[y, x, 1] == pytest.approx(place[1], abs=1.5)
