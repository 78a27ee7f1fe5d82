"""Who has the ball and who shot, whatever people's track ids are."""

from dataclasses import replace

import numpy as np
import pytest
from ball_tracks import FPS, kicked, labels_of, make_track
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.shots.ball.kick import find_kick
from workbench.shots.players.people import follow_people
from workbench.shots.players.possession import find_possession, find_shooter


def person(x, feet, height=100.0, track_id=None):
    label = {"category_id": 1, "bbox": [x - 15, feet - height, 30, height], "score": 0.9}
    return label if track_id is None else label | {"track_id": track_id}


def scene(ids=(7, 3, 12), shift=(0.0, 0.0), scale=1.0, start=0):
    """A run-up from the left, a kick at frame 19, a bystander far off, a goalkeeper at the goal."""
    frames = [[] for _ in range(start)]
    for t in range(45):
        shooter = 190 + 4 * min(t - 19, 0), 312.0
        people = [(*shooter, 100.0), (80, 200, 60.0), (520, 100, 40.0)]
        frames.append(
            [
                person(x * scale + shift[0], y * scale + shift[1], h * scale, number)
                for (x, y, h), number in zip(people, ids, strict=True)
            ]
        )
    for found in frames:
        for label in found:  # 30 px wide before scaling
            middle = label["bbox"][0] + 15
            label["bbox"][0], label["bbox"][2] = middle - 15 * scale, 30 * scale
    track = make_track(kicked() * scale + shift, np.arange(45) + start, 10.0 * scale)
    return labels_of(frames), track


def shooter_of(track, people):
    return find_shooter(find_possession(track, people), find_kick(track, fps=FPS), fps=FPS)


def test_the_shooter_is_the_one_at_the_ball_when_it_leaves():
    labels, track = scene()
    people = follow_people(labels, FPS)
    shooter = shooter_of(track, people)
    assert shooter.player == "P2"  # the first label: names go from left to right
    assert shooter.contact_frame == pytest.approx(19, abs=0.5)
    assert "P2" in shooter.reason


def test_possession_has_hysteresis():
    frames = [[person(100, 210, track_id=1)] for _ in range(40)]
    people = follow_people(labels_of(frames), FPS)
    # In balls of 10 px from the right side of the person's box: comes, wavers, leaves for good.
    gaps = np.repeat([3.0, 0.3, 1.2, 0.4, 2.5], 8)
    xy = np.column_stack([115 + 10 * (gaps + 0.5), np.full(40, 200.0)])
    found = find_possession(make_track(xy), people)
    mine = [row.player == "P1" for row in found]
    assert mine == [False] * 8 + [True] * 24 + [False] * 8
    assert [row.gap_balls for row in found] == pytest.approx(gaps)


def test_who_is_out_of_reach_at_the_kick_shot_if_nobody_touched_the_ball_later():
    """A ball that two touch on its way, the second of them before the kick."""
    xy = np.array([20.0, 90.0]) + np.arange(60)[:, None] * np.array([9.5, 0.0])
    everybody = [person(x, 95, track_id=i) for i, x in enumerate((110, 300, 570))]
    people = follow_people(labels_of([everybody] * 60), FPS)
    found = find_possession(make_track(xy), people)
    shooter = find_shooter(found, 40.0, fps=FPS)
    assert shooter.player == "P2"
    assert "last to touch" in shooter.reason
    assert find_shooter(found, 40.0, fps=FPS, however_far=True).reason.endswith("at the kick.")
    assert find_shooter(found, 0.0, fps=FPS) is None


def test_nobody_near_the_ball_is_nobodys_shot():
    labels, track = scene()
    only_far = replace(labels, frames=tuple(found[1:] for found in labels.frames))
    assert shooter_of(track, follow_people(only_far, FPS)) is None
    assert shooter_of(track, follow_people(labels_of([[]] * 45), FPS)) is None


def test_people_nobody_followed_are_linked_through_gaps_and_past_each_other():
    frames = []
    for t in range(40):
        seen = [person(100 + 8 * t, 200), person(420 - 2 * t, 320)]
        frames.append(seen[t % 2 :: -1] if t % 5 else [] if t == 20 else seen[:1] * (t != 30))
    table = follow_people(labels_of(frames), FPS).table
    assert set(table["player"]) <= {"P1", "P2"}
    runner = table[table["y1"] == 200]
    assert runner["player"].nunique() == 1


def test_flickers_get_no_name():
    frames = [[person(300, 300, track_id=1)] for _ in range(30)]
    frames[3].append(person(20, 90, track_id=2))
    assert follow_people(labels_of(frames), FPS).players == ("P1",)


def test_people_nobody_followed_who_are_far_apart_or_long_unseen_are_not_the_same():
    frames = [[person(100 if t < 15 else 500, 200)] for t in range(30)]
    assert follow_people(labels_of(frames), FPS).players == ("P1", "P2")
    away = [[person(100, 200)] * (not 15 <= t < 45) for t in range(60)]
    assert follow_people(labels_of(away), FPS).players == ("P1", "P2")


@settings(max_examples=12)
@given(
    ids=st.lists(st.integers(1, 999), min_size=3, max_size=3, unique=True),
    shift=st.tuples(st.integers(-200, 200), st.integers(-200, 200)),
    scale=st.sampled_from([0.5, 2.0, 4.0]),
    start=st.integers(0, 60),
)
def test_names_and_shooter_do_not_depend_on_ids_place_scale_or_time(ids, shift, scale, start):
    plain_labels, plain_track = scene()
    plain = shooter_of(plain_track, follow_people(plain_labels, FPS))
    labels, track = scene(tuple(ids), shift, scale, start)
    people = follow_people(labels, FPS)
    shooter = shooter_of(track, people)
    assert shooter.player == plain.player
    assert shooter.contact_frame == pytest.approx(plain.contact_frame + start, abs=0.05)
    held = [row.player for row in find_possession(track, people)]
    expected = find_possession(plain_track, follow_people(plain_labels, FPS))
    assert held == [row.player for row in expected]
