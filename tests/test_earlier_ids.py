"""Labels of an earlier version are found again, each under the id of its own video."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from workbench.footage.clips import label_id
from workbench.labels.earlier_ids import move_labels
from workbench.labels.records import Entry, Source
from workbench.labels.store import LabelStore

SOURCES = {"shot.mov": "a" * 64, "shot.mp4": "b" * 64, "cam/kick.mkv": "c" * 64}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with LabelStore(tmp_path / "labels.sqlite") as store:
        for name, source_id in SOURCES.items():
            store.add_source(Source(source_id, name, Fraction(25), 50, 160, 96, 2.0))
        yield store


def judge(store: LabelStore, item: str, verdict: str, video: str | None, who: str = "ann") -> None:
    value = {"verdict": verdict, "event_frame": None}
    source_id = None if video is None else SOURCES[video]
    store.append(Entry("verdict", item, value, annotator=who, tool="goals", source_id=source_id))


def moved(store: LabelStore, *videos: str) -> int:
    ids = {video: label_id(video) for video in videos}
    return move_labels(store, "verdict", ids, {video: SOURCES[video] for video in videos})


def standing(store: LabelStore) -> dict[tuple[str, str], str]:
    return {key: one.value["verdict"] for key, one in store.current("verdict").items() if one.value}


@pytest.mark.parametrize("said_of", ["shot.mov", None])
def test_labels_of_a_lone_video_are_found_again(store: LabelStore, said_of: str | None) -> None:
    judge(store, "shot", "goal", said_of)
    judge(store, "cam/kick", "unsure", "cam/kick.mkv", who="bea")
    assert moved(store, "shot.mov", "cam/kick.mkv") == 2
    assert standing(store) == {("ann", "shot.mov"): "goal", ("bea", "cam/kick.mkv"): "unsure"}
    assert moved(store, "shot.mov", "cam/kick.mkv") == 0
    assert len(store.history("verdict")) == 6  # nothing is lost


def test_a_namesake_does_not_take_them(store: LabelStore) -> None:
    judge(store, "shot", "no_goal", "shot.mp4")
    judge(store, "shot", "goal", "shot.mov")  # said last, and stood for both
    judge(store, "shot", "unsure", None, who="bea")  # nobody knows of which
    assert moved(store, "shot.mov", "shot.mp4") == 1
    assert standing(store) == {
        ("ann", "shot.mov"): "goal",
        ("ann", "shot"): "no_goal",
        ("bea", "shot"): "unsure",
    }


def test_what_was_said_under_the_new_id_counts(store: LabelStore) -> None:
    judge(store, "shot", "goal", "shot.mov")
    judge(store, "shot.mov", "unsure", "shot.mov")
    assert moved(store, "shot.mov", "shot.mp4") == 1
    assert standing(store) == {("ann", "shot.mov"): "unsure"}


def test_labels_of_other_videos_stay(store: LabelStore) -> None:
    judge(store, "shot", "goal", "shot.mp4")
    judge(store, "elsewhere", "goal", "cam/kick.mkv")
    before = standing(store)
    assert moved(store, "shot.mov", "shot.mp4") == moved(store, "shot.mov") == 0
    assert standing(store) == before
