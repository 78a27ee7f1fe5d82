"""Tiled inference: small objects seen at full resolution by a detector of fixed input size.

A detector that squeezes a 1080p frame into 384 pixels turns a ball of ten pixels into two. Here it
also sees overlapping tiles of the frame, all of one size so that they go through it as one batch,
and the answers become one. Knows nothing about what detects, nor about video.

Unlike supervision's `InferenceSlicer`, tiles are never slivers, the whole frame can take part, what
a tile's edge cut off gives way to the same object seen whole, and masks grow to the size of the
frame only once duplicates are gone.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from workbench.errors import WorkbenchError

Image = NDArray[np.uint8]
DetectBatch = Callable[[Sequence[Image]], Sequence[sv.Detections]]  # any sizes, same order

_SAME_IOU = 0.5  # boxes of one class that overlap more are one object; the best score stays
# A box that ends so near a tile's inner edge may be cut off there: in pixels, and as a share of the
# tile, of which a detector with a small input sees little more than a pixel.
_EDGE_PX, _EDGE_SHARE = 1.5, 0.015
_NEAR = 0.2  # of a box's sides: a cut-off box whose middle is no farther outside is part of it


class TilingError(WorkbenchError):
    """Tiles that cannot cover a frame, or a detector that does not answer for each of them."""


def tile_boxes(
    image_wh: tuple[int, int], tile_wh: tuple[int, int], overlap: float = 0.2
) -> NDArray[np.int64]:
    """Tiles that cover an image: (N, 4) as x0, y0, x1, y1 in pixels, row by row.

    All have the same size: `tile_wh`, or less along a side where the image is smaller. They are
    spread evenly, so neighbours overlap by at least `overlap` of a tile, and one of them sees the
    whole of an object that is smaller than that.

    Raises:
        TilingError: If a tile has no size, or the overlap is not in [0, 0.9].

    Example:
        >>> tile_boxes((1280, 720), (640, 720)).tolist()
        [[0, 0, 640, 720], [320, 0, 960, 720], [640, 0, 1280, 720]]
    """
    if min(tile_wh) < 1:
        raise TilingError(f"a tile of {tile_wh[0]}×{tile_wh[1]} is empty", "give positive sides")
    if not 0 <= overlap <= 0.9:
        raise TilingError(f"the overlap of tiles is {overlap}", "give a share from 0 to 0.9")
    columns, rows = (
        _starts(image, tile, overlap) for image, tile in zip(image_wh, tile_wh, strict=True)
    )
    width, height = (min(image, tile) for image, tile in zip(image_wh, tile_wh, strict=True))
    return np.array([[x, y, x + width, y + height] for y in rows for x in columns], np.int64)


def detect_tiled(
    images: Sequence[Image],
    detect_batch: DetectBatch,
    *,
    tile_wh: tuple[int, int] = (640, 640),
    batch_size: int = 16,
) -> list[sv.Detections]:
    """Detect in tiles of images, and in the whole of them for what is larger, as if at once.

    Args:
        images: RGB (H, W, 3); the views of all of them go through the detector together.
        detect_batch: The detector: images to detections, in pixels of each image.
        tile_wh: Width and height of a tile.
        batch_size: Most views per call.

    Returns:
        For each image boxes and masks in its pixels, best score first. Metadata is left out:
        detectors hide whole images in it.

    Raises:
        TilingError: If tiles make no sense, or the detector gives another number of answers.
    """
    views, crops = [], []
    for image in images:
        height, width = image.shape[:2]
        frame = np.array([[0, 0, width, height]], np.int64)
        tiles = tile_boxes((width, height), tile_wh)
        # A single tile is the whole image.
        views.append(np.concatenate([frame, tiles]) if len(tiles) > 1 else tiles)
        crops += [np.ascontiguousarray(image[y0:y1, x0:x1]) for x0, y0, x1, y1 in views[-1]]
    answers: list[sv.Detections] = []
    for first in range(0, len(crops), batch_size):
        answers += detect_batch(crops[first : first + batch_size])
    if len(answers) != len(crops):
        raise TilingError(
            f"the detector gave {len(answers)} answers for {len(crops)} images",
            "return one sv.Detections per image, in order",
        )
    left = iter(answers)
    return [
        _merge([next(left) for _ in own], own, (image.shape[1], image.shape[0]))
        for image, own in zip(images, views, strict=True)
    ]


def _starts(image: int, tile: int, overlap: float) -> list[int]:
    if tile >= image:
        return [0]
    count = 1 + math.ceil((image - tile) / (tile * (1 - overlap)))
    return [round(place) for place in np.linspace(0, image - tile, count)]


def _merge(
    answers: Sequence[sv.Detections],
    views: NDArray[np.int64],
    image_wh: tuple[int, int],
) -> sv.Detections:
    seen = [(answer, view) for answer, view in zip(answers, views, strict=True) if len(answer)]
    if not seen:
        return sv.Detections.empty()
    boxes = [answer.xyxy + np.tile(view[:2], 2) for answer, view in seen]
    scores = [_or_all(answer.confidence, 1.0, answer) for answer, _ in seen]
    classes = [_or_all(answer.class_id, 0, answer) for answer, _ in seen]
    cut = [_is_cut(own, view, image_wh) for own, (_, view) in zip(boxes, seen, strict=True)]
    kept = _suppress(
        np.concatenate(boxes),
        np.concatenate(scores),
        np.concatenate(classes),
        np.concatenate(cut),
    )
    origin = [(answer, index, view) for answer, view in seen for index in range(len(answer))]
    # One by one, in order of score: a detection's mask grows to the frame only now.
    return sv.Detections.merge([_moved(*origin[place], image_wh) for place in kept])


def _or_all(values: NDArray[Any] | None, missing: float, answer: sv.Detections) -> NDArray[Any]:
    return np.full(len(answer), missing) if values is None else values


def _is_cut(
    boxes: NDArray[np.floating], view: NDArray[np.int64], image_wh: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which boxes end at an edge of their view that is no edge of the image."""
    inner_low, inner_high = view[:2] > 0, view[2:] < np.array(image_wh)
    edge = np.maximum(_EDGE_PX, _EDGE_SHARE * (view[2:] - view[:2]))
    low = (boxes[:, :2] - view[:2] < edge) & inner_low
    high = (view[2:] - boxes[:, 2:] < edge) & inner_high
    return np.asarray((low | high).any(axis=1), np.bool_)


