"""Facts about a video file: digest, size, rate, time stamps, and what is odd about it.

The unit is one video file. Reads packets, not pictures, so it is quick even for a long match; with
`decode=True` it also decodes every frame and says which are lost.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from workbench.errors import FootageError
from workbench.footage.clock import NO_STAMP
from workbench.footage.decoder import decode_frames
from workbench.footage.frames import spell_runs
from workbench.footage.packets import PacketTable, read_packets

END_BYTES = 1 << 20  # of each end of the file; an encoder that changes a video changes both
LONG_GOP_S = 10.0  # keyframes further apart than this make jumping about slow
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}  # ITU-T H.273


@dataclass(frozen=True, eq=False)
class VideoInfo(PacketTable):
    """One video file, as shown to a person: rotated, edit lists honoured."""

    oddities: tuple[str, ...]  # what a careful reader wants to know, in words
    frames_lost: tuple[int, ...] | None  # not decodable whole; None unless probed with decode=True


def probe(path: Path | str, *, decode: bool = False) -> VideoInfo:
    """Say what a video holds, and what is odd about it.

    Args:
        path: The video.
        decode: Also decode every frame, to find those that cannot be decoded whole. Takes as long
            as decoding does.

    Raises:
        FootageError: If the file is not a video, or not one frame of it can be decoded.

    Example:
        >>> info = probe("match.mp4")  # doctest: +SKIP
        >>> info.width, info.height, info.fps, info.frame_count
        (1280, 720, Fraction(30000, 1001), 630)
        >>> info.oddities
        ('the header counts 772 frames, 630 are shown: an edit list hides 142',)
    """
    table = read_packets(path)
    lost = None
    if decode:
        pictures = decode_frames(table, range(table.frame_count))
        lost = tuple(index for index, picture in pictures if picture is None)
    oddities = (
        *_counting_oddities(table, lost),
        *_time_oddities(table),
        *_picture_oddities(table),
    )
    return VideoInfo(**vars(table), oddities=oddities, frames_lost=lost)


def content_digest(path: Path | str) -> str:
    """A digest of a file's size, first and last mebibyte: quick even for a whole match.

    Raises:
        FootageError: If the file cannot be read.
    """
    path = Path(path)
    try:
        state = path.stat()
        return _digest(path, state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise FootageError(
            f"{path} cannot be read ({error.strerror})", "give the path of a video file"
        ) from None


def _counting_oddities(table: PacketTable, lost: tuple[int, ...] | None) -> Iterator[str]:
    stored, shown, header = len(table.dts), table.frame_count, table.header_frame_count
    if table.broken_off is not None:
        yield f"the file breaks off after frame {shown - 1} ({table.broken_off})"
    if header is None:
        if table.container.startswith("mov"):  # others never say
            yield "the header does not say how many frames there are"
    elif header > stored:
        yield f"the header counts {header} frames, {stored} are there: the rest is missing"
    elif header != shown:
        hidden = stored - shown
        why = f": an edit list hides {hidden}" if hidden == header - shown else ""
        yield f"the header counts {header} frames, {shown} are shown{why}"
    if lost:
        first_s = table.time_s(lost[0])
        yield (
            f"{len(lost)} of {shown} frames cannot be decoded whole"
            f" ({spell_runs(lost)}; first at {first_s:.2f} s)"
        )


def _time_oddities(table: PacketTable) -> Iterator[str]:
    stamps_missing = int((table.packet_pts == NO_STAMP).sum())
    if stamps_missing:
        yield f"{stamps_missing} of {len(table.dts)} packets have no time stamp"
    if table.repaired:
        yield (
            f"{table.repaired} of {table.frame_count} time stamps are repeated or wrong:"
            " those frames are spaced evenly"
        )
    elif not stamps_missing and not table.is_timed:
        yield "the container does not store when frames are shown; their order was learnt"
    gaps_ms = np.diff(table.pts) * float(table.time_base) * 1000
    if table.variable_frame_rate:
        yield f"variable frame rate: {gaps_ms.min():.0f} to {gaps_ms.max():.0f} ms between frames"
    if table.jumps:
        first, more = table.jumps[0], len(table.jumps) - 1
        off_s = float(int(table.shift[first] - table.shift[first - 1]) * table.time_base)
        yield (
            f"the clock jumps by {off_s:.2f} s at frame {first}"
            f"{f' and {more} more times' if more else ''}: counted without the jump, and clips"
            " across it have no sound"
        )
    start_s = float(int(table.pts[0]) * table.time_base)
    if table.is_timed and abs(start_s) > 1e-9:
        yield f"time stamps start at {start_s:.3f} s, not at zero"
    keys = np.flatnonzero(table.is_key)
    longest = int(np.diff(np.append(keys, len(table.dts))).max()) if len(keys) else len(table.dts)
    if longest / float(table.fps) > LONG_GOP_S:
        yield f"up to {longest} frames between keyframes: jumping about is slow"
    if len(keys) == 0 or keys[0] > 0:
        yield "it does not start with a keyframe"


def _picture_oddities(table: PacketTable) -> Iterator[str]:
    orientation = table.orientation
    if orientation.clockwise_deg:
        yield f"stored turned: shown after turning {orientation.clockwise_deg}° clockwise"
    if orientation.is_mirror_image:
        yield "stored as a mirror image"
    yield from table.left_out
    ratio = f"{table.pixel_aspect.numerator}:{table.pixel_aspect.denominator}"
    if table.square_wh != table.coded_wh:
        yield f"stored with pixels of {ratio}: shown with square ones"
    elif table.pixel_aspect != 1:
        yield f"says that its pixels are {ratio}, which is not believed"
    if table.interlaced:
        yield "interlaced; not corrected"
    if table.transfer in HDR_TRANSFERS:
        yield f"high dynamic range ({HDR_TRANSFERS[table.transfer]}); colours look flat"


@lru_cache(maxsize=4096)
def _digest(path: Path, size_bytes: int, mtime_ns: int) -> str:
    del mtime_ns  # part of the key only
    digest = hashlib.sha256(str(size_bytes).encode())
    with path.open("rb") as video:
        digest.update(video.read(END_BYTES))
        if size_bytes > END_BYTES:
            video.seek(max(END_BYTES, size_bytes - END_BYTES))
            digest.update(video.read(END_BYTES))
    return digest.hexdigest()
