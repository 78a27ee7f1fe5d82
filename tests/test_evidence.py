"""What a verdict lacks: the rules of evidence on shots from which something was taken."""

from dataclasses import replace

import numpy as np
import pytest
from filmed_shots import FilmedShot, film_shot

from workbench.errors import WorkbenchError
from workbench.footage.registration import Registration
from workbench.footage.steadyview import SteadyView
from workbench.shots.analyse import AnalysedShots, judge_analysed, not_analysed
from workbench.shots.analysed import ShotAnalysis
from workbench.shots.evidence import with_flight
from workbench.shots.words import headline, sure_words


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


def two_balls(found: ShotAnalysis) -> ShotAnalysis:
    assert found.kicked is not None
    return replace(found, kicked=replace(found.kicked, rival_nats=found.kicked.kick_nats - 1))


def ball_elsewhere(found: ShotAnalysis) -> ShotAnalysis:
    assert found.shooter is not None
    start = found.track.xy[0]
    away = np.where(
        (found.track.frames > found.shooter.contact_frame)[:, None], 2 * start - found.track.xy,
        found.track.xy,
    )  # fmt: skip
    return replace(found, track=replace(found.track, xy=away))


def lost_on_its_way(found: ShotAnalysis) -> ShotAnalysis:
    """A ball that is shot from farther away, and seen for six frames."""
    assert found.kick_frame is not None
    seen = found.track.take(found.track.frames < found.kick_frame + 6)
    return replace(found, track=replace(seen, xy=seen.xy + np.array([0.0, 300.0])))


def rolls_along(found: ShotAnalysis) -> ShotAnalysis:
    slow = found.track.xy[0] + np.outer(found.track.frames - found.track.frames[0], [0.5, 0.0])
    return replace(found, shooter=None, track=replace(found.track, xy=slow))


def travelling(found: ShotAnalysis) -> ShotAnalysis:
    lost = Registration(None, None, np.inf, np.inf, np.inf, "3.3 px off: the camera travels")
    return replace(found, view=SteadyView(0, dict.fromkeys(range(90), lost)))


@pytest.mark.parametrize(
    ("take_away", "says", "no_shot"),
    [
        (two_balls, "two balls could be the one", False),
        (ball_elsewhere, "goes elsewhere than to the goal", True),
        (lost_on_its_way, "on its way to the goal", False),
        (travelling, "100% of the frames cannot be steadied (3.3 px off: the camera", False),
        (lambda found: replace(found, view=SteadyView(cuts=(7,))), "cuts at frame 7", False),
        (lambda found: replace(found, shooter=None), "nobody is seen to kick the ball", False),
        (rolls_along, "nobody kicks the ball", True),
        (lambda found: replace(found, track=found.track.take(slice(3))), "in only 3 frames", False),
    ],
)
def test_without_evidence_there_is_no_verdict(shot: FilmedShot, take_away, says, no_shot) -> None:
    assert not shot.analysis.verdict.abstained
    for method in ("3d", "2d"):
        verdict = judge_analysed(take_away(shot.analysis), method)
        assert verdict.abstained
        assert says in verdict.reason
        assert (verdict.no_shot, headline(verdict)) == (
            (True, "No shot here") if no_shot else (False, "Can’t tell")
        )
        assert verdict.remedy or "elsewhere" in says


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"flight_observations": 6.0}, "only 6 frames"),
        ({"flight_trust": 0.46}, "explains only 46%"),
        ({"miss_px": 3.7}, "misses the ball by 3.7 px"),
    ],
)
def test_a_fit_that_is_not_the_flight_seen_decides_nothing_and_leaves_no_figure(
    shot: FilmedShot, change: dict[str, float], says: str
) -> None:
    verdict = shot.analysis.verdict
    features = {"features": {**verdict.details["features"], **change}}
    found = shot.analysis
    poor = with_flight(replace(verdict, details=features), found.track, found.kicked)
    assert poor.abstained
    assert says in poor.reason
    assert (poor.speed_kmh, poor.crossing_m, poor.path, poor.outcomes) == (None, None, None, {})
    assert sure_words(poor) == "no verdict"
    assert with_flight(verdict, found.track, found.kicked) == verdict


def test_a_fit_faster_than_anybody_shoots_or_blind_to_a_turn_decides_nothing(
    shot: FilmedShot,
) -> None:
    verdict, kicked, track = shot.analysis.verdict, shot.analysis.kicked, shot.analysis.track
    assert kicked is not None
    fast = replace(verdict, speed_kmh=190.0, speed_interval_kmh=(150.0, 230.0))
    fast = with_flight(fast, track, kicked)
    assert "more than anybody shoots" in fast.reason
    events = [event.frame for event in verdict.events]
    turned = with_flight(verdict, track, replace(kicked, turn_frame=round(max(events)) + 20))
    assert "which the fit does not explain" in turned.reason
    steps = np.arange(len(track))[:, None] * np.array([9.0, -3.0])
    flies_on = with_flight(verdict, replace(track, xy=track.xy[0] + steps), None)
    assert "flies on where the fitted flight ends" in flies_on.reason


def test_what_was_not_analysed_is_listed_with_its_reason(shot: FilmedShot) -> None:
    clips = [
        shot.clip,
        replace(shot.clip, clip_id="hit", sport="baseball"),
        replace(shot.clip, clip_id="walk", camera="unsteady", camera_reason="It travels."),
        replace(shot.clip, clip_id="broken"),
    ]
    labels = {shot.clip.clip_id: shot.labels, "broken": shot.labels}
    failed = {"broken": str(WorkbenchError("it has no frame", "copy it again"))}
    table = not_analysed(
        clips, labels, AnalysedShots([shot.analysis], failed), {"a.mp4, frames 9–12": "short: wait"}
    )
    assert list(table.index) == ["hit", "walk", "broken", "a.mp4, frames 9–12"]
    assert table.loc["walk", "why"] == "It travels."
    assert table.loc["broken"].tolist() == ["it has no frame", "copy it again"]
    assert table.loc["a.mp4, frames 9–12", "what would help"] == "wait"
