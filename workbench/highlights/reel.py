"""A reel: highlights cut exactly and joined into one MP4, a chapter mark for each.

The unit is one reel. Highlights are cut by `footage.cut`, with their sound; all come out of one
encoder with the same settings, so joining copies packets. Cuts that are there already are kept.
"""

from __future__ import annotations  # PyAV's Packet is generic to the type checker only

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import OutputContainer
from av.stream import Stream

from workbench.errors import FootageError
from workbench.footage.cut import cut_clip, is_cut
from workbench.footage.frames import frames_at
from workbench.footage.packets import read_packets
from workbench.footage.streams import open_video, sound_of
from workbench.highlights.watch import Highlight
from workbench.saving import replacing

Chapter = tuple[float, float, str]  # start and end in the reel in seconds, title


def make_reel(
    video: Path,
    highlights: Sequence[Highlight],
    out: Path,
    on_cut: Callable[[int, int], None] = lambda done, total: None,
) -> list[Chapter]:
    """Cut highlights, in this order, into files beside `out` and join them; return the chapters.

    H.264 with the index in front. Stretches that overlap are shown once each.

    Raises:
        FootageError: If there is none, or the video cannot be read.
    """
    if not highlights:
        raise FootageError("there is no highlight to cut", "lower the thresholds")
    table = read_packets(video)
    clips = []
    for place, one in enumerate(highlights, 1):
        ends = np.clip([one.start_s, one.end_s], 0, table.duration_s)
        start, end = (int(frame) for frame in frames_at(video, ends))
        end = max(start + 1, min(end + 1, table.frame_count))
        clip = out.parent / "clips" / f"{start:07d}_{one.sport}.mp4"
        if not (clip.is_file() and is_cut(video, clip, start, end)):
            cut_clip(video, clip, start, end)
        clips.append(clip)
        on_cut(place, len(highlights))
    titles = [f"{one.sport} {one.score:.2f} at {clock(one.peak_s)}" for one in highlights]
    return _join(clips, titles, out)


def clock(seconds: float) -> str:
    """Return a moment as h:mm:ss or m:ss.

    Example:
        >>> clock(3725.4)
        '1:02:05'
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _join(clips: Sequence[Path], titles: Sequence[str], out: Path) -> list[Chapter]:
    chapters: list[Chapter] = []
    with replacing(out) as part:
        options = {"movflags": "+faststart"}
        with av.open(str(part.absolute()), "w", options=options) as reel:
            tracks = _tracks(clips, reel)
            # Marks first: the header, which holds them, goes out with the first packet.
            begin = Fraction(0)
            for clip, title in zip(clips, titles, strict=True):
                length = Fraction(read_packets(clip).end_pts) * read_packets(clip).time_base
                chapters.append((float(begin), float(begin + length), title))
                begin += length
            marks = [
                {
                    "id": number,
                    "start": round(first * 1000),
                    "end": round(last * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for number, (first, last, title) in enumerate(chapters, 1)
            ]
            reel.set_chapters(marks)  # type: ignore[arg-type]  # PyAV's own Chapter type
            for clip, (first, _, _) in zip(clips, chapters, strict=True):
                _append(clip, Fraction(first).limit_denominator(10**6), tracks, reel)
    return chapters


def _tracks(clips: Sequence[Path], reel: OutputContainer) -> dict[str, Stream]:
    """The reel's streams, made like those of its clips; sound if any has it."""
    tracks: dict[str, Stream] = {}
    for clip in clips:
        with open_video(clip) as (source, video):
            if "video" not in tracks:
                tracks["video"] = reel.add_stream_from_template(video)
            sound = sound_of(source)
            if sound is not None:
                tracks["audio"] = reel.add_stream_from_template(sound)
                return tracks
    return tracks


def _append(
    clip: Path, begin_s: Fraction, tracks: dict[str, Stream], reel: OutputContainer
) -> None:
    with open_video(clip) as (source, video):
        streams = [video, *([sound] if "audio" in tracks and (sound := sound_of(source)) else [])]
        for packet in source.demux(streams):
            if packet.pts is None or packet.dts is None or packet.time_base is None:
                continue
            offset = round(begin_s / packet.time_base)
            packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
            packet.stream = tracks[packet.stream.type]
            reel.mux(packet)
