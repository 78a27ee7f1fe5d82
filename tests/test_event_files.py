"""Event files: what is written is read back; what is wrong is named, and the rest is usable."""

import json
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import DatasetError
from workbench.labels.events import (
    BALL,
    TEAMS,
    Events,
    bins,
    from_entries,
    load_class_map,
    middle_ms,
    read_csv,
    write_csv,
)
from workbench.labels.records import Entry, Source
from workbench.labels.soccernet import (
    RESULTS,
    find_matches,
    read_events,
    write_labels,
    write_results,
    zip_results,
)

BALL_MAP = load_class_map("ball")
row = st.fixed_dictionaries(
    {
        "half": st.integers(1, 2),
        "position_ms": st.integers(0, 7_500_000),
        "label": st.sampled_from(BALL),
        "team": st.sampled_from(TEAMS),
        "is_shown": st.booleans(),
    }
)
score = st.floats(0, 1).map(lambda value: value + 0.0)  # no minus zero


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events") / "events.json"


@given(rows=st.lists(row, max_size=6))
def test_labels_come_back(file: Path, rows: list[dict[str, Any]]) -> None:
    write_labels(file, Events.of_rows(BALL, rows), "league/season/match")
    assert read_events(file, BALL_MAP).events.rows() == rows
    assert json.loads(file.read_text())["UrlLocal"] == "league/season/match"


@given(rows=st.lists(st.tuples(row, score), max_size=6))
def test_results_come_back(file: Path, rows: list[tuple[dict[str, Any], float]]) -> None:
    given_rows = [{**one, "is_shown": True, "score": sure} for one, sure in rows]
    write_results(file, Events.of_rows(BALL, given_rows))
    assert read_events(file, BALL_MAP).events.rows() == given_rows


@given(rows=st.lists(row, max_size=6), scores=st.lists(score, max_size=6))
def test_tables_come_back(file: Path, rows: list[dict[str, Any]], scores: list[float]) -> None:
    rows = [one | {"score": sure} for one, sure in zip(rows, scores, strict=False)]
    write_csv(file, Events.of_rows(BALL, rows))
    assert read_csv(file, BALL_MAP).rows() == rows


@given(frame=st.integers(0, 14_399), fps=st.sampled_from([25, 12.5, 10, 30, 2]))
def test_a_frame_written_in_its_middle_is_counted_as_itself(frame: int, fps: float) -> None:
    assert bins(middle_ms(frame, fps), fps) == frame


def test_one_frame_in_twenty_written_at_its_start_is_not() -> None:
    frames = np.arange(100_000)
    assert 0.04 < (bins(frames * 40, 25) != frames).mean() < 0.06


@given(rows=st.lists(row, max_size=6))
def test_a_mirror_swaps_the_sides_and_nothing_else(rows: list[dict[str, Any]]) -> None:
    swapped = {"left": "right", "right": "left"}
    mirrored = Events.of_rows(BALL, rows).flipped()
    assert mirrored.rows() == [
        one | {"team": swapped.get(one["team"], one["team"])} for one in rows
    ]
    assert mirrored.flipped().rows() == rows


LABEL = {"gameTime": "1 - 00:10", "label": "PASS", "position": "10000", "visibility": "visible"}
SPOT = {"label": "PASS", "position": 10000, "half": 1, "confidence": 0.5}
FAULTS = [
    ("annotations", LABEL | {"label": "KICK"}, "unknown class: 'label' is 'KICK'"),
    ("annotations", LABEL | {"gameTime": "3 - 00:10"}, "'half' is 3, a match has two"),
    ("annotations", LABEL | {"position": "-1"}, "'position' is -1 ms"),
    ("annotations", LABEL | {"position": "60000"}, "the video ends at 60000 ms"),
    ("annotations", LABEL | {"position": "soon"}, "invalid literal"),
    ("annotations", LABEL | {"team": "up"}, "'team' is 'up'"),
    ("annotations", {"label": "PASS"}, "no field 'gameTime'"),
    ("annotations", "PASS", "string indices must be"),
    ("annotations", LABEL | {"label": ["PASS"]}, "unhashable"),
    ("predictions", SPOT | {"half": 3}, "'half' is 3"),
    ("predictions", SPOT | {"confidence": float("nan")}, "'confidence' is nan"),
    ("predictions", SPOT | {"confidence": None}, "float"),
    ("predictions", SPOT | {"position": 10**30}, "'position' is 1000000"),
]


