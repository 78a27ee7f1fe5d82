"""The detection record: one object found in one frame, and its forms elsewhere.

The unit is a `Detection`; what is found in a frame is a tuple of them. Masks are run lengths: a
second of full-HD masks of ten objects is 600 MB as pixels and some hundred kB so. On disk a
detection is a COCO annotation, for other libraries it is `supervision.Detections`. Knows nothing
about who finds or follows objects, nor about files.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from workbench.detect.segmentation import Rle, iou_of

if TYPE_CHECKING:
    import supervision as sv

CLASSES = ("person", "ball", "goal")  # COCO ids count from 1 in this order
PERSON, BALL, GOAL = CLASSES

TRUTH, HUMAN = "truth", "human"  # who finds without a score and is certain
SCORE_DIGITS = 4

Mask = NDArray[np.bool_]  # (H, W)
Box = tuple[float, float, float, float]  # of four pixel coordinates; which ones, its name says


def plural(name: str) -> str:
    """Return the word for several objects of a class."""
    return "people" if name == "person" else f"{name}s"


@dataclass(frozen=True, slots=True)
class Detection:
    """One object in one frame.

    Scores have four decimals, in memory as on disk: work that goes on from saved detections sees
    exactly what work that was never interrupted does.
    """

    class_name: str
    xywh: Box  # left, top, width, height in pixels; of the mask where there is one
    mask: Rle | None = None
    score: float | None = None  # 0–1; None for truth, people and models that give none
    track_id: int | None = None
    found_by: str = TRUTH  # a teacher, a student's run, `HUMAN` or `TRUTH`
    prompt: str | None = None  # what made a teacher look for it
    more: Mapping[str, Any] = field(default_factory=dict)  # further COCO keys, such as keypoints

    def __post_init__(self) -> None:
        if self.score is not None:
            # As detectors compute: a double may round to another last digit at a tie.
            single = float(np.float32(self.score))
            object.__setattr__(self, "score", round(single, SCORE_DIGITS))

    @classmethod
    def of_mask(cls, class_name: str, mask: Rle, **fields: Any) -> "Detection":
        """A detection whose box is that of its mask."""
        return cls(class_name, xywh_of(mask), mask, **fields)

    @property
    def xyxy(self) -> Box:
        """Left, top, right, bottom in pixels; right and bottom are the first outside."""
        x, y, width, height = self.xywh
        return x, y, x + width, y + height

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of its box in pixels."""
        x, y, width, height = self.xywh
        return x + width / 2, y + height / 2

    @property
    def area_px(self) -> float:
        """Pixels of the mask; of the box where there is no mask."""
        if self.mask is not None:
            return int(rle.area(self.mask))
        return round(self.xywh[2] * self.xywh[3], 2)

    @property
    def is_certain(self) -> bool:
        """Whether it comes from the truth or from a person."""
        return self.found_by in (TRUTH, HUMAN)

    @property
    def rank(self) -> float:
        """Its place among others, 0–1: its score; certain ones come first, unscored ones last."""
        return float(self.is_certain) if self.score is None else self.score

    def pixels(self) -> Mask | None:
        """The mask as pixels (H, W), or None where there is only a box."""
        return None if self.mask is None else rle.decode(self.mask).astype(bool)


FrameDetections = tuple[Detection, ...]


def encode_mask(mask: NDArray[Any]) -> Rle:
    """Run lengths of a mask (H, W)."""
    return plain_rle(rle.encode(np.asfortranarray(mask, dtype=np.uint8)))


def plain_rle(encoded: Mapping[str, Any]) -> Rle:
    """Compressed run lengths as JSON stores them: whole numbers and text."""
    counts = encoded["counts"]
    return {
        "size": [int(side) for side in encoded["size"]],
        "counts": counts.decode() if isinstance(counts, bytes) else counts,
    }


def encode_box(xyxy: Box, shape_hw: tuple[int, int]) -> Rle | None:
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


def xywh_of(mask: Rle) -> Box:
    """The box around a mask: left, top, width, height."""
    x, y, width, height = (float(value) for value in rle.toBbox(mask))
    return x, y, width, height


def mask_iou(some: Sequence[Detection], others: Sequence[Detection]) -> NDArray[np.float64]:
    """Overlap of the masks of two lists of detections (N, M)."""
    return iou_of([one.mask for one in some], [one.mask for one in others])


def match_detections(
    now: Sequence[Detection], then: Sequence[Detection], least_iou: float = 0.5
) -> dict[int, int]:
    """Pair detections of the same class in two frames, largest overlap first, each used once.

    Returns:
        Place in `now` to place in `then`.
    """
    overlap = mask_iou(now, then)
    for row, one in enumerate(now):
        overlap[row, [other.class_name != one.class_name for other in then]] = -1
    pairs: dict[int, int] = {}
    for place in np.argsort(-overlap, axis=None, kind="stable"):
        row, column = divmod(int(place), len(then))
        if overlap[row, column] < least_iou:
            break
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    return pairs


