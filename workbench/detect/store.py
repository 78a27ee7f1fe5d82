"""The store of detections: one COCO file per clip, written and read without holding a match.

The unit is one frame. `write_detections` appends frames as they come; what others read is plain
COCO JSON. One key more says at which byte the annotations of each frame begin, so that a reader
finds a range of frames and reads nothing else. A file that some other tool wrote is read whole.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, overload

from workbench.detect.dataset.coco_check import check_coco, refuse
from workbench.detect.dataset.coco_file import is_id, load_coco
from workbench.detect.detections import (
    CLASSES,
    TRUTH,
    Detection,
    FrameDetections,
    from_coco,
    plain_rle,
    to_coco,
)
from workbench.detect.segmentation import is_number, to_rle
from workbench.errors import DatasetError
from workbench.footage.clips import Clip
from workbench.saving import reading, replacing

BLOCK_FRAMES = 512  # read together
MOST_BLOCKS = 4  # of a clip in memory: clips up to a minute are read once

_STARTS = "frame_starts"  # of each frame's annotations, in bytes from the first, and their end
_IMAGES, _ANNOTATIONS, _END = b', "images": [\n', b'\n], "annotations": [\n', b"\n]}\n"
_MOST_HEAD_BYTES = 1 << 24


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
    candidates: Sequence[FrameDetections] = ()  # by frame, all that may be the ball; or not known
    checked: frozenset[int] = frozenset()  # frames that a person has decided
    unseen: frozenset[int] = frozenset()  # frames that nobody looked at: empty, but not negatives

    def of_class(self, frame: int, name: str) -> list[Detection]:
        """Detections of one class in one frame."""
        return [one for one in self.frames[frame] if one.class_name == name]


class DetectionWriter:
    """Appends frames to a COCO file; made by `write_detections`."""

    def __init__(self, images: IO[bytes], annotations: IO[bytes], classes: Sequence[str]) -> None:
        self._image_file, self._annotation_file, self._classes = images, annotations, classes
        self.images = self.annotations = 0  # written
        self._size = 0  # of the annotations, in bytes
        self.starts: list[int] | None = [0]  # see `_STARTS`; None where frames are skipped

    def add(self, image: Mapping[str, Any], found: Iterable[Detection]) -> None:
        """Write one frame; ids of images and annotations are given here, counting from 1."""
        self._write(self._image_file, {"id": self.images + 1, **image}, first=not self.images)
        if image["frame"] != self.images:
            self.starts = None
        self.images += 1
        for one in found:
            place = {"id": self.annotations + 1, "image_id": self.images}
            row = {**place, **to_coco(one, self._classes)}
            self._size += self._write(self._annotation_file, row, first=not self.annotations)
            self.annotations += 1
        if self.starts is not None:
            self.starts.append(self._size)

    @staticmethod
    def _write(file: IO[bytes], row: Mapping[str, Any], *, first: bool) -> int:
        separator = "" if first else ",\n"
        text = separator + json.dumps(row, ensure_ascii=False, allow_nan=False)
        return file.write(text.encode())


@contextmanager
def write_detections(
    path: Path, head: Mapping[str, Any], classes: Sequence[str] = CLASSES
) -> Iterator[DetectionWriter]:
    """Write a COCO file one frame at a time; it appears, whole, when the block ends well.

    Args:
        path: Where the file goes.
        head: Its other keys, such as `info` and `clip`.
        classes: Names of the categories.

    Example:
        >>> with write_detections(Path("found.json"), {}) as out:  # doctest: +SKIP
        ...     out.add(image_row("clip", 0, (640, 360)), [Detection("ball", (1, 2, 3, 4))])
    """
    with (
        replacing(path) as part,
        tempfile.TemporaryFile(dir=path.parent) as images,
        tempfile.TemporaryFile(dir=path.parent) as annotations,
    ):
        out = DetectionWriter(images, annotations, classes)
        yield out
        keys = {**head, "categories": coco_categories(classes), _STARTS: out.starts}
        with part.open("wb") as file:
            file.write(json.dumps(keys, ensure_ascii=False).encode()[:-1] + _IMAGES)
            for rows, after in ((images, _ANNOTATIONS), (annotations, _END)):
                rows.seek(0)
                shutil.copyfileobj(rows, file)
                file.write(after)


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


def balls_path(path: Path) -> Path:
    """Where all that may be the ball is kept, beside the labels of a clip."""
    return path.with_suffix(".balls.json")


def load_detections(path: Path, clip: Clip) -> ClipDetections:
    """Open the detections, or the truth, of one clip, and what may be its ball where that is known.

    Of a file of ours only what is asked for is read, when it is asked for.

    Raises:
        DatasetError: If the file is absent or is not COCO JSON with a frame number per image, or
            not of this clip.
    """
    head = read_head(path)
    frames: Sequence[FrameDetections] = ()
    unseen = frozenset[int]()
    if head is not None and head[_STARTS] is not None:
        frames = stored_frames(path, head)
    else:
        what, again = "a file of detections", "label the clip again"
        with reading(path, what, again, absent="label the clip first") as content:
            head = load_coco(content)
        refuse(check_coco(path, content=head, kind="bbox"), again)
        try:
            frames, unseen = _frames_of(head, clip)
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(path, error) from None
    about = head.get("clip")
    found_by = str(about.get("teacher", TRUTH)) if isinstance(about, dict) else TRUTH
    named = clip.clip_id, clip.session, found_by, clip.width, clip.height
    return ClipDetections(*named, frames, _candidates_of(path, about), unseen=unseen)


def _candidates_of(path: Path, about: Any) -> Sequence[FrameDetections]:
    """What may be the ball, if whoever made the labels left that; else nothing."""
    beside = balls_path(path)
    head = read_head(beside)
    if head is None or not about or head.get("clip") != about:
        return ()
    return stored_frames(beside, head)


def load_truth(clips: Sequence[Clip], footage_dir: Path) -> list[ClipDetections]:
    """Open the truth of those clips that have one."""
    return [
        load_detections(footage_dir / clip.truth, clip) for clip in clips if clip.truth is not None
    ]


def read_head(path: Path) -> dict[str, Any] | None:
    """What a file of detections says before its rows; None if it is none of ours.

    `frame_starts` is None where frames are skipped: such a file is read whole.
    """
    try:
        with path.open("rb") as file:
            line = file.readline(_MOST_HEAD_BYTES)
            head: dict[str, Any] = json.loads(line.removesuffix(_IMAGES) + b"}")
            if head[_STARTS] is None:
                return head
            first_byte = path.stat().st_size - len(_END) - head[_STARTS][-1]
            file.seek(first_byte - len(_ANNOTATIONS))
            if file.read(len(_ANNOTATIONS)) != _ANNOTATIONS:
                return None
            return head | {_STARTS: [first_byte + start for start in head[_STARTS]]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _frames_of(
    content: Mapping[str, Any], clip: Clip
) -> tuple[tuple[FrameDetections, ...], frozenset[int]]:
    """Detections by frame of a COCO file's whole content, and the frames that are not in it."""
    names = _names_of(content)
    image_to_frame: dict[int, int] = {}
    left = set(range(clip.frame_count))
    for image in content["images"]:
        frame = image["frame"]
        if frame not in left:
            raise ValueError(f"frame {frame!r} is none of {clip.frame_count}, or there before")
        if (image["width"], image["height"]) != (clip.width, clip.height):
            raise ValueError(f"frame {frame} is not of the clip's size, {clip.width}×{clip.height}")
        image_to_frame[image["id"]] = frame
        left.remove(frame)
    count = max(image_to_frame.values(), default=-1) + 1
    frames: list[list[Detection]] = [[] for _ in range(count)]
    for row in content["annotations"]:
        for key, is_sound in (("score", is_number), ("track_id", is_id)):
            if row.get(key) is not None and not is_sound(row[key]):
                raise ValueError(f"annotation {row.get('id')!r}: {key!r} is {row[key]!r}")
        if row.get("segmentation"):
            mask = plain_rle(to_rle(row["segmentation"], clip.height, clip.width))
            row = row | {"segmentation": mask}
        found = from_coco(row, names[row["category_id"]])
        frames[image_to_frame[row["image_id"]]].append(found)
    return tuple(map(tuple, frames)), frozenset(left & set(range(count)))


