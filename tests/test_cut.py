"""Cutting and writing: exact frames, exact times, sound in step, all or nothing."""

from fractions import Fraction

import av
import numpy as np
import pytest
from videos import flip_bits, make_video, numbered_image, read_numbers, run_python

from workbench.errors import FootageError, SavingError
from workbench.footage.cut import copy_clip, copy_suffix, cut_clip, is_cut
from workbench.footage.frames import FrameRangeError, PartialReadError, iter_frames
from workbench.footage.sound import Sound
from workbench.footage.video_info import probe
from workbench.footage.writer import VideoWriter

NTSC = Fraction(30_000, 1001)
LONG_GOP = {"g": "250", "bf": "3", "x264-params": "scenecut=0"}
ANY_TIMES = np.cumsum(np.random.default_rng(0).integers(600, 4000, 90)).tolist()


def read_all(path):
    frames = list(iter_frames(path))
    return read_numbers([frame.image for frame in frames]), [frame.time_s for frame in frames]


@pytest.mark.parametrize(("start", "end"), [(0, 90), (37, 61), (89, 90), (0, 1)])
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_cut_is_exact_to_the_frame(tmp_path, start, end, suffix):
    source = make_video(tmp_path / "source.mp4", fps=NTSC, options=LONG_GOP)
    info = cut_clip(source, tmp_path / "new" / f"clip{suffix}", start, end)
    numbers, times_s = read_all(info.path)
    assert numbers == list(range(start, end))
    assert times_s == pytest.approx([i / float(NTSC) for i in range(end - start)])
    assert (info.frame_count, info.fps, info.has_audio) == (end - start, NTSC, False)
    assert info.duration_s == pytest.approx((end - start) / float(NTSC))
    assert not info.oddities


def test_a_variable_rate_is_kept(tmp_path):
    source = make_video(
        tmp_path / "source.mp4", pts=ANY_TIMES, time_base=Fraction(1, 30_000), options=LONG_GOP
    )
    info = cut_clip(source, tmp_path / "clip.mp4", 20, 50)
    numbers, times_s = read_all(info.path)
    assert numbers == list(range(20, 50))
    assert times_s == pytest.approx(
        [(ANY_TIMES[i] - ANY_TIMES[20]) / 30_000 for i in range(20, 50)]
    )
    # The last frame stays for as long as it did, although its successor is gone.
    assert info.duration_s == pytest.approx((ANY_TIMES[50] - ANY_TIMES[20]) / 30_000)


def test_a_mean_rate_may_be_any_fraction(tmp_path):
    """That of a long and uneven film does not fit into FFmpeg's 32 bits."""
    tick = Fraction(1, 999_999_937)
    pts = [number * 33_333_331 + 7_000_000 * (number % 2) for number in range(40)]
    source = make_video(tmp_path / "source.mp4", 40, pts=pts, time_base=tick)
    assert probe(source).fps.numerator > 2**31
    info = cut_clip(source, tmp_path / "clip.mp4", 3, 30)
    assert read_all(info.path)[0] == list(range(3, 30))
    assert info.duration_s == pytest.approx(float((pts[30] - pts[3]) * tick), abs=1e-3)


@pytest.mark.parametrize(
    "name", ["milliseconds.mkv", "no_times.avi", "transport.ts", "late.mp4", "web.webm"]
)
def test_a_steady_rate_becomes_exact(tmp_path, name):
    extra = {
        "late.mp4": {"pts": range(1001 * 500, 1001 * 590, 1001), "time_base": Fraction(1, 30_000)},
        "web.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
    }
    source = make_video(tmp_path / name, fps=NTSC, **extra.get(name, {}))
    info = cut_clip(source, tmp_path / "clip.mp4", 7, 30)
    assert read_all(info.path)[0] == list(range(7, 30))
    assert info.fps == NTSC
    assert np.unique(np.diff(info.pts) * info.time_base).tolist() == [1 / NTSC]
    assert info.pts[0] == 0


