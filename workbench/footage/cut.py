"""Cutting clips out of a video: exact to the frame by encoding, or quickly by copying packets.

The unit is an interval of frames [start, end) in presentation order. A copy can only begin where
the codec lets decoding begin: at the keyframe at or before `start`. It says so, and returns the
real interval, instead of hiding the rest behind an edit list, which half the readers ignore.
"""

from __future__ import annotations  # PyAV's Packet is generic to the type checker only

from contextlib import suppress
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workbench.errors import FootageError, SavingError
from workbench.footage.clips import Clip
from workbench.footage.decoder import decode_frames
from workbench.footage.frames import Developer, check_interval, partial_read
from workbench.footage.packets import PacketTable, read_packets
from workbench.footage.sound import Sound
from workbench.footage.streams import READ_ERRORS, open_video, sound_of
from workbench.footage.video_info import VideoInfo, content_digest, probe
from workbench.footage.writer import VideoWriter
from workbench.saving import replacing

CUT_FORMAT = "workbench-cut/2"  # raise when the same cut would give another clip
COPY_FORMAT = "workbench-copy/2"  # the same for a copy
CRF = 18  # keeps what a model can see
PRESET = "veryfast"
LONGEST_LAST_S = 10.0  # of sound with the last frame, which may stand for an hour
MP4_CODECS = ("h264", "hevc", "av1", "mpeg4", "vp9")
MP4_SOUND = ("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac")


def cut_clip(
    path: Path | str, out: Path | str, start: int, end: int, *, crf: int = CRF
) -> VideoInfo:
    """Cut frames [start, end) into a video file of their own.

    The clip is H.264 with the index in front; it starts at time zero and keeps the time between
    frames, also where the frame rate varies. Rotation is applied to the pixels, and they are
    square. Sound comes along as AAC, unless the file's clock does not tell which. An odd width or
    height loses its last column or row, because H.264 4:2:0 wants both even. `frames_at` turns
    seconds into frames.

    Args:
        path: The video. It is never changed.
        out: The clip: .mp4, .m4v or .mov. It appears whole or not at all.
        start: First frame, counted from 0 in presentation order.
        end: The frame to stop before.
        crf: x264's constant rate factor.

    Returns:
        What was written.

    Raises:
        FootageError: If the file cannot be read or the clip not be written.
        FrameRangeError: If the interval is empty or lies outside the video.
        PartialReadError: If one of the frames cannot be decoded whole.

    Example:
        >>> start, end = frames_at("match.mp4", [12.0, 15.0])  # doctest: +SKIP
        >>> cut_clip("match.mp4", "shot.mp4", start, end).frame_count
        90
    """
    out = Path(out)
    table = read_packets(path)
    check_interval(table, start, end)
    # A container that counts in milliseconds blurs a constant rate; the clip gets it exact.
    steady = table.is_constant_rate
    width, height = (size - size % 2 for size in table.size_wh)
    with VideoWriter(
        out,
        (width, height),
        table.nominal_rate if steady else table.fps,
        crf=crf,
        preset=PRESET,
        time_base=None if steady else table.time_base,
        sound=_sound(table, start, end),
        comment=_cut_recipe(table.path, start, end, crf),
    ) as clip:
        develop = Developer(table, exact_colour=True)
        lost: list[int] = []
        for index, picture in decode_frames(table, range(start, end)):
            if picture is None:
                lost.append(index)
            elif not lost:
                image = develop(picture)[:height, :width]
                pts = table.pts_at(index) - table.pts_at(start)
                duration = table.pts_at(index + 1) - table.pts_at(index)
                clip.write(image) if steady else clip.write(image, pts=pts, duration=duration)
        if lost:
            raise partial_read(table, tuple(lost), asked=end - start)
    return probe(out)


def is_cut(path: Path | str, out: Path | str, start: int, end: int, *, crf: int = CRF) -> bool:
    """Whether `out` is what `cut_clip` with these arguments makes, so that it need not run again.

    A source with other content, another interval or quality, or a clip that lacks frames, says no.
    """
    with suppress(FootageError):
        return was_made(Path(out), _cut_recipe(Path(path), start, end, crf), end - start)
    return False


def copied_interval(path: Path | str, start: int, end: int) -> tuple[int, int]:
    """The frames [start, end) that a stream copy of these would really hold.

    Raises:
        FootageError: If the file cannot be read, or its frames have no time stamps of their own.
        FrameRangeError: If the interval is empty or lies outside the video.
    """
    table = read_packets(path)
    first, last = _packets_of(table, start, end)
    shown = table.index[first:last]
    shown = shown[shown >= table.index[first]]
    return int(shown.min()), int(shown.max()) + 1


