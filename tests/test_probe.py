"""What a video is said to be: facts, oddities in words, and an error where it is no video."""

import os
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from test_frames import OPEN_GOP
from videos import flip_bits, make_video, numbered_image, read_numbers, run_python

from workbench.errors import FootageError
from workbench.footage.cut import copy_clip, cut_clip
from workbench.footage.frames import iter_frames
from workbench.footage.video_info import probe

NTSC = Fraction(30_000, 1001)

# name: (size, fps, frames, header count, rotation, variable rate, audio, a word of each oddity)
FACTS = {
    "clips/baseball_swing_run_6s.mp4": ((640, 360), NTSC, 167, 183, 0, False, True, ["hides 16"]),
    "clips/basketball_game_7s.mp4": ((640, 360), NTSC, 214, 265, 0, False, True, ["hides 51"]),
    "clips/none_city_portrait_12s.mp4": ((640, 960), 25, 300, 300, 0, False, True, []),
    "clips/none_pool_cleaning_10s.mp4": (
        (456, 256),
        30,
        300,
        300,
        0,
        False,
        False,
        ["square ones"],
    ),
    "clips/soccer_goal_broadcast_21s.mp4": (
        *((1280, 720), NTSC, 630, 772, 0, False, True),
        ["hides 142"],
    ),
    "clips/soccer_juggling_10s.mp4": ((1280, 720), 24, 247, 247, 0, False, False, ["keyframes"]),
    "clips/soccer_tactical_7s.mp4": ((848, 478), 25, 169, 169, 0, False, False, []),
    "edge/fragmented_no_frame_count.mp4": (
        *((640, 360), 30, 214, None, 0, False, False),
        ["does not say", "start at 0.067 s"],
    ),
    "edge/h264_in_avi_odd_pts.avi": ((1920, 1080), 30, 72, 72, 0, False, False, ["was learnt"]),
    "edge/mpeg4_avi_missing_pts.avi": ((320, 240), 25, 164, 164, 0, False, True, ["was learnt"]),
    "edge/rotated_90_phone.mp4": ((640, 360), 30, 214, 214, 90, False, False, ["90° clockwise"]),
    "edge/variable_frame_rate.mp4": (
        *((640, 360), Fraction(3195, 173), 214, 214, 0, True, False),
        ["33 to 100 ms", "keyframes"],
    ),
    "edge/vp8.webm": ((854, 480), NTSC, 277, None, 0, False, True, ["0.003 s", "square ones"]),
    "edge/vp9_no_frame_count.webm": ((480, 270), NTSC, 248, None, 0, False, False, []),
}


@pytest.mark.parametrize("name", FACTS)
def test_facts_of_real_footage(shared, name):
    info = probe(shared / "footage" / name)
    *facts, words = FACTS[name]
    assert facts == [
        info.size_wh,
        info.fps,
        info.frame_count,
        info.header_frame_count,
        info.orientation.clockwise_deg,
        info.variable_frame_rate,
        info.has_audio,
    ]
    assert len(info.oddities) == len(words), info.oddities
    for word, oddity in zip(words, info.oddities, strict=True):
        assert word in oddity
    assert info.frames_lost is None  # nobody looked
    assert (np.diff(info.pts) > 0).all()
    assert not info.pts.flags.writeable
    assert info.duration_s == pytest.approx(info.frame_count / float(info.fps), rel=0.02)


@pytest.mark.parametrize(
    ("name", "lost", "word"),
    [
        ("bitflipped.mp4", range(214), "214 of 214 frames cannot be decoded whole (frames 0–213"),
        ("truncated_fragmented.mp4", [117], "1 of 118 frames cannot be decoded whole (frame 117"),
        ("long_gop_bframes.mp4", [], None),
    ],
)
def test_decoding_finds_lost_frames(shared, name, lost, word):
    info = probe(shared / "footage" / "edge" / name, decode=True)
    assert info.frames_lost == tuple(lost)
    assert any(word in oddity for oddity in info.oddities) if word else not info.oddities


