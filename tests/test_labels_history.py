"""What a history of labels comes to, against a plain editor with an undo and a redo stack."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.labels.records import Entry, current, in_order
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


class Log:
    """Entries as they are appended."""

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


class Editor:
    """The two stacks that every editor has; what one does in it is appended to a log."""

    def __init__(self, annotator, log):
        self.annotator, self.log = annotator, log
        self.done, self.undone = [], []  # labels; pairs of a label and the entry that undid it

    def do(self, action):
        if action == "undo":
            if self.done:
                label = self.done.pop()
                self.undone.append((label, self.take_back(label)))
        elif action == "redo":
            if self.undone:
                label, undo = self.undone.pop()
                self.take_back(undo)
                self.done.append(label)
        else:
            self.done.append(self.log.append(self.annotator, *action))
            self.undone = []

    def take_back(self, entry):
        return self.log.append(self.annotator, entry.item_id, None, undoes=entry.entry_id)

    def current(self):
        latest = {label.item_id: label.value for label in self.done}
        return {item: value for item, value in latest.items() if value is not None}


def two_annotators(actions):
    """Let two annotators do what they do in one log; return the log and their editors by name."""
    log = Log()
    editors = {name: Editor(name, log) for name in "ab"}
    for annotator, action in actions:
        editors[annotator].do(action)
    return log, editors


@given(ACTIONS)
def test_the_log_comes_to_what_an_editor_shows(actions):
    for count in range(len(actions) + 1):
        log, editors = two_annotators(actions[:count])
        before = list(log.entries)
        standing = current(log.entries)
        for name, editor in editors.items():
            shown = {item: entry.value for (who, item), entry in standing.items() if who == name}
            assert shown == editor.current()
        assert log.entries == before


@given(ACTIONS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(actions, random):
    log, _ = two_annotators(actions)
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
