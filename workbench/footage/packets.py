"""What a video file says about its frames before any is decoded: order, time stamps, keyframes.

The unit is one packet: one coded frame. Reads the whole file once and decodes one frame, for what
only a frame tells (how it is turned). Pixels are left to `decoder` and `frames`.

Two orders meet here. Packets stand in *decode* order, because a B-frame needs a later frame first;
people, labels and models count frames in *presentation* order. Only what is shown has an index:
packets that an edit list cuts away are decoded, because others are predicted from them, and never
shown.
"""

from __future__ import annotations  # PyAV's Packet is generic to the type checker only

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workbench.errors import FootageError
from workbench.footage.clock import (
    JUMP_S,
    JUMP_STEPS,
    LONGEST_STEP_S,
    NO_STAMP,
    read_clock,
)
from workbench.footage.orientation import Orientation, orientation_of
from workbench.footage.streams import READ_ERRORS, left_out, open_video, sound_of

FALLBACK_RATE = Fraction(25)  # frames/s for a file that states neither times nor a rate
LIKELY_RATES = Fraction(1, 3600), Fraction(10_000)  # others come from broken headers
LIKELY_ASPECTS = Fraction(1, 4), Fraction(4)  # of a pixel; the same

# Containers that store the time a frame is shown at. Others (AVI, raw streams) store decode order
# at best; what FFmpeg fills in for B-frames there is a guess, so we decode such a file once to
# learn its order.
TIMED_CONTAINERS = ("mov", "matroska", "mpegts", "flv", "nut", "ivf", "mxf")


