"""Test videos whose every frame says its own number, in a barcode that survives any decoder.

The encoder here is plain PyAV, on purpose not the one under test.
"""

import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

COLUMNS, ROWS = 4, 3  # 12 bits: up to 4096 frames


def numbered_image(number: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """An RGB image (H, W, 3) that shows `number` as bright and dark fields, over some texture.

    In Gray code: from one number to the next a single field changes, so that none looks like a cut.
    """
    bits = ((number ^ number >> 1) >> np.arange(COLUMNS * ROWS)) & 1
    fields = bits.reshape(ROWS, COLUMNS).astype(np.uint8) * 150 + 40
    width, height = size_wh
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    texture = np.random.default_rng(0).integers(0, 40, (height, width, 3))
    return (fields[rows][:, columns, None] + texture).astype(np.uint8)


def read_number(image: NDArray[np.uint8]) -> int:
    """The number a decoded image (H, W, 3) of any size shows."""
    height, width = image.shape[:2]
    rows = (2 * np.arange(ROWS) + 1) * height // (2 * ROWS)
    columns = (2 * np.arange(COLUMNS) + 1) * width // (2 * COLUMNS)
    inside = [
        [image[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean() for x in columns] for y in rows
    ]
    bits = (np.array(inside).ravel()[::-1] > 135).astype(int)
    return int("".join(map(str, np.cumsum(bits) % 2)), 2)


def read_numbers(images: NDArray[np.uint8]) -> list[int]:
    return [read_number(image) for image in images]


def make_video(
    path: Path,
    count: int = 90,
    *,
    first: int = 0,
    size_wh: tuple[int, int] = (160, 96),
    fps: Fraction = Fraction(30),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    container: str | None = None,
    muxer: dict[str, str] | None = None,
    pts: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    pix_fmt: str = "yuv420p",
    turned_clockwise_deg: int = 0,
    clicks_s: Sequence[float] | None = None,
    sounds: Sequence[str] = ("aac",),
) -> Path:
    """Encode frames that show `first`, then one more each, and return the path.

    `size_wh` is the size as stored. With `turned_clockwise_deg` the picture is stored lying down
    and the container says to turn it, as phones do. `clicks_s` adds a sound track of short clicks,
    and `sounds` one of each codec.
    """
    time_base = time_base or 1 / fps
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container, options=muxer or {}) as writer:
        stream = writer.add_stream(codec, rate=fps, options=options or {})
        stream.width, stream.height = size_wh
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        stream.codec_context.thread_count = 1
        if turned_clockwise_deg:
            stream.set_display_rotation(-turned_clockwise_deg)
        if clicks_s is None and sounds == ("aac",):
            sounds = ()
        tracks = [writer.add_stream(name, rate=48_000, layout="mono") for name in sounds]
        shown_wh = size_wh if turned_clockwise_deg % 180 == 0 else size_wh[::-1]
        for track in tracks:
            for packet in _encode_clicks(track, count / float(fps), clicks_s or ()):
                writer.mux(packet)
        for number in range(count):
            upright = numbered_image(first + number, shown_wh)
            stored = np.ascontiguousarray(np.rot90(upright, turned_clockwise_deg // 90))
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            frame.pts = pts[number] if pts is not None else round(number / (fps * time_base))
            frame.time_base = time_base
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    return path


def flip_bits(path: Path, out: Path, *, seed: int, flips: int, first: float, last: float) -> Path:
    """Copy a file with some bits flipped between two fractions of its length."""
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(int(first * len(content)), int(last * len(content)), flips):
        content[place] ^= 1 << int(rng.integers(8))
    out.write_bytes(content)
    return out


def run_python(code: str, *arguments: str) -> str:
    """Run a snippet in a Python process of its own and return what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120
    ).stdout.strip()


def _encode_clicks(stream, length_s, clicks_s):
    rate_hz = stream.rate
    samples = np.zeros(round(length_s * rate_hz), np.float32)
    for click_s in clicks_s:
        at = round(click_s * rate_hz)
        samples[at : at + rate_hz // 100] = np.sin(np.arange(rate_hz // 100) * 0.5) * 0.8
    for start in range(0, len(samples), 1024):
        block = samples[None, start : start + 1024]
        if stream.format.name.startswith("s16"):
            block = (block * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(block, format=stream.format.name, layout="mono")
        frame.sample_rate, frame.pts = rate_hz, start
        frame.time_base = Fraction(1, rate_hz)
        yield from stream.encode(frame)
    yield from stream.encode(None)