def test_lost_frames_are_placed_in_time(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", 120, options={"g": "30", "bf": "3"})
    assert probe(whole, decode=True).frames_lost == ()
    broken = flip_bits(whole, tmp_path / "broken.mp4", seed=0, flips=60, first=0.4, last=0.5)
    info = probe(broken, decode=True)
    assert info.frames_lost
    first = info.frames_lost[0]
    assert any(f"first at {first / 30:.2f} s" in oddity for oddity in info.oddities)


def test_a_file_cut_short_says_what_is_missing(tmp_path):
    """With the index in front, as cameras and editors write it, what is there can be read."""
    whole = make_video(tmp_path / "a.mp4", 90, muxer={"movflags": "faststart"}, options=OPEN_GOP)
    short = tmp_path / "short.mp4"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    info = probe(short, decode=True)
    assert info.header_frame_count == 90
    assert 40 < info.frame_count < 80
    assert any(
        f"90 frames, {info.frame_count} are there" in oddity and "missing" in oddity
        for oddity in info.oddities
    )
    assert set(info.frames_lost) <= set(range(info.frame_count - 5, info.frame_count))


@pytest.mark.parametrize(
    ("fps", "suffix"), [(NTSC, "mp4"), (NTSC, "mkv"), (Fraction(24_000, 1001), "mkv"), (50, "ts")]
)
def test_frame_rate_is_exact_where_the_container_rounds(tmp_path, fps, suffix):
    info = probe(make_video(tmp_path / f"a.{suffix}", 60, fps=Fraction(fps)))
    assert info.fps == fps
    assert not info.variable_frame_rate


def test_one_dropped_frame_makes_the_rate_variable(tmp_path):
    pts = [number + (number >= 30) for number in range(60)]
    info = probe(make_video(tmp_path / "a.mp4", 60, pts=pts, time_base=Fraction(1, 30)))
    assert info.variable_frame_rate
    assert "variable frame rate: 33 to 67 ms between frames" in info.oddities
    assert info.fps == Fraction(59 * 30, 60)


def test_sound_without_pictures(tmp_path):
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(FootageError, match="holds no video stream"):
        probe(tmp_path / "song.mp4")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("absent.mp4", None, "does not exist"),
        ("empty.mp4", b"", "is empty"),
        ("noise.mp4", bytes(range(256)) * 64, "cannot be read as a video"),
        ("zeros.mp4", bytes(50_000), "cannot be read as a video"),
        ("notes.txt", b"a shot at 0:12, another at 0:40\n" * 200, "no video|cannot be read"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:9,\nhttp://example.org/a.ts\n", "no video|cannot be read"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile other.mp4\n", "no video|cannot be read"),
    ],
)
def test_files_that_are_not_videos(tmp_path, name, content, problem):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FootageError, match=problem) as caught:
        probe(path)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_picture_track_that_nobody_decodes_is_named(tmp_path):
    path = make_video(tmp_path / "a.mkv", 10)
    path.write_bytes(path.read_bytes().replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    with pytest.raises(FootageError, match="a codec this FFmpeg cannot decode: convert it"):
        probe(path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_of_two_video_streams_the_one_that_ffmpeg_takes(tmp_path, suffix):
    """The largest, unless another is marked as the default; the other one is named."""
    path = tmp_path / f"two.{suffix}"
    sizes = [(160, 96), (320, 192)]
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in sizes:
            stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for number in range(20):
            for stream, size in zip(streams, sizes, strict=True):
                frame = av.VideoFrame.from_ndarray(numbered_image(number, size), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        defaults = [bool(s.disposition & s.disposition.default) for s in container.streams.video]
    expected = 0 if defaults[0] > defaults[1] else 1  # MP4's first track is the default
    info = probe(path)
    assert (info.size_wh, info.frame_count) == (sizes[expected], 20)
    other, taken = (f"{width}×{height}" for width, height in (sizes[1 - expected], sizes[expected]))
    assert f"a second video stream, {other}, is left out; frames are {taken}" in info.oddities
    assert read_numbers([frame.image for frame in iter_frames(path)]) == list(range(20))
    assert cut_clip(path, tmp_path / "cut.mp4", 3, 9).size_wh == sizes[expected]


def test_a_cover_is_no_second_film(tmp_path):
    path = make_video(tmp_path / "a.mkv", 10)
    cover = tmp_path / "cover.mkv"
    with av.open(str(path)) as reader, av.open(str(cover), "w") as writer:
        film = writer.add_stream_from_template(reader.streams.video[0])
        picture = writer.add_attachment("cover.jpg", "image/jpeg", _jpeg())
        assert picture is not None
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream = film
                writer.mux(packet)
    info = probe(cover)
    assert (info.frame_count, info.size_wh, info.left_out) == (10, (160, 96), ())


def _jpeg():
    done, coded = cv2.imencode(".jpg", numbered_image(0, (640, 480)))
    assert done
    return coded.tobytes()


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    for name in ("x" * 300 + ".mp4", "null\0byte.mp4"):
        with pytest.raises(FootageError, match="cannot be read"):
            probe(tmp_path / name)


def test_a_folder_and_a_pipe_are_refused_at_once(tmp_path):
    with pytest.raises(FootageError, match="is a folder"):
        probe(tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")  # opening it would wait for a writer for ever
    with pytest.raises(FootageError, match="not a regular file"):
        probe(tmp_path / "pipe.mp4")


def test_a_changed_file_is_read_anew(tmp_path):
    path = make_video(tmp_path / "a.mp4", 10)
    assert probe(path).frame_count == 10
    make_video(path, 20)
    assert probe(path).frame_count == 20


def test_the_clip_list_does_not_load_a_decoder():
    code = """
import sys
import workbench.footage.clips
print(*{"av", "cv2", "torch"} & set(sys.modules))
"""
    assert run_python(code) == ""


@pytest.mark.parametrize("name", ["12:30:05.mp4", "pipe:1.mp4", "file:a.mp4", "-i.mp4"])
def test_a_relative_name_is_never_a_protocol_or_an_option(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "plain.mp4", 30).rename(name)
    assert probe(name).frame_count == 30
    cut_clip(name, "7:out.mp4", 3, 9)
    assert probe("7:out.mp4").frame_count == 6
    assert copy_clip(name, "8:out.mp4", 0, 30) == (0, 30)
