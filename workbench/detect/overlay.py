"""Detections drawn on a frame: boxes, masks, names, in the classes' colours.

The unit is one RGB frame and its `supervision.Detections`. Draws with OpenCV and only where
something is, because it runs on every frame of a video. Knows nothing about files.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.detect.detections import Detection
from workbench.style import class_colours, rgb

Image = NDArray[np.uint8]

_OPACITY = 0.35  # of masks
_MARGIN_PX = 3  # around a small box, so that the box does not hide what is in it
_SMALL_PX = 24  # a box is small if both sides are shorter
_DARK = (24, 24, 24)


def paint_detections(
    image: Image, found: Sequence[Detection], classes: Sequence[str], *, names: bool = True
) -> Image:
    """Return a copy of a frame (H, W, 3) with its detections on it.

    Args:
        image: RGB.
        found: In this frame.
        classes: All that there can be; each has its colour.
        names: Whether every box says what it is, which one (where objects are followed) and how
            sure that is.
    """
    canvas = image.copy()
    colours = {name: rgb(colour) for name, colour in class_colours(classes).items()}
    scale = max(0.35, image.shape[0] / 1600)  # of the text: readable at any size of frame
    for one in found:
        mask = one.pixels()
        if mask is not None:
            _paint_mask(canvas, mask, colours[one.class_name])
    # Boxes last: no name may hide the ball.
    for one in found if names else ():
        _write(canvas, np.array(one.xyxy), _says(one), scale)
    for one in found:
        _paint_box(canvas, np.array(one.xyxy), colours[one.class_name])
    return canvas


def _says(found: Detection) -> str:
    words = [found.class_name]
    if found.track_id is not None:
        words.append(f"#{found.track_id}")
    if found.score is not None:
        words.append(f"{found.score:.2f}")
    return " ".join(words)


def _paint_mask(canvas: Image, mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    part, inside = canvas[box], mask[box]
    part[inside] = (part[inside] * (1 - _OPACITY) + np.array(colour) * _OPACITY).astype(np.uint8)


def _paint_box(canvas: Image, xyxy: NDArray[np.floating], colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = (round(float(value)) for value in xyxy)
    if max(x1 - x0, y1 - y0) < _SMALL_PX:
        x0, y0, x1, y1 = x0 - _MARGIN_PX, y0 - _MARGIN_PX, x1 + _MARGIN_PX, y1 + _MARGIN_PX
    thick = max(1, round(canvas.shape[0] / 540))
    # A dark rim: yellow on a white net is nothing.
    cv2.rectangle(canvas, (x0 - thick, y0 - thick), (x1 + thick, y1 + thick), _DARK, thick)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, thick)


def _write(canvas: Image, xyxy: NDArray[np.floating], text: str, scale: float) -> None:
    font, pad = cv2.FONT_HERSHEY_SIMPLEX, 2
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    x = int(np.clip(xyxy[0], 0, max(0, canvas.shape[1] - width - 2 * pad)))
    above = int(xyxy[1]) - _MARGIN_PX - 2 * pad
    y = above if above - height - below >= 0 else int(xyxy[3]) + height + _MARGIN_PX + 3 * pad
    y = min(y, canvas.shape[0] - below - pad)
    corner = x + width + 2 * pad, y + below
    cv2.rectangle(canvas, (x, y - height - pad), corner, _DARK, cv2.FILLED)
    cv2.putText(canvas, text, (x + pad, y), font, scale, (255, 255, 255), 1, cv2.LINE_AA)
