"""One object in one frame, as a mask in memory and as a COCO annotation on disk.

The unit is a `Sighting`. Masks travel as run lengths: a second of full-HD masks of ten objects is
600 MB as pixels and some hundred kB so. Knows nothing about who sees or follows objects.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from pycocotools import mask as rle

from workbench.detect.teacher import CLASSES

Annotation = dict[str, Any]
Rle = dict[str, Any]  # {"size": [height, width], "counts": bytes or str}
Mask = NDArray[np.bool_]  # (H, W)
Xyxy = tuple[float, float, float, float]  # left, top, right, bottom in pixels, ends exclusive

NO_TRACK = -1  # the tracker id of a detection that nobody follows


@dataclass(frozen=True)
class Sighting:
    """One object that a teacher saw in a frame."""

    class_id: int
    segmentation: Rle
    teacher: str
    score: float | None  # 0–1; None where the teacher gives none, as vision-language models do
    prompt: str | None = None  # what made the teacher look for it
    track_id: int | None = None


def encode_mask(mask: NDArray[Any]) -> Rle:
    """Run lengths of a mask (H, W)."""
    return dict(rle.encode(np.asfortranarray(mask, dtype=np.uint8)))


def encode_box(xyxy: Xyxy, shape_hw: tuple[int, int]) -> Rle | None:
    """Run lengths of a filled box, cut to the frame; None if no pixel of it is inside.

    A box thinner than a pixel covers the pixel it lies in.

    Example:
        >>> int(rle.area(encode_box((1.0, 1.0, 3.0, 4.0), (10, 10))))
        6
    """
    height, width = shape_hw
    left, right = _pixels(xyxy[0], xyxy[2], width)
    top, bottom = _pixels(xyxy[1], xyxy[3], height)
    if left >= right or top >= bottom:
        return None
    mask = np.zeros(shape_hw, np.uint8)
    mask[top:bottom, left:right] = 1
    return encode_mask(mask)


def box_of(segmentation: Rle) -> Xyxy:
    """The box around a mask."""
    x, y, width, height = (float(value) for value in rle.toBbox(segmentation))
    return x, y, x + width, y + height


def to_detections(sightings: Sequence[Sighting], shape_hw: tuple[int, int]) -> sv.Detections:
    """Detections of one frame, masks (n, H, W), a score of NaN where there is none."""
    masks = np.zeros((len(sightings), *shape_hw), bool)
    for place, sighting in enumerate(sightings):
        masks[place] = rle.decode(sighting.segmentation).astype(bool)
    boxes = [box_of(sighting.segmentation) for sighting in sightings]
    scores = [np.nan if s.score is None else s.score for s in sightings]
    tracks = [NO_TRACK if s.track_id is None else s.track_id for s in sightings]
    return sv.Detections(
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        mask=masks,
        confidence=np.array(scores, np.float32),
        class_id=np.array([s.class_id for s in sightings], int),
        tracker_id=np.array(tracks, int),
        data={
            "class_name": np.array([CLASSES[s.class_id] for s in sightings], str),
            "teacher": np.array([s.teacher for s in sightings], str),
            "prompt": np.array([s.prompt or "" for s in sightings], str),
        },
    )


def to_annotations(detections: sv.Detections, teacher: str) -> Iterator[Annotation]:
    """COCO annotations (without ids) of one frame's detections.

    Masks become RLE with `iscrowd` 0, holes and all: trainers drop crowds. Boxes are those of the
    masks, x, y, width, height in pixels; nothing is too small to be kept. A score that is not a
    number becomes null. Corners of a goal's mouth in `data["corners_px"]` are kept.

    Args:
        detections: With mask, class_id and confidence.
        teacher: Who labelled what does not say so itself in `data["teacher"]`.
    """
    for index in range(len(detections)):
        assert detections.mask is not None
        assert detections.class_id is not None
        assert detections.confidence is not None
        segmentation = encode_mask(detections.mask[index])
        score = float(detections.confidence[index])
        annotation: Annotation = {
            "category_id": int(detections.class_id[index]) + 1,
            "bbox": [float(value) for value in rle.toBbox(segmentation)],
            "area": int(rle.area(segmentation)),
            "segmentation": {
                "size": [int(side) for side in segmentation["size"]],
                "counts": segmentation["counts"].decode(),
            },
            "iscrowd": 0,
            "score": None if np.isnan(score) else round(score, 4),
            "teacher": str(_own(detections, "teacher", index) or teacher),
        }
        if prompt := _own(detections, "prompt", index):
            annotation["prompt"] = str(prompt)
        if detections.tracker_id is not None and detections.tracker_id[index] != NO_TRACK:
            annotation["track_id"] = int(detections.tracker_id[index])
        corners = _own(detections, "corners_px", index)
        if corners is not None and np.isfinite(corners).all():
            annotation["corners_px"] = np.round(corners, 2).tolist()
        yield annotation


def to_sightings(annotations: Iterable[Annotation]) -> list[Sighting]:
    """Read back what `to_annotations` wrote."""
    return [
        Sighting(
            class_id=annotation["category_id"] - 1,
            segmentation=annotation["segmentation"],
            teacher=annotation["teacher"],
            score=annotation["score"],
            prompt=annotation.get("prompt"),
            track_id=annotation.get("track_id"),
        )
        for annotation in annotations
    ]


def is_accepted(annotation: Annotation, min_score: float, *, unscored: bool = True) -> bool:
    """Whether a raw label is good enough.

    Args:
        annotation: The label. Truth and human labels carry no score and are always accepted.
        min_score: Least score.
        unscored: Whether to accept labels whose teacher gives no scores (`"score": null`).
    """
    score = annotation.get("score", 1.0)
    return unscored if score is None else bool(score >= min_score)


def least_score(min_score: float | Mapping[str, float], name: str) -> float:
    """Return the score a class must have: one for all, or its own (0 where a mapping is silent)."""
    return min_score.get(name, 0.0) if isinstance(min_score, Mapping) else min_score


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(round(low), math.ceil(high) - 1)
    return max(0, min(start, size)), max(0, min(max(round(high), start + 1), size))


def _own(detections: sv.Detections, key: str, index: int) -> Any:
    values = detections.data.get(key)
    return None if values is None else values[index]
