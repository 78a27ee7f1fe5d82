"""The timeline of a video: motion of the picture and loudness, in equal steps.

The unit is one video; the result is a few kilobytes that the page draws under it. Worked out in the
background, one video at a time, and kept. A long match is looked at by its keyframes only: that
shows where the action is, and takes minutes instead of an hour.
"""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from annotation_tools.serving import MediaIndex
from workbench.errors import WorkbenchError
from workbench.footage.decoder import decode_frames
from workbench.footage.sound import Sound
from workbench.footage.streams import READ_ERRORS, open_video
from workbench.footage.video_info import VideoInfo, probe

log = logging.getLogger(__name__)

TIMELINE_FORMAT = "workbench-timeline/2"  # raise when the same video would give another timeline
STEP_S = 0.1
MOST_STEPS = 20_000
DENSE_FRAMES = 30_000  # look at every frame of a video up to this long
LOOK_HZ = 12.5  # pictures a second to compare; more only shows noise
SMALL_WH = (64, 36)
LOUD_QUANTILE = 0.995  # what counts as full height: one clap must not flatten the rest


class Timelines:
    """Works timelines out in a thread of its own, in the order asked for.

    Args:
        media: The videos; their index keeps the results.
    """

    def __init__(self, media: MediaIndex) -> None:
        self._media = media
        self._jobs: SimpleQueue[str] = SimpleQueue()
        self._progress: dict[str, float] = {}  # 0 to 1; of those asked for and not done
        self._failed: dict[str, str] = {}
        self._ready: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def get(self, media_id: str) -> dict[str, Any]:
        """Return the timeline, or how far it is; the first call starts it.

        `state` is "ready" (with `step_s`, `motion` and `sound` as base64 of one byte per step,
        `sound` null where there is none), "working" (with `progress`) or "failed" (with `problem`).
        """
        medium = self._media.get(media_id)
        with self._lock:
            if media_id in self._ready:
                return self._ready[media_id]
            if media_id in self._failed:
                return {"state": "failed", "problem": self._failed[media_id]}
            if media_id not in self._progress:
                self._progress[media_id] = 0.0
                self._jobs.put(media_id)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name=f"timeline of {medium.name}", daemon=True
                )
                self._thread.start()
            return {"state": "working", "progress": self._progress[media_id]}

    def _work(self) -> None:
        while True:
            media_id = self._jobs.get()

            def report(part: float, media_id: str = media_id) -> None:
                self._progress[media_id] = part

            try:
                path = self._media.get(media_id).path

                def draw(path: Path = path, report: Callable[[float], None] = report) -> bytes:
                    return json.dumps(draw_timeline(path, report)).encode()

                self._ready[media_id] = json.loads(self._media.remember(self._name(media_id), draw))
            except (WorkbenchError, OSError, ValueError, *READ_ERRORS) as error:
                log.warning("no timeline of %s: %s", media_id, error)
                self._failed[media_id] = getattr(error, "problem", str(error))
            with self._lock:
                self._progress.pop(media_id, None)

    @staticmethod
    def _name(media_id: str) -> str:
        return f"{media_id}.{TIMELINE_FORMAT.replace('/', '-')}.json"


def draw_timeline(path: Path, on_progress: Callable[[float], None]) -> dict[str, Any]:
    """Work out the timeline of a video, as `Timelines.get` gives it.

    Args:
        path: The video.
        on_progress: Called now and then with the part that is done, 0 to 1.

    Raises:
        FootageError: If the video cannot be read.
    """
    info = probe(path)
    played = info.player_pts
    length = int(played[-1] - played[0]) + info.end_pts - int(info.pts[-1])
    length_s = float(length * info.time_base)
    step_s = max(STEP_S, length_s / MOST_STEPS)
    count = max(1, int(np.ceil(length_s / step_s)))
    has_sound = info.has_audio and not info.jumps  # whose clock does not tell where it belongs
    part = 0.8 if has_sound else 1.0
    start_s = float(int(played[0]) * info.time_base)
    dense = info.frame_count <= DENSE_FRAMES
    motion = np.zeros(count, np.float32)
    before: NDArray[np.float32] | None = None
    for time_s, picture in _pictures_by_index(info) if info.jumps else _pictures(path, dense):
        place = min(count - 1, max(0, int((time_s - start_s) / step_s)))
        if before is not None:
            motion[place] = max(motion[place], float(np.abs(picture - before).mean()))
        before = picture
        on_progress(part * place / count)
    if not dense:
        motion = _spread(motion)
    sound = None
    if has_sound:
        end_s = int(info.end_pts) * info.time_base
        heard = Sound(path, int(info.pts[0]) * info.time_base, end_s)
        sound = _loudness(heard, count, step_s, lambda done: on_progress(part + (1 - part) * done))
    return {
        "state": "ready",
        "step_s": step_s,
        "motion": _to_bytes(motion),
        "sound": None if sound is None else _to_bytes(sound),
    }


def _pictures(path: Path, dense: bool) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Yield `(time in the file's clock, small grey picture)` as far as the file can be decoded."""
    with open_video(path) as (container, video):
        video.codec_context.skip_frame = "DEFAULT" if dense else "NONKEY"
        next_s = -np.inf
        packets = container.demux(video)
        while True:
            try:
                packet = next(packets)
                frames = packet.decode()
            except StopIteration:
                return
            except av.error.EOFError:
                return
            except READ_ERRORS:
                continue  # a damaged stretch has no picture to compare
            for frame in frames:
                if frame.time is None or frame.time < next_s:
                    continue
                next_s = frame.time + 1 / LOOK_HZ - 1e-3 if dense else frame.time
                yield frame.time, _small(frame)


def _pictures_by_index(info: VideoInfo) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """The same where the file's clock jumps; slower."""
    times_s = info.player_pts * float(info.time_base)
    every = max(1, int(info.fps / Fraction(LOOK_HZ)))
    for index, picture in decode_frames(info, range(0, info.frame_count, every)):
        if picture is not None:
            yield float(times_s[index]), _small(picture)


def _small(picture: VideoFrame) -> NDArray[np.float32]:
    grey = picture.reformat(width=SMALL_WH[0], height=SMALL_WH[1], format="gray")
    return grey.to_ndarray().astype(np.float32)


def _loudness(
    sound: Sound, count: int, step_s: float, on_progress: Callable[[float], None]
) -> NDArray[np.float32]:
    power = np.zeros(count, np.float64)
    for start, block in sound.heard():
        times = (start + np.arange(block.shape[1])) / (sound.rate_hz * step_s)
        places = np.minimum(times.astype(np.int64), count - 1)
        np.add.at(power, places, (block**2).mean(axis=0))
        on_progress(start / max(1, sound.sample_count))
    rms = np.sqrt(power / (sound.rate_hz * step_s))
    return np.sqrt(rms).astype(np.float32)  # quiet things stay visible


def _spread(motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the steps between keyframes with what was seen from one to the next."""
    seen = np.flatnonzero(motion > 0)
    if not len(seen):
        return motion
    following = np.searchsorted(seen, np.arange(len(motion)))
    filled: NDArray[np.float32] = motion[seen[np.minimum(following, len(seen) - 1)]]
    return filled


def _to_bytes(values: NDArray[np.float32]) -> str:
    full = float(np.quantile(values, LOUD_QUANTILE)) or float(values.max()) or 1.0
    steps = np.clip(values / full * 255, 0, 255).astype(np.uint8)
    return base64.b64encode(steps.tobytes()).decode()
