"""The sound that belongs to a stretch of video, as blocks of samples.

The unit is a block of float samples (channels, n). Sound is there for the people who rate and label
clips (a ball on a post is heard before it is seen); nothing in the workbench measures it.
"""

from __future__ import annotations  # PyAV's Packet is generic to the type checker only

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from workbench.errors import FootageError
from workbench.footage.streams import open_container, sound_of

log = logging.getLogger(__name__)

AAC_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
SILENT_SAMPLES = 1 << 16  # at most in one block of silence
RUN_UP_S = 1.0  # decode this much before the start: AAC and MP3 need earlier packets
JITTER_S = 0.02  # time stamps may be rounded by this much without there being a gap


class Sound:
    """The first sound track of a file, from `start_s` to `end_s` of the file's own clock.

    Of several, the first that can be decoded. Gaps and what cannot be decoded become silence, so
    that the length is always exact and sound stays in sync with the picture. More than two channels
    are mixed down to stereo.

    Args:
        path: A file that has a sound track.
        start_s: Where to start, in seconds of the container's time stamps.
        end_s: Where to stop, exclusive.

    Raises:
        FootageError: If the file cannot be read, or has no such track.
    """

    def __init__(self, path: Path, start_s: Fraction, end_s: Fraction) -> None:
        with open_container(path) as container:
            context = _track(container, path).codec_context
            own_rate, channels = context.sample_rate, context.channels
        self.path = path
        self.rate_hz = own_rate if own_rate in AAC_RATES_HZ else AAC_RATES_HZ[-1]
        self.layout = "mono" if channels == 1 else "stereo"
        self.sample_count = round((end_s - start_s) * self.rate_hz)
        self._start_s = start_s

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield blocks (channels, n) without gaps between them, `sample_count` samples in all."""
        channels = 1 if self.layout == "mono" else 2
        done = 0
        for start, block in self.heard():
            yield from _silence(channels, start - done)
            yield block
            done = start + block.shape[1]
        yield from _silence(channels, self.sample_count - done)

    def heard(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield `(first sample, block)` of what there is, in order and without the gaps."""
        done = 0
        for offset, block in self._decoded():
            tolerance = JITTER_S * self.rate_hz if done else 0  # the start is exact
            start = done if abs(offset - done) <= tolerance else offset
            block = block[:, max(0, done - start) :]  # before the start, or a second time
            start = max(start, done)
            if start >= self.sample_count:
                return
            block = block[:, : self.sample_count - start]
            if block.shape[1]:
                yield start, block
                done = start + block.shape[1]

    def _decoded(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield `(sample number counted from the start, block)`; some may lie outside."""
        with open_container(self.path) as container:
            stream = _track(container, self.path)
            time_base = stream.time_base or Fraction(1, 1000)
            resampler = AudioResampler(format="fltp", layout=self.layout, rate=self.rate_hz)
            try:
                begin = int((self._start_s - Fraction(RUN_UP_S)) / time_base)
                container.seek(begin, stream=stream, backward=True)
            except av.error.FFmpegError:
                pass  # a container without seeking: read from where we are
            try:
                for packet in container.demux(stream):
                    yield from self._decode(packet, resampler)
            except av.error.FFmpegError as error:
                log.warning("%s: the sound breaks off (%s)", self.path, error.strerror)

    def _decode(
        self, packet: Packet[AudioStream], resampler: AudioResampler
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return
        for frame in frames:
            if frame.pts is None or frame.time_base is None:
                continue
            for part in resampler.resample(frame):
                time_s = (part.pts or 0) * (part.time_base or frame.time_base)
                offset = round((time_s - self._start_s) * self.rate_hz)
                yield offset, part.to_ndarray().astype(np.float32, copy=False)


def _silence(channels: int, count: int) -> Iterator[NDArray[np.float32]]:
    """Yield `count` samples of silence in blocks, as it may last for half a match."""
    block = np.zeros((channels, min(count, SILENT_SAMPLES)), dtype=np.float32)
    for done in range(0, count, SILENT_SAMPLES):
        yield block[:, : count - done]


def _track(container: InputContainer, path: Path) -> AudioStream:
    track = sound_of(container)
    if track is None:
        raise FootageError(f"{path} has no sound that can be decoded", "leave the sound out")
    return track