def _names_of(head: Mapping[str, Any]) -> dict[int, str]:
    names = {row["id"]: str(row["name"]) for row in head["categories"]}
    unknown = set(names.values()) - set(CLASSES)
    if unknown:
        raise ValueError(f"class {min(unknown)!r} is none of {', '.join(CLASSES)}")
    return names


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path} is not a file of detections ({error})", "label the clip again")


def stored_frames(path: Path, head: Mapping[str, Any]) -> LazyFrames:
    """All frames of a file of ours; the blocks that were asked for last stay in memory.

    Args:
        path: The file.
        head: As read by `read_head`.
    """
    stored = _StoredFrames(path, _names_of(head), head[_STARTS])
    return LazyFrames(len(stored.starts) - 1, stored)


class _StoredFrames:
    """Reads a file of ours by blocks. Another process that is sent it reads the file itself."""

    def __init__(self, path: Path, names: dict[int, str], starts: list[int]) -> None:
        self.path, self.names, self.starts = path, names, starts
        self._blocks: dict[int, list[FrameDetections]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _StoredFrames, (self.path, self.names, self.starts)

    def __call__(self, frame: int) -> FrameDetections:
        number, place = divmod(frame, BLOCK_FRAMES)
        blocks = self._blocks
        if number not in blocks:
            if len(blocks) >= MOST_BLOCKS:
                del blocks[next(iter(blocks))]
            start = number * BLOCK_FRAMES
            blocks[number] = self._read(start, min(start + BLOCK_FRAMES, len(self.starts) - 1))
        return blocks[number][place]

    def _read(self, start: int, stop: int) -> list[FrameDetections]:
        frames: list[list[Detection]] = [[] for _ in range(start, stop)]
        try:
            with self.path.open("rb") as file:
                file.seek(self.starts[start])
                text = file.read(self.starts[stop] - self.starts[start]).strip(b",\n")
            for row in json.loads(b"[" + text + b"]"):
                found = from_coco(row, self.names[row["category_id"]])
                frames[row["image_id"] - 1 - start].append(found)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise _unreadable(self.path, error) from None
        return [tuple(found) for found in frames]