@dataclass(frozen=True, eq=False)
class PacketTable:
    """The packets of one video stream in decode order, and the frames they show.

    Frames are counted from 0 in presentation order; seconds run from the first frame, without the
    jumps of the file's own clock. The arrays `dts`, `packet_pts`, `is_key`, `index` and `needs` are
    per packet, `position`, `pts` and `shift` per shown frame.
    """

    path: Path
    container: str
    codec: str
    time_base: Fraction  # seconds per PTS unit
    nominal_rate: Fraction  # frames per second that the file claims
    header_frame_count: int | None  # what the file claims; None where it claims nothing
    coded_wh: tuple[int, int]
    pixel_aspect: Fraction
    orientation: Orientation
    interlaced: bool
    transfer: int  # ITU-T H.273 transfer characteristics; 16 and 18 are HDR
    has_audio: bool  # a sound track that can be decoded
    left_out: tuple[str, ...]  # in words, the streams that are not read
    dts: NDArray[np.int64]
    packet_pts: NDArray[np.int64]
    is_key: NDArray[np.bool_]
    index: NDArray[np.int64]  # presentation index; -1 where the packet is not shown
    doubtful: NDArray[np.int64]  # keyframes from which to the next one that order was not learnt
    needs: NDArray[np.int64]  # the packet from which on decoding yields this one's frame whole
    position: NDArray[np.int64]  # of each shown frame's packet in decode order
    last_duration: int  # how long the last frame is shown, in time_base units; 0 if not said
    is_timed: bool  # time stamps give the presentation order; else it was learnt by decoding
    repaired: int  # frames whose time stamp was missing or wrong, and put between its neighbours'
    broken_off: str | None  # why reading stopped before the end of the file
    pts: NDArray[np.int64]  # (frame_count,) of every shown frame in presentation order; read-only
    shift: NDArray[np.int64]  # what the file's clock says more than `pts`; changes where it jumps

    def entry(self, frame: int) -> int:
        """Return the packet to start decoding at for a shown frame."""
        return int(self.needs[self.position[frame]])

    @property
    def frame_count(self) -> int:
        """Number of frames there are to show."""
        return len(self.pts)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of a frame as shown: with square pixels, after rotation."""
        return self.orientation.swap(self.square_wh)

    @property
    def square_wh(self) -> tuple[int, int]:
        """Width and height as stored, the shorter side of a pixel stretched to the longer one."""
        width, height = self.coded_wh
        aspect = self.pixel_aspect
        if aspect == 1 or not LIKELY_ASPECTS[0] <= aspect <= LIKELY_ASPECTS[1]:
            return self.coded_wh
        if aspect > 1:
            return 2 * int(width * aspect / 2 + Fraction(1, 2)), height  # even, for encoders
        return width, 2 * int(height / aspect / 2 + Fraction(1, 2))

    @property
    def jumps(self) -> list[int]:
        """The frames at which the file's own clock jumps."""
        return (np.flatnonzero(np.diff(self.shift)) + 1).tolist()

    @property
    def player_pts(self) -> NDArray[np.int64]:
        """When a player shows each frame: by the file's own clock, as long as that goes forward."""
        own = self.pts + self.shift
        return own if (np.diff(own) > 0).all() else self.pts

    @property
    def width(self) -> int:
        """Width as shown."""
        return self.size_wh[0]

    @property
    def height(self) -> int:
        """Height as shown."""
        return self.size_wh[1]

    @property
    def fps(self) -> Fraction:
        """Frames per second over the whole video; the nominal rate where they agree.

        Containers that count in milliseconds cannot say 30000/1001; where the times are those of
        the nominal rate up to rounding, the nominal rate is the truth.
        """
        gaps = self.frame_count - 1
        span_s = int(self.pts[-1] - self.pts[0]) * self.time_base
        if gaps == 0 or abs(span_s - gaps / self.nominal_rate) <= self.time_base:
            return self.nominal_rate
        return gaps / span_s

    @property
    def is_constant_rate(self) -> bool:
        """Whether every time stamp is that of the nominal rate, rounded to the time base."""
        return self._unevenness(self.nominal_rate) <= 1

    @property
    def variable_frame_rate(self) -> bool:
        """Whether `index / fps` is ever more than a quarter of a frame wrong.

        Phones jitter by less, which does no harm; a single dropped frame makes it half a frame.
        """
        return self._unevenness(self.fps) > 1 / float(4 * self.fps * self.time_base) + 1

    def _unevenness(self, rate: Fraction) -> float:
        """How far a time stamp is at most, in PTS units, from where an even rate has it."""
        even = np.arange(self.frame_count) * float(1 / (rate * self.time_base))
        return float(np.abs(self.pts - self.pts[0] - even).max())

    @property
    def end_pts(self) -> int:
        """When the last frame goes, as stated in the file, else after a mean frame."""
        mean = max(1, round(1 / (self.fps * self.time_base)))
        is_likely = 0 < self.last_duration <= max(JUMP_STEPS * mean, JUMP_S / self.time_base)
        return int(self.pts[-1]) + (self.last_duration if is_likely else mean)

    @property
    def duration_s(self) -> float:
        """From the first frame's appearance to the last one's end."""
        return float((self.end_pts - int(self.pts[0])) * self.time_base)

    def pts_at(self, frame: int) -> int:
        """When a frame appears; after the last one, when that goes."""
        return int(self.pts[frame]) if frame < self.frame_count else self.end_pts

    def time_s(self, index: int) -> float:
        """When a frame is shown, in seconds from the first frame."""
        return float(int(self.pts[index] - self.pts[0]) * self.time_base)

    def locate(self, packet: Packet[Any]) -> int | None:
        """The place of a packet, just read, in decode order; None if it is not certain."""
        places = np.flatnonzero(
            (self.dts == stamp(packet.dts)) & (self.packet_pts == stamp(packet.pts))
        )
        return int(places[0]) if len(places) == 1 else None

    def is_at(self, position: int, packet: Packet[VideoStream]) -> bool:
        """Whether a packet, just read, is the one at this place in decode order."""
        if position >= len(self.dts):
            return False
        here = int(self.dts[position]), int(self.packet_pts[position])
        return here == (stamp(packet.dts), stamp(packet.pts))


