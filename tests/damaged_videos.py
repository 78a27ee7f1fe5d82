"""Damaged copies of tiny videos, drawn from a seed, and everything the workbench does with a video.

    python tests/damaged_videos.py 20000      # by hand: what raises, crashes or hangs

The unit is one seed: it draws a whole video of some container and what is done to it. Each run by
hand works in a process of its own, so that a crash or a hang of native code costs one seed.
"""

import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from videos import make_video

from annotation_tools.clipper.timeline import draw_timeline
from workbench.errors import WorkbenchError
from workbench.footage.cut import copy_clip, copy_suffix
from workbench.footage.frames import iter_frames
from workbench.footage.ingest import ingest_folder
from workbench.footage.video_info import probe

HANG_S = 10.0
FRAMES = 12
WITH_B_FRAMES = {"options": {"g": "5", "bf": "2", "preset": "ultrafast"}}
NAME_TO_MAKING = {
    "plain.mp4": {**WITH_B_FRAMES, "clicks_s": [0.1], "turned_clockwise_deg": 90},
    "fragments.mp4": {**WITH_B_FRAMES, "muxer": {"movflags": "frag_keyframe+empty_moov"}},
    "plain.mov": {"codec": "mpeg4"},
    "b.mkv": {**WITH_B_FRAMES, "clicks_s": [0.1]},
    "odd.mkv": {"pts": [40 * n + 7 * (n % 3) for n in range(FRAMES)], **WITH_B_FRAMES}
    | {"time_base": Fraction(1, 1000)},
    "web.webm": {"codec": "libvpx", "options": {"cpu-used": "8", "deadline": "realtime"}},
    "card.ts": {**WITH_B_FRAMES, "clicks_s": [0.1]},
    "disc.mpg": {"codec": "mpeg2video"},
    "old.avi": {"codec": "mpeg4", "options": {"bf": "2"}, "clicks_s": [0.1]},
    "still.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "web.flv": {**WITH_B_FRAMES, "clicks_s": [0.1]},
    "any.nut": {"codec": "mpeg4", "options": {"bf": "2"}},
    "broadcast.mxf": {"codec": "mpeg2video"},
    "screen.asf": {"codec": "msmpeg4", "clicks_s": [0.1]},
    "raw.m2v": {"codec": "mpeg2video"},
    "raw.h264": WITH_B_FRAMES,
}
# Where containers keep times, sizes and places; the numbers behind these are the ones to damage.
ANCHORS = (
    *(b"mvhd", b"mdhd", b"tkhd", b"elst", b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco"),
    *(b"avc1", b"avcC", b"pasp", b"trun", b"tfhd", b"tfdt", b"trex", b"sidx", b"mp4a", b"esds"),
    *(b"\x2a\xd7\xb1", b"\x23\xe3\x83", b"\x1f\x43\xb6\x75", b"\xa3", b"\xe7", b"\xb0", b"\x54"),
    *(b"strh", b"avih", b"strf", b"idx1", b"00dc", b"\x47", b"\x00\x00\x01", b"FLV", b"\x09\x00"),
)
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def make_whole(folder: Path) -> list[Path]:
    """Make the whole videos, one of each container."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        make_video(folder / name, FRAMES, size_wh=(64, 48), fps=Fraction(25), **making)
        for name, making in NAME_TO_MAKING.items()
    ]


def damage(whole: list[Path], folder: Path, seed: int) -> Path:
    """Write a damaged copy of one of the videos to `folder`."""
    rng = np.random.default_rng(seed)
    source = whole[int(rng.integers(len(whole)))]
    out = folder / f"{seed}{source.suffix}"
    if rng.random() < 0.4:
        _remux_at_other_times(source, out, rng)
    else:
        content = bytearray(source.read_bytes())
        for _ in range(int(rng.integers(1, 6))):
            change = DAMAGES[int(rng.integers(len(DAMAGES)))]
            change(content, rng)
        out.write_bytes(content)
    return out


def use(path: Path, folder: Path) -> str:
    """Do with a video whatever the workbench does with one; return what was refused, in words."""
    refused = []
    for work in (_look, _copy, _ingest, _draw):
        try:
            work(path, folder)
        except WorkbenchError as error:
            if not error.remedy or "\n" in str(error):
                raise AssertionError("an error is one line with a remedy") from error
            refused.append(f"{work.__name__[1:]}: {error.problem}")
    return "; ".join(refused)


def _look(path: Path, folder: Path) -> None:
    info = probe(path, decode=True)
    assert info.frame_count == len(info.position) > 0
    assert (np.diff(info.pts) > 0).all()
    assert np.array_equal(info.index[info.position], np.arange(info.frame_count))
    assert len(info.frames_lost) <= info.frame_count
    assert 0 < info.duration_s < float("inf")
    shown = [frame.index for frame in iter_frames(path, size_wh=(32, 24), skip_lost=True)]
    assert shown == [n for n in range(info.frame_count) if n not in info.frames_lost]


def _copy(path: Path, folder: Path) -> None:
    count = probe(path).frame_count
    clip = folder / f"copy{copy_suffix(path)}"
    start, end = copy_clip(path, clip, count // 3, count // 2 + 1)
    assert probe(clip).frame_count == end - start


def _ingest(path: Path, folder: Path) -> None:
    report = ingest_folder(path.parent, folder / "clips", window_s=0.2, most_per_video=2)
    assert set(report.file_to_fate) == {path.name}
    assert all(probe(folder / "clips" / clip.file) for clip in report.clips)


def _draw(path: Path, folder: Path) -> None:
    assert draw_timeline(path, lambda done: None)["state"] == "ready"


def _overwrite(content: bytearray, rng: np.random.Generator) -> None:
    anchors = [anchor for anchor in ANCHORS if anchor in content]
    anchor = anchors[int(rng.integers(len(anchors)))] if anchors else b""
    places = [at for at in range(len(content)) if content.startswith(anchor, at)] or [0]
    at = places[int(rng.integers(len(places)))] + len(anchor) + int(rng.integers(0, 48))
    size = int(rng.choice([1, 2, 4, 8]))
    number = int(rng.choice(NUMBERS)) % 256**size
    content[at : at + size] = number.to_bytes(size, "big" if rng.random() < 0.7 else "little")


def _flip(content: bytearray, rng: np.random.Generator) -> None:
    # Headers are small and stand at the ends.
    span = min(len(content), int(rng.choice([400, 2000, 1 << 30])))
    for at in rng.integers(0, span, int(rng.integers(1, 20))).tolist():
        at = at if rng.random() < 0.5 else len(content) - 1 - at
        content[at] ^= 1 << int(rng.integers(8))


def _cut_off(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(1, len(content) + 1)) :]


def _leave_out(content: bytearray, rng: np.random.Generator) -> None:
    at, length = _span(content, rng)
    if length < len(content):
        del content[at : at + length]


def _repeat(content: bytearray, rng: np.random.Generator) -> None:
    at, length = _span(content, rng)
    content[at:at] = content[at : at + length] * int(rng.integers(1, 4))


def _join(content: bytearray, rng: np.random.Generator) -> None:
    content += content[:]


def _span(content: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    longest = min(len(content), int(rng.choice([4, 188, 4000])))
    return int(rng.integers(len(content))), int(rng.integers(1, longest + 1))


DAMAGES: list[Callable[[bytearray, np.random.Generator], None]]
DAMAGES = [_overwrite, _overwrite, _overwrite, _flip, _cut_off, _leave_out, _repeat, _join]


def _remux_at_other_times(source: Path, out: Path, rng: np.random.Generator) -> None:
    """Write the packets with repeats, gaps, jumps and holes in their time stamps."""
    # Without NUT, whose muxer aborts the process on some times.
    name = str(rng.choice(["matroska", "mpegts", "avi", "flv", "mov", "mp4", "asf"]))
    try:
        with av.open(str(source)) as reader, av.open(str(out), "w", format=name) as writer:
            tracks = {track: writer.add_stream_from_template(track) for track in reader.streams}
            off = 0
            for packet in reader.demux():
                if not packet.size or rng.random() < 0.03:
                    continue
                if rng.random() < 0.06:
                    power = int(rng.integers(0, 40))
                    off += int(rng.choice([-1, 1])) * int(rng.integers(1, 2**power + 1))
                stamps = [value and value + off for value in (packet.pts, packet.dts)]
                packet.stream = tracks[packet.stream]
                draw = rng.random()
                if draw < 0.05:
                    stamps = [stamps[1]] * 2
                elif draw < 0.08:
                    stamps[int(rng.integers(2))] = None
                elif draw < 0.12:
                    stamps = [value and value + int(rng.integers(-9, 9)) ** 5 for value in stamps]
                packet.pts, packet.dts = stamps
                try:
                    writer.mux(packet)
                except (av.error.FFmpegError, ValueError):
                    continue  # some containers refuse some times
    except (av.error.FFmpegError, ValueError):
        out.write_bytes(source.read_bytes()[:-7])  # the container takes no such tracks


def _run(first: int, last: int, log: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        whole = make_whole(Path(temporary, "whole"))
        for seed in range(first, last):
            with tempfile.TemporaryDirectory(dir=temporary) as one, log.open("a") as lines:
                folder = Path(one)
                (folder / "in").mkdir()
                lines.write(f"seed {seed}\n")
                lines.flush()
                began_s = time.monotonic()
                try:
                    said = use(damage(whole, folder / "in", seed), folder)
                    lines.write(f"{'refused' if said else 'read'} {said}\n")
                except Exception:
                    lines.write(f"RAISED {seed} {traceback.format_exc()}\n")
                took_s = time.monotonic() - began_s
                if took_s > HANG_S / 4:
                    lines.write(f"SLOW {seed} {took_s:.1f} s\n")


def main(count: int, first: int = 0) -> None:
    log = Path(tempfile.mkdtemp()) / "seeds.txt"
    log.touch()
    print(log, flush=True)
    last = first + count
    while first < last:
        began_s = time.time()  # a busy machine may take long to start it
        command = [sys.executable, __file__, "--run", str(first), str(last), str(log)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as worker:
            while worker.poll() is None:
                time.sleep(1)
                is_at_work = log.stat().st_mtime > began_s
                if is_at_work and time.time() - log.stat().st_mtime > 2 * HANG_S:
                    worker.kill()
        at = int(log.read_text().rpartition("seed ")[2].split("\n")[0])
        if worker.returncode == 0:
            break
        what = "HANGS" if worker.returncode == -9 else f"CRASHES ({worker.returncode})"
        print(f"seed {at} {what}", flush=True)
        first = at + 1
    lines = log.read_text().splitlines()
    for word in ("read", "refused", "RAISED", "SLOW"):
        print(word, sum(line.startswith(word) for line in lines))


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        _run(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(*map(int, sys.argv[1:]))
