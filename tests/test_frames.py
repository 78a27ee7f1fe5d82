"""Frames asked for are the frames delivered: by barcode, and against a frame-by-frame decode."""

import pickle
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.codec.hwaccel import hwdevices_available
from hypothesis import given, settings
from hypothesis import strategies as st
from videos import flip_bits, make_video, read_numbers, run_python

from workbench.errors import FootageError
from workbench.footage.frames import (
    SCALED,
    FrameRangeError,
    PartialReadError,
    frames_at,
    iter_frames,
    sample_frames,
    sample_readable,
    spell_runs,
    uniform_indices,
)
from workbench.footage.writer import VideoWriter

SMALL = (40, 24)
OPEN_GOP = {"g": "30", "keyint_min": "30", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}
ANY_TIMES = np.cumsum(np.random.default_rng(0).integers(600, 4000, 90)).tolist()

# What to make, and what is awkward about it.
KINDS = {
    "gop_250_b_frames.mp4": {"options": {"g": "250", "bf": "3", "x264-params": "scenecut=0"}},
    "gop_10_closed.mp4": {"options": {"g": "10", "bf": "2"}},
    "open_gop.mp4": {"options": OPEN_GOP},
    "open_gop.mkv": {"options": OPEN_GOP},
    "open_gop.ts": {"options": OPEN_GOP},
    "intra_refresh.mkv": {"options": {"g": "20", "x264-params": "intra-refresh=1:scenecut=0"}},
    "variable_rate.mp4": {"pts": ANY_TIMES, "time_base": Fraction(1, 30_000)},
    "starts_at_5_s.mp4": {
        "pts": [150_000 + 1000 * i for i in range(90)],
        "time_base": Fraction(1, 30_000),
    },
    "fragmented.mp4": {"muxer": {"movflags": "frag_keyframe+empty_moov"}, "options": {"g": "30"}},
    "b_frames_without_times.avi": {"options": {"g": "30", "bf": "2"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "30", "bf": "2"}},
    "program_stream.mpg": {"codec": "mpeg2video", "options": {"g": "15", "bf": "2"}},
    "no_container.h264": {"options": {"g": "30", "bf": "2"}},
    "hidden_frames.webm": {
        "codec": "libvpx",
        "options": {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "5"},
    },
    "turned_90.mp4": {"turned_clockwise_deg": 90},
    "turned_180.mp4": {"turned_clockwise_deg": 180},
    "turned_270.mp4": {"turned_clockwise_deg": 270},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make each kind of video once."""
    folder = tmp_path_factory.mktemp("made")

    def make(name: str) -> Path:
        path = folder / name
        return path if path.exists() else make_video(path, **KINDS[name])

    return make


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_in_order(made, name):
    frames = list(iter_frames(made(name), size_wh=SMALL))
    assert [frame.index for frame in frames] == list(range(90))
    assert read_numbers([frame.image for frame in frames]) == list(range(90))


@pytest.mark.parametrize("name", KINDS)
def test_any_frames_in_any_order(made, name):
    rng = np.random.default_rng(1)
    for wanted in (uniform_indices(90, 16), [89], [0, 0, 89, 31, 30, 29], rng.integers(0, 90, 7)):
        images = sample_frames(made(name), wanted, SMALL)
        assert images.shape == (len(wanted), SMALL[1], SMALL[0], 3)
        assert read_numbers(images) == list(wanted)


@settings(max_examples=30)
@given(start=st.integers(0, 90), length=st.integers(0, 90), step=st.integers(1, 40))
def test_iterating_over_a_part(made, start, length, step):
    stop = min(90, start + length)
    frames = iter_frames(made("open_gop.mp4"), start=start, stop=stop, step=step, size_wh=SMALL)
    got = [(frame.index, number) for frame, number in _with_numbers(frames)]
    assert got == [(i, i) for i in range(start, stop, step)]


def _with_numbers(frames):
    for frame in frames:
        yield frame, read_numbers([frame.image])[0]


def test_damage_is_never_passed_on(tmp_path):
    """Whatever is handed out of a damaged file equals the undamaged file's frame.

    The flips hit slice data in one stretch; the codec notices them there. (It cannot notice every
    flip anywhere: H.264 has no checksums.)
    """
    whole = make_video(tmp_path / "whole.mp4", 120, options={"g": "30", "bf": "3"})
    broken = flip_bits(whole, tmp_path / "broken.mp4", seed=0, flips=60, first=0.4, last=0.5)
    got = sample_readable(broken, range(120), SMALL)
    assert got.lost
    assert len(got.lost) < 90  # a keyframe ends the damage
    assert sorted(got.frames + got.lost) == list(range(120))
    assert np.array_equal(got.images, sample_frames(whole, got.frames, SMALL))
    # The same frames are lost whatever is asked for together with them, and wherever we start.
    for index in range(0, 120, 7):
        alone = sample_readable(broken, [index], SMALL)
        assert (index in alone.lost) == (index in got.lost)


def test_lost_frames_are_an_error_that_says_where(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", 120, options={"g": "30", "bf": "3"})
    broken = flip_bits(whole, tmp_path / "broken.mp4", seed=0, flips=60, first=0.4, last=0.5)
    lost = sample_readable(broken, range(120), SMALL).lost
    with pytest.raises(PartialReadError) as caught:
        sample_frames(broken, range(120), SMALL)
    assert caught.value.lost == lost
    assert f"first at {lost[0] / 30:.2f} s" in str(caught.value)
    assert f"{len(lost)} of 120 frames" in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.lost) == (str(caught.value), lost)

    frames = iter_frames(broken, size_wh=SMALL)
    assert [next(frames).index for _ in range(lost[0])] == list(range(lost[0]))
    with pytest.raises(PartialReadError, match=f"frame {lost[0]}"):
        next(frames)
    kept = [frame.index for frame in iter_frames(broken, size_wh=SMALL, skip_lost=True)]
    assert kept == [index for index in range(120) if index not in lost]


@pytest.mark.parametrize(
    "ask",
    [
        lambda path: sample_frames(path, [90]),
        lambda path: sample_frames(path, [-1]),
        lambda path: iter_frames(path, start=91),
        lambda path: iter_frames(path, start=5, stop=4),
        lambda path: iter_frames(path, stop=91),
        lambda path: iter_frames(path, step=0),
        lambda path: frames_at(path, -0.1),
        lambda path: frames_at(path, 60.0),
        lambda path: frames_at(path, [0.0, float("nan")]),
        lambda path: uniform_indices(0, 16),
        lambda path: uniform_indices(90, 0),
    ],
)
def test_frames_that_are_not_there(made, ask):
    with pytest.raises(FrameRangeError) as caught:
        ask(made("gop_10_closed.mp4"))
    assert isinstance(caught.value, (FootageError, IndexError))


def test_no_frames_asked_for(made):
    assert sample_frames(made("gop_10_closed.mp4"), [], SMALL).shape == (0, 24, 40, 3)


@settings(max_examples=60)
@given(time_s=st.floats(0, 6.9))
def test_the_frame_at_a_time_is_the_last_one_due(made, time_s):
    times_s = (np.array(ANY_TIMES) - ANY_TIMES[0]) / 30_000
    expected = max(i for i in range(90) if times_s[i] <= time_s + 1e-7)
    assert frames_at(made("variable_rate.mp4"), time_s).tolist() == [expected]


def test_every_frame_is_found_at_its_own_time(made):
    path = made("variable_rate.mp4")
    frames = list(iter_frames(path, size_wh=SMALL))
    # MP4 rounds the start of a track to a millisecond, not the time between frames.
    since_first = [frame.pts - frames[0].pts for frame in frames]
    assert since_first == [pts - ANY_TIMES[0] for pts in ANY_TIMES]
    assert frames_at(path, [frame.time_s for frame in frames]).tolist() == list(range(90))
    assert read_numbers(
        sample_frames(path, frames_at(path, [frames[40].time_s + 0.001]), SMALL)
    ) == [40]


@given(frame_count=st.integers(1, 5000), n=st.integers(1, 200))
def test_uniform_indices_spread_evenly(frame_count, n):
    indices = uniform_indices(frame_count, n)
    assert len(indices) == n
    assert indices[0] >= 0
    assert indices[-1] < frame_count
    steps = np.diff(indices)
    assert n == 1 or (steps.min() >= frame_count // n and steps.max() <= -(-frame_count // n))
    # As much is left out at the front as at the back.
    assert abs((frame_count - 1 - indices[-1]) - indices[0]) <= 1


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ((5,), "frame 5"),
        ((3, 4, 5), "frames 3–5"),
        ((9, 1, 2), "frames 1–2, 9"),
        ((0, 2, 4, 6, 8, 10), "frames 0, 2, 4, 6 and 2 more runs"),
    ],
)
def test_spelling_runs(frames, words):
    assert spell_runs(frames) == words


def test_memory_does_not_grow_with_the_video(tmp_path):
    code = """
import resource, sys
from workbench.footage.frames import iter_frames
for path in sys.argv[1:]:
    count = sum(1 for _ in iter_frames(path, skip_lost=True))
    print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    size_wh = (640, 480)
    options = {"preset": "ultrafast", "g": "600"}
    short = make_video(tmp_path / "short.mp4", 30, size_wh=size_wh, options=options)
    long = make_video(tmp_path / "long.mp4", 150, size_wh=size_wh, options=options)
    (few, small_mb), (many, large_mb) = (
        map(int, line.split()) for line in run_python(code, str(short), str(long)).splitlines()
    )
    assert (few, many) == (30, 150)
    assert large_mb - small_mb < 40  # all 120 more would take 110 MB


# --- real footage ---------------------------------------------------------------------------------

REAL = [
    "edge/bitflipped.mp4",
    "edge/fragmented_no_frame_count.mp4",
    "edge/h264_in_avi_odd_pts.avi",
    "edge/long_gop_bframes.mp4",
    "edge/mpeg4_avi_missing_pts.avi",
    "edge/rotated_90_phone.mp4",
    "edge/truncated_fragmented.mp4",
    "edge/variable_frame_rate.mp4",
    "edge/vp8.webm",
    "edge/vp9_no_frame_count.webm",
    "clips/baseball_swing_run_6s.mp4",
    "clips/basketball_driveway_10s.mp4",
    "clips/basketball_game_7s.mp4",
    "clips/none_child_on_field_10s.mp4",
    "clips/none_city_portrait_12s.mp4",
    "clips/none_pool_cleaning_10s.mp4",
    "clips/soccer_drone_30s.mp4",
    "clips/soccer_goal_broadcast_21s.mp4",
    "clips/soccer_juggling_10s.mp4",
    "clips/soccer_tactical_7s.mp4",
]
# Files with damage, and the frames that cannot be had of them.
LOST = {"edge/bitflipped.mp4": range(214), "edge/truncated_fragmented.mp4": [117]}


def decode_one_by_one(path: Path, size_wh: tuple[int, int]) -> list[np.ndarray]:
    """All that FFmpeg gives, from the first packet to the last, with no seeking or matching."""
    images = []
    reformatter = av.video.reformatter.VideoReformatter()
    with av.open(str(path)) as container:
        for packet in container.demux(container.streams.video[0]):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                turns = round(frame.rotation / 90)
                width, height = size_wh[::-1] if turns % 2 else size_wh
                rgb = reformatter.reformat(
                    frame, width, height, "rgb24", interpolation=SCALED, threads=1
                )
                images.append(np.rot90(rgb.to_ndarray(), turns))
    return images


@pytest.mark.parametrize("name", REAL)
def test_real_footage_equals_a_frame_by_frame_decode(shared, name):
    path = shared / "footage" / name
    expected = decode_one_by_one(path, SMALL)
    lost = set(LOST.get(name, ()))
    seen = set()
    for frame in iter_frames(path, size_wh=SMALL, skip_lost=True):
        assert np.array_equal(frame.image, expected[frame.index]), frame.index
        seen.add(frame.index)
    assert seen == set(range(len(expected))) - lost
    whole = np.array(sorted(seen))
    rng = np.random.default_rng(2)
    if len(whole):
        wanted = rng.permutation(whole[uniform_indices(len(whole), 16)])
        images = sample_frames(path, wanted, SMALL)
        assert all(np.array_equal(a, expected[b]) for a, b in zip(images, wanted, strict=True))
    if lost:
        with pytest.raises(PartialReadError, match=rf"{len(lost)} of {len(lost)} frames cannot"):
            sample_frames(path, sorted(lost), SMALL)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("empty.mp4", "is empty"),
        ("not_a_video.mp4", "cannot be read as a video"),
        ("truncated_no_moov.mp4", "cannot be read as a video"),
    ],
)
def test_real_files_that_cannot_be_read(shared, name, problem):
    with pytest.raises(FootageError, match=problem):
        sample_frames(shared / "footage" / "edge" / name, [0])


