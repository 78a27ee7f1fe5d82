"""Round things stay round: frames and cuts have square pixels whatever the file stores."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from workbench.footage.cut import copy_clip, cut_clip
from workbench.footage.frames import iter_frames, sample_frames
from workbench.footage.video_info import probe

PAL_WIDE = Fraction(64, 45)


def make_circle(
    path: Path,
    *,
    aspect: Fraction,
    stored_wh: tuple[int, int] = (180, 144),
    codec: str = "libx264",
    turned_clockwise_deg: int = 0,
) -> Path:
    """A bright disc, round as shown, on black: ten frames, stored with pixels of this aspect."""
    width, height = stored_wh
    rows, columns = np.mgrid[:height, :width]
    right, down = columns - (width - 1) / 2, rows - (height - 1) / 2
    is_inside = (right * float(aspect)) ** 2 + down**2 < 40**2
    image = np.repeat(is_inside[..., None] * np.uint8(255), 3, axis=2).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        if turned_clockwise_deg:
            stream.set_display_rotation(-turned_clockwise_deg)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def width_of_disc(image: np.ndarray) -> float:
    """How wide the disc is, its height being 1."""
    bright = image.mean(axis=2) > 127
    return float(bright.any(axis=0).sum() / bright.any(axis=1).sum())


@pytest.mark.parametrize(
    ("name", "how", "shown_wh"),
    [
        ("pal.mp4", {"aspect": PAL_WIDE}, (256, 144)),
        ("ntsc.mkv", {"aspect": Fraction(8, 9)}, (180, 162)),
        ("disc.mpg", {"aspect": Fraction(16, 15), "codec": "mpeg2video"}, (192, 144)),
        ("turned.mov", {"aspect": PAL_WIDE, "turned_clockwise_deg": 90}, (144, 256)),
        ("container.mp4", {"aspect": PAL_WIDE, "codec": "libvpx-vp9"}, (256, 144)),
        ("square.mp4", {"aspect": Fraction(1)}, (180, 144)),
    ],
)
def test_a_circle_stays_round(tmp_path, name, how, shown_wh):
    path = make_circle(tmp_path / name, **how)
    info = probe(path)
    assert info.size_wh == shown_wh
    is_square = how["aspect"] == 1
    assert any("shown with square ones" in oddity for oddity in info.oddities) != is_square
    whole = next(iter_frames(path)).image
    assert whole.shape[1::-1] == shown_wh
    half_wh = shown_wh[0] // 2, shown_wh[1] // 2
    (small,) = sample_frames(path, [3], half_wh)
    cut = cut_clip(path, tmp_path / "cut.mp4", 2, 8)
    assert cut.size_wh == shown_wh
    assert cut.pixel_aspect == 1
    assert not cut.oddities
    (from_cut,) = sample_frames(cut.path, [0])
    for image in (whole, small, from_cut):
        assert width_of_disc(image) == pytest.approx(1, abs=0.04)


def test_a_copy_says_what_its_pixels_are(tmp_path):
    path = make_circle(tmp_path / "pal.mp4", aspect=PAL_WIDE)
    copy_clip(path, tmp_path / "copy.mp4", 2, 8)
    assert probe(tmp_path / "copy.mp4").pixel_aspect == PAL_WIDE
    assert width_of_disc(next(iter_frames(tmp_path / "copy.mp4")).image) == pytest.approx(
        1, abs=0.04
    )


def test_an_aspect_that_no_camera_has_is_not_believed(tmp_path):
    info = probe(make_circle(tmp_path / "a.mp4", aspect=Fraction(9)))
    assert info.size_wh == (180, 144)
    assert any("9:1, which is not believed" in oddity for oddity in info.oddities)


def test_a_film_that_changes_its_size_has_frames_of_one_size(tmp_path):
    """Also where a phone is turned during a call."""
    pieces = [
        make_circle(tmp_path / f"{number}.ts", **how).read_bytes()
        for number, how in enumerate(
            [
                {"aspect": PAL_WIDE},
                {"aspect": Fraction(1), "stored_wh": (256, 144)},
                {"aspect": Fraction(1), "stored_wh": (144, 256)},
            ]
        )
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(pieces))
    info = probe(path, decode=True)
    assert (info.frame_count, info.frames_lost, info.size_wh) == (30, (), (256, 144))
    images = [frame.image for frame in iter_frames(path)]
    assert {image.shape for image in images} == {(144, 256, 3)}
    for image in images:
        assert width_of_disc(image) == pytest.approx(1, abs=0.05)
    cut = cut_clip(path, tmp_path / "cut.mp4", 5, 25)
    assert (cut.frame_count, cut.size_wh) == (20, (256, 144))