@pytest.mark.parametrize("turned", [90, 180, 270])
def test_rotation_goes_into_the_pixels(tmp_path, turned):
    source = make_video(tmp_path / "source.mp4", 20, turned_clockwise_deg=turned)
    info = cut_clip(source, tmp_path / "clip.mp4", 5, 15)
    assert info.size_wh == probe(source).size_wh
    assert (info.orientation.clockwise_deg, info.oddities) == (0, ())
    assert read_all(info.path)[0] == list(range(5, 15))


def test_an_odd_size_loses_its_last_row_and_column(tmp_path):
    source = tmp_path / "source.webm"
    make_video(source, 10, size_wh=(161, 97), codec="libvpx-vp9", options={"lossless": "1"})
    info = cut_clip(source, tmp_path / "clip.mp4", 0, 10, crf=4)
    assert info.size_wh == (160, 96)
    for before, after in zip(iter_frames(source), iter_frames(info.path), strict=True):
        difference = before.image[:96, :160].astype(int) - after.image
        assert np.abs(difference).mean() < 4


def test_colours_survive_generations(tmp_path):
    """Conversion to RGB and back must not darken: rounding down would cost a level each time."""
    image = np.full((96, 160, 3), (180, 110, 60), np.uint8)
    path = tmp_path / "0.mp4"
    with VideoWriter(path, (160, 96), 30, crf=10) as video:
        for _ in range(5):
            video.write(image)
    for generation in range(1, 4):
        path = cut_clip(path, tmp_path / f"{generation}.mp4", 0, 5, crf=10).path
    last = next(iter_frames(path, start=4)).image
    assert np.abs(last.mean((0, 1)) - (180, 110, 60)).max() < 2.5


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_sound_stays_in_step(tmp_path, suffix):
    source = make_video(tmp_path / f"source.{suffix}", clicks_s=[0.5, 1.25, 2.4])
    info = cut_clip(source, tmp_path / "clip.mp4", 30, 60)  # seconds 1 to 2: one click, at 0.25
    assert info.has_audio
    loud_s = _loud_times(info.path)
    assert loud_s.min() == pytest.approx(0.25, abs=0.015)
    assert loud_s.max() == pytest.approx(0.26, abs=0.015)
    with av.open(str(info.path)) as container:
        stream = container.streams.audio[0]
        assert stream.duration * stream.time_base == pytest.approx(1.0, abs=0.002)


def _loud_times(path):
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        times, samples = [], []
        for frame in container.decode(stream):
            block = frame.to_ndarray()[0]
            samples.append(block)
            times.append(frame.time + np.arange(len(block)) / frame.sample_rate)
    return np.concatenate(times)[np.abs(np.concatenate(samples)) > 0.2]


@pytest.mark.parametrize(
    ("name", "codec", "code", "unknown"),
    [
        ("phone.mov", "pcm_s16le", b"sowt", b"apac"),
        ("film.mkv", "aac", b"A_AAC", b"A_XYZ"),
        ("tape.avi", "mp2", b"\x50\x00\x01\x00\x80\xbb", b"\x51\x99\x01\x00\x80\xbb"),
    ],
)
@pytest.mark.parametrize("tracks", [1, 2])
def test_a_sound_track_that_nobody_decodes_costs_only_itself(
    tmp_path, name, codec, code, unknown, tracks
):
    """The next one is taken, if there is one; which is left out is said."""
    source = make_video(tmp_path / name, 30, sounds=[codec, "ac3"][:tracks])
    content = source.read_bytes()
    assert code in content
    source.write_bytes(content.replace(code, unknown))
    info = probe(source)
    assert (info.frame_count, info.has_audio) == (30, tracks == 2)
    assert "sound track 1 is left out: this FFmpeg cannot decode it" in info.oddities
    cut = cut_clip(source, tmp_path / "cut.mp4", 5, 25)
    assert (cut.frame_count, cut.has_audio) == (20, tracks == 2)
    assert read_all(cut.path)[0] == list(range(5, 25))
    if info.is_timed:
        copy = tmp_path / f"copy{copy_suffix(source)}"
        start, end = copy_clip(source, copy, 5, 25)
        assert read_all(copy)[0] == list(range(start, end))
        assert probe(copy).has_audio == (tracks == 2)


