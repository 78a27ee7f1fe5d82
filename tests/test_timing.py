"""Agreement in time: the event frames of verdicts, and events with labels."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from workbench.cli import app
from workbench.labels.agreement import disagreements
from workbench.labels.lastword import last_words
from workbench.labels.records import Entry, Source
from workbench.labels.timing import differing_events, match_frames, measure_timing
from workbench.shots.evaluation.people import people_verdicts

pytest_plugins = ["label_databases"]


def judge(store, item, kind="verdict", source=None, **annotator_to_said):
    for annotator, (verdict, frame) in annotator_to_said.items():
        value = {"verdict": verdict, "event_frame": frame}
        store.append(Entry(kind, item, value, annotator=annotator, tool="t", source_id=source))


def mark(store, source, annotator, *events):
    for number, (label, frame) in enumerate(events):
        value = {"label": label, "frame": frame}
        store.append(
            Entry("event", f"{annotator} {number}", value, annotator=annotator, tool="t",
                  source_id=source)
        )  # fmt: skip


def add_video(store, source):
    store.add_source(Source(source, f"{source}.mp4", 25, 500, 640, 360, 20.0))
    return source


def test_a_goal_at_another_frame_is_a_disagreement(store):
    judge(store, "same goal", ann=("goal", 48), bob=("goal", 60))
    judge(store, "other goal", ann=("goal", 48), bob=("goal", 216))
    judge(store, "no frame", ann=("goal", 48), bob=("goal", None))
    judge(store, "worst", ann=("goal", 48), bob=("no_goal", 48))
    queue = disagreements(store, "verdict")
    assert list(queue) == ["worst", "other goal"]
    assert queue["other goal"] == {"ann": "goal at frame 48", "bob": "goal at frame 216"}
    assert queue["worst"] == {"ann": "goal", "bob": "no_goal"}
    assert "same goal" in disagreements(store, "verdict", tolerance_frames=11)
    assert list(disagreements(store, "verdict", tolerance_frames=168)) == ["worst"]


def test_what_is_settled_waits_no_longer_and_is_the_truth(store):
    judge(store, "split", ann=("goal", 48), bob=("no_goal", None))
    judge(store, "doubtful", ann=("unsure", None))
    assert people_verdicts(store) == {"split": None, "doubtful": None}
    judge(store, "split", "settled_verdict", cid=("no_goal", 50))
    judge(store, "split", "settled_verdict", dora=("goal", 49))  # the newest word counts
    assert disagreements(store, "verdict") == {}
    assert last_words(store, "verdict")["split"].value == {"verdict": "goal", "event_frame": 49}
    assert last_words(store, "rating") == {}
    assert people_verdicts(store) == {"split": True, "doubtful": None}
    # The independent verdicts are still there to be compared.
    assert measure_timing(store).within.n == 0
    cleared = Entry("settled_verdict", "split", None, annotator="dora", tool="t")
    store.append(cleared)
    assert last_words(store, "verdict")["split"].annotator == "cid"


def test_event_frames_are_compared_pair_by_pair(store):
    for number, frame in enumerate((50, 52, 61, 100)):
        judge(store, f"clip {number}", ann=("goal", 50), bob=("goal", frame))
    timing = measure_timing(store)
    assert timing.within.value == 0.75
    assert timing.within.n == 4
    assert sorted(timing.gaps) == [0, 2, 11, 50]
    assert timing.gap_frames.value == 6.5
    assert measure_timing(store, items={"clip 3"}).within.value == 0
    assert json.loads(json.dumps(timing.to_dict()))["events"]["value"] is None


def test_events_are_matched_by_label_where_both_have_looked(store):
    first, second, third = (add_video(store, name) for name in ("first", "second", "third"))
    mark(store, first, "ann", ("kick", 10), ("kick", 100), ("save", 130))
    mark(store, first, "bob", ("kick", 14), ("save", 100))
    mark(store, third, "cid", ("kick", 14))  # nobody else has looked at this one
    timing = measure_timing(store, tolerance_frames=5)
    # One kick matched, one missed; the saves are 30 frames apart.
    assert timing.events.value == pytest.approx(2 * 1 / (3 + 2))
    assert timing.label_to_events["kick"].value == pytest.approx(2 / 3)
    assert timing.label_to_events["save"].value == 0
    assert differing_events(store, 5) == {"first": 3}
    assert differing_events(store, 30) == {"first": 1}
    # Whoever has judged a video and seen no event in it has missed those of the others.
    mark(store, second, "dora", ("kick", 10))
    assert "second" not in differing_events(store)
    judge(store, "the second", source=second, ann=("no_goal", None))
    assert differing_events(store)["second"] == 1


FRAMES = st.lists(st.integers(0, 30), max_size=5)


@given(first=FRAMES, second=FRAMES, tolerance=st.integers(0, 6))
def test_no_other_matching_has_more_pairs(first, second, tolerance):
    pairs = match_frames(first, second, tolerance)
    assert all(abs(one - other) <= tolerance for one, other in pairs)
    for side, given_frames in ((0, first), (1, second)):
        left = sorted(given_frames)
        for pair in pairs:
            left.remove(pair[side])  # each frame is used as often as it is there

    def most(one, other):
        if not one:
            return 0
        rest = one[1:]
        fits = [n for n, frame in enumerate(other) if abs(one[0] - frame) <= tolerance]
        return max([most(rest, other), *(1 + most(rest, other[:n] + other[n + 1 :]) for n in fits)])

    assert len(pairs) == most(first, second)


def test_the_command_line_has_the_figure_in_time(store, tmp_path):
    judge(store, "clip", ann=("goal", 48), bob=("goal", 216))
    judge(store, "other", ann=("no_goal", 48), bob=("no_goal", 50))
    command = ["labels", "agreement", "--db", str(store.url)]
    said = CliRunner().invoke(app, command).output
    assert "event frames at most 12 apart" in said
    assert "worst first: clip" in said
    content = json.loads(CliRunner().invoke(app, [*command, "--tolerance", "200", "--json"]).output)
    assert content["timing"]["within"]["value"] == 1
    assert content["disagreements"] == []