def copy_suffix(path: Path | str) -> str:
    """The suffix of a file that can hold a copy of this video: .mp4 if MP4 can, else .mkv or .mov.

    Raises:
        FootageError: If the file cannot be read, or none of these can hold it.
    """
    with open_video(Path(path)) as (container, video):
        codec, track = video.codec_context.codec.canonical_name, sound_of(container)
        suits_mp4 = codec in MP4_CODECS and (track is None or _codec_of(track) in MP4_SOUND)
    if suits_mp4:
        return ".mp4"
    for suffix, name in ((".mkv", "matroska"), (".mov", "mov")):
        with av.open(BytesIO(), "w", format=name) as sample:
            if codec in sample.supported_codecs:
                return suffix
    raise FootageError(f"{path}: no container takes a copy of {codec}", "cut exactly instead")


def copy_clip(path: Path | str, out: Path | str, start: int, end: int) -> tuple[int, int]:
    """Copy frames [start, end), and what decoding them takes, into a file of their own.

    Takes the arguments of `cut_clip`; name `out` with `copy_suffix`. Sound comes along where the
    container can hold it. The clip starts at time zero and appears whole or not at all.

    Returns:
        The frames [start, end) that the copy holds; see `copied_interval`.

    Raises:
        FootageError: If the file cannot be read or the clip not be written.
        FrameRangeError: If the interval is empty or lies outside the video.

    Example:
        >>> copy_clip("match.mp4", "shot.mp4", 300, 420)  # doctest: +SKIP
        (250, 420)
    """
    path, out = Path(path), Path(out)
    table = read_packets(path)
    first, last = _packets_of(table, start, end)
    real_start, real_end = copied_interval(path, start, end)
    try:
        with replacing(out) as part, open_video(path) as (source, video):
            options = {"movflags": "+faststart"} if out.suffix != ".mkv" else {}
            with av.open(str(part.absolute()), "w", options=options) as clip:
                clip.metadata["comment"] = _copy_recipe(path, start, end)
                track = sound_of(source) if has_own_sound(table, real_start, real_end) else None
                _copy(table, source, video, track, clip, first, last)
            written = read_packets(part).frame_count
            if written != real_end - real_start:  # what was there before stays
                raise FootageError(
                    f"a copy of frames [{start}, {end}) of {path} holds {written} frames instead of"
                    f" {real_end - real_start}",
                    "cut them exactly instead",
                )
    except SavingError:
        raise
    except (OSError, ValueError, *READ_ERRORS) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FootageError(
            f"frames [{start}, {end}) of {path} cannot be copied to {out.name} ({why})",
            "cut them exactly instead",
        ) from error
    return real_start, real_end


def is_copy(path: Path | str, out: Path | str, start: int, end: int) -> bool:
    """Whether `out` is what `copy_clip` with these arguments makes, so that it need not run again.

    A source with other content, another interval, or a clip that lacks frames, says no.
    """
    with suppress(FootageError):
        real_start, real_end = copied_interval(path, start, end)
        return was_made(Path(out), _copy_recipe(Path(path), start, end), real_end - real_start)
    return False


def clip_row(
    clip_id: str,
    clip: VideoInfo,
    folder: Path,
    source: VideoInfo,
    interval: tuple[int, int],
    session: str,
) -> Clip:
    """The row, in the list of `folder`, of a clip that holds frames [start, end) of a source."""
    return Clip(
        clip_id=clip_id,
        file=clip.path.relative_to(folder).as_posix(),
        source=str(source.path.resolve()),
        session=session,
        start_frame=interval[0],
        end_frame=interval[1],
        start_pts=source.pts_at(interval[0]),
        end_pts=source.pts_at(interval[1]),
        time_base=source.time_base,
        fps=clip.fps,
        width=clip.width,
        height=clip.height,
    )


def was_made(out: Path, recipe: str, frame_count: int) -> bool:
    """Whether a clip says in its metadata that it was made by `recipe`, and holds all its frames.

    Raises:
        FootageError: If it is no video.
    """
    with open_video(out) as (container, _):
        tags = container.metadata
        if tags.get("comment", tags.get("COMMENT")) != recipe:  # Matroska writes capitals
            return False
    return read_packets(out).frame_count == frame_count


def _cut_recipe(path: Path, start: int, end: int, crf: int) -> str:
    return f"{CUT_FORMAT} {content_digest(path)} [{start}, {end}) crf {crf} {PRESET}"


def _copy_recipe(path: Path, start: int, end: int) -> str:
    return f"{COPY_FORMAT} {content_digest(path)} [{start}, {end})"


def _sound(table: PacketTable, start: int, end: int) -> Sound | None:
    if not has_own_sound(table, start, end):
        return None
    ahead = int(table.shift[start])
    begin_s, last_s, end_s = (
        (table.pts_at(at) + ahead) * table.time_base for at in (start, end - 1, end)
    )
    return Sound(table.path, begin_s, min(end_s, last_s + Fraction(LONGEST_LAST_S)))


def has_own_sound(table: PacketTable, start: int, end: int) -> bool:
    """Whether the file's clock says which sound belongs to frames [start, end).

    It does not across a jump, nor where it runs over the same time twice.
    """
    own = table.pts + table.shift
    meanwhile = ((own >= own[start]) & (own <= own[end - 1])).sum()
    return bool(table.has_audio and meanwhile == end - start and not np.ptp(table.shift[start:end]))


