"""The store of detections: what is appended frame by frame is read back, by any range of frames."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.detect import store
from workbench.detect.detections import CLASSES, Detection, encode_box
from workbench.detect.store import image_row, load_detections, read_head, write_detections
from workbench.errors import DatasetError
from workbench.footage.clips import Clip

WH = (80, 60)


def clip_of(frames: int) -> Clip:
    return Clip(
        clip_id="match", file="m.mp4", source="m.mp4", session="s", start_frame=0,
        end_frame=frames, start_pts=0, end_pts=frames, time_base=Fraction(1, 30), fps=Fraction(30),
        width=WH[0], height=WH[1],
    )  # fmt: skip


def detection(name: str, x: int, note: str) -> Detection:
    fields = {"score": 0.5, "track_id": x, "found_by": "motion", "more": {"note": note}}
    mask = encode_box((x, 5, x + 6, 25), (WH[1], WH[0]))
    return Detection.of_mask(name, mask or {}, **fields)


def write(path: Path, frames: list[list[Detection]]) -> None:
    head = {"info": {"version": "workbench-labels/2"}, "clip": {"teacher": "motion"}}
    with write_detections(path, head) as out:
        for number, found in enumerate(frames):
            out.add(image_row("match", number, WH), found)


# Notes that look like rows and keys of the file itself.
notes = st.one_of(
    st.text(max_size=6), st.sampled_from(['{"id": 1, "image_id": 9', '], "annotations": [', "]}\n"])
)
detections = st.builds(detection, st.sampled_from(CLASSES), st.integers(0, 70), notes)


@settings(max_examples=60)
@given(st.lists(st.lists(detections, max_size=3), max_size=12), st.data())
def test_any_range_of_frames_reads_back(
    tmp_path_factory: pytest.TempPathFactory, frames: list[list[Detection]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("store") / "match.json"
    write(path, frames)
    found = load_detections(path, clip_of(len(frames)))
    assert found.found_by == "motion"
    assert found.frames == tuple(map(tuple, frames))
    low = data.draw(st.integers(0, len(frames)))
    high = data.draw(st.integers(low, len(frames)))
    fresh = load_detections(path, clip_of(len(frames)))
    assert list(fresh.frames[low:high]) == [tuple(own) for own in frames[low:high]]


def test_blocks_are_read_in_any_order_and_few_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = [[detection("ball", number % 70, "")] for number in range(40)]
    write(tmp_path / "match.json", frames)
    monkeypatch.setattr(store, "BLOCK_FRAMES", 3)
    monkeypatch.setattr(store, "MOST_BLOCKS", 2)
    found = load_detections(tmp_path / "match.json", clip_of(40)).frames
    for frame in (39, 0, 20, 1, 38, 7, -1):
        assert found[frame] == tuple(frames[frame])
    with pytest.raises(IndexError):
        found[40]


def test_a_range_of_a_long_file_is_read_alone(tmp_path: Path) -> None:
    path = tmp_path / "match.json"
    frames = [[detection("person", x, "x" * 500) for x in range(10)] for _ in range(4000)]
    write(path, frames)
    size = path.stat().st_size

    def bytes_read() -> int:
        io = Path("/proc/self/io").read_text()
        return int(io.split("rchar: ")[1].split()[0])

    if not Path("/proc/self/io").exists():
        pytest.skip("the system does not count what is read")
    before = bytes_read()
    assert len(load_detections(path, clip_of(4000)).frames[3000]) == 10
    assert bytes_read() - before < size / 3


def test_a_file_of_another_tool_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "match.json"
    write(path, [[detection("ball", 3, "")], [], [detection("goal", 9, "")]])
    ours = load_detections(path, clip_of(3))
    content = json.loads(path.read_text())
    content["annotations"].reverse()
    (tmp_path / "theirs.json").write_text(json.dumps(content, indent=1, sort_keys=True))
    theirs = load_detections(tmp_path / "theirs.json", clip_of(3))
    assert isinstance(theirs.frames, tuple)
    assert theirs.frames == ours.frames
    assert read_head(tmp_path / "theirs.json") is None


def test_a_file_that_changed_after_it_was_opened_is_named(tmp_path: Path) -> None:
    path = tmp_path / "match.json"
    write(path, [[detection("ball", 3, "")]] * 3)
    found = load_detections(path, clip_of(3))
    path.write_text(path.read_text().replace('"bbox"', '"cox": [[['))
    with pytest.raises(DatasetError, match=r"match\.json"):
        found.frames[1]
