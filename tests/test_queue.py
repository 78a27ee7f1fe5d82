from fractions import Fraction

import pandas as pd
import pytest

from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.labels.queue import in_queue_order, save_queue
from workbench.labels.values import LabelError


def clip(name):
    return Clip(
        name, f"clips/{name}.mp4", "film", "s", 0, 60, 0, 60, Fraction(1, 30), Fraction(30), 64, 36
    )


def test_clips_come_in_the_order_of_the_queue(tmp_path):
    path = tmp_path / "label_next.json"
    save_queue(path, pd.DataFrame({"doubt": [0.9, None]}, index=["c", "a"]))
    queued = in_queue_order([clip("a"), clip("b"), clip("c")], path)
    assert [one.clip_id for one in queued] == ["c", "a"]


def test_a_queue_of_other_footage_is_named(tmp_path):
    path = tmp_path / "label_next.json"
    save_queue(path, pd.DataFrame({"doubt": [0.9]}, index=["elsewhere"]))
    with pytest.raises(LabelError, match="names none of these 1 clips"):
        in_queue_order([clip("a")], path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "workbench-queue/2", "clips": []}'])
def test_what_is_no_queue_is_refused(tmp_path, text):
    (tmp_path / "queue.json").write_text(text)
    with pytest.raises(DatasetError, match="queue"):
        in_queue_order([clip("a")], tmp_path / "queue.json")
