"""Exact cuts with next to no loss: whole groups of frames are copied, only the ends are encoded.

The unit is an interval of frames [start, end) of an H.264 video. Copied packets keep every pixel;
only the frames before the first keyframe inside and after the last one are encoded anew. Two
encodings in one file need two parameter sets: the encoder numbers its own differently, and both
stand in the file's decoder configuration, so that every player finds the one that a frame names.
"""

from __future__ import annotations  # PyAV's Packet is generic to the type checker only

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType
from av.video.stream import VideoStream

from workbench.errors import FootageError, SavingError
from workbench.footage.cut import (
    copy_packets,
    decoding_times,
    has_own_sound,
    takes_sound,
    was_made,
)
from workbench.footage.decoder import decode_frames
from workbench.footage.frames import check_interval, partial_read
from workbench.footage.packets import PacketTable, read_packets
from workbench.footage.streams import READ_ERRORS, open_video, sound_of
from workbench.footage.video_info import content_digest
from workbench.saving import replacing

SMART_FORMAT = "workbench-smart/1"  # raise when the same cut would give another clip
CRF, PRESET = 15, "medium"  # the encoded ends stand beside copied pictures
PIXELS = ("yuv420p", "yuvj420p")
SETS = 32  # sequence parameter sets that H.264 can tell apart
SLICES, ANEW = range(1, 6), 5  # kinds of units that are pictures; of those after which nothing old


@dataclass(frozen=True)
class SmartCut:
    """Which frames [start, end) of a source are in a clip, and which of them were copied."""

    start: int
    end: int
    copied: tuple[int, int]  # empty where there is no keyframe between start and end

    @property
    def copied_count(self) -> int:
        """How many frames are those of the source to the bit."""
        return self.copied[1] - self.copied[0]


def smart_cut(path: Path | str, out: Path | str, start: int, end: int) -> SmartCut:
    """Cut frames [start, end) into an MP4 file, encoding only what lies outside whole groups.

    The clip begins and ends at the very frames, keeps size, colours and rotation as they are
    stored, and the sound where the file's clock tells which. It appears whole or not at all.

    Raises:
        FootageError: If the file cannot be read or written, or is no progressive 8-bit H.264.
        FrameRangeError: If the interval is empty or lies outside the video.
        PartialReadError: If one of the frames to encode cannot be decoded whole.

    Example:
        >>> smart_cut("match.mp4", "shot.mp4", 280, 420)  # doctest: +SKIP
        SmartCut(start=280, end=420, copied=(300, 400))
    """
    path, out = Path(path), Path(out)
    table = read_packets(path)
    plan = _plan(table, start, end)
    try:
        with replacing(out) as part, open_video(path) as (source, video):
            _write(table, source, video, part, plan)
            written = read_packets(part).frame_count
            if written != end - start:  # what was there before stays
                raise FootageError(
                    f"a smart cut of frames [{start}, {end}) of {path} holds {written} frames",
                    "cut them exactly",
                )
    except SavingError:
        raise
    except (OSError, ValueError, *READ_ERRORS) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FootageError(
            f"frames [{start}, {end}) of {path} cannot be cut smartly ({why})", "cut them exactly"
        ) from error
    return plan


def is_smart_cut(path: Path | str, out: Path | str, start: int, end: int) -> bool:
    """Whether `out` is what `smart_cut` with these arguments makes, so that it need not run again.

    A source with other content, another interval, or a clip that lacks frames, says no.
    """
    with suppress(FootageError):
        return was_made(Path(out), _recipe(Path(path), start, end), end - start)
    return False


def plan_cut(path: Path | str, start: int, end: int) -> SmartCut:
    """What `smart_cut` would copy of these frames.

    Raises:
        FootageError: If the file cannot be read or not be cut this way.
        FrameRangeError: If the interval is empty or lies outside the video.
    """
    return _plan(read_packets(path), start, end)


def _recipe(path: Path, start: int, end: int) -> str:
    return f"{SMART_FORMAT} {content_digest(path)} [{start}, {end}) crf {CRF}"


def _plan(table: PacketTable, start: int, end: int) -> SmartCut:
    check_interval(table, start, end)
    fault = None
    if table.codec != "h264":
        fault = f"is {table.codec}, not H.264"
    elif table.interlaced:
        fault = "is interlaced"
    elif not table.is_timed:
        fault = "does not say when each of its frames is shown"
    elif np.ptp(table.shift[start:end]):
        fault = "has a clock that jumps there"
    if fault:
        raise FootageError(f"{table.path} {fault}", "cut exactly instead")
    keys = [int(table.index[key]) for key in _closed_keys(table) if table.index[key] >= 0]
    # A group ends where the next one begins; the last of a file ends with it.
    last = max((frame for frame in [*keys, table.frame_count] if frame <= end), default=start)
    entries = (frame for frame in keys if start <= frame < last and _begins_anew(table, frame))
    first = next(entries, None)
    return SmartCut(start, end, (start, start) if first is None else (first, last))


