"""Versions of a clip set made of people's labels, what they lack, and the commands for them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_shapes import film_shapes, shape_clip
from typer.testing import CliRunner

from workbench.actions.clipset import build_clipset, load_clipset
from workbench.actions.enough import what_lacks
from workbench.actions.versions import (
    add_version,
    change_since_parent,
    compare_versions,
    load_version,
    version_table,
    with_labels,
)
from workbench.cli import app
from workbench.errors import DatasetError
from workbench.footage.clips import OWN_FOOTAGE, save_clips
from workbench.labels.records import Entry
from workbench.labels.settled import Settled, settle
from workbench.labels.store import LabelStore
from workbench.training.splits import split_sessions
from workbench.training.versions import version_names

SMALL = {"frames": 4, "size_wh": (40, 36)}


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Eight sessions of left, right and none, without a class of their own in the list."""
    folder = tmp_path_factory.mktemp("footage")
    clips = film_shapes(folder, sessions=8, per_class=1)
    unlabelled = [replace(clip, sport=None) for clip in clips]
    save_clips(folder, unlabelled)
    return folder, unlabelled, {clip.clip_id: str(clip.sport) for clip in clips}


def said(labels: dict[str, str], **reasons: str) -> Settled:
    classes = {item: tuple(name.split("+")) for item, name in labels.items()}
    return Settled(classes, dict.fromkeys(classes, "all"), reasons)


def add(footage, folder, labels, **reasons):
    place, clips, _ = footage
    settled = said(labels, **reasons)
    rows = with_labels(clips, settled)
    return add_version(folder, rows, place, settled, origin=OWN_FOOTAGE, **SMALL)


def of_sessions(footage, count):
    _, clips, labels = footage
    names = sorted({clip.session for clip in clips})[:count]
    return {clip.clip_id: labels[clip.clip_id] for clip in clips if clip.session in names}


def test_versions_name_parent_labels_and_changes_and_keep_every_session_in_its_split(
    footage, tmp_path
):
    first = add(footage, tmp_path, of_sessions(footage, 5), doubtful="unsure")
    assert first.folder.name == "v1"
    assert (first.meta["name"], first.meta["parent"]) == ("v1", None)
    assert first.meta["labels"] == {"settled by all": 15, "left out: unsure": 1}
    assert first.meta["licence"] == "yours"

    again = add(footage, tmp_path, of_sessions(footage, 5))
    assert again.folder == first.folder  # nothing has changed: no version
    assert version_names(tmp_path) == ["v1"]

    labels = of_sessions(footage, 8)
    changed, dropped, several = sorted(of_sessions(footage, 5))[:3]
    labels[changed] = "none" if labels[changed] != "none" else "left"
    del labels[dropped]
    labels[several] = "left+right"
    second = add(footage, tmp_path, labels)
    assert (second.meta["parent"], second.meta["parent_version"]) == ("v1", first.version)
    assert second.meta["labels"]["left out: several classes"] == 1
    assert first.session_to_split.items() <= second.session_to_split.items()

    found = compare_versions(load_version(tmp_path, "v1"), load_version(tmp_path))
    assert len(found.added) == 9
    assert set(found.removed) == {dropped, several}
    assert set(found.relabelled) == {changed}
    assert found.moved == {}
    assert str(found) == "v1 → v2: 9 clips added, 2 removed, 1 relabelled"
    assert load_clipset(tmp_path).folder == second.folder  # the newest
    assert str(change_since_parent(tmp_path, second)) == str(found)
    assert change_since_parent(tmp_path, first) is None
    table = version_table(tmp_path)
    assert list(table["parent"]) == ["", "v1"]
    assert list(table["clips"]) == [15, 22]


def test_a_version_that_fails_leaves_none_behind(footage, tmp_path):
    with pytest.raises(DatasetError, match="no clip has a label"):
        add(footage, tmp_path, {})
    with pytest.raises(DatasetError, match="at least three sessions"):
        add(footage, tmp_path, of_sessions(footage, 2))
    assert version_names(tmp_path) == []
    with pytest.raises(DatasetError, match="no version v1"):
        load_version(tmp_path)


def test_the_database_goes_before_the_class_of_a_cut(footage):
    clips = [shape_clip(name, "s", "left", split="test") for name in ("cut", "said", "tie", "two")]
    settled = said({"said": "none", "two": "left+right"}, tie="a tie")
    found = with_labels(clips, settled)
    assert [clip.sport for clip in found] == ["left", "none", None, None]
    assert {clip.split for clip in found} == {None}


# ---- leaks -----------------------------------------------------------------------------------


