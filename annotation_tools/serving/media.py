"""The videos a browser tool may show, by opaque id: their files, frame times and single frames.

The unit is one video file. Only what is in the index can be asked for; no path ever comes from or
goes to the browser. Knows nothing about labels or HTTP.
"""

from __future__ import annotations

import json
import logging
import mimetypes
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation_tools.serving.problem import ServingError
from workbench.errors import FootageError
from workbench.saving import save_bytes

if TYPE_CHECKING:
    from workbench.footage.video_info import VideoInfo
    from workbench.labels.records import Source

log = logging.getLogger(__name__)

TABLE_FORMAT = "workbench-frame-times/2"  # raise when `_pack` would give another table
WIDEST_IMAGE = 1280
MEDIA_TYPES = {
    **dict.fromkeys((".mp4", ".m4v", ".mov"), "video/mp4"),
    **{".webm": "video/webm", ".mkv": "video/x-matroska", ".ogv": "video/ogg"},
}


@dataclass(frozen=True)
class Medium:
    """One video that may be shown."""

    media_id: str  # digest of the content; also the label store's source_id
    name: str  # for people: the path below the folder, as `video_name` writes it
    path: Path

    @property
    def media_type(self) -> str:
        """The type a browser is told."""
        suffix = self.path.suffix.lower()
        guess = mimetypes.guess_type(self.path.name)[0]
        return MEDIA_TYPES.get(suffix) or guess or "application/octet-stream"