@pytest.mark.parametrize(("part", "bad", "said"), FAULTS)
def test_a_fault_is_named_by_file_and_place_and_the_rest_can_be_used(
    tmp_path: Path, part: str, bad: Any, said: str
) -> None:
    sound = LABEL if part == "annotations" else SPOT
    path = tmp_path / "events.json"
    path.write_text(json.dumps({part: [sound, bad]}))
    with pytest.raises(DatasetError, match=rf"events.json: {part}\[1\]: .*{said}"):
        read_events(path, BALL_MAP, length_ms=60_000)
    kept = read_events(path, BALL_MAP, length_ms=60_000, skip_bad=True)
    assert (len(kept.events), len(kept.faults)) == (1, 1)
    assert said in kept.faults[0]


def test_of_two_labels_in_one_bin_the_last_counts_and_the_other_is_named(tmp_path: Path) -> None:
    path = tmp_path / "events.json"
    rows = [LABEL | {"team": "left"}, LABEL | {"position": "10039"}, LABEL | {"label": "DRIVE"}]
    path.write_text(json.dumps({"annotations": rows}))
    assert len(read_events(path, BALL_MAP).events) == 3
    with pytest.raises(DatasetError, match=r"annotations\[0\]: a second PASS within one bin"):
        read_events(path, BALL_MAP, fps=25)
    kept = read_events(path, BALL_MAP, fps=25, skip_bad=True).events
    assert [one["position_ms"] for one in kept.rows()] == [10_039, 10_000]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"annotations": 3}', '{"predictions": null}'])
def test_what_is_no_event_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "events.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"events\.json"):
        read_events(path, BALL_MAP, skip_bad=True)


def test_small_class_sets_leave_the_others_out() -> None:
    assert load_class_map("ball-2").place("GOAL") is None
    with pytest.raises(ValueError, match="unknown class"):
        load_class_map("ball-2").place("KICK")


def test_a_class_map_is_data(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(
        json.dumps({"classes": ["smash"], "renamed": {"jump smash": "smash", "x": None}})
    )
    own = load_class_map(path)
    assert [own.place(name) for name in ("smash", "jump smash", "x")] == [0, 0, None]
    path.write_text(json.dumps({"classes": ["smash"], "renamed": {"lob": "clear"}}))
    with pytest.raises(DatasetError, match="'lob' becomes 'clear'"):
        load_class_map(path)


def test_an_archive_holds_every_match_and_reads_as_the_folder_does(tmp_path: Path) -> None:
    spots = Events.of_rows(BALL, [{"label": "PASS", "position_ms": 20, "score": 0.5}])
    for match in ("a/b/one", "a/b/two"):
        write_results(tmp_path / "spots" / match / RESULTS, spots, match)
    archives = [tmp_path / "first.zip", tmp_path / "second.zip"]
    assert [zip_results(tmp_path / "spots", archive) for archive in archives] == [2, 2]
    assert archives[0].read_bytes() == archives[1].read_bytes()
    assert zipfile.ZipFile(archives[0]).testzip() is None
    found = find_matches(archives[0], RESULTS)
    assert list(found) == list(find_matches(tmp_path / "spots", RESULTS)) == ["a/b/one", "a/b/two"]
    assert read_events(found["a/b/one"], BALL_MAP).events.rows() == spots.rows()


def test_what_people_marked_becomes_events() -> None:
    source = Source("v", "v.mp4", Fraction(30000, 1001), 900, 64, 48, 30.0)
    marks = [("PASS", 90, "v"), ("SHOT", 30, "v"), ("lunch", 5, "v"), ("PASS", 1, "other")]
    entries = [
        Entry(
            "event",
            str(at),
            {"label": label, "frame": frame},
            annotator="a",
            tool="t",
            source_id=of,
        )
        for at, (label, frame, of) in enumerate(marks)
    ]
    events = from_entries(BALL, entries, source)
    assert [one["label"] for one in events.rows()] == ["SHOT", "PASS"]
    assert bins(events.position_ms, float(source.fps)).tolist() == [30, 90]
