"""What people click on a shot: which clips a goal serves, and that clicks win."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filmed_shots import FilmedShot, film_shot
from moving_views import View, film_views

from workbench.detect.detections import BALL, GOAL, PERSON
from workbench.footage.clips import Clip
from workbench.footage.writer import VideoWriter
from workbench.labels.shotclicks import GoalClick, ShotClick, ShotClicks
from workbench.shots.analyse import analyse_shot, unused_clicks
from workbench.shots.analysed import ShotAnalysis, shots_table
from workbench.shots.goal.clicked import clicked_goals
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.pose import GeometricFinder
from workbench.shots.words import goals_sentence

CORNERS = ((20.0, 80.0), (22.0, 30.0), (120.0, 28.0), (122.0, 82.0))


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


def analyse(shot: FilmedShot, *classes: str, **options: object) -> ShotAnalysis:
    """Analyse the shot with labels of some classes, by default all."""
    frames = tuple(
        tuple(one for one in frame if not classes or one.class_name in classes)
        for frame in shot.labels.frames
    )
    labels = replace(shot.labels, frames=frames)
    return analyse_shot(
        shot.clip, shot.folder, labels, goal_wh_m=shot.truth.goal_wh_m, **options
    )  # fmt: skip


class TestTheGoal:
    """A panning camera filmed `pan`; `again` is the same picture, `other` another place."""

    @pytest.fixture(scope="class")
    def filmed(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[View]]:
        folder = tmp_path_factory.mktemp("views")
        for name, seed in (("pan", 3), ("other", 4)):
            views = list(film_views("pan", 12, seed=seed, wh=(640, 360), covered=0.1))
            with VideoWriter(folder / f"{name}.mp4", (640, 360), 30) as video:
                for view in views:
                    video.write(view.image)
            if name == "pan":
                pan = views
        return folder, pan

    def clips(self, shot: FilmedShot) -> dict[str, Clip]:
        row = replace(
            shot.clip, session="s", camera="steadied", start_frame=0, end_frame=12,
            width=640, height=360,
        )  # fmt: skip
        files = {"pan": "pan", "again": "pan", "other": "other"}
        return {
            name: replace(row, clip_id=name, file=f"{file}.mp4") for name, file in files.items()
        }

    def test_is_carried_through_its_clip_and_its_session(
        self, shot: FilmedShot, filmed: tuple[Path, list[View]]
    ) -> None:
        folder, views = filmed
        clips = self.clips(shot)
        corners = tuple((float(x), float(y)) for x, y in views[2].goal_px)
        clicks = {"pan": GoalClick(corners, 2, (5.0, 2.0), "ann", "2026-11-01")}
        found = clicked_goals(list(clips.values()), folder, clicks)
        for name in ("pan", "again"):
            seen = found[name].view.corners_px
            assert seen is not None
            assert np.abs(seen - views[6].goal_px).max() < 1.5
            assert found[name].goal_wh_m == (5.0, 2.0)
        assert found["pan"].view.reason == "Clicked by ann in frame 2, carried to frame 6."
        assert found["again"].view.reason == "Clicked by ann in pan, carried here."
        assert found["other"].view.corners_px is None
        assert "click it in this clip" in found["other"].view.reason
        elsewhere = [replace(clips["again"], session="elsewhere"), clips["pan"]]
        assert set(clicked_goals(elsewhere, folder, clicks)) == {"pan"}

    def test_stays_where_it_was_clicked_if_the_camera_stood_still(
        self, shot: FilmedShot, tmp_path: Path
    ) -> None:
        fixed = replace(self.clips(shot)["pan"], camera="fixed")  # no video is looked into
        found = clicked_goals([fixed], tmp_path, {"pan": GoalClick(CORNERS, 2, None)})["pan"]
        assert np.array_equal(found.view.corners_px, CORNERS)
        assert found.view.reason == "Clicked in frame 2."

    def test_is_a_clips_own_before_the_newest_of_its_session(
        self, shot: FilmedShot, filmed: tuple[Path, list[View]]
    ) -> None:
        folder, views = filmed
        clips = self.clips(shot)
        corners = tuple((float(x), float(y)) for x, y in views[6].goal_px)
        clicks = {
            "pan": GoalClick(corners, 6, (5.0, 2.0), "ann", "2026-11-01"),
            "again": GoalClick(corners, 6, (3.0, 2.0), "ben", "2026-11-02"),
        }
        clips["third"] = replace(clips["pan"], clip_id="third")
        found = clicked_goals(list(clips.values()), folder, clicks)
        sizes = {name: goal.goal_wh_m for name, goal in found.items()}
        assert sizes == {"pan": (5.0, 2.0), "again": (3.0, 2.0), "third": (3.0, 2.0), "other": None}

    def test_that_was_clicked_in_another_view_is_looked_for_here(self, shot: FilmedShot) -> None:
        lost = GoalView(None, "none", "Clicked in b, which shows another view.")
        assert analyse(shot, goal=lost).goal.method == shot.analysis.goal.method
        assert analyse(shot, BALL, PERSON, goal=lost).goal == lost

    def test_that_was_clicked_makes_a_shot_judged_that_shows_none(self, shot: FilmedShot) -> None:
        without = analyse(shot, BALL, PERSON)
        assert without.verdict.abstained
        goal = GoalView(shot.truth.corners_px, "clicks", "Clicked by ann in frame 3.")
        found = analyse(shot, BALL, PERSON, goal=goal)
        assert found.verdict.is_goal == shot.truth.is_goal
        assert not found.verdict.abstained
        table = shots_table([found, replace(without, clip=replace(shot.clip, clip_id="w"))])
        assert table.loc[shot.clip.clip_id, "goal"] == "Clicked by ann in frame 3."
        assert table.loc["w", "goal"] == "missing"
        assert goals_sentence([found.goal, without.goal, shot.analysis.goal]).startswith(
            "The goal is clicked in 1, found in 1, missing in 1 of 3 clips: click it"
        )


class TestWhatIsCorrected:
    def test_the_kick_wins(self, shot: FilmedShot) -> None:
        wrong = round(shot.truth.contact_frame) - 9
        found = analyse(shot, by_hand=ShotClick(kick_frame=wrong, annotator="ann"))
        assert found.kick_frame == wrong
        assert found.shooter is not None
        assert found.shooter.contact_frame == wrong
        assert shots_table([found]).loc[shot.clip.clip_id, "corrected"] == "kick by ann"

    def test_the_kick_is_judged_from_even_where_nobody_is_seen(self, shot: FilmedShot) -> None:
        kick = round(shot.truth.contact_frame)
        found = analyse(shot, BALL, GOAL, by_hand=ShotClick(kick_frame=kick))
        assert found.shooter is None
        assert found.kick_frame == kick
        assert found.verdict.is_goal == shot.truth.is_goal

    def test_the_foot_wins(self, shot: FilmedShot) -> None:
        right = shot.analysis.foot
        assert right is not None
        other = "left" if right.side == "right" else "right"
        by_hand = ShotClick(foot=other, annotator="ann")
        for finder in (None, GeometricFinder()):
            found = analyse(shot, by_hand=by_hand, pose_finder=finder)
            assert found.foot is not None
            assert (found.foot.side, found.foot.confidence) == (other, 1.0)
            assert found.foot.reason == "Told by ann."

    def test_the_ball_is_where_it_was_clicked_and_gone_where_there_is_none(
        self, shot: FilmedShot
    ) -> None:
        frame = int(shot.analysis.track.frames[4])
        gone = int(shot.analysis.track.frames[6])
        found = analyse(shot, by_hand=ShotClick(ball=((frame, (12.0, 13.0)), (gone, None))))
        row = found.track.take(found.track.frames == frame)
        assert row.xy.tolist() == [[12.0, 13.0]]
        assert row.score.tolist() == [1.0]
        assert row.diameter_px[0] == pytest.approx(shot.analysis.track.diameter_px[4], rel=0.3)
        assert gone not in found.track.frames
        assert len(found.track) == len(shot.analysis.track) - 1

    def test_a_ball_that_nobody_found_is_as_large_as_people_say(self, shot: FilmedShot) -> None:
        true = shot.analysis.track
        places = tuple((int(f), (x, y)) for f, (x, y) in zip(true.frames, true.xy, strict=True))
        found = analyse(shot, PERSON, GOAL, by_hand=ShotClick(ball=places))
        assert np.allclose(found.track.xy, true.xy)
        assert 0.4 < found.track.size_px / true.size_px < 2.5
        assert found.verdict.is_goal == shot.truth.is_goal

    def test_a_clip_that_is_not_analysed_is_named(self, shot: FilmedShot) -> None:
        other = replace(shot.clip, clip_id="other")
        clicks = ShotClicks(
            {"other": GoalClick(CORNERS, 0, None)}, {"away": ShotClick(foot="left")}
        )
        assert unused_clicks(clicks, [shot.clip, other], [shot.analysis]) == ["other"]