def _closed_keys(table: PacketTable) -> list[int]:
    """The packets of keyframes that nothing crosses: what is decoded before is shown before."""
    index = table.index
    latest = np.maximum.accumulate(np.concatenate([[-1], index[:-1]]))
    hidden = np.where(index < 0, table.frame_count, index)
    earliest = np.minimum.accumulate(hidden[::-1])[::-1]
    return np.flatnonzero(table.is_key & (latest < index) & (earliest >= index)).tolist()


def _begins_anew(table: PacketTable, frame: int) -> bool:
    """Whether a keyframe is an IDR picture, ITU-T H.264 §7.4.1.2.4.

    Others go on with the numbers of the pictures before them, or lean on these (a picture that is
    refreshed bit by bit); where those are encoded anew, such a group cannot follow.
    """
    place = int(table.position[frame])
    with open_video(table.path) as (source, video):
        if not table.jumps:
            source.seek(int(table.dts[place]), stream=video, backward=True)
        packets = (packet for packet in source.demux(video) if packet.size)
        unit = next((bytes(packet) for packet in packets if table.is_at(place, packet)), b"")
    at = 0
    while at + 4 < len(unit):
        kind = unit[at + 4] & 31
        if kind in SLICES:
            return kind == ANEW
        at += 4 + int.from_bytes(unit[at : at + 4], "big")
    return False


def _write(
    table: PacketTable, source: InputContainer, video: VideoStream, part: Path, plan: SmartCut
) -> None:
    sets = ParameterSets.read(video, table.path)
    frames = [(plan.start, plan.copied[0]), (plan.copied[1], plan.end)]
    ends = [_Encoder(table, video, sets.free_id(), *interval) for interval in frames]
    to_stamps = _Stamps(table, plan)
    options = {"movflags": "+faststart"}
    with av.open(str(part.absolute()), "w", format="mp4", options=options) as clip:
        clip.metadata["comment"] = _recipe(table.path, plan.start, plan.end)
        # `opaque` also keeps how the picture is turned.
        stream = clip.add_stream_from_template(video, opaque=True)
        stream.codec_context.extradata = sets.joined(ends[0].sets).packed()
        to_track: dict[Stream, Stream] = {video: stream}
        sound = sound_of(source) if has_own_sound(table, plan.start, plan.end) else None
        if sound and takes_sound(clip, sound):
            to_track[sound] = clip.add_stream_from_template(sound)
        places = table.entry(plan.start), 1 + max(to_stamps.of_places, default=-1)
        ahead = int(table.shift[plan.start])
        begin_s, end_s = (
            (table.pts_at(at) + ahead) * table.time_base for at in (plan.start, plan.end)
        )
        for encoder, stamps in zip(ends, to_stamps.of_ends, strict=True):
            if encoder is ends[1]:
                copy_packets(
                    table, source, clip, to_track, to_stamps.of_places, places, (begin_s, end_s)
                )
            for packet, (frame, pts, dts) in zip(encoder.packets(), stamps, strict=True):
                packet.pts, packet.dts, packet.time_base = pts, dts, table.time_base
                packet.duration = table.pts_at(frame + 1) - table.pts_at(frame)
                packet.stream = stream
                clip.mux(packet)


class _Stamps:
    """When each packet of the clip is shown and decoded: encoded ones by frame, copied by place."""

    def __init__(self, table: PacketTable, plan: SmartCut) -> None:
        first, last = plan.copied
        places = np.sort(table.position[first:last])
        if len(places) and np.ptp(places) + 1 != len(places):
            raise FootageError(
                f"{table.path} hides frames (an edit list) that a copy would show",
                "cut exactly instead",
            )
        order = [np.arange(plan.start, first), table.index[places], np.arange(last, plan.end)]
        frames = np.concatenate(order)
        shown = table.pts[frames] - table.pts[plan.start]
        stamps = np.stack([frames, shown, decoding_times(shown)], axis=1).tolist()
        before, after = len(order[0]), len(order[0]) + len(places)
        self.of_ends = stamps[:before], stamps[after:]
        copied = zip(places.tolist(), stamps[before:after], strict=True)
        self.of_places = {place: own for place, (_, *own) in copied}


