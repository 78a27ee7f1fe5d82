"""The label database, on SQLite and on PostgreSQL alike."""

import sqlite3
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench import __version__
from workbench.errors import WorkbenchError
from workbench.labels.database import LabelStoreError
from workbench.labels.records import Entry, current
from workbench.labels.store import LabelStore
from workbench.labels.values import LabelError

pytest_plugins = ["label_databases"]

CUT = {
    "start_frame": 10,
    "end_frame": 40,
    "start_pts": 5005,
    "end_pts": 20020,
    "name": "Freistoß <b>links</b> ⚽",
    "sport": "soccer",
}
CORNERS = {
    "frame": 3,
    "corners_px": [[400.0, 300.0], [401.5, 210.0], [700.0, 205.0], [702.0, 301.0]],
    "goal_wh_m": [7.32, 2.44],
}
SHOT = {"kick_frame": None, "foot": None, "ball": None, "distance_m": None}
RATING, VERDICT = {"stars": 4}, {"verdict": "goal", "event_frame": 12}


def four(*points):
    return {**CORNERS, "corners_px": list(points)}


def rate(store, item_id="clip_1", stars=4, annotator="ann", tool="rater", **options):
    value = {"stars": stars}
    return store.append(Entry("rating", item_id, value, annotator=annotator, tool=tool, **options))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("cut", CUT),
        ("cut", {**CUT, "start_pts": -512, "end_pts": 2**62, "sport": None}),
        ("rating", RATING),
        ("rating", {"unsure": True}),
        ("rating", {"skipped": True}),
        ("class", {"classes": ["none"]}),
        ("class", {"classes": ["run", "serve"]}),
        ("class", {"unsure": True}),
        ("class", {"skipped": True}),
        ("verdict", VERDICT),
        ("verdict", {"verdict": "unsure", "event_frame": None}),
        ("event", {"label": "PASS", "frame": 0}),
        ("corners", CORNERS),
        ("corners", {**CORNERS, "goal_wh_m": None}),
        ("shot", {**SHOT, "kick_frame": 12, "ball": [[11, 8.5, 2.0], [14, None, None]]}),
        ("shot", {**SHOT, "foot": "left"}),
        ("shot", {**SHOT, "distance_m": 11.0}),
    ],
)
def test_a_label_comes_back_as_it_was_said(match, database, kind, value):
    with LabelStore(database) as store:
        store.add_source(match)
        before = datetime.now(UTC)
        said = store.append(
            Entry(kind, "item", value, annotator="José", tool="tool", source_id=match.source_id)
        )
    with LabelStore(database) as store:
        assert store.history() == [said]
        assert store.current(kind) == {("José", "item"): said}
        assert store.sources() == {match.source_id: match}
    assert (said.value, said.kind, said.tool) == (value, kind, "tool")
    assert (said.tool_version, said.source_id) == (__version__, match.source_id)
    assert before <= said.created_at <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("rating", {"stars": 6}, "stars is 6"),
        ("rating", {"stars": 0}, "stars is 0"),
        ("rating", {"stars": True}, "stars is True"),
        ("rating", {"stars": 4.0}, "stars is 4.0"),
        ("rating", {"stars": "4"}, "stars is '4'"),
        ("rating", {"stars": 4, "unsure": True}, "says stars, unsure"),
        ("rating", {"unsure": False}, "unsure is False"),
        ("rating", {}, "says nothing"),
        ("class", {}, "says nothing"),
        ("class", {"classes": []}, "classes is \\[\\]"),
        ("class", {"classes": "serve"}, "classes is 'serve'"),
        ("class", {"classes": ["serve", "serve"]}, "twice"),
        ("class", {"classes": ["serve", "none"]}, "none and also serve"),
        ("class", {"classes": ["serve"], "unsure": True}, "says classes, unsure"),
        ("rating", [4], "is \\[4\\]"),
        ("verdict", {"verdict": "maybe"}, "verdict is 'maybe'"),
        ("verdict", {"verdict": ["goal"]}, "verdict is \\['goal'\\]"),
        ("verdict", {"verdict": "goal", "event_frame": -1}, "event_frame is -1"),
        ("verdict", {"verdict": "goal", "event_frame": 900}, "beyond the end of match.mp4"),
        ("verdict", {"event_frame": 3}, "lacks verdict"),
        ("verdict", {"verdict": "goal", "frame": 3}, "no field 'frame'"),
        ("cut", {**CUT, "end_frame": 10}, "from frame 10 to 10 is empty"),
        ("cut", {**CUT, "end_frame": 901}, "beyond the end"),
        ("cut", {**CUT, "end_pts": 5005}, "is empty"),
        ("cut", {**CUT, "end_pts": None}, "one of start_pts and end_pts"),
        ("cut", {**CUT, "start_frame": 2**70, "end_frame": 2**71}, "start_frame"),
        ("cut", {**CUT, "name": "  "}, "name is empty"),
        ("cut", {**CUT, "name": "x" * 201}, "201 characters"),
        ("cut", {**CUT, "name": "half \ud800"}, "holds the character"),
        ("event", {"label": "nul\x00", "frame": 1}, "holds the character"),
        ("event", {"label": "two\nlines", "frame": 1}, "holds the character"),
        ("corners", four([0, 9], [1, 0], [9, 0], [9, 9], [5, 5]), "corners_px has 5 points"),
        ("corners", four([0, 9], [9, 0], [1, 0], [9, 9]), "cross, or one corner lies within"),
        ("corners", four([0, 9], [1, 0], [9, 0], [3, 3]), "cross, or one corner lies within"),
        ("corners", four([0, 9], [0, 0], [0, 4], [0, 7]), "on a line"),
        (
            "corners",
            four([0, 99], [0, 0], [1281, 0], [900, 99]),
            r"corner 3 \(1281, 0\) is outside",
        ),
        ("corners", four([0, 9], [0, -1], [9, 0], [9, 9]), r"corner 2 \(0, -1\) is outside"),
        ("corners", four([0, 9], [0, float("nan")], [9, 0], [9, 9]), "is nan"),
        ("corners", four([0, 9], [0], [9, 0], [9, 9]), "no list of points"),
        ("corners", {**CORNERS, "frame": 900}, "frame 900 is beyond the end of match.mp4"),
        ("corners", {**CORNERS, "goal_wh_m": [0, 2]}, "goal_wh_m is"),
        ("shot", {}, "corrects nothing"),
        ("shot", {"foot": "both"}, "foot is 'both'"),
        ("shot", {"kick_frame": 900}, "kick_frame 900 is beyond"),
        ("shot", {"ball": [[900, 1, 1]]}, "ball in frame 900 is beyond"),
        ("shot", {"ball": [[9, 1, 721]]}, r"ball in frame 9 \(1, 721\) is outside"),
        ("shot", {"ball": [[9, 1, 7], [9, 2, 7]]}, "places frame 9 twice"),
        ("shot", {"ball": [[9, 1, None]]}, "is None"),
        ("shot", {"ball": []}, "has 0 places"),
        ("goal", VERDICT, "'goal' is no kind"),
    ],
)
def test_what_is_no_label_is_refused_with_a_remedy(match, store, kind, value, problem):
    store.add_source(match)
    with pytest.raises(LabelError, match=problem) as caught:
        store.append(Entry(kind, "i", value, annotator="ann", tool="t", source_id=match.source_id))
    assert caught.value.remedy
    assert store.history() == []


