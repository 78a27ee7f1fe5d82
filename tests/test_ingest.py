"""From a folder of anything to clips: every readable second once, the rest with a reason."""

import os
import shutil
from fractions import Fraction

import numpy as np
import pytest
from moving_views import film_views
from videos import flip_bits, make_video, read_numbers

from workbench.errors import FootageError
from workbench.footage.clips import load_clips, load_left_out, save_clips
from workbench.footage.frames import iter_frames, sample_frames
from workbench.footage.ingest import ingest_folder
from workbench.footage.steady import steadiness
from workbench.footage.video_info import probe
from workbench.footage.writer import VideoWriter


@pytest.fixture
def folder(tmp_path):
    """A phone's folder: good videos of many kinds, and what else lies about."""
    folder = tmp_path / "phone"
    (folder / "saturday").mkdir(parents=True)
    make_video(folder / "IMG 001.MOV", 75, turned_clockwise_deg=90, clicks_s=[0.5])
    make_video(folder / "saturday" / "match.avi", 60)
    make_video(folder / "saturday" / "match.mkv", 20)
    pts = np.cumsum(np.random.default_rng(0).integers(600, 4000, 60)).tolist()
    make_video(
        folder / "vfr.mp4",
        60,
        pts=pts,
        time_base=Fraction(1, 30_000),
    )
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "noise.mp4").write_bytes(bytes(range(256)) * 50)
    (folder / "notes.txt").write_text("not a video, and not named like one")
    (folder / ".hidden.mp4").write_bytes(b"a thumbnail cache")
    return folder


def test_every_second_is_cut_once(folder, tmp_path):
    out = tmp_path / "out"
    seen = []
    report = ingest_folder(
        folder, out, window_s=1.0, on_progress=lambda done, total, clip: seen.append((done, total))
    )
    assert load_clips(out) == list(report.clips)
    assert (out / "clips.json").is_file()
    assert seen == [(i + 1, len(report.clips)) for i in range(len(report.clips))]
    assert {video.path.name for video in report.videos} == {
        *("IMG 001.MOV", "match.avi", "match.mkv", "vfr.mp4")
    }
    windows = {}
    for clip in report.clips:
        windows.setdefault(clip.source, []).append((clip.start_frame, clip.end_frame))
        source = sample_frames(clip.source, range(clip.start_frame, clip.end_frame))
        numbers = read_numbers([frame.image for frame in iter_frames(out / clip.file)])
        assert numbers == read_numbers(source) == list(range(clip.start_frame, clip.end_frame))
        info = probe(out / clip.file)
        assert (clip.width, clip.height, clip.fps) == (*info.size_wh, info.fps)
        assert clip.duration_s == pytest.approx(info.duration_s, abs=1e-3), clip
        assert (clip.sport, clip.truth, clip.split) == (None, None, None)
    by_name = {source.rsplit("/", 1)[1]: spans for source, spans in windows.items()}
    assert by_name["IMG 001.MOV"] == [(0, 30), (30, 60), (60, 75)]  # the rest is half a window
    assert by_name["match.avi"] == [(0, 30), (30, 60)]
    assert by_name["match.mkv"] == [(0, 20)]  # shorter than a window
    spans = by_name["vfr.mp4"]
    assert [end for _, end in spans[:-1]] == [start for start, _ in spans[1:]]
    assert [clip.session for clip in report.clips if clip.file.startswith("clips/IMG")] == (
        ["IMG-001-MOV"] * 3
    )
    portrait = next(clip for clip in report.clips if clip.file.startswith("clips/IMG"))
    assert (portrait.width, portrait.height) == (96, 160)