def stamp(value: int | None) -> int:
    """A time stamp as an integer, `NO_STAMP` for none."""
    return NO_STAMP if value is None else value


def read_packets(path: Path | str) -> PacketTable:
    """Read the packet table of a video. The latest files are remembered until they change.

    Raises:
        FootageError: If the file is not a video or not one frame of it can be decoded.
    """
    path = Path(path)
    try:
        state = path.stat()
    except (OSError, ValueError):  # opening it says what is wrong
        return _read(path, None, None)
    return _read(path, state.st_size, state.st_mtime_ns)


def forget_packets() -> None:
    """Forget the tables remembered so far, as a measurement of a first look must."""
    _read.cache_clear()


@dataclass(frozen=True, eq=False, slots=True)
class _Mark:
    """Travels with a packet through the decoder, to tell which frame came of it.

    An object of its own, because PyAV tells opaque values apart by identity.
    """

    position: int  # of the packet in decode order


def decode_packet(
    stream: VideoStream, packet: Packet[VideoStream] | None, position: int
) -> list[tuple[int, VideoFrame]] | None:
    """Give a packet, at this place in decode order, to the decoder; None to get the last frames.

    Returns:
        The frames that came out, each after the place of its packet; those that the decoder adds on
        its own are left out. None where the packet could not be decoded.
    """
    try:
        frames = stream.codec_context.decode(packet and _decodable(packet, position))
    except av.error.EOFError:
        return []
    except av.error.FFmpegError:
        return None
    marked = ((frame.opaque, frame) for frame in frames)
    return [(mark.position, frame) for mark, frame in marked if isinstance(mark, _Mark)]


def _decodable(packet: Packet[VideoStream], position: int) -> Packet[VideoStream]:
    """The packet as the decoder shall see it: marked with its place, and never discarded.

    FFmpeg decodes the frames before an edit list's start and swallows them with their errors. We
    want to see them, because the frames that are shown are predicted from them.
    """
    if packet.is_discard:
        plain = cast("Packet[VideoStream]", Packet(bytes(packet)))
        plain.pts, plain.dts, plain.time_base = packet.pts, packet.dts, packet.time_base
        plain.is_keyframe = packet.is_keyframe
        packet = plain
    packet.opaque = _Mark(position)
    return packet


@lru_cache(maxsize=128)
def _read(path: Path, size_bytes: int | None, mtime_ns: int | None) -> PacketTable:
    del size_bytes, mtime_ns  # part of the key only
    with open_video(path) as (container, stream):
        rows: list[tuple[int, int, bool, bool, int]] = []
        broken_off = None
        first: VideoFrame | None = None
        try:
            for packet in container.demux(stream):
                if packet.size:
                    is_shown = not packet.is_discard and not _is_hidden(stream, packet)
                    stamps = stamp(packet.dts), stamp(packet.pts)
                    rows.append((*stamps, packet.is_keyframe, is_shown, packet.duration or 0))
                if first is None:
                    decoded = decode_packet(stream, packet if packet.size else None, len(rows) - 1)
                    first = decoded[0][1] if decoded else None
        except READ_ERRORS as error:
            broken_off = getattr(error, "strerror", None) or str(error)
        if first is None or not any(row[3] for row in rows):
            raise FootageError(
                f"not one frame of {path} can be decoded", "copy it again, or check that it plays"
            )
        dts, packet_pts, is_key, shows, lasts = map(np.array, zip(*rows, strict=True))
        rate = _likely_rate(stream.guessed_rate, stream.average_rate)
        time_base = stream.time_base or Fraction(1, 90_000)
        if time_base > LONGEST_STEP_S:  # from a broken header; the stamps count frames at best
            time_base = 1 / rate
        learn_order = partial(_learn_order, path, len(rows))
        if stream.codec_context.codec.intra_only:
            learn_order = partial(_stored_order, len(rows))
        clock = read_clock(
            dts,
            packet_pts,
            is_key,
            shows,
            tick=time_base,
            rate=rate,
            stores_pts=container.format.name.split(",")[0] in TIMED_CONTAINERS,
            learn_order=learn_order,
        )
        index = np.full(len(rows), -1, dtype=np.int64)
        index[clock.position] = np.arange(len(clock.position))
        clock.pts.setflags(write=False)
        nearest_key = np.maximum.accumulate(np.arange(len(rows)) * is_key)
        return PacketTable(
            path=path,
            container=container.format.name,
            codec=stream.codec_context.codec.canonical_name,
            time_base=time_base,
            nominal_rate=rate,
            header_frame_count=stream.frames or None,
            coded_wh=(first.width, first.height),
            pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
            orientation=orientation_of(first),
            interlaced=first.interlaced_frame,
            transfer=first.color_trc,
            has_audio=sound_of(container) is not None,
            left_out=left_out(container, stream),
            dts=dts,
            packet_pts=packet_pts,
            is_key=is_key,
            index=index,
            doubtful=np.unique(nearest_key[clock.orderless]),
            needs=_find_needs(clock.rank, is_key),
            position=clock.position,
            last_duration=int(lasts[clock.position[-1]]),
            is_timed=clock.is_timed,
            repaired=clock.repaired,
            broken_off=broken_off,
            pts=clock.pts,
            shift=clock.shift,
        )


