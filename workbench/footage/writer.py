"""Writing frames to an MP4 file: H.264 every browser plays, with exact time stamps.

The unit is one RGB image and the time it is shown at. Knows nothing about where images come from.
"""

from __future__ import annotations  # PyAV's Packet is generic to the type checker only

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from workbench.errors import FootageError, SavingError
from workbench.footage.sound import Sound
from workbench.saving import replacing, writing

CONTAINERS = (".mp4", ".m4v", ".mov")
BT709 = 1  # ITU-T H.273 code for primaries, transfer and matrix: what players assume of video
# Full chroma input and exact rounding: twice as fast as PyAV's default here, and no darker.
INTO_YUV = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INP
MOST_DENOMINATOR = 1 << 16
LIMITED_RANGE = 1  # luma 16..235, the only range every player reads right


class VideoWriter:
    """Encodes RGB images into an H.264 file that appears, whole, when the block ends well.

    One constant frame rate unless `write` is given time stamps. The index stands at the front of
    the file, so that a browser starts to play before it has all of it. If the block raises, nothing
    is left behind and a file that was there before stays as it was.

    Args:
        path: Where the video goes: .mp4, .m4v or .mov.
        size_wh: Width and height in pixels. Both even: H.264 4:2:0 stores colour by 2×2 blocks.
        fps: Frames per second; a `Fraction` such as 30000/1001 is kept exactly.
        crf: x264's constant rate factor: 18 is close to lossless, 23 is x264's default.
        preset: x264's speed preset, `ultrafast` to `veryslow`.
        time_base: Seconds per PTS unit, for frames written with a `pts`; 1 / fps by default.
        keyframe_every: Most frames between two keyframes; smaller seeks faster, larger is smaller.
        sound: A sound track to go with the pictures, encoded as AAC.
        comment: Kept in the file's metadata.

    Raises:
        FootageError: If the container, the size or the frame rate cannot be written.
        SavingError: If the disk is full, or the folder read-only.

    Example:
        >>> with VideoWriter(Path("out.mp4"), (640, 360), Fraction(30000, 1001)) as video:
        ...     for image in images:  # uint8 (360, 640, 3), RGB
        ...         video.write(image)  # doctest: +SKIP
    """

    def __init__(
        self,
        path: Path | str,
        size_wh: tuple[int, int],
        fps: Fraction | int,
        *,
        crf: int = 23,
        preset: str = "veryfast",
        time_base: Fraction | None = None,
        keyframe_every: int = 60,
        sound: Sound | None = None,
        comment: str = "",
    ) -> None:
        self.path = Path(path)
        self.size_wh = size_wh
        # FFmpeg's fractions are of 32 bits; the mean rate of a long, uneven film needs more.
        self.fps = Fraction(fps).limit_denominator(MOST_DENOMINATOR)
        self.frame_count = 0
        width, height = size_wh
        if self.path.suffix.lower() not in CONTAINERS:
            raise FootageError(
                f"cannot write {self.path.name!r}", f"name it with one of {', '.join(CONTAINERS)}"
            )
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise FootageError(
                f"{width}×{height} is not a video size", "make width and height even and positive"
            )
        if self.fps <= 0:
            raise FootageError(f"{self.fps} frames per second", "give a positive frame rate")
        self._time_base = time_base or 1 / self.fps
        self._options = {"crf": str(crf), "preset": preset, "g": str(keyframe_every)}
        if time_base is not None:
            # MP4 stores how long frames stay in decode order. Without B-frames that is the order
            # they are shown in, and the last frame's stay is exact, too.
            self._options["bf"] = "0"
        # x264's macroblock tree reads memory it never wrote (seen at 320×180, gone without its
        # assembly): the same frames gave other files. Without it they give the same bytes.
        self._options["x264-params"] = "mbtree=0"
        self._sound = sound
        self._comment = comment
        self._durations: dict[int, int] = {}  # by PTS, of frames inside the encoder
        self._reformatter = VideoReformatter()
        self._open: ExitStack | None = None

    def __enter__(self) -> VideoWriter:
        with self._explained(), ExitStack() as stack:
            part = stack.enter_context(replacing(self.path))
            # faststart rewrites the file once, moving the index to the front.
            self.container = av.open(str(part.absolute()), "w", options={"movflags": "+faststart"})
            if self._comment:
                self.container.metadata["comment"] = self._comment
            try:
                self._stream = self._add_stream()
                self._track = self._sound and _SoundTrack(self.container, self._sound)
            except av.error.FFmpegError as error:
                self.container.close()
                raise FootageError(
                    f"cannot encode {self.path.name} ({error.strerror})",
                    "choose another preset or crf",
                ) from None
            self._open = stack.pop_all()
        return self

    def write(
        self, image: NDArray[np.uint8], *, pts: int | None = None, duration: int | None = None
    ) -> None:
        """Encode one more image.

        Args:
            image: (H, W, 3) RGB, of the size the video was opened with.
            pts: When it is shown, in units of `time_base`; grows from image to image. By default
                the images follow each other at the video's frame rate.
            duration: How long it is shown, in the same units. Matters for the last image only: the
                others stay until the next one comes.
        """
        width, height = self.size_wh
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise FootageError(
                f"an image of shape {image.shape} and type {image.dtype} in a video of"
                f" {width}×{height}",
                f"give uint8 of shape ({height}, {width}, 3)",
            )
        if self._open is None:
            raise FootageError(
                f"{self.path.name} is not open for writing", "use `with VideoWriter(...) as video`"
            )
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = self._reformatter.reformat(
            rgb,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=INTO_YUV,
            threads=1,
        )
        due = round(self.frame_count / (self.fps * self._time_base))
        frame.pts = due if pts is None else pts
        frame.time_base = self._time_base
        if duration is not None:
            self._durations[frame.pts] = duration
        with self._explained():
            self._mux(self._stream.encode(frame))
            if self._track:  # keep picture and sound side by side in the file
                self._track.write_until(float(frame.pts * self._time_base))
        self.frame_count += 1

    def __exit__(self, *raised: Any) -> None:  # kind, error, trace
        if self._open is None:
            return
        stack, self._open = self._open, None
        if raised[1] is not None:
            with suppress(Exception):  # the first error is the one worth reading
                self.container.close()
            stack.__exit__(*raised)  # `replacing` removes the unfinished file
            return
        with self._explained(), stack:
            if self.frame_count == 0:
                self.container.close()
                raise FootageError(
                    f"no frame was written to {self.path.name}", "write at least one image"
                )
            self._mux(self._stream.encode(None))
            if self._track:
                self._track.finish()
            self.container.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the disk or FFmpeg has against writing into a line with a remedy."""
        try:
            with writing(self.path):
                yield
        except SavingError:
            raise
        except (OSError, av.error.FFmpegError) as error:
            raise FootageError(
                f"cannot write {self.path} ({error.strerror})",
                "check the folder and the space that is left on the disk",
            ) from error

    def _mux(self, packets: list[Packet[Any]]) -> None:
        for packet in packets:
            if packet.pts in self._durations:  # x264 would state the mean instead
                packet.duration = self._durations.pop(packet.pts)
            self.container.mux(packet)

    def _add_stream(self) -> VideoStream:
        # One encoder thread, because we run one process per core instead.
        options = {**self._options, "threads": "1"}
        # PyAV's stub knows codec names by a list that lacks libx264.
        stream = cast(
            VideoStream, cast(Any, self.container).add_stream("libx264", self.fps, options)
        )
        stream.width, stream.height = self.size_wh
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        context.open()  # a wrong preset shows now, not at the first frame
        return stream


class _SoundTrack:
    """Encodes a `Sound` into an open container, as far as it is told."""

    def __init__(self, container: OutputContainer, sound: Sound) -> None:
        self._container = container
        self._sound = sound
        self._blocks = sound.blocks()
        self._stream = container.add_stream("aac", rate=sound.rate_hz, layout=sound.layout)
        self._done = 0  # samples

    def write_until(self, time_s: float) -> None:
        while self._done < time_s * self._sound.rate_hz:
            block = next(self._blocks, None)
            if block is None:
                return
            if block.shape[1] == 0:
                continue
            frame = AudioFrame.from_ndarray(
                np.ascontiguousarray(block), format="fltp", layout=self._sound.layout
            )
            frame.sample_rate = self._sound.rate_hz
            frame.pts, frame.time_base = self._done, Fraction(1, self._sound.rate_hz)
            self._done += block.shape[1]
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self.write_until(float("inf"))
        self._container.mux(self._stream.encode(None))
