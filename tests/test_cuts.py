"""Cuts and repeated frames, in films whose takes are known."""

import json

import numpy as np
import pytest
from moving_views import film_views

from workbench.footage.cuts import find_takes
from workbench.footage.writer import VideoWriter

WH = (320, 180)


def images(move, frames, seed, **options):
    return [view.image for view in film_views(move, frames, seed=seed, wh=WH, **options)]


def takes_of(path, shown):
    with VideoWriter(path, WH, 30) as video:
        for image in shown:
            video.write(image)
    return find_takes(video.path)


def test_cuts_are_found_and_pans_are_none(tmp_path):
    shown = [
        *images("pan", 14, 1),
        *images("blurred pan", 9, 2, light=0.3),
        *images("zoom", 16, 3),
    ]
    found = takes_of(tmp_path / "a.mp4", shown)
    assert found.cuts == (14, 23)
    assert found.takes == ((0, 14), (14, 23), (23, 39))
    assert found.take_of(14) == (14, 23)
    assert found.cuts_within(0, 20) == (14,)
    assert found.cuts_within(14, 23) == ()
    assert not found.repeats


def test_a_cut_to_a_view_of_the_same_colours_is_found(tmp_path):
    found = takes_of(tmp_path / "a.mp4", [*images("fixed", 9, 1), *images("fixed", 9, 2)])
    assert found.cuts == (9,)


def test_a_jump_within_one_view_is_a_cut(tmp_path):
    before = images("shake", 16, 4, covered=0.15)
    after = [np.roll(image, (60, 130), (0, 1)) for image in images("shake", 28, 4, covered=0.15)]
    found = takes_of(tmp_path / "a.mp4", [*before, *after[20:]])
    assert found.cuts == (16,)


def test_repeated_frames_are_found(tmp_path):
    shown = images("pan", 20, 5)
    doubled = [shown[place - place // 5] for place in range(24)]  # every fifth once more
    found = takes_of(tmp_path / "a.mp4", doubled)
    assert not found.cuts
    assert found.repeats == (5, 10, 15, 20)


def test_where_nothing_moves_nothing_repeats(tmp_path):
    shown = images("fixed", 1, 6)[0].astype(float)
    rng = np.random.default_rng(0)
    noisy = [np.clip(shown + rng.normal(0, 1, shown.shape), 0, 255).astype(np.uint8)] * 20
    found = takes_of(tmp_path / "a.mp4", noisy)
    assert not found.cuts
    assert not found.repeats


def test_only_the_frames_asked_for_are_looked_at(tmp_path):
    shown = [*images("pan", 8, 1), *images("pan", 8, 2, light=0.4)]
    with VideoWriter(tmp_path / "a.mp4", WH, 30) as video:
        for image in shown:
            video.write(image)
    assert find_takes(video.path, 8, 16).takes == ((8, 16),)
    assert find_takes(video.path, 5, 10).takes == ((5, 8), (8, 10))


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("broadcast_penalty_mata_saved.mp4", (4, 10, 13, 16, 19, 22, 27, 28, 31, 34)),
        ("broadcast_penalty_olic_saved.mp4", (5, 11, 17, 23, 29, 35, 41, 47, 53, 59, 65)),
        ("goalline_replay_goal_goaly1.mp4", ()),
        ("topdown_line_goal_goaly4.mp4", ()),
    ],
)
def test_real_cuts_and_repeats(shared, name, repeats):
    shots = shared / "footage" / "shots"
    truth = json.loads((shots / "truth.json").read_text(encoding="utf-8"))["shots"]
    cuts = next(tuple(shot["cut_frames"]) for shot in truth if shot["file"] == name)
    found = find_takes(shots / name)
    assert found.cuts == cuts
    assert found.repeats[: len(repeats)] == repeats
    assert bool(found.repeats) == bool(repeats)