def test_an_hour_of_silence_is_no_hour_of_samples(tmp_path):
    """Where sound starts late, or a single frame stands for long."""
    source = make_video(tmp_path / "a.mp4", 30, clicks_s=[0.5])
    sound = Sound(source, Fraction(-3600), Fraction(1))
    longest = done = 0
    for block in sound.blocks():
        longest, done = max(longest, block.shape[1]), done + block.shape[1]
    assert done == sound.sample_count == 3601 * 48_000
    assert longest < 200_000
    slow = make_video(
        tmp_path / "slow.mkv", 4, pts=range(0, 4000, 1000), time_base=Fraction(1), clicks_s=[0.0]
    )
    cut = cut_clip(slow, tmp_path / "cut.mp4", 1, 2)
    assert cut.duration_s == pytest.approx(1000)
    with av.open(str(cut.path)) as container:
        stream = container.streams.audio[0]
        assert stream.duration * stream.time_base == pytest.approx(10, abs=0.1)


def test_sound_that_starts_late_or_stops_early_is_filled_with_silence(tmp_path):
    source = make_video(tmp_path / "source.mp4", 60, clicks_s=[0.1])
    half = tmp_path / "half.mkv"
    with av.open(str(source)) as reader, av.open(str(half), "w") as writer:
        streams = [writer.add_stream_from_template(stream) for stream in reader.streams]
        for packet in reader.demux():
            is_sound = packet.stream.type == "audio"
            if packet.dts is not None and not (is_sound and packet.pts * packet.time_base > 0.8):
                packet.stream = streams[packet.stream.index]
                writer.mux(packet)
    info = cut_clip(half, tmp_path / "clip.mp4", 0, 60)
    with av.open(str(info.path)) as container:
        stream = container.streams.audio[0]
        assert stream.duration * stream.time_base == pytest.approx(2.0, abs=0.002)
    assert _loud_times(info.path).max() < 0.2


def test_a_cut_with_lost_frames_leaves_nothing(tmp_path):
    whole = make_video(tmp_path / "whole.mp4", 120, options={"g": "30", "bf": "3"})
    broken = flip_bits(whole, tmp_path / "broken.mp4", seed=0, flips=60, first=0.4, last=0.5)
    lost = probe(broken, decode=True).frames_lost
    out = tmp_path / "clips" / "clip.mp4"
    cut_clip(broken, out, 0, 30)
    before = out.read_bytes()
    with pytest.raises(PartialReadError) as caught:
        cut_clip(broken, out, 0, 120)
    assert caught.value.lost == lost  # all of them, not just the first
    assert out.read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 5), (6, 5), (0, 91), (90, 91)])
def test_intervals_that_are_not_there(tmp_path, start, end):
    source = make_video(tmp_path / "source.mp4")
    with pytest.raises(FrameRangeError, match=r"90 frames, not \["):
        cut_clip(source, tmp_path / "clip.mp4", start, end)
    assert not (tmp_path / "clip.mp4").exists()


