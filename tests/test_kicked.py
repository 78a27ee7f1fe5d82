"""The kicked ball among others: spare balls, a runner's hands, another ball that rolls by."""

from dataclasses import replace

import numpy as np
import pytest
from ball_tracks import FPS, arc, kicked, labels_of, path
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect.detections import BALL, Detection
from workbench.footage.steadyview import SteadyView
from workbench.shots.ball.followed import kicked_track, with_rest
from workbench.shots.ball.kicked import Kicked, find_kicked
from workbench.shots.ball.sightings import Sightings, sight_balls
from workbench.shots.evidence import is_kick, the_shot
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.people import follow_people

SIZE = 10.0
KICK = 20  # the first frame in which the ball flies
NO_GOAL = GoalView(None, "none", "")


def ball(x, y, score=0.6):
    box = (x - SIZE / 2, y - SIZE / 2, SIZE, SIZE)
    return Detection(BALL, box, score=score, found_by="auto")


def person(x, feet):
    return {"category_id": 1, "bbox": [x - 15, feet - 90, 30, 90], "score": 0.9, "track_id": 1}


def scene(paths, *, shooter_x=185.0, unseen=0.0, noise_px=0.4, seed=0, score=0.6):
    """Sightings of balls on some paths, a shooter beside where the first one lies, and specks."""
    rng = np.random.default_rng(seed)
    frames = []
    for frame in range(max(map(len, paths))):
        seen = [
            ball(*(way[frame] + rng.normal(0, noise_px, 2)), score)
            for way in paths
            if frame < len(way) and np.isfinite(way[frame]).all() and rng.random() >= unseen
        ]
        specks = rng.uniform((0, 0), (640, 360), (3, 2))
        frames.append((*seen, *(ball(x, y, 0.05) for x, y in specks)))
    labels = labels_of([[person(shooter_x, 306)]] * len(frames))
    labels = replace(labels, candidates=frames)
    return sight_balls(labels, SteadyView(), follow_people(labels, FPS), FPS)


def shot_of(seen: Sightings) -> Kicked:
    found = the_shot(find_kicked(seen, fps=FPS), seen, NO_GOAL, fps=FPS)
    assert found is not None
    return found


def still(x, y, count=45):
    return np.tile([float(x), float(y)], (count, 1))


SPARE = [still(230, 300), still(262, 303), still(90, 290)]


def test_among_spare_balls_the_one_that_leaves_is_kicked():
    seen = scene([kicked(), *SPARE])
    shot = shot_of(seen)
    assert shot.kick_frame == pytest.approx(KICK - 1, abs=1.0)
    track = kicked_track(seen, shot, fps=FPS)
    off = np.hypot(*(track.xy - kicked()[track.frames]).T)
    assert len(track) >= 43
    assert off.max() < 3


def test_a_ball_that_flies_past_where_gloves_were_is_followed():
    way = kicked()
    gloves = np.full(way.shape, np.nan)
    gloves[4:16] = way[[26, 27, 28, 29] * 3]  # before the kick, where the ball comes by later
    flying = scene([way], score=0.9)
    seen = scene([way, gloves], score=0.9)
    is_glove = np.array([score == 0.9 for score in seen.score]) & np.isin(seen.frames, range(4, 16))
    is_glove &= np.hypot(*(seen.xy - way[0]).T) > SIZE
    seen = replace(seen, score=np.where(is_glove, 0.1, seen.score))
    alone, beside = shot_of(flying), shot_of(seen)
    np.testing.assert_array_equal(
        *(kicked_track(one, shot_of(one), fps=FPS).frames for one in (flying, seen))
    )
    assert beside.nats == pytest.approx(alone.nats, abs=1.0)


def test_the_lit_side_of_a_ball_is_no_ball_of_its_own():
    whole, lit = ball(100, 300), Detection(BALL, (101, 296, 5, 5), score=0.7, found_by="auto")
    other = ball(104, 300, score=0.6)
    labels = replace(labels_of([[person(185.0, 306)]]), candidates=[(lit, whole, other)])
    seen = sight_balls(labels, SteadyView(), follow_people(labels, FPS), FPS)
    assert seen.found == (whole, other)


@pytest.mark.parametrize("unseen", [0.3, 0.5])
def test_a_ball_that_is_often_unseen_is_followed(unseen):
    for seed in range(3):
        seen = scene([kicked(), *SPARE], unseen=unseen, seed=seed)
        shot = shot_of(seen)
        assert shot.kick_frame == pytest.approx(KICK - 1, abs=2.0)


