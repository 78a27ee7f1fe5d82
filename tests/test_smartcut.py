"""Smart cuts: the very frames, copied ones to the bit, joints that every decoder reads."""

from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videos import make_video, read_numbers

from workbench.errors import FootageError
from workbench.footage.frames import FrameRangeError, iter_frames
from workbench.footage.packets import read_packets
from workbench.footage.smartcut import (
    ParameterSets,
    _Encoder,
    is_smart_cut,
    plan_cut,
    smart_cut,
)
from workbench.footage.video_info import probe

SHORT_GOP = {"g": "20", "bf": "3", "x264-params": "scenecut=0"}
TIMES = np.cumsum(np.random.default_rng(0).integers(600, 4000, 90)).tolist()


def stored(path):
    """The planes of every frame as they are stored, decoded by plain PyAV."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray() for frame in container.decode(video=0)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("smart") / "source.mp4"
    return make_video(path, options=SHORT_GOP)


@pytest.mark.parametrize(
    ("start", "end", "copied"),
    [
        (0, 90, (0, 90)),
        (20, 60, (20, 60)),
        (13, 71, (20, 60)),
        (5, 85, (20, 80)),
        (41, 90, (60, 90)),
        (22, 39, (22, 22)),
        (19, 21, (19, 19)),
        (89, 90, (89, 89)),
    ],
)
def test_it_holds_the_very_frames_and_copies_whole_groups(tmp_path, source, start, end, copied):
    plan = smart_cut(source, tmp_path / "clip.mp4", start, end)
    assert plan.copied == copied
    assert plan == plan_cut(source, start, end)
    frames = list(iter_frames(tmp_path / "clip.mp4"))
    assert read_numbers([frame.image for frame in frames]) == list(range(start, end))
    times_s = [frame.time_s for frame in frames]
    assert times_s == pytest.approx([number / 30 for number in range(end - start)])
    before, after = stored(source), stored(tmp_path / "clip.mp4")
    for frame in range(*copied):
        assert np.array_equal(before[frame], after[frame - start])
    worst = max(
        np.abs(before[start + i] - after[i].astype(float)).mean() for i in range(len(after))
    )
    assert worst < 3
    assert not probe(tmp_path / "clip.mp4").oddities


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_any_interval_of_any_groups(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("any")
    gop, between = data.draw(st.integers(1, 40)), data.draw(st.integers(0, 4))
    options = {"g": str(gop), "bf": str(between), "x264-params": "scenecut=0"}
    open_gop = data.draw(st.booleans())
    options["x264-params"] += f":open-gop={int(open_gop)}"
    video = make_video(
        folder / "source.mp4", pts=TIMES, time_base=Fraction(1, 30_000), options=options
    )
    start = data.draw(st.integers(0, 88))
    end = data.draw(st.integers(start + 1, 90))
    smart_cut(video, folder / "clip.mp4", start, end)
    frames = list(iter_frames(folder / "clip.mp4"))
    assert read_numbers([frame.image for frame in frames]) == list(range(start, end))
    expected = [(TIMES[i] - TIMES[start]) / 30_000 for i in range(start, end)]
    assert [frame.time_s for frame in frames] == pytest.approx(expected)


def test_a_group_that_leans_on_the_one_before_is_encoded(tmp_path):
    """Marked as keyframes, but refreshed bit by bit: only the first picture begins anew."""
    options = {"g": "20", "bf": "0", "x264-params": "scenecut=0:intra-refresh=1"}
    video = make_video(tmp_path / "source.mp4", options=options)
    assert read_packets(video).is_key.sum() > 3
    assert smart_cut(video, tmp_path / "clip.mp4", 13, 71).copied == (13, 13)
    assert smart_cut(video, tmp_path / "start.mp4", 0, 71).copied == (0, 60)
    before, after = stored(video), stored(tmp_path / "clip.mp4")
    assert len(after) == 58
    assert max(np.abs(before[13 + i] - after[i].astype(float)).mean() for i in range(58)) < 3


def test_a_cut_that_comes_out_wrong_leaves_the_clip_that_was_there(tmp_path, source, monkeypatch):
    smart_cut(source, tmp_path / "clip.mp4", 13, 71)
    kept = (tmp_path / "clip.mp4").read_bytes()
    monkeypatch.setattr(_Encoder, "packets", lambda self: iter(()))
    with pytest.raises(FootageError, match="cannot be cut smartly"):
        smart_cut(source, tmp_path / "clip.mp4", 13, 75)
    assert (tmp_path / "clip.mp4").read_bytes() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_it_knows_what_it_was_made_of(tmp_path, source):
    smart_cut(source, tmp_path / "clip.mp4", 13, 71)
    assert is_smart_cut(source, tmp_path / "clip.mp4", 13, 71)
    assert not is_smart_cut(source, tmp_path / "clip.mp4", 13, 70)
    assert not is_smart_cut(tmp_path / "clip.mp4", tmp_path / "clip.mp4", 13, 71)


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_a_turned_picture_stays_turned(tmp_path, turned):
    video = make_video(
        tmp_path / "source.mp4", options=SHORT_GOP, turned_clockwise_deg=turned, clicks_s=[1.0]
    )
    smart_cut(video, tmp_path / "clip.mp4", 10, 50)
    clip = probe(tmp_path / "clip.mp4")
    assert clip.orientation.clockwise_deg == turned
    assert clip.has_audio
    images = [frame.image for frame in iter_frames(tmp_path / "clip.mp4")]
    assert read_numbers(images) == list(range(10, 50))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"codec": "mpeg4"}, "is mpeg4, not H.264"),
        ({"container": "avi"}, "does not say when"),
        ({"container": "mpegts"}, "does not state its parameter sets"),
    ],
)
def test_what_cannot_be_cut_this_way(tmp_path, options, problem):
    video = make_video(tmp_path / f"source.{options.get('container', 'mp4')}", 30, **options)
    with pytest.raises(FootageError, match=problem) as raised:
        smart_cut(video, tmp_path / "clip.mp4", 3, 20)
    assert "exactly" in str(raised.value)
    assert not (tmp_path / "clip.mp4").exists()


def test_intervals_that_are_not_there(tmp_path, source):
    with pytest.raises(FrameRangeError):
        smart_cut(source, tmp_path / "clip.mp4", 40, 120)


def test_numbers_of_parameter_sets_that_are_taken(tmp_path):
    """A source that is itself a smart cut has two encodings; a cut of it has three."""
    video = make_video(tmp_path / "source.mp4", options=SHORT_GOP)
    smart_cut(video, tmp_path / "once.mp4", 13, 81)
    smart_cut(tmp_path / "once.mp4", tmp_path / "twice.mp4", 3, 57)
    frames = [frame.image for frame in iter_frames(tmp_path / "twice.mp4")]
    assert read_numbers(frames) == list(range(16, 70))
    with av.open(str(tmp_path / "twice.mp4")) as container:
        sets = ParameterSets.read(container.streams.video[0], tmp_path)
    assert len(sets.sequences) == len(sets.pictures) == 3
