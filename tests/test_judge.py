"""The public call: right on simulated shots, unmoved by what must not matter, never failing."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.shots.fit3d.question import ask
from workbench.shots.judge import judge_shot
from workbench.shots.verdict import Method, ShotError, ShotVerdict
from workbench.simulated.shots import ZOOMED, SimulatedShot, simulate_shot

FEW = settings(max_examples=4, suppress_health_check=list(HealthCheck))
BOX = ["x0", "y0", "x1", "y1"]
PLAIN_SHOTS = (0, 4, 6, 17)  # seeds: oblique, behind the goal and side view; two are goals


@pytest.fixture(scope="module")
def verdicts() -> dict[int, ShotVerdict]:
    return {seed: judge_shot(ask(**simulate_shot(seed).question())) for seed in PLAIN_SHOTS}


def same(one: ShotVerdict, other: ShotVerdict, *, mirrored: bool = False) -> None:
    """Assert that two verdicts say the same, but for the draws of samples."""
    assert one.is_goal == other.is_goal
    assert abs(one.goal_probability - other.goal_probability) < 0.08
    assert one.speed_kmh == pytest.approx(other.speed_kmh, rel=0.04)
    if one.crossing_m is not None and other.crossing_m is not None:
        x = -other.crossing_m[0] if mirrored else other.crossing_m[0]
        assert one.crossing_m[0] == pytest.approx(x, abs=0.25)


@pytest.mark.parametrize("seed", PLAIN_SHOTS)
def test_plain_shots_are_judged_right(seed: int, verdicts: dict[int, ShotVerdict]) -> None:
    shot, verdict = simulate_shot(seed), verdicts[seed]
    assert verdict.is_goal == shot.is_goal
    assert verdict.speed_kmh is not None
    assert verdict.speed_interval_kmh is not None
    low, high = verdict.speed_interval_kmh
    assert low < verdict.speed_kmh < high
    assert sum(verdict.outcomes.values()) == pytest.approx(1.0)
    kick = next(event for event in verdict.events if event.kind == "kick")
    assert abs(kick.frame - shot.contact_frame) < 2.5
    assert kick.time_s == pytest.approx(kick.frame / shot.fps)
    path = verdict.path
    assert path is not None
    assert np.isfinite(path.positions_m).all()
    seen = path.camera @ np.vstack([path.positions_m.T, np.ones(len(path.frames))])
    true = shot.pixels[path.frames]
    assert np.median(np.hypot(*(seen[:2] / seen[2] - true.T))) < 8.0


def question(shot: SimulatedShot, **changed: Any) -> dict[str, Any]:
    return shot.question() | changed


def judge(asked: dict[str, Any], method: Method = "3d") -> ShotVerdict:
    return judge_shot(ask(**asked), method)


@FEW
@given(scale=st.floats(0.3, 2.0), shift=st.integers(-40, 500))
def test_size_of_the_picture_and_time_do_not_matter(
    verdicts: dict[int, ShotVerdict], scale: float, shift: int
) -> None:
    shot = simulate_shot(6)
    assert shot.kick_frame is not None
    wh = (round(1920 * scale), round(1080 * scale))
    scale = wh[0] / 1920
    track = shot.track.copy()
    track[["x", "y", "width_px", "height_px", "diameter_px"]] *= scale
    track["y"] += (wh[1] - 1080 * scale) / 2
    corners = shot.goal_corners_px * scale + [0, (wh[1] - 1080 * scale) / 2]
    track["frame"] += shift
    people = shot.people.assign(frame=shot.people["frame"] + shift)
    people[BOX] = people[BOX] * scale + [0, (wh[1] - 1080 * scale) / 2] * 2
    found = judge(
        question(
            shot, track=track, goal_corners_px=corners, image_wh=wh, people=people,
            kick_frame=shot.kick_frame + shift,
        )
    )  # fmt: skip
    same(found, verdicts[6])
    assert found.events[0].frame == pytest.approx(verdicts[6].events[0].frame + shift, abs=0.5)


@FEW
@given(order=st.permutations(range(4)), seed=st.integers(0, 99))
def test_order_of_corners_and_rows_does_not_matter(
    verdicts: dict[int, ShotVerdict], order: list[int], seed: int
) -> None:
    shot = simulate_shot(0)
    track = shot.track.sample(frac=1.0, random_state=seed)
    corners = shot.goal_corners_px[order]
    found = judge(question(shot, track=track, goal_corners_px=corners))
    assert found.goal_probability == pytest.approx(verdicts[0].goal_probability, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 17])
def test_mirrored_shot_crosses_on_the_other_side(
    seed: int, verdicts: dict[int, ShotVerdict]
) -> None:
    shot = simulate_shot(seed)
    track = shot.track.assign(x=1920 - shot.track["x"])
    corners = shot.goal_corners_px * [-1, 1] + [1920, 0]
    people = shot.people.assign(x0=1920 - shot.people["x1"], x1=1920 - shot.people["x0"])
    mirrored = judge(question(shot, track=track, goal_corners_px=corners, people=people))
    same(mirrored, verdicts[seed], mirrored=True)


@FEW
@given(dx=st.floats(-300, 300), dy=st.floats(-200, 200))
def test_rules_in_the_picture_do_not_mind_where_it_is_cut(dx: float, dy: float) -> None:
    shot = simulate_shot(6)
    track = shot.track.assign(x=shot.track["x"] + dx, y=shot.track["y"] + dy)
    moved = question(shot, track=track, goal_corners_px=shot.goal_corners_px + np.array([dx, dy]))
    here, there = judge(shot.question(), method="2d"), judge(moved, method="2d")
    assert (here.is_goal, here.goal_probability) == (there.is_goal, there.goal_probability)
    assert here.speed_kmh == pytest.approx(there.speed_kmh)


def test_kick_is_found_from_the_ball_alone() -> None:
    shot = simulate_shot(17)
    verdict = judge(question(shot, kick_frame=None))
    assert verdict.is_goal == shot.is_goal
    assert abs(verdict.events[0].frame - shot.contact_frame) < 3


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"fps": 0.0}, "fps"),
        ({"fps": float("nan")}, "fps"),
        ({"goal_corners_px": np.zeros((3, 2))}, "goal_corners_px"),
        ({"goal_corners_px": np.full((4, 2), np.nan)}, "goal_corners_px"),
        ({"goal_corners_px": "here"}, "goal_corners_px"),
        ({"people": np.zeros((2, 3))}, "people"),
        ({"people": pd.DataFrame({"frame": [1], "x0": [2.0]})}, "people"),
        ({"people": pd.DataFrame({name: ["?"] for name in ["frame", *BOX]})}, "people"),
        ({"image_wh": (0, 1080)}, "image_wh"),
        ({"goal_size_m": (7.32, -1.0)}, "goal_size_m"),
        ({"kick_frame": float("inf")}, "kick_frame"),
        ({"track": pd.DataFrame({"frame": [1], "x": [2.0]})}, "column"),
    ],
)
def test_malformed_questions_are_refused(changed: dict[str, Any], named: str) -> None:
    with pytest.raises(ShotError, match=named):
        judge(question(simulate_shot(0), **changed))


def test_a_method_nobody_knows_is_refused() -> None:
    with pytest.raises(ShotError, match="method"):
        judge(simulate_shot(0).question(), method="4d")  # type: ignore[arg-type]


def test_people_may_come_as_boxes_or_as_feet_and_heads() -> None:
    shot = simulate_shot(0)
    boxes = ask(**shot.question())
    assert boxes.boxes is not None
    assert len(boxes.boxes) == len(shot.people)
    rulers = ask(**question(shot, people=boxes.people))
    assert rulers.boxes is None
    assert np.array_equal(rulers.people, boxes.people)
    tall = boxes.people[:, 1] - boxes.people[:, 3]
    assert (tall > 0).all()
    cut = ask(**question(shot, people=shot.people.assign(whole=False)))
    assert cut.boxes is not None
    assert not len(cut.people)
    nobody = ask(**question(shot, people=shot.people.iloc[:0]))
    assert not len(nobody.people)
    assert judge_shot(nobody).is_goal == shot.is_goal


@pytest.mark.parametrize("case", ["no ball", "four balls", "all NaN", "corners on a line", "dent"])
def test_poor_views_abstain_with_a_reason(case: str) -> None:
    shot = simulate_shot(0)
    cases: dict[str, dict[str, Any]] = {
        "no ball": {"track": shot.track.iloc[:0]},
        "four balls": {"track": shot.track.iloc[:4]},
        "all NaN": {"track": shot.track.assign(x=np.nan)},
        "corners on a line": {"goal_corners_px": np.array([[i, i] for i in range(4)], float)},
        "dent": {"goal_corners_px": np.array([[0, 0], [900, 0], [450, 60], [450, 500.0]])},
    }
    verdict = judge(question(shot, **cases[case]))
    assert verdict.abstained
    assert verdict.reason.startswith("Can't tell, because")
    assert verdict.goal_probability == 0.5


@FEW
@given(seed=st.integers(0, 10_000), rows=st.integers(5, 25))
def test_noise_gets_a_verdict_without_nonsense(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    size = rng.uniform(2, 40, rows)
    track = pd.DataFrame(
        {
            "frame": np.sort(rng.choice(90, rows, replace=False)),
            "x": rng.uniform(0, 1920, rows),
            "y": rng.uniform(0, 1080, rows),
            "width_px": size,
            "height_px": size,
            "diameter_px": size,
            "score": 0.5,
        }
    )
    verdict = judge(question(simulate_shot(0), track=track, kick_frame=None))
    assert 0 <= verdict.goal_probability <= 1
    assert verdict.speed_kmh is None or np.isfinite(verdict.speed_kmh)


def test_from_how_far_a_shot_was_taken_tells_what_a_long_lens_hides() -> None:
    shots = [simulate_shot(seed, ZOOMED) for seed in (91005, 91011, 91013)]
    off = []
    for shot in shots:
        plain, told = (judge(question(shot, distance_m=far)) for far in (None, shot.from_m))
        assert plain.speed_kmh is not None
        assert told.speed_kmh is not None
        off.append((abs(plain.speed_kmh - shot.speed_kmh), abs(told.speed_kmh - shot.speed_kmh)))
        away_m = told.details["features"]["camera_distance"]
        assert away_m == pytest.approx(shot.camera_distance_m, rel=0.25)
    plain_off, told_off = np.mean(off, axis=0)
    assert told_off < 0.6 * plain_off


def test_a_distance_that_no_shot_is_taken_from_is_refused() -> None:
    with pytest.raises(ShotError, match="distance_m is 110"):
        ask(**question(simulate_shot(0), distance_m=110))
