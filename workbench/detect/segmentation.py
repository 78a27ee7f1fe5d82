"""COCO segmentations: polygons, run lengths and compressed run lengths, checked before use.

The unit is one object's `segmentation` value. pycocotools decodes in C and trusts its input: broken
run lengths give wrong masks or read past their end. `to_rle` looks first and says what is wrong.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

Rle = dict[str, Any]  # {"size": [height, width], "counts": bytes or str}

MOST_NUMBER = 2**53  # up to which every whole number is itself as a float, too
MOST_BOX_PX = 2**30  # of a coordinate: areas stay far from the ends of 64 bits
MOST_OUTLINE_PX = 1_000_000  # of one object: pycocotools holds 40 bytes for each of its pixels

_LEAST_POLYGON = 6  # numbers: three corners
_FIRST_CODE, _PAYLOAD, _SIGN, _MORE = 48, 0x1F, 0x10, 0x20  # of a character, see `_read_runs`


class SegmentationError(ValueError):
    """A segmentation that is no mask of its image; the message says why in a few words."""


def to_rle(segmentation: Any, height: int, width: int) -> Rle:
    """Return any COCO segmentation as compressed run lengths.

    Args:
        segmentation: Polygons, run lengths as numbers, or compressed run lengths.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Raises:
        SegmentationError: If it is none of these, or no mask of an image of this size.

    Example:
        >>> rle.area(to_rle([[0, 0, 4, 0, 4, 2, 0, 2]], 10, 10))
        8
    """
    if isinstance(segmentation, dict):
        _check_rle(segmentation, height, width)
        checked = {"size": [height, width], "counts": segmentation["counts"]}
        if isinstance(checked["counts"], list):
            return dict(rle.frPyObjects(checked, height, width))
        return checked
    if not isinstance(segmentation, list) or not segmentation:
        raise SegmentationError("neither polygons nor RLE")
    outline_px = sum(_outline_px(polygon, height, width) for polygon in segmentation)
    if outline_px > MOST_OUTLINE_PX:
        raise SegmentationError(f"an outline of {outline_px:.0f} px, more than {MOST_OUTLINE_PX}")
    return dict(rle.merge(rle.frPyObjects(segmentation, height, width)))


def to_mask(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """Return any COCO segmentation as a mask (H, W).

    Raises:
        SegmentationError: If it is no mask of an image of this size.
    """
    return np.asarray(rle.decode(to_rle(segmentation, height, width)), dtype=bool)


def iou_of(
    shapes: Sequence[Any], others: Sequence[Any], is_crowd: Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Return the IoU (N, M) of boxes (left, top, width, height), or of compressed run lengths.

    Of one of the `others` that is a crowd it is the share of the shape that is inside.
    """
    if not shapes or not others:
        return np.zeros((len(shapes), len(others)))
    return np.asarray(rle.iou(list(shapes), list(others), is_crowd or [0] * len(others)), float)


def _outline_px(polygon: Any, height: int, width: int) -> float:
    """Length of a polygon's outline, in pixels as pycocotools steps along it."""
    if not isinstance(polygon, list) or len(polygon) < _LEAST_POLYGON or len(polygon) % 2:
        found = f"{len(polygon)} numbers" if isinstance(polygon, list) else repr(polygon)[:40]
        raise SegmentationError(f"a polygon of {found}: three corners are six")
    if not all(is_number(value) for value in polygon):
        raise SegmentationError("a polygon with something that is no number")
    points, wh = np.array(polygon, float).reshape(-1, 2), np.array([width, height])
    far = ((points < -wh) | (points > 2 * wh)).any(axis=1)
    if far.any():
        x, y = points[far][0]
        raise SegmentationError(f"a polygon with a corner at ({x:g}, {y:g}), far from its image")
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum())


def _check_rle(segmentation: Rle, height: int, width: int) -> None:
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list | tuple) or list(size) != [height, width]:
        raise SegmentationError(f"RLE of size {size}, image of [{height}, {width}] (height, width)")
    if isinstance(counts, list):
        if not all(is_number(run) and run == int(run) for run in counts):
            raise SegmentationError("RLE with a run that is no whole number")
        runs = np.array(counts, dtype=np.int64)
    elif isinstance(counts, str | bytes):
        if isinstance(counts, str):
            counts = counts.encode(errors="surrogatepass")
        runs = _read_runs(counts)
    else:
        raise SegmentationError("RLE without counts")
    pixels = height * width
    if (runs < 0).any() or (runs > pixels).any():  # before the sum, which wraps round
        raise SegmentationError(f"RLE with a run that is no part of an image of {pixels} pixels")
    if runs.sum() != pixels:
        raise SegmentationError(f"RLE of {runs.sum()} pixels, image of {pixels}")


def _read_runs(counts: bytes) -> NDArray[np.int64]:
    """Return run lengths from COCO's text form.

    Five bits per character, lowest first, a sixth says that more follow; from the fourth run on
    each number is the difference to the run before the last (rleFrString in cocoapi's maskApi.c).
    """
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - _FIRST_CODE
    if not codes.size:
        return codes
    is_last = (codes & _MORE) == 0
    if (codes < 0).any() or (codes >= 2 * _MORE).any() or not is_last[-1]:
        raise SegmentationError("RLE whose text is cut off or not RLE")
    ends = np.flatnonzero(is_last)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 12:  # 60 bits
        raise SegmentationError("RLE with a run beyond any image")
    places = np.arange(codes.size) - np.repeat(starts, lengths)
    runs = np.add.reduceat((codes & _PAYLOAD) << (5 * places), starts)
    runs -= np.where(codes[ends] & _SIGN, np.int64(1) << (5 * lengths), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return np.asarray(runs, dtype=np.int64)


def is_number(value: Any, most: float = MOST_NUMBER) -> TypeGuard[float]:
    """Say whether a value from JSON is a finite number, and not beyond `most` on either side."""
    is_numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return is_numeric and -most <= value <= most


def is_box(value: Any) -> bool:
    """Say whether a value from JSON is four numbers that can be pixels."""
    is_four = isinstance(value, list | tuple) and len(value) == 4
    return is_four and all(is_number(side, MOST_BOX_PX) for side in value)