def copy_of(footage, clip, name, session):
    """The same film as `clip`, encoded anew and mirrored, in a session of its own."""
    import av

    place, _, labels = footage
    with av.open(str(place / clip.file)) as was, av.open(str(place / f"{name}.mp4"), "w") as copy:
        stream = copy.add_stream("libx264", rate=30, options={"crf": "30", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        for frame in was.decode(video=0):
            pixels = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[:, ::-1])
            copy.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        copy.mux(stream.encode())
    return shape_clip(name, session, labels[clip.clip_id])


def test_a_mirrored_copy_keeps_two_sessions_together_or_is_refused(footage, tmp_path):
    place, clips, labels = footage
    own = [replace(clip, sport=labels[clip.clip_id]) for clip in clips]
    settings = {"origin": OWN_FOOTAGE, "cache_dir": tmp_path / "cache", **SMALL}
    plain = build_clipset(own, place, tmp_path / "plain", **settings)
    assert plain.meta["near_duplicates"] == []
    splits = plain.session_to_split
    tested = next(clip for clip in own if splits[clip.session] == "test")
    copy = copy_of(footage, tested, "copy", "elsewhere")
    built = build_clipset([*own, copy], place, tmp_path / "set", kept=splits, **settings)
    assert built.meta["near_duplicates"] == [sorted(["copy", tested.clip_id])]
    assert built.session_to_split["elsewhere"] == "test"

    with pytest.raises(DatasetError, match=r"'elsewhere' \(train\).*\(test\)|\(test\).*\(train\)"):
        build_clipset(
            [*own, copy], place, tmp_path / "no", kept={**splits, "elsewhere": "train"}, **settings
        )
    given = [replace(clip, split=splits[clip.session]) for clip in own]
    with pytest.raises(DatasetError, match="show nearly the same film"):
        build_clipset([*given, replace(copy, split="train")], place, tmp_path / "no", **settings)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy")), min_size=8, max_size=40
    ),
    seed=st.integers(0, 3),
)
def test_more_sessions_move_none(rows, seed):
    rows = [*rows, *(("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"), ("b", "y"), ("c", "y"))]
    early = [row for row in rows if row[0] in "abcd"]
    first = split_sessions(*zip(*early, strict=True), seed=seed)
    second = split_sessions(*zip(*rows, strict=True), kept=first, seed=seed + 1)
    assert first.items() <= second.items()


# ---- what is missing -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "ready", "words"),
    [
        ({}, (), "no clip has a class yet"),
        ({"serve": [4, 4, 4], "none": [6, 6, 6]}, ("serve", "none"), "enough clips of serve, none"),
        (
            {"serve": [12], "none": [3, 3, 3]},
            (),
            "2 more clips of serve in 2 more sessions; 3 more",
        ),
        ({"serve": [20], "none": [4, 4, 4]}, ("none",), "2 more clips of serve in 2 more sessions"),
        ({"serve": [11, 1]}, (), "1 more clip of serve in 1 more session"),
        ({"serve": [5, 5, 5]}, ("serve",), "label clips of another class"),
    ],
)
def test_what_is_missing_is_said_in_clips_and_sessions(counts, ready, words):
    clips = [
        shape_clip(f"{name}{session}{number}", f"s{session}", name)
        for name, sessions in counts.items()
        for session, count in enumerate(sessions)
        for number in range(count)
    ]
    found = what_lacks([*clips, shape_clip("nobody", "s0", None)])
    assert found.ready == ready
    assert found.can_train == (len(ready) > 1)
    assert words in str(found)


# ---- the commands ----------------------------------------------------------------------------


def test_the_commands_add_list_and_compare(footage, tmp_path):
    place, _, labels = footage
    db, folder = str(tmp_path / "labels.sqlite"), str(tmp_path / "sets")

    def run(*words):
        made = CliRunner().invoke(app, ["dataset", *words], env={"COLUMNS": "160"})
        assert made.exit_code == 0, (made.output, made.exception)
        return made.stdout

    with LabelStore(db) as store:
        for item in sorted(of_sessions(footage, 4)):
            value = {"classes": [labels[item]]}
            store.append(Entry("class", item, value, annotator="ann", tool="t"))
    take = [
        "add",
        folder,
        "--footage",
        str(place),
        "--db",
        db,
        "--licence",
        "CC0",
        "--note",
        "mine",
    ]
    assert "v1 added: 12 clips" in run(*take)
    assert "v1 unchanged" in run(*take)
    meta = json.loads((tmp_path / "sets/v1/dataset_meta.json").read_text())
    assert (meta["licence"], meta["caveat"]) == ("CC0", "mine")
    item = sorted(labels)[0]
    with LabelStore(db) as store:
        store.append(Entry("class", item, {"unsure": True}, annotator="ben", tool="t"))
        assert settle(store).item_to_reason == {item: "a tie"}
    out = run(*take)
    assert "v2 added: 11 clips" in out
    assert "1 clips left out: a tie" in out
    assert "v1" in run("list", folder)
    out = run("diff", folder, "v1", "v2")
    assert out.startswith("v1 → v2: 0 clips added, 1 removed, 0 relabelled")
    assert f"removed {item}: {labels[item]}" in out