class _Encoder:
    """Encodes one end of a clip as the source is stored: its size, colours and turn."""

    def __init__(
        self, table: PacketTable, video: VideoStream, set_id: int, start: int, end: int
    ) -> None:
        self._table, self._interval = table, range(start, end)
        source = video.codec_context
        if source.pix_fmt not in PIXELS:
            raise FootageError(
                f"{table.path} has pixels of {source.pix_fmt}, not 8-bit 4:2:0", "cut exactly"
            )
        context = av.CodecContext.create("libx264", "w")
        context.width, context.height, context.pix_fmt = *table.coded_wh, source.pix_fmt
        context.time_base, context.framerate = table.time_base, table.fps.limit_denominator(10**6)
        context.colorspace, context.color_range = source.colorspace, source.color_range
        context.color_primaries, context.color_trc = source.color_primaries, source.color_trc
        context.sample_aspect_ratio = video.sample_aspect_ratio or Fraction(1)
        # Frames as they come, in units as MP4 stores them, under a number of their own.
        x264 = f"sps-id={set_id}:annexb=0:bframes=0:scenecut=0:keyint=infinite"
        context.options = {"crf": str(CRF), "preset": PRESET, "threads": "1", "x264-params": x264}
        context.flags |= Flags.global_header
        context.open()
        self._context = context
        self.sets = ParameterSets.unpack(bytes(context.extradata or b""), table.path)

    def packets(self) -> Iterator[Packet[Any]]:
        """Yield the packets of the frames, in order."""
        lost: list[int] = []
        for index, picture in decode_frames(self._table, self._interval):
            if picture is None:
                lost.append(index)
            elif not lost:
                picture.pts, picture.time_base = index, self._table.time_base
                picture.pict_type = PictureType.NONE  # else it would be coded as it was
                yield from self._context.encode(picture)
        if lost:
            raise partial_read(self._table, tuple(lost), asked=len(self._interval))
        yield from self._context.encode(None)


@dataclass(frozen=True)
class ParameterSets:
    """A decoder configuration record of H.264: how to read the frames that name its sets.

    ISO/IEC 14496-15 §5.3.3.1.
    """

    head: bytes  # version, profile, compatibility, level, size of lengths
    sequences: tuple[bytes, ...]
    pictures: tuple[bytes, ...]
    tail: bytes  # chroma and depth, of the higher profiles

    @staticmethod
    def read(video: VideoStream, path: Path) -> ParameterSets:
        """Return those of a stream.

        Raises:
            FootageError: If it has none, as streams that carry them between frames.
        """
        return ParameterSets.unpack(bytes(video.codec_context.extradata or b""), path)

    @staticmethod
    def unpack(record: bytes, path: Path) -> ParameterSets:
        """Take a record apart; `path` is told where it is no record."""
        groups: list[tuple[bytes, ...]] = []
        at = 5
        try:
            if record[0] != 1 or record[4] & 3 != 3:  # lengths of frames take four bytes
                raise IndexError
            for mask in (31, 255):
                count, at = record[at] & mask, at + 1
                units = []
                for _ in range(count):
                    size = int.from_bytes(record[at : at + 2], "big")
                    units.append(record[at + 2 : at + 2 + size])
                    at += 2 + size
                groups.append(tuple(units))
        except IndexError:
            raise FootageError(
                f"{path} does not state its parameter sets as MP4 does", "cut exactly instead"
            ) from None
        return ParameterSets(record[:5], groups[0], groups[1], record[at:])

    def packed(self) -> bytes:
        """The record."""
        parts = [self.head]
        for mark, units in ((0xE0, self.sequences), (0, self.pictures)):
            parts.append(bytes([mark | len(units)]))
            parts += [len(unit).to_bytes(2, "big") + unit for unit in units]
        return b"".join(parts) + self.tail

    def joined(self, other: ParameterSets) -> ParameterSets:
        """Both encodings' sets under this one's head."""
        return replace(
            self,
            sequences=self.sequences + other.sequences,
            pictures=self.pictures + other.pictures,
        )

    def free_id(self) -> int:
        """A number that no set has: sequences say theirs after four bytes, pictures after one."""
        taken = {_first_number(unit[4:]) for unit in self.sequences}
        taken |= {_first_number(unit[1:]) for unit in self.pictures}
        return next(number for number in range(SETS) if number not in taken)


def _first_number(unit: bytes) -> int:
    """Read an unsigned Exp-Golomb number, ITU-T H.264 §9.1."""
    bits = "".join(f"{byte:08b}" for byte in unit[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1
