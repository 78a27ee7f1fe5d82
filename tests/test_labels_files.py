"""Labels in and out: text files, other projects' files, tables, the command line."""

import json
import tempfile
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from workbench.errors import WorkbenchError
from workbench.footage.video_info import content_digest, probe
from workbench.footage.writer import VideoWriter
from workbench.labels.cli import app
from workbench.labels.exchange import (
    export_labels,
    import_foreign,
    import_labels,
    labels_text,
)
from workbench.labels.records import Entry, Source, read_source
from workbench.labels.store import LabelStore
from workbench.labels.table import label_table
from workbench.labels.values import LabelError

pytest_plugins = ["label_databases"]

CUT = {
    "start_frame": 0,
    "end_frame": 9,
    "start_pts": None,
    "end_pts": None,
    "name": "</script> \u2028 «ü»",
    "sport": None,
}


def fill(store, match):
    store.add_source(match)
    options = {"annotator": "ann", "tool": "t", "source_id": match.source_id}
    store.append(Entry("cut", "c1", CUT, **options))
    said = store.append(Entry("verdict", "c1", {"verdict": "goal", "event_frame": 7}, **options))
    undo = store.append(
        Entry("verdict", "c1", None, undoes=said.entry_id, annotator="ann", tool="t")
    )
    store.append(Entry("verdict", "c1", None, undoes=undo.entry_id, annotator="ann", tool="t"))
    store.append(Entry("rating", "c1", {"stars": 4}, annotator="bob", tool="t"))
    store.append(Entry("rating", "c1", None, annotator="bob", tool="t"))


def test_export_and_import_is_the_identity(database, match, tmp_path):
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    with LabelStore(database) as store:
        fill(store, match)
        assert export_labels(store, first) == 6
        history = store.history()
    with LabelStore(tmp_path / "other.sqlite") as other:
        assert import_labels(other, first) == 6
        assert import_labels(other, first) == 0
        assert other.current("verdict").keys() == {("ann", "c1")}
        assert [replace(entry, seq=0) for entry in other.history()] == [
            replace(entry, seq=0) for entry in history
        ]
        export_labels(other, second)
    assert first.read_bytes() == second.read_bytes()


TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda text: text.strip()
)
VALUES = st.one_of(
    st.tuples(st.just("rating"), st.integers(1, 5).map(lambda stars: {"stars": stars})),
    st.tuples(st.just("rating"), st.sampled_from([None, {"unsure": True}, {"skipped": True}])),
    st.tuples(
        st.just("verdict"),
        st.fixed_dictionaries(
            {
                "verdict": st.sampled_from(["goal", "no_goal", "unsure"]),
                "event_frame": st.none() | st.integers(0, 2**62),
            }
        ),
    ),
    st.tuples(
        st.just("event"), st.fixed_dictionaries({"label": TEXT, "frame": st.integers(0, 99)})
    ),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(said=st.lists(st.tuples(VALUES, TEXT, TEXT, st.booleans()), max_size=12))
def test_any_history_survives_the_round_trip(said):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LabelStore(folder / "a.sqlite") as store:
            for (kind, value), item, annotator, take_back in said:
                entry = store.append(Entry(kind, item, value, annotator=annotator, tool="t"))
                if take_back:
                    who = {"annotator": annotator, "tool": "t"}
                    store.append(Entry(kind, item, None, undoes=entry.entry_id, **who))
            export_labels(store, folder / "a.json")
            standing = {kind: store.current(kind) for kind in ("rating", "verdict", "event")}
        with LabelStore(folder / "b.sqlite") as store:
            import_labels(store, folder / "a.json")
            export_labels(store, folder / "b.json")
            for kind, labels in standing.items():
                values = {key: entry.value for key, entry in store.current(kind).items()}
                assert values == {key: entry.value for key, entry in labels.items()}
        assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()


def test_an_export_is_read_line_by_line(store, match, tmp_path):
    """One line per video and entry: a new label is one new line in a comparison."""
    fill(store, match)
    export_labels(store, tmp_path / "labels.json")
    before = (tmp_path / "labels.json").read_text().splitlines()
    store.append(Entry("rating", "c9", {"stars": 1}, annotator="ann", tool="t"))
    export_labels(store, tmp_path / "labels.json")
    after = (tmp_path / "labels.json").read_text().splitlines()
    assert len(after) == len(before) + 1
    assert [line for line in before if line not in after] == [before[-2]]  # its comma
    assert list(json.loads(after[1].rstrip(",").split(": ", 1)[1] + "null]")) == [None]


def entry(created_at, value, number):
    return Entry(
        entry_id=str(uuid.UUID(int=number)),
        seq=0,
        kind="rating",
        item_id="clip",
        source_id=None,
        annotator="ann",
        value=value,
        undoes=None,
        tool="t",
        tool_version="1",
        created_at=created_at,
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_labels_from_two_machines_come_to_the_same_in_either_order(tmp_path, order):
    noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    files = [tmp_path / "early.json", tmp_path / "late.json"]
    files[0].write_text(labels_text([], [entry(noon, {"stars": 1}, 1)]))
    files[1].write_text(labels_text([], [entry(noon + timedelta(hours=1), {"stars": 5}, 2)]))
    with LabelStore(tmp_path / "both.sqlite") as store:
        for place in order:
            import_labels(store, files[place])
        assert store.current("rating")["ann", "clip"].value == {"stars": 5}
        export_labels(store, tmp_path / "both.json")
    assert [line[:1] for line in (tmp_path / "both.json").read_text().splitlines()].count("{") == 3


def damaged(change):
    row = json.loads(labels_text([], [entry(datetime(2025, 5, 1, tzinfo=UTC), {"stars": 1}, 1)]))[
        "entries"
    ][0]
    content = {"format": "workbench-labels/1", "sources": [], "entries": [{**row, **change}]}
    return json.dumps(content)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "[" * 100_000,
        '{"format": "workbench-labels/2", "sources": [], "entries": []}',
        '{"format": "workbench-labels/1", "sources": [], "entries": {}}',
        '{"format": "workbench-labels/1", "sources": [7], "entries": []}',
        '{"format": "workbench-labels/1", "sources": [], "entries": [{"kind": "rating"}]}',
        damaged({"value": {"stars": 9}}),
        damaged({"value": "five"}),
        damaged({"created_at": "yesterday"}),
        damaged({"created_at": "2025-05-01T00:00:00"}),
        damaged({"created_at": 7}),
        damaged({"entry_id": 7}),
        damaged({"annotator": 7}),
        damaged({"source_id": "unheard"}),
        damaged({"undoes": str(uuid.uuid4()), "value": None}),
        damaged({"surplus": 1}),
    ],
)
def test_a_damaged_file_is_refused_and_nothing_taken_in(tmp_path, text):
    path = tmp_path / "labels.json"
    path.write_text(text)
    with LabelStore(tmp_path / "labels.sqlite") as store:
        with pytest.raises(WorkbenchError) as caught:
            import_labels(store, path)
        assert caught.value.remedy
        assert store.history() == []
        assert store.sources() == {}


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (
            {"a.mp4": 5, "folder\\b.MOV": 1, "Cafe\u0301": 3, "d": None, "e": 0},
            "rating",
            {"a": {"stars": 5}, "folder/b.MOV": {"stars": 1}, "Café": {"stars": 3}},
        ),
        (
            {"a.mp4": "goal", "b": "No Goal", "c": "no-goal", "d": "nogoal", "e": "UNSURE"},
            "verdict",
            {
                name: {"verdict": verdict, "event_frame": None}
                for name, verdict in zip(
                    "abcde", ["goal", "no_goal", "no_goal", "no_goal", "unsure"], strict=True
                )
            },
        ),
        ({}, "rating", {}),
        ([], "cut", {}),
    ],
)
def test_clip_labels_of_other_projects_are_read(store, tmp_path, content, kind, expected):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    assert import_foreign(store, path, "ann").new == len(expected)
    labels = store.current(kind, annotator="ann")
    assert {item: said.value for (_, item), said in labels.items()} == expected
    assert import_foreign(store, path, "ann").new == 0


def test_importing_again_follows_what_the_file_says_now(store, tmp_path):
    path = tmp_path / "ratings.json"
    for stars in (3, 4, 3):
        path.write_text(json.dumps({"clip": stars}))
        assert import_foreign(store, path, "ann").new == 1
        assert store.current("rating")["ann", "clip"].value == {"stars": stars}