def test_the_last_frames_of_a_video_can_be_labelled(match, store):
    store.add_source(match)
    options = {"annotator": "ann", "tool": "t", "source_id": match.source_id}
    store.append(Entry("cut", "c", {**CUT, "end_frame": 900}, **options))
    store.append(Entry("event", "e", {"label": "GOAL", "frame": 899}, **options))
    assert len(store.history(source_id=match.source_id)) == 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"annotator": ""}, "annotator's name is empty"),
        ({"annotator": None}, "annotator's name is None"),
        ({"annotator": "a\x00"}, "holds the character"),
        ({"source_id": "unheard"}, "video unheard is not known"),
        ({"entry_id": "1"}, "no UUID"),
        ({"undoes": str(uuid.uuid4())}, "an undo has a value"),
        ({"tool": " "}, "tool's name is empty"),
    ],
)
def test_a_label_without_who_or_where_is_refused(store, options, problem):
    with pytest.raises(LabelError, match=problem):
        rate(store, **options)
    assert store.history() == []


def test_sending_a_label_again_stores_it_once(store):
    entry_id = str(uuid.uuid4())
    first = rate(store, entry_id=entry_id)
    rate(store, stars=2)
    again = rate(store, entry_id=entry_id.upper())
    assert again == first
    assert len(store.history()) == 2
    assert store.current("rating")["ann", "clip_1"].value == {"stars": 2}


