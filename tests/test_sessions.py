"""The built-in footage: same seed same pictures, truth that fits, classes not given away."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from workbench.errors import FootageError
from workbench.footage.clips import Clip, load_clips
from workbench.footage.frames import iter_frames, sample_frames, uniform_indices
from workbench.simulated.scene import JOINT, draw_body, joints_of, mirrored
from workbench.simulated.sessions import ClipJob, make_clip, make_footage


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("footage")
    make_footage(
        folder, sessions=2, clips=4, shooting_sessions=1, shots=2, seed=3, size_wh=(320, 180)
    )
    return folder


def truth_of(folder: Path, clip: Clip) -> dict:
    assert clip.truth is not None
    return json.loads((folder / clip.truth).read_text())


def test_clip_list_says_what_was_made(footage: Path) -> None:
    clips = load_clips(footage)
    assert len(clips) == 10
    for session in ("action00", "action01"):
        sports = [clip.sport for clip in clips if clip.session == session]
        assert sorted(sports) == ["baseball", "basketball", "none", "soccer"]
    assert {clip.venue for clip in clips} == {"park", "yard"}
    for clip in clips:
        frames = list(iter_frames(footage / clip.file))
        assert len(frames) == clip.frame_count
        assert frames[0].image.shape == (clip.height, clip.width, 3)
        assert clip.fps in (Fraction(30), Fraction(30000, 1001), Fraction(25))
        assert (clip.camera == "fixed") == clip.session.startswith("shooting")


def test_same_seed_gives_the_same_files_and_another_seed_others(tmp_path: Path) -> None:
    job = ClipJob("action", 0, 1, seed=5, width=320, height=180)
    clips = [make_clip(job, tmp_path / name) for name in "ab"]
    for file in (clips[0].file, clips[0].truth):
        assert file is not None
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    other = make_clip(ClipJob("action", 0, 1, seed=6, width=320, height=180), tmp_path / "c")
    first, second = (
        sample_frames(path, [0])
        for path in (tmp_path / "a" / clips[0].file, tmp_path / "c" / other.file)
    )
    assert np.abs(first.astype(int) - second).mean() > 5


def test_interrupted_footage_goes_on_where_it_stopped(tmp_path: Path) -> None:
    wanted = {"sessions": 1, "clips": 3, "shooting_sessions": 0, "seed": 1, "size_wh": (320, 180)}
    make_footage(tmp_path, **wanted)
    kept, lost = tmp_path / "clips/action00_000.mp4", tmp_path / "clips/action00_001.mp4"
    before, content = kept.stat().st_mtime_ns, lost.read_bytes()
    (tmp_path / "truth/action00_001.json").unlink()  # as if killed between video and truth
    lost.write_bytes(content[:500])
    make_footage(tmp_path, **wanted)
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == content


def test_several_processes_make_the_same_footage(tmp_path: Path) -> None:
    wanted = {"sessions": 1, "clips": 2, "shooting_sessions": 0, "seed": 1, "size_wh": (320, 180)}
    done: list[tuple[int, int]] = []
    make_footage(tmp_path / "one", **wanted)
    make_footage(
        tmp_path / "two", engine="processes:2", on_progress=lambda *n: done.append(n), **wanted
    )
    assert done == [(1, 2), (2, 2)]
    for clip in load_clips(tmp_path / "one"):
        paths = (tmp_path / name / clip.file for name in ("one", "two"))
        assert len({path.read_bytes() for path in paths}) == 1


def test_truth_is_coco_and_its_masks_are_where_the_camera_projects_the_scene(footage: Path) -> None:
    clip = next(clip for clip in load_clips(footage) if clip.session == "shooting00")
    assert clip.truth is not None
    coco = COCO(str(footage / clip.truth))
    truth = truth_of(footage, clip)
    assert len(coco.imgs) == clip.frame_count
    names = {category["id"]: category["name"] for category in truth["categories"]}
    balls = 0
    for annotation in truth["annotations"]:
        mask = rle.decode(annotation["segmentation"])
        assert mask.shape == (clip.height, clip.width)
        assert mask.sum() == annotation["area"] > 0
        x, y, width, height = annotation["bbox"]
        rows, columns = np.nonzero(mask)
        assert (x, y) == (columns.min(), rows.min())
        assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        image = coco.imgs[annotation["image_id"]]
        if names[annotation["category_id"]] == "ball" and min(width, height) >= 4:
            u, v, w = np.array(image["camera"]) @ [*annotation["center_m"], 1]
            assert x - 2 <= u / w <= x + width + 2
            assert y - 2 <= v / w <= y + height + 2
            balls += 1
    assert balls > 20


def test_masks_cover_what_differs_from_the_empty_scene(footage: Path) -> None:
    """People are where the truth says: contrast inside their masks, none outside."""
    clip = next(clip for clip in load_clips(footage) if clip.session == "shooting00")
    truth = truth_of(footage, clip)
    frames = np.stack([frame.image for frame in iter_frames(footage / clip.file)])
    empty = np.median(frames, axis=0)
    inside, outside = [], []
    seen = {label["image_id"] for label in truth["annotations"] if label["track_id"] == 1}
    assert len(seen) >= 20
    for image in [image for image in truth["images"] if image["id"] in seen][:20]:
        change = np.abs(frames[image["frame"]] - empty).max(axis=2)
        people = np.zeros(change.shape, bool)
        for annotation in truth["annotations"]:
            if annotation["image_id"] == image["id"] and annotation["track_id"] == 1:
                people |= rle.decode(annotation["segmentation"]).astype(bool)
        inside.append(change[people].mean())
        outside.append(np.median(change[~people]))
    assert np.mean(inside) > 4 * np.mean(outside)


def test_shot_truth_agrees_with_itself(footage: Path) -> None:
    for clip in load_clips(footage):
        shot = truth_of(footage, clip)["clip"].get("shot")
        assert (shot is not None) == clip.session.startswith("shooting")
        if shot is not None:
            assert shot["is_goal"] == (shot["verdict"] == "goal")
            assert 30 < shot["speed_kmh"] < 110
            assert shot["foot"] in ("left", "right")


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"sessions": -1}, "sessions is -1"),
        ({"sessions": 0, "shooting_sessions": 0}, "no clip"),
        ({"size_wh": (321, 180)}, "321×180"),
    ],
)
def test_bad_wishes_are_named(tmp_path: Path, wanted: dict, message: str) -> None:
    with pytest.raises(FootageError, match=message):
        make_footage(tmp_path, **wanted)
    assert not list(tmp_path.iterdir())


def test_neither_venue_nor_kit_gives_the_class_away(tmp_path: Path) -> None:
    """A linear model on the mean frame stays near chance (0.25); the issue allows 0.45."""
    make_footage(tmp_path, sessions=8, clips=8, shooting_sessions=0, seed=11, size_wh=(160, 90))
    clips = load_clips(tmp_path)
    features = np.stack(
        [
            sample_frames(tmp_path / clip.file, uniform_indices(clip.frame_count, 8), (24, 14))
            .mean(axis=0)
            .ravel()
            for clip in clips
        ]
    )
    sports = np.array([clip.sport for clip in clips])
    called = cross_val_predict(
        make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=300)),
        features, sports, groups=[clip.session for clip in clips], cv=GroupKFold(4),
    )  # fmt: skip
    assert (called == sports).mean() <= 0.45


def test_mirroring_a_pose_mirrors_the_joints() -> None:
    body = draw_body(np.random.default_rng(0))
    angles = {"l_hip": 0.7, "r_knee": 1.1, "twist": 0.4, "lean_side": 0.2, "r_shoulder": 1.0}
    plain = joints_of(body, angles, (0.0, 0.0), 0.0)
    other = joints_of(body, mirrored(angles), (0.0, 0.0), 0.0)
    for left, right in (("l_ankle", "r_ankle"), ("l_wrist", "r_wrist"), ("r_knee", "l_knee")):
        assert other[JOINT[right]] == pytest.approx(plain[JOINT[left]] * [-1, 1, 1], abs=1e-9)
