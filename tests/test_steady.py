"""Takes of a video seen in the view of one frame, and how steady they are judged."""

import json

import numpy as np
import pytest
from moving_views import film_views

from workbench.footage.frames import FrameRangeError, sample_frames
from workbench.footage.planemaps import move_points
from workbench.footage.steady import steadiness, steady
from workbench.footage.steadyview import SteadyView
from workbench.footage.writer import VideoWriter

WH = (640, 360)


def film(path, *moves, frames=16, **options):
    """Film moves one after another; return the path and every frame's truth."""
    views = [
        view
        for seed, move in enumerate(moves)
        for view in film_views(move, frames, seed=seed + 3, wh=WH, **options)
    ]
    with VideoWriter(path, WH, 30) as video:
        for view in views:
            video.write(view.image)
    return video.path, views


@pytest.fixture(scope="module")
def panned(tmp_path_factory):
    return film(tmp_path_factory.mktemp("pan") / "pan.mp4", "pan", frames=40, covered=0.15)


@pytest.mark.parametrize("given", ["boxes of each frame", "callable"])
def test_frames_come_in_order_on_both_sides_of_the_reference(panned, given):
    path, views = panned
    people = [view.people for view in views[2:]]
    found = list(
        steady(
            path,
            36,
            start=2,
            stop=39,
            goal_px=views[36].goal_px,
            people=people if given != "callable" else lambda frame: views[frame].people,
        )
    )
    assert [frame for frame, _ in found] == list(range(2, 39))
    assert np.mean([one.is_steady for _, one in found]) > 0.85
    for frame, one in found:
        if one.is_steady:
            inside = ((views[frame].goal_px > 0) & (views[frame].goal_px < WH)).all(axis=1)
            off = move_points(one.to_frame, views[36].goal_px) - views[frame].goal_px
            assert np.abs(off[inside]).max() < 1.5
    assert found[34][1].moved_px < 0.1


def test_a_step_counts_from_the_reference(panned):
    path, views = panned
    found = list(steady(path, 20, step=7, goal_px=views[20].goal_px))
    assert [frame for frame, _ in found] == [6, 13, 20, 27, 34]


def test_a_reference_outside_is_refused(panned):
    with pytest.raises(FrameRangeError):
        list(steady(panned[0], 30, stop=20))


def test_points_and_pictures_go_to_the_reference_view(panned):
    path, views = panned
    found = dict(steady(path, 20, goal_px=views[20].goal_px, people=[v.people for v in views]))
    view = SteadyView(20, found)
    assert np.abs(view.to_reference(26, views[26].goal_px) - views[20].goal_px).max() < 1.5
    assert view.scale(26, views[26].goal_px[0]) == pytest.approx(1, abs=0.05)
    was, now = sample_frames(path, [20, 26])
    back = view.image(26, now, was).astype(float)
    behind = slice(130, 180), slice(20, 300)  # the goal; people there walk on
    assert np.abs(back - was)[behind].mean() < 0.6 * np.abs(now.astype(float) - was)[behind].mean()


@pytest.mark.parametrize(
    ("moves", "camera", "says"),
    [
        (["fixed"], "fixed", "stands still"),
        (["pan"], "steadied", "steadied to"),
        (["shake"], "steadied", "steadied to"),
        (["travel"], "unsteady", "the camera travels"),
        (["shake", "pan"], "unsteady", "cuts at frame 16 (0.5 s)"),
    ],
)
def test_a_camera_is_judged_with_its_reason(tmp_path, moves, camera, says):
    path, views = film(tmp_path / "a.mp4", *moves, covered=0.15)
    found = steadiness(path, reference=0, people=lambda frame: views[frame].people)
    assert found.camera == camera
    assert says in found.reason


def test_without_texture_nothing_is_steady(tmp_path):
    with VideoWriter(tmp_path / "sky.mp4", (320, 180), 30) as video:
        for _ in range(10):
            video.write(np.full((180, 320, 3), 170, np.uint8))
    found = steadiness(video.path)
    assert found.camera == "unsteady"
    assert "another view" in found.reason


SHOTS = {  # take, and what it is judged
    "broadcast_penalty_mata_saved.mp4": ((0, 85), "steadied"),
    "broadcast_penalty_olic_saved.mp4": ((0, 70), "steadied"),
    "lowcam_penalty_jota_goal.mp4": ((0, 117), "unsteady"),  # it travels
    "phone_night_5shots_coach4freekick.mov": ((0, 100), "steadied"),
    "goalline_replay_cleared_goaly2.mp4": ((0, 64), "steadied"),
    "topdown_line_goal_goaly4.mp4": ((0, 142), "fixed"),
}


@pytest.mark.parametrize("name", SHOTS)
def test_real_cameras(shared, name):
    (start, stop), camera = SHOTS[name]
    assert steadiness(shared / "footage" / "shots" / name, start=start, stop=stop).camera == camera


def test_a_real_goal_is_where_it_is_seen(shared):
    """Feet of the posts in a pan that also zooms, followed on their own and checked by eye."""
    path = shared / "footage" / "shots" / "broadcast_penalty_olic_saved.mp4"
    truth = json.loads((path.parent / "truth.json").read_text(encoding="utf-8"))["shots"]
    (shot,) = next(one["shots"] for one in truth if one["file"] == path.name)
    corners = np.array([corner or [np.nan, np.nan] for corner in shot["goal_corners_px"]])
    kick = shot["kick_frame"]
    seen = {
        kick - 36: [(1177.7, 294.4), (217.0, 294.9)],
        kick + 33: [(1199.3, 294.7), (172.2, 295.3)],
    }
    found = dict(steady(path, kick, stop=70, step=3, goal_px=corners))
    for frame, feet in seen.items():
        off = move_points(found[frame].to_frame, corners[2:]) - feet
        assert np.abs(off).max() < 1.5
        assert found[frame].error_px < 1.5