@pytest.mark.parametrize(
    "content",
    [
        7,
        {"a": 6},
        {"a": -1},
        {"a": True},
        {"a": 3.5},
        {"a": "perhaps"},
        {"a": 3, "b": "goal"},
        {"a.mp4": 3, "a": 4},
        {"Café": 3, "Cafe\u0301": 4},
        {"": 3},
        [7],
        [{"start": 1, "end": 2}],
        [{"start_frame": 5, "end_frame": 5}],
        [{"start_frame": 5}],
        [{"start_frame": 1, "end_frame": 5, "video": 7}],
        [{"start_frame": 1, "end_frame": 5, "name": 7}],
        "a",
    ],
)
def test_other_files_are_refused_and_nothing_taken_in(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    with LabelStore(tmp_path / "labels.sqlite") as store:
        with pytest.raises(LabelError) as caught:
            import_foreign(store, path, "ann")
        assert caught.value.remedy
        assert store.history() == []


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    import numpy as np

    path = tmp_path_factory.mktemp("video") / "game.mp4"
    with VideoWriter(path, (64, 48), Fraction(30000, 1001)) as writer:
        for shade in range(60):
            writer.write(np.full((48, 64, 3), 4 * shade, np.uint8))
    return path


@pytest.mark.parametrize("given", ["in the file", "by the caller", "known to the store"])
def test_cuts_of_other_projects_are_read(store, tmp_path, video, given):
    rows = [
        {"start": 0.5, "end": 1.0, "name": "first", "sport": "soccer"},
        {"start_frame": 30, "end_frame": 60},
        {"start_s": 0, "end_s": 99},
    ]
    options = {}
    if given == "by the caller":
        options["video"] = video
    else:
        rows = [{**row, "video": str(video)} for row in rows]
    path = tmp_path / "cuts.json"
    if given == "known to the store":
        store.add_source(replace(read_source(video), name="game.mp4"))
        rows = [{**row, "video": "gone/game.mp4"} for row in rows]
    path.write_text(json.dumps(rows))
    assert import_foreign(store, path, "ann", **options).new == 3
    assert import_foreign(store, path, "ann", **options).new == 0
    cuts = [said.value for said in store.current("cut").values()]
    frames = [(cut["start_frame"], cut["end_frame"]) for cut in cuts]
    assert frames == [(15, 30), (30, 60), (0, 60)]
    assert [(cut["name"], cut["sport"]) for cut in cuts] == [
        ("first", "soccer"),
        ("cut at 30", None),
        ("cut at 0", None),
    ]
    assert store.sources().keys() == {content_digest(video)}
    if given != "known to the store":
        info = probe(video)
        pts = [*info.pts.tolist(), info.end_pts]
        assert [(cut["start_pts"], cut["end_pts"]) for cut in cuts] == [
            (pts[start], pts[end]) for start, end in frames
        ]


def test_a_source_is_read_from_its_file(video):
    source = read_source(video)
    assert source == Source(
        content_digest(video),
        "game.mp4",
        Fraction(30000, 1001),
        60,
        64,
        48,
        pytest.approx(60 * 1001 / 30000),
    )


def test_tables_show_what_stands(store, match):
    fill(store, match)
    verdicts = label_table(store, "verdict")
    assert verdicts[["item_id", "annotator", "verdict", "source"]].values.tolist() == [
        ["c1", "ann", "goal", "match.mp4"]
    ]
    assert verdicts["event_frame"].dtype == "Int64"
    store.append(Entry("rating", "c2", {"unsure": True}, annotator="bob", tool="t"))
    ratings = label_table(store, "rating")
    assert ratings["unsure"].tolist() == [True]
    assert ratings["stars"].isna().all()
    assert str(verdicts["created_at"].dtype) == "datetime64[us, UTC]"


@pytest.mark.parametrize("kind", ["cut", "rating", "class", "verdict", "event"])
def test_an_empty_table_has_the_same_columns(store, match, kind):
    empty = label_table(store, kind)
    fill(store, match)
    store.append(Entry("rating", "c2", {"stars": 3}, annotator="bob", tool="t"))
    store.append(Entry("event", "e", {"label": "PASS", "frame": 3}, annotator="bob", tool="t"))
    store.append(Entry("class", "c2", {"classes": ["lob"]}, annotator="bob", tool="t"))
    full = label_table(store, kind)
    assert len(empty) == 0 < len(full)
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def command(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)


def test_the_commands_carry_labels_over(tmp_path, match):
    first, second = f"sqlite:///{tmp_path}/a.sqlite", f"sqlite:///{tmp_path}/b.sqlite"
    with LabelStore(first) as store:
        fill(store, match)
    assert command("export", tmp_path / "a.json", "--db", first).output.startswith("6 labels in")
    imported = command("import", tmp_path / "a.json", "--db", second)
    assert imported.output.startswith("6 labels new")
    command("export", tmp_path / "b.json", "--db", second)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    (tmp_path / "stars.json").write_text('{"clip.mp4": 5}')
    foreign = command("import", tmp_path / "stars.json", "--db", second, "--annotator", "eve")
    assert foreign.output.startswith("1 label new")


def test_the_command_says_how_far_people_agree(tmp_path):
    url = f"sqlite:///{tmp_path}/a.sqlite"
    with LabelStore(url) as store:
        for number in range(6):
            for who, verdict in (("ann", "goal"), ("bob", "no_goal" if number < 2 else "goal")):
                value = {"verdict": verdict}
                store.append(Entry("verdict", f"clip_{number}", value, annotator=who, tool="t"))
    shown = command("agreement", "--db", url)
    assert shown.exit_code == 0
    assert "12 verdicts of 2 annotators on 6 items, 6 of them shared" in shown.output
    assert "2 items to review, worst first: clip_0, clip_1" in shown.output
    content = json.loads(command("agreement", "--db", url, "--json").output)
    assert content["disagreements"] == ["clip_0", "clip_1"]
    assert content["overall"][0]["interval"]["value"] == pytest.approx(4 / 6)


def test_exporting_a_database_that_is_not_there_makes_none(tmp_path):
    result = command("export", tmp_path / "a.json", "--db", tmp_path / "typo.sqlite")
    assert isinstance(result.exception, LabelError)
    assert list(tmp_path.iterdir()) == []


def test_names_are_looked_up_in_the_footage_and_strangers_named(video, tmp_path):
    path, db = tmp_path / "stars.json", str(tmp_path / "labels.sqlite")
    path.write_text('\ufeff{"raw\\\\game.mp4": 4, "other.mp4": 2}')
    options = ["--db", db, "--annotator", "ann", "--footage", str(video.parent)]
    done = CliRunner().invoke(app, ["import", str(path), *options])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        f"1 label new from {path}",
        f"1 names are no clip's in {video.parent}, and left out: other.mp4",
    ]
    with LabelStore(db) as store:
        assert list(store.current("rating")) == [("ann", "game")]
        path.write_text('{"other.mp4": 2}')
        with pytest.raises(LabelError, match=r"stars\.json: 'other.mp4' is no clip in"):
            import_foreign(store, path, "ann", footage=video.parent)


