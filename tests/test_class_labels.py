"""Classes that people give clips: their list, files of others, what is settled, agreement."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moving_shapes import film_shapes, shape_clip
from typer.testing import CliRunner

from workbench.cli import app
from workbench.footage.clips import save_clips
from workbench.labels.agreement import disagreements, judgements, measure_agreement
from workbench.labels.classfiles import import_classes
from workbench.labels.classlist import SPORTS, load_classes
from workbench.labels.records import Entry
from workbench.labels.settled import Choice, settle
from workbench.labels.store import LabelStore
from workbench.labels.values import LabelError


@pytest.fixture
def store(tmp_path):
    with LabelStore(tmp_path / "labels.sqlite") as opened:
        yield opened


def say(store, annotator, item_to_word, kind="class"):
    """Let an annotator give clips a class, several (a+b), or nothing sure."""
    for item, word in item_to_word.items():
        value = {word: True} if word in ("unsure", "skipped") else {"classes": word.split("+")}
        store.append(Entry(kind, item, value, annotator=annotator, tool="t"))


# ---- the list --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("classes: [serve, no, none]", {"serve": "1", "no": "2", "none": "3"}),
        ("classes: {serve: S, none: }", {"serve": "s", "none": "1"}),
        ("classes: {serve: 2, lob: , none: 1}", {"serve": "2", "lob": "3", "none": "1"}),
    ],
)
def test_a_list_names_classes_and_keys(tmp_path, text, expected):
    path = tmp_path / "classes.yaml"
    path.write_text(text + "\nseveral: true\n")
    found = load_classes(path)
    assert dict(found.class_to_key) == expected
    assert found.names == tuple(expected)
    assert found.several


def test_without_a_list_there_are_the_four_sports(tmp_path):
    assert load_classes(tmp_path / "absent.yaml") is SPORTS
    assert SPORTS.names == ("baseball", "basketball", "soccer", "none")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no classes"),
        ("[serve]", "has no classes"),
        ("classes: [serve]", "two names or more"),
        ("classes: {serve: a, lob: A}", "'serve' and 'lob'"),
        ("classes: {serve: 0, lob: 1}", "for clearing"),
        ("classes: {serve: ab, lob: 1}", "key of 'serve' is 'ab'"),
        ("classes: {serve: [a], lob: 1}", "key of 'serve'"),
        ("classes: [serve, lob]\nclass: 3", "no field 'class'"),
        ("classes: [serve, lob]\nseveral: perhaps", "several is 'perhaps'"),
        ("classes: {serve: a", "not YAML"),
    ],
)
def test_what_is_no_list_says_why(tmp_path, text, problem):
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    with pytest.raises(LabelError, match=problem) as caught:
        load_classes(path)
    assert "classes.yaml" in str(caught.value)


# ---- files of others -------------------------------------------------------------------------


def test_tables_and_objects_are_read_and_again_add_nothing(store, tmp_path):
    table = tmp_path / "classes.csv"
    table.write_text("Clip;Class;Annotator\na.mp4;serve;ben\nb;run|serve;ben\nc;;ben\nd;unsure;\n")
    assert import_classes(store, table, "ann").new == 3
    assert import_classes(store, table, "ann").new == 0
    said = tmp_path / "classes.json"
    said.write_text(json.dumps({"a.mp4": "none", "b": ["serve", "run"], "e": "skipped"}))
    assert import_classes(store, said, "carla").new == 3
    assert {key: entry.value for key, entry in store.current("class").items()} == {
        ("ben", "a"): {"classes": ["serve"]},
        ("ben", "b"): {"classes": ["run", "serve"]},
        ("ann", "d"): {"unsure": True},
        ("carla", "a"): {"classes": ["none"]},
        ("carla", "b"): {"classes": ["run", "serve"]},
        ("carla", "e"): {"skipped": True},
    }


def test_a_folder_says_the_class_of_all_clips_that_were_cut_from_its_videos(store, tmp_path):
    raw, footage = tmp_path / "raw", tmp_path / "footage"
    for name in ("serve", "none", "lob"):
        (raw / name).mkdir(parents=True)
        (raw / name / f"{name}.mp4").write_bytes(b"")
    footage.mkdir()
    parts = [("s1", "serve"), ("s2", "serve"), ("n1", "none")]
    rows = [shape_clip(item, "s", None) for item, _ in parts]
    sources = [str((raw / name / f"{name}.mp4").resolve()) for _, name in parts]
    save_clips(footage, [replace(row, source=src) for row, src in zip(rows, sources, strict=True)])
    made = import_classes(store, raw, "ann", footage)
    assert made.new == 3
    assert [name.rsplit("/", 1)[1] for name in made.unknown] == ["lob.mp4"]
    assert store.current("class")["ann", "s2"].value == {"classes": ["serve"]}
    # A table may name the video, too.
    table = tmp_path / "table.csv"
    table.write_text("video,class\nserve.mp4,lob\n")
    assert import_classes(store, table, "ben", footage).new == 2
    assert store.current("class")["ben", "s1"].value == {"classes": ["lob"]}


@pytest.mark.parametrize(
    ("name", "text", "annotator", "problem"),
    [
        ("a.csv", "clip,class\na,serve\n", None, "who labelled 'a'"),
        ("a.csv", "one,two\na,serve\n", "ann", "columns one, two"),
        ("a.csv", "clip,class\na,serve\na.mp4,lob\n", "ann", "one clip|two things"),
        ("a.csv", "clip,class\na,serve|none\n", "ann", "none and also serve"),
        ("a.json", "[1]", "ann", "not a file of classes"),
        ("a.json", '{"a": 3}', "ann", "is 3"),
        ("a.json", '{"a": "x", "a": "y"}', "ann", "twice"),
    ],
)
def test_other_files_are_refused_and_nothing_taken_in(
    store, tmp_path, name, text, annotator, problem
):
    (tmp_path / name).write_text(text)
    with pytest.raises(LabelError, match=problem):
        import_classes(store, tmp_path / name, annotator)
    assert store.history() == []


def test_names_that_are_no_clips_are_listed(store, tmp_path):
    footage = tmp_path / "footage"
    footage.mkdir()
    save_clips(footage, film_shapes(footage, sessions=1, per_class=1)[:1])
    table = tmp_path / "a.csv"
    item = json.loads((footage / "clips.json").read_text())["clips"][0]["clip_id"]
    table.write_text(f"clip,class\n{item},serve\nstranger,lob\n")
    assert import_classes(store, table, "ann", footage).unknown == ("stranger",)
    table.write_text("clip,class\nstranger,lob\n")
    with pytest.raises(LabelError, match="'stranger' is no clip"):
        import_classes(store, table, "ann", footage)


def test_the_command_takes_classes_in_and_says_how_far_people_agree(tmp_path):
    table = tmp_path / "classes.csv"
    rows = [("a", "serve", "serve"), ("b", "none", "none"), ("c", "serve", "none")]
    lines = [f"{clip},{word},{who}" for clip, *two in rows for who, word in zip("xy", two)]  # noqa: B905
    table.write_text("\n".join(["clip,class,annotator", *lines]))
    db = ["--db", str(tmp_path / "labels.sqlite")]
    take_in = ["labels", "import", str(table), "--classes", *db]
    made = CliRunner().invoke(app, take_in)
    assert made.stdout.startswith("6 labels new"), made.output
    said = CliRunner().invoke(app, ["labels", "agreement", "--kind", "class", *db]).stdout
    assert "6 classes of 2 annotators on 3 items, 3 of them shared" in said
    assert "1 items to review, worst first: c" in said
    table.write_text("clip,class\nc,serve\n")
    CliRunner().invoke(app, [*take_in, "--settles", "--annotator", "carla"])
    said = CliRunner().invoke(app, ["labels", "agreement", "--kind", "class", *db]).stdout
    assert "2 annotators on 3 items" in said
    assert "to review" not in said


# ---- what is settled -------------------------------------------------------------------------


def test_an_adjudicator_then_the_most_then_nobody_settles(store):
    say(store, "ann", {"all": "serve", "most": "serve", "tie": "serve", "doubt": "unsure"})
    say(
        store, "ben", {"all": "serve", "most": "serve", "tie": "lob", "judged": "lob", "one": "lob"}
    )
    say(store, "eve", {"most": "lob", "skipped": "skipped"})
    say(store, "carla", {"judged": "lob"}, kind="settled_class")
    say(store, "dora", {"judged": "none", "doubt": "unsure"}, kind="settled_class")
    found = settle(store)
    assert dict(found.item_to_classes) == {
        "all": ("serve",),
        "judged": ("none",),  # of two adjudicators, the newer
        "most": ("serve",),
        "one": ("lob",),
    }
    assert dict(found.item_to_reason) == {"tie": "a tie", "doubt": "unsure"}
    assert found.counts == {
        **{"settled by all": 1, "settled by most": 1, "settled by one person": 1},
        **{"settled by the adjudicator": 1, "left out: a tie": 1, "left out: unsure": 1},
    }
    assert found.item_to_by["judged"] == "the adjudicator"
    agreed = settle(store, choice=Choice(only_agreed=True))
    assert set(agreed.item_to_classes) == {"all", "judged"}
    assert set(settle(store, ["one", "elsewhere"]).item_to_classes) == {"one"}
    assert "judged" not in disagreements(store, "class")
    assert "tie" in disagreements(store, "class")


def test_clips_of_few_stars_are_left_out(store):
    say(store, "ann", {"good": "serve", "bad": "serve", "unrated": "serve"})
    for who, item, stars in (("ann", "good", 5), ("ben", "good", 2), ("ann", "bad", 2)):
        store.append(Entry("rating", item, {"stars": stars}, annotator=who, tool="t"))
    found = settle(store, choice=Choice(least_stars=3))
    assert set(found.item_to_classes) == {"good"}  # the median of 5 and 2 is 3.5
    assert dict(found.item_to_reason) == {"bad": "fewer than 3 stars", "unrated": "no stars"}


WORDS = st.sampled_from(["serve", "lob", "none", "serve+lob", "unsure", "skipped"])


@settings(max_examples=30, deadline=None)
@given(
    said=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), WORDS), max_size=12),
    only_agreed=st.booleans(),
)
def test_every_judged_clip_is_settled_or_left_out_whatever_the_order(
    said, only_agreed, tmp_path_factory
):
    # The last word of each annotator on each clip counts, so that order among clips must not.
    last = {(who, item): word for who, item, word in said}
    found = []
    for order in (sorted(last), sorted(last, reverse=True)):
        with LabelStore(tmp_path_factory.mktemp("labels") / "db.sqlite") as store:
            for who, item in order:
                say(store, who, {item: last[who, item]})
            found.append(settle(store, choice=Choice(only_agreed=only_agreed)))
    judged = {item for (_, item), word in last.items() if word != "skipped"}
    assert found[0] == found[1]
    assert set(found[0].item_to_classes) | set(found[0].item_to_reason) == judged
    assert not set(found[0].item_to_classes) & set(found[0].item_to_reason)
    for item, classes in found[0].item_to_classes.items():
        assert any(word.split("+") and set(word.split("+")) == set(classes)
                   for (_, one), word in last.items() if one == item)  # fmt: skip


# ---- agreement -------------------------------------------------------------------------------


def test_classes_are_compared_as_names_and_several_as_one_answer(store):
    say(store, "ann", {"a": "serve", "b": "lob", "c": "serve+run", "d": "none", "e": "serve"})
    say(store, "ben", {"a": "serve", "b": "none", "c": "run+serve", "d": "none", "e": "unsure"})
    judged = judgements(store, "class")
    assert judged.scale == ("lob", "none", "run + serve", "serve", "unsure")
    # Far apart in the alphabet or not: another class is another class; unsure is half way.
    assert list(disagreements(store, "class")) == ["b", "e"]
    agreement = measure_agreement(store, "class", resamples=50)
    assert {measure.name for measure in agreement.overall} == {
        "observed agreement",
        "Krippendorff's alpha, nominal",
    }
    assert agreement.overall[0].interval.value == pytest.approx(3 / 5)


def test_one_class_alone_is_nothing_to_tell_apart(store):
    say(store, "ann", {"a": "serve"})
    say(store, "ben", {"a": "serve"})
    assert disagreements(store, "class") == {}
    assert measure_agreement(store, "class", resamples=10).answer().startswith("Can't tell")