@pytest.mark.parametrize("change", [{"stars": 3}, {"annotator": "bob"}, {"item_id": "clip_2"}])
def test_an_id_that_is_taken_never_swallows_another_label(store, change):
    entry_id = str(uuid.uuid4())
    rate(store, entry_id=entry_id)
    with pytest.raises(LabelError, match="belongs to another label"):
        rate(store, entry_id=entry_id, **change)


def test_undo_redo_and_clearing_survive_a_restart(database):
    def take_back(entry):
        with LabelStore(database) as store:
            return store.append(
                Entry(
                    "rating", "clip_1", None, annotator="ann", tool="rater", undoes=entry.entry_id
                )
            )

    def standing():
        with LabelStore(database) as store:
            return {key[1]: entry.value for key, entry in store.current("rating").items()}

    with LabelStore(database) as store:
        rate(store, stars=3)
        better = rate(store, stars=5)
    undo = take_back(better)
    assert standing() == {"clip_1": {"stars": 3}}
    take_back(undo)
    assert standing() == {"clip_1": {"stars": 5}}
    with LabelStore(database) as store:
        store.append(Entry("rating", "clip_1", None, annotator="ann", tool="rater"))
    assert standing() == {}
    with LabelStore(database) as store:
        assert len(store.history()) == 5


def test_nobody_takes_back_what_another_said(store):
    said = rate(store)
    for annotator, item_id, entry_id in (
        ("bob", "clip_1", said.entry_id),
        ("ann", "clip_2", said.entry_id),
        ("ann", "clip_1", str(uuid.uuid4())),
    ):
        with pytest.raises(LabelError):
            store.append(
                Entry("rating", item_id, None, annotator=annotator, tool="t", undoes=entry_id)
            )
    assert store.current("rating") == {("ann", "clip_1"): said}


def test_an_undo_belongs_to_the_video_of_what_it_takes_back(match, store):
    store.add_source(match)
    said = rate(store, source_id=match.source_id)
    store.append(Entry("rating", "clip_1", None, annotator="ann", tool="t", undoes=said.entry_id))
    assert store.current("rating", source_id=match.source_id) == {}


def test_history_is_filtered_and_in_order(match, store):
    store.add_source(match)
    for stars, annotator, item in ((1, "ann", "a"), (2, "bob", "a"), (3, "ann", "b")):
        rate(store, item, stars, annotator)
    store.append(
        Entry("verdict", "a", VERDICT, annotator="ann", tool="t", source_id=match.source_id)
    )

    def stars(**filters):
        return [entry.value["stars"] for entry in store.history("rating", **filters)]

    assert stars() == [1, 2, 3]
    assert stars(item_id="a") == [1, 2]
    assert stars(annotator="ann") == [1, 3]
    assert stars(source_id=match.source_id) == []
    assert [entry.kind for entry in store.history(item_id="a")] == ["rating", "rating", "verdict"]
    seqs = [entry.seq for entry in store.history()]
    assert seqs == sorted(set(seqs))


def test_a_name_typed_in_two_ways_is_one_annotator(store):
    rate(store, stars=2, annotator="Jose\u0301 ")  # e and a combining accent
    rate(store, stars=5, annotator="Jos\u00e9")
    labels = store.current("rating", annotator="Jose\u0301")
    assert [entry.value for entry in labels.values()] == [{"stars": 5}]


def test_a_new_label_counts_even_if_the_clock_was_set_back(store):
    ahead = rate(store, stars=1)
    later = replace(
        ahead,
        entry_id=str(uuid.uuid4()),
        value={"stars": 2},
        created_at=datetime.now(UTC) + timedelta(days=400),
    )
    store.add_all([], [later])
    newest = rate(store, stars=3)
    assert newest.created_at > later.created_at
    assert store.current("rating")["ann", "clip_1"] == newest