def test_a_cut_of_a_video_that_is_not_there_is_not_put_on_another(store, video, tmp_path):
    path = tmp_path / "cuts.json"
    cut = {"start_frame": 1, "end_frame": 5}
    path.write_text(json.dumps([{**cut, "video": "another.mp4"}, {**cut, "video": "x/game.mp4"}]))
    import_foreign(store, path, "ann", video=video)
    sources = {said.source_id for said in store.current("cut").values()}
    assert sources == {None, content_digest(video)}
    game = read_source(video)
    for digest in ("1" * 64, "2" * 64):
        store.add_source(replace(game, source_id=digest, name="twin.mp4"))
    path.write_text(json.dumps([{**cut, "video": "twin.mp4"}]))
    with pytest.raises(LabelError, match=r"'twin\.mp4' may be"):
        import_foreign(store, path, "ann")


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "1e999", "9" * 400])
def test_a_time_that_is_none_is_refused(store, video, tmp_path, seconds):
    path = tmp_path / "cuts.json"
    path.write_text(f'[{{"start": 0, "end": {seconds}}}]')
    with pytest.raises(LabelError, match=r"cuts\.json"):
        import_foreign(store, path, "ann", video=video)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -1, 0, 5, 2**63, float("nan"), float("inf"), 1e308, "9" * 300])
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        ["goal", "no_goal", "a.mp4", "game.mp4", "..", "\ud800", "\0", "1/0", "1e9999999"]
    )
    | st.sampled_from(["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999+00:00"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["start", "end", "video", "name", "start_frame", "end_frame", "a.mp4", "a"]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def _mutated(draw, content):
    """A label file of ours with a few of its values replaced."""
    for _ in range(draw(st.integers(0, 3))):
        rows = content[draw(st.sampled_from(["sources", "entries"]))]
        row = rows[draw(st.integers(0, len(rows) - 1))]
        row[draw(st.sampled_from([*row, "surplus"]))] = draw(JSON)
    return content


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_label_file_costs_what_is_stored(video, data):
    """Foreign and own files, odd in every way: taken in whole, or refused with path and remedy."""
    with tempfile.TemporaryDirectory() as name, LabelStore(f"{name}/labels.sqlite") as store:
        path = Path(name) / "labels.json"
        fill(store, read_source(video))
        export_labels(store, path)
        before, content = store.history(), json.loads(path.read_text())
        is_own = data.draw(st.booleans())
        content = _mutated(data.draw, content) if is_own else data.draw(JSON)
        text = json.dumps(content).encode(
            data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
        )
        place = data.draw(st.integers(0, len(text)))
        path.write_bytes(
            text[:place] + data.draw(st.sampled_from([b"", b"", b"\xff"])) + text[place:]
        )
        footage = data.draw(st.sampled_from([None, video.parent]))
        try:
            if is_own:
                import_labels(store, path)
            else:
                import_foreign(store, path, "ann", video, footage)
        except LabelError:
            assert store.history() == before
        assert {entry.entry_id for entry in before} <= {one.entry_id for one in store.history()}
        for kind in ("rating", "verdict", "cut"):
            store.current(kind)  # can still be read,
        store.append(Entry("rating", "c1", {"stars": 1}, annotator="ann", tool="t"))  # and written
