"""The store of detections: one COCO file per clip, written and read without holding a match.

The unit is one frame. `DetectionWriter` appends frames as they come; what others read is plain
COCO JSON. Rows are written in the order of frames, so that a reader finds a range of frames by
bisection and reads nothing else. A file that some other tool wrote is read whole.
"""

import json
import re
import shutil
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, NamedTuple, Self, overload

from workbench.detect.detections import (
    CLASSES,
    TRUTH,
    Detection,
    FrameDetections,
    from_coco,
    to_coco,
)
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.saving import replacing

BLOCK_FRAMES = 512  # read together
MOST_BLOCKS = 4  # of a clip in memory: clips up to a minute are read once

_IMAGES, _ANNOTATIONS = b', "images": [', b'], "annotations": ['
_ROW = re.compile(rb'\{"id": (\d+), "(?:image_id": (\d+)|file_name")')
_PIECE_BYTES = 1 << 14  # read at a time in search of a row
_MOST_HEAD_BYTES = 1 << 20
_END = b"]}\n"


class LazyFrames(Sequence[FrameDetections]):
    """Detections by frame, made when they are asked for."""

    def __init__(self, count: int, frame_at: Callable[[int], FrameDetections]) -> None:
        self._count, self._frame_at = count, frame_at

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> FrameDetections: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[FrameDetections]: ...
    def __getitem__(self, place: int | slice) -> FrameDetections | Sequence[FrameDetections]:
        if isinstance(place, slice):
            return [self._frame_at(frame) for frame in range(self._count)[place]]
        return self._frame_at(range(self._count)[place])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(own == theirs for own, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class ClipDetections:
    """What was found in one clip, by a teacher, a student or a person, or what is there."""

    clip_id: str
    session: str
    found_by: str  # a teacher or a chain of them, a student, `TRUTH`
    width: int
    height: int
    frames: Sequence[FrameDetections]  # by frame index
    checked: frozenset[int] = frozenset()  # frames that a person has decided

    def of_class(self, frame: int, name: str) -> list[Detection]:
        """Detections of one class in one frame."""
        return [one for one in self.frames[frame] if one.class_name == name]


class DetectionWriter:
    """Writes a COCO file one frame at a time; it appears, whole, when the block ends well.

    COCO tools want all images before all annotations; annotations wait in a second file.

    Args:
        path: Where the file goes.
        head: Its other keys, such as `info` and `clip`.
        classes: Names of the categories.

    Example:
        >>> with DetectionWriter(Path("found.json"), {}) as out:  # doctest: +SKIP
        ...     out.add(image_row("clip", 0, (640, 360)), [Detection("ball", (1, 2, 3, 4))])
    """

    def __init__(
        self, path: Path, head: Mapping[str, Any], classes: Sequence[str] = CLASSES
    ) -> None:
        self.path, self.classes = path, tuple(classes)
        self._head = {**head, "categories": coco_categories(classes)}
        self.images = self.annotations = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            part = stack.enter_context(replacing(self.path))
            self._file: IO[str] = stack.enter_context(part.open("w", encoding="utf-8"))
            waiting = tempfile.TemporaryFile("w+", encoding="utf-8", dir=self.path.parent)
            self._waiting: IO[str] = stack.enter_context(waiting)
            self._file.write(json.dumps(self._head, ensure_ascii=False)[:-1] + _IMAGES.decode())
            self._open = stack.pop_all()
        return self

    def add(self, image: Mapping[str, Any], found: Iterable[Detection]) -> None:
        """Write one frame; ids of images and annotations are given here, counting from 1."""
        self._write(self._file, {"id": self.images + 1, **image}, first=not self.images)
        self.images += 1
        for one in found:
            place = {"id": self.annotations + 1, "image_id": self.images}
            row = {**place, **to_coco(one, self.classes)}
            self._write(self._waiting, row, first=not self.annotations)
            self.annotations += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with self._open:
                self._file.write(_ANNOTATIONS.decode())
                self._waiting.seek(0)
                shutil.copyfileobj(self._waiting, self._file)
                self._file.write(_END.decode())
                self._file.flush()
        else:
            self._open.__exit__(kind, error, trace)

    @staticmethod
    def _write(file: IO[str], row: Mapping[str, Any], *, first: bool) -> None:
        separator = "" if first else ", "
        file.write(separator + json.dumps(row, ensure_ascii=False, allow_nan=False))


def coco_categories(classes: Sequence[str] = CLASSES) -> list[dict[str, Any]]:
    """COCO categories; ids count from 1, as COCO tools expect."""
    return [
        {"id": place + 1, "name": name, "supercategory": ""} for place, name in enumerate(classes)
    ]


def image_row(clip_id: str, frame: int, size_wh: tuple[int, int]) -> dict[str, Any]:
    """The COCO image of a clip's frame, without its id."""
    return {
        "file_name": f"{clip_id}/{frame:06d}.jpg",
        "width": size_wh[0],
        "height": size_wh[1],
        "clip_id": clip_id,
        "frame": frame,
    }


def load_detections(path: Path, clip: Clip) -> ClipDetections:
    """Open the detections, or the truth, of one clip.

    Of a file of ours only what is asked for is read, when it is asked for.

    Raises:
        DatasetError: If the file is absent or is not COCO JSON with a frame number per image.
    """
    try:
        stored = _Stored.open(path)
        if stored is not None:
            head = stored.head
            frames: Sequence[FrameDetections] = stored.frames()
        else:
            head = json.loads(path.read_text(encoding="utf-8"))
            frames = _frames_of(head)
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist", "label the clip first") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise _unreadable(path, error) from None
    found_by = head.get("clip", {}).get("teacher", TRUTH)
    return ClipDetections(clip.clip_id, clip.session, found_by, clip.width, clip.height, frames)


def load_truth(clips: Sequence[Clip], footage_dir: Path) -> list[ClipDetections]:
    """Open the truth of those clips that have one."""
    return [
        load_detections(footage_dir / clip.truth, clip) for clip in clips if clip.truth is not None
    ]


def read_head(path: Path) -> dict[str, Any] | None:
    """What a file of detections says before its rows; None if it is none of ours."""
    try:
        stored = _Stored.open(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return None if stored is None else stored.head


def _frames_of(content: Mapping[str, Any]) -> tuple[FrameDetections, ...]:
    """Detections by frame of a COCO file's whole content."""
    names = _names_of(content)
    frames: list[list[Detection]] = [[] for _ in content["images"]]
    image_to_frame = {image["id"]: image["frame"] for image in content["images"]}
    for row in content["annotations"]:
        found = from_coco(row, names[row["category_id"]])
        frames[image_to_frame[row["image_id"]]].append(found)
    return tuple(map(tuple, frames))


def _names_of(head: Mapping[str, Any]) -> dict[int, str]:
    names = {row["id"]: str(row["name"]) for row in head["categories"]}
    unknown = set(names.values()) - set(CLASSES)
    if unknown:
        raise ValueError(f"class {min(unknown)!r} is none of {', '.join(CLASSES)}")
    return names


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} is not a label file ({error})", "label the clip anew")


class _Row(NamedTuple):
    """Where a row of a stored file stands among the others; sorts as rows do."""

    is_annotation: bool
    image_id: int
    start: int  # byte at which it begins


@dataclass(frozen=True)
class _Stored:
    """A file that `DetectionWriter` wrote: where its rows are."""

    path: Path
    head: dict[str, Any]
    first_row: int  # byte at which the images begin
    size: int  # of the file, in bytes
    count: int  # frames

    @classmethod
    def open(cls, path: Path) -> "_Stored | None":
        """None where the file is not laid out as ours are, or skips frames."""
        size = path.stat().st_size
        with path.open("rb") as file:
            found = _read_head(file)
            file.seek(max(0, size - len(_END)))
            if found is None or file.read() != _END:
                return None
            head, first_row = found
            end_of_images = _bisect(file, first_row, size, (True, 0))
            last = _row_at(file, max(first_row, end_of_images - 1), size)
            if last is None or last.is_annotation:
                return None
            file.seek(last.start)
            piece = file.read(_PIECE_BYTES).decode(errors="ignore")
            row, _ = json.JSONDecoder().raw_decode(piece)
        if row["frame"] != last.image_id - 1:
            return None
        return cls(path, head, first_row, size, last.image_id)

    def frames(self) -> "LazyFrames":
        """All frames; the blocks that were asked for last stay in memory."""
        _names_of(self.head)
        blocks: dict[int, list[FrameDetections]] = {}

        def frame_at(frame: int) -> FrameDetections:
            number, place = divmod(frame, BLOCK_FRAMES)
            if number not in blocks:
                if len(blocks) >= MOST_BLOCKS:
                    del blocks[next(iter(blocks))]
                start = number * BLOCK_FRAMES
                blocks[number] = self.read(start, min(start + BLOCK_FRAMES, self.count))
            return blocks[number][place]

        return LazyFrames(self.count, frame_at)

    def read(self, start: int, stop: int) -> list[FrameDetections]:
        """Detections of the frames [start, stop).

        Raises:
            DatasetError: If the file is not what it was when it was opened.
        """
        names = _names_of(self.head)
        frames: list[list[Detection]] = [[] for _ in range(start, stop)]
        try:
            with self.path.open("rb") as file:
                places = [
                    _bisect(file, self.first_row, self.size, (True, frame + 1))
                    for frame in (start, stop)
                ]
                rows = [_row_at(file, place, self.size) for place in places]
                first, end = (self.size - len(_END) if row is None else row.start for row in rows)
                file.seek(first)
                text = file.read(end - first).rstrip(b", ")
            for row in json.loads(b"[" + text + b"]"):
                found = from_coco(row, names[row["category_id"]])
                frames[row["image_id"] - 1 - start].append(found)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise _unreadable(self.path, error) from None
        return [tuple(found) for found in frames]


def _read_head(file: BinaryIO) -> tuple[dict[str, Any], int] | None:
    """The keys before the rows, and where the rows begin; None if it is not laid out as ours."""
    content = file.read(_MOST_HEAD_BYTES)
    at = content.find(_IMAGES)
    head = json.loads(content[:at] + b"}") if at >= 0 else {}
    return (head, at + len(_IMAGES)) if "categories" in head else None


def _bisect(file: BinaryIO, low: int, high: int, wanted: tuple[bool, int]) -> int:
    """The first byte from which on the next row is not before the wanted one."""

    def key(position: int) -> tuple[bool, int]:
        row = _row_at(file, position, high)
        return (True, 1 << 62) if row is None else row[:2]

    return low + bisect_left(range(low, high), wanted, key=key)


def _row_at(file: BinaryIO, position: int, size: int) -> _Row | None:
    """The first row that begins at a byte or after it."""
    content = b""
    file.seek(position)
    while position + len(content) < size:
        content += file.read(_PIECE_BYTES)
        found = _ROW.search(content)
        # At the very end of a piece a number may be cut off.
        if found and (found.end() < len(content) or position + len(content) >= size):
            number = found[1] if found[2] is None else found[2]
            return _Row(found[2] is not None, int(number), position + found.start())
    return None
