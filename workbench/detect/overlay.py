"""Detections drawn on a frame: boxes, masks, names, in the classes' colours.

The unit is one RGB frame and its detections. Draws only where something is, because it runs on
every frame of a video. Knows nothing about files.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from workbench.detect.detections import Detection
from workbench.detect.drawing import INK, Image, draw_pill, tint, unit_px
from workbench.style import class_colours, rgb

_OPACITY = 0.35  # of masks
_MARGIN_PX = 3  # around a small box, so that the box does not hide what is in it
_SMALL_PX = 24  # a box is small if both sides are shorter
_TEXT_UNITS, _LEAST_TEXT_PX = 6, 10  # height of names: in `unit_px`, and at least


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
    canvas, colours = image.copy(), class_colours(classes)
    unit = unit_px((image.shape[1], image.shape[0]))
    for one in found:
        mask = one.pixels()
        if mask is not None:
            x0, y0, x1, y1 = (round(value) for value in one.xyxy)
            inside = np.ascontiguousarray(mask[y0:y1, x0:x1], np.uint8)
            tint(canvas[y0:y1, x0:x1], inside, colours[one.class_name], _OPACITY)
    # Boxes are drawn last so that no name hides the ball.
    for one in found if names else ():
        place = one.xywh[0] + one.xywh[2] / 2, one.xywh[1] - 2 * _MARGIN_PX
        size_px = max(_LEAST_TEXT_PX, _TEXT_UNITS * unit)
        draw_pill(canvas, _says(one), place, size_px, colours[one.class_name], bold=False)
    for one in found:
        _draw_box(canvas, one, colours[one.class_name], unit)
    return canvas


def _says(found: Detection) -> str:
    words = [found.class_name]
    if found.track_id is not None:
        words.append(f"#{found.track_id}")
    if found.score is not None:
        words.append(f"{found.score:.2f}")
    return " ".join(words)


def _draw_box(canvas: Image, found: Detection, colour: str, unit: float) -> None:
    x0, y0, x1, y1 = (round(value) for value in found.xyxy)
    margin = _MARGIN_PX if max(found.xywh[2:]) < _SMALL_PX else 0
    thick = max(1, round(0.7 * unit))
    # A dark outline, for contrast on white nets.
    for paint, reach in ((INK, margin + thick), (colour, margin)):
        corners = (x0 - reach, y0 - reach), (x1 + reach, y1 + reach)
        cv2.rectangle(canvas, *corners, rgb(paint), thick)
