"""Decoding: the wanted frames of a video in presentation order, each whole or known to be lost.

The unit is one decoded picture, as stored: not yet scaled, turned or converted. What is asked for
comes in order and exactly, because every picture is matched to the packet it was made of, never to
a time computed from a frame rate.

A frame is lost if it was not decoded, was decoded with errors, or is predicted from such a frame.
FFmpeg conceals errors with neighbouring content and goes on; from there to the next keyframe every
frame may be wrong, so none of them is returned. Damage that the codec itself cannot notice
(most have no checksums, so a flipped bit may decode to another valid picture) stays unnoticed.
"""

from __future__ import annotations  # PyAV's Packet is generic to the type checker only

import bisect
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import chain

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from workbench.errors import FootageError
from workbench.footage.packets import PacketTable, decode_packet
from workbench.footage.streams import DECODER, READ_ERRORS, open_video

# A frame that has not come out once this many later packets were decoded never will: H.264 and
# HEVC hold at most 16 frames back, and the decoder's thread one more.
PATIENCE_PACKETS = 33
# Jumping over fewer packets than this saves less than the jump costs.
WORTH_A_JUMP_PACKETS = 8


def decode_frames(
    table: PacketTable, wanted: Sequence[int]
) -> Iterator[tuple[int, VideoFrame | None]]:
    """Yield `(index, picture)` for every wanted presentation index; None where it is lost.

    Decodes from the keyframe before the first wanted frame, and jumps ahead where a later keyframe
    lets it skip work. Memory is bounded by the decoder's own reordering, not by the video.

    `wanted` are presentation indices, growing, each below the frame count.
    """
    if not len(wanted):
        return
    with closing(_Run(table)) as run:
        start = table.entry(wanted[0])
        cautious = False  # whether this run began earlier than it should have to
        done = 0
        while done < len(wanted):
            restart = None
            for index, picture in run.pictures(start):
                if index is not None and index < wanted[done]:
                    continue
                while done < len(wanted) and (index is None or wanted[done] <= index):
                    got = picture if wanted[done] == index else None
                    at_entry = table.entry(wanted[done]) == start
                    if got is None and at_entry and start > 0 and not cautious:
                        # Marked as a keyframe, yet not decodable alone: start one keyframe earlier.
                        restart, cautious = _earlier_key(table, start), True
                        break
                    yield wanted[done], got
                    done += 1
                if restart is not None or done == len(wanted):
                    break
                following = table.entry(wanted[done])
                if following > run.position + WORTH_A_JUMP_PACKETS:
                    restart, cautious = following, False
                    break
            start = start if restart is None else restart


def _earlier_key(table: PacketTable, position: int) -> int:
    keys = np.flatnonzero(table.is_key[:position])
    return int(keys[-1]) if len(keys) else 0


class _Run:
    """An open video that can be decoded from any keyframe on."""

    def __init__(self, table: PacketTable) -> None:
        self.table = table
        self.position = -1  # of the last packet given to the decoder
        # In other containers FFmpeg invents time stamps, and others after a seek.
        self._can_seek = table.is_timed or table.container == "avi"
        # Where recordings were joined, the container's count of its packets jumps, and FFmpeg calls
        # the last ones before it corrupt. They are whole; the codec tells where they are not.
        starts = [int(part.min()) for part in np.split(table.position, table.jumps)[1:]]
        self._joined = {start - back for start in starts for back in (1, 2)}
        self._opened = ExitStack()
        self._open()

    def close(self) -> None:
        self._opened.close()

    def pictures(self, start: int) -> Iterator[tuple[int | None, VideoFrame | None]]:
        """Yield `(index, picture or None)` from packet `start` on, then `(None, None)` at the end.

        A picture is held back until every packet before its own has come out or failed: only then
        is it known whether a frame it is predicted from was broken.
        """
        damage: list[int] = self.table.doubtful.tolist()  # packets that went wrong; sorted
        held: list[tuple[int, int, VideoFrame]] = []  # (position, index, picture), as they came
        pending: list[int] = []  # packets given to the decoder whose frames are not out; sorted
        for position, packet in self._packets(start):
            self.position = position
            if packet is not None:
                pending.append(position)
            decoded = decode_packet(self._stream, packet, position)
            is_doubted = packet is not None and packet.is_corrupt and position not in self._joined
            if decoded is None or is_doubted:
                bisect.insort(damage, position)
            for made_of, picture in decoded or ():
                if made_of in pending:
                    pending.remove(made_of)
                if picture.is_corrupt:
                    bisect.insort(damage, made_of)
                index = int(self.table.index[made_of])
                if index < 0:  # before an edit list's start
                    continue
                held.append((made_of, index, picture))
            pending = [at for at in pending if at >= position - PATIENCE_PACKETS]
            if packet is None:
                pending = []
            while held and (not pending or pending[0] > held[0][0]):
                made_of, index, picture = held.pop(0)
                yield index, None if self._is_spoilt(made_of, damage) else picture
        yield None, None

    def _is_spoilt(self, position: int, damage: list[int]) -> bool:
        """Whether the frame of packet `position` is broken or predicted from a broken one."""
        place = bisect.bisect_right(damage, position) - 1
        return place >= 0 and damage[place] >= self.table.needs[position]

    def _packets(self, start: int) -> Iterator[tuple[int, Packet[VideoStream] | None]]:
        """Yield `(place in decode order, packet)` from `start` on, then None to flush."""
        position, packets = self._land(start)
        self._is_read = True
        try:
            for packet in packets:
                if packet.size and not self.table.is_at(position, packet):
                    raise FootageError(
                        f"{self.table.path} is not what it was a moment ago",
                        "read it again once nothing writes to it",
                    )
                if position >= start and packet.size:
                    yield position, packet
                position += packet.size > 0
        except READ_ERRORS:
            pass  # the file breaks off here; the table knows
        yield position - 1, None

    def _land(self, start: int) -> tuple[int, Iterator[Packet[VideoStream]]]:
        """Go to packet `start` or before; return the place reached and the packets from there."""
        if start > 0 and self._can_seek:
            pts = int(self.table.packet_pts[start])
            with suppress(av.error.FFmpegError):  # not every file can seek
                self._is_read = True
                self._container.seek(pts, stream=self._stream, backward=True)
                packets = self._container.demux(self._stream)
                first = next(packets)
                place = self.table.locate(first)
                if place is not None and place <= start:
                    return place, chain([first], packets)
        # At the start, or landed late or nowhere we know. Reading without decoding is cheap.
        if self._is_read:
            self._open()
        return 0, self._container.demux(self._stream)

    def _open(self) -> None:
        self._is_read = False
        self._opened.close()
        opened = open_video(self.table.path, os.environ.get(DECODER, ""))
        self._container, self._stream = self._opened.enter_context(opened)
