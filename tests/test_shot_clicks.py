"""Clicks on shots: which count, their file, and the command line."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner
from videos import make_video

from workbench.cli import app
from workbench.footage.clips import Clip, save_clips
from workbench.labels.records import Entry
from workbench.labels.shotclicks import (
    GoalClick,
    ShotClick,
    import_clicks,
    load_clicks,
    save_clicks,
    standing_clicks,
)
from workbench.labels.store import LabelStore
from workbench.labels.values import LabelError

CORNERS = [[20.0, 80.0], [22.0, 30.0], [120.0, 28.0], [122.0, 82.0]]
GOAL = {"frame": 3, "corners_px": CORNERS, "goal_wh_m": [5.0, 2.0]}
SHOT = {
    "kick_frame": 7,
    "foot": "left",
    "ball": [[8, 50.5, 60.0], [9, None, None]],
    "distance_m": 11,
}


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of 160 x 96 pixels and 20 and 21 frames."""
    folder = tmp_path_factory.mktemp("footage")
    clips = []
    (folder / "clips").mkdir()
    times = {"time_base": Fraction(1, 25), "fps": Fraction(25), "start_pts": 0}
    for number in (0, 1):
        name, frames = f"shot_{number}.mp4", 20 + number
        make_video(folder / "clips" / name, frames, fps=Fraction(25))
        ends = {"start_frame": 0, "end_frame": frames, "end_pts": frames}
        clip = Clip(
            f"shot_{number}", f"clips/{name}", name, "s", width=160, height=96, **times, **ends
        )
        clips.append(clip)
    save_clips(folder, clips)
    return folder


@pytest.fixture
def store(tmp_path: Path):
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        yield opened


def clicks_file(path: Path, **parts: object) -> Path:
    path.write_text(json.dumps({"format": "workbench-shot-clicks/1", **parts}))
    return path


def say(store: LabelStore, kind: str, item: str, value: dict | None, who: str = "ann") -> Entry:
    return store.append(Entry(kind, item, value, annotator=who, tool="goals"))


def test_the_newest_counts_whoever_said_it(store: LabelStore) -> None:
    assert standing_clicks(store).goals == {}
    say(store, "corners", "shot_0", GOAL)
    bens = say(store, "corners", "shot_0", {**GOAL, "frame": 5, "goal_wh_m": None}, "ben")
    say(store, "shot", "shot_0", SHOT)
    found = standing_clicks(store)
    corners = tuple((x, y) for x, y in CORNERS)
    when = bens.to_row()["created_at"]
    assert found.goals == {"shot_0": GoalClick(corners, 5, None, "ben", when)}
    assert found.shots["shot_0"].ball == ((8, (50.5, 60.0)), (9, None))
    assert found.shots["shot_0"].distance_m == 11
    say(store, "corners", "shot_0", None, "ben")  # taken away: ann's are there still
    assert standing_clicks(store).goals["shot_0"].annotator == "ann"


def test_a_file_goes_out_and_in_without_loss(
    store: LabelStore, footage: Path, tmp_path: Path
) -> None:
    given = clicks_file(
        tmp_path / "given.json", goals={"clips/shot_0.mp4": GOAL}, shots={"shot_1": SHOT}
    )
    assert import_clicks(store, given, footage, "ann") == 2
    assert import_clicks(store, given, footage, "ann") == 0
    assert {entry.source_id for entry in store.history()} == set(store.sources())
    from workbench.footage.clips import load_clips

    kept = tmp_path / "kept.json"
    assert save_clicks(store, load_clips(footage), kept) == 2
    assert load_clicks(kept, footage) == standing_clicks(store)
    with LabelStore(tmp_path / "other.sqlite") as other:
        assert import_clicks(other, kept, footage) == 2  # the file says who
        assert {entry.annotator for entry in other.history()} == {"ann"}


def test_clicks_of_a_file_come_before_those_of_the_database(
    store: LabelStore, footage: Path, tmp_path: Path
) -> None:
    say(store, "shot", "shot_0", SHOT)
    say(store, "shot", "shot_1", SHOT)
    path = clicks_file(tmp_path / "clicks.json", shots={"shot_0": {"foot": "right"}})
    both = load_clicks(path, footage).over(standing_clicks(store))
    assert both.shots["shot_0"] == ShotClick(foot="right")
    assert both.shots["shot_1"].foot == "left"
    assert load_clicks(None, footage).over(both) == both


def goal(*points: list[float]) -> dict:
    return {"shot_0": {**GOAL, "corners_px": list(points)}}


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"goals": {"shot_7": GOAL}}, "'shot_7' is no clip in"),
        ({"shots": {"shot_7": SHOT}}, "'shot_7' is no clip in"),
        ({"goals": goal(*CORNERS, [1, 1])}, "shot_0: corners_px has 5 points"),
        ({"goals": goal(*CORNERS[:3], [122, 97])}, r"shot_0: corner 4 \(122, 97\) is outside"),
        ({"goals": goal(CORNERS[0], CORNERS[2], CORNERS[1], CORNERS[3])}, "shot_0: the sides"),
        ({"goals": {"shot_0": GOAL, "clips/shot_0.mp4": GOAL}}, "are one clip"),
        ({"goals": {"shot_0": {**GOAL, "frame": 20}}}, "shot_0: frame 20 is beyond the end"),
        ({"shots": {"shot_0": {"ball": [[20, 1, 1]]}}}, "ball in frame 20 is beyond"),
        ({"shots": {"shot_0": {"foot": "both"}}}, "foot is 'both'"),
        ({"shots": {"shot_0": {"distance_m": 110}}}, "distance_m is 110"),
        ({"shots": {"shot_0": {}}}, "corrects nothing"),
        ({"shots": {"shot_0": 3}}, "is not a file of clicks"),
        ({"goal": {}}, "'goal' is none of goals, shots"),
        ({"goals": []}, "is not a file of clicks"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_nothing_is_taken_in(
    footage: Path, tmp_path: Path, parts: dict, words: str
) -> None:
    path = clicks_file(tmp_path / "clicks.json", **parts)
    with pytest.raises(LabelError, match=rf"clicks\.json.*{words}"):
        load_clicks(path, footage)
    database = f"sqlite:///{tmp_path / 'labels.sqlite'}"
    options = ["--footage", str(footage), "--db", database, "--annotator", "ann"]
    result = CliRunner().invoke(app, ["labels", "clicks", "import", str(path), *options])
    assert result.exit_code != 0
    with LabelStore(database) as store:
        assert store.history() == []


def test_the_command_line_lists_exports_and_imports(footage: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    database = ["--db", f"sqlite:///{tmp_path / 'labels.sqlite'}", "--footage", str(footage)]
    given = clicks_file(tmp_path / "given.json", goals={"shot_0": GOAL}, shots={"shot_1": SHOT})
    unnamed = run(app, ["labels", "clicks", "import", str(given), *database])
    assert "does not say who clicked shot_0" in str(unnamed.exception)
    taken = run(app, ["labels", "clicks", "import", str(given), *database, "--annotator", "ann"])
    assert taken.output == f"2 labels new from {given}\n"
    listed = run(app, ["labels", "clicks", "list", *database]).output
    assert "goal 5 x 2 m" in listed
    assert "kick in frame 7, left foot, ball in 2 frames" in listed
    assert "2 of 2 clips have clicks" in listed
    kept = tmp_path / "kept.json"
    assert run(app, ["labels", "clicks", "export", str(kept), *database]).exit_code == 0
    assert json.loads(kept.read_text())["goals"]["shot_0"]["annotator"] == "ann"
