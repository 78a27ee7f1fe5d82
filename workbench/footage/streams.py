"""A video file opened: which of its streams is the picture, which is the sound, what is left out.

The unit is one file. It is opened by FFmpeg as a file, never as a playlist or an address that names
others. What comes of its packets is left to `packets`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import cast

import av
from av.audio.stream import AudioStream
from av.codec import CodecContext
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from workbench.errors import FootageError

# FFmpeg also opens text, pictures and playlists. A playlist names other files, and we open one.
NOT_VIDEO = ("tty", "image2", "hls", "concat", "lrc", "txt")
# What reading a damaged file can raise; the second where damage makes a stream vanish.
READ_ERRORS = (av.error.FFmpegError, IndexError)
PICTURES = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
DEFAULT_PIXELS = 5_000_000  # what a stream's mark as the default counts for where FFmpeg chooses
DECODER = "WORKBENCH_DECODER"  # environment: cuda has a GPU decode what it can


def open_container(path: Path, device: str = "") -> InputContainer:
    """Open a file as FFmpeg understands it.

    Args:
        path: The file.
        device: FFmpeg's name of what decodes: cuda; or nothing, for the CPU. A codec that the
            device does not know is decoded by the CPU all the same.

    Raises:
        FootageError: If the path is not a file that FFmpeg can open, or there is no such device.
    """
    try:
        state = path.stat()
    except (OSError, ValueError) as error:  # the second where the name cannot be one
        absent = isinstance(error, FileNotFoundError)
        why = "does not exist" if absent else f"cannot be read ({_why(error)})"
        raise FootageError(f"{path} {why}", "give the path of a video file") from None
    if not S_ISREG(state.st_mode):  # else we would wait on a pipe or a device
        what = "is a folder" if S_ISDIR(state.st_mode) else "is not a regular file"
        raise FootageError(f"{path} {what}", "give the path of a video file")
    if state.st_size == 0:
        raise FootageError(f"{path} is empty", "copy it again from the camera")
    try:
        # An absolute path, because FFmpeg takes 12:30:05.mp4 for a protocol; and only files, so
        # that a playlist reaches nothing. Names of tracks in odd encodings must not keep us from
        # the pictures.
        return av.open(
            str(path.absolute()),
            metadata_errors="replace",
            options={"protocol_whitelist": "file"},
            hwaccel=HWAccel(device) if device else None,
        )
    except av.error.FFmpegError as error:
        if device:
            open_container(path).close()  # else it is the file that cannot be read
            raise FootageError(
                f"{DECODER} is {device!r}: this machine cannot decode on that ({error.strerror})",
                "give cuda where there is an NVIDIA GPU with its driver, or unset it for the CPU",
            ) from None
        raise FootageError(
            f"{path} cannot be read as a video ({error.strerror})",
            "check that it plays, and copy it again; a recording cut short may lack its index",
        ) from None


@contextmanager
def open_video(path: Path, device: str = "") -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the moving-picture stream of a file: of several, the one that FFmpeg would take.

    Raises:
        FootageError: If the path is not a readable video file.
    """
    with open_container(path, device) as container:
        name = container.format.name
        streams = _moving_pictures(container)
        if name in NOT_VIDEO or name.endswith("_pipe") or not streams:
            raise FootageError(f"{path} holds no video stream", "give the path of a video file")
        stream = max(streams, key=_preference)  # the first of equal ones
        if _decoder(stream) is None:
            raise FootageError(
                f"{path} uses a codec this FFmpeg cannot decode", "convert it to H.264"
            )
        context = stream.codec_context
        context.thread_count = 1  # several videos are read at once
        context.thread_type = "NONE"
        context.copy_opaque = True  # each frame carries the packet it came from
        yield container, stream


def sound_of(container: InputContainer) -> AudioStream | None:
    """Return the first sound track that can be decoded."""
    return next((track for track in container.streams.audio if _is_audible(track)), None)


def left_out(container: InputContainer, picture: VideoStream) -> tuple[str, ...]:
    """Say which pictures and sounds of a file nobody gets to see or hear."""
    found = [
        f"a second video stream, {_size(stream)}, is left out; frames are {_size(picture)}"
        for stream in _moving_pictures(container)
        if stream is not picture
    ]
    found += [
        f"sound track {number} is left out: this FFmpeg cannot decode it"
        for number, track in enumerate(container.streams.audio, start=1)
        if not _is_audible(track)
    ]
    return tuple(found)


def _moving_pictures(container: InputContainer) -> list[VideoStream]:
    return [stream for stream in container.streams.video if not stream.disposition & PICTURES]


def _decoder(stream: Stream) -> CodecContext | None:
    return cast("CodecContext | None", stream.codec_context)  # PyAV's stub knows no None


def _is_audible(track: AudioStream) -> bool:
    context = _decoder(track)
    return (
        context is not None and track.codec_context.sample_rate > 0 < track.codec_context.channels
    )


def _preference(stream: VideoStream) -> int:
    """How much FFmpeg would like to take a stream: most pixels, but rather the default one."""
    if _decoder(stream) is None:
        return -1
    pixels = stream.codec_context.width * stream.codec_context.height
    return pixels + DEFAULT_PIXELS * bool(stream.disposition & Disposition.default)


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _size(stream: VideoStream) -> str:
    if _decoder(stream) is None:
        return "which this FFmpeg cannot decode"
    return f"{stream.codec_context.width}×{stream.codec_context.height}"