def test_bad_files_are_named_with_a_reason(folder, tmp_path):
    whole = make_video(tmp_path / "whole.mp4", 120, options={"g": "30", "bf": "3"})
    flip_bits(whole, folder / "broken.mp4", seed=0, flips=60, first=0.4, last=0.5)
    report = ingest_folder(folder, tmp_path / "out", window_s=1.0)
    reasons = {(bad.path.name, bad.window): bad.reason for bad in report.unreadable}
    assert reasons[("empty.mp4", None)] == "is empty"
    assert "cannot be read as a video" in reasons[("noise.mp4", None)]
    assert "of 30 frames cannot be decoded" in reasons[("broken.mp4", (30, 60))]
    assert len(reasons) == 3 + (("broken.mp4", (60, 90)) in reasons)
    kept = [clip for clip in report.clips if clip.source.endswith("broken.mp4")]
    assert {clip.start_frame for clip in kept} >= {0, 90}


def test_of_every_file_it_is_said_what_became_of_it(folder, tmp_path):
    make_video(folder / "film", 30, container="mp4")
    code = b"V_MPEG4/ISO/AVC"
    odd = make_video(folder / "odd.mkv", 30)
    odd.write_bytes(odd.read_bytes().replace(code, b"V_MPEG4/ISO/XYZ"))
    short = make_video(folder / "short.mp4", 30, muxer={"movflags": "faststart"})
    short.write_bytes(short.read_bytes()[: short.stat().st_size * 2 // 3])
    (folder / "saturday" / "list.m3u8").write_text("#EXTM3U\n/etc/passwd\n")
    (folder / "dangling.mp4").symlink_to(folder / "gone.mp4")
    (folder / "camera.dat").write_bytes(bytes(5000))
    report = ingest_folder(folder, tmp_path / "out", window_s=1.0)
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    assert set(report.file_to_fate) == found
    fates = report.file_to_fate
    assert fates["IMG 001.MOV"] == "3 clips, 2.5 of 2.5 s"
    assert fates["saturday/match.mkv"] == "1 clip, 0.7 of 0.7 s"
    assert fates["film"] == "1 clip, 1.0 of 1.0 s"
    assert fates["short.mp4"].startswith("no clip; 1 windows could not be cut, the first: ")
    assert fates["odd.mkv"].startswith("unreadable: uses a codec this FFmpeg cannot decode")
    assert fates["empty.mp4"] == "unreadable: is empty"
    assert fates["notes.txt"] == "left out: no video by its name"
    assert fates[".hidden.mp4"] == "left out: hidden"
    assert fates["dangling.mp4"].startswith("left out: not a file")
    assert fates["saturday/list.m3u8"].startswith("left out: ")
    assert fates["camera.dat"].startswith("left out: cannot be read as a video")


def test_whatever_ffmpeg_opens_is_taken_in(tmp_path):
    """The suffix does not matter, not even to files whose format only it would tell."""
    kinds = {
        "vob": ("mpeg2video", "vob"), "asf": ("wmv2", "asf"), "wmv": ("wmv2", "asf"),
        "h264": ("libx264", "h264"), "m2v": ("mpeg2video", "mpeg2video"),
        "lrv": ("libx264", "mp4"), "insv": ("libx264", "mp4"), "360": ("libx264", "mov"),
        "nut": ("libx264", "nut"),
        "m2t": ("mpeg2video", "mpegts"), "tod": ("mpeg2video", "mpegts"), "3g2": ("libx264", "mp4"),
        "ogm": ("mpeg4", "avi"), "qt": ("libx264", "mov"), "divx": ("mpeg4", "avi"),
        "ivf": ("libvpx", "ivf"), "y4m": ("wrapped_avframe", "yuv4mpegpipe"),
        "mjpg": ("mjpeg", "mjpeg"),
        "part": ("libx264", "mp4"), "": ("libx264", "matroska"), "MP4": ("libx264", "mp4"),
    }  # fmt: skip
    folder = tmp_path / "in"
    for suffix, (codec, container) in kinds.items():
        pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        make_video(
            folder / f"a.{suffix}", 8, codec=codec, container=container, pix_fmt=pix_fmt,
            size_wh=(64, 48), fps=Fraction(25),
        )  # fmt: skip
    report = ingest_folder(folder, tmp_path / "out")
    assert {video.path.name for video in report.videos} == {f"a.{suffix}" for suffix in kinds}
    assert {clip.source for clip in report.clips} == {str(video.path) for video in report.videos}
    assert not report.unreadable


def test_a_name_that_is_no_utf_8_is_read_and_written(folder, tmp_path):
    name = os.fsdecode(b"tor\xe9 2.mp4")
    shutil.copy(make_video(tmp_path / "a.mp4", 30), folder / name)
    report = ingest_folder(folder, tmp_path / "out", window_s=1.0)
    clip = next(clip for clip in report.clips if clip.source.endswith(name))
    assert clip.clip_id == "tor-E9-2_0000"
    assert report.file_to_fate["tor%E9 2.mp4"] == "1 clip, 1.0 of 1.0 s"
    assert load_clips(tmp_path / "out") == list(report.clips)
    again = ingest_folder(folder, tmp_path / "out", window_s=1.0)
    assert again.clips == report.clips


@pytest.mark.parametrize("size_wh", [(2, 2), (4000, 2), (2, 1000), (4, 200)])
def test_films_of_any_shape_are_taken_in(tmp_path, size_wh):
    make_video(tmp_path / "in" / "a.mkv", 8, size_wh=size_wh, codec="mpeg4")
    report = ingest_folder(tmp_path / "in", tmp_path / "out")
    assert {(clip.width, clip.height) for clip in report.clips} == {size_wh}


def test_windows_are_found_at_once_in_a_film_of_centuries(tmp_path):
    """As a broken header may say; only windows that hold a frame are looked at."""
    pts = [3000 * number for number in range(12)]
    make_video(
        tmp_path / "in" / "slow.mkv", 12, pts=pts, time_base=Fraction(1), options={"bf": "0"}
    )
    clips = ingest_folder(tmp_path / "in", tmp_path / "out", window_s=0.01).clips
    assert sorted(clip.start_frame for clip in clips) == list(range(12))
    assert {clip.clip_id for clip in clips} >= {"slow-mkv_0000", "slow-mkv_300000"}


def test_doing_it_again_keeps_what_is_there(folder, tmp_path):
    out = tmp_path / "out"
    ingest_folder(folder, out, window_s=1.0)
    stamps = {path: path.stat().st_mtime_ns for path in (out / "clips").iterdir()}
    # A person says what is in a clip, a clip is lost, another is damaged, a video changes.
    rows = load_clips(out)
    rows[0] = type(rows[0])(**{**rows[0].__dict__, "sport": "soccer"})
    save_clips(out, rows)
    lost, damaged = (out / rows[1].file), (out / rows[2].file)
    lost.unlink()
    damaged.write_bytes(damaged.read_bytes()[:500])
    make_video(folder / "saturday" / "match.mkv", 22)

    again = ingest_folder(folder, out, window_s=1.0)
    assert again.clips[0].sport == "soccer"
    changed = {
        path for path in (out / "clips").iterdir() if path.stat().st_mtime_ns != stamps.get(path)
    }
    assert {path.name for path in changed} == {
        *(lost.name, damaged.name),
        next(clip.file for clip in again.clips if clip.source.endswith("mkv")).split("/")[1],
    }


def test_clips_made_inside_the_folder_are_not_taken_in_again(folder):
    def stamps():
        return {path: path.stat().st_mtime_ns for path in folder.glob("workbench/clips/*")}

    first = ingest_folder(folder, folder / "workbench", window_s=1.0)
    before = stamps()
    again = ingest_folder(folder, folder / "workbench", window_s=1.0, workers=2)
    assert again.clips == first.clips
    assert stamps() == before
    assert len(before) == len(first.clips)


def test_windows_follow_each_other_or_are_spread(tmp_path):
    (tmp_path / "in").mkdir()
    make_video(tmp_path / "in" / "a.mp4", 300)

    def spans(**how):
        clips = ingest_folder(tmp_path / "in", tmp_path / "out", window_s=2, **how).clips
        return [(clip.clip_id, clip.start_frame, clip.end_frame) for clip in clips]

    assert [span[1:] for span in spans()] == [(at, at + 60) for at in range(0, 300, 60)]
    assert spans(most_per_video=2) == [("a_0001", 60, 120), ("a_0003", 180, 240)]
    assert len(spans(most_per_video=9)) == 5


def test_sessions_by_folder(folder, tmp_path):
    report = ingest_folder(folder, tmp_path / "out", window_s=1.0, one_session_per_folder=True)
    assert {clip.session for clip in report.clips} == {"phone", "saturday"}


@pytest.mark.parametrize("window_s", [0, -1])
def test_windows_must_have_a_length(folder, tmp_path, window_s):
    with pytest.raises(FootageError, match="positive"):
        ingest_folder(folder, tmp_path / "out", window_s=window_s)


def test_folders_without_a_video(folder, tmp_path):
    with pytest.raises(FootageError, match="is not a folder"):
        ingest_folder(tmp_path / "absent", tmp_path / "out")
    with pytest.raises(FootageError, match="is not a folder"):
        ingest_folder(folder / "notes.txt", tmp_path / "out")
    bad = tmp_path / "bad"
    bad.mkdir()
    with pytest.raises(FootageError, match="holds no video"):
        ingest_folder(bad, tmp_path / "out")
    shutil.copy(folder / "empty.mp4", bad)
    shutil.copy(folder / "noise.mp4", bad)
    with pytest.raises(FootageError, match=r"none of the 2 videos .* can be read") as caught:
        ingest_folder(bad, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_no_clip_spans_a_cut_and_each_says_how_steady_its_camera_is(tmp_path):
    """A tripod, a cut, a camera held by hand; tails of less than half a window are kept."""
    folder = tmp_path / "in"
    folder.mkdir()
    with VideoWriter(folder / "a.mp4", (320, 180), 30) as video:
        for move, frames in (("fixed", 20), ("shake", 21)):
            for view in film_views(move, frames, seed=3, wh=(320, 180), covered=0.05, noise=2):
                video.write(view.image)
    report = ingest_folder(folder, tmp_path / "out", window_s=0.5)
    assert [(clip.start_frame, clip.end_frame, clip.camera) for clip in report.clips] == [
        (0, 20, "fixed"),
        (20, 41, "steadied"),
    ]
    assert report.clips == tuple(load_clips(tmp_path / "out"))
    shaken = report.clips[1]
    assert shaken.is_steadiable
    assert shaken.steady_error_px < 2
    assert "steadied to" in shaken.camera_reason
    assert report.in_no_clip == load_left_out(tmp_path / "out")
    assert report.in_no_clip == {}  # tails join the last window
    few = ingest_folder(folder, tmp_path / "out", window_s=0.5, most_per_video=1)
    assert "raise most_per_video" in few.in_no_clip["a.mp4, frames 0–19"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("clips/soccer_juggling_10s.mp4", "fixed"),
        ("clips/baseball_swing_run_6s.mp4", "unsteady"),
        ("clips/soccer_tactical_7s.mp4", "steadied"),  # a slow pan
    ],
)
def test_real_cameras(shared, name, expected):
    assert steadiness(shared / "footage" / name, stop=90).camera == expected


def test_real_footage(shared, tmp_path):
    (tmp_path / "in").mkdir()
    for name in (
        *("bitflipped.mp4", "empty.mp4", "not_a_video.mp4", "rotated_90_phone.mp4"),
        *("truncated_fragmented.mp4", "truncated_no_moov.mp4", "variable_frame_rate.mp4"),
    ):
        shutil.copy(shared / "footage" / "edge" / name, tmp_path / "in")
    report = ingest_folder(tmp_path / "in", tmp_path / "out", window_s=1, most_per_video=1)
    assert [clip.clip_id.rpartition("_")[0] for clip in report.clips] == [
        *("rotated_90_phone", "truncated_fragmented", "variable_frame_rate")
    ]
    assert {(bad.path.name, bad.window is None) for bad in report.unreadable} == {
        ("empty.mp4", True),
        ("not_a_video.mp4", True),
        ("truncated_no_moov.mp4", True),
        ("bitflipped.mp4", False),
    }