def test_a_ball_hidden_as_it_leaves_is_not_kicked_where_it_drops_out_of_the_net():
    drops = path(
        (20, 0.0, 0.0), (12, 6.0, -14.0), *arc(12, 4.0, -4.0, 0.1), (12, 0.0, 0.0),
        *arc(20, 3.0, 4.0, 0.2), start=(200.0, 300.0),
    )  # fmt: skip
    drops[KICK + 1 : KICK + 10] = np.nan  # behind the shooter's legs
    assert shot_of(scene([drops, *SPARE])).kick_frame == pytest.approx(KICK, abs=3.0)


def test_without_a_kick_there_is_none():
    assert not [kick for kick in find_kicked(scene(SPARE), fps=FPS) if is_kick(kick)]


def test_a_ball_that_leaves_far_from_everybodys_feet_is_not_kicked():
    seen = scene([kicked(), *SPARE], shooter_x=560.0)
    assert not [kick for kick in find_kicked(seen, fps=FPS) if is_kick(kick)]


def test_a_ball_that_rolls_by_elsewhere_is_another_story():
    rolls = path((44, 12.0, 0.2), start=(20.0, 50.0))
    seen = scene([kicked(), rolls, *SPARE])
    shot = shot_of(seen)
    assert np.hypot(*(seen.xy[shot.rows[0]] - [200, 300])) < SIZE
    apart = [np.hypot(*(seen.xy[row] - rolls[seen.frames[row]])) for row in shot.rows]
    assert min(apart) > SIZE


def test_a_sharp_turn_is_told():
    flies = path((20, 0.0, 0.0), *arc(12, 14.0, -9.0, 0.1), (13, -9.0, 4.0), start=(200.0, 300.0))
    shot = shot_of(scene([flies, *SPARE]))
    assert shot.kick_frame == pytest.approx(20, abs=1.5)
    assert shot.turn_frame == pytest.approx(32, abs=2)
    assert shot_of(scene([kicked(), *SPARE])).turn_frame is None


def test_two_balls_that_are_kicked_at_once_are_rivals():
    other = kicked(speed=(-13.0, -8.0)) + np.array([-25.0, 2.0])
    shot = shot_of(scene([kicked(), other]))
    assert shot.rival_nats is not None
    assert shot_of(scene([kicked(), *SPARE])).rival_nats is None


def test_the_kick_a_person_has_told_wins():
    seen = scene([kicked(), *SPARE])
    kicks = find_kicked(seen, fps=FPS)
    first = kicks[0]
    later = replace(first, kick_frame=first.kick_frame + 6, kick_nats=first.kick_nats + 1)
    for told, right in ((19, first), (25, later)):
        shot = the_shot([later, first], seen, NO_GOAL, fps=FPS, told_kick=told)
        assert shot is not None
        assert shot.kick_frame == right.kick_frame
    assert the_shot(kicks, seen, NO_GOAL, fps=FPS, told_kick=5) is None


def test_while_a_foot_hides_it_the_ball_lies_where_it_lay():
    way = kicked()
    seen = scene([way[:17]])
    flies = scene([way])
    gone = np.isin(flies.frames, [17, 18, 19]) & (np.hypot(*(flies.xy - [200, 300]).T) < SIZE)
    kept = [row for row in range(len(flies)) if not gone[row]]
    assert len(seen) < len(kept) < len(flies)
    story = shot_of(flies)
    track = kicked_track(flies, story, fps=FPS)
    hidden = track.take(~np.isin(track.frames, [17, 18]))
    filled = with_rest(hidden, replace(story, kick_frame=18.6))
    assert {17, 18} <= set(filled.frames.tolist()) or 18 in track.frames
    assert np.hypot(*(filled.xy[filled.frames <= 18] - [200, 300]).T).max() < 3


def test_nothing_seen_is_no_kick():
    labels = labels_of([[]] * 5)
    seen = sight_balls(labels, SteadyView(), follow_people(labels, FPS), FPS)
    assert find_kicked(seen, fps=FPS) == []


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 60), st.tuples(st.integers(-60, 60), st.integers(-40, 20)))
def test_a_story_does_not_depend_on_time_or_place(start, shift):
    plain = scene([kicked(), *SPARE])
    moved = replace(
        plain,
        frames=plain.frames + start,
        xy=plain.xy + np.array(shift, float),
        frame_count=plain.frame_count + start,
    )
    before, after = shot_of(plain), shot_of(moved)
    assert after.rows == before.rows
    assert after.kick_frame == pytest.approx(before.kick_frame + start)
