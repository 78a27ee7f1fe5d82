"""The motion teacher's ball on a drawn pitch: in the open, before a body, at rest, with its ids."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from workbench.detect.ballpath import Spot, best_path, speeds, without_bystanders
from workbench.detect.detections import BALL, GOAL, PERSON, Detection
from workbench.detect.motion.balls import (
    colours_of,
    count_colours,
    find_balls,
    learn_look,
    look_again,
)
from workbench.detect.motion.change import Blob, compare, substance
from workbench.detect.motion.goalfinder import find_goal
from workbench.detect.motion.teacher import MotionTeacher
from workbench.detect.teacher import Past
from workbench.footage.frames import sample_frames
from workbench.footage.writer import VideoWriter

WH, GRASS, ORANGE, BLUE = (320, 180), (70, 120, 60), (230, 120, 30), (40, 60, 190)
FRAMES, KICK = 60, 15
Image = np.ndarray


def ball_at(frame: int) -> tuple[int, int]:
    """At rest, then kicked to the right and upwards, through the place where somebody stands."""
    return 40 + 5 * max(0, frame - KICK), 140 - max(0, frame - KICK)


def walker_x(frame: int) -> int:
    """Left side of somebody 14 pixels wide who walks to the right."""
    return 90 + round(1.3 * frame)


def pitch(frame: int, with_person: bool = True) -> Image:
    image = np.full((WH[1], WH[0], 3), GRASS, np.uint8)
    image += np.random.default_rng(frame).integers(0, 4, image.shape, np.uint8)  # the sensor
    cv2.polylines(
        image, [np.array([(190, 150), (190, 60), (300, 60), (300, 150)])], False, (245,) * 3, 2
    )
    if with_person:
        x = walker_x(frame)
        cv2.rectangle(image, (x, 90), (x + 14, 155), BLUE, -1)
    cv2.circle(image, ball_at(frame), 5, ORANGE, -1)
    return image


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("motion") / "shot.mp4"
    with VideoWriter(path, WH, Fraction(30), crf=16) as writer:
        for frame in range(FRAMES):
            writer.write(pitch(frame))
    return path


def frames_with_ball(teacher: MotionTeacher, clip: Path) -> list[int]:
    """Frames whose ball label lies on the ball; asserts that no frame has two."""
    right = []
    for frame, found in enumerate(teacher.label(clip)):
        balls = [one for one in found if one.class_name == BALL]
        assert len(balls) <= 1
        x, y = ball_at(frame)
        for x0, y0, x1, y1 in (ball.xyxy for ball in balls):
            if abs((x0 + x1) / 2 - x) < 4 and abs((y0 + y1) / 2 - y) < 4:
                right.append(frame)
    return right


def test_the_second_look_finds_the_ball_before_a_body_too(clip: Path) -> None:
    plain = frames_with_ball(MotionTeacher(second_look=False), clip)
    again = frames_with_ball(MotionTeacher(), clip)
    before_body = [f for f in range(FRAMES) if 0 <= ball_at(f)[0] - walker_x(f) <= 14]
    assert len(before_body) >= 3
    assert not set(before_body) & set(plain)
    assert len(set(before_body) & set(again)) >= len(before_body) - 1
    assert set(plain) <= set(again)


def test_labels_do_not_depend_on_the_run(clip: Path) -> None:
    first, second = (list(MotionTeacher().label(clip)) for _ in range(2))
    assert any(first)
    assert first == second


def test_people_keep_their_ids_from_window_to_window_and_goals_have_corners(clip: Path) -> None:
    people: set[int | None] = set()
    for found in MotionTeacher(window_frames=30).label(clip):
        people |= {one.track_id for one in found if one.class_name == PERSON}
        (goal,) = (one for one in found if one.class_name == GOAL)
        # Left bottom, left top, right top, right bottom.
        assert goal.more["corners_px"] == pytest.approx(
            np.array([(190, 150), (190, 60), (300, 60), (300, 150)]), abs=6
        )
        assert not any(one.more for one in found if one is not goal)
    assert len(people) == 1


def test_people_whom_somebody_else_saw_and_did_not_follow_are_no_tracks(clip: Path) -> None:
    unsure = Detection(PERSON, (10.0, 10.0, 20.0, 60.0), score=0.1)  # as a detector leaves them
    found = list(MotionTeacher().label_window(clip, range(8), Past(((unsure,),) * 4)))
    assert len(found) == 8


def test_settings_tell_labels_of_other_switches_apart() -> None:
    one = MotionTeacher().settings
    assert one != MotionTeacher(second_look=False).settings
    assert one != MotionTeacher(small_ball=False).settings
    assert one == MotionTeacher().settings


def test_what_is_learned_tells_the_ball_from_a_body_of_another_colour() -> None:
    empty = np.full((WH[1], WH[0], 3), GRASS, np.uint8)
    image = pitch(30)
    change = compare(image, empty, 22)
    x, y = ball_at(30)
    mask = np.ones((5, 5), bool)
    own = Blob(x - 2, y - 2, mask, 1.0)
    look = learn_look(
        [colours_of(image[own.window][mask])], count_colours([colours_of(image[change.weak])])
    )
    assert look[colours_of(np.array([ORANGE], np.uint8))] > 0.8
    assert look[colours_of(np.array([BLUE], np.uint8))] < 0.1
    (found,) = look_again(change, look)
    assert found.xyxy == pytest.approx((x - 5, y - 5, x + 6, y + 6), abs=2)


def test_a_shadow_is_no_change_and_an_object_is() -> None:
    empty = np.full((60, 80, 3), GRASS, np.uint8)
    image = empty.copy()
    image[10:30, 10:30] = np.array(GRASS) * 0.6
    image[40:50, 50:60] = ORANGE
    change = compare(image, empty, 22)
    assert not change.weak[10:30, 10:30].any()
    assert change.strong[40:50, 50:60].all()


def test_a_small_shadow_with_noisy_colours_is_not_the_ball_and_a_ball_is() -> None:
    rng = np.random.default_rng(0)
    empty = np.full((240, 320, 3), GRASS, np.uint8)
    image = empty.astype(float)
    image[30:38, 30:42] *= 0.6
    image[30:38, 30:42, 2] *= rng.uniform(0.5, 1.0, (8, 12))  # the darkest channel is the noisiest
    image[70:78, 90:98] = ORANGE
    change = compare(np.asarray(image, np.uint8), empty, 22)
    assert change.weak[30:38, 30:42].mean() > 0.3  # the pixels alone do not tell
    assert [blob.xyxy for blob in find_balls(change, [])] == [(90, 70, 98, 78)]


def test_where_something_stood_is_a_ghost_and_what_stands_there_now_is_not() -> None:
    empty = np.full((120, 160, 3), GRASS, np.uint8)
    ball = empty.copy()
    ball[70:78, 90:98] = ORANGE
    square = Blob(90, 70, np.ones((8, 8), bool), 1.0)
    assert substance(square, compare(ball, empty, 22)) == 1.0
    assert substance(square, compare(empty, ball, 22)) == 0.0
    corner = Blob(0, 0, np.ones((8, 8), bool), 1.0)  # at the border of the picture, too
    assert substance(corner, compare(empty, empty, 22)) == 1.0


@pytest.mark.parametrize(
    ("turn_cost", "follows"), [(0.05, True), (5.0, False)], ids=["trusting", "strict"]
)
def test_a_sharp_turn_is_followed_where_turns_are_cheap(turn_cost: float, follows: bool) -> None:
    there: Callable[[int], float] = lambda t: 20 + 12.0 * min(t, 20 - t)  # noqa: E731
    frames = [[Spot(there(t), 50.0, 5.0, 0.8)] for t in range(20)]
    assert (len(best_path(frames, reach_px=40, most_turn_cost=turn_cost)) == 20) == follows


def _flight_past_a_shoe() -> tuple[list[list[Spot]], dict[int, int]]:
    """A ball at rest for ten frames, then in flight for ten; a shoe that stays beside its way."""
    ball = [Spot(20.0, 50.0, 4.0, 0.8)] * 10 + [
        Spot(20.0 + 6 * t, 50.0, 4.0, 0.8) for t in range(10)
    ]
    frames = [[Spot(60.0, 70.0, 4.0, 0.9), spot] for spot in ball]
    return frames, dict.fromkeys(range(20), 1)


def test_what_stays_while_the_ball_flies_is_not_the_ball_and_its_place_of_rest_is() -> None:
    frames, chain = _flight_past_a_shoe()
    fewer = without_bystanders(frames, chain)
    assert [row[0].likeness for row in fewer] == [0.0] * 20
    assert [row[1].likeness for row in fewer] == [0.8] * 20
    speed = speeds(frames, chain)
    assert speed[3] == 0.0
    assert speed[15] == pytest.approx(1.5)  # sizes per frame


def test_a_foot_that_swings_through_where_the_ball_lay_does_not_make_it_a_bystander() -> None:
    frames, chain = _flight_past_a_shoe()
    for row in frames[10:16]:
        row.append(Spot(20.0, 50.0, 9.0, 0.75))  # as long as a flight asks, but larger
    fewer = without_bystanders(frames, chain)
    assert [row[1].likeness for row in fewer] == [0.8] * 20


def test_without_a_flight_nobody_is_a_bystander() -> None:
    frames, _ = _flight_past_a_shoe()
    resting = frames[:10]
    assert without_bystanders(resting, dict.fromkeys(range(10), 1)) == resting
    assert without_bystanders([[], []], {}) == [[], []]


def test_specks_that_stay_may_be_told_to_earn_nothing() -> None:
    speck = [[Spot(60.0, 70.0, 2.0, 0.95)] for _ in range(30)]
    for t in range(8):
        speck[20 + t].append(Spot(10.0 + 5 * t, 20.0, 2.0, 0.9))
    assert min(best_path(speck, reach_px=40, still_gain=0.0)) == 20


@pytest.mark.parametrize(("bars", "is_goal"), [(0, True), (6, False)])
def test_a_row_of_windows_is_no_goal(bars: int, is_goal: bool) -> None:
    picture = np.full((360, 640, 3), (70, 120, 60), np.uint8)
    for x in np.linspace(200, 400, bars + 2).round().astype(int):
        cv2.line(picture, (x, 100), (x, 170), (240, 240, 240), 3)
    cv2.line(picture, (200, 100), (400, 100), (240, 240, 240), 3)
    assert (find_goal(picture) is not None) == is_goal


@pytest.mark.parametrize(
    ("corners", "line", "is_goal"),
    [
        (((200, 200), (200, 100), (400, 100), (400, 200)), None, True),
        (((200, 200), (200, 100), (400, 100), (400, 200)), (200, 400), False),  # a board
        (((200, 200), (200, 100), (400, 100), (400, 200)), (20, 620), True),  # a goal line
        (((200, 200), (200, 150), (250, 150), (250, 200)), None, True),
        (((200, 200), (200, 150), (230, 150), (230, 200)), None, False),  # narrower than high
        (((200, 185), (200, 150), (370, 150), (370, 185)), None, False),  # a sign, far too wide
        (((200, 120), (200, 100), (240, 100), (240, 120)), None, False),  # too small to be sure
    ],
)
def test_only_strong_evidence_is_a_goal(
    corners: tuple[tuple[int, int], ...], line: tuple[int, int] | None, is_goal: bool
) -> None:
    picture = np.full((360, 640, 3), (70, 120, 60), np.uint8)
    cv2.polylines(picture, [np.array(corners)], False, (240, 240, 240), 3)
    if line is not None:
        cv2.line(picture, (line[0], 200), (line[1], 200), (240, 240, 240), 3)
    assert (find_goal(picture) is not None) == is_goal


@pytest.mark.parametrize("bar", [True, False])
def test_a_bar_before_a_bright_sky_is_seen_as_a_line_and_not_taken_for_granted(bar: bool) -> None:
    rng = np.random.default_rng(0)
    picture = np.full((360, 640, 3), (40, 70, 40), np.uint8)
    picture[:130, 212:390] = 215  # between two trees
    for x in (200, 400):
        cv2.line(picture, (x, 100), (x, 200), (240, 240, 240), 4)
    if bar:
        cv2.line(picture, (200, 101), (400, 101), (240, 240, 240), 4)
    noisy = np.clip(picture + rng.normal(0, 1, picture.shape), 0, 255).astype(np.uint8)
    found = find_goal(noisy)
    assert (found is not None) == bar
    if found is not None:
        true = [(200, 200), (200, 100), (400, 100), (400, 200)]
        assert np.abs(found.corners - true).max() < 4


def test_a_post_whose_top_is_lost_before_a_bright_wall_goes_up_to_the_bar() -> None:
    picture = np.full((360, 640, 3), (70, 120, 60), np.uint8)
    cv2.line(picture, (200, 100), (400, 100), (240, 240, 240), 4)
    cv2.line(picture, (400, 100), (400, 200), (240, 240, 240), 4)
    cv2.line(picture, (200, 114), (200, 196), (240, 240, 240), 4)
    found = find_goal(picture)
    assert found is not None
    assert np.abs(found.corners[1] - (200, 100)).max() < 4
    picture[90:150, 190:210] = (70, 120, 60)  # more is missing than a fifth
    assert find_goal(picture) is None


def test_a_bar_that_is_white_in_parts_is_no_goal() -> None:
    picture = np.full((360, 640, 3), (70, 120, 60), np.uint8)
    for start, end in (
        ((200, 200), (200, 100)),
        ((400, 200), (400, 100)),
        ((200, 100), (360, 100)),
    ):
        cv2.line(picture, start, end, (240, 240, 240), 3)
    assert find_goal(picture) is None


def test_no_goal_is_invented_on_real_clips_without_a_shot(shared: Path) -> None:
    for name, frame in (
        ("actions/baseball_pitch_v3_1111.mp4", 0),
        ("actions/tennis_artlabss_input6.mp4", 0),
        ("clips/basketball_game_7s.mp4", 47),
        ("clips/soccer_goal_broadcast_21s.mp4", 405),
        ("shots/phone_night_5shots_coach4freekick.mov", 270),  # the board beside the goal
    ):
        assert find_goal(sample_frames(shared / "footage" / name, [frame])[0]) is None


def test_a_bar_that_falls_off_steeply_is_no_goal() -> None:
    picture = np.full((360, 640, 3), (70, 120, 60), np.uint8)
    for start, end in (
        ((200, 100), (200, 200)),
        ((400, 180), (400, 240)),
        ((200, 100), (400, 180)),
    ):
        cv2.line(picture, start, end, (240, 240, 240), 3)
    assert find_goal(picture) is None