def _suppress(
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    classes: NDArray[np.int64],
    cut: NDArray[np.bool_],
) -> list[int]:
    """Places of the boxes that stay, best score first.

    Whole boxes are taken before cut-off ones, because a sharp view of half a person may score
    higher than the whole person.
    """
    overlap = sv.box_iou_batch(boxes, boxes)
    kept: list[int] = []
    for place in np.lexsort((-scores, cut)):
        rivals = [other for other in kept if classes[other] == classes[place]]
        margin = _NEAR * (boxes[rivals, 2:] - boxes[rivals, :2])
        middle = (boxes[place, :2] + boxes[place, 2:]) / 2
        near = (middle > boxes[rivals, :2] - margin) & (middle < boxes[rivals, 2:] + margin)
        if not ((overlap[rivals, place] > _SAME_IOU) | (cut[place] & near.all(axis=1))).any():
            kept.append(int(place))
    return sorted(kept, key=lambda place: -scores[place])


def _moved(
    answer: sv.Detections, index: int, view: NDArray[np.int64], image_wh: tuple[int, int]
) -> sv.Detections:
    one = answer.select([index])
    offset = view[:2].astype(float)
    one.xyxy = sv.move_boxes(one.xyxy, offset)
    if one.mask is not None:
        one.mask = sv.move_masks(np.asarray(one.mask), view[:2], resolution_wh=image_wh)
    one.metadata = {}
    return one
