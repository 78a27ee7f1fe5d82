"""Drawing on video frames: anti-aliased text, pills, panels and lines, and detections.

The unit is one RGB image (H, W, 3), uint8, changed in place; places are pixels, x to the right, y
down, and may lie between pixels. Text is set in DejaVu, which comes with Matplotlib, because
OpenCV's fonts have one stroke width and no "±".
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from matplotlib import get_data_path
from numpy.typing import ArrayLike, NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from workbench.detect.detections import Detection
from workbench.style import class_colours, rgb

Image = NDArray[np.uint8]
Alpha = NDArray[np.float32]  # (H, W) coverage, 0–1
Box = tuple[int, int, int, int]  # x, y, width, height

INK, PAPER = "#15181B", "#FFFFFF"

_SHIFT = 4  # OpenCV takes sixteenths of a pixel
_SMOOTH = 4  # panels are drawn so many times larger, then shrunk: round corners without steps
_OPACITY = 0.35  # of masks
_MARGIN_PX = 3  # around a small box, so that the box does not hide what is in it
_SMALL_PX = 24  # a box is small if both sides are shorter
_TEXT_UNITS, _LEAST_TEXT_PX = 6, 10  # height of names: in `unit_px`, and at least


def unit_px(wh: tuple[int, int]) -> float:
    """Return the length all sizes are multiples of: one pixel of a picture 360 pixels across.

    Example:
        >>> unit_px((1080, 1920))
        3.0
    """
    return min(wh) / 360


def text_wh(text: str, size_px: float, *, bold: bool = False) -> tuple[int, int]:
    """Return width and height in pixels that `draw_text` covers."""
    alpha = _letters(text, round(size_px), bold)
    return alpha.shape[1], alpha.shape[0]


def draw_text(
    image: Image,
    text: str,
    xy: tuple[float, float],
    size_px: float,
    colour: str = PAPER,
    *,
    bold: bool = False,
    opacity: float = 1.0,
) -> None:
    """Write one line with its upper left corner at `xy`; what lies outside is cut off."""
    _blend(image, _letters(text, round(size_px), bold), xy, colour, opacity)


def draw_panel(
    image: Image, box: Box, colour: str, *, radius_px: float = 0.0, opacity: float = 1.0
) -> None:
    """Fill a rectangle with round corners."""
    x, y, width, height = box
    if min(width, height) > 0:
        radius = min(round(radius_px), width // 2, height // 2)
        _blend(image, _rounded(width, height, radius), (x, y), colour, opacity)


def draw_pill(
    image: Image,
    text: str,
    centre_bottom: tuple[float, float],
    size_px: float,
    colour: str,
    *,
    bold: bool = True,
    opacity: float = 1.0,
) -> Box:
    """Write on a pill that stands above `centre_bottom`, moved as far as it takes to be all inside.

    Returns:
        Where the pill is.
    """
    text_width, text_height = text_wh(text, size_px, bold=bold)
    pad_x, pad_y = round(0.5 * size_px), round(0.18 * size_px)
    wh = text_width + 2 * pad_x, text_height + 2 * pad_y
    height, width = image.shape[:2]
    x = min(max(0, round(centre_bottom[0] - wh[0] / 2)), max(0, width - wh[0]))
    y = min(max(0, round(centre_bottom[1] - wh[1])), max(0, height - wh[1]))
    draw_panel(image, (x, y, *wh), colour, radius_px=wh[1] / 2, opacity=opacity)
    ink = readable_on(colour)
    draw_text(image, text, (x + pad_x, y + pad_y), size_px, ink, bold=bold, opacity=opacity)
    return x, y, *wh


def readable_on(colour: str) -> str:
    """Return black or white, whichever stands out more against a colour (WCAG 2 contrast)."""
    light = relative_luminance(colour)
    return PAPER if 1.05 / (light + 0.05) > (light + 0.05) / 0.05 else INK


def relative_luminance(colour: str) -> float:
    """Return the WCAG 2 relative luminance of a hex colour, 0–1."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in rgb(colour))
    ]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def draw_line(image: Image, points: ArrayLike, colour: str, width_px: float) -> None:
    """Join points (N, 2) with an anti-aliased line; points that are not finite break it."""
    thick = max(1, round(width_px))
    for run in _finite_runs(np.asarray(points, float), image.shape):
        cv2.polylines(image, [run], False, rgb(colour), thick, cv2.LINE_AA, _SHIFT)


