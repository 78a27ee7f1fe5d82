"""Odd clocks: mended where they are wrong, parted where they jump, never invented."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from videos import make_video, read_numbers

from workbench.footage.clock import LONGEST_STEP_S, NO_STAMP, Clock, read_clock
from workbench.footage.cut import copied_interval, cut_clip
from workbench.footage.frames import FrameRangeError, frames_at, iter_frames
from workbench.footage.ingest import ingest_folder
from workbench.footage.video_info import probe

SIMPLE = {"bf": "0"}
MS = Fraction(1, 1000)
# 25 frames a second for 2 s, then 5 a second for 8 s.
SLOWING = [40 * n for n in range(50)] + [2000 + 200 * n for n in range(40)]


def numbers_of(path: Path) -> list[int]:
    return read_numbers([frame.image for frame in iter_frames(path)])


def remux(source: Path, out: Path, change) -> Path:
    """Copy the packets, the n-th after `change(n, packet)`."""
    with av.open(str(source)) as reader, av.open(str(out), "w") as writer:
        track = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(reader.demux(video=0)):
            if packet.size:
                change(number, packet)
                packet.stream = track
                writer.mux(packet)
    return out


def write_flv_times(path: Path, pts: list[int]) -> Path:
    """Write these milliseconds into the tags of the pictures, which no muxer would."""
    content = bytearray(path.read_bytes())
    at, number = 13, 0
    while at < len(content):
        size = int.from_bytes(content[at + 1 : at + 4], "big")
        is_picture = content[at] == 9 and content[at + 12] == 1  # AVC's "NAL units"
        if is_picture:
            stamp = pts[number]
            content[at + 4 : at + 7] = (stamp & 0xFFFFFF).to_bytes(3, "big")
            content[at + 7] = stamp >> 24
            number += 1
        at += size + 15
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("suffix", ["mkv", "flv"])
def test_one_repeated_stamp_costs_one_stamp(tmp_path, suffix):
    good = make_video(tmp_path / "good.mkv", 90, pts=SLOWING, time_base=MS, options=SIMPLE)

    def repeat(number, packet):
        if number == 60:
            packet.pts = packet.dts = SLOWING[59]

    bad = remux(good, tmp_path / f"bad.{suffix}", repeat)
    info = probe(bad)
    assert (info.frame_count, info.repaired, info.jumps) == (90, 1, [])
    assert info.duration_s == pytest.approx(probe(good).duration_s, abs=0.2)
    assert info.pts[60] - info.pts[59] == pytest.approx(200, abs=1)  # between its neighbours
    assert (info.pts == SLOWING).all()
    assert frames_at(bad, [6.0]) == frames_at(good, [6.0]) == [70]
    assert "1 of 90 time stamps are repeated or wrong" in " ".join(info.oddities)
    assert numbers_of(bad) == list(range(90))


def test_stamps_that_are_all_the_same_give_the_nominal_rate(tmp_path):
    path = make_video(tmp_path / "a.mkv", 20, pts=[0] * 20, time_base=MS, options=SIMPLE)
    info = probe(path)
    assert (info.frame_count, info.duration_s) == (20, pytest.approx(20 / 30, abs=0.05))
    assert numbers_of(path) == list(range(20))


def test_a_jump_of_ten_hours_parts_the_film(tmp_path):
    pts = [40 * n + 36_000_000 * (n >= 60) for n in range(120)]
    path = make_video(tmp_path / "in" / "gap.mkv", 120, pts=pts, time_base=MS, options=SIMPLE)
    info = probe(path)
    assert (info.frame_count, info.duration_s, info.fps) == (120, pytest.approx(4.8, abs=0.01), 25)
    assert info.jumps == [60]
    assert "jumps by 36000.00 s at frame 60" in info.oddities[0]
    with pytest.raises(FrameRangeError):
        frames_at(path, [36_000.0])
    for most in (None, 2):
        clips = ingest_folder(path.parent, tmp_path / "out", window_s=1, most_per_video=most).clips
        spans = [(clip.start_frame, clip.end_frame) for clip in clips]
        assert not any(start < 60 < end for start, end in spans)
        assert {start < 60 for start, _ in spans} == {True, False}
    across = cut_clip(path, tmp_path / "across.mp4", 50, 70)
    assert across.duration_s == pytest.approx(0.8)


def test_a_time_lapse_does_not_jump(tmp_path):
    pts = [30_000 * n for n in range(20)]
    info = probe(make_video(tmp_path / "a.mkv", 20, pts=pts, time_base=MS, options=SIMPLE))
    assert (info.jumps, info.repaired, info.duration_s) == ([], 0, pytest.approx(585, abs=15))


# Where the second recording's clock stands, in frames, when the first one's is at 60.
@pytest.mark.parametrize(
    ("name", "starts"),
    [
        *[("back", (2500, 0)), ("same", (0, 0)), ("hours", (0, 900_000)), ("overlap", (0, 40))],
        *[("two_frames", (0, 60)), ("wraps", (2**33 // 3000 - 30, 0))],
    ],
)
def test_a_transport_stream_that_restarts(tmp_path, name, starts):
    """Both pieces in file order, clips of each, none across; what FFmpeg calls corrupt is whole."""
    folder = tmp_path / "in"
    pieces = []
    for number, start in enumerate(starts):
        # The second shows 60, 61…
        pieces.append(
            make_video(
                tmp_path / f"{number}.ts",
                60,
                first=60 * number,
                pts=range(start, start + 60),
                time_base=Fraction(1, 30),
                options={"g": "30", "bf": "2"},
            ).read_bytes()
        )
    folder.mkdir()
    path = folder / "joined.ts"
    path.write_bytes(b"".join(pieces))
    info = probe(path, decode=True)
    assert (info.frame_count, info.frames_lost, info.fps) == (120, (), 30)
    assert info.duration_s == pytest.approx(4.0)
    assert info.jumps == [60]
    assert any("the clock jumps" in oddity for oddity in info.oddities)
    assert numbers_of(path) == list(range(120))
    clips = ingest_folder(folder, tmp_path / "out", window_s=1.5).clips
    spans = [(clip.start_frame, clip.end_frame) for clip in clips]
    assert spans == [(0, 60), (60, 120)]  # a short tail belongs to the last window
    assert numbers_of(tmp_path / "out" / clips[1].file) == list(range(60, 120))


def test_a_copy_after_a_restart_holds_what_it_says(tmp_path):
    piece = make_video(tmp_path / "a.ts", 60, options={"g": "20", "bf": "2"}).read_bytes()
    path = tmp_path / "twice.ts"
    path.write_bytes(piece * 2)
    start, end = copied_interval(path, 85, 95)
    assert 60 <= start <= 85 < 95 <= end


def test_a_keyframe_with_a_wrong_stamp_is_no_restart(tmp_path):
    pts = [40 * n if n != 40 else 0 for n in range(60)]
    path = write_flv_times(make_video(tmp_path / "a.flv", 60, options=SIMPLE | {"g": "20"}), pts)
    info = probe(path)
    assert (info.jumps, info.repaired, info.frame_count) == ([], 1, 60)
    assert (np.diff(info.pts) == 40).all()


STAMPS = st.one_of(
    st.integers(-50, 3000),
    st.integers(-(2**63), 2**63 - 1),
    st.just(NO_STAMP),
    st.integers(0, 40).map(lambda n: 40 * n),
)


@given(
    packets=st.lists(st.tuples(STAMPS, STAMPS, st.booleans(), st.booleans()), min_size=1),
    is_even=st.booleans(),
    stores_pts=st.booleans(),
    tick=st.sampled_from([MS, Fraction(1, 90_000), Fraction(1), Fraction(1, 2**31)]),
)
def test_any_stamps_give_a_clock(packets, is_even, stores_pts, tick):
    """Every shown packet once, at growing times, the rest of what is there kept as it is."""
    dts, pts, is_key, is_shown = map(np.array, zip(*packets, strict=True))
    is_shown[0] = True
    if is_even:
        dts = pts = np.where(is_key, 40 * np.arange(len(dts)), pts)
    clock = clock_of(dts, pts, is_key, is_shown, stores_pts=stores_pts, tick=tick)
    assert sorted(clock.position.tolist()) == np.flatnonzero(is_shown).tolist()
    assert (np.diff(clock.pts) > 0).all()
    assert (np.diff(clock.rank[clock.position]) > 0).all()
    assert 0 <= clock.repaired <= len(clock.pts)
    longest_s = float(np.diff(clock.pts).max(initial=0) * tick)
    assert longest_s <= 2 * LONGEST_STEP_S


@given(
    steps=st.lists(st.integers(1, 400), min_size=12, max_size=40),
    wrong=st.sets(st.integers(2, 9), max_size=3),
    off=st.sampled_from([0, -37, 10**7, -(10**7)]),
)
def test_wrong_stamps_leave_the_others_alone(steps, wrong, off):
    true = np.cumsum(steps)
    stamps = true.copy()
    for place in wrong:
        stamps[place] = true[place - 1] + off  # repeated, or anywhere
    everything = np.ones(len(true), bool)
    clock = clock_of(stamps, stamps, ~everything, everything, stores_pts=True, tick=MS)
    right = sorted(set(range(len(true))) - wrong - {place - 1 for place in wrong})
    assert (clock.pts[right] == true[right]).all()
    assert not np.ptp(clock.shift)


def clock_of(dts, pts, is_key, is_shown, *, stores_pts, tick) -> Clock:
    def stored_order():
        return np.arange(len(dts)), np.empty(0, np.int64)

    return read_clock(
        dts.astype(np.int64),
        pts.astype(np.int64),
        is_key,
        is_shown,
        tick=tick,
        rate=Fraction(25),
        stores_pts=stores_pts,
        learn_order=stored_order,
    )