def _likely_rate(*said: Fraction | None) -> Fraction:
    """The first frame rate that a camera may have."""
    least, most = LIKELY_RATES
    return next((rate for rate in said if rate and least <= rate <= most), FALLBACK_RATE)


def _stored_order(packet_count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.arange(packet_count), np.empty(0, np.int64)


def _learn_order(path: Path, packet_count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The presentation rank of every packet, from decoding all once, and the packets without one.

    A packet that yields no frame is placed before the first frame that was decoded after it. Its
    neighbours may then be off by one, so `decoder` gives up the whole stretch between keyframes
    around a damaged packet of such a file.
    """
    decoded_order: list[int] = []
    with open_video(path) as (container, stream), suppress(*READ_ERRORS):
        position = 0
        for packet in container.demux(stream):
            decoded = decode_packet(stream, packet if packet.size else None, position)
            decoded_order += [made_of for made_of, _ in decoded or ()]
            position += packet.size > 0
    order = np.array(list(dict.fromkeys(decoded_order)), dtype=np.int64)
    orderless = np.setdiff1d(np.arange(packet_count), order)
    places = np.searchsorted(np.maximum.accumulate(order), orderless, side="right")
    rank = np.empty(packet_count, dtype=np.int64)
    rank[np.insert(order, places, orderless)] = np.arange(packet_count)
    return rank, orderless


def _find_needs(rank: NDArray[np.int64], is_key: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For every packet, the one from which on decoding yields its frame whole.

    That is the last keyframe that is neither decoded nor shown after the frame: what follows a
    keyframe in both orders is predicted from nothing before it. (In an open GOP, frames that are
    decoded after a keyframe and shown before it do.)
    """
    keys = np.flatnonzero(is_key)
    if not len(keys):
        return np.zeros(len(rank), np.int64)
    nearest = np.searchsorted(keys, np.arange(len(rank)), side="right") - 1
    while True:
        too_late = (nearest >= 0) & (rank[keys[nearest]] > rank)
        if not too_late.any():
            return np.where(nearest >= 0, keys[nearest], 0)
        nearest[too_late] -= 1


def _is_hidden(stream: VideoStream, packet: Packet[VideoStream]) -> bool:
    # VP8 keeps its alternate reference frames in packets of their own; RFC 6386 §9.1: bit 4 of the
    # first byte says whether the frame is shown. Newer codecs bundle them with a shown frame.
    return stream.codec_context.name == "vp8" and not bytes(packet)[0] & 0x10
