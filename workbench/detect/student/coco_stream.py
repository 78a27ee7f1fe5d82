"""A COCO file written while detections come in: its size is bounded by the disk, not by memory.

The unit is one frame: an image and its annotations. The same format as a teacher's labels, so that
whatever reads those reads this. The file appears, whole, when the block ends well.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from workbench.saving import replacing


class CocoStream:
    """Writes images and annotations one frame at a time.

    COCO wants all images before (or after) all annotations; annotations wait in a second file.

    Args:
        path: Where the file goes.
        head: Its other keys, such as `info`, `clip` and `categories`.

    Example:
        >>> with CocoStream(Path("found.json"), {"categories": []}) as coco:  # doctest: +SKIP
        ...     coco.add({"frame": 0, "width": 640, "height": 360}, [{"bbox": [1, 2, 3, 4]}])
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        self.path, self._head = path, head
        self.images = self.annotations = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            part = stack.enter_context(replacing(self.path))
            self._file: IO[str] = stack.enter_context(part.open("w", encoding="utf-8"))
            waiting = tempfile.TemporaryFile("w+", encoding="utf-8", dir=self.path.parent)
            self._waiting: IO[str] = stack.enter_context(waiting)
            self._file.write(json.dumps(self._head, ensure_ascii=False)[:-1])
            self._file.write(', "images": [' if self._head else '"images": [')
            self._open = stack.pop_all()
        return self

    def add(self, image: Mapping[str, Any], annotations: Iterable[Mapping[str, Any]]) -> None:
        """Write one frame; ids of images and annotations are given here, counting from 1."""
        self._write(self._file, {"id": self.images + 1, **image}, first=not self.images)
        self.images += 1
        for annotation in annotations:
            place = {"id": self.annotations + 1, "image_id": self.images}
            self._write(self._waiting, {**place, **annotation}, first=not self.annotations)
            self.annotations += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            with self._open:
                self._file.write('\n], "annotations": [')
                self._waiting.seek(0)
                shutil.copyfileobj(self._waiting, self._file)
                self._file.write("\n]}\n")
                self._file.flush()
        else:
            self._open.__exit__(kind, error, trace)

    @staticmethod
    def _write(file: IO[str], row: Mapping[str, Any], *, first: bool) -> None:
        file.write("\n" if first else ",\n")
        file.write(json.dumps(row, ensure_ascii=False, allow_nan=False))


def categories(classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return COCO categories whose ids count from 1."""
    return [{"id": place + 1, "name": name} for place, name in enumerate(classes)]