class MediaIndex:
    """The videos that may be shown, in order of their names.

    Files with the same content are one video, under the first name; `files` has them all. What
    takes reading a whole file to find out (frame times) or decoding (images) is kept in
    `cache_dir`, because a match may be many gigabytes.

    Args:
        media: The videos.
        cache_dir: Where to keep what was worked out; nowhere by default.

    Example:
        >>> index = MediaIndex.from_folder(Path("data/raw"))  # doctest: +SKIP
        >>> [medium.name for medium in index]
        ['saturday/first_half.mp4', 'saturday/second_half.mp4']
    """

    def __init__(self, media: Iterable[Medium], cache_dir: Path | None = None) -> None:
        self.files = tuple(media)
        self._media: dict[str, Medium] = {}
        for medium in self.files:
            self._media.setdefault(medium.media_id, medium)
        self.cache_dir = cache_dir
        # One at a time: reading frame times is bound by the disk, and the other must not wait
        # behind two readers of the same file.
        self._reading = threading.Lock()
        self._decoding = threading.Lock()

    @classmethod
    def from_folder(
        cls, folder: Path, cache_dir: Path | None = None, leave_out: Path | None = None
    ) -> MediaIndex:
        """Index every video below a folder; hidden and empty ones, and `leave_out`, are not.

        One that cannot be read now is logged and left out.

        Raises:
            ServingError: If the folder does not exist or holds no video.
        """
        from workbench.footage.clips import video_name
        from workbench.footage.ingest import find_videos
        from workbench.footage.video_info import content_digest

        if not folder.is_dir():
            raise ServingError(f"{folder} is not a folder", "give --footage a folder of videos")
        media = []
        for path in find_videos(folder, leave_out):
            name = video_name(str(path.relative_to(folder)))
            try:
                if path.stat().st_size > 0:
                    media.append(Medium(content_digest(path), name, path.absolute()))
            except (FootageError, OSError) as error:
                log.warning("%s is left out: %s", name, error)
        index = cls(media, cache_dir)
        if not len(index):
            raise ServingError(
                f"{folder} holds no video", "copy videos there, or give --footage another folder"
            )
        return index

    def __len__(self) -> int:
        return len(self._media)

    def __iter__(self) -> Iterator[Medium]:
        return iter(self._media.values())

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._media

    def get(self, media_id: str) -> Medium:
        """The video with this id.

        Raises:
            ServingError: If there is none (404).
        """
        try:
            return self._media[media_id]
        except KeyError:
            raise ServingError(
                "there is no such video here", "choose one from the list", 404
            ) from None

    def frame_table(self, media_id: str) -> dict[str, Any]:
        """What the page needs to know about a video's frames, as JSON values.

        `steps` holds the distances between time stamps as runs `[pts, count]`, which keeps hours of
        video to a few bytes; `player.js` unpacks it.

        Raises:
            FootageError: If the file cannot be read.
        """
        medium = self.get(media_id)
        name = f"{media_id}.{TABLE_FORMAT.replace('/', '-')}.json"

        def read() -> bytes:
            from workbench.footage.video_info import probe

            return json.dumps(_pack(probe(medium.path))).encode()

        with self._reading:
            table: dict[str, Any] = json.loads(self.remember(name, read))
        return table

    def source(self, media_id: str) -> Source:
        """The video as the label store knows it."""
        from fractions import Fraction

        from workbench.labels.records import Source

        medium, table = self.get(media_id), self.frame_table(media_id)
        return Source(
            source_id=media_id,
            name=medium.name,
            fps=Fraction(*table["fps"]),
            frame_count=table["frame_count"],
            width=table["width"],
            height=table["height"],
            duration_s=table["duration_s"],
        )

    def image(self, media_id: str, frame: int, width: int) -> bytes:
        """One frame as JPEG, at most `width` pixels wide.

        Raises:
            FootageError: If the video has no such frame, or it cannot be decoded.
        """
        medium = self.get(media_id)
        if not 16 <= width <= WIDEST_IMAGE:
            raise ServingError(f"an image {width} wide", f"ask for 16 to {WIDEST_IMAGE} pixels")
        return self.remember(
            f"{media_id}.{frame}.{width}.square.jpg",
            lambda: self._encode(medium.path, frame, width),
        )

    def picture(self, media_id: str, frame: int) -> bytes:
        """One frame as PNG at the size at which it is shown, not kept.

        Raises:
            FootageError: If the video has no such frame, or it cannot be decoded.
        """
        path = self.get(media_id).path
        return self._encode(path, frame, _shown_wh(path)[0], ".png")

    def remember(self, name: str, work_out: Callable[[], bytes]) -> bytes:
        """Return what is kept under a name, or work it out and keep it."""
        if self.cache_dir is None:
            return work_out()
        kept = self.cache_dir / name[:2] / name
        if not kept.is_file():
            save_bytes(kept, work_out())
        return kept.read_bytes()

    def _encode(self, path: Path, frame: int, width: int, form: str = ".jpg") -> bytes:
        import cv2

        from workbench.footage.frames import sample_frames

        size = _shown_wh(path)
        width = min(width, size[0])
        size_wh = (width, max(2, round(size[1] * width / size[0])))
        with self._decoding:
            image = sample_frames(path, [frame], size_wh)[0]
        options = [cv2.IMWRITE_JPEG_QUALITY, 82] if form == ".jpg" else []
        done, encoded = cv2.imencode(form, image[..., ::-1], options)
        if not done:
            raise FootageError(f"frame {frame} cannot be encoded", "choose another frame")
        return encoded.tobytes()


@lru_cache(maxsize=1024)
def _shown_wh(path: Path) -> tuple[int, int]:
    from workbench.footage.video_info import probe

    return probe(path).size_wh


def _pack(info: VideoInfo) -> dict[str, Any]:
    import numpy as np

    pts = info.player_pts
    steps = np.diff(pts).tolist()
    return {
        "format": TABLE_FORMAT,
        "width": info.width,
        "height": info.height,
        "fps": [info.fps.numerator, info.fps.denominator],
        "time_base": [info.time_base.numerator, info.time_base.denominator],
        "frame_count": info.frame_count,
        "first_pts": int(pts[0]),
        "steps": [[step, len(list(run))] for step, run in groupby(steps)],
        "end_pts": info.end_pts + int(pts[-1] - info.pts[-1]),
        "duration_s": info.duration_s,
        "variable_frame_rate": info.variable_frame_rate,
        "has_audio": info.has_audio,
        "codec": info.codec,
        "container": info.container,
        "oddities": list(info.oddities),
    }