def draw_ring(
    image: Image, xy: tuple[float, float], radius_px: float, colour: str, width_px: float
) -> None:
    """Draw an anti-aliased circle."""
    if np.isfinite(xy).all():
        centre = tuple(_as_fixed(np.asarray([xy], float), image.shape)[0].tolist())
        radius, thick = round(radius_px * 2**_SHIFT), max(1, round(width_px))
        cv2.circle(image, centre, radius, rgb(colour), thick, cv2.LINE_AA, _SHIFT)


def tint(image: Image, mask: NDArray[np.uint8], colour: str, opacity: float) -> None:
    """Colour the pixels of a mask (H, W) and keep their light and shade."""
    x, y, width, height = cv2.boundingRect(mask)
    part = image[y : y + height, x : x + width]
    paint = np.empty_like(part)
    paint[:] = rgb(colour)
    mixed = cv2.addWeighted(part, 1 - opacity, paint, opacity, 0)
    np.copyto(part, mixed, where=mask[y : y + height, x : x + width, None].astype(bool))


def draw_outline(image: Image, mask: NDArray[np.uint8], colour: str, width_px: float) -> None:
    """Draw the outer edges of a mask (H, W)."""
    edges, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, edges, -1, rgb(colour), max(1, round(width_px)), cv2.LINE_AA)


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
        place = one.centre[0], one.xywh[1] - 2 * _MARGIN_PX
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


def _blend(
    image: Image, alpha: Alpha, xy: tuple[float, float], colour: str, opacity: float
) -> None:
    height, width = image.shape[:2]
    x, y = round(xy[0]), round(xy[1])
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(alpha.shape[1], width - x), min(alpha.shape[0], height - y)
    if right <= left or bottom <= top or opacity <= 0:
        return
    place = slice(y + top, y + bottom), slice(x + left, x + right)
    cover = opacity * alpha[top:bottom, left:right, None]
    mixed = image[place] * (1 - cover) + np.array(rgb(colour), np.float32) * cover
    image[place] = np.round(mixed).astype(np.uint8)


@lru_cache(maxsize=512)
def _letters(text: str, size_px: int, bold: bool) -> Alpha:
    """Coverage of one line of text, as high as its font's ascent and descent."""
    font = _font(size_px, bold)
    ascent, descent = font.getmetrics()
    width = max(1, round(font.getlength(text)))
    page = Picture.new("L", (width, ascent + descent))
    ImageDraw.Draw(page).text((0, 0), text, fill=255, font=font)
    return np.asarray(page).astype(np.float32) / np.float32(255)


@cache
def _font(size_px: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", name)), size_px)


@lru_cache(maxsize=128)
def _rounded(width: int, height: int, radius: int) -> Alpha:
    page = Picture.new("L", (width * _SMOOTH, height * _SMOOTH))
    ImageDraw.Draw(page).rounded_rectangle(
        (0, 0, width * _SMOOTH - 1, height * _SMOOTH - 1), radius * _SMOOTH, fill=255
    )
    smooth = page.resize((width, height), Picture.Resampling.BOX)
    return np.asarray(smooth).astype(np.float32) / np.float32(255)


def _finite_runs(points: NDArray[np.float64], shape: Sequence[int]) -> list[NDArray[np.int32]]:
    broken = ~np.isfinite(points).all(axis=1)
    whole = np.ma.masked_array(points[:, 0], broken)
    # NumPy's function cannot take an empty array.
    runs: list[slice] = np.ma.clump_unmasked(whole) if len(whole) else []  # type: ignore[no-untyped-call]
    return [_as_fixed(points[run], shape) for run in runs if run.stop - run.start > 1]


def _as_fixed(points: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.int32]:
    """Points in OpenCV's fixed-point pixels, whose integers name the middle of a pixel."""
    reach = 4.0 * max(shape[:2])  # farther away OpenCV's integers overflow
    near = np.clip(points - 0.5, -reach, reach)
    return np.asarray(np.round(near * 2**_SHIFT), np.int32)