def test_a_clip_knows_what_it_was_cut_from(tmp_path):
    source = make_video(tmp_path / "source.mp4")
    out = cut_clip(source, tmp_path / "clip.mp4", 10, 20).path
    assert is_cut(source, out, 10, 20)
    assert not is_cut(source, out, 10, 21)
    assert not is_cut(source, out, 10, 20, crf=30)
    assert not is_cut(source, source, 10, 20)
    assert not is_cut(source, tmp_path / "absent.mp4", 10, 20)
    moved = source.rename(tmp_path / "renamed.mp4")
    assert is_cut(moved, out, 10, 20)
    make_video(moved, 91)
    assert not is_cut(moved, out, 10, 20)
    content = out.read_bytes()
    out.write_bytes(content[: len(content) // 2])
    assert not is_cut(source, out, 10, 20)


@pytest.mark.parametrize("fps", [30, NTSC, Fraction(24_000, 1001), Fraction(25, 2)])
def test_writing_frames(tmp_path, fps):
    with VideoWriter(tmp_path / "a.mp4", (160, 96), fps) as video:
        for number in range(20):
            video.write(numbered_image(number, (160, 96)))
    assert read_all(video.path)[0] == list(range(20))
    info = probe(video.path)
    assert (info.fps, info.nominal_rate, info.codec) == (fps, fps, "h264")
    assert not info.variable_frame_rate
    content = video.path.read_bytes()
    assert 0 < content.find(b"moov") < content.find(b"mdat")  # a browser can start at once
    with av.open(str(video.path)) as container:
        context = container.streams.video[0].codec_context
        assert context.pix_fmt == "yuv420p"
        assert (context.colorspace, context.color_range) == (1, 1)


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(tmp_path / name, (160, 96), 30) as video:
            for number in range(5):
                video.write(numbered_image(number, (160, 96)))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(
    ("name", "size_wh", "fps", "extra", "problem"),
    [
        ("a.avi", (160, 96), 30, {}, "cannot write 'a.avi'"),
        ("a.mp4", (161, 96), 30, {}, "161×96 is not a video size"),
        ("a.mp4", (0, 96), 30, {}, "0×96 is not a video size"),
        ("a.mp4", (160, 96), 0, {}, "0 frames per second"),
        ("a.mp4", (160, 96), 30, {"preset": "warp"}, "cannot encode a.mp4"),
        ("a.mp4", (160, 98), 30, {}, "an image of shape"),
    ],
)
def test_what_cannot_be_written(tmp_path, name, size_wh, fps, extra, problem):
    def write():
        with VideoWriter(tmp_path / name, size_wh, fps, **extra) as video:
            video.write(numbered_image(0, (160, 96)))

    with pytest.raises(FootageError, match=problem):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_keeps_what_was_there(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"the old video")

    def fail():
        with VideoWriter(path, (160, 96), 30) as video:
            video.write(numbered_image(0, (160, 96)))
            raise KeyError("the renderer failed")

    with pytest.raises(KeyError, match="the renderer failed"):
        fail()
    with (
        pytest.raises(FootageError, match="no frame was written"),
        VideoWriter(path, (160, 96), 30),
    ):
        pass
    assert path.read_bytes() == b"the old video"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_and_a_wrong_folder_are_explained(tmp_path):
    (tmp_path / "file").write_text("where a folder should be")
    with (
        pytest.raises(SavingError, match=r"cannot be written \(File exists\): name another folder"),
        VideoWriter(tmp_path / "file" / "a.mp4", (160, 96), 30),
    ):
        pass
    code = """
import resource, signal, sys
import numpy as np
from workbench.errors import SavingError
from workbench.footage.writer import VideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing too much is an error, as on a full disk
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
rng = np.random.default_rng(0)
try:
    with VideoWriter(sys.argv[1], (320, 240), 30, crf=5) as video:
        for _ in range(60):
            video.write(rng.integers(0, 255, (240, 320, 3), np.uint8))
except SavingError as error:
    print(error)
"""
    said = run_python(code, str(tmp_path / "a.mp4"))
    assert "cannot be written" in said
    assert "space" in said
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_writing_outside_the_block(tmp_path):
    video = VideoWriter(tmp_path / "a.mp4", (160, 96), 30)
    with pytest.raises(FootageError, match="is not open"):
        video.write(numbered_image(0, (160, 96)))