def test_truncation_leaves_the_frames_before_it_untouched(shared):
    edge = shared / "footage" / "edge"
    got = sample_readable(edge / "truncated_fragmented.mp4", range(118), SMALL)
    assert got.frames == tuple(range(117))
    # The last three stored frames of the cut file stand elsewhere in the whole one: the frames
    # between them were cut away. Their times say so.
    times_s = [frame.time_s for frame in iter_frames(edge / "truncated_fragmented.mp4", stop=117)]
    undamaged = edge / "fragmented_no_frame_count.mp4"
    whole = sample_frames(undamaged, frames_at(undamaged, times_s), SMALL)
    assert np.array_equal(got.images, whole)


def test_nothing_of_the_bitflipped_file_is_passed_on(shared):
    """Right so: not one of its frames equals the undamaged file's."""
    footage = shared / "footage"
    broken = decode_one_by_one(footage / "edge" / "bitflipped.mp4", SMALL)
    whole = decode_one_by_one(footage / "clips" / "basketball_game_7s.mp4", SMALL)
    assert not any(np.array_equal(a, b) for a, b in zip(broken, whole, strict=True))


def test_phone_video_stands_upright_as_in_opencv(shared):
    path = shared / "footage" / "edge" / "rotated_90_phone.mp4"
    _, bgr = cv2.VideoCapture(str(path)).read()
    ours = sample_frames(path, [0])[0]
    assert ours.shape == bgr.shape
    assert np.abs(ours.astype(int) - bgr[..., ::-1]).mean() < 3


def test_a_decoding_device_that_is_not_there_is_named(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    with VideoWriter(path, (64, 36), 25) as video:
        video.write(np.zeros((36, 64, 3), np.uint8))
    monkeypatch.setenv("WORKBENCH_DECODER", "warp-drive")
    with pytest.raises(FootageError, match=r"WORKBENCH_DECODER is 'warp-drive'"):
        sample_frames(path, [0])
    if "qsv" not in hwdevices_available():
        pytest.skip("no FFmpeg device at hand that can be opened without hardware")
    # A device that cannot decode this leaves it to the CPU.
    monkeypatch.setenv("WORKBENCH_DECODER", "qsv")
    assert sample_frames(path, [0]).shape == (1, 36, 64, 3)
