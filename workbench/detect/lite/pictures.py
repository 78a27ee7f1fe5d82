"""Labelled pictures as the lite student sees them: fitted into its canvas, or varied for training.

The unit is one picture of a COCO dataset with its boxes. A picture is shrunk or enlarged to fit the
canvas as it is, never squeezed; what is left is grey. All variation comes from the generator that
is given. Knows nothing about networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.dataset.coco_file import read_json
from workbench.detect.lite.network import HEIGHT_PX, WIDTH_PX
from workbench.detect.student.crops import read_image, split_file

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]  # (K, 4) of left, top, right, bottom in pixels

_GREY = 114  # around the picture
_AS_IS = 0.25  # share of training pictures that are only fitted
_ZOOM = (0.75, 1.9)
_LEAST_VISIBLE = 0.3  # share of an object that must be in view to count as seen


@dataclass(frozen=True)
class Picture:
    """One picture on disk and what is in it."""

    path: Path
    boxes: Boxes
    classes: NDArray[np.int64]  # (K,) places in the list of classes
    unknown: tuple[bool, ...] = ()  # per class: none is labelled, and yet there may be some

    def read(self) -> Image:
        """Return it as RGB (H, W, 3).

        Raises:
            DatasetError: If it cannot be read.
        """
        return read_image(self.path)


def pictures_in(dataset_dir: Path, split: str, classes: Sequence[str]) -> list[Picture]:
    """Return the pictures of a split with the boxes of these classes.

    Raises:
        DatasetError: If the dataset has no such split.
    """
    content = read_json(split_file(dataset_dir, split))
    place_of = {row["id"]: classes.index(row["name"]) for row in content["categories"]
                if row["name"] in classes}  # fmt: skip
    rows: dict[int, list[tuple[int, list[float]]]] = {}
    for label in content["annotations"]:
        if label["category_id"] in place_of:
            x, y, width, height = label["bbox"]
            place = place_of[label["category_id"]]
            rows.setdefault(label["image_id"], []).append((place, [x, y, x + width, y + height]))
    return [
        Picture(
            dataset_dir / split / image["file_name"],
            np.array([box for _, box in found], np.float32).reshape(-1, 4),
            np.array([place for place, _ in found], np.int64),
        )
        for image in content["images"]
        for found in [rows.get(image["id"], [])]
    ]


@dataclass(frozen=True)
class View:
    """How a picture lies on the canvas: canvas = picture · scale + offset."""

    scale: float
    x_px: float
    y_px: float

    def on_canvas(self, boxes: Boxes) -> Boxes:
        """Boxes of the picture in pixels of the canvas."""
        return np.asarray(boxes * self.scale + self._offset, np.float32)

    def in_picture(self, boxes: Boxes) -> Boxes:
        """Boxes of the canvas in pixels of the picture."""
        return np.asarray((boxes - self._offset) / self.scale, np.float32)

    @property
    def _offset(self) -> Boxes:
        return np.array([self.x_px, self.y_px] * 2, np.float32)


def fitted(image: Image) -> tuple[Image, View]:
    """Return the canvas (272, 480, 3) with the whole picture in its middle, and how it lies there.

    Example:
        >>> canvas, view = fitted(np.zeros((360, 640, 3), np.uint8))
        >>> canvas.shape, view.scale, view.y_px
        ((272, 480, 3), 0.75, 1.0)
    """
    height, width = image.shape[:2]
    scale = min(WIDTH_PX / width, HEIGHT_PX / height)
    return _placed(image, scale, 0.5, 0.5)


def _placed(image: Image, scale: float, across: float, down: float) -> tuple[Image, View]:
    """The canvas with a picture scaled; where there is room, 0 puts it left or up, 1 right or down.

    Where the picture is larger than the canvas, the same shares say which part is in view.
    """
    height, width = image.shape[:2]
    size_wh = max(1, round(width * scale)), max(1, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    seen = image if size_wh == (width, height) else cv2.resize(image, size_wh, interpolation=method)
    x, y = round((WIDTH_PX - size_wh[0]) * across), round((HEIGHT_PX - size_wh[1]) * down)
    canvas = np.full((HEIGHT_PX, WIDTH_PX, 3), _GREY, np.uint8)
    part = seen[max(0, -y) : HEIGHT_PX - y, max(0, -x) : WIDTH_PX - x]
    top, left = max(0, y), max(0, x)
    canvas[top : top + part.shape[0], left : left + part.shape[1]] = part
    return canvas, View(scale, float(x), float(y))


def varied(picture: Picture, rng: np.random.Generator) -> tuple[Image, Picture]:
    """Return a canvas for training and what is in it, boxes in its pixels.

    Zoomed, shifted, mirrored, under other light; now and then blurred, noisy or grey.
    """
    image = picture.read()
    height, width = image.shape[:2]
    fit = min(WIDTH_PX / width, HEIGHT_PX / height)
    if rng.random() < _AS_IS:
        canvas, view = _placed(image, fit, 0.5, 0.5)
    else:
        low, high = np.log(_ZOOM)
        canvas, view = _placed(image, fit * float(np.exp(rng.uniform(low, high))), *rng.random(2))
    boxes, kept = _in_view(view.on_canvas(picture.boxes))
    if rng.random() < 0.5:
        canvas = np.ascontiguousarray(canvas[:, ::-1])
        boxes[:, [0, 2]] = WIDTH_PX - boxes[:, [2, 0]]
    seen = Picture(picture.path, boxes, picture.classes[kept], picture.unknown)
    return _lit(canvas, rng), seen


def _in_view(boxes: Boxes) -> tuple[Boxes, NDArray[np.bool_]]:
    """Boxes cut to the canvas, without those hardly in view; and which are kept."""
    cut = boxes.copy()
    cut[:, ::2], cut[:, 1::2] = cut[:, ::2].clip(0, WIDTH_PX), cut[:, 1::2].clip(0, HEIGHT_PX)
    sides = cut[:, 2:] - cut[:, :2]
    whole = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept = (sides >= 1).all(axis=1) & (np.prod(sides, axis=1) >= _LEAST_VISIBLE * whole)
    return cut[kept], kept


def _lit(canvas: Image, rng: np.random.Generator) -> Image:
    if rng.random() < 0.1:
        canvas = np.asarray(
            cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.4, 1.2))), np.uint8
        )
    gain = rng.uniform(0.7, 1.3) * rng.uniform(0.92, 1.08, 3)
    lit = canvas * gain.astype(np.float32) + np.float32(rng.uniform(-20, 20))
    if rng.random() < 0.3:
        lit += rng.standard_normal(lit.shape, np.float32) * np.float32(rng.uniform(1, 6))
    if rng.random() < 0.05:
        lit = np.repeat(lit.mean(axis=2, keepdims=True), 3, axis=2)
    return np.asarray(lit.clip(0, 255), np.uint8)
