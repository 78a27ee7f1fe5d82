"""Cutting clips out of a video, exact to the frame.

The unit is an interval of frames [start, end) in presentation order. The clip is encoded anew,
because a copy without encoding can only start at a keyframe and would hide the rest behind an edit
list, which half the readers ignore.
"""

from pathlib import Path

from workbench.errors import FootageError
from workbench.footage.clips import Clip
from workbench.footage.decoder import decode_frames
from workbench.footage.frames import Developer, check_interval, partial_read
from workbench.footage.packets import PacketTable, open_video, read_packets
from workbench.footage.sound import Sound
from workbench.footage.video_info import VideoInfo, content_digest, probe
from workbench.footage.writer import VideoWriter

CUT_FORMAT = "workbench-cut/1"  # raise when the same cut would give another clip
CRF = 18  # keeps what a model can see
PRESET = "veryfast"


def cut_clip(
    path: Path | str, out: Path | str, start: int, end: int, *, crf: int = CRF
) -> VideoInfo:
    """Cut frames [start, end) into a video file of their own.

    The clip is H.264 with the index in front; it starts at time zero and keeps the time between
    frames, also where the frame rate varies. Rotation is applied to the pixels. Sound comes along
    as AAC. An odd width or height loses its last column or row, because H.264 4:2:0 wants both
    even. `frames_at` turns seconds into frames.

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
    width, height = (size - size % 2 for size in table.shown_wh)
    with VideoWriter(
        out,
        (width, height),
        table.nominal_rate if steady else table.mean_rate,
        crf=crf,
        preset=PRESET,
        time_base=None if steady else table.time_base,
        sound=_sound(table, start, end),
        comment=_recipe(table.path, start, end, crf),
    ) as clip:
        develop = Developer(table, table.shown_wh, exact_colour=True)
        lost: list[int] = []
        for index, picture in decode_frames(table, range(start, end)):
            if picture is None:
                lost.append(index)
            elif not lost:
                image = develop(picture)[:height, :width]
                pts = int(table.pts[index] - table.pts[start])
                duration = table.until_pts(index) - int(table.pts[index])
                clip.write(image) if steady else clip.write(image, pts=pts, duration=duration)
        if lost:
            raise partial_read(table, tuple(lost), asked=end - start)
    return probe(out)


def is_cut(path: Path | str, out: Path | str, start: int, end: int, *, crf: int = CRF) -> bool:
    """Whether `out` is what `cut_clip` with these arguments makes, so that it need not run again.

    A source with other content, another interval or quality, or a clip that lacks frames, says no.
    """
    try:
        return was_made(Path(out), _recipe(Path(path), start, end, crf), end - start)
    except FootageError:
        return False


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


def clip_row(
    clip_id: str,
    clip: VideoInfo,
    folder: Path,
    source: VideoInfo,
    interval: tuple[int, int],
    session: str,
) -> Clip:
    """The row of a clip that was made of frames [start, end) of a video.

    Args:
        clip_id: What it is called.
        clip: The clip's own file.
        folder: Of the clip list.
        source: The video it was cut from.
        interval: Its frames in the source, as they came out.
        session: The place and outing in which it was filmed.
    """
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


def _recipe(path: Path, start: int, end: int, crf: int) -> str:
    return f"{CUT_FORMAT} {content_digest(path)} [{start}, {end}) crf {crf} {PRESET}"


def _sound(table: PacketTable, start: int, end: int) -> Sound | None:
    if not table.has_audio:
        return None
    begin, until = int(table.pts[start]), table.until_pts(end - 1)
    return Sound(table.path, begin * table.time_base, until * table.time_base)