def to_coco(found: Detection, classes: Sequence[str] = CLASSES) -> dict[str, Any]:
    """The COCO annotation of a detection, without ids.

    `iscrowd` is 0 for every mask, holes and all, because trainers drop crowds; nothing is too small
    to be kept. A model that gives no scores has the score null; truth and people have no score.
    """
    annotation: dict[str, Any] = {
        "category_id": classes.index(found.class_name) + 1,
        "bbox": list(found.xywh),
        "area": found.area_px,
    }
    if found.mask is not None:
        annotation["segmentation"] = found.mask
    annotation["iscrowd"] = 0
    if found.score is not None or not found.is_certain:
        annotation["score"] = found.score
    if found.found_by != TRUTH:
        annotation["teacher"] = found.found_by
    if found.prompt:
        annotation["prompt"] = found.prompt
    if found.track_id is not None:
        annotation["track_id"] = found.track_id
    return annotation | dict(found.more)


_RECORD_KEYS = {
    *("id", "image_id", "category_id", "bbox", "area", "segmentation", "iscrowd"),
    *("score", "teacher", "prompt", "track_id"),
}  # what `Detection` holds in fields of its own, or follows from them


def from_coco(annotation: Mapping[str, Any], class_name: str) -> Detection:
    """Read back what `to_coco` wrote, or the like from another tool with RLE masks."""
    x, y, width, height = annotation["bbox"]
    segmentation = annotation.get("segmentation")
    return Detection(
        class_name,
        (x, y, width, height),
        mask=segmentation or None if isinstance(segmentation, dict) else None,
        score=annotation.get("score"),
        track_id=annotation.get("track_id"),
        found_by=annotation.get("teacher", TRUTH),
        prompt=annotation.get("prompt"),
        more={key: value for key, value in annotation.items() if key not in _RECORD_KEYS},
    )


def from_supervision(
    detections: "sv.Detections", found_by: str, classes: Sequence[str] = CLASSES
) -> FrameDetections:
    """Records of what a library found in one frame, such as RF-DETR or a tracker.

    A box whose mask has no pixel is left out; a score that is not a number is none.

    Args:
        detections: With class_id; masks, scores and track ids where there are any.
        found_by: Who found them.
        classes: Names by class_id.
    """
    assert detections.class_id is not None
    found = []
    for place, class_id in enumerate(detections.class_id.tolist()):
        left, top, right, bottom = (round(float(value), 2) for value in detections.xyxy[place])
        box: Box = left, top, round(right - left, 2), round(bottom - top, 2)
        mask = None if detections.mask is None else encode_mask(detections.mask[place])
        if mask is not None:
            box = xywh_of(mask)
            if min(box[2:]) <= 0:
                continue
        scores, ids = detections.confidence, detections.tracker_id
        score = math.nan if scores is None else float(scores[place])
        known = None if math.isnan(score) else score
        track_id = None if ids is None or ids[place] < 0 else int(ids[place])
        found.append(Detection(classes[class_id], box, mask, known, track_id, found_by))
    return tuple(found)


def to_supervision(found: Sequence[Detection], classes: Sequence[str] = CLASSES) -> "sv.Detections":
    """Detections of one frame for supervision's annotators, trackers and metrics.

    Masks (n, H, W) only where every detection has one; a missing score is NaN, a missing track id
    −1. `data` says the class's name and who found each.
    """
    import supervision as sv

    masks = [pixels for one in found if (pixels := one.pixels()) is not None]
    ids = [-1 if one.track_id is None else one.track_id for one in found]
    return sv.Detections(
        xyxy=np.array([one.xyxy for one in found], np.float32).reshape(-1, 4),
        mask=np.stack(masks) if masks and len(masks) == len(found) else None,
        confidence=np.array([one.score for one in found], np.float32),
        class_id=np.array([classes.index(one.class_name) for one in found], int),
        tracker_id=np.array(ids, int),
        data={
            "class_name": np.array([one.class_name for one in found], str),
            "found_by": np.array([one.found_by for one in found], str),
        },
    )


def is_accepted(found: Detection, min_score: float | Mapping[str, float]) -> bool:
    """Whether a raw detection is good enough; one without a score is.

    Args:
        found: The detection.
        min_score: Least score, one for all or per class; a class not named: 0.
    """
    return found.score is None or found.score >= least_score(min_score, found.class_name)


def accepted(found: Iterable[Detection], min_score: float | Mapping[str, float]) -> FrameDetections:
    """The detections that are good enough."""
    return tuple(one for one in found if is_accepted(one, min_score))


def least_score(min_score: float | Mapping[str, float], name: str) -> float:
    """Return the score a class must have: one for all, or its own (0 where a mapping is silent)."""
    return min_score.get(name, 0.0) if isinstance(min_score, Mapping) else min_score


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    start = min(round(low), math.ceil(high) - 1)
    return max(0, min(start, size)), max(0, min(max(round(high), start + 1), size))