def _packets_of(table: PacketTable, start: int, end: int) -> tuple[int, int]:
    """The packets [first, last), in decode order, that a copy takes.

    From the keyframe before `start` on, until every frame before `end` is in, and then until no
    frame is missing between those that were added because others are predicted from them.
    """
    check_interval(table, start, end)
    if not table.is_timed:
        raise FootageError(
            f"{table.path} does not say when each of its frames is shown", "cut exactly instead"
        )
    first = table.entry(start)
    # The last packet that any frame up to here needs.
    until = np.maximum.accumulate(table.position)
    last, reach = 0, end
    while True:
        last = int(until[reach - 1]) + 1
        brought = int(table.index[first:last].max()) + 1
        if brought <= reach:
            break
        reach = brought
    copied = table.index[first:last]
    if np.ptp(table.shift[copied[copied >= 0]]):
        raise FootageError(f"the clock of {table.path} jumps there", "cut exactly instead")
    kept = table.packet_pts[first:last] >= table.packet_pts[first]
    if (table.index[first:last][kept] < 0).any():
        raise FootageError(
            f"{table.path} hides frames (an edit list) that a copy would show",
            "cut exactly instead",
        )
    return first, last


def _copy(
    table: PacketTable,
    source: InputContainer,
    video: VideoStream,
    sound: AudioStream | None,
    clip: OutputContainer,
    first: int,
    last: int,
) -> None:
    # `opaque` copies also a codec that this FFmpeg decodes and cannot encode.
    to_track: dict[Stream, Stream] = {video: clip.add_stream_from_template(video, opaque=True)}
    if sound and takes_sound(clip, sound):
        to_track[sound] = clip.add_stream_from_template(sound)
    pts = table.packet_pts[first:last]
    # Frames decoded after the keyframe but shown before it are left out: their references are gone.
    kept = np.flatnonzero(pts >= pts[0])
    shown = pts[kept] - pts[0]
    stamps = np.stack([shown, decoding_times(shown)], axis=1).tolist()
    place_to_stamps = dict(zip((first + kept).tolist(), stamps, strict=True))
    begin_s = int(pts[0]) * table.time_base
    end_s = begin_s + int(shown.max()) * table.time_base + 1 / table.fps
    copy_packets(table, source, clip, to_track, place_to_stamps, (first, last), (begin_s, end_s))


def decoding_times(shown: NDArray[np.int64]) -> NDArray[np.int64]:
    """When to decode packets that are shown then: in order, never after. Matroska does not say."""
    decoded: NDArray[np.int64] = np.sort(shown)
    decoded -= (decoded - shown).max()
    return decoded


def takes_sound(clip: OutputContainer, sound: AudioStream) -> bool:
    """Whether a container can hold a copy of this sound."""
    return clip.format.name == "matroska" or _codec_of(sound) in MP4_SOUND


def copy_packets(
    table: PacketTable,
    source: InputContainer,
    clip: OutputContainer,
    to_track: dict[Stream, Stream],
    place_to_stamps: dict[int, list[int]],
    places: tuple[int, int],
    span_s: tuple[Fraction, Fraction],
) -> None:
    """Copy packets of pictures by their place in decode order, and the sound of a span of time.

    Args:
        table: The source's packets.
        source: The source, open.
        clip: Gets the packets.
        to_track: Each of the source's streams that is copied, and where to.
        place_to_stamps: PTS and DTS that packets get; others are left out.
        places: Where to begin reading, and before which packet no picture is missing.
        span_s: By the source's clock.
    """
    first, last = places
    may_jump = first > 0 and not table.jumps  # a time may be there twice
    video = next(stream for stream in to_track if stream.type == "video")
    if may_jump:
        source.seek(int(table.dts[first]), stream=video, backward=True)
    position = None if may_jump else -1  # of the picture packet read last
    unfinished = set(to_track)
    for packet in source.demux(list(to_track)):
        if not packet.size:
            continue
        stream = packet.stream
        if stream is video:
            position = table.locate(packet) if position is None else position + 1
            if position is None:
                continue
            times, is_last = place_to_stamps.get(position), position + 1 >= last
        else:
            times, is_last = _sound_stamps(packet, *span_s)
        if times is not None:
            packet.pts, packet.dts = times
            packet.stream = to_track[stream]
            clip.mux(packet)
        if is_last:
            unfinished.discard(stream)
            if not unfinished:
                return


def _codec_of(track: AudioStream) -> str:
    return track.codec_context.codec.canonical_name


def _sound_stamps(
    packet: Packet[Any], begin_s: Fraction, end_s: Fraction
) -> tuple[list[int] | None, bool]:
    """PTS and DTS of a sound packet in the copy, None if not in it; whether none follows."""
    if packet.pts is None or packet.time_base is None:
        return None, False
    time_s = packet.pts * packet.time_base
    pts = packet.pts - round(begin_s / packet.time_base)
    return [pts, pts] if begin_s <= time_s < end_s else None, time_s >= end_s
