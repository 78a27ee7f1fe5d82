"""Grey frames of a video at a steady rhythm, whatever its own frame rate.

The unit is a tick of `TICK_S`; `STACK` ticks make a step. A tick takes the frame that is shown in
its middle, so a video of 30 or 50 frames per second, or of uneven ones, looks as one of 12.5. A
frame that cannot be decoded is replaced by the one before, and counted: a player shows that, too.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from workbench.engines.each import every
from workbench.engines.engine import Engine
from workbench.errors import FootageError
from workbench.footage.decoder import decode_frames
from workbench.footage.frames import Developer
from workbench.footage.packets import PacketTable, read_packets
from workbench.footage.video_info import content_digest, probe
from workbench.saving import replacing

TICK_S = 0.08
STACK = 3
STEP_S = TICK_S * STACK
SIZE_WH = (256, 144)  # unless a network is made for another one
CACHE_FORMAT = "workbench-grey/1"

Grey = npt.NDArray[np.uint8]


@dataclass
class GreyFrames:
    """A video as ticks; knows how many of those read so far were lost."""

    table: PacketTable
    size_wh: tuple[int, int] = SIZE_WH
    lost: int = 0

    @classmethod
    def of(cls, path: Path, size_wh: tuple[int, int] = SIZE_WH) -> "GreyFrames":
        """Open a video.

        Raises:
            FootageError: If it cannot be read, or is shorter than one step.
        """
        opened = cls(read_packets(path), size_wh)
        if opened.steps < 1:
            raise FootageError(f"{path} is shorter than {STEP_S:.2f} s", "give a longer video")
        return opened

    @property
    def duration_s(self) -> float:
        """How long the video is shown."""
        table = self.table
        if table.last_duration:
            last_s = float(table.last_duration * table.time_base)
        else:
            last_s = 1 / float(table.nominal_rate)
        return table.time_s(table.frame_count - 1) + last_s

    @property
    def ticks(self) -> int:
        """Number of whole ticks."""
        return int(self.duration_s / TICK_S + 1e-6)

    @property
    def steps(self) -> int:
        """Number of whole steps."""
        return int(self.duration_s / STEP_S + 1e-6)

    def read(self, first_step: int, end_step: int) -> Iterator[Grey]:
        """Yield the stack (3, H, W) of each step, decoding each frame once."""
        stack: list[Grey] = []
        for grey in self._decode(np.arange(first_step * STACK, end_step * STACK)):
            stack.append(grey)
            if len(stack) == STACK:
                yield np.stack(stack)
                stack = []

    def take(self, ticks: npt.NDArray[np.integer]) -> Grey:
        """Return ticks (N, H, W) in the order asked for, decoding each frame once."""
        wanted, places = np.unique(ticks, return_inverse=True)
        return np.stack(list(self._decode(wanted)))[places]

    def _decode(self, ticks: npt.NDArray[np.integer]) -> Iterator[Grey]:
        """Yield growing ticks."""
        table = self.table
        frames = frames_of_ticks(table, ticks)
        develop = Developer(table, self.size_wh)
        grey = np.full(self.size_wh[::-1], 128, np.uint8)
        place = 0
        with closing(decode_frames(table, np.unique(frames).tolist())) as decoded:  # type: ignore[type-var]
            for index, picture in decoded:
                if picture is not None:
                    grey = cv2.cvtColor(develop(picture), cv2.COLOR_RGB2GRAY).astype(np.uint8)
                while place < len(frames) and frames[place] == index:
                    self.lost += picture is None
                    yield grey
                    place += 1


@dataclass(frozen=True)
class Ticks:
    """The ticks of a video by number: from a cache, or decoded each time they are asked for."""

    count: int  # of whole steps
    take: Callable[[npt.NDArray[np.integer]], Grey]  # (N,) to (N, H, W)

    @classmethod
    def of(cls, video: Path, cache_dir: Path | None, size_wh: tuple[int, int]) -> "Ticks":
        """Open a video's ticks; without a cache nothing is kept on disk.

        Raises:
            FootageError: If it cannot be read.
        """
        if cache_dir is None:
            frames = GreyFrames.of(video, size_wh)
            return cls(frames.steps * STACK, frames.take)
        grey = cached_grey(video, cache_dir, size_wh)
        return cls(len(grey), grey.__getitem__)


def check_rate(video: Path) -> None:
    """Refuse a video with fewer frames than a spotter looks at: it shows motion in jerks.

    Raises:
        FootageError: If it has.
    """
    fps = float(probe(video).fps)
    if fps < 1 / TICK_S - 0.5:
        raise FootageError(
            f"{video} has {fps:g} frames a second, spotters look at {1 / TICK_S:g}",
            "give the video as it was filmed",
        )


def frames_of_ticks(table: PacketTable, ticks: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Return the frame that is shown in the middle of each tick."""
    times_s = (table.pts - table.pts[0]) * float(table.time_base)
    shown = np.searchsorted(times_s, (ticks + 0.5) * TICK_S + 1e-6, "right") - 1
    return np.clip(shown, 0, table.frame_count - 1)


def cached_grey(video: Path, cache_dir: Path, size_wh: tuple[int, int] = SIZE_WH) -> Grey:
    """Return all ticks of a video (ticks, H, W), mapped from a cache; training reads them often.

    Raises:
        FootageError: If it cannot be read.
    """
    request = f"{CACHE_FORMAT} {content_digest(video)} {size_wh} {TICK_S}"
    entry = cache_dir / f"{hashlib.sha256(request.encode()).hexdigest()[:40]}.npy"
    if not entry.exists():
        frames = GreyFrames.of(video, size_wh)
        with replacing(entry) as part:
            shape = (frames.steps * STACK, *size_wh[::-1])
            kept = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
            for step, stack in enumerate(frames.read(0, frames.steps)):
                kept[step * STACK : (step + 1) * STACK] = stack
            kept.flush()
    mapped: Grey = np.load(entry, mmap_mode="r", allow_pickle=False)
    return mapped


def fill_cache(
    videos: Iterable[Path],
    cache_dir: Path,
    size_wh: tuple[int, int] = SIZE_WH,
    engine: Engine | str | None = None,
) -> None:
    """Decode the videos that are not in the cache, each as an item of an engine.

    Raises:
        ItemsFailedError: If some cannot be read; the others are there.
    """
    work = partial(_fill, cache_dir=cache_dir, size_wh=size_wh)
    every(work, {str(video): video for video in videos}, "videos", engine=engine)


def _fill(video: Path, *, cache_dir: Path, size_wh: tuple[int, int]) -> None:
    cached_grey(video, cache_dir, size_wh)  # the frames stay on the disk