def test_a_video_is_known_by_its_content(match, store):
    store.add_source(match)
    store.add_source(replace(match, name="renamed.mp4"))
    assert store.sources()[match.source_id].name == "match.mp4"
    with pytest.raises(LabelError, match="frame_count is 899, but was 900"):
        store.add_source(replace(match, frame_count=899))
    for nonsense in ({"fps": Fraction(0)}, {"width": 0}, {"duration_s": float("nan")}):
        with pytest.raises(LabelError):
            store.add_source(replace(match, source_id="x", **nonsense))


def test_the_database_itself_keeps_what_was_said(database, store):
    said = rate(store)
    address = database.replace("postgresql://", "postgresql+psycopg://")
    engine = sa.create_engine(address)
    for change in ("UPDATE entries SET annotator = 'bob'", "DELETE FROM entries"):
        with pytest.raises(sa.exc.DBAPIError, match="never changed"), engine.begin() as connection:
            connection.exec_driver_sql(change)
    engine.dispose()
    assert store.history() == [said]


def test_all_of_an_import_or_nothing(match, store):
    good = rate(store)
    new = replace(good, entry_id=str(uuid.uuid4()))
    changed = replace(good, value={"stars": 1})
    with pytest.raises(LabelError, match="belongs to another label"):
        store.add_all([match], [new, changed])
    assert store.history() == [good]
    assert store.sources() == {}
    assert store.add_all([match], [new, good]) == 1


def test_a_database_of_a_newer_version_is_left_alone(database):
    LabelStore(database).close()
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO workbench_schema VALUES (99)")
    engine.dispose()
    with pytest.raises(LabelError, match="schema 99") as caught:
        LabelStore(database)
    assert caught.value.remedy == "update workbench"


def test_a_database_of_the_first_version_is_brought_up_to_date(match, database):
    """Its table of entries refused new kinds of label."""
    with LabelStore(database) as store:
        store.add_source(match)
        said = [rate(store, stars=n) for n in (1, 2)]
        undo = Entry("rating", "clip_1", None, annotator="ann", tool="t", undoes=said[1].entry_id)
        said.append(store.append(undo))
    kinds = "CHECK (kind IN ('cut', 'rating', 'verdict', 'event'))"
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE workbench_schema SET version = 1")
        connection.exec_driver_sql("DROP TABLE standing")
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(
                f"ALTER TABLE entries ADD CONSTRAINT entries_kind_check {kinds}"
            )
        else:
            connection.exec_driver_sql("PRAGMA writable_schema = ON")
            old, new = "kind VARCHAR(20) NOT NULL", f"kind VARCHAR(20) NOT NULL {kinds}"
            query = "UPDATE sqlite_master SET sql = replace(sql, ?, ?) WHERE name = 'entries'"
            connection.exec_driver_sql(query, (old, new))
    engine.dispose()
    with LabelStore(database) as store:
        assert store.history() == said
        assert store.current("rating") == {("ann", "clip_1"): said[0]}
        new = store.append(Entry("corners", "clip_1", CORNERS, annotator="ann", tool="t"))
        assert new.seq > said[-1].seq
        assert store.history() == [*said, new]
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg://"))
    change = "DELETE FROM entries"
    with pytest.raises(sa.exc.DBAPIError, match="never changed"), engine.begin() as connection:
        connection.exec_driver_sql(change)
    engine.dispose()


