"""Clips with known answers: who gets them, and how annotators score on them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from workbench.cli import app
from workbench.labels.assignment import assign
from workbench.labels.knownanswers import known_answers, score_annotators
from workbench.labels.records import Entry
from workbench.labels.values import LabelError

pytest_plugins = ["label_databases"]

NAMES = st.lists(st.text("abcdefg", min_size=1, max_size=4), unique=True, max_size=12)


def judge(store, item, kind="verdict", **annotator_to_verdict):
    for annotator, verdict in annotator_to_verdict.items():
        value = {"verdict": verdict}
        store.append(Entry(kind, item, value, annotator=annotator, tool="t"))


@given(items=NAMES, team=NAMES.filter(bool), data=st.data())
def test_every_clip_has_as_many_annotators_as_were_asked_for(items, team, data):
    each = data.draw(st.integers(1, len(team)))
    known = set(data.draw(st.lists(st.sampled_from(items), max_size=3))) if items else set()
    shares = assign(items, team, each, known)
    assert list(shares) == team
    for item in items:
        holders = sum(item in share for share in shares.values())
        assert holders == (len(team) if item in known else each)
    # A clip that comes later moves no other.
    more = assign([*items, "late"], team, each, known)
    assert {who: share[: len(shares[who])] for who, share in more.items()} == shares


def test_shares_are_about_equal():
    shares = assign([f"clip {n}" for n in range(600)], ["ann", "ben", "carla"], each=1)
    assert all(160 < len(share) < 240 for share in shares.values())


@pytest.mark.parametrize(("team", "each"), [(["ann"], 2), (["ann", "ann"], 1), ([""], 1)])
def test_a_team_that_cannot_label_is_refused(team, each):
    with pytest.raises(LabelError):
        assign(["clip"], team, each)


def test_annotators_are_scored_on_known_answers_alone(store, tmp_path):
    for number in range(4):
        judge(store, f"known {number}", truth="goal" if number else "no_goal", ann="goal")
    judge(store, "known 1", ben="unsure")
    judge(store, "known 2", ben="no_goal")
    judge(store, "other", ann="no_goal", ben="no_goal")
    known = known_answers(store, "verdict", "truth")
    ann, ben = score_annotators(store, "verdict", known, "truth")
    assert (ann.annotator, ann.right.value, ann.right.n, ann.unsure) == ("ann", 0.75, 4, 0)
    assert ann.base_rate.value == 0.75  # who always says goal is as good
    assert (ben.annotator, ben.right.value, ben.right.n, ben.unsure) == ("ben", 0.0, 1, 1)
    with pytest.raises(LabelError, match="trut has given no clip a verdict"):
        known_answers(store, "verdict", "trut")
    # Without a trusted annotator, what was settled is known.
    assert known_answers(store, "verdict") == {}
    judge(store, "other", "settled_verdict", carla="goal")
    judge(store, "known 0", "settled_verdict", carla="unsure")
    assert known_answers(store, "verdict") == {"other": "goal"}

    command = ["labels", "score", "--db", str(store.url), "--truth", "truth"]
    said = CliRunner().invoke(app, command).output
    assert "4 clips with a known answer" in said
    content = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert [row["annotator"] for row in content["annotators"]] == ["ann", "ben"]
