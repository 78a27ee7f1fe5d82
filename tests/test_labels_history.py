"""What a history of labels comes to, against a plain editor with an undo and a redo stack."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.labels.history import Entry, current, in_order, undoable
from workbench.labels.values import LabelError

START = datetime(2025, 5, 1, tzinfo=UTC)

LABELS = st.tuples(
    st.sampled_from(["clip_1", "clip_2", "clip_3"]),
    st.one_of(st.none(), st.integers(1, 5).map(lambda stars: {"stars": stars})),
)
ACTIONS = st.lists(
    st.tuples(st.sampled_from("ab"), st.one_of(LABELS, st.sampled_from(["undo", "redo"]))),
    max_size=40,
)


class Editor:
    """The two stacks that every editor has."""

    def __init__(self):
        self.done, self.undone = [], []

    def do(self, action):
        if action == "undo":
            if self.done:
                self.undone.append(self.done.pop())
        elif action == "redo":
            if self.undone:
                self.done.append(self.undone.pop())
        else:
            self.done.append(action)
            self.undone = []

    def current(self):
        latest = dict(self.done)
        return {item: value for item, value in latest.items() if value is not None}


class Log:
    """The same actions as appended entries; which to undo is read off the log."""

    def __init__(self):
        self.entries = []

    def append(self, annotator, item_id, value, undoes=None):
        number = len(self.entries) + 1
        entry = Entry(
            entry_id=str(uuid.UUID(int=number)),
            seq=number,
            kind="rating",
            item_id=item_id,
            source_id=None,
            annotator=annotator,
            value=value,
            undoes=undoes,
            tool="t",
            tool_version="1",
            created_at=START + timedelta(seconds=number),
        )
        self.entries.append(entry)
        return entry

    def do(self, annotator, action):
        if action in ("undo", "redo"):
            state = undoable(entry for entry in self.entries if entry.annotator == annotator)
            stack = state.done if action == "undo" else state.undone
            if stack:
                self.append(annotator, stack[-1].item_id, None, undoes=stack[-1].entry_id)
        else:
            self.append(annotator, *action)


@given(ACTIONS)
def test_the_log_comes_to_what_an_editor_shows(actions):
    editors, log = {"a": Editor(), "b": Editor()}, Log()
    for annotator, action in actions:
        editors[annotator].do(action)
        log.do(annotator, action)
        before = list(log.entries)
        standing = current(log.entries)
        for name, editor in editors.items():
            shown = {item: entry.value for (who, item), entry in standing.items() if who == name}
            assert shown == editor.current()
            state = undoable(entry for entry in log.entries if entry.annotator == name)
            assert [(e.item_id, e.value) for e in state.done] == editor.done
            assert len(state.undone) == len(editor.undone)
        assert log.entries == before


@given(ACTIONS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(actions, random):
    log = Log()
    for annotator, action in actions:
        log.do(annotator, action)
    arrived = list(log.entries)
    random.shuffle(arrived)
    assert in_order(arrived) == log.entries


@pytest.mark.parametrize("redone", [0, 1])
def test_of_two_undos_of_one_label_either_is_redone(redone):
    """Two windows may both press undo; one redo brings the label back."""
    log = Log()
    label = log.append("a", "clip_1", {"stars": 4})
    undos = [log.append("a", "clip_1", None, undoes=label.entry_id) for _ in range(2)]
    assert current(log.entries) == {}
    log.append("a", "clip_1", None, undoes=undos[redone].entry_id)
    assert current(log.entries) == {("a", "clip_1"): label}


def test_a_history_with_a_hole_is_refused():
    log = Log()
    label = log.append("a", "clip_1", {"stars": 4})
    undo = log.append("a", "clip_1", None, undoes=label.entry_id)
    with pytest.raises(LabelError, match="takes back"):
        current([undo])