@given(data=st.data())
@settings(max_examples=12, suppress_health_check=list(HealthCheck))
def test_what_stands_is_what_the_history_comes_to(match, store, data):
    """Whatever is appended, undone, redone, cleared or taken in from elsewhere, in any order."""
    store.add_source(match)
    prefix = uuid.uuid4().hex[:6]  # the examples share a database
    for _ in range(data.draw(st.integers(1, 10))):
        who = data.draw(st.sampled_from(["ann", "ben"]))
        item = f"{prefix}/{data.draw(st.integers(1, 2))}"
        before = store.history("rating", item, who)
        said = {"annotator": who, "tool": "t"}
        if before and data.draw(st.booleans()):
            undone = data.draw(st.sampled_from(before))
            entry = Entry("rating", item, None, undoes=undone.entry_id, **said)
        else:
            value = data.draw(st.sampled_from([None, {"stars": 1}, {"stars": 5}]))
            source_id = data.draw(st.sampled_from([None, match.source_id]))
            entry = Entry("rating", item, value, source_id=source_id, **said)
        if entry.undoes is None and data.draw(st.booleans()):
            back = timedelta(seconds=data.draw(st.integers(0, 60)))
            store.add_all([], [replace(entry, created_at=entry.created_at - back)])
        else:
            store.append(entry)
    ours = [entry for entry in store.history() if entry.item_id.startswith(prefix)]
    stands = current(ours)
    items = {f"{prefix}/1", f"{prefix}/2"}
    assert store.current("rating", items=items) == stands
    assert store.values("rating", items) == {key: one.value for key, one in stands.items()}
    mine = {key: one for key, one in stands.items() if key[0] == "ann" and one.source_id}
    assert store.current("rating", "ann", match.source_id, items) == mine


def test_corners_are_kept_from_left_bottom_on_however_they_were_given(store):
    kept = CORNERS["corners_px"]
    for item, corners in {
        "from_the_top": [*kept[1:], kept[0]],
        "the_other_way": kept[::-1],
    }.items():
        store.append(Entry("corners", item, four(*corners), annotator="ann", tool="t"))
    assert all(entry.value["corners_px"] == kept for entry in store.history())


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "mysql://host/labels",
        "://",
        "postgresql://nobody:secret@127.0.0.1:1/labels",
    ],
)
def test_a_wrong_address_is_told_without_its_password(url):
    with pytest.raises(WorkbenchError) as caught:
        LabelStore(url)
    assert "secret" not in str(caught.value)
    assert caught.value.remedy


def test_a_file_that_is_no_database_is_told(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes\n" * 100)
    with pytest.raises(LabelStoreError, match="not a database"):
        LabelStore(path)
    assert path.read_text().startswith("these are my notes")


def test_without_create_nothing_is_made(tmp_path):
    with pytest.raises(LabelStoreError, match="there is no label database"):
        LabelStore(tmp_path / "typo.sqlite", create=False)
    assert list(tmp_path.iterdir()) == []


def test_the_default_place_is_the_environments_or_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WORKBENCH_DB", raising=False)
    with LabelStore() as store:
        rate(store)
    assert (tmp_path / "data" / "labels.sqlite").is_file()
    monkeypatch.setenv("WORKBENCH_DB", f"sqlite:///{tmp_path}/elsewhere.sqlite")
    with LabelStore() as store:
        assert store.history() == []
    assert (tmp_path / "elsewhere.sqlite").is_file()


def test_sqlite_keeps_no_write_ahead_log(tmp_path):
    """A database that something else has switched to WAL goes back: WAL breaks on network homes."""
    path = tmp_path / "labels.sqlite"
    LabelStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    with LabelStore(path) as store:
        rate(store)
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_a_locked_file_is_told_and_the_label_can_be_sent_again(tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.labels.database.WAIT_S", 0.2)
    path, entry_id = tmp_path / "labels.sqlite", str(uuid.uuid4())
    with LabelStore(path) as store:
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(LabelStoreError, match="locked"):
            rate(store, entry_id=entry_id)
        other.rollback()
        other.close()
        rate(store, entry_id=entry_id)
        assert len(store.history()) == 1


def test_labels_go_on_after_the_server_has_dropped_the_connections(postgres):
    url = postgres.new_database()
    with LabelStore(url) as store:
        rate(store, "clip_1")
        with psycopg.connect(postgres.url, autocommit=True) as admin:
            dropped = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ).fetchall()
        assert dropped
        rate(store, "clip_2")
        assert len(store.history()) == 2


def test_who_may_only_read_can_read(postgres):
    url, role = postgres.new_database(), f"reader_{uuid.uuid4().hex}"
    schema = url.rpartition("%3D")[2]
    with LabelStore(url) as store:
        said = rate(store)
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN")
        admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    with LabelStore(url.replace("postgres@", f"{role}@")) as store:
        assert store.history() == [said]
        with pytest.raises(LabelStoreError, match="permission denied"):
            rate(store)
