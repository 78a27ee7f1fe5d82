"""The chain from labels to verdict: what it needs, what it says where something is missing."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from filmed_shots import FilmedShot, film_shot

from workbench.detect.detections import BALL, GOAL, PERSON, Detection
from workbench.detect.store import ClipDetections
from workbench.shots.analyse import analyse_shot, labelled_clips
from workbench.shots.analysed import ShotAnalysis, shots_table
from workbench.shots.evaluation.people import save_for_review


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


def analyse(shot: FilmedShot, labels: ClipDetections) -> ShotAnalysis:
    return analyse_shot(shot.clip, shot.folder, labels, goal_wh_m=shot.truth.goal_wh_m)


def keep(labels: ClipDetections, *classes: str) -> ClipDetections:
    """Labels of these classes alone."""
    frames = tuple(
        tuple(found for found in frame if found.class_name in classes) for frame in labels.frames
    )
    return replace(labels, frames=frames)


class TestPerfectLabels:
    def test_make_the_right_story(self, shot: FilmedShot) -> None:
        found = shot.analysis
        assert found.shooter is not None
        assert abs(found.shooter.contact_frame - shot.truth.contact_frame) <= 2
        assert found.verdict.method == "3d"
        assert found.verdict.is_goal == shot.truth.is_goal
        assert found.arrival_frame is not None
        assert found.kick_frame is not None
        assert found.kick_frame < found.arrival_frame

    def test_give_the_same_verdict_whatever_the_players_are_called(self, shot: FilmedShot) -> None:
        numbers = {1: 77, 2: 5, 200: 9, 190: 1}
        renamed = replace(
            shot.labels,
            frames=tuple(
                tuple(
                    replace(label, track_id=numbers.setdefault(label.track_id, 300 + len(numbers)))
                    for label in random.Random(place).sample(frame, len(frame))
                )
                for place, frame in enumerate(shot.labels.frames)
            ),
        )
        again = analyse(shot, renamed)
        assert again.shooter is not None
        assert shot.analysis.shooter is not None
        assert again.shooter.player == shot.analysis.shooter.player
        assert again.verdict.goal_probability == pytest.approx(
            shot.analysis.verdict.goal_probability
        )
        assert again.verdict.speed_kmh == pytest.approx(shot.analysis.verdict.speed_kmh)


class TestWhatIsMissing:
    @pytest.mark.parametrize(
        ("classes", "words"),
        [((PERSON, BALL), "no goal in view"), ((PERSON, GOAL), "ball"), ((), "no goal in view")],
    )
    def test_makes_the_verdict_abstain_and_say_why(
        self, shot: FilmedShot, classes: tuple[str, ...], words: str
    ) -> None:
        found = analyse(shot, keep(shot.labels, *classes))
        for verdict in found.verdicts.values():
            assert verdict.abstained
        assert words in found.verdict.reason
        assert found.verdict.speed_kmh is None
        assert found.shooter is None or BALL in classes

    def test_people_leave_a_verdict_without_a_shooter(self, shot: FilmedShot) -> None:
        found = analyse(shot, keep(shot.labels, BALL, GOAL))
        assert found.shooter is None
        assert found.foot is None
        assert found.verdict.goal_probability >= 0
        assert shots_table([found]).loc[shot.clip.clip_id, "foot"] == "foot not seen"

    def test_masks_are_not_needed_for_people_and_ball(self, shot: FilmedShot) -> None:
        def boxed(found: Detection) -> Detection:
            return found if found.class_name == GOAL else replace(found, mask=None)

        frames = tuple(tuple(map(boxed, frame)) for frame in shot.labels.frames)
        found = analyse(shot, replace(shot.labels, frames=frames))
        assert found.verdict.is_goal == shot.truth.is_goal


def test_the_goal_labeller_reads_the_verdicts(shot: FilmedShot, tmp_path: Path) -> None:
    from annotation_tools.goals.model_verdicts import load_model_verdicts

    unsure = replace(
        shot.analysis,
        clip=replace(shot.clip, clip_id="unsure"),
        verdicts={
            **shot.analysis.verdicts,
            "3d": replace(shot.analysis.verdict, abstained=True),
        },
    )
    read = load_model_verdicts(save_for_review(tmp_path / "v.json", [shot.analysis, unsure]))
    said = {name: row["verdict"] for name, row in read.item_to_verdict.items()}
    sure = "goal" if shot.analysis.verdict.is_goal else "no_goal"
    expected = "unsure" if shot.analysis.verdict.abstained else sure
    assert said == {shot.clip.clip_id: expected, "unsure": "unsure"}


def test_clips_without_labels_are_left_out(shot: FilmedShot, tmp_path: Path) -> None:
    assert labelled_clips([shot.clip], tmp_path) == {}


def test_a_real_clip_without_a_goal_abstains(shared: Path) -> None:
    from fractions import Fraction

    from workbench.footage.clips import Clip
    from workbench.footage.video_info import probe

    video = shared / "footage/clips/none_child_on_field_10s.mp4"
    info = probe(video)
    clip = Clip(
        "child", video.name, video.name, "child", 0, info.frame_count, 0, 1, Fraction(1),
        info.fps, info.width, info.height,
    )  # fmt: skip
    labels = ClipDetections(
        "child", "child", "nobody", info.width, info.height, ((),) * clip.frame_count
    )
    found = analyse_shot(clip, video.parent, labels, goal_wh_m=(7.32, 2.44))
    assert found.verdict.abstained
    assert "no goal in view" in found.verdict.reason
