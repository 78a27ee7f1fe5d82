"""Cutting without encoding: what is really in the clip is what it says is in it."""

from fractions import Fraction
from pathlib import Path

import pytest
from videos import make_video, read_number

from workbench.errors import FootageError
from workbench.footage.cut import copied_interval, copy_clip, copy_suffix, is_copy
from workbench.footage.frames import FrameRangeError, iter_frames
from workbench.footage.video_info import probe

GOP = 24


@pytest.fixture(scope="module", params=["plain", "b_frames", "vfr", "sound"])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("copy") / f"{request.param}.mp4"
    frames = "0" if request.param == "plain" else "3"
    options = {"g": str(GOP), "bf": frames, "sc_threshold": "0"}
    more = {}
    if request.param == "vfr":
        more = {"pts": [frame * 40 + 7 * (frame % 3) for frame in range(90)]}
        more |= {"time_base": Fraction(1, 1000)}
    if request.param == "sound":
        more = {"clicks_s": [0.5, 1.5]}
    make_video(path, 90, options=options, **more)
    return path


@pytest.mark.parametrize(
    ("start", "end"), [(0, 90), (0, 10), (24, 48), (30, 50), (47, 49), (80, 90)]
)
def test_a_copy_holds_the_frames_it_says(video: Path, tmp_path: Path, start: int, end: int) -> None:
    clip = tmp_path / "clip.mp4"
    real_start, real_end = copy_clip(video, clip, start, end)
    images = [frame.image for frame in iter_frames(clip)]
    assert [read_number(image) for image in images] == list(range(real_start, real_end))
    assert real_start <= start < end <= real_end
    assert start - real_start < GOP
    assert copied_interval(video, start, end) == (real_start, real_end)
    assert probe(clip).has_audio == probe(video).has_audio
    assert is_copy(video, clip, start, end)
    assert not is_copy(video, clip, start, end - 1)


def test_a_copy_costs_no_quality(video: Path, tmp_path: Path) -> None:
    start, end = copy_clip(video, tmp_path / "clip.mp4", GOP, 2 * GOP)
    theirs = iter_frames(video, start=start, stop=end)
    for copied, original in zip(iter_frames(tmp_path / "clip.mp4"), theirs, strict=True):
        assert (copied.image == original.image).all()


@pytest.mark.parametrize(("start", "end"), [(5, 5), (10, 5), (0, 91), (-1, 5)])
def test_an_impossible_interval_is_refused(
    video: Path, tmp_path: Path, start: int, end: int
) -> None:
    with pytest.raises(FrameRangeError):
        copy_clip(video, tmp_path / "clip.mp4", start, end)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(FootageError, match=r"broken\.mp4"):
        copy_clip(tmp_path / "broken.mp4", tmp_path / "clip.mp4", 0, 5)


def test_the_container_fits_the_codec(video: Path) -> None:
    assert copy_suffix(video) == ".mp4"


# name: codec and what it takes, and the suffix of a copy; None where nothing takes one
CODECS = {
    "phone.mp4": ({"codec": "libsvtav1", "options": {"preset": "12"}}, ".mp4"),
    "edit.mov": (
        {"codec": "dnxhd", "pix_fmt": "yuv422p", "options": {"profile": "dnxhr_sq"}},
        ".mov",
    ),
    "edited.mov": ({"codec": "prores_ks", "pix_fmt": "yuv422p10le"}, ".mkv"),
    "web.webm": (
        {"codec": "libvpx-vp9", "options": {"cpu-used": "8", "deadline": "realtime"}},
        ".mp4",
    ),
    "old.webm": ({"codec": "libvpx", "options": {"cpu-used": "8"}}, ".mkv"),
    "camera.mov": ({"codec": "mjpeg", "pix_fmt": "yuvj420p"}, ".mkv"),
    "card.ts": ({"codec": "mpeg2video"}, ".mkv"),
    "flash.flv": ({"codec": "flv"}, None),
    "tape.nut": ({"codec": "ffv1"}, ".mkv"),
}


@pytest.mark.parametrize("name", CODECS)
def test_any_codec_is_copied_or_the_error_says_to_cut(tmp_path: Path, name: str) -> None:
    making, suffix = CODECS[name]
    path = make_video(tmp_path / name, 24, size_wh=(256, 128), **making)
    if suffix is None:
        with pytest.raises(FootageError, match=r"no container takes a copy .*: cut exactly"):
            copy_suffix(path)
        with pytest.raises(FootageError, match="cut them exactly instead"):
            copy_clip(path, tmp_path / "copy.mp4", 5, 15)
        assert not (tmp_path / "copy.mp4").exists()
        return
    assert copy_suffix(path) == suffix
    copy = tmp_path / f"copy{suffix}"
    start, end = copy_clip(path, copy, 5, 15)
    assert start <= 5 < 15 <= end
    # Compared with the source's frames, because some of these encoders blur the numbers.
    originals = iter_frames(path, start=start, stop=end)
    for copied, original in zip(iter_frames(copy), originals, strict=True):
        assert (copied.image == original.image).all()


def test_a_container_that_cannot_hold_the_codec_is_refused(video: Path, tmp_path: Path) -> None:
    for name in ("copy.webm", "copy.ogv", "copy", "copy.nonsense"):
        with pytest.raises(FootageError, match="cut them exactly instead"):
            copy_clip(video, tmp_path / name, 0, 24)
    assert not list(tmp_path.iterdir())
