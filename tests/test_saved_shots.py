"""Analyses on disk: exact, keyed by what they depend on, and the same after a kill."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filmed_shots import FilmedShot, film_shot

from workbench.detect.store import ClipDetections
from workbench.footage.clips import Clip
from workbench.saving import to_json
from workbench.shots import analyse
from workbench.shots.analyse import AnalysedShots, analyse_shots
from workbench.shots.analysed import ShotAnalysis, load_shot, save_shot
from workbench.shots.goal.corners import GoalView
from workbench.shots.players.pose import GeometricFinder

NAMES = ("a", "b", "c")
KILLED = """
import pickle, sys
from pathlib import Path
from workbench.shots.analyse import analyse_shots

def wait(clip):
    print(clip.clip_id, flush=True)
    sys.stdin.readline()

given = pickle.loads(Path(sys.argv[1]).read_bytes())
analyse_shots(*given, Path(sys.argv[2]), on_progress=wait)
"""


@pytest.fixture(scope="module")
def shot() -> FilmedShot:
    return film_shot()


def clips_of(shot: FilmedShot) -> list[Clip]:
    """The same clip under three names."""
    return [replace(shot.clip, clip_id=name) for name in NAMES]


def given(shot: FilmedShot) -> tuple[list[Clip], Path, dict[str, ClipDetections], dict[str, tuple]]:
    sizes = dict.fromkeys(NAMES, shot.truth.goal_wh_m)
    return clips_of(shot), shot.folder, dict.fromkeys(NAMES, shot.labels), sizes


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def as_json(shot: ShotAnalysis) -> str:
    parts = {name: getattr(shot, name) for name in shot.__dataclass_fields__ if name != "people"}
    return json.dumps(to_json(parts), default=str)


def test_an_analysis_is_read_back_exactly(shot: FilmedShot, tmp_path: Path) -> None:
    path, found = tmp_path / "shot.json", shot.analysis
    save_shot(path, found, {"of": "this test"})
    again = load_shot(path, shot.clip, shot.labels, {"of": "this test"})
    assert again is not None
    assert as_json(again) == as_json(found)
    assert again.goal.corners_px is not None
    assert np.array_equal(again.goal.corners_px, found.goal.corners_px)
    assert again.pose is not None
    assert again.pose == found.pose
    assert again.foot == found.foot
    assert again.verdict.events == found.verdict.events
    assert again.verdict.path is not None
    assert again.verdict.path.camera.shape == (3, 4)


def test_an_analysis_of_a_clip_without_anything_is_read_back(
    shot: FilmedShot, tmp_path: Path
) -> None:
    labels = replace(shot.labels, frames=((),) * len(shot.labels.frames))
    found = analyse.analyse_shot(shot.clip, shot.folder, labels, goal_wh_m=(7.32, 2.44))
    save_shot(tmp_path / "shot.json", found, {})
    again = load_shot(tmp_path / "shot.json", shot.clip, labels, {})
    assert again is not None
    assert as_json(again) == as_json(found)
    assert again.track.xy.shape == (0, 2)


def test_what_is_saved_is_json_that_others_can_read(shot: FilmedShot, tmp_path: Path) -> None:
    save_shot(tmp_path / "shot.json", shot.analysis, {})
    row = json.loads((tmp_path / "shot.json").read_text())
    assert row["format"] == "workbench-shot/1"
    assert row["clip"]["clip_id"] == shot.clip.clip_id
    assert set(row["verdicts"]) == {"2d", "3d"}
    assert row["verdicts"]["3d"]["is_goal"] == shot.truth.is_goal
    assert len(row["ball"]["x"]) == len(shot.analysis.track)
    assert row["goal"]["corners_px"][0] == pytest.approx(shot.analysis.goal.corners_px[0])


def test_a_killed_analysis_goes_on_and_ends_with_the_same_files(
    shot: FilmedShot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pickle

    (tmp_path / "given.pkl").write_bytes(pickle.dumps(given(shot)))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "given.pkl", killed],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "a\n"  # saved, and the process waits for an answer
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert set(contents(killed)) == {"a.json"}
    first = (killed / "a.json").stat()

    seen = []
    once = analyse.analyse_shot
    monkeypatch.setattr(
        analyse,
        "analyse_shot",
        lambda clip, *a, **k: seen.append(clip.clip_id) or once(clip, *a, **k),
    )
    resumed = analyse_shots(*given(shot), killed)
    assert seen == ["b", "c"]
    assert (killed / "a.json").stat() == first
    uninterrupted = analyse_shots(*given(shot), whole)
    assert contents(killed) == contents(whole)
    assert [as_json(one) for one in resumed.shots] == [as_json(one) for one in uninterrupted.shots]


class TestWhatIsAnalysedAnew:
    """Not what was asked before in the same way; what depends on something that has changed."""

    @pytest.fixture
    def seen(self, monkeypatch: pytest.MonkeyPatch, shot: FilmedShot) -> list[str]:
        seen: list[str] = []

        def analysed(clip: Clip, *args: object, **settings: object) -> ShotAnalysis:
            seen.append(clip.clip_id)
            return replace(shot.analysis, clip=clip)

        monkeypatch.setattr(analyse, "analyse_shot", analysed)
        return seen

    def ask(self, shot: FilmedShot, folder: Path, **changed: object) -> AnalysedShots:
        clips, footage, labels, sizes = given(shot)
        settings = {"labels": labels, "goal_wh_m": sizes} | changed
        return analyse_shots(clips[:1], footage, folder=folder, **settings)  # type: ignore[arg-type]

    def test_is_what_depends_on_something_new(
        self, shot: FilmedShot, seen: list[str], tmp_path: Path
    ) -> None:
        self.ask(shot, tmp_path)
        self.ask(shot, tmp_path)
        assert len(seen) == 1
        fewer = replace(shot.labels, frames=((), *shot.labels.frames[1:]))
        view = GoalView(shot.truth.corners_px, "clicks", "Clicked by a person.")
        for changed in (
            {"labels": {"a": fewer}},
            {"goal_wh_m": {"a": (7.0, 2.0)}},
            {"goals": {shot.clip.session: view}},
            {"pose_finder": GeometricFinder()},
        ):
            before = len(seen)
            self.ask(shot, tmp_path, **changed)
            self.ask(shot, tmp_path, **changed)
            assert len(seen) == before + 1, changed

    def test_is_a_file_that_is_torn_or_holds_something_else(
        self, shot: FilmedShot, seen: list[str], tmp_path: Path
    ) -> None:
        self.ask(shot, tmp_path)
        whole = (tmp_path / "a.json").read_bytes()
        other = json.dumps(json.loads(whole) | {"ball": {"frame": [1]}, "goal": 3}).encode()
        for spoilt in (whole[: len(whole) // 2], b"[]", other):
            before = len(seen)
            (tmp_path / "a.json").write_bytes(spoilt)
            self.ask(shot, tmp_path)
            assert len(seen) == before + 1
            assert (tmp_path / "a.json").read_bytes() == whole

    def test_is_a_clip_that_failed_and_the_others_go_on(
        self, shot: FilmedShot, seen: list[str], tmp_path: Path
    ) -> None:
        clips, footage, labels, sizes = given(shot)
        clips[1] = replace(clips[1], file="nowhere.mp4")
        found = analyse_shots(clips, footage, labels, sizes, tmp_path)
        assert [one.clip.clip_id for one in found.shots] == ["a", "c"]
        assert "nowhere.mp4" in found.failed["b"]
        record = tmp_path / "b.failed.json"
        assert "nowhere.mp4" in json.loads(record.read_text())["failed"]
        again = analyse_shots(*given(shot), tmp_path)
        assert not again.failed
        assert not record.exists()
        assert seen == ["a", "c", "b"]

    def test_does_not_include_a_shot_whose_video_was_away_for_a_while(
        self, shot: FilmedShot, seen: list[str], tmp_path: Path
    ) -> None:
        clips, footage, labels, sizes = given(shot)
        analyse_shots(clips, footage, labels, sizes, tmp_path)
        assert analyse_shots(clips, tmp_path / "away", labels, sizes, tmp_path).failed
        assert len(analyse_shots(clips, footage, labels, sizes, tmp_path).shots) == 3
        assert seen == ["a", "b", "c"]


def test_the_folder_of_the_views_is_left_as_it_is(shot: FilmedShot, tmp_path: Path) -> None:
    """It belongs to the stage that made it: a change would make that stage's readers run again."""
    views = tmp_path / "labels"
    views.mkdir()
    clips, *rest = given(shot)
    assert analyse_shots(clips[:1], *rest, tmp_path / "shots", views_dir=views).shots
    assert not list(views.iterdir())
